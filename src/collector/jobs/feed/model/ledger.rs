//! What is true: which jobs have been told to be DONE, and which of them must have been counted. It forgets nothing; of
//! the feed it only knows what it was told, which of its polls were complete, and what it kept before a crash.

use std::collections::{BTreeMap, BTreeSet};

use crate::collector::jobs::counters::{DURATION_BUCKETS, Outcome};
use crate::collector::jobs::primary::{Identity, Query};
use crate::netbackup::JobRow;

/// A clock that goes back by more than this was set back.
const SMALL_STEP_MS: i64 = 10 * 60 * 1000;
/// An end further ahead of the primary's clock is absurd.
const FURTHEST_AHEAD_MS: i64 = 15 * 60 * 1000;
/// Amounts beyond these are absurd: not reported.
const MOST_KILOBYTES: u64 = 1 << 43;
const MOST_FILES: u64 = 1 << 48;

/// Sums of counted jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    pub outcomes: [u64; 5],
    pub kilobytes: u64,
    pub transferred: u64,
    pub files: u64,
    pub durations: [u64; DURATION_BUCKETS.len() + 1],
    pub duration_ms: u64,
}

/// The truth, as of one moment.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    identity: Option<Identity>,
    /// What the clock said at the beginning of this poll, whether it was told so, and when that was.
    pub reading_ms: i64,
    has_reading: bool,
    pub read_at_ms: i64,
    /// What time it is, as the feed believes.
    believed_ms: i64,
    /// The first read began at this time of the primary.
    began_ms: i64,
    /// The last complete poll: what time it was, and when that was.
    pub completed: Option<(i64, i64)>,
    /// Ends from which on an unknown row counts; `None`: there is no baseline.
    pub edge_ms: Option<i64>,
    /// What a clock that may have been set back said then when the last poll began.
    back_to_ms: Option<i64>,
    memory_ms: i64,
    /// No poll has been complete since a restart.
    is_resumed: bool,
    /// Ends before which no job ever counts.
    baseline_ms: Option<i64>,
    /// Ends before which jobs have been forgotten: one that was never told and began before may have been counted.
    forgotten_ms: Option<i64>,
    /// When the baseline was complete, in milliseconds since the test began.
    pub baseline_at: Option<i64>,
    /// Jobs that were told to be DONE.
    pub done: BTreeSet<u64>,
    /// Jobs of a whole list of unfinished ones that were not told to be DONE since.
    pub running: BTreeSet<u64>,
    list: Vec<u64>,
    /// By job and policy type.
    pub pairs: BTreeMap<(String, String), Sums>,
    /// By job type and status.
    pub statuses: BTreeMap<(String, Option<i32>), u64>,
    /// By client, policy and job type, and status; rows without children.
    pub clients: BTreeMap<(Key, Option<i32>), u64>,
}

/// Client, policy and job type.
pub type Key = (String, String, String);

impl Ledger {
    pub fn clock_was_read(&mut self, reading_ms: i64, has_reading: bool, at_ms: i64) {
        (self.reading_ms, self.has_reading, self.read_at_ms) = (reading_ms, has_reading, at_ms);
        self.believed_ms = reading_ms;
        self.list.clear();
        // A clock that was set back, or may have been: what ended since the last poll before that may count.
        // While a step is in doubt it is the poll before the doubt that counts.
        let doubted_ms = self.back_to_ms.unwrap_or(i64::MAX);
        self.back_to_ms = self.completed.filter(|_| has_reading).and_then(|(then, at)| {
            let elapsed = at_ms - at;
            // After a restart nobody knows how long it took.
            let is_far_back = !self.is_resumed && reading_ms < then + elapsed - SMALL_STEP_MS;
            let back_ms = if self.is_resumed { SMALL_STEP_MS } else { elapsed };
            (reading_ms < then || is_far_back).then_some(doubted_ms.min(reading_ms - back_ms))
        });
        if let Some(back_to_ms) = self.back_to_ms {
            let forgotten_ms = self.forgotten_ms.unwrap_or(i64::MIN);
            self.edge_ms = self.edge_ms.map(|edge| edge.min(back_to_ms.max(forgotten_ms)));
            self.baseline_ms = self.baseline_ms.map(|baseline| baseline.min(back_to_ms));
        }
    }

    /// The feed was told who answers. Another primary has other jobs; what has been counted stays counted.
    pub fn met(&mut self, identity: &Identity) {
        if self.identity.as_ref().is_some_and(|known| known != identity) {
            let (pairs, statuses) = (std::mem::take(&mut self.pairs), std::mem::take(&mut self.statuses));
            let clients = std::mem::take(&mut self.clients);
            let (reading_ms, has_reading, read_at_ms) = (self.reading_ms, self.has_reading, self.read_at_ms);
            *self = Ledger { pairs, statuses, clients, reading_ms, has_reading, read_at_ms, ..Ledger::default() };
        }
        self.identity = Some(identity.clone());
    }

    /// A first read begins. Without a clock the newest stamp is all that is known of the time.
    pub fn begins(&mut self, newest_ms: Option<i64>) {
        let stamp = newest_ms.map_or(self.reading_ms, |newest| newest.min(self.reading_ms));
        self.began_ms = if self.has_reading { self.reading_ms } else { stamp };
    }

    /// A walk begins.
    pub fn walks(&mut self, query: &Query) {
        // A step of the clock is believed when it lasts; until then the feed asks for no change after what it believes.
        if let Query::Changed(_, to_ms) = query {
            self.believed_ms = *to_ms;
            if let Some(back_to_ms) = self.back_to_ms.filter(|_| *to_ms == self.reading_ms) {
                let forgotten_ms = back_to_ms - self.memory_ms;
                self.forgotten_ms = self.forgotten_ms.map(|forgotten| forgotten.min(forgotten_ms));
                let forgotten_ms = self.forgotten_ms.unwrap_or(i64::MIN);
                self.edge_ms = self.edge_ms.map(|edge| edge.min(back_to_ms.max(forgotten_ms)));
            }
        }
    }

