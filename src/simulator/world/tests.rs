//! The world without HTTP.

use std::time::Duration;

use super::*;

const START: i64 = 1_764_194_400_000;
const MINUTE: i64 = 60_000;

fn options() -> Options {
    Options { jobs: 500, jobs_per_minute: 120.0, ..Options::default() }
}

#[test]
fn the_state_does_not_depend_on_how_often_one_looks() {
    let mut often = World::new(&options(), START);
    let mut seldom = World::new(&options(), START);
    for second in 0..600 {
        often.advance(START + second * 1_000);
    }
    seldom.advance(START + 599_000);
    assert_eq!(often.truth(), seldom.truth());
    // Ten minutes before the start and ten after it, at two jobs a second; some children are still to come.
    let living = often.truth().jobs.len() - options().jobs;
    assert!((1_900..2_900).contains(&living), "{living}");
    let mut other = World::new(&Options { seed: 2, ..options() }, START);
    other.advance(START + 599_000);
    assert_ne!(other.truth().jobs, seldom.truth().jobs);
}

#[test]
fn a_world_holds_everything_that_a_client_must_cope_with() {
    let mut world = World::new(&options(), START);
    let mut seen = HashSet::new();
    let mut stamps: BTreeMap<i64, HashSet<i64>> = BTreeMap::new();
    let mut late = false;
    let mut newest = 0;
    for minute in 0..60 {
        world.advance(START + minute * MINUTE);
        let truth = world.truth();
        for job in &truth.jobs {
            let stamp = job.last_update.unwrap();
            stamps.entry(stamp).or_default().insert(job.id);
            assert!(stamp <= truth.at, "stamped with the future");
            seen.insert(job.state.clone().unwrap());
            for (holds, what) in [
                (job.child_count > 0, "parent"),
                (job.parent_id > 0, "child"),
                (job.policy_type.is_none(), "no policy type"),
                (job.policy_type.as_deref() == Some("FUTURE_TYPE"), "unknown type"),
                (job.queue_reason == Some(77), "unknown reason"),
                (job.state.as_deref() == Some("QUEUED") && job.queue_reason == Some(0), "queued without a reason"),
                (job.state.as_deref() == Some("ACTIVE") && job.status.is_none(), "active without a status"),
                (job.state.as_deref() == Some("REQUEUED") && job.status.is_some(), "requeued with a status"),
                (job.attempt == 2 && job.is_done(), "second try"),
                (job.kilobytes > Some(i64::from(i32::MAX)), "large"),
                (job.status == Some(1), "partial"),
                (job.status == Some(150), "cancelled"),
                (job.status > Some(1), "failed"),
                (job.client_name.contains('\n') || job.client_name.contains('\\'), "odd name"),
            ] {
                if holds {
                    seen.insert(what.into());
                }
            }
        }
        let now_newest = truth.jobs.iter().filter_map(|job| job.last_update).max().unwrap();
        // Somebody who read everything a minute ago meets a row that is new and yet stamped before what was read.
        late |= truth.jobs.iter().any(|job| job.last_update < Some(newest) && job.start > Some(newest - 20_000));
        newest = now_newest;
    }
    let expected = [
        "QUEUED",
        "ACTIVE",
        "REQUEUED",
        "SUSPENDED",
        "INCOMPLETE",
        "DONE",
        "parent",
        "child",
        "no policy type",
        "unknown type",
        "unknown reason",
        "queued without a reason",
        "active without a status",
        "requeued with a status",
        "second try",
        "large",
        "partial",
        "cancelled",
        "failed",
        "odd name",
    ];
    let missing: Vec<_> = expected.iter().filter(|what| !seen.contains(**what)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
    assert!(stamps.values().any(|ids| ids.len() > 2), "no ties");
    assert!(late, "no late commits");
}

#[test]
fn many_clients_have_two_policies_each() {
    let world = World::new(&Options { jobs: 3_000, clients: 150, ..Options::default() }, START);
    let jobs = world.truth().jobs;
    let pairs: HashSet<_> = jobs.iter().map(|job| (job.client_name.clone(), job.policy_name.clone())).collect();
    let pairs = pairs.into_iter().filter(|(_, policy)| !policy.is_empty()).collect::<Vec<_>>();
    assert!((280..=300).contains(&pairs.len()), "{}", pairs.len());
    assert!(pairs.contains(&("client-00150.example.com".into(), "policy-100".into())), "{pairs:?}");
    assert!(jobs.iter().any(|job| job.policy_name.is_empty()), "as jobs that no policy started");
}

#[test]
fn history_lies_in_the_past_and_old_jobs_leave() {
    let options = Options { jobs: 2_000, retention: Duration::from_secs(30 * 3_600), ..Options::default() };
    let mut world = World::new(&options, START);
    let jobs = world.truth().jobs;
    assert_eq!(jobs.len(), 2_000);
    assert!(jobs.iter().all(|job| job.is_done() && job.end < Some(START) && job.last_update <= Some(START)));
    let recent = jobs.iter().filter(|job| job.end >= Some(START - 24 * 60 * MINUTE)).count();
    assert!((1_600..2_000).contains(&recent), "{recent}");
    let mut children: BTreeMap<i64, i64> = BTreeMap::new();
    jobs.iter().filter(|job| job.parent_id > 0).for_each(|job| *children.entry(job.parent_id).or_default() += 1);
    assert!(!children.is_empty());
    assert!(jobs.iter().all(|job| children.get(&job.id).copied().unwrap_or_default() == job.child_count));
    world.advance(START + 6 * 60 * MINUTE);
    let left = world.truth().jobs;
    assert!(left.len() < 2_000 && left.iter().all(|job| job.end > Some(START - 24 * 60 * MINUTE)));
    world.advance(START + 31 * 60 * MINUTE);
    assert!(world.truth().jobs.is_empty());
    assert!(world.by_start.is_empty() && world.by_update.is_empty() && world.agenda.is_empty());
}

#[test]
fn a_frozen_world_stands_still_and_catches_up() {
    let mut world = World::new(&options(), START);
    let mut free = World::new(&options(), START);
    world.freeze(true);
    let before = world.truth();
    world.advance(START + 10 * MINUTE);
    assert_eq!(world.truth(), before);
    world.freeze(false);
    world.advance(START + 10 * MINUTE);
    free.advance(START + 10 * MINUTE);
    assert_eq!(world.truth(), free.truth());
    assert_ne!(world.truth(), before);
}

#[test]
fn storage_fills_slowly_and_adds_up() {
    let mut world = World::new(&options(), START);
    let before = world.truth().storage_units;
    world.advance(START + 10 * MINUTE);
    let after = world.truth().storage_units;
    assert_ne!(before, after);
    for unit in &after {
        if let (Some(total), Some(used), Some(free)) = (unit.total, unit.used, unit.free) {
            assert!(total == i64::MAX || total == used + free && used > 0 && free > 0, "{unit:?}");
        }
    }
}

#[test]
fn a_job_that_a_test_took_over_no_longer_follows_its_script() {
    let mut world = World::new(&options(), START);
    let living = world.truth().jobs.into_iter().find(|job| !job.is_done()).unwrap();
    assert!(world.delete(living.id));
    world.advance(START + 60 * MINUTE);
    assert!(world.row(living.id).is_none());
}
