//! One collector on the page: how fresh its data are, how its polls go, and what is wrong.

use std::time::Duration;

use tokio::time::Instant;

use super::level::Level;
use super::spark::Spark;
use super::words::span;
use crate::cache::{Slot, State};
use crate::exposition::Rendered;
use crate::freshness::Freshness;
use crate::reason::Failure;

/// A row of the table of collectors.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) level: Level,
    pub(super) state: &'static str,
    pub(super) freshness: Freshness,
    pub(super) is_denied: bool,
    pub(super) is_unsupported: bool,
    /// Whether the last attempt failed.
    pub(super) has_failed: bool,
    /// Whether an attempt has ended since the exporter was started.
    pub(super) has_ended: bool,
    pub(super) age: Option<String>,
    pub(super) bar: Bar,
    pub(super) error: Option<String>,
    /// Name of the alert whose runbook helps.
    pub(super) runbook: Option<&'static str>,
    pub(super) next: String,
    pub(super) spark: Option<Spark>,
    /// How much of a first read is done, in percent.
    pub(super) progress: Option<u8>,
}

/// The age of the data against its limits, drawn in three zones: up to the TTL, to `stale_after`, to `expire_after`. Each has
/// a width of its own, because limits that are twelve times the TTL would leave nothing to see of the first.
pub(super) struct Bar {
    /// How far it is filled, of 1000.
    pub(super) filled: u32,
    pub(super) ttl: String,
    pub(super) stale_after: String,
    pub(super) expire_after: String,
}

impl Bar {
    /// Where the zones end, of 1000.
    pub(super) const ZONES: [u32; 3] = [400, 700, 1000];

    fn new(age: Option<Duration>, slot: &Slot<Rendered>) -> Bar {
        let limits = [slot.ttl, slot.limits.stale_after, slot.limits.expire_after];
        let [ttl, stale_after, expire_after] = limits.map(span);
        Bar { filled: age.map_or(0, |age| filled(age, limits)), ttl, stale_after, expire_after }
    }
}

/// How far an age gets through zones that end at `limits`.
fn filled(age: Duration, limits: [Duration; 3]) -> u32 {
    let (mut since, mut start) = (Duration::ZERO, 0);
    for (limit, end) in limits.into_iter().zip(Bar::ZONES) {
        if age <= limit {
            let width = limit.saturating_sub(since).as_secs_f64();
            let share = if width > 0.0 { age.saturating_sub(since).as_secs_f64() / width } else { 1.0 };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
            return start + (f64::from(end - start) * share).round() as u32;
        }
        (since, start) = (limit, end);
    }
    start
}

impl Row {
    pub(super) fn new(slot: &Slot<Rendered>, state: &State<Rendered>, now: Instant) -> Row {
        let freshness = slot.freshness(state, now);
        let age = state.age(now);
        let (level, word) = judge(state, freshness);
        let is_denied = state.permission_denied();
        let runbook = match freshness {
            _ if state.unsupported => None,
            _ if is_denied => Some("NetBackupCollectorDenied"),
            Freshness::Never if state.last_failure.is_none() => None,
            Freshness::Never | Freshness::Stale | Freshness::Expired => Some("NetBackupCollectorStale"),
            Freshness::Fresh => None,
        };
        let has_ended = state.last_attempt.is_some();
        Row {
            name: slot.collector,
            level,
            state: word,
            freshness,
            is_denied,
            is_unsupported: state.unsupported,
            has_failed: state.last_failure.is_some(),
            has_ended,
            age: age.map(span),
            bar: Bar::new(age, slot),
            error: state.complaint().map(|failure| failure.public_message()),
            runbook,
            next: next(state, now),
            spark: Spark::new(&state.history),
            progress: progress(slot, state),
        }
    }

    /// The limits in words, for who does not see the bar.
    pub(super) fn bar_words(&self) -> String {
        let Bar { ttl, stale_after, expire_after, .. } = &self.bar;
        let age = self.age.as_deref().unwrap_or("unknown");
        format!("Age {age}; polled every {ttl}, stale after {stale_after}, withdrawn after {expire_after}")
    }
}

fn judge(state: &State<Rendered>, freshness: Freshness) -> (Level, &'static str) {
    match freshness {
        _ if state.unsupported => (Level::Waiting, "not in this release"),
        Freshness::Never if state.permission_denied() => (Level::Bad, "denied"),
        Freshness::Never if state.last_failure.is_some() => (Level::Bad, "no data"),
        Freshness::Never => (Level::Waiting, "first read"),
        Freshness::Expired => (Level::Bad, "expired"),
        Freshness::Stale => (Level::Warn, "stale"),
        Freshness::Fresh if state.last_failure.is_some() => (Level::Warn, "fresh, poll failed"),
        Freshness::Fresh if state.denied.is_some() => (Level::Warn, "fresh in part"),
        Freshness::Fresh => (Level::Good, "fresh"),
    }
}

fn next(state: &State<Rendered>, now: Instant) -> String {
    match state.next_attempt.map(|next| next.mono.saturating_duration_since(now)) {
        Some(wait) if wait >= Duration::from_secs(1) => format!("next in {}", span(wait)),
        Some(_) => "next now".to_owned(),
        None => "polls now".to_owned(),
    }
}

fn progress(slot: &Slot<Rendered>, state: &State<Rendered>) -> Option<u8> {
    let ratio = slot.progress().filter(|ratio| *ratio < 1.0 && state.snapshot.is_none())?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100")]
    Some((ratio * 100.0) as u8)
}

/// The rights that are missing, each once, by what the failures of the site's collectors say.
pub(super) fn missing_rights<'a>(failures: impl Iterator<Item = &'a Failure>) -> Vec<&'a str> {
    let mut rights: Vec<&str> = failures.flat_map(|failure| failure.rights.iter().copied()).collect();
    rights.sort_unstable();
    rights.dedup();
    rights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_zone_of_the_bar_has_its_own_scale() {
        let at = |seconds, limits: [u64; 3]| filled(Duration::from_secs(seconds), limits.map(Duration::from_secs));
        let limits = [60, 180, 900];
        assert_eq!(
            [0, 30, 60, 120, 180, 540, 900, 5000].map(|s| at(s, limits)),
            [0, 200, 400, 550, 700, 850, 1000, 1000]
        );
        assert_eq!([60, 61].map(|s| at(s, [60, 60, 62])), [400, 850], "a zone may be empty");
        assert_eq!(at(0, [0, 0, 0]), 400);
    }
}
