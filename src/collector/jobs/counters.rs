//! What only rises: finished jobs by outcome, their bytes, files and durations.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::names::Name;

/// Upper bounds of `netbackup_job_duration_seconds`, in seconds.
pub const DURATION_BUCKETS: [f64; 11] =
    [60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 57600.0, 86400.0, 172_800.0];

/// `jobType` and `policyType` of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pair {
    /// `jobType`.
    pub job_type: Name,
    /// `policyType`.
    pub policy_type: Name,
}

/// How a job ended, as `netbackup_jobs_finished_total{outcome}` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Status 0.
    Success,
    /// Status 1: partially successful.
    Partial,
    /// Status 150: ended by an operator.
    Cancelled,
    /// Any other status.
    Failed,
    /// The primary gave no status.
    Unknown,
}

impl Outcome {
    /// Every outcome, in the order of `PairCounters::outcomes`.
    pub const ALL: [Outcome; 5] =
        [Outcome::Success, Outcome::Partial, Outcome::Cancelled, Outcome::Failed, Outcome::Unknown];

    /// Judges a NetBackup status code.
    pub const fn of(status: Option<i32>) -> Outcome {
        match status {
            Some(0) => Outcome::Success,
            Some(1) => Outcome::Partial,
            Some(150) => Outcome::Cancelled,
            Some(_) => Outcome::Failed,
            None => Outcome::Unknown,
        }
    }

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Partial => "partial",
            Outcome::Cancelled => "cancelled",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        }
    }
}

/// Counters of one pair of job type and policy type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairCounters {
    /// Since when they count, in Unix milliseconds of the exporter's clock.
    pub created_ms: u64,
    /// Finished jobs by position in [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Sum of `kilobytesTransferred`.
    pub image_kilobytes: u64,
    /// Sum of `kilobytesDataTransferred`.
    pub transferred_kilobytes: u64,
    /// Sum of `numberOfFiles`.
    pub files: u64,
    /// Durations per bucket of [`DURATION_BUCKETS`] (not cumulative), the last above every bound.
    pub durations: [u64; DURATION_BUCKETS.len() + 1],
    /// Sum of the durations in milliseconds.
    pub duration_ms: u64,
}

/// One finished job, as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// Its job and policy type.
    pub pair: Pair,
    /// Its status code.
    pub status: Option<i32>,
    /// `kilobytesTransferred`; 0 for a job that only orchestrates.
    pub image_kilobytes: u64,
    /// `kilobytesDataTransferred`; 0 for a job that only orchestrates.
    pub transferred_kilobytes: u64,
    /// `numberOfFiles`; 0 for a job that only orchestrates.
    pub files: u64,
    /// End minus start in milliseconds, where both are known and in order.
    pub duration_ms: Option<u64>,
}

/// Finished jobs of one job type with one status code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCounter {
    /// Since when they count, in Unix milliseconds of the exporter's clock.
    pub created_ms: u64,
    /// How many there were.
    pub jobs: u64,
}

/// Job type and status code.
pub type Status = (Name, Option<i32>);

/// The counters of one site.
#[derive(Debug, Default)]
pub struct Counters {
    /// By job type and policy type.
    pub pairs: BTreeMap<Pair, PairCounters>,
    /// By job type and status code.
    pub statuses: BTreeMap<Status, StatusCounter>,
    /// Pairs that no scrape has seen yet.
    unseen: BTreeSet<Pair>,
    /// The exporter's clock, for counters that begin.
    wall_ms: u64,
    changed: Changed,
}

/// What has changed since it was last kept.
#[derive(Debug, Default)]
struct Changed {
    pairs: BTreeSet<Pair>,
    statuses: BTreeSet<Status>,
    unseen: bool,
}

/// Counters as they are kept: their values, never differences, so that taking them in twice does no harm.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCounters {
    pairs: Vec<(Pair, PairCounters)>,
    statuses: Vec<(Status, StatusCounter)>,
    /// Every pair that no scrape has seen yet.
    unseen: Vec<Pair>,
}

impl Counters {
    /// It is `wall_ms` by the exporter's clock.
    pub fn begin(&mut self, wall_ms: u64) {
        self.wall_ms = wall_ms;
    }

