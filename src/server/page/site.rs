//! One site on the page.

use std::sync::Arc;

use tokio::time::Instant;

use super::digest::Digest;
use super::level::Level;
use super::panels::Panels;
use super::row::Row;
use super::verdict::{CLOCK_OFFSET_SECONDS, Finding, clock_words, findings};
use super::words::count;
use crate::cache::State;
use crate::exposition::{Rendered, SiteView};

/// What the page shows of a site.
pub(super) struct Site {
    pub(super) name: String,
    findings: Vec<Finding>,
    pub(super) facts: Vec<Fact>,
    pub(super) panels: Panels,
    pub(super) rows: Vec<Row>,
    /// The collectors in a line.
    pub(super) collectors: String,
    /// Where the metrics of this site alone are.
    pub(super) metrics: String,
}

/// Something that the primary says of itself, or that is so of the connection.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Whether it is as it should not be.
    pub(super) is_marked: bool,
}

impl Site {
    pub(super) fn read(view: &SiteView, telemetry_path: &str, now: Instant) -> Site {
        // Loaded once, so that what is said above agrees with what is shown below.
        let states: Vec<Arc<State<Rendered>>> = view.slots.iter().map(|slot| slot.load_full()).collect();
        let rows: Vec<Row> = view.slots.iter().zip(&states).map(|(slot, state)| Row::new(slot, state, now)).collect();
        Site {
            name: view.name.to_string(),
            findings: findings(view, &states, &rows),
            facts: facts(view),
            panels: Panels::new(Digest::read(view, &states, now)),
            collectors: summary(&rows),
            rows,
            metrics: format!("{telemetry_path}?site={}", view.name),
        }
    }

    pub(super) fn level(&self) -> Level {
        self.findings.first().map_or(Level::Waiting, |finding| finding.level)
    }

    /// The worst that is to say.
    pub(super) fn verdict(&self) -> &str {
        self.findings.first().map_or("", |finding| &finding.text)
    }

    /// Name of the alert whose runbook helps with the verdict.
    pub(super) fn runbook(&self) -> Option<&'static str> {
        self.findings.first().and_then(|finding| finding.runbook)
    }

    /// What is to say besides the verdict.
    pub(super) fn further(&self) -> &[Finding] {
        self.findings.get(1..).unwrap_or_default()
    }

    /// Whether the table of collectors is shown at once.
    pub(super) fn is_open(&self, has_list: &bool) -> bool {
        !has_list || self.level() != Level::Good
    }
}

fn facts(view: &SiteView) -> Vec<Fact> {
    let stats = &view.stats;
    let primary = stats.primary();
    let of_primary = |text: fn(&crate::stats::Primary) -> &String| {
        primary.as_deref().map(text).filter(|text| !text.is_empty()).cloned()
    };
    let clock = stats.clock_offset_seconds();
    let facts = [
        ("Server", of_primary(|primary| &primary.server_name), false),
        ("NetBackup", of_primary(|primary| &primary.release), false),
        ("API", Some(stats.api_version().unwrap_or_else(|| "not known yet".to_owned())), false),
        ("Clock", clock.map(clock_words), clock.is_some_and(|offset| offset.abs() > CLOCK_OFFSET_SECONDS)),
        ("Certificate", stats.tls_unverified().then(|| "not verified".to_owned()), true),
    ];
    let known = |(name, value, is_marked)| Some(Fact { name, value: Option::<String>::clone(&value)?, is_marked });
    facts.into_iter().filter_map(known).collect()
}

/// `17 collectors: 15 fresh, 2 stale`.
fn summary(rows: &[Row]) -> String {
    let mut states: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        match states.iter_mut().find(|(state, _)| *state == row.state) {
            Some((_, count)) => *count += 1,
            None => states.push((row.state, 1)),
        }
    }
    let states: Vec<String> = match states.as_slice() {
        [(state, _)] if rows.len() > 1 => vec![format!("all {state}")],
        _ => states.iter().map(|(state, count)| format!("{count} {state}")).collect(),
    };
    format!("{}: {}", count(rows.len(), "collector"), states.join(", "))
}
