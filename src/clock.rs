//! Two clocks in one value: the monotonic one decides, the wall clock is shown.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A moment, as the monotonic clock (which decides about age) and the wall clock (which people read) saw it.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// For ages and deadlines; follows the paused clock of tests.
    pub mono: Instant,
    /// For `_timestamp_seconds` and the status pages.
    pub wall: SystemTime,
}

impl Stamp {
    /// This moment.
    #[must_use]
    pub fn now() -> Stamp {
        Stamp { mono: Instant::now(), wall: SystemTime::now() }
    }

    /// A moment of the past that the wall clock remembers, as after a restart; one in the future is now.
    #[must_use]
    pub fn of(wall: SystemTime) -> Stamp {
        let now = Stamp::now();
        let ago = now.wall.duration_since(wall).unwrap_or_default();
        match now.mono.checked_sub(ago) {
            Some(mono) if !ago.is_zero() => Stamp { mono, wall },
            _ => now,
        }
    }

    /// How long ago, seen from `now`; never negative.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.mono)
    }

    /// Seconds since the Unix epoch, by the wall clock.
    #[must_use]
    pub fn unix_seconds(&self) -> f64 {
        unix_seconds(self.wall)
    }
}

/// Seconds since the Unix epoch; 0 for a clock set before it.
#[must_use]
pub fn unix_seconds(wall: SystemTime) -> f64 {
    wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Milliseconds since the Unix epoch, as state files hold them; 0 for a clock set before it.
#[must_use]
pub fn unix_ms(wall: SystemTime) -> u64 {
    let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The moment that [`unix_ms`] made a number of; `None` beyond what the clock can hold.
#[must_use]
pub fn from_unix_ms(unix_ms: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms))
}

/// RFC 3339 in UTC with milliseconds, as the JSON answers and logs show it.
#[must_use]
pub fn rfc3339(wall: SystemTime) -> String {
    jiff::Timestamp::try_from(wall).map_or_else(|_| String::new(), |stamp| format!("{stamp:.3}"))
}
