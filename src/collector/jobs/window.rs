//! The jobs of one site as the exporter remembers them: what is unfinished, what ended within the lookback window,
//! and which jobs have been counted. Pure: no clock, no network.
//!
//! A job is counted when it is first seen DONE, unless it belongs to the baseline. A job that was never seen before
//! counts when it ended within the time that the window remembers: an older one may have been counted and forgotten.

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::clients::Ledger;
use super::counters::{Counters, Pair};
use super::lookback::Lookback;
use super::names::{Name, Names};
use super::table::{JobTable, Kind, Record, STRETCH_MS};
use crate::netbackup::JobRow;

mod clients;
mod expiry;
mod extras;
pub mod keep;
mod rows;

use extras::Extras;
use rows::{finished_of, stamp_of};

/// Ended jobs are remembered at least this long, however short the lookback: longer than any overlap of two walks.
const SHORTEST_MEMORY_MS: i64 = 30 * 60 * 1000;

/// How rows are to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The first read, or a part of the window that is read later: what is already DONE counts nothing.
    Baseline,
    /// Everything after it.
    Follow,
    /// The same, and what is known is told to the ledger of clients once more.
    Recall,
}

/// A job that is not DONE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Its job and policy type.
    pub pair: Pair,
    /// `state`.
    pub state: Name,
    /// `startTime` in Unix milliseconds.
    pub start_ms: Option<i64>,
    /// `jobQueueReason`.
    pub queue_reason: Option<i64>,
    /// The low bits of `lastUpdateTime`.
    pub stamp: u16,
}

/// Everything remembered of one site's jobs.
#[derive(Debug)]
pub struct Window {
    lookback_ms: i64,
    memory_ms: i64,
    names: Names,
    table: JobTable,
    lookback: Lookback,
    extras: Extras,
    counters: Counters,
    /// What is known of each client, where that is wanted.
    clients: Option<Box<Ledger>>,
    unfinished: FxHashMap<u64, Unfinished>,
    /// Unfinished jobs that the primary lists no more though nobody saw them end, with the polls since.
    vanished: FxHashMap<u64, u32>,
    /// Jobs that run again after they were forgotten, so that it is not known whether they were counted.
    revived: FxHashSet<u64>,
    /// A job that ended before this never counts, however late its row says so.
    baseline_ms: i64,
    counts_from_ms: i64,
    /// Jobs that ended before this have been forgotten.
    forgotten_before_ms: i64,
    /// Ends before this have left the gauges.
    gauges_from_ms: i64,
    now_ms: i64,
    /// The latest that it may be.
    latest_ms: i64,
    /// How far back the window that was restored remembered.
    restored_memory_ms: i64,
    changed: keep::Changed,
}

impl Window {
    /// An empty window.
    pub fn new(lookback: std::time::Duration) -> Window {
        let lookback_ms = i64::try_from(lookback.as_millis()).unwrap_or(i64::MAX / 4);
        Window {
            lookback_ms,
            memory_ms: lookback_ms.max(SHORTEST_MEMORY_MS),
            names: Names::default(),
            table: JobTable::default(),
            lookback: Lookback::default(),
            extras: Extras::default(),
            counters: Counters::default(),
            clients: None,
            unfinished: FxHashMap::default(),
            vanished: FxHashMap::default(),
            revived: FxHashSet::default(),
            baseline_ms: i64::MIN,
            counts_from_ms: i64::MAX,
            forgotten_before_ms: i64::MIN,
            gauges_from_ms: i64::MIN,
            now_ms: i64::MAX,
            latest_ms: i64::MAX,
            restored_memory_ms: 0,
            changed: keep::Changed::everything(),
        }
    }

    /// The same, with a ledger of clients.
    pub fn with_clients(self, clients: Option<Ledger>) -> Window {
        Window { clients: clients.map(Box::new), ..self }
    }

