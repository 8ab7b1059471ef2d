//! The moment that a file's time of access stands for, and the mark that tells it from any other.
//!
//! A poll that changed nothing still proves that the state is as fresh as that poll. Writing that down would cost a
//! sync for nothing, so it is said by the time of access, which is no part of what was written: losing it in a crash
//! only makes the state look older than it is. But everybody who copies or restores a file sets that time, and who reads
//! it may. Believed, it would make old data look fresh. So ours is a whole millisecond and a fixed number of
//! nanoseconds, which the time that some other program sets has once in a million times; one that a program preserved
//! is true still. A file system that keeps no nanoseconds loses the mark, and with it only this refinement.

use std::fs::{File, FileTimes};
use std::io;
use std::time::{Duration, SystemTime};

const MARK: u32 = 137_137;
const NANOS_PER_MILLI: u32 = 1_000_000;

/// `at` as a time of access. `None` before 1970.
pub(super) fn marked(at: SystemTime) -> Option<SystemTime> {
    with_rest(at, MARK)
}

/// The moment that a time of access stands for, to the millisecond. `None` without the mark, or in the future.
pub(super) fn moment(accessed: SystemTime, now: SystemTime) -> Option<SystemTime> {
    let at = with_rest(accessed, 0)?;
    (marked(at)? == accessed && at <= now).then_some(at)
}

/// Sets the time of access and no other.
pub(super) fn set(file: &File, time: SystemTime) -> io::Result<()> {
    file.set_times(FileTimes::new().set_accessed(time))
}

/// Takes the mark away that the system's own time may bear by chance.
pub(super) fn clear(file: &File) {
    let time = with_rest(SystemTime::now(), 0);
    // Nothing is lost if this fails, except in that one case in a million.
    let _ = time.map(|time| set(file, time));
}

/// `at` with other nanoseconds below the millisecond.
fn with_rest(at: SystemTime, rest: u32) -> Option<SystemTime> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let nanos = since.subsec_nanos();
    let nanos = nanos.saturating_sub(nanos % NANOS_PER_MILLI).saturating_add(rest);
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(since.as_secs(), nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_nanos(nanos)
    }

    #[test]
    fn only_a_marked_time_means_anything() {
        let now = at(999_999_999);
        assert_eq!(marked(at(123_456_789)), Some(at(123_137_137)));
        assert_eq!(moment(at(123_137_137), now), Some(at(123_000_000)));
        for foreign in [0, 1, 137, 123_137_136, 123_137_138, 123_000_000, 123_456_137] {
            assert_eq!(moment(at(foreign), now), None);
        }
        assert_eq!(marked(at(999_999_999)).and_then(|time| moment(time, now)), Some(at(999_000_000)));
    }

    #[test]
    fn a_mark_that_came_by_chance_is_taken_away() {
        let file = tempfile::tempfile().unwrap();
        set(&file, at(137_137)).unwrap();
        clear(&file);
        let accessed = file.metadata().unwrap().accessed().unwrap();
        assert!(accessed > at(137_137));
        assert_eq!(moment(accessed, SystemTime::now()), None);
    }

    #[test]
    fn no_moment_is_in_the_future_or_before_the_epoch() {
        assert_eq!(moment(at(5_137_137), at(4_999_999)), None);
        assert_eq!(moment(at(5_137_137), at(5_000_000)), Some(at(5_000_000)));
        let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(marked(early), None);
        assert_eq!(moment(early, at(0)), None);
    }
}
