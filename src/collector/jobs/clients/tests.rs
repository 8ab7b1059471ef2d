//! The ledger against a recount, what is kept of it, and its limits.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::keep::KeptLedger;
use super::*;
use crate::collector::jobs::window::{Reading, Window};
use crate::netbackup::JobRow;

const DAY_MS: i64 = 86_400_000;
const NOW_MS: i64 = 1_790_000_000_000;
const NOW_S: u32 = 1_790_000_000;
const WALL_MS: u64 = 1_790_000_000_000;

fn ledger(wanted: config::Clients) -> Ledger {
    let mut ledger = Ledger::new(wanted, Duration::from_secs(86_400));
    ledger.begin(WALL_MS);
    ledger
}

fn any() -> Ledger {
    ledger(config::Clients::default())
}

fn job(client: &str) -> Job<'_> {
    Job { client, policy: "gold", job_type: "BACKUP" }
}

fn end(status: i32, after_s: i64) -> End {
    End { status: Some(status), at_ms: Some(NOW_MS + after_s * 1000) }
}

/// A job ends and counts.
fn finish(ledger: &mut Ledger, client: &str, status: i32, after_s: i64) {
    ledger.count(job(client), end(status, after_s));
    ledger.ended(job(client), end(status, after_s));
}

fn record(ledger: &Ledger, client: &str) -> Record {
    ledger.all().get(client).unwrap().entry("gold", "BACKUP").unwrap().record.clone()
}

fn names(ledger: &Ledger) -> Vec<&str> {
    ledger.all().keys().map(|name| &**name).collect()
}

fn view(ledger: &mut Ledger) -> View {
    ledger.view(Stamp::of(SystemTime::now()))
}

/// As a frame holds it.
fn through_bytes(kept: &KeptLedger) -> Option<KeptLedger> {
    KeptLedger::read(&kept.write_behind(Vec::new()).unwrap()).unwrap()
}

#[test]
fn partial_is_a_success_and_cancelled_is_neither() {
    let mut ledger = any();
    for (status, after_s) in [(96, 1), (96, 2), (150, 3)] {
        finish(&mut ledger, "app", status, after_s);
    }
    let known = record(&ledger, "app");
    assert_eq!((known.last_success_s, known.failures_in_a_row()), (None, 2));
    assert_eq!(known.last_attempt_s, Some(NOW_S + 3));
    finish(&mut ledger, "app", 1, 4);
    finish(&mut ledger, "app", 2, 3);
    let known = record(&ledger, "app");
    assert_eq!(
        (known.last_success_s, known.failures_in_a_row()),
        (Some(NOW_S + 4), 0),
        "a late row of an older failure"
    );
    assert_eq!(known.statuses, [(Some(1), 1), (Some(2), 1), (Some(96), 2), (Some(150), 1)]);
    assert_eq!((known.jobs(Outcome::Failed), known.jobs(Outcome::Partial)), (3, 1));
}

#[test]
fn without_an_end_only_the_counter_moves() {
    let mut ledger = any();
    let end = End { status: Some(0), at_ms: None };
    ledger.count(job("app"), end);
    ledger.ended(job("app"), end);
    let known = record(&ledger, "app");
    assert_eq!((known.last_success_s, known.last_attempt_s, known.jobs(Outcome::Success)), (None, None, 1));
}

#[test]
fn a_long_row_of_failures_is_counted_though_not_remembered_one_by_one() {
    let mut ledger = any();
    for after_s in 0..1000 {
        finish(&mut ledger, "app", 96, after_s);
    }
    assert_eq!(record(&ledger, "app").failures_in_a_row(), 1000);
    finish(&mut ledger, "app", 96, -5);
    ledger.retract(job("app"), end(96, 3));
    ledger.ended_before(job("app"), end(96, 999));
    ledger.ended_before(job("app"), end(96, 7));
    assert_eq!(record(&ledger, "app").failures_in_a_row(), 1000);
    finish(&mut ledger, "app", 0, 989);
    assert_eq!(record(&ledger, "app").failures_in_a_row(), 10);
    finish(&mut ledger, "app", 0, 2000);
    assert_eq!(record(&ledger, "app").failures_in_a_row(), 0);
}