    /// The earliest end that a window at `now_ms` remembers: where a first read begins.
    pub fn remembers_from(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.memory_ms)
    }

    /// A poll begins at `now_ms` by the primary's clock and `wall_ms` by the exporter's.
    pub fn begin(&mut self, now_ms: i64, wall_ms: u64) {
        self.now_ms = now_ms;
        self.latest_ms = now_ms;
        self.counters.begin(wall_ms);
        if let Some(clients) = &mut self.clients {
            clients.begin(wall_ms);
        }
    }

    /// The primary's clock says something else, which may turn out to be true: times up to it are not absurd.
    pub fn may_be(&mut self, reading_ms: i64) {
        self.latest_ms = self.latest_ms.max(reading_ms);
    }

    /// Whether this very version of a job has been seen, or is none of this window's business.
    pub fn knows(&self, row: &JobRow<'_>) -> bool {
        let stamp = stamp_of(row);
        self.table.get(row.id).is_some_and(|record| record.stamp == stamp)
            || self.unfinished.get(&row.id).is_some_and(|job| job.stamp == stamp)
            || row.end_ms.is_some_and(|end| end < self.remembers_from(self.now_ms))
    }

    /// Whether a job has been seen, in whatever state.
    pub fn knows_of(&self, id: u64) -> bool {
        self.table.get(id).is_some() || self.unfinished.contains_key(&id) || self.vanished.contains_key(&id)
    }

    /// Takes a row of any walk in. The row read last is the truth.
    pub fn observe(&mut self, row: &JobRow<'_>, reading: Reading) {
        let pair = self.pair_of(row);
        self.counters.see(pair);
        if row.state != "DONE" {
            self.reopen(row);
            return;
        }
        let was_unfinished = self.unfinished.remove(&row.id).is_some() | self.vanished.remove(&row.id).is_some();
        if was_unfinished {
            self.changed.unfinished(row.id);
        }
        let record = self.record_of(row, pair);
        match self.table.get(row.id) {
            Some(known) if known == (Record { in_gauges: known.in_gauges, ..record }) => {
                self.extras.note(&known, row);
                if reading != Reading::Follow {
                    self.client_ended_before(row, &record);
                }
                return;
            }
            Some(known) => {
                self.leave_gauges(&known);
                self.client_ran_again(row, &known);
            }
            None => {
                let is_of_baseline = record.has_end && record.end_ms < self.baseline_ms;
                let is_after_baseline = reading != Reading::Baseline && self.is_within_memory(row, &record);
                // What was seen running has ended since, wherever its end is met first.
                let is_new = !self.revived.remove(&row.id) && (was_unfinished || is_after_baseline);
                if is_new && !is_of_baseline {
                    self.counters.count(&finished_of(row, pair, &record));
                    self.client_counts(row, &record);
                } else if reading != Reading::Baseline && record.end_ms < self.forgotten_before_ms {
                    // It would be forgotten at once, and met again at the next poll.
                    return;
                }
            }
        }
        self.client_ended(row, &record);
        let record = Record { in_gauges: record.has_end, ..record };
        if record.in_gauges {
            self.lookback.add(&record);
            self.extras.note(&record, row);
        }
        self.put(&record);
    }

    /// The primary no longer lists an ended job: it leaves the gauges, and stays known so that it is not counted again
    /// should it come back.
    pub fn mark_gone(&mut self, id: u64) {
        if let Some(known) = self.table.get(id).filter(Record::is_listed) {
            self.leave_gauges(&known);
            self.put(&Record { in_gauges: false, gone: true, ..known });
        }
    }

    /// The first read is complete; it began at `began_ms` by the primary's clock.
    pub fn set_baseline(&mut self, began_ms: i64) {
        // NetBackup writes end times in whole seconds: one that ended in the second of the beginning ended after it.
        self.baseline_ms = began_ms.saturating_sub(began_ms.rem_euclid(1000));
        self.counts_from_ms = self.baseline_ms;
        // Nothing has been counted before, however long the first read took and a job has been running.
        self.forgotten_before_ms = i64::MIN;
    }

    /// The primary's clock was set back, or may have been, when it said `back_to_ms`: what ends from then on counts.
    pub fn clock_set_back(&mut self, back_to_ms: i64, is_believed: bool) {
        if is_believed {
            self.forgotten_before_ms = self.forgotten_before_ms.min(self.remembers_from(back_to_ms));
        }
        self.baseline_ms = self.baseline_ms.min(back_to_ms);
        // What has been forgotten may have been counted.
        self.counts_from_ms = self.counts_from_ms.min(back_to_ms.max(self.forgotten_before_ms));
    }

    /// Makes a row of the list of unfinished jobs ready for [`Window::replace_unfinished`].
    pub fn unfinished_of(&mut self, row: &JobRow<'_>) -> Unfinished {
        if !self.knows_of(row.id) && self.began_before_memory(row) {
            self.revived.insert(row.id);
        }
        let state = self.names.intern(&row.state);
        let start_ms = self.plausible(row.start_ms);
        let (pair, stamp) = (self.pair_of(row), stamp_of(row));
        Unfinished { pair, state, start_ms, queue_reason: row.queue_reason, stamp }
    }

    /// Takes the whole list of unfinished jobs in.
    pub fn replace_unfinished(&mut self, list: FxHashMap<u64, Unfinished>) {
        let before = std::mem::replace(&mut self.unfinished, list);
        for (id, job) in &self.unfinished {
            // The stamp alone is no change: jobs that run are updated all the time.
            let same = |before: &Unfinished| Unfinished { stamp: job.stamp, ..*before } == *job;
            if !before.get(id).is_some_and(same) {
                self.changed.unfinished(*id);
            }
        }
        for id in before.into_keys().filter(|id| !self.unfinished.contains_key(id)) {
            self.changed.unfinished(id);
            self.vanished.entry(id).or_insert(0);
        }
        let (unfinished, table) = (&self.unfinished, &self.table);
        self.vanished.retain(|id, polls| {
            *polls = polls.saturating_add(1);
            !unfinished.contains_key(id) && table.get(*id).is_none_or(|record| !record.done)
        });
    }

    /// Unfinished jobs that have been missing for at least two polls: to be asked for by id. A job that ended between
    /// the two walks of one poll is found by the next poll's walk and never gets here.
    pub fn suspects(&self, most: usize) -> Vec<(u64, u32)> {
        let vanished = self.vanished.iter().map(|(id, polls)| (*id, *polls));
        let mut suspects: Vec<(u64, u32)> = vanished.filter(|(_, polls)| *polls >= 2).collect();
        suspects.sort_unstable();
        suspects.truncate(most);
        suspects
    }

    /// A suspect has been asked for: `found` is what became of it, `None` when it is gone.
    pub fn resolved(&mut self, id: u64, found: Option<&JobRow<'_>>) {
        if let Some(row) = found {
            self.observe(row, Reading::Follow);
            if row.state != "DONE" {
                let unfinished = self.unfinished_of(row);
                self.unfinished.insert(id, unfinished);
            }
        }
        self.changed.unfinished(id);
        self.vanished.remove(&id);
        if !self.unfinished.contains_key(&id) {
            self.revived.remove(&id);
        }
    }

    /// Lengths of everything that could grow: jobs, and the bytes they take, unfinished ones, those in doubt, changes.
    #[cfg(test)]
    pub fn sizes(&self) -> [usize; 6] {
        let (jobs, bytes) = (self.table.len(), self.table.bytes());
        let [vanished, revived] = [self.vanished.len(), self.revived.len()];
        [jobs, bytes, self.unfinished.len(), vanished, revived, self.changed.len()]
    }

    /// Label texts.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The counters have been shown, see [`Counters::to_show`].
    pub fn counters_shown(&mut self) {
        self.counters.shown();
    }

    /// The unfinished jobs.
    pub fn unfinished(&self) -> impl Iterator<Item = &Unfinished> {
        self.unfinished.values()
    }

    /// The ended jobs that the primary lists, as far as is known, by stretch of time; of these, those that ended before
    /// `before_ms`.
    pub fn listed(&self, stretches: Range<i64>, before_ms: i64, kind: Kind) -> impl Iterator<Item = (i64, u64)> {
        self.table.listed(stretches, before_ms, kind)
    }

    /// The earliest end of an ended job that the primary lists, as far as is known; to the stretch.
    pub fn first_listed_ms(&self) -> Option<i64> {
        let (stretch, _) = self.table.listed(i64::MIN..i64::MAX, i64::MAX, Kind::Any).find(|(_, jobs)| *jobs > 0)?;
        Some(stretch.saturating_mul(STRETCH_MS))
    }

    /// The ids of the ended jobs of a stretch that the primary lists, as far as is known, and that ended before `before_ms`.
    pub fn listed_in(&self, stretch: i64, before_ms: i64) -> impl Iterator<Item = u64> {
        let is_meant = move |record: &Record| record.is_listed() && record.end_ms < before_ms;
        self.table.in_stretch(stretch).filter(is_meant).map(|record| record.id)
    }

    /// Jobs that ended within the lookback window.
    pub fn lookback(&self) -> &Lookback {
        &self.lookback
    }

    fn pair_of(&mut self, row: &JobRow<'_>) -> Pair {
        Pair { job_type: self.names.intern(&row.job_type), policy_type: self.names.intern(&row.policy_type) }
    }

    /// A job that was DONE runs again: it leaves the gauges, and stays known so that its next DONE is not counted. It is
    /// filed anew under its last sign of life, so that it is remembered for as long as one that ended then.
    fn reopen(&mut self, row: &JobRow<'_>) {
        let Some(known) = self.table.get(row.id) else { return };
        self.leave_gauges(&known);
        self.client_ran_again(row, &known);
        let end_ms = row.last_update_ms.unwrap_or(known.end_ms).min(self.latest_ms).max(known.end_ms);
        let record = Record {
            end_ms,
            stamp: stamp_of(row),
            has_end: false,
            done: false,
            in_gauges: false,
            gone: false,
            ..known
        };
        if record != known {
            self.put(&record);
        }
    }

    fn put(&mut self, record: &Record) {
        self.table.put(record);
        self.changed.record(record.id);
    }

    /// Whether a job that was never seen before is one that has not been counted: it ended, or where it has no end began,
    /// within the time that is remembered. One that began earlier would have been seen running; it was counted and
    /// forgotten before it was resumed.
    fn is_within_memory(&self, row: &JobRow<'_>, record: &Record) -> bool {
        let own_end = record.has_end.then_some(record.end_ms);
        own_end.or(row.start_ms).is_some_and(|at| at >= self.counts_from_ms) && !self.began_before_memory(row)
    }

    fn began_before_memory(&self, row: &JobRow<'_>) -> bool {
        row.start_ms.is_some_and(|start| start < self.forgotten_before_ms)
    }

    fn leave_gauges(&mut self, record: &Record) {
        if record.in_gauges {
            self.lookback.remove(record);
            self.extras.forget(record.id);
        }
    }
}

#[cfg(test)]
mod tests;