    /// An end so far ahead is none.
    fn end_of(&self, row: &JobRow<'_>) -> Option<i64> {
        let latest_ms = if self.has_reading { self.reading_ms.max(self.believed_ms) } else { self.believed_ms };
        row.end_ms.filter(|end| *end <= latest_ms + FURTHEST_AHEAD_MS)
    }

    /// A row was told.
    pub fn saw(&mut self, row: &JobRow<'_>, query: &Query) {
        if row.state == "DONE" {
            self.saw_done(row);
            return;
        }
        if *query == Query::Unfinished && !self.running.contains(&row.id) && self.may_be_forgotten(row) {
            self.done.insert(row.id);
        }
        if *query == Query::Unfinished {
            self.list.push(row.id);
        }
    }

    /// A walk has told everything.
    pub fn walked(&mut self, query: &Query) {
        if *query == Query::Unfinished {
            self.running.extend(self.list.drain(..));
        }
    }

    /// A job was asked for by id.
    pub fn asked(&mut self, id: u64, row: Option<&JobRow<'_>>) {
        match row {
            None => drop(self.running.remove(&id)),
            Some(row) if row.state == "DONE" => self.saw_done(row),
            Some(_) => {}
        }
    }

    fn saw_done(&mut self, row: &JobRow<'_>) {
        let was_running = self.running.remove(&row.id);
        if !self.done.insert(row.id) {
            return;
        }
        // Where there is no end, it ended after it began.
        let ended = self.end_of(row).or(row.start_ms);
        let is_new = self.edge_ms.is_some_and(|edge| ended.is_some_and(|ended| ended >= edge));
        let is_of_baseline = self.end_of(row).zip(self.baseline_ms).is_some_and(|(end, baseline)| end < baseline);
        if (was_running || is_new && !self.may_be_forgotten(row)) && !is_of_baseline {
            self.count(row);
        }
    }

    fn may_be_forgotten(&self, row: &JobRow<'_>) -> bool {
        row.start_ms.zip(self.forgotten_ms).is_some_and(|(start, forgotten)| start < forgotten)
    }

    fn count(&mut self, row: &JobRow<'_>) {
        let (status, end_ms) = (status_of(row), self.end_of(row));
        let sums = self.pairs.entry((row.job_type.to_string(), row.policy_type.to_string())).or_default();
        sums.outcomes[Outcome::of(status) as usize] += 1;
        sums.kilobytes += kilobytes_of(row).unwrap_or(0);
        let transferred = row.kilobytes_data_transferred.filter(|kb| is_leaf(row) && *kb < MOST_KILOBYTES);
        sums.transferred += transferred.unwrap_or(0);
        sums.files += files_of(row).unwrap_or(0);
        let duration = end_ms.zip(row.start_ms).map(|(end, start)| end - start);
        if let Some(duration) = duration.filter(|ms| *ms >= 0) {
            let duration = u64::try_from(duration).unwrap();
            let bucket = DURATION_BUCKETS.iter().position(|bound| (duration as f64) <= bound * 1000.0);
            sums.durations[bucket.unwrap_or(DURATION_BUCKETS.len())] += 1;
            sums.duration_ms += duration;
        }
        *self.statuses.entry((row.job_type.to_string(), status)).or_default() += 1;
        if is_leaf(row) && !row.client_name.is_empty() {
            let key = (row.client_name.to_string(), row.policy_name.to_string(), row.job_type.to_string());
            *self.clients.entry((key, status)).or_default() += 1;
        }
    }

    /// A poll is complete: it was `now_ms` at the primary, as the feed believes, when its clock was read.
    pub fn complete(&mut self, now_ms: i64, memory_ms: i64) {
        self.completed = Some((now_ms, self.read_at_ms));
        (self.memory_ms, self.is_resumed) = (memory_ms, false);
        // Ends are in whole seconds: in the second in which the read began is after it.
        let began_ms = self.began_ms - self.began_ms.rem_euclid(1000);
        self.forgotten_ms = Some(self.forgotten_ms.map_or(i64::MIN, |ms| ms.max(now_ms - memory_ms)));
        self.baseline_ms.get_or_insert(began_ms);
        self.edge_ms = Some(match self.edge_ms {
            None => {
                self.baseline_at = Some(self.read_at_ms);
                began_ms
            }
            Some(edge) => edge.max(now_ms - memory_ms),
        });
    }

    /// The feed was restored with another memory.
    pub fn restored(&mut self, memory_ms: i64) {
        self.is_resumed = true;
        let kept = self.completed.map_or(i64::MIN, |(then, _)| then);
        self.edge_ms = self.edge_ms.map(|edge| edge.max(kept - memory_ms));
        self.forgotten_ms = self.forgotten_ms.map(|forgotten| forgotten.max(kept - memory_ms));
    }
}

fn is_leaf(row: &JobRow<'_>) -> bool {
    row.child_count.unwrap_or(0) == 0
}

/// The status as it is shown.
pub fn status_of(row: &JobRow<'_>) -> Option<i32> {
    row.status.and_then(|status| i32::try_from(status).ok())
}

/// The kilobytes as they count.
pub fn kilobytes_of(row: &JobRow<'_>) -> Option<u64> {
    row.kilobytes_transferred.filter(|kb| is_leaf(row) && *kb < MOST_KILOBYTES)
}

/// The files as they count.
pub fn files_of(row: &JobRow<'_>) -> Option<u64> {
    row.files.filter(|files| is_leaf(row) && *files < MOST_FILES)
}
