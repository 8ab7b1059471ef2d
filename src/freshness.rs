//! How fresh a snapshot is: pure functions of its age and two limits.

use std::time::Duration;

/// When a snapshot stops being trusted, and when it is withdrawn. `stale_after < expire_after` (checked by `config`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Older than this is stale: still served, marked.
    pub stale_after: Duration,
    /// Older than this is expired: its series are withdrawn.
    pub expire_after: Duration,
}

/// The verdict on a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// No poll has succeeded yet.
    Never,
    /// Not older than `stale_after`.
    Fresh,
    /// Older than `stale_after`.
    Stale,
    /// Older than `expire_after`.
    Expired,
}

impl Freshness {
    /// Judges a snapshot by its age; `None`: there is none.
    #[must_use]
    pub fn of(age: Option<Duration>, limits: Limits) -> Freshness {
        match age {
            None => Freshness::Never,
            Some(age) if age > limits.expire_after => Freshness::Expired,
            Some(age) if age > limits.stale_after => Freshness::Stale,
            Some(_) => Freshness::Fresh,
        }
    }

    /// Whether the data series are served.
    #[must_use]
    pub const fn serves_data(self) -> bool {
        matches!(self, Freshness::Fresh | Freshness::Stale)
    }

    /// The word used in JSON answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Freshness::Never => "never",
            Freshness::Fresh => "fresh",
            Freshness::Stale => "stale",
            Freshness::Expired => "expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { stale_after: Duration::from_secs(3), expire_after: Duration::from_secs(12) };

    #[test]
    fn judges_by_age_with_both_bounds_included() {
        let at = |ms| Freshness::of(Some(Duration::from_millis(ms)), LIMITS);
        assert_eq!(Freshness::of(None, LIMITS), Freshness::Never);
        assert_eq!(at(0), Freshness::Fresh);
        assert_eq!(at(3_000), Freshness::Fresh);
        assert_eq!(at(3_001), Freshness::Stale);
        assert_eq!(at(12_000), Freshness::Stale);
        assert_eq!(at(12_001), Freshness::Expired);
    }

    #[test]
    fn only_fresh_and_stale_serve_data() {
        assert!(Freshness::Fresh.serves_data() && Freshness::Stale.serves_data());
        assert!(!Freshness::Never.serves_data() && !Freshness::Expired.serves_data());
    }
}
