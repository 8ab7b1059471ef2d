//! What following cannot see, found within bounds and at little cost.

use std::time::Duration;

use super::bench::{Bench, Poll};
use super::primary::START_MS;
use crate::netbackup::JobRow;
use crate::reason::Reason;

const JOBS: u64 = 2000;
const DAY_S: u64 = 24 * 3600;

/// A day of jobs that have ended, and three that run; read and followed for a while.
async fn bench() -> Bench {
    let mut bench = Bench::new(Duration::from_secs(DAY_S));
    {
        let mut world = bench.model.world();
        for id in 1..=JOBS {
            let end = START_MS - i64::try_from((JOBS - id) * DAY_S * 1000 / JOBS).unwrap();
            let end = end - end.rem_euclid(1000);
            world.last_id = id;
            world.write(
                JobRow {
                    id,
                    state: "DONE".into(),
                    status: Some(0),
                    start_ms: Some(end - 60_000),
                    end_ms: Some(end),
                    last_update_ms: Some(end + 5),
                    ..JobRow::default()
                },
                0,
            );
        }
        for id in JOBS + 1..=JOBS + 3 {
            let (start_ms, last_update_ms) = (Some(START_MS), Some(START_MS));
            world.write(JobRow { id, state: "ACTIVE".into(), start_ms, last_update_ms, ..JobRow::default() }, 0);
        }
    }
    for _ in 0..40 {
        minute(&mut bench).await;
    }
    bench
}

/// A quiet minute and its poll. Returns the number of requests.
async fn minute(bench: &mut Bench) -> usize {
    bench.pass(60).await;
    let before = bench.model.world().requests;
    assert!(bench.poll(&Poll::quiet()).await);
    bench.model.world().requests - before
}

fn in_lookback(bench: &Bench, status: i32) -> u64 {
    let jobs = &bench.feed.window.lookback().jobs;
    jobs.iter().filter(|(group, _)| group.status == Some(status)).map(|(_, n)| *n).sum()
}

