//! What of a row is believed, and how it is remembered and counted.

use super::Window;
use crate::collector::jobs::counters::{Finished, Pair};
use crate::collector::jobs::table::Record;
use crate::netbackup::JobRow;

/// A start or end further ahead of the primary's clock than this is absurd, and counts as none.
const FURTHEST_AHEAD_MS: i64 = 15 * 60 * 1000;
/// More than any job moves (8 PiB), and more files than any has: beyond is absurd, and counts as not reported.
const MOST_KILOBYTES: u64 = 1 << 43;
const MOST_FILES: u64 = 1 << 48;

impl Window {
    pub(super) fn plausible(&self, time_ms: Option<i64>) -> Option<i64> {
        time_ms.filter(|time| *time <= self.latest_ms.saturating_add(FURTHEST_AHEAD_MS))
    }

    pub(super) fn record_of(&self, row: &JobRow<'_>, pair: Pair) -> Record {
        let leaf = moves_data(row);
        let kilobytes = plausible_kilobytes(row.kilobytes_transferred).filter(|_| leaf);
        let files = row.files.filter(|files| leaf && *files < MOST_FILES);
        let end_ms = self.plausible(row.end_ms);
        // A stamp may be set back; a job that is forgotten before it began would count as new when it is resumed.
        let last_sign_ms = row.last_update_ms.max(row.start_ms).unwrap_or(self.now_ms).min(self.latest_ms);
        Record {
            id: row.id,
            end_ms: end_ms.unwrap_or(last_sign_ms).max(0),
            kilobytes: kilobytes.unwrap_or(0),
            files: files.unwrap_or(0),
            status: row.status.and_then(|status| i32::try_from(status).ok()),
            job_type: pair.job_type,
            policy_type: pair.policy_type,
            stamp: stamp_of(row),
            has_end: end_ms.is_some(),
            has_kilobytes: kilobytes.is_some(),
            has_files: files.is_some(),
            done: true,
            in_gauges: false,
            gone: false,
        }
    }
}

/// Enough of `lastUpdateTime` to tell two versions of one job apart.
pub fn stamp_of(row: &JobRow<'_>) -> u16 {
    let low = row.last_update_ms.unwrap_or(0).rem_euclid(1 << 16);
    u16::try_from(low).unwrap_or(0)
}

/// Rows with children only orchestrate: their bytes and files are those of the children.
pub fn moves_data(row: &JobRow<'_>) -> bool {
    row.child_count.unwrap_or(0) == 0
}

fn plausible_kilobytes(kilobytes: Option<u64>) -> Option<u64> {
    kilobytes.filter(|kilobytes| *kilobytes < MOST_KILOBYTES)
}

pub fn finished_of(row: &JobRow<'_>, pair: Pair, record: &Record) -> Finished {
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
