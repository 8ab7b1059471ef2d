//! The window against what a person would count by hand, and against a model that recounts everything.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::super::counters::Outcome;
use super::*;

const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_790_000_000_000;

fn row(id: u64, state: &'static str) -> JobRow<'static> {
    JobRow {
        id,
        state: state.into(),
        job_type: "BACKUP".into(),
        policy_type: "VMWARE".into(),
        start_ms: Some(NOW - HOUR),
        last_update_ms: Some(NOW),
        ..JobRow::default()
    }
}

fn done(id: u64, end_ms: i64, status: i64) -> JobRow<'static> {
    JobRow { end_ms: Some(end_ms), status: Some(status), last_update_ms: Some(end_ms), ..row(id, "DONE") }
}

fn window() -> Window {
    let mut window = Window::new(Duration::from_secs(24 * 3600));
    window.set_baseline(NOW);
    window
}

fn settle(window: &mut Window, now_ms: i64) {
    window.settle(now_ms, now_ms);
}

fn finished(window: &Window) -> u64 {
    window.counters().pairs.values().flat_map(|counters| counters.outcomes).sum()
}

fn in_lookback(window: &Window) -> u64 {
    window.lookback().jobs.values().sum()
}

fn list(window: &mut Window, rows: &[JobRow<'_>]) {
    let list = rows
        .iter()
        .map(|row| {
            window.observe(row, Reading::Follow);
            (row.id, window.unfinished_of(row))
        })
        .collect();
    window.replace_unfinished(list);
}

#[test]
fn the_baseline_counts_nothing_but_fills_the_gauges_and_shows_zeros() {
    let mut window = Window::new(Duration::from_secs(24 * 3600));
    window.observe(&done(1, NOW - HOUR, 0), Reading::Baseline);
    window.observe(&done(2, NOW - 2 * HOUR, 96), Reading::Baseline);
    window.set_baseline(NOW);
    settle(&mut window, NOW);
    assert_eq!((finished(&window), in_lookback(&window)), (0, 2));
    assert_eq!(window.counters().pairs.len(), 1, "the pair stands at 0");
    window.observe(&done(1, NOW - HOUR, 0), Reading::Follow);
    assert_eq!(finished(&window), 0, "a baseline job read again is not counted");
}

#[test]
fn a_job_counts_once_with_its_first_status_and_a_later_change_moves_only_the_gauges() {
    let mut window = window();
    list(&mut window, &[row(7, "ACTIVE")]);
    window.observe(&done(7, NOW + 1000, 0), Reading::Follow);
    window.observe(&done(7, NOW + 1000, 0), Reading::Follow);
    window.observe(&done(7, NOW + 2000, 96), Reading::Follow);
    settle(&mut window, NOW + HOUR);
    let counters = window.counters().pairs.values().next().unwrap();
    assert_eq!(counters.outcomes, [1, 0, 0, 0, 0]);
    let statuses: Vec<_> = window.lookback().jobs.iter().map(|(group, count)| (group.status, *count)).collect();
    assert_eq!(statuses, [(Some(96), 1)]);
}

#[test]
fn a_resumed_job_leaves_the_gauges_and_is_not_counted_again() {
    let mut window = window();
    window.observe(&done(7, NOW + 1000, 0), Reading::Follow);
    list(&mut window, &[row(7, "ACTIVE")]);
    assert_eq!((finished(&window), in_lookback(&window)), (1, 0));
    // It runs for longer than the window remembers ended jobs, and must still not be counted twice.
    settle(&mut window, NOW + 100 * HOUR);
    window.observe(&done(7, NOW + 100 * HOUR, 1), Reading::Follow);
    assert_eq!((finished(&window), in_lookback(&window)), (1, 1));
}

#[test]
fn an_unknown_row_counts_when_it_ended_after_the_baseline_and_within_memory() {
    let mut window = window();
    window.observe(&done(1, NOW - 1000, 0), Reading::Follow);
    assert_eq!(finished(&window), 0, "ended before the baseline, however late the row changes");
    window.observe(&done(2, NOW, 0), Reading::Follow);
    assert_eq!(finished(&window), 1);
    settle(&mut window, NOW + 48 * HOUR);
    window.observe(&done(3, NOW + HOUR, 0), Reading::Follow);
    assert_eq!(finished(&window), 1, "so old that it may have been counted and forgotten");
    let late = JobRow { start_ms: Some(NOW + 29 * HOUR), ..done(4, NOW + 30 * HOUR, 0) };
    window.observe(&late, Reading::Follow);
    assert_eq!(finished(&window), 2, "committed late, but within memory");
}

#[test]
fn an_end_in_the_second_of_the_baseline_is_after_it() {
    let mut window = Window::new(Duration::from_secs(24 * 3600));
    window.set_baseline(NOW + 700);
    window.observe(&done(1, NOW, 0), Reading::Follow);
    assert_eq!(finished(&window), 1, "NetBackup cuts end times to whole seconds");
}

#[test]
fn a_job_that_ended_before_the_baseline_never_counts_though_its_row_said_so_late() {
    let mut window = window();
    list(&mut window, &[row(7, "ACTIVE")]);
    window.observe(&done(7, NOW - 20_000, 0), Reading::Follow);
    assert_eq!((finished(&window), in_lookback(&window)), (0, 1));
}

#[test]
fn a_job_known_as_unfinished_counts_however_long_ago_it_ended_after_the_baseline() {
    let mut window = window();
    window.set_baseline(NOW - 60 * HOUR);
    list(&mut window, &[row(7, "QUEUED")]);
    window.observe(&done(7, NOW - 50 * HOUR, 0), Reading::Follow);
    settle(&mut window, NOW);
    assert_eq!((finished(&window), in_lookback(&window)), (1, 0));
    window.replace_unfinished(FxHashMap::default());
    window.observe(&done(7, NOW - 50 * HOUR, 0), Reading::Follow);
    assert_eq!(finished(&window), 1, "forgotten at once, and still counted once");
}

#[test]
fn jobs_without_an_end_are_counted_when_they_began_late_enough_but_are_in_no_window() {
    let mut window = window();
    let endless = |id, start_ms| JobRow { end_ms: None, start_ms, last_update_ms: Some(NOW + 5), ..done(id, 0, 0) };
    window.observe(&endless(1, Some(NOW + 2)), Reading::Follow);
    assert_eq!((finished(&window), in_lookback(&window)), (1, 0));
    window.observe(&endless(2, Some(NOW - HOUR)), Reading::Follow);
    window.observe(&endless(3, None), Reading::Follow);
    assert_eq!(finished(&window), 1, "these may have ended before the baseline");
    let counters = window.counters().pairs.values().next().unwrap();
    assert_eq!(counters.durations.iter().sum::<u64>(), 0);
}

#[test]
fn an_end_in_the_future_is_no_end() {
    let mut window = window();
    window.begin(NOW, 0);
    window.observe(&done(1, NOW + 24 * 365 * HOUR, 0), Reading::Follow);
    window.observe(&done(2, NOW + 60_000, 0), Reading::Follow);
    assert_eq!(in_lookback(&window), 1, "a minute of difference between two clocks is normal");
    settle(&mut window, NOW + 48 * HOUR);
    assert_eq!(window.table.len(), 0, "nor is it remembered for a year");
}

#[test]
fn absurd_amounts_count_as_not_reported() {
    let mut window = window();
    let absurd = JobRow {
        kilobytes_transferred: Some(u64::MAX),
        kilobytes_data_transferred: Some(1 << 43),
        files: Some(u64::MAX),
        ..done(1, NOW, 0)
    };
    window.observe(&absurd, Reading::Follow);
    window.observe(&JobRow { kilobytes_transferred: Some(5), files: Some(2), ..done(2, NOW, 0) }, Reading::Follow);
    let counters = window.counters().pairs.values().next().unwrap();
    assert_eq!((counters.image_kilobytes, counters.transferred_kilobytes, counters.files), (5, 0, 2));
    let amounts = window.lookback().amounts.values().next().unwrap();
    assert_eq!((amounts.kilobytes, amounts.with_kilobytes, amounts.files, amounts.with_files), (5, 1, 2, 1));
}

#[test]
fn a_resumed_job_that_vanishes_from_the_list_is_not_counted_again() {
    let mut window = window();
    window.observe(&done(7, NOW + 1000, 0), Reading::Follow);
    list(&mut window, &[row(7, "ACTIVE")]);
    // It ends between the two walks of one poll, after its first end has left the memory.
    window.begin(NOW + 30 * HOUR, 0);
    window.replace_unfinished(FxHashMap::default());
    settle(&mut window, NOW + 30 * HOUR);
    window.observe(&done(7, NOW + 30 * HOUR, 0), Reading::Follow);
    assert_eq!(finished(&window), 1);
}

#[test]
fn a_suspect_that_still_runs_stays_unfinished() {
    let mut window = window();
    window.observe(&done(7, NOW + 1000, 0), Reading::Follow);
    list(&mut window, &[row(7, "ACTIVE"), row(8, "ACTIVE")]);
    for _ in 0..2 {
        window.replace_unfinished(FxHashMap::default());
    }
    assert_eq!(window.suspects(10), [(7, 2), (8, 2)]);
    window.resolved(7, Some(&row(7, "ACTIVE")));
    window.resolved(8, None);
    assert_eq!(window.unfinished().count(), 1);
    settle(&mut window, NOW + 100 * HOUR);
    window.observe(&done(7, NOW + 100 * HOUR, 0), Reading::Follow);
    assert_eq!(finished(&window), 1, "its first DONE was counted");
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_the_counting() {
    let mut window = window();
    settle(&mut window, NOW + 1000 * HOUR);
    window.observe(&done(1, NOW + HOUR, 0), Reading::Follow);
    assert_eq!(finished(&window), 0);
    window.clock_set_back(NOW + 2 * HOUR, true);
    window.observe(&done(2, NOW + 2 * HOUR, 0), Reading::Follow);
    assert_eq!(finished(&window), 1);
}

#[test]
fn a_pair_is_shown_at_zero_before_its_first_job() {
    let mut window = window();
    window.observe(&done(1, NOW, 96), Reading::Follow);
    let shown = |window: &Window| window.counters().to_show().map(|(_, counters)| counters.outcomes[3]).sum::<u64>();
    assert_eq!((shown(&window), finished(&window)), (0, 1));
    window.counters_shown();
    assert_eq!(shown(&window), 1);
}

#[test]
fn parents_count_as_jobs_but_not_in_bytes_and_files() {
    let mut window = window();
    let child = JobRow {
        kilobytes_transferred: Some(10),
        kilobytes_data_transferred: Some(4),
        files: Some(3),
        ..done(2, NOW, 0)
    };
    window.observe(&child, Reading::Follow);
    window.observe(&JobRow { id: 1, child_count: Some(1), ..child }, Reading::Follow);
    let counters = window.counters().pairs.values().next().unwrap();
    assert_eq!(
        (counters.outcomes[0], counters.image_kilobytes, counters.transferred_kilobytes, counters.files),
        (2, 10, 4, 3)
    );
    let amounts = window.lookback().amounts.values().next().unwrap();
    assert_eq!((amounts.kilobytes, amounts.with_kilobytes, amounts.files, amounts.with_files), (10, 1, 3, 1));
    assert_eq!(in_lookback(&window), 2);
}

#[test]
fn jobs_leave_the_gauges_when_their_time_has_come() {
    let mut window = window();
    for (id, minutes) in [(1, 10), (2, 20), (3, 30)] {
        window.observe(&done(id, NOW + minutes * 60_000, 0), Reading::Follow);
    }
    let end = |minutes: i64| NOW + minutes * 60_000 + 24 * HOUR;
    settle(&mut window, end(20));
    assert_eq!(in_lookback(&window), 2, "the bound itself is inside");
    settle(&mut window, end(20) + 1);
    assert_eq!(in_lookback(&window), 1);
    settle(&mut window, end(31));
    assert!(window.lookback().jobs.is_empty() && window.lookback().amounts.is_empty());
    assert_eq!(window.table.len(), 0);
    assert_eq!(window.table.stretches_up_to(i64::MAX).len(), 0);
}

#[test]
fn a_short_lookback_does_not_shorten_the_memory() {
    let mut window = Window::new(Duration::from_secs(60));
    window.set_baseline(NOW);
    window.observe(&done(1, NOW, 0), Reading::Follow);
    settle(&mut window, NOW + 2 * 60_000);
    assert_eq!(in_lookback(&window), 0);
    window.observe(&done(1, NOW, 0), Reading::Follow);
    settle(&mut window, NOW + 2 * 60_000);
    assert_eq!((finished(&window), in_lookback(&window)), (1, 0), "read again by the overlap, counted once");
}

#[test]
fn an_unfinished_job_that_vanishes_is_suspected_after_two_polls() {
    let mut window = window();
    window.set_baseline(NOW - 60 * HOUR);
    list(&mut window, &[row(5, "ACTIVE"), row(6, "ACTIVE")]);
    list(&mut window, &[row(6, "ACTIVE")]);
    assert!(window.suspects(10).is_empty(), "it may have ended between the two walks");
    list(&mut window, &[row(6, "ACTIVE")]);
    assert_eq!(window.suspects(10), [(5, 2)]);
    window.resolved(5, Some(&done(5, NOW - 30 * HOUR, 0)));
    assert_eq!(finished(&window), 1, "known as unfinished, so it counts");
    list(&mut window, &[row(6, "ACTIVE")]);
    assert!(window.suspects(10).is_empty());
}

#[derive(Debug, Clone)]
enum Event {
    Begin(u64),
    /// Id, seconds by which the end lies back, status, whether an end is given.
    End(u64, i64, i64, bool),
    Resume(u64),
    /// A job that never ended is deleted.
    Delete(u64),
    /// Minutes go by.
    Pass(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let status = prop_oneof![Just(0_i64), Just(1), Just(96)];
    let end = (0_u64..30, -20_i64..0, status, proptest::bool::weighted(0.9));
    prop_oneof![
        3 => (0_u64..30).prop_map(Event::Begin),
        5 => end.prop_map(|(id, late, status, with_end)| Event::End(id, late, status, with_end)),
        1 => (0_u64..30).prop_map(Event::Resume),
        1 => (0_u64..30).prop_map(Event::Delete),
        3 => (1_i64..40).prop_map(Event::Pass),
    ]
}

const LOOKBACK: i64 = 2 * HOUR;

/// A primary that lives, and what is true of it.
#[derive(Default)]
struct Model {
    now: i64,
    jobs: BTreeMap<u64, JobRow<'static>>,
    begun: std::collections::BTreeSet<u64>,
    /// The status of the first DONE of each job that any answer showed: what nobody was told cannot be counted.
    ended: BTreeMap<u64, i64>,
}

impl Model {
    fn apply(&mut self, event: &Event) {
        match *event {
            // An id is given once. Each job starts when it begins: nothing of this history ended before the baseline.
            Event::Begin(id) if self.begun.insert(id) => {
                self.jobs.insert(
                    id,
                    JobRow { start_ms: Some(self.now), last_update_ms: Some(self.now), ..row(id, "ACTIVE") },
                );
            }
            Event::Begin(_) => {}
            Event::End(id, late, status, with_end) => {
                let Some(job) = self.jobs.get(&id).filter(|job| job.state != "DONE") else { return };
                let start_ms = job.start_ms;
                let end = (self.now + late * 1000).max(start_ms.unwrap_or(NOW));
                let kilobytes_transferred = Some(id * 1000 + status as u64);
                let row =
                    JobRow { start_ms, kilobytes_transferred, last_update_ms: Some(self.now), ..done(id, end, status) };
                self.jobs.insert(id, JobRow { end_ms: with_end.then_some(end), ..row });
            }
            Event::Resume(id) => {
                let now = self.now;
                if let Some(job) = self.jobs.get_mut(&id) {
                    *job = JobRow { start_ms: job.start_ms, last_update_ms: Some(now), ..row(id, "ACTIVE") };
                }
            }
            Event::Delete(id) => {
                if self.jobs.get(&id).is_some_and(|job| job.state != "DONE") && !self.ended.contains_key(&id) {
                    self.jobs.remove(&id);
                }
            }
            Event::Pass(minutes) => self.now += minutes * 60_000,
        }
    }

    /// The job as an answer shows it.
    fn told(&mut self, id: u64) -> Option<JobRow<'static>> {
        let job = self.jobs.get(&id)?;
        if let (true, Some(status)) = (job.state == "DONE", job.status) {
            self.ended.entry(id).or_insert(status);
        }
        Some(job.clone())
    }

    fn open(&self) -> Vec<JobRow<'static>> {
        self.jobs.values().filter(|job| job.state != "DONE").cloned().collect()
    }

    fn within_lookback(&self) -> impl Iterator<Item = &JobRow<'static>> {
        let from = self.now - LOOKBACK;
        self.jobs.values().filter(move |job| job.state == "DONE" && job.end_ms.is_some_and(|end| end >= from))
    }
}

