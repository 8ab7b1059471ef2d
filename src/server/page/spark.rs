//! The last polls of a collector as a small picture: a column each, as high as the poll was long.

use std::fmt::Write;

use super::words::milliseconds;
use crate::cache::History;

/// Width of a column and the gap to the next.
const STEP: usize = 4;
/// Where a column stands, and how far up the longest one reaches.
const BOTTOM: u32 = 24;
const HIGHEST: u32 = 22;

/// An SVG of 120 x 24; the newest poll is the last.
pub(super) struct Spark {
    /// Path of the columns of polls that succeeded.
    pub(super) succeeded: String,
    /// Path of those that failed: drawn at full height, however long they took.
    pub(super) failed: String,
    /// The same in words.
    pub(super) words: String,
}

impl Spark {
    /// `None` before the first attempt has ended.
    pub(super) fn new(history: &History) -> Option<Spark> {
        let mut durations: Vec<u32> = history.attempts().map(|attempt| attempt.took_ms).collect();
        durations.sort_unstable();
        let (least, most) = (*durations.first()?, *durations.last()?);
        let median = *durations.get(durations.len() / 2)?;
        let (mut succeeded, mut failed, mut failures) = (String::new(), String::new(), 0);
        for (index, attempt) in history.attempts().enumerate() {
            let x = index * STEP + STEP / 2;
            if attempt.failed {
                failures += 1;
                let _ = write!(failed, "M{x} {BOTTOM}V{}", BOTTOM - HIGHEST);
            } else {
                let height = u64::from(attempt.took_ms) * u64::from(HIGHEST - 2) / u64::from(most.max(1));
                let _ = write!(succeeded, "M{x} {BOTTOM}V{}", u64::from(BOTTOM - 2).saturating_sub(height));
            }
        }
        let [least, median, most] = [least, median, most].map(milliseconds);
        let words = match (durations.len(), failures) {
            (1, 0) => format!("Last poll took {most}"),
            (1, _) => format!("Last poll failed after {most}"),
            (polls, _) => {
                format!("Last {polls} polls: {least} at least, {median} median, {most} at most; {failures} failed")
            }
        };
        Some(Spark { succeeded, failed, words })
    }
}
