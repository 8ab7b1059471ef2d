//! A ledger of clients that is switched on, off and on again beside a feed that goes on.

use std::time::Duration;

use super::bench::{Bench, Poll};
use super::history::{Done, End, Event, Stamp};
use crate::config::Clients;

fn create() -> Event {
    Event::Create { kind: 0, startless: false, late_s: 0, children: None }
}

fn finish(status: i64, ago_s: u32) -> Event {
    let stamp = Stamp::Now;
    let done = Done { status: Some(status), end: End::Ago(ago_s), stamp, kilobytes: None, files: None };
    Event::Finish { job: 0, done, late_s: 0 }
}

async fn job(bench: &mut Bench, status: i64) {
    bench.happens(&create()).await;
    bench.pass(30).await;
    bench.happens(&finish(status, 0)).await;
    bench.pass(30).await;
    assert!(bench.poll(&Poll::quiet()).await);
}

/// Jobs counted, failures in a row, and whether a success is known, of the one client.
fn known(bench: &Bench) -> (u64, u64, bool) {
    let clients = bench.clients();
    let [(_, record)] = clients.as_slice() else { panic!("{clients:?}") };
    let jobs = record.statuses.iter().map(|(_, jobs)| u64::from(*jobs)).sum();
    (jobs, record.failures_in_a_row(), record.last_success_s.is_some())
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_is_switched_on_knows_the_window_and_counts_from_then_on() {
    let mut bench = Bench::new(Duration::from_secs(3 * 3600));
    bench.settings.clients = None;
    bench.restart_with_clients(None);
    for status in [0, 0, 96, 96] {
        job(&mut bench, status).await;
    }
    assert!(bench.clients().is_empty());
    let frames = bench.kept_bytes();
    bench.restart_with_clients(Some(Clients::default()));
    // A job that ends while the window is read again is met there first, and counts.
    let during = vec![(4, create()), (4, finish(96, 20))];
    assert!(bench.poll(&Poll { during, ..Poll::quiet() }).await);
    assert_eq!(known(&bench), (1, 3, true), "what ended before counts nothing");
    assert!(bench.kept_bytes() > frames);
    job(&mut bench, 96).await;
    assert_eq!(known(&bench), (2, 4, true));
    bench.settle().await;

    // It goes on where it was, and the window is not read again.
    bench.restart_with_clients_kept();
    let before = bench.model.world().requests;
    job(&mut bench, 96).await;
    assert_eq!(known(&bench), (3, 5, true));
    assert!(bench.model.world().requests - before <= 8);

    // Who counts without it makes it void.
    bench.restart_with_clients(None);
    job(&mut bench, 0).await;
    bench.restart_with_clients(Some(Clients::default()));
    assert!(bench.clients().is_empty());
    assert!(bench.poll(&Poll::quiet()).await);
    assert_eq!(known(&bench), (0, 0, true));
    bench.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_without_a_ledger_is_what_it_always_was() {
    let mut bench = Bench::new(Duration::from_secs(3 * 3600));
    bench.restart_with_clients(None);
    job(&mut bench, 0).await;
    let received = std::time::SystemTime::now();
    let frame = |bench: &mut Bench| {
        let (mut plain, mut bytes) = (Vec::new(), Vec::new());
        let told: Result<(), postcard::Error> = bench.feed.everything(received, |kept| {
            plain.push(postcard::to_allocvec(kept)?);
            bytes.push(kept.to_bytes()?);
            Ok(())
        });
        told.unwrap();
        (plain, bytes)
    };
    let (plain, bytes) = frame(&mut bench);
    assert_eq!(plain, bytes);
    bench.restart_with_clients(Some(Clients::default()));
    assert!(bench.poll(&Poll::quiet()).await);
    let (plain, bytes) = frame(&mut bench);
    // Whoever knows no ledger reads the same.
    assert!(plain.iter().zip(&bytes).all(|(plain, bytes)| bytes.len() > plain.len() && bytes.starts_with(plain)));
}

#[tokio::test(start_paused = true)]
async fn another_choice_of_clients_is_told_the_window_and_nothing_twice() {
    let mut bench = Bench::new(Duration::from_secs(3 * 3600));
    assert!(bench.poll(&Poll::quiet()).await);
    for status in [0, 96, 96] {
        job(&mut bench, status).await;
    }
    assert_eq!(known(&bench), (3, 2, true));
    bench.settings.clients = Some(Clients::new(7, &[], &[]).unwrap());
    bench.restart_with_clients_kept();
    job(&mut bench, 96).await;
    assert_eq!(known(&bench), (4, 3, true));
    bench.settle().await;
}
