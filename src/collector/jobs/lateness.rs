//! How far each walk reads back. A row can become visible with a stamp that lies behind what has been read already; how
//! late such rows are seen to come decides about the overlap of two walks.

use serde::{Deserialize, Serialize};

/// No walk reads back less.
const SHORTEST_MS: i64 = 2 * 60 * 1000;
/// No walk reads back more: what comes later is found by the audit.
const LONGEST_MS: i64 = 15 * 60 * 1000;
/// The overlap until the primary has been watched for [`TRIAL_MS`].
const UNKNOWN_MS: i64 = 5 * 60 * 1000;
const TRIAL_MS: i64 = HOUR_MS;
const HOUR_MS: i64 = 3600 * 1000;
/// A late row is remembered for so many hours.
const MEMORY_HOURS: i64 = 24;
/// The overlap is this many times the lateness seen: the next row may come later than any before.
const MARGIN: i64 = 3;

/// The latest rows of the last day.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lateness {
    /// When watching began, by the primary's clock.
    since_ms: Option<i64>,
    /// The most, in milliseconds, by hour of the primary's clock; the newest last.
    hours: Vec<(i64, i64)>,
}

impl Lateness {
    /// A walk up to `now_ms` is complete.
    pub fn watched(&mut self, now_ms: i64) {
        self.since_ms.get_or_insert(now_ms);
        let oldest = now_ms.div_euclid(HOUR_MS).saturating_sub(MEMORY_HOURS);
        self.hours.retain(|(hour, _)| *hour > oldest);
    }

    /// A row became visible `late_ms` after its stamp, or later.
    pub fn saw(&mut self, late_ms: i64, now_ms: i64) {
        let hour = now_ms.div_euclid(HOUR_MS);
        match self.hours.last_mut() {
            Some((last, most)) if *last >= hour => *most = late_ms.max(*most),
            _ => self.hours.push((hour, late_ms)),
        }
    }

    /// How far the next walk reads back, in milliseconds.
    pub fn overlap_ms(&self, now_ms: i64) -> i64 {
        let most = self.hours.iter().map(|(_, late_ms)| *late_ms).max().unwrap_or(0);
        let is_known = self.since_ms.is_some_and(|since| now_ms.saturating_sub(since) >= TRIAL_MS);
        let least = if is_known { SHORTEST_MS } else { UNKNOWN_MS };
        most.saturating_mul(MARGIN).clamp(least, LONGEST_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const NOW: i64 = 1_790_000_000_000;

    #[test]
    fn the_overlap_follows_what_is_seen_within_its_bounds() {
        let mut lateness = Lateness::default();
        lateness.watched(NOW);
        assert_eq!(lateness.overlap_ms(NOW), 5 * MINUTE, "nothing is known yet");
        let later = NOW + HOUR_MS;
        assert_eq!(lateness.overlap_ms(later), 2 * MINUTE, "an hour without a late row");
        lateness.saw(MINUTE + 1000, later);
        lateness.saw(1000, later);
        assert_eq!(lateness.overlap_ms(later), 3 * (MINUTE + 1000));
        lateness.saw(40 * MINUTE, later);
        assert_eq!(lateness.overlap_ms(later), 15 * MINUTE);
        let next_day = later + 25 * HOUR_MS;
        lateness.watched(next_day);
        assert_eq!(lateness.overlap_ms(next_day), 2 * MINUTE, "forgotten after a day");
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut lateness = Lateness::default();
        for hour in 0..1000 {
            lateness.saw(1, NOW + hour * HOUR_MS);
            lateness.watched(NOW + hour * HOUR_MS);
        }
        assert!(lateness.hours.len() <= 24);
        lateness.saw(2, NOW);
        assert!(lateness.hours.len() <= 24, "a clock that was set back opens no new hour");
    }
}