    /// Makes the counters of a pair stand at 0 as soon as the pair is seen, so that `increase()` sees the first job.
    pub fn see(&mut self, pair: Pair) {
        if let Entry::Vacant(entry) = self.pairs.entry(pair) {
            entry.insert(PairCounters { created_ms: self.wall_ms, ..PairCounters::default() });
            self.unseen.insert(pair);
            self.changed.pairs.insert(pair);
            self.changed.unseen = true;
        }
    }

    /// What to show: a pair that has not been shown yet stands at 0, whatever has been counted for it, and shows that
    /// the next time. So the first job of a pair is an increase too.
    pub fn to_show(&self) -> impl Iterator<Item = (Pair, PairCounters)> {
        let zero =
            |counters: &PairCounters| PairCounters { created_ms: counters.created_ms, ..PairCounters::default() };
        let shown = |pair: &Pair| !self.unseen.contains(pair);
        self.pairs.iter().map(move |(pair, counters)| (*pair, if shown(pair) { *counters } else { zero(counters) }))
    }

    /// What there is to show has been shown.
    pub fn shown(&mut self) {
        self.changed.unseen |= !self.unseen.is_empty();
        self.unseen.clear();
    }

    /// Counts a finished job.
    pub fn count(&mut self, job: &Finished) {
        self.see(job.pair);
        self.changed.pairs.insert(job.pair);
        let counters = self.pairs.entry(job.pair).or_default();
        if let Some(outcome) = counters.outcomes.get_mut(Outcome::of(job.status) as usize) {
            *outcome = outcome.saturating_add(1);
        }
        counters.image_kilobytes = counters.image_kilobytes.saturating_add(job.image_kilobytes);
        counters.transferred_kilobytes = counters.transferred_kilobytes.saturating_add(job.transferred_kilobytes);
        counters.files = counters.files.saturating_add(job.files);
        if let Some(duration) = job.duration_ms {
            let seconds = std::time::Duration::from_millis(duration).as_secs_f64();
            let bucket = DURATION_BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(DURATION_BUCKETS.len());
            if let Some(count) = counters.durations.get_mut(bucket) {
                *count = count.saturating_add(1);
            }
            counters.duration_ms = counters.duration_ms.saturating_add(duration);
        }
        let status = (job.pair.job_type, job.status);
        let new = StatusCounter { created_ms: self.wall_ms, jobs: 0 };
        let counter = self.statuses.entry(status).or_insert(new);
        counter.jobs = counter.jobs.saturating_add(1);
        self.changed.statuses.insert(status);
    }

    /// Whether there is anything that [`Counters::changes`] would say.
    pub fn has_changed(&self) -> bool {
        self.changed.unseen || !self.changed.pairs.is_empty() || !self.changed.statuses.is_empty()
    }

    /// What has changed since the last call.
    pub fn changes(&mut self) -> KeptCounters {
        let changed = std::mem::take(&mut self.changed);
        let pairs = changed.pairs.iter().filter_map(|pair| Some((*pair, *self.pairs.get(pair)?)));
        let statuses = changed.statuses.iter().filter_map(|status| Some((*status, *self.statuses.get(status)?)));
        KeptCounters { pairs: pairs.collect(), statuses: statuses.collect(), ..self.no_changes() }
    }

    /// What is kept whole, however little has changed.
    pub fn no_changes(&self) -> KeptCounters {
        KeptCounters { unseen: self.unseen.iter().copied().collect(), ..KeptCounters::default() }
    }

    /// Everything, as if all of it had changed.
    pub fn everything(&mut self) -> KeptCounters {
        self.changed.pairs.extend(self.pairs.keys());
        self.changed.statuses.extend(self.statuses.keys());
        self.changes()
    }

    /// Takes in what was kept.
    pub fn restore(&mut self, kept: KeptCounters) {
        self.pairs.extend(kept.pairs);
        self.statuses.extend(kept.statuses);
        self.unseen = kept.unseen.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_follow_the_status_code() {
        let of = |status| Outcome::of(status).as_str();
        assert_eq!(of(Some(0)), "success");
        assert_eq!(of(Some(1)), "partial");
        assert_eq!(of(Some(150)), "cancelled");
        assert_eq!(of(Some(2074)), "failed");
        assert_eq!(of(Some(-1)), "failed");
        assert_eq!(of(None), "unknown");
        for (position, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(position, *outcome as usize);
        }
    }
}
