//! `http_server_config` and `rate_limit`.

use std::time::Duration;

use super::super::error::Mistakes;
use super::RateLimit;
use super::table::Table;

/// The headers that the format knows, and the values that are taken where not any is.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-XSS-Protection", &[]),
    ("Strict-Transport-Security", &[]),
];

const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);
const LARGEST_BURST: u32 = 1_000_000;

/// Headers for every answer.
pub(super) fn headers(mut table: Table<'_>, mistakes: &mut Mistakes) -> Vec<(&'static str, String)> {
    if let Some(http2) = table.boolean("http2", mistakes)
        && http2.value
    {
        mistakes.warn(&http2.spot, "this exporter speaks HTTP/1.1 only, which every scraper does too");
    }
    let mut headers = table.table("headers", mistakes);
    table.finish(mistakes);
    let mut found = Vec::new();
    for (name, allowed) in HEADERS {
        let Some(typed) = headers.text(name, mistakes) else { continue };
        if !allowed.is_empty() && !allowed.contains(&typed.value) {
            mistakes.error(&typed.spot, format!("expected {}", allowed.join(" or ")));
        } else if !typed.value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            mistakes.error(&typed.spot, "expected one line of plain ASCII");
        } else {
            found.push((name, typed.value.to_owned()));
        }
    }
    headers.finish(mistakes);
    found
}

/// The limit; an interval of 0 is none.
pub(super) fn rate_limit(mut table: Table<'_>, mistakes: &mut Mistakes) -> Option<RateLimit> {
    let interval = table.text("interval", mistakes).and_then(|typed| {
        let parsed =
            if typed.value == "0" { Some(Duration::ZERO) } else { humantime::parse_duration(typed.value).ok() };
        if parsed.is_none_or(|interval| interval > LONGEST_INTERVAL) {
            mistakes.error(&typed.spot, "expected a duration such as 1s or 100ms, at most 1h; 0: no limit");
            return None;
        }
        parsed.filter(|interval| !interval.is_zero())
    });
    let burst_typed = table.text("burst", mistakes);
    let burst = burst_typed.as_ref().and_then(|typed| {
        let parsed = typed.value.parse().ok().filter(|burst| *burst <= LARGEST_BURST);
        if parsed.is_none() {
            mistakes.error(&typed.spot, format!("expected a whole number up to {LARGEST_BURST}"));
        }
        parsed
    });
    if interval.is_some() && (burst == Some(0) || burst_typed.is_none()) {
        mistakes.error(&table.spot_of("burst"), "missing or 0: with an interval nothing at all would be answered");
    }
    table.finish(mistakes);
    Some(RateLimit { interval: interval?, burst: burst? })
}
