//! What may have been lost while nobody polled is said, and nothing else.

use std::time::Duration;

use super::bench::{After, Bench, Poll};
use super::history::{Done, End, Event, Stamp};

const MINUTE_S: u64 = 60;

/// A job that begins and ends at once.
async fn job(bench: &Bench) {
    bench.happens(&Event::Create { kind: 0, startless: false, late_s: 0, children: None }).await;
    let done = Done { status: Some(0), end: End::Ago(0), stamp: Stamp::Now, kilobytes: None, files: None };
    bench.happens(&Event::Finish { job: 0, done, late_s: 0 }).await;
}

/// A primary with a job each minute, polled for some time and then not for an hour. It lists what ended less than
/// `retention_s` ago. Returns the gap that is said after it, in minutes.
async fn gap_after_an_hour(retention_s: u64, ghosts: bool, restarts: bool) -> u64 {
    let mut bench = Bench::new(Duration::from_secs(3 * 3600));
    for minute in 0..80 {
        job(&bench).await;
        if ghosts {
            bench.happens(&Event::Ghost).await;
        }
        bench.pass(MINUTE_S).await;
        let now = bench.model.world().now_ms();
        bench.model.world().expire(now - i64::try_from(retention_s).unwrap() * 1000);
        if minute == 19 && restarts {
            let after = After::Restart { lookback_s: None, own_step_s: 0, is_confirmed: true };
            assert!(bench.poll(&Poll { after, ..Poll::quiet() }).await);
        } else if !(20..79).contains(&minute) {
            assert!(bench.poll(&Poll::quiet()).await);
        }
    }
    bench.check_counters();
    bench.feed.gap().as_secs() / MINUTE_S
}

#[tokio::test(start_paused = true)]
async fn what_is_still_listed_is_no_gap() {
    for (ghosts, restarts) in [(false, false), (true, false), (false, true), (true, true)] {
        assert_eq!(gap_after_an_hour(2 * 3600, ghosts, restarts).await, 0, "ghosts: {ghosts}, restarts: {restarts}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_primary_let_go_meanwhile_is_one() {
    for restarts in [false, true] {
        assert!((49..=51).contains(&gap_after_an_hour(600, false, restarts).await));
    }
}
