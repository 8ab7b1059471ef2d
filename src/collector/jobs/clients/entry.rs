//! What is known of one client, and of one policy and job type of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::collector::jobs::counters::Outcome;

/// Failures in a row whose ends are remembered one by one. Of more only the number is, which is enough unless a success
/// is met that came before the last so many of them.
const MOST_ENDS: usize = 64;

/// A client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Since when it is known, in Unix milliseconds of the exporter's clock.
    pub since_ms: u64,
    /// By policy and job type, in their order.
    pub entries: Vec<Entry>,
}

/// A client under one policy with one type of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `policyName`.
    pub policy: Arc<str>,
    /// `jobType`.
    pub job_type: Arc<str>,
    /// What is known.
    pub record: Record,
    /// It has changed since it was last kept.
    pub is_dirty: bool,
}

/// What is known of a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Since when its counters count, in Unix milliseconds of the exporter's clock.
    pub created_ms: u64,
    /// The first view that holds it.
    pub born: u32,
    /// When the last job ended that made a backup, whole (0) or in part (1); in Unix seconds.
    pub last_success_s: Option<u32>,
    /// When the last job ended, in Unix seconds.
    pub last_attempt_s: Option<u32>,
    /// Finished jobs by status, in the order of the status.
    pub statuses: Vec<(Option<i32>, u32)>,
    /// Failures since the last success.
    failures: Failures,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Failures {
    /// Those before `ends`.
    earlier: u32,
    /// When the last of them ended, in rising order.
    ends: Vec<u32>,
}

impl Client {
    pub(super) fn new(since_ms: u64) -> Client {
        Client { since_ms, entries: Vec::new() }
    }

    /// Its entry for a policy and a job type.
    pub fn entry(&self, policy: &str, job_type: &str) -> Option<&Entry> {
        self.entries.get(self.find(policy, job_type).ok()?)
    }

    /// The same, made of `new` where there is none.
    pub(super) fn entry_mut(&mut self, policy: Arc<str>, job_type: Arc<str>, new: Record) -> &mut Entry {
        let at = match self.find(&policy, &job_type) {
            Ok(at) => at,
            Err(at) => {
                self.entries.reserve_exact(1);
                self.entries.insert(at, Entry { policy, job_type, record: new, is_dirty: true });
                at
            }
        };
        #[expect(clippy::indexing_slicing, reason = "it was found there, or has just been put there")]
        &mut self.entries[at]
    }

    fn find(&self, policy: &str, job_type: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| (&*entry.policy, &*entry.job_type).cmp(&(policy, job_type)))
    }
}

impl Entry {
    pub(super) fn count(&mut self, status: Option<i32>) {
        self.is_dirty = true;
        let statuses = &mut self.record.statuses;
        match statuses.binary_search_by_key(&status, |(known, _)| *known) {
            Ok(at) => {
                if let Some((_, jobs)) = statuses.get_mut(at) {
                    *jobs = jobs.saturating_add(1);
                }
            }
            Err(at) => {
                // Most keys know one or two.
                statuses.reserve_exact(1);
                statuses.insert(at, (status, 1));
            }
        }
    }

    /// A job ended at `at_s`. `is_known`: perhaps it has been told before, so of several that ended in the same second
    /// one is enough.
    pub(super) fn ended(&mut self, at_s: u32, outcome: Outcome, is_known: bool) {
        self.is_dirty = true;
        let record = &mut self.record;
        record.last_attempt_s = record.last_attempt_s.max(Some(at_s));
        match outcome {
            Outcome::Success | Outcome::Partial => {
                record.last_success_s = record.last_success_s.max(Some(at_s));
                record.failures.end_at(at_s);
            }
            Outcome::Failed => {
                let is_over = record.last_success_s.is_some_and(|success| success >= at_s);
                let is_told = is_known && record.failures.may_hold(at_s);
                if !is_over && !is_told {
                    record.failures.add(at_s);
                }
            }
            // An operator's decision says nothing of the client, and neither does a job without a status.
            Outcome::Cancelled | Outcome::Unknown => {}
        }
    }

    pub(super) fn has_failed_at(&self, at_s: u32) -> bool {
        self.record.failures.may_hold(at_s)
    }

    pub(super) fn retract(&mut self, at_s: u32) {
        self.is_dirty = true;
        self.record.failures.remove(at_s);
    }

    /// When it last gave a sign of life, in Unix seconds.
    pub(super) fn last_sign_s(&self) -> u32 {
        let created_s = u32::try_from(self.record.created_ms / 1000).unwrap_or(u32::MAX);
        self.record.last_attempt_s.map_or(created_s, |attempt| attempt.max(created_s))
    }
}

impl Record {
    pub(super) fn new(created_ms: u64, born: u32) -> Record {
        Record { created_ms, born, ..Record::default() }
    }

    /// Failures since the last success.
    pub fn failures_in_a_row(&self) -> u64 {
        u64::from(self.failures.earlier).saturating_add(self.failures.ends.len() as u64)
    }

    /// Finished jobs with this outcome.
    pub fn jobs(&self, outcome: Outcome) -> u64 {
        let of_outcome = self.statuses.iter().filter(|(status, _)| Outcome::of(*status) == outcome);
        of_outcome.fold(0, |sum, (_, jobs)| sum.saturating_add(u64::from(*jobs)))
    }

    /// Foreign bytes may say anything: what is searched must be in order.
    pub(super) fn put_in_order(&mut self) {
        self.statuses.sort_unstable();
        self.statuses.dedup_by_key(|(status, _)| *status);
        self.failures.ends.sort_unstable();
    }
}

impl Failures {
    fn add(&mut self, at_s: u32) {
        if self.ends.len() >= MOST_ENDS {
            self.earlier = self.earlier.saturating_add(1);
            if self.ends.first().is_some_and(|first| at_s <= *first) {
                return;
            }
            self.ends.remove(0);
        }
        let at = self.ends.partition_point(|end| *end <= at_s);
        self.ends.reserve_exact(1);
        self.ends.insert(at, at_s);
    }

    /// A success at `at_s` ends those up to then.
    fn end_at(&mut self, at_s: u32) {
        let upto = self.ends.partition_point(|end| *end <= at_s);
        if upto > 0 || self.ends.is_empty() {
            self.ends.drain(..upto);
            self.earlier = 0;
        }
    }

    fn may_hold(&self, at_s: u32) -> bool {
        self.ends.binary_search(&at_s).is_ok() || self.is_among_earlier(at_s)
    }

    fn remove(&mut self, at_s: u32) {
        if let Ok(at) = self.ends.binary_search(&at_s) {
            self.ends.remove(at);
        } else if self.is_among_earlier(at_s) {
            self.earlier = self.earlier.saturating_sub(1);
        }
    }

    fn is_among_earlier(&self, at_s: u32) -> bool {
        self.earlier > 0 && self.ends.first().is_none_or(|first| at_s <= *first)
    }
}
