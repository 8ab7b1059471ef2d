//! What is wrong with a site, in words, the worst first.

use std::sync::Arc;

use super::level::Level;
use super::row::{Row, missing_rights};
use super::words::{count, span};
use crate::cache::State;
use crate::exposition::{Rendered, SiteView};
use crate::freshness::Freshness;
use crate::reason::{Failure, Reason};

/// A clock that is further off than this is marked, as `check` and the alerts have it.
pub(super) const CLOCK_OFFSET_SECONDS: f64 = 120.0;

/// Rights that are named before the rest is counted.
const MOST_RIGHTS: usize = 3;

/// One thing to know about a site.
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) text: String,
    /// Name of the alert whose runbook helps.
    pub(super) runbook: Option<&'static str>,
}

/// At least one finding; the first is the verdict.
pub(super) fn findings(view: &SiteView, states: &[Arc<State<Rendered>>], rows: &[Row]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [
        reach(view, states),
        rights(states, rows),
        no_data(rows),
        expired(rows),
        stale(rows),
        failing(rows),
        clock(view),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    if findings.is_empty() {
        findings.push(first_reads(rows).unwrap_or_else(|| finding(Level::Good, "Everything is fresh", None)));
    }
    findings
}

fn finding(level: Level, text: impl Into<String>, runbook: Option<&'static str>) -> Finding {
    Finding { level, text: text.into(), runbook }
}

/// Whether the primary answers and takes the credentials.
fn reach(view: &SiteView, states: &[Arc<State<Rendered>>]) -> Option<Finding> {
    let stats = &view.stats;
    if stats.up() {
        return None;
    }
    let failed = || states.iter().filter_map(|state| Some((state.last_attempt?, state.last_failure.as_deref()?)));
    // The newest failure of the kind says what is the matter.
    let newest = |is_it: fn(&Failure) -> bool| {
        let newest = failed().filter(|(_, failure)| is_it(failure)).max_by_key(|(at, _)| at.mono);
        newest.map(|(_, failure)| failure.public_message())
    };
    if stats.reachable() {
        let why = newest(|failure| failure.reason == Reason::Auth).map_or_else(String::new, |why| format!(": {why}"));
        let text = format!("The primary refuses the credentials{why}");
        return Some(finding(Level::Bad, text, Some("NetBackupApiDown")));
    }
    if failed().next().is_none() {
        let is_new = states.iter().all(|state| state.snapshot.is_none());
        let text = if is_new {
            "The first polls are under way"
        } else {
            "The first polls since the start are under way; the data are older"
        };
        return Some(finding(Level::Waiting, text, None));
    }
    let why = newest(|failure| failure.status.is_none() && failure.reason != Reason::Circuit);
    let text = match why {
        Some(why) => format!("The primary does not answer: {why}"),
        None => "The primary does not answer; it is tried every few seconds".to_owned(),
    };
    Some(finding(Level::Bad, text, Some("NetBackupApiDown")))
}

fn rights(states: &[Arc<State<Rendered>>], rows: &[Row]) -> Option<Finding> {
    let denied = rows.iter().filter(|row| row.is_denied).count();
    if denied == 0 {
        return None;
    }
    let complaints = || states.iter().filter(|state| state.permission_denied()).filter_map(|state| state.complaint());
    let rights = missing_rights(complaints().map(Arc::as_ref));
    let named = rights.iter().take(MOST_RIGHTS).copied().collect::<Vec<_>>().join(", ");
    let text = match rights.len() {
        0 => match complaints().find_map(|failure| failure.endpoint) {
            Some(endpoint) => format!("A right is missing for {endpoint}"),
            None => "A right is missing".to_owned(),
        },
        1 => format!("Right missing: {named}"),
        MOST_RIGHTS.. if rights.len() > MOST_RIGHTS => {
            format!("Rights missing: {named} and {} more", rights.len() - MOST_RIGHTS)
        }
        _ => format!("Rights missing: {named}"),
    };
    let has_nothing = rows.iter().any(|row| row.is_denied && !row.freshness.serves_data());
    let level = if has_nothing { Level::Bad } else { Level::Warn };
    Some(finding(level, text, Some("NetBackupCollectorDenied")))
}

/// `2 of 17 collectors`, and whether they are one.
fn some_of(rows: &[Row], is_it: impl Fn(&Row) -> bool) -> Option<(String, bool)> {
    let offered = rows.iter().filter(|row| !row.is_unsupported).count();
    let some = rows.iter().filter(|row| !row.is_unsupported && is_it(row)).count();
    (some > 0).then(|| (format!("{some} of {}", count(offered, "collector")), some == 1))
}

fn no_data(rows: &[Row]) -> Option<Finding> {
    let (some, is_one) = some_of(rows, |row| row.freshness == Freshness::Never && row.has_failed && !row.is_denied)?;
    let text = format!("{some} {} no data yet", if is_one { "has" } else { "have" });
    Some(finding(Level::Bad, text, Some("NetBackupCollectorStale")))
}

fn stale(rows: &[Row]) -> Option<Finding> {
    let (some, is_one) = some_of(rows, |row| row.freshness == Freshness::Stale)?;
    let text = format!("{some} {} stale", if is_one { "is" } else { "are" });
    Some(finding(Level::Warn, text, Some("NetBackupCollectorStale")))
}

fn expired(rows: &[Row]) -> Option<Finding> {
    let (some, is_one) = some_of(rows, |row| row.freshness == Freshness::Expired)?;
    let text = format!("{some} {} expired: the data are withdrawn", if is_one { "has" } else { "have" });
    Some(finding(Level::Bad, text, Some("NetBackupCollectorStale")))
}

/// What fails now and will be stale soon. Where nothing answers at all, that is said already.
fn failing(rows: &[Row]) -> Option<Finding> {
    let (some, _) = some_of(rows, |row| row.freshness == Freshness::Fresh && row.has_failed && !row.is_denied)?;
    Some(finding(Level::Warn, format!("The last poll of {some} failed; the data are still fresh"), None))
}

fn first_reads(rows: &[Row]) -> Option<Finding> {
    let (some, is_one) = some_of(rows, |row| row.freshness == Freshness::Never && !row.has_ended)?;
    let text = format!("{some} {} for the first time", if is_one { "reads" } else { "read" });
    Some(finding(Level::Waiting, text, None))
}

fn clock(view: &SiteView) -> Option<Finding> {
    let offset = view.stats.clock_offset_seconds().filter(|offset| offset.abs() > CLOCK_OFFSET_SECONDS)?;
    let text = format!("The primary's clock is {}", clock_words(offset));
    Some(finding(Level::Warn, text, Some("NetBackupClockOffset")))
}

/// `3m 20s ahead`; what is below a second is the network.
pub(super) fn clock_words(offset: f64) -> String {
    let size = offset.abs();
    if size < 1.0 {
        return "within 1s".to_owned();
    }
    let size = match std::time::Duration::try_from_secs_f64(size) {
        Ok(size) if size.as_secs() >= 60 => span(size),
        _ => format!("{size:.1}s"),
    };
    format!("{size} {}", if offset < 0.0 { "behind" } else { "ahead" })
}
