//! A [`Record`] in 40 bytes: the bits that times, amounts and file counts leave over hold the flags.

use serde::{Deserialize, Serialize};

use super::names::Name;
use super::table::Record;

const END_BITS: u32 = 42; // until the year 2109
const KILOBYTE_BITS: u32 = 43;
const FILE_BITS: u32 = 48;

const HAS_END: u64 = 1;
const HAS_KILOBYTES: u64 = 1 << 1;
const HAS_FILES: u64 = 1 << 2;
const HAS_STATUS: u64 = 1 << 3;
const DONE: u64 = 1 << 4;
const IN_GAUGES: u64 = 1 << 5;
const GONE: u64 = 1 << 6;

/// A record as the table holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    id: u64,
    end_and_flags: u64,
    kilobytes: u64,
    files_and_stamp: u64,
    status: i32,
    job_type: Name,
    policy_type: Name,
}

fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

impl Packed {
    /// What is out of range becomes the nearest that is not.
    pub fn new(record: &Record) -> Packed {
        let flag = |is: bool, bit: u64| if is { bit } else { 0 };
        let flags = flag(record.has_end, HAS_END)
            | flag(record.has_kilobytes, HAS_KILOBYTES)
            | flag(record.has_files, HAS_FILES)
            | flag(record.status.is_some(), HAS_STATUS)
            | flag(record.done, DONE)
            | flag(record.in_gauges, IN_GAUGES)
            | flag(record.gone, GONE);
        let end = u64::try_from(record.end_ms).unwrap_or(0).min(mask(END_BITS));
        let files = record.files.min(mask(FILE_BITS));
        Packed {
            id: record.id,
            end_and_flags: end | (flags << END_BITS),
            kilobytes: record.kilobytes.min(mask(KILOBYTE_BITS)),
            files_and_stamp: files | (u64::from(record.stamp) << FILE_BITS),
            status: record.status.unwrap_or(0),
            job_type: record.job_type,
            policy_type: record.policy_type,
        }
    }

    /// The id alone.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The record.
    pub fn unpack(&self) -> Record {
        let has = |bit: u64| (self.end_and_flags >> END_BITS) & bit != 0;
        Record {
            id: self.id,
            end_ms: i64::try_from(self.end_and_flags & mask(END_BITS)).unwrap_or(0),
            kilobytes: self.kilobytes,
            files: self.files_and_stamp & mask(FILE_BITS),
            status: has(HAS_STATUS).then_some(self.status),
            job_type: self.job_type,
            policy_type: self.policy_type,
            stamp: u16::try_from(self.files_and_stamp >> FILE_BITS).unwrap_or(0),
            has_end: has(HAS_END),
            has_kilobytes: has(HAS_KILOBYTES),
            has_files: has(HAS_FILES),
            done: has(DONE),
            in_gauges: has(IN_GAUGES),
            gone: has(GONE),
        }
    }
}
