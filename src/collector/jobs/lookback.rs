//! Sums over the jobs that ended within the lookback window, kept as jobs come and go.

use std::collections::BTreeMap;

use super::counters::Pair;
use super::table::Record;

/// What the jobs of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// Job and policy type.
    pub pair: Pair,
    /// Status code.
    pub status: Option<i32>,
}

/// Sums over the jobs of a pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Sum of `kilobytesTransferred`.
    pub kilobytes: u64,
    /// Jobs that reported it.
    pub with_kilobytes: u64,
    /// Sum of `numberOfFiles`.
    pub files: u64,
    /// Jobs that reported it.
    pub with_files: u64,
}

/// The sums. A group or pair without a job is not there. Amounts of single jobs are bounded, so no sum overflows.
#[derive(Debug, Default)]
pub struct Lookback {
    /// Number of jobs.
    pub jobs: BTreeMap<Group, u64>,
    /// Amounts of those that move data themselves.
    pub amounts: BTreeMap<Pair, Amounts>,
}

impl Lookback {
    /// A job ended within the window.
    pub fn add(&mut self, record: &Record) {
        let pair = Pair { job_type: record.job_type, policy_type: record.policy_type };
        *self.jobs.entry(Group { pair, status: record.status }).or_default() += 1;
        if record.has_kilobytes || record.has_files {
            let amounts = self.amounts.entry(pair).or_default();
            amounts.kilobytes = amounts.kilobytes.saturating_add(record.kilobytes);
            amounts.with_kilobytes += u64::from(record.has_kilobytes);
            amounts.files = amounts.files.saturating_add(record.files);
            amounts.with_files += u64::from(record.has_files);
        }
    }

    /// A job that was added leaves, with the amounts with which it came.
    pub fn remove(&mut self, record: &Record) {
        let pair = Pair { job_type: record.job_type, policy_type: record.policy_type };
        let group = Group { pair, status: record.status };
        if let Some(count) = self.jobs.get_mut(&group) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.jobs.remove(&group);
            }
        }
        if let Some(amounts) = self.amounts.get_mut(&pair) {
            amounts.kilobytes = amounts.kilobytes.saturating_sub(record.kilobytes);
            amounts.with_kilobytes = amounts.with_kilobytes.saturating_sub(u64::from(record.has_kilobytes));
            amounts.files = amounts.files.saturating_sub(record.files);
            amounts.with_files = amounts.with_files.saturating_sub(u64::from(record.has_files));
            if amounts.with_kilobytes == 0 && amounts.with_files == 0 {
                self.amounts.remove(&pair);
            }
        }
    }
}