#[test]
fn who_comes_first_stays_and_what_is_dropped_is_counted() {
    let mut ledger = ledger(config::Clients::new(2, &[], &["test.*"]).unwrap());
    for client in ["b", "test-1", "c", "a", "b", "a"] {
        finish(&mut ledger, client, 0, 1);
    }
    assert_eq!(names(&ledger), ["b", "c"]);
    let seen = view(&mut ledger);
    assert_eq!((seen.dropped_jobs, seen.is_full), (2, true), "not the excluded one");
    // Who has had no job for a hundred days makes room.
    finish(&mut ledger, "b", 0, 50 * 86_400);
    ledger.settle(NOW_MS + 100 * DAY_MS);
    assert_eq!(names(&ledger), ["b", "c"]);
    ledger.settle(NOW_MS + 101 * DAY_MS);
    assert_eq!(names(&ledger), ["b"]);
    assert_eq!(seen.clients.len(), 2, "what was handed over does not change");
    finish(&mut ledger, "a", 0, 101 * 86_400);
    assert_eq!((names(&ledger), ledger.keys), (vec!["a", "b"], 2));
}

#[test]
fn policies_without_end_and_absurd_names_are_dropped() {
    let mut ledger = ledger(config::Clients::new(1, &[], &[]).unwrap());
    for policy in 0..1005 {
        let policy = policy.to_string();
        ledger.count(Job { client: "app", policy: &policy, job_type: "BACKUP" }, end(0, 1));
    }
    assert_eq!((ledger.keys, view(&mut ledger).dropped_jobs), (1000, 5));
    let long = "a".repeat(256);
    let mut ledger = any();
    finish(&mut ledger, &long, 0, 1);
    finish(&mut ledger, &long[..255], 0, 1);
    assert_eq!((ledger.keys, view(&mut ledger).dropped_jobs), (1, 1));
}

#[test]
fn a_new_key_is_shown_at_0_first_and_that_is_kept() {
    let mut ledger = any();
    finish(&mut ledger, "app", 96, 1);
    let first = view(&mut ledger);
    assert!(record(&ledger, "app").born > first.shown);
    let _ = ledger.changes();
    ledger.shown(first.generation);
    assert!(ledger.has_changed(), "on the disk before anybody sees it");
    let mut again = any();
    again.restore(through_bytes(&ledger.everything().next().unwrap()));
    again.restored(NOW_MS);
    assert!(record(&again, "app").born <= view(&mut again).shown);
    finish(&mut again, "db", 96, 1);
    // A view of before the new one came.
    again.shown(first.generation);
    assert!(record(&again, "db").born > view(&mut again).shown);
    let _ = again.changes();
    let next = view(&mut again);
    again.shown(next.generation);
    assert!(record(&again, "db").born <= view(&mut again).shown);
    let _ = again.changes();
    let next = view(&mut again);
    again.shown(next.generation);
    assert!(!again.has_changed(), "nothing new was shown: nothing to keep");
}

#[test]
fn what_is_kept_comes_back_and_a_frame_without_it_voids_it() {
    let mut ledger = any();
    for client in ["app", "db"] {
        finish(&mut ledger, client, 96, 1);
        finish(&mut ledger, client, 0, 2);
        finish(&mut ledger, client, 96, 3);
    }
    ledger.told_all();
    let first = ledger.changes();
    finish(&mut ledger, "db", 96, 4);
    assert!(ledger.has_changed());
    let second = ledger.changes();
    assert!(!ledger.has_changed());
    let bytes = |kept: &KeptLedger| kept.write_behind(Vec::new()).unwrap().len();
    assert!(bytes(&second) * 3 < bytes(&first) * 2, "only what has changed");
    let mut restored = any();
    restored.restore(through_bytes(&first));
    restored.restore(through_bytes(&second));
    assert!(!restored.restored(NOW_MS));
    assert_eq!((restored.all(), restored.keys), (ledger.all(), 2));
    assert!(!restored.wants_all() && !restored.has_changed());
    restored.restore(None);
    assert!(restored.wants_all() && restored.all().is_empty());
    restored.restore(through_bytes(&second));
    assert_eq!(names(&restored), ["db"]);
}

#[test]
fn a_ledger_of_another_layout_is_none_and_foreign_bytes_do_no_harm() {
    let mut ledger = any();
    finish(&mut ledger, "app", 96, 1);
    let mut bytes = ledger.changes().write_behind(Vec::new()).unwrap();
    assert!(KeptLedger::read(&[]).unwrap().is_none());
    assert!(KeptLedger::read(&bytes[..bytes.len() - 1]).is_err());
    bytes[0] = 2;
    assert!(KeptLedger::read(&bytes).unwrap().is_none());
}

