//! What only rises: finished jobs by outcome, their bytes, files and durations.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::names::Name;

/// Upper bounds of `netbackup_job_duration_seconds`, in seconds.
pub const DURATION_BUCKETS: [f64; 11] =
    [60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 57600.0, 86400.0, 172_800.0];

/// `jobType` and `policyType` of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// Every outcome, in the order of [`PairCounters::outcomes`].
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PairCounters {
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

/// The counters of one site.
#[derive(Debug, Default)]
pub struct Counters {
    /// By job type and policy type.
    pub pairs: BTreeMap<Pair, PairCounters>,
    /// Pairs that no scrape has seen yet.
    unseen: BTreeSet<Pair>,
    /// By job type and status code.
    pub statuses: BTreeMap<(Name, Option<i32>), u64>,
}

impl Counters {
    /// Makes the counters of a pair stand at 0 as soon as the pair is seen, so that `increase()` sees the first job.
    pub fn see(&mut self, pair: Pair) {
        if let Entry::Vacant(entry) = self.pairs.entry(pair) {
            entry.insert(PairCounters::default());
            self.unseen.insert(pair);
        }
    }

    /// What to show: a pair that has not been shown yet stands at 0, whatever has been counted for it, and shows that
    /// the next time. So the first job of a pair is an increase too.
    pub fn to_show(&self) -> impl Iterator<Item = (Pair, PairCounters)> {
        let shown = |pair: &Pair| !self.unseen.contains(pair);
        self.pairs
            .iter()
            .map(move |(pair, counters)| (*pair, if shown(pair) { *counters } else { PairCounters::default() }))
    }

    /// What there is to show has been shown.
    pub fn shown(&mut self) {
        self.unseen.clear();
    }

    /// Counts a finished job.
    pub fn count(&mut self, job: &Finished) {
        self.see(job.pair);
        let counters = self.pairs.entry(job.pair).or_default();
        if let Some(outcome) = counters.outcomes.get_mut(Outcome::of(job.status) as usize) {
            *outcome += 1;
        }
        counters.image_kilobytes = counters.image_kilobytes.saturating_add(job.image_kilobytes);
        counters.transferred_kilobytes = counters.transferred_kilobytes.saturating_add(job.transferred_kilobytes);
        counters.files = counters.files.saturating_add(job.files);
        if let Some(duration) = job.duration_ms {
            let seconds = std::time::Duration::from_millis(duration).as_secs_f64();
            let bucket = DURATION_BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(DURATION_BUCKETS.len());
            if let Some(count) = counters.durations.get_mut(bucket) {
                *count += 1;
            }
            counters.duration_ms = counters.duration_ms.saturating_add(duration);
        }
        *self.statuses.entry((job.pair.job_type, job.status)).or_default() += 1;
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
