//! How many requests a long read keeps in flight: fewer when the primary is seen to suffer, more again when it is not.

use std::time::Duration;

/// Slower than this many times the quickest page, and by [`NOTICEABLE`], is suffering.
const SLOWER: u32 = 2;
/// Differences below this are noise.
const NOTICEABLE: Duration = Duration::from_millis(250);
/// So many good pages in a row allow one more walker.
const RECOVERY: u32 = 16;

/// The number of walkers.
#[derive(Debug)]
pub struct Pace {
    most: usize,
    walkers: usize,
    quickest: Option<Duration>,
    usual: Option<Duration>,
    good: u32,
}

impl Pace {
    /// Begins with as many as are allowed.
    pub fn new(most: usize) -> Pace {
        let most = most.max(1);
        Pace { most, walkers: most, quickest: None, usual: None, good: 0 }
    }

    /// How many walkers there may be.
    pub fn walkers(&self) -> usize {
        self.walkers
    }

    /// A page came after `took`.
    pub fn went_well(&mut self, took: Duration) {
        let quickest = self.quickest.map_or(took, |quickest| quickest.min(took));
        // Three parts of what it was and one of what it is.
        let usual = self.usual.map_or(took, |usual| (usual * 3 + took) / 4);
        (self.quickest, self.usual) = (Some(quickest), Some(usual));
        if usual > quickest.saturating_mul(SLOWER).saturating_add(NOTICEABLE) {
            self.slow_down();
            // What comes now is judged anew.
            self.usual = None;
            return;
        }
        self.good = self.good.saturating_add(1);
        if self.good >= RECOVERY {
            self.good = 0;
            self.walkers = self.most.min(self.walkers.saturating_add(1));
        }
    }

    /// A page failed.
    pub fn went_badly(&mut self) {
        self.slow_down();
    }

    fn slow_down(&mut self) {
        self.good = 0;
        self.walkers = (self.walkers / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_failure_halves_and_good_pages_add_one_at_a_time() {
        let mut pace = Pace::new(4);
        pace.went_badly();
        assert_eq!(pace.walkers(), 2);
        pace.went_badly();
        pace.went_badly();
        assert_eq!(pace.walkers(), 1);
        for _ in 0..RECOVERY {
            pace.went_well(50 * MS);
        }
        assert_eq!(pace.walkers(), 2);
        for _ in 0..10 * RECOVERY {
            pace.went_well(50 * MS);
        }
        assert_eq!(pace.walkers(), 4);
    }

    #[test]
    fn rising_latency_slows_down_and_noise_does_not() {
        let mut pace = Pace::new(4);
        for took in [2, 40, 3, 90, 2, 200] {
            pace.went_well(took * MS);
        }
        assert_eq!(pace.walkers(), 4);
        let mut pace = Pace::new(4);
        pace.went_well(300 * MS);
        for _ in 0..6 {
            pace.went_well(1500 * MS);
        }
        assert!(pace.walkers() < 4);
    }
}