/// How many polls pass until a job in the middle of the window has another status, or none.
async fn polls_until(bench: &mut Bench, status: i32, is: u64, most: u32) -> u32 {
    for polls in 1..=most {
        minute(bench).await;
        if in_lookback(bench, status) == is {
            return polls;
        }
    }
    panic!("not found within {most} polls");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_job_leaves_the_gauges_soon() {
    let mut bench = bench().await;
    let mut longest = 0;
    for id in [300, 1000, 1700] {
        bench.model.world().delete(id);
        // Every second poll counts, and up to three requests of each cut what differs.
        let mut polls = 0;
        loop {
            minute(&mut bench).await;
            polls += 1;
            assert!(polls <= 12, "{id} is still there");
            let listed = bench.model.world().listed().count() as u64 - 3;
            let (now, lookback) = (bench.model.world().now_ms(), i64::try_from(DAY_S * 1000).unwrap());
            let old =
                bench.model.world().listed().filter(|row| row.end_ms.is_some_and(|end| end < now - lookback)).count();
            if in_lookback(&bench, 0) == listed - old as u64 {
                break;
            }
        }
        longest = longest.max(polls);
    }
    assert!(longest > 1, "a deletion leaves no trace that following could find");
}

#[tokio::test(start_paused = true)]
async fn a_backdated_edit_is_found_within_one_round() {
    let mut bench = bench().await;
    for id in [300, 1000, 1700] {
        let row = bench.model.world().jobs[&id].row.clone().unwrap();
        bench.model.world().write(JobRow { status: Some(96), ..row }, 0);
    }
    // Every second poll reads a page of at least half of what a page holds.
    let round = u32::try_from(2 * JOBS / 50).unwrap();
    polls_until(&mut bench, 96, 3, round).await;
    bench.check();
}

#[tokio::test(start_paused = true)]
async fn silently_lost_rights_empty_nothing_and_are_said() {
    let mut bench = bench().await;
    let before = (in_lookback(&bench, 0), bench.feed.window.unfinished().count());
    bench.model.world().blind = true;
    for _ in 0..30 {
        // Nothing leaves by its age meanwhile.
        let polled = bench.feed_poll().await;
        assert_eq!(polled.unwrap_err().reason, Reason::Forbidden);
        assert_eq!((in_lookback(&bench, 0), bench.feed.window.unfinished().count()), before);
    }
    bench.model.world().blind = false;
    minute(&mut bench).await;
    bench.check();
}

#[tokio::test(start_paused = true)]
async fn rights_that_are_narrowed_are_no_failure_and_empty_nothing() {
    let mut bench = bench().await;
    let before = in_lookback(&bench, 0);
    // The lists that every poll reads show the running jobs; the audit sees nothing any more, and may not count.
    bench.model.world().hides_ended = true;
    for poll in 0..200 {
        bench.feed_poll().await.unwrap_or_else(|failure| panic!("poll {poll}: {failure:?}"));
        assert_eq!(in_lookback(&bench, 0), before);
    }
    bench.model.world().hides_ended = false;
    minute(&mut bench).await;
    bench.check();
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_rest_in_the_middle_of_a_poll_gets_it() {
    for (reason, fails) in [(Reason::Throttled, true), (Reason::Timeout, false)] {
        let mut bench = bench().await;
        bench.model.world().delete(JOBS + 1);
        // It is asked for once two polls have not shown it.
        let quiet = minute(&mut bench).await;
        bench.model.world().no_job = Some(reason);
        bench.pass(60).await;
        let before = bench.model.world().requests;
        let polled = bench.feed_poll().await;
        let requests = bench.model.world().requests - before;
        assert_eq!(polled.is_err_and(|failure| failure.reason == reason), fails, "{reason}");
        assert!(requests <= quiet, "{requests} requests, {quiet} before: nothing after that of the job");
        assert!(bench.feed.window.suspects(9).len() == 1, "{reason}: it is asked for again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_right_to_count_fails_no_poll() {
    let mut bench = bench().await;
    bench.model.world().mute = true;
    // `minute` takes every failure ill.
    for _ in 0..200 {
        minute(&mut bench).await;
    }
    bench.check();
    bench.model.world().mute = false;
    bench.model.world().delete(1000);
    let listed = bench.model.world().listed().count() as u64 - 3;
    for _ in 0..200 {
        minute(&mut bench).await;
    }
    assert!(in_lookback(&bench, 0) <= listed);
    bench.check();
}

#[tokio::test(start_paused = true)]
async fn a_key_with_rights_on_single_jobs_is_served_and_seldom_asked_to_count() {
    let mut bench = bench().await;
    let mut feed = Bench::new(Duration::from_secs(DAY_S)).feed;
    std::mem::swap(&mut bench.feed, &mut feed);
    bench.model.world().mute = true;
    bench.feed_poll().await.unwrap();
    bench.model.world().counts = 0;
    for _ in 0..200 {
        minute(&mut bench).await;
    }
    let counts = bench.model.world().counts;
    assert!((1..=4).contains(&counts), "asked {counts} times in 200 polls");
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_doubted_every_ten_minutes_and_no_other() {
    let mut bench = Bench::new(Duration::from_secs(DAY_S));
    let canaries = |bench: &Bench| bench.model.world().canaries;
    minute(&mut bench).await;
    assert_eq!(canaries(&bench), 1);
    for _ in 0..9 {
        minute(&mut bench).await;
    }
    assert_eq!(canaries(&bench), 1);
    for _ in 0..2 {
        minute(&mut bench).await;
    }
    assert_eq!(canaries(&bench), 2);
    {
        let mut world = bench.model.world();
        let (id, end_ms) = (1, world.now_ms() - 1_000);
        world.last_id = id;
        let row = JobRow { id, state: "DONE".into(), status: Some(0), ..JobRow::default() };
        world.write(JobRow { end_ms: Some(end_ms), last_update_ms: Some(end_ms), ..row }, 0);
    }
    for _ in 0..40 {
        minute(&mut bench).await;
    }
    assert_eq!(canaries(&bench), 2, "it is not empty, though nothing changes");
}

#[tokio::test(start_paused = true)]
async fn rights_that_an_empty_list_was_seen_with_are_missed_at_once() {
    let mut bench = Bench::new(Duration::from_secs(DAY_S));
    minute(&mut bench).await;
    bench.model.world().blind = true;
    let mut polls = 0;
    while bench.feed_poll().await.is_ok() {
        bench.pass(60).await;
        polls += 1;
        assert!(polls <= 3, "the audit counts every second poll");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_no_jobs_cost_no_more_than_their_share() {
    for ghosts in [30, 250] {
        let mut bench = bench().await;
        // Some in one stretch, some in many.
        let at = |n: i64| START_MS - if n % 2 == 0 { 7_200_000 } else { n * 200_000 };
        bench.model.world().ghosts = (0..ghosts).map(at).collect();
        let mut most = 0;
        for _ in 0..400 {
            let requests = minute(&mut bench).await;
            most = most.max(requests);
        }
        assert!(most <= 6, "{most} requests with {ghosts} ghosts");
        bench.check();
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_poll_makes_at_most_six_requests() {
    let mut bench = bench().await;
    for _ in 0..200 {
        let requests = minute(&mut bench).await;
        assert!(requests <= 6, "{requests}");
    }
    bench.check();
}
