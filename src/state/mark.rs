//! The moment that a file's modification time stands for, and the mark that tells it from any other.
//!
//! A poll that changed nothing still proves that the state is as fresh as that poll. Writing that down would cost a
//! sync for nothing, so it is said by the modification time: losing it in a crash only makes the state look older than
//! it is. But everybody who copies, restores or edits a file sets that time, to now. Believed, it would make old data
//! look fresh. So ours is a whole microsecond and a fixed number of nanoseconds. A time that some other program set has
//! those once in a thousand times, and one that a program preserved (`cp -p`, `tar`) is true still. A file system that
//! keeps no nanoseconds loses the mark, and with it only this refinement.

use std::fs::File;
use std::time::{Duration, SystemTime};

const MARK: u32 = 137;
const NANOS_PER_MICRO: u32 = 1000;

/// `at` as a modification time. `None` before 1970.
pub(super) fn marked(at: SystemTime) -> Option<SystemTime> {
    with_rest(at, MARK)
}

/// The moment that a modification time stands for, to the microsecond. `None` without the mark, or in the future.
pub(super) fn moment(modified: SystemTime, now: SystemTime) -> Option<SystemTime> {
    let at = with_rest(modified, 0)?;
    (marked(at)? == modified && at <= now).then_some(at)
}

/// Takes the mark away that the system's own time of a write may bear by chance.
pub(super) fn clear(file: &File) {
    let time = with_rest(SystemTime::now(), 0);
    // Nothing is lost if this fails, except in that one case in a thousand.
    let _ = time.map(|time| file.set_modified(time));
}

/// `at` with other nanoseconds below the microsecond.
fn with_rest(at: SystemTime, rest: u32) -> Option<SystemTime> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let nanos = since.subsec_nanos();
    let nanos = nanos.saturating_sub(nanos % NANOS_PER_MICRO).saturating_add(rest);
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
        assert_eq!(marked(at(123_456_789)), Some(at(123_456_137)));
        assert_eq!(moment(at(123_456_137), now), Some(at(123_456_000)));
        for foreign in [0, 1, 136, 138, 999, 123_456_000, 123_456_138] {
            assert_eq!(moment(at(foreign), now), None);
        }
        assert_eq!(marked(at(999_999_999)).and_then(|time| moment(time, now)), Some(at(999_999_000)));
    }

    #[test]
    fn a_mark_that_came_by_chance_is_taken_away() {
        let file = tempfile::tempfile().unwrap();
        file.set_modified(at(137)).unwrap();
        clear(&file);
        let modified = file.metadata().unwrap().modified().unwrap();
        assert!(modified > at(137));
        assert_eq!(moment(modified, SystemTime::now()), None);
    }

    #[test]
    fn no_moment_is_in_the_future_or_before_the_epoch() {
        assert_eq!(moment(at(5_137), at(4_999)), None);
        assert_eq!(moment(at(5_137), at(5_000)), Some(at(5_000)));
        let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(marked(early), None);
        assert_eq!(moment(early, at(0)), None);
    }
}
