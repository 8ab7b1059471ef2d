//! The jobs of one site as the exporter remembers them: what is unfinished, what ended within the lookback window,
//! and which jobs have been counted. Pure: no clock, no network.
//!
//! A job is counted when it is first seen DONE, unless it belongs to the baseline. A job that was never seen before
//! counts when it ended within the time that the window remembers: an older one may have been counted and forgotten.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::counters::{Counters, Finished, Pair};
use super::lookback::Lookback;
use super::names::{Name, Names};
use super::table::{JobTable, Record};
use crate::netbackup::JobRow;

/// Ended jobs are remembered at least this long, however short the lookback: longer than any overlap of two walks.
const SHORTEST_MEMORY_MS: i64 = 30 * 60 * 1000;
/// Ended jobs are filed by time in slots of this width.
const SLOT_MS: i64 = 5 * 60 * 1000;
/// A start or end further ahead of the primary's clock than this is absurd, and counts as none.
const FURTHEST_AHEAD_MS: i64 = 15 * 60 * 1000;
/// More than any job moves (8 PiB), and more files than any has: beyond is absurd, and counts as not reported.
const MOST_KILOBYTES: u64 = 1 << 43;
const MOST_FILES: u64 = 1 << 48;

/// How rows are to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The first read: what is already DONE counts nothing.
    Baseline,
    /// Everything after it.
    Follow,
}

/// A job that is not DONE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfinished {
    /// Its job and policy type.
    pub pair: Pair,
    /// `state`.
    pub state: Name,
    /// `startTime` in Unix milliseconds.
    pub start_ms: Option<i64>,
    /// `jobQueueReason`.
    pub queue_reason: Option<i64>,
}