#[test]
fn a_smaller_choice_drops_those_that_came_last_and_says_so() {
    let mut ledger = any();
    for (at, client) in ["d", "c", "b", "a"].iter().enumerate() {
        ledger.begin(WALL_MS + at as u64);
        finish(&mut ledger, client, 0, 1);
    }
    let kept: Vec<_> = ledger.everything().collect();
    let restored = |wanted: config::Clients| {
        let mut restored = super::tests::ledger(wanted);
        kept.iter().for_each(|part| restored.restore(through_bytes(part)));
        let is_smaller = restored.restored(NOW_MS);
        (names(&restored).join(""), is_smaller, restored.keys)
    };
    assert_eq!(restored(config::Clients::default()), ("abcd".into(), false, 4));
    assert_eq!(restored(config::Clients::new(2, &[], &[]).unwrap()), ("cd".into(), true, 2));
    assert_eq!(restored(config::Clients::new(9, &["a|d"], &[]).unwrap()), ("ad".into(), true, 2));
}

#[test]
fn a_large_ledger_is_kept_in_parts() {
    let mut ledger = ledger(config::Clients::new(20_000, &[], &[]).unwrap());
    for client in 0..12_000 {
        finish(&mut ledger, &format!("client-{client}"), 0, client);
    }
    let parts: Vec<_> = ledger.everything().collect();
    assert_eq!(parts.len(), 3);
    let mut restored = any();
    parts.iter().for_each(|part| restored.restore(through_bytes(part)));
    assert_eq!(restored.all(), ledger.all());
    assert_eq!(any().everything().count(), 1, "the head is kept in any case");
}

/// Prints what 5,000 clients with two policies and two job types cost: `cargo test --lib -- --ignored --nocapture clients_cost`.
#[test]
#[ignore = "prints figures, judges nothing"]
#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn what_clients_cost() {
    fn resident_kb() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
    let render = |view: &View| {
        let mut page = crate::exposition::Page::new("paris");
        crate::collector::clients::render(&mut page, view);
        page.finish()
    };
    let all: Vec<(String, String, &str)> = (0..20_000)
        .map(|key| {
            let (client, policy) = (format!("client-{:05}.example.com", key / 4), format!("policy-{:03}", key % 401));
            (client, policy, ["BACKUP", "SNAPSHOT"][key % 2])
        })
        .collect();
    let before = resident_kb();
    let mut ledger = any();
    for round in 0..3 {
        for (at, (client, policy, job_type)) in all.iter().enumerate() {
            let job = Job { client, policy, job_type };
            let status = if (at + round) % 20 == 0 { 96 } else { 0 };
            let end = end(status, i64::try_from(round * 20_000 + at).unwrap());
            ledger.count(job, end);
            ledger.ended(job, end);
        }
    }
    println!("ledger: {} keys, {} KiB resident", ledger.keys, resident_kb() - before);
    let started = std::time::Instant::now();
    let bytes: usize = ledger.everything().map(|part| part.write_behind(Vec::new()).unwrap().len()).sum();
    println!("kept as a whole: {bytes} bytes, {:?}", started.elapsed());
    let first = view(&mut ledger);
    ledger.shown(first.generation);
    let started = std::time::Instant::now();
    let rendered = render(&first);
    println!("rendered: {} series, {:?}", rendered.series(), started.elapsed());
    let started = std::time::Instant::now();
    for (client, policy, job_type) in all.iter().step_by(100) {
        ledger.count(Job { client, policy, job_type }, end(0, 90_000));
        ledger.ended(Job { client, policy, job_type }, end(0, 90_000));
    }
    println!("200 jobs while a view is out: {:?}", started.elapsed());
    let started = std::time::Instant::now();
    let bytes = ledger.changes().write_behind(Vec::new()).unwrap().len();
    println!("kept of them: {bytes} bytes, {:?}", started.elapsed());
    let started = std::time::Instant::now();
    ledger.settle(NOW_MS);
    let second = view(&mut ledger);
    println!("settled and offered: {:?}", started.elapsed());
    drop((first, second, rendered));
}