/// One poll. `between` happens after the walk over the changes and before the list of unfinished jobs.
fn poll(window: &mut Window, model: &mut Model, between: &[Event]) {
    let (now, changed_since) = (model.now, model.now - LOOKBACK);
    window.begin(now, 0);
    let changed = model.jobs.values().filter(|job| job.last_update_ms.is_none_or(|stamp| stamp >= changed_since));
    for id in changed.map(|job| job.id).collect::<Vec<_>>() {
        window.observe(&model.told(id).unwrap(), Reading::Follow);
    }
    between.iter().for_each(|event| model.apply(event));
    list(window, &model.open());
    for (id, _) in window.suspects(100) {
        window.resolved(id, model.told(id).as_ref());
    }
    settle(window, now);
    window.counters_shown();
}

proptest! {
    /// Random histories of a primary, in which jobs end, are resumed and are deleted also between the two walks of one
    /// poll. Once it is quiet for two polls, counters and gauges equal a recount; and no counter ever falls.
    #[test]
    fn equals_a_recount(rounds in proptest::collection::vec((proptest::collection::vec(event(), 0..4), proptest::collection::vec(event(), 0..3)), 1..60)) {
        let mut window = Window::new(Duration::from_millis(LOOKBACK as u64));
        window.set_baseline(NOW);
        let mut model = Model { now: NOW, ..Model::default() };
        let mut before = 0;
        for (events, between) in &rounds {
            events.iter().for_each(|event| model.apply(event));
            poll(&mut window, &mut model, between);
            prop_assert!(finished(&window) >= before);
            before = finished(&window);
        }
        for _ in 0..3 {
            poll(&mut window, &mut model, &[]);
        }
        let mut outcomes = [0; 5];
        for status in model.ended.values() {
            outcomes[Outcome::of(Some(*status as i32)) as usize] += 1;
        }
        let counted = window.counters().pairs.values().next().map_or([0; 5], |counters| counters.outcomes);
        prop_assert_eq!(counted, outcomes);
        let kilobytes: u64 = model.within_lookback().filter_map(|job| job.kilobytes_transferred).sum();
        prop_assert_eq!(in_lookback(&window), model.within_lookback().count() as u64);
        prop_assert_eq!(window.lookback().amounts.values().map(|amounts| amounts.kilobytes).sum::<u64>(), kilobytes);
        prop_assert_eq!(window.unfinished().count(), model.open().len());
    }
}