/// Everything remembered of one site's jobs.
#[derive(Debug)]
pub struct Window {
    lookback_ms: i64,
    memory_ms: i64,
    names: Names,
    table: JobTable,
    by_end: BTreeMap<i64, Vec<u64>>,
    lookback: Lookback,
    counters: Counters,
    unfinished: FxHashMap<u64, Unfinished>,
    /// Unfinished jobs that the primary lists no more though nobody saw them end, with the polls since.
    vanished: FxHashMap<u64, u32>,
    /// Jobs that run again after they were forgotten, so that it is not known whether they were counted.
    revived: FxHashSet<u64>,
    counts_from_ms: i64,
    /// Jobs that ended before this have been forgotten.
    forgotten_before_ms: i64,
    now_ms: i64,
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
            by_end: BTreeMap::new(),
            lookback: Lookback::default(),
            counters: Counters::default(),
            unfinished: FxHashMap::default(),
            vanished: FxHashMap::default(),
            revived: FxHashSet::default(),
            counts_from_ms: i64::MAX,
            forgotten_before_ms: i64::MIN,
            now_ms: i64::MAX,
        }
    }

    /// The earliest end that a window at `now_ms` remembers: where a first read begins.
    pub fn remembers_from(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.memory_ms)
    }

    /// A poll begins at `now_ms` by the primary's clock.
    pub fn begin(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
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
        let record = self.record_of(row, pair);
        match self.table.get(row.id).copied() {
            Some(known) => {
                self.leave_gauges(&known);
                if let Some(place) = self.table.get_mut(row.id) {
                    *place = Record { in_gauges: false, ..record };
                }
                if slot_of(known.end_ms) != slot_of(record.end_ms) {
                    self.file(&record);
                }
            }
            None => {
                self.table.insert(record);
                self.file(&record);
                let is_new = !self.revived.remove(&row.id) && (was_unfinished || self.is_within_memory(row, &record));
                if reading == Reading::Follow && is_new {
                    self.counters.count(&finished_of(row, pair, &record));
                }
            }
        }
        if record.has_end {
            self.enter_gauges(row.id);
        }
    }

    /// The first read is complete; it began at `began_ms` by the primary's clock.
    pub fn set_baseline(&mut self, began_ms: i64) {
        // NetBackup writes end times in whole seconds: one that ended in the second of the beginning ended after it.
        self.counts_from_ms = began_ms.saturating_sub(began_ms.rem_euclid(1000));
    }

    /// The primary's clock was set back to `now_ms`: what ends from now on counts.
    pub fn clock_set_back(&mut self, now_ms: i64) {
        self.counts_from_ms = self.counts_from_ms.min(now_ms);
        self.forgotten_before_ms = self.forgotten_before_ms.min(self.remembers_from(now_ms));
    }

    /// Makes a row of the list of unfinished jobs ready for [`Window::replace_unfinished`].
    pub fn unfinished_of(&mut self, row: &JobRow<'_>) -> Unfinished {
        let is_known = self.unfinished.contains_key(&row.id)
            || self.vanished.contains_key(&row.id)
            || self.table.get(row.id).is_some();
        if !is_known && self.began_before_memory(row) {
            self.revived.insert(row.id);
        }
        let state = self.names.intern(&row.state);
        let start_ms = self.plausible(row.start_ms);
        Unfinished { pair: self.pair_of(row), state, start_ms, queue_reason: row.queue_reason }
    }

    /// Takes the whole list of unfinished jobs in.
    pub fn replace_unfinished(&mut self, list: FxHashMap<u64, Unfinished>) {
        let before = std::mem::replace(&mut self.unfinished, list);
        for id in before.into_keys() {
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
        self.vanished.remove(&id);
        if !self.unfinished.contains_key(&id) {
            self.revived.remove(&id);
        }
    }

    /// Ends a poll at `now_ms` by the primary's clock: what is too old leaves the gauges and the memory.
    pub fn settle(&mut self, now_ms: i64) {
        let gauges_from = now_ms.saturating_sub(self.lookback_ms);
        let memory_from = self.remembers_from(now_ms);
        let due: Vec<i64> = self.by_end.range(..=slot_of(gauges_from)).map(|(slot, _)| *slot).collect();
        for slot in due {
            let mut ids = self.by_end.remove(&slot).unwrap_or_default();
            ids.retain(|id| self.keep(*id, slot, gauges_from, memory_from));
            if !ids.is_empty() {
                self.by_end.insert(slot, ids);
            }
        }
        self.counts_from_ms = self.counts_from_ms.max(memory_from);
        self.forgotten_before_ms = self.forgotten_before_ms.max(memory_from);
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
        let Some(known) = self.table.get(row.id).copied() else { return };
        self.leave_gauges(&known);
        let sign_ms = row.last_update_ms.unwrap_or(known.end_ms).min(self.now_ms).max(known.end_ms);
        let record = Record { end_ms: sign_ms, has_end: false, done: false, in_gauges: false, ..known };
        if let Some(place) = self.table.get_mut(row.id) {
            *place = record;
        }
        if slot_of(known.end_ms) != slot_of(sign_ms) {
            self.file(&record);
        }
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

    fn plausible(&self, time_ms: Option<i64>) -> Option<i64> {
        time_ms.filter(|time| *time <= self.now_ms.saturating_add(FURTHEST_AHEAD_MS))
    }

    fn record_of(&self, row: &JobRow<'_>, pair: Pair) -> Record {
        let leaf = moves_data(row);
        let kilobytes = plausible_kilobytes(row.kilobytes_transferred).filter(|_| leaf);
        let files = row.files.filter(|files| leaf && *files < MOST_FILES);
        let end_ms = self.plausible(row.end_ms);
        Record {
            id: row.id,
            end_ms: end_ms.or(row.last_update_ms.map(|stamp| stamp.min(self.now_ms))).unwrap_or(i64::MIN),
            kilobytes: kilobytes.unwrap_or(0),
            files: files.unwrap_or(0),
            status: row.status.and_then(|status| i32::try_from(status).ok()),
            job_type: pair.job_type,
            policy_type: pair.policy_type,
            has_end: end_ms.is_some(),
            has_kilobytes: kilobytes.is_some(),
            has_files: files.is_some(),
            done: true,
            in_gauges: false,
        }
    }

    fn file(&mut self, record: &Record) {
        self.by_end.entry(slot_of(record.end_ms)).or_default().push(record.id);
    }

    /// Whether the id stays filed in `slot`; takes the job out of gauges and memory as its time has come.
    fn keep(&mut self, id: u64, slot: i64, gauges_from: i64, memory_from: i64) -> bool {
        let Some(record) = self.table.get(id).copied().filter(|record| slot_of(record.end_ms) == slot) else {
            return false;
        };
        if record.end_ms < gauges_from {
            self.leave_gauges(&record);
            if let Some(place) = self.table.get_mut(id) {
                place.in_gauges = false;
            }
        }
        // A job that runs again stays known until it has ended for good.
        let running = !record.done && (self.unfinished.contains_key(&id) || self.vanished.contains_key(&id));
        if record.end_ms < memory_from && !running {
            self.table.remove(id);
            return false;
        }
        true
    }

    fn enter_gauges(&mut self, id: u64) {
        if let Some(record) = self.table.get_mut(id).filter(|record| !record.in_gauges) {
            record.in_gauges = true;
            self.lookback.add(record);
        }
    }

    fn leave_gauges(&mut self, record: &Record) {
        if record.in_gauges {
            self.lookback.remove(record);
        }
    }
}

fn slot_of(end_ms: i64) -> i64 {
    end_ms.div_euclid(SLOT_MS)
}

/// Rows with children only orchestrate: their bytes and files are those of the children.
fn moves_data(row: &JobRow<'_>) -> bool {
    row.child_count.unwrap_or(0) == 0
}

fn plausible_kilobytes(kilobytes: Option<u64>) -> Option<u64> {
    kilobytes.filter(|kilobytes| *kilobytes < MOST_KILOBYTES)
}

fn finished_of(row: &JobRow<'_>, pair: Pair, record: &Record) -> Finished {
    let transferred = plausible_kilobytes(row.kilobytes_data_transferred).filter(|_| moves_data(row));
    let own_end = record.has_end.then_some(record.end_ms);
    let duration = own_end.zip(row.start_ms).and_then(|(end, start)| end.checked_sub(start));
    Finished {
        pair,
        status: record.status,
        image_kilobytes: record.kilobytes,
        transferred_kilobytes: transferred.unwrap_or(0),
        files: record.files,
        duration_ms: duration.and_then(|duration| u64::try_from(duration).ok()),
    }
}

#[cfg(test)]
mod tests;
