//! What the Go exporter says of a site itself, under its names; only for sites whose view asks for it.

use super::{Reading, SITE, Source};
use crate::cache::{Slot, State};
use crate::exposition::family::Family;
use crate::exposition::number::milliseconds;
use crate::exposition::rendered::Rendered;

/// The sources that it knows: others have intervals of their own, by which its rules would take them for stale.
const ITS_SOURCES: [&str; 2] = ["jobs", "storage"];

/// Every family of this part, by name.
pub(super) static SOURCES: [Source; 4] = [
    Source(
        Family::gauge(
            "nbu_api_version",
            &["site", "version"],
            "The API version in which the primary is polled; always 1.",
        ),
        |sink, reading| {
            if let Some(version) = reading.site.stats.api_version().filter(|_| reading.site.go_names) {
                sink.put(&[&version], 1.0);
            }
        },
    ),
    Source(
        Family::gauge(
            "nbu_last_scrape_timestamp_seconds",
            &["site", "source"],
            "When the last answer of the last successful poll of jobs or of storage had arrived, in Unix time.",
        ),
        |sink, reading| {
            for (slot, state) in of_its_sources(reading) {
                if let Some(snapshot) = &state.snapshot {
                    sink.put(&[slot.collector], milliseconds(snapshot.received.unix_seconds()));
                }
            }
        },
    ),
    Source(
        Family::gauge(
            "nbu_response_time_ms",
            SITE,
            "How long the last request took that was answered, of a poll or of a health probe, in milliseconds.",
        ),
        |sink, reading| {
            if let Some(took) = reading.site.stats.last_answer_took().filter(|_| reading.site.go_names) {
                sink.put(&[], milliseconds(took.as_secs_f64() * 1000.0));
            }
        },
    ),
    Source(
        Family::gauge("nbu_up", SITE, "Whether the last poll of jobs or that of storage succeeded (1) or neither (0)."),
        |sink, reading| {
            let successes: Vec<bool> = of_its_sources(reading).map(|(_, state)| state.success).collect();
            if !successes.is_empty() {
                sink.put(&[], f64::from(successes.contains(&true)));
            }
        },
    ),
];

/// The families of this part, by name.
#[must_use]
pub fn families() -> Vec<&'static Family> {
    SOURCES.iter().map(|Source(family, _)| family).collect()
}

/// Nothing where the names are not asked for.
fn of_its_sources<'a>(
    reading: &'a Reading<'a>,
) -> impl Iterator<Item = (&'a Slot<Rendered>, &'a State<Rendered>)> + 'a {
    let collectors = reading.collectors.iter().copied();
    collectors.filter(|(slot, _)| reading.site.go_names && ITS_SOURCES.contains(&slot.collector))
}
