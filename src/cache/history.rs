//! How long the last attempts of a collector took: a ring of fixed size, copied with the state and read by the status page.

use std::time::Duration;

/// One ended attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempt {
    /// How long it took, in whole milliseconds.
    pub took_ms: u32,
    /// Whether it failed.
    pub failed: bool,
}

/// The last attempts, up to [`History::SIZE`].
#[derive(Debug, Clone, Copy, Default)]
pub struct History {
    ring: [Attempt; History::SIZE],
    /// All that were ever added.
    added: usize,
}

impl History {
    /// How many are remembered.
    pub const SIZE: usize = 30;

    /// Adds the newest attempt in the place of the oldest.
    pub(super) fn add(&mut self, took: Duration, failed: bool) {
        let attempt = Attempt { took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX), failed };
        if let Some(place) = self.ring.get_mut(self.added % History::SIZE) {
            *place = attempt;
        }
        self.added = self.added.wrapping_add(1);
    }

    /// The attempts, oldest first.
    pub fn attempts(&self) -> impl ExactSizeIterator<Item = Attempt> + '_ {
        let known = self.added.min(History::SIZE);
        let first = self.added.wrapping_sub(known);
        (0..known)
            .map(move |index| self.ring.get(first.wrapping_add(index) % History::SIZE).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thirty_are_known_oldest_first() {
        let mut history = History::default();
        assert_eq!(history.attempts().len(), 0);
        for index in 0..100_u32 {
            history.add(Duration::from_millis(index.into()), index % 7 == 0);
            let known: Vec<Attempt> = history.attempts().collect();
            let expected: Vec<Attempt> = (index.saturating_sub(29)..=index)
                .map(|index| Attempt { took_ms: index, failed: index % 7 == 0 })
                .collect();
            assert_eq!(known, expected);
        }
        history.add(Duration::MAX, true);
        assert_eq!(history.attempts().last(), Some(Attempt { took_ms: u32::MAX, failed: true }));
    }
}