/// A version of a job's row.
#[derive(Debug, Clone, Copy)]
struct Version {
    id: u64,
    end_s: i64,
    status: Option<i64>,
    runs: bool,
}

fn version() -> impl Strategy<Value = Version> {
    let status =
        prop_oneof![1 => Just(Some(0)), 1 => Just(Some(1)), 1 => Just(Some(150)), 4 => Just(Some(96)), 1 => Just(None)];
    (1..40_u64, 0..30_i64, status, proptest::bool::weighted(0.1)).prop_map(|(id, end_s, status, runs)| Version {
        id,
        end_s,
        status,
        runs,
    })
}

fn row(version: &Version, stamp: i64) -> JobRow<'static> {
    let end_ms = NOW_MS + 60_000 + version.end_s * 1000;
    JobRow {
        id: version.id,
        state: if version.runs { "ACTIVE" } else { "DONE" }.into(),
        job_type: "BACKUP".into(),
        policy_name: ["gold", "silver"][usize::try_from(version.id % 2).unwrap()].into(),
        client_name: ["app", "db", ""][usize::try_from(version.id % 3).unwrap()].into(),
        child_count: Some(u64::from(version.id.is_multiple_of(7))),
        start_ms: Some(NOW_MS + 1000),
        end_ms: (!version.runs).then_some(end_ms),
        status: version.status.filter(|_| !version.runs),
        last_update_ms: Some(end_ms + stamp),
        ..JobRow::default()
    }
}

/// Counts by status, last success, last attempt, failures in a row.
type Known = (BTreeMap<Option<i64>, u64>, Option<i64>, Option<i64>, u64);

fn recount(versions: &[Version]) -> BTreeMap<(String, String), Known> {
    let mut known: BTreeMap<(String, String), Known> = BTreeMap::new();
    let mut last: BTreeMap<u64, Option<Version>> = BTreeMap::new();
    for version in versions {
        let row = row(version, 0);
        let before = last.insert(version.id, (!version.runs).then_some(*version));
        if version.runs || row.child_count != Some(0) || row.client_name.is_empty() {
            // One that runs before it has ended for the first time is no news.
            if version.runs && before.is_none() {
                last.remove(&version.id);
            }
            continue;
        }
        let (counts, success, attempt, _) = known.entry((row.client_name.into(), row.policy_name.into())).or_default();
        if before.is_none() {
            *counts.entry(version.status).or_default() += 1;
        }
        *attempt = (*attempt).max(Some(version.end_s));
        if matches!(version.status, Some(0 | 1)) {
            *success = (*success).max(Some(version.end_s));
        }
    }
    for version in last.values().flatten() {
        let row = row(version, 0);
        if let Some((_, success, _, failures)) = known.get_mut(&(row.client_name.into(), row.policy_name.into()))
            && row.child_count == Some(0)
            && version.status == Some(96)
        {
            *failures += u64::from(success.is_none_or(|success| version.end_s > success));
        }
    }
    known
}

proptest! {
    #[test]
    fn whatever_the_order_the_ledger_equals_a_recount(versions in proptest::collection::vec(version(), 0..120)) {
        let ledger = Ledger::new(config::Clients::default(), Duration::from_secs(86_400));
        let mut window = Window::new(Duration::from_secs(86_400)).with_clients(Some(ledger));
        window.set_baseline(NOW_MS);
        window.begin(NOW_MS + 100_000, WALL_MS);
        for (at, version) in versions.iter().enumerate() {
            window.observe(&row(version, i64::try_from(at).unwrap()), Reading::Follow);
            // The same again, by whichever walk.
            let again = if at % 2 == 0 { Reading::Follow } else { Reading::Baseline };
            window.observe(&row(version, i64::try_from(at).unwrap()), again);
        }
        let since = |s: u32| i64::from(s) - i64::from(NOW_S) - 60;
        let mut found = BTreeMap::new();
        for (name, client) in window.clients().unwrap().all() {
            for entry in &client.entries {
                let record = &entry.record;
                let counts = record.statuses.iter().map(|(status, jobs)| (status.map(i64::from), u64::from(*jobs))).collect();
                let times = (record.last_success_s.map(since), record.last_attempt_s.map(since));
                let known: Known = (counts, times.0, times.1, record.failures_in_a_row());
                found.insert((name.to_string(), entry.policy.to_string()), known);
            }
        }
        prop_assert_eq!(found, recount(&versions));
    }
}
