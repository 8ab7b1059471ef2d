//! Ten days of a busy primary, a poll each minute: nothing grows, and everything is counted.

use std::collections::VecDeque;
use std::time::Duration;

use super::bench::{Bench, Poll};
use crate::netbackup::JobRow;

const DAYS: u64 = 10;
const JOBS_A_DAY: u64 = 2000;
const MINUTES: u64 = 24 * 60;

#[tokio::test(start_paused = true)]
async fn ten_days_leave_no_more_behind_than_one() {
    let mut bench = Bench::new(Duration::from_secs(24 * 3600));
    bench.keeps_ledger = false;
    let mut running = VecDeque::new();
    let (mut created, mut ended) = (0, 0);
    let mut sizes = Vec::new();
    assert!(bench.poll(&Poll::quiet()).await);
    for minute in 1..=DAYS * MINUTES {
        bench.pass(60).await;
        {
            let mut world = bench.model.world();
            let now = world.now_ms();
            let second = now - now.rem_euclid(1000);
            while created < minute * JOBS_A_DAY / MINUTES {
                created += 1;
                let row = JobRow {
                    id: created,
                    state: "ACTIVE".into(),
                    job_type: "BACKUP".into(),
                    start_ms: Some(second),
                    last_update_ms: Some(now),
                    ..JobRow::default()
                };
                world.write(row.clone(), 0);
                running.push_back(row);
            }
            // Some twenty run at a time. One in fifty is deleted as it runs, one in seventy runs again.
            while running.len() > 20 {
                let row = running.pop_front().unwrap();
                if row.id % 50 == 0 {
                    world.delete(row.id);
                    continue;
                }
                let late = if row.id % 30 == 0 { 90_000 } else { 0 };
                let done = JobRow {
                    state: "DONE".into(),
                    status: Some(i64::try_from(row.id % 3).unwrap()),
                    end_ms: Some(second),
                    last_update_ms: Some(now),
                    files: Some(row.id),
                    ..row.clone()
                };
                world.write(done, late);
                ended += u64::from(row.status.is_none());
                if row.id % 70 == 0 && row.status.is_none() {
                    world.write(JobRow { status: Some(0), last_update_ms: Some(now), ..row.clone() }, late + 120_000);
                    running.push_back(JobRow { status: Some(0), ..row });
                }
            }
            if minute % 60 == 0 {
                world.expire(now - 2 * 24 * 3_600_000);
            }
        }
        let poll = Poll { compacts: minute % 200 == 0, ..Poll::quiet() };
        assert!(bench.poll(&poll).await);
        if minute % MINUTES == 0 {
            let kept: usize = bench.kept_bytes();
            sizes.push((bench.feed.window.sizes(), bench.feed.audit.size(), kept));
        }
    }
    let (first, last) = (sizes[2], sizes[sizes.len() - 1]);
    let [jobs, bytes, unfinished, vanished, revived, changed] = last.0;
    assert!(jobs as u64 <= JOBS_A_DAY * 11 / 10, "{jobs} jobs are remembered");
    assert!(bytes <= first.0[1].max(64 * 2 * jobs), "{bytes} bytes, and {} at first", first.0[1]);
    assert!(unfinished <= 40 && vanished <= 2, "{unfinished} unfinished, {vanished} vanished");
    assert_eq!((revived, changed), (0, 0));
    assert!(last.1 <= 8, "{} things on the audit's mind", last.1);
    assert!(last.2 <= first.2 * 2, "{} bytes kept, and {} at first", last.2, first.2);
    let counted: u64 = bench.feed.window.counters().statuses.values().map(|counter| counter.jobs).sum();
    // What runs again is counted once. The last ones may not have become visible.
    assert!(counted <= ended && counted + 10 >= ended, "{counted} of {ended}");
    bench.settle().await;
}
