//! Events by severity and type: what only rises.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::log::Event;
use crate::collector::series::Bounded;

/// More severities than any release knows.
const MOST_SEVERITIES: usize = 20;
/// Types are free texts.
const MOST_TYPES: usize = 500;
/// Longer than any type.
const LONGEST_TYPE: usize = 256;
const OTHER: &str = "other";

/// One counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counter {
    /// Since when it counts, Unix milliseconds of the exporter's clock.
    pub(super) created_ms: u64,
    events: u64,
    /// Some scrape may have seen it. Until then it stands at 0, so that `increase()` sees its first events.
    is_shown: bool,
}

/// The counters of one site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counters {
    /// By severity and type.
    by_kind: BTreeMap<(String, String), Counter>,
}

impl Counters {
    /// What to show.
    pub(super) fn to_show(&self) -> impl Iterator<Item = (&str, &str, Counter, u64)> {
        self.by_kind.iter().map(|((severity, kind), counter)| {
            let events = if counter.is_shown { counter.events } else { 0 };
            (severity.as_str(), kind.as_str(), *counter, events)
        })
    }

    /// What there is to show has been shown.
    pub(super) fn shown(&mut self) {
        self.by_kind.values_mut().for_each(|counter| counter.is_shown = true);
    }

    /// Counts events of the kind of this one. `wall_ms`: the exporter's clock.
    pub(super) fn count(&mut self, event: &Event, events: u64, wall_ms: u64) {
        let kind = (event.severity.clone(), event.kind.clone());
        let kind = if self.by_kind.contains_key(&kind) { kind } else { self.bounded(event) };
        let counter = self.by_kind.entry(kind).or_insert(Counter { created_ms: wall_ms, events: 0, is_shown: false });
        counter.events = counter.events.saturating_add(events);
    }

    /// The labels of a kind that has not been counted yet. They never become fewer, and a kind never changes its own.
    fn bounded(&self, event: &Event) -> (String, String) {
        let (mut severities, mut types) = (Bounded::new(MOST_SEVERITIES), Bounded::new(MOST_TYPES));
        for (severity, kind) in self.by_kind.keys() {
            severities.label(severity);
            types.label(kind);
        }
        let is_absurd = event.kind.len() > LONGEST_TYPE || event.severity.len() > LONGEST_TYPE;
        if is_absurd {
            return (OTHER.to_owned(), OTHER.to_owned());
        }
        (severities.label(&event.severity).to_owned(), types.label(&event.kind).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(severity: &str, kind: &str) -> Event {
        Event { id: 1, created_ms: None, severity: severity.to_owned(), kind: kind.to_owned() }
    }

    fn shown(counters: &Counters) -> Vec<(String, String, u64)> {
        counters.to_show().map(|(severity, kind, _, events)| (severity.to_owned(), kind.to_owned(), events)).collect()
    }

    #[test]
    fn a_kind_stands_at_0_until_it_has_been_shown() {
        let mut counters = Counters::default();
        counters.count(&event("INFO", "a"), 1, 5);
        assert_eq!(shown(&counters), [("INFO".to_owned(), "a".to_owned(), 0)]);
        counters.shown();
        counters.count(&event("INFO", "a"), 1, 6);
        counters.count(&event("INFO", "b"), 0, 6);
        let expected = [("INFO".to_owned(), "a".to_owned(), 2), ("INFO".to_owned(), "b".to_owned(), 0)];
        assert_eq!(shown(&counters), expected);
        assert_eq!(counters.to_show().map(|(_, _, counter, _)| counter.created_ms).collect::<Vec<_>>(), [5, 6]);
    }

    #[test]
    fn types_run_out_and_those_that_are_known_go_on() {
        let mut counters = Counters::default();
        for number in 0..MOST_TYPES + 200 {
            counters.count(&event("INFO", &format!("t{number:04}")), 1, 0);
        }
        counters.count(&event("INFO", "t0007"), 1, 0);
        counters.count(&event("ERROR", &"x".repeat(LONGEST_TYPE + 1)), 1, 0);
        counters.shown();
        let shown = shown(&counters);
        assert_eq!(shown.len(), MOST_TYPES + 2);
        let of =
            |severity: &str, kind: &str| shown.iter().find(|row| row.0 == severity && row.1 == kind).map(|row| row.2);
        assert_eq!((of("INFO", "t0007"), of("INFO", OTHER), of(OTHER, OTHER)), (Some(2), Some(200), Some(1)));
    }
}
