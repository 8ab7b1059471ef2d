//! The families whose samples depend on the clock, or on what polls and API clients count: freshness and API client.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::cache::{POLL_BUCKETS, Slot, State};
use crate::exposition::answer::SiteView;
use crate::exposition::family::{Family, Kind};
use crate::exposition::negotiate::Format;
use crate::exposition::number::{Number, milliseconds};
use crate::exposition::own;
use crate::exposition::rendered::Rendered;
use crate::exposition::series::Series;
use crate::freshness::Freshness;
use crate::reason::Reason;
use crate::stats::{EndpointReading, REQUEST_BUCKETS};

pub mod compat;

/// What one site showed at one moment.
pub(super) struct Reading<'a> {
    site: &'a SiteView,
    endpoints: Vec<EndpointReading>,
    collectors: Vec<(&'a Slot<Rendered>, &'a State<Rendered>)>,
    now: Instant,
}

/// Where the samples of one family and one site go.
struct Sink<'a> {
    out: &'a mut Vec<u8>,
    family: &'static Family,
    site: &'a str,
    /// Since when the site's counters count, where the answer says so.
    created: Option<SystemTime>,
}

/// A family and how its samples are read off a site.
struct Source(Family, fn(&mut Sink<'_>, &Reading<'_>));

const SITE: &[&str] = &["site"];
const COLLECTOR: &[&str] = &["site", "collector"];

/// Every family of this part, by name.
static SOURCES: [Source; 25] = [
    Source(
        Family::gauge(
            "netbackup_api_circuit_open",
            SITE,
            "Whether polling is held back because the primary could not be reached (1) or not (0).",
        ),
        |sink, reading| sink.put(&[], f64::from(reading.site.stats.circuit_open())),
    ),
    Source(
        Family::counter(
            "netbackup_api_received_bytes_total",
            SITE,
            "Bytes of answers received while polling the primary's API.",
        ),
        |sink, reading| sink.put(&[], reading.site.stats.received()),
    ),
    Source(
        Family::histogram(
            "netbackup_api_request_duration_seconds",
            &["site", "endpoint"],
            "Duration of the requests that poll the primary's API, by path template.",
        ),
        |sink, reading| {
            for endpoint in &reading.endpoints {
                let (counts, sum) = &endpoint.duration;
                sink.put_histogram(&[endpoint.template], &REQUEST_BUCKETS, counts, *sum);
            }
        },
    ),
    Source(
        Family::counter(
            "netbackup_api_requests_total",
            &["site", "endpoint", "code"],
            "Requests that polled the primary's API, by path template and HTTP status, or the reason where there was no answer.",
        ),
        |sink, reading| {
            for endpoint in &reading.endpoints {
                for (code, count) in &endpoint.requests {
                    sink.put(&[endpoint.template, code], *count);
                }
            }
        },
    ),
    Source(
        Family::counter(
            "netbackup_api_retries_total",
            SITE,
            "Requests that were sent again while polling the primary's API.",
        ),
        |sink, reading| sink.put(&[], reading.site.stats.retries()),
    ),
    Source(
        Family::gauge(
            "netbackup_api_tls_verification_disabled",
            SITE,
            "Whether the primary is polled without verifying its certificate (1) or not (0).",
        ),
        |sink, reading| sink.put(&[], f64::from(reading.site.stats.tls_unverified())),
    ),
    Source(
        Family::gauge(
            "netbackup_api_version_info",
            &["site", "version"],
            "The API version in which the primary is polled; always 1.",
        ),
        |sink, reading| {
            if let Some(version) = reading.site.stats.api_version() {
                sink.put(&[&version], 1.0);
            }
        },
    ),
    Source(
        Family::gauge(
            "netbackup_collector_age_seconds",
            COLLECTOR,
            "Age of the collector's polled data: time since the last answer of the last successful poll had arrived.",
        ),
        |sink, reading| {
            sink.each(reading, |_, state| state.age(reading.now).map(|age| milliseconds(age.as_secs_f64())))
        },
    ),
    Source(
        Family::gauge(
            "netbackup_collector_last_attempt_timestamp_seconds",
            COLLECTOR,
            "When the collector's last poll ended, successful or not, in Unix time.",
        ),
        |sink, reading| sink.each(reading, |_, state| Some(milliseconds(state.last_attempt?.unix_seconds()))),
    ),
    Source(
        Family::gauge(
            "netbackup_collector_last_success_timestamp_seconds",
            COLLECTOR,
            "When the last answer of the collector's last successful poll had arrived, in Unix time.",
        ),
        |sink, reading| {
            sink.each(reading, |_, state| Some(milliseconds(state.snapshot.as_ref()?.received.unix_seconds())));
        },
    ),
    Source(
        Family::gauge(
            "netbackup_collector_permission_denied",
            COLLECTOR,
            "Whether a NetBackup right was missing for the last poll, or for a part of it (1), or not (0).",
        ),
        |sink, reading| sink.each(reading, |_, state| Some(f64::from(state.permission_denied()))),
    ),
    Source(
        Family::histogram("netbackup_collector_poll_duration_seconds", COLLECTOR, "Duration of the collector's polls."),
        |sink, reading| {
            for (slot, state) in &reading.collectors {
                sink.put_histogram(&[slot.collector], &POLL_BUCKETS, &state.duration_counts, state.duration_sum);
            }
        },
    ),
    Source(
        Family::counter(
            "netbackup_collector_poll_failures_total",
            &["site", "collector", "reason"],
            "Polls of the collector that failed, by reason.",
        ),
        |sink, reading| {
            for (slot, state) in &reading.collectors {
                for (reason, count) in Reason::ALL.iter().zip(state.failures) {
                    sink.put(&[slot.collector, reason.as_str()], count);
                }
            }
        },
    ),
    Source(
        Family::counter(
            "netbackup_collector_polls_skipped_total",
            COLLECTOR,
            "Polls of the collector that were not started because the one before still ran.",
        ),
        |sink, reading| sink.each(reading, |_, state| Some(state.skipped)),
    ),
    Source(
        Family::counter(
            "netbackup_collector_polls_total",
            COLLECTOR,
            "Polls of the collector that ended, successful or not.",
        ),
        |sink, reading| sink.each(reading, |_, state| Some(state.polls)),
    ),
    Source(
        Family::counter(
            "netbackup_collector_rejected_records_total",
            COLLECTOR,
            "Records that were left out of polled data because they could not be understood.",
        ),
        |sink, reading| sink.each(reading, |_, state| Some(state.rejected)),
    ),
    Source(
        Family::gauge(
            "netbackup_collector_stale",
            COLLECTOR,
            "Whether the collector's polled data are older than stale_after, or there are none (1), or not (0).",
        ),
        |sink, reading| {
            sink.each(reading, |slot, state| Some(f64::from(slot.freshness(state, reading.now) != Freshness::Fresh)));
        },
    ),
    Source(
        Family::gauge(
            "netbackup_collector_success",
            COLLECTOR,
            "Whether the collector's last ended poll succeeded (1) or not (0).",
        ),
        |sink, reading| sink.each(reading, |_, state| Some(f64::from(state.success))),
    ),
    Source(
        Family::gauge(
            "netbackup_collector_supported",
            COLLECTOR,
            "Whether the primary's release offers what the collector polls (1) or not (0).",
        ),
        |sink, reading| sink.each(reading, |_, state| Some(f64::from(!state.unsupported))),
    ),
    Source(
        Family::counter(
            "netbackup_collector_task_restarts_total",
            COLLECTOR,
            "How often the collector's polling task was started again after it died.",
        ),
        |sink, reading| sink.each(reading, |_, state| Some(state.restarts)),
    ),
    Source(
        Family::gauge(
            "netbackup_collector_ttl_seconds",
            COLLECTOR,
            "Configured time between two polls of the collector.",
        ),
        |sink, reading| sink.each(reading, |slot, _| Some(slot.ttl.as_secs_f64())),
    ),
    Source(
        Family::gauge(
            "netbackup_jobs_feed_read_ratio",
            SITE,
            "How much of a first read of the jobs has been polled, from 0 to 1.",
        ),
        |sink, reading| {
            let jobs = reading.collectors.iter().find(|(slot, _)| slot.collector == "jobs");
            if let Some(ratio) = jobs.and_then(|(slot, _)| slot.progress()) {
                sink.put(&[], ratio);
            }
        },
    ),
    Source(
        Family::gauge(
            "netbackup_primary_info",
            &["site", "server_name", "release", "host_id"],
            "Who the primary said it is when it was polled last; always 1.",
        ),
        |sink, reading| {
            if let Some(primary) = reading.site.stats.primary() {
                sink.put(&[&primary.server_name, &primary.release, &primary.host_id], 1.0);
            }
        },
    ),
    Source(
        Family::gauge(
            "netbackup_server_clock_offset_seconds",
            SITE,
            "The primary's clock minus the exporter's at the middle of a polled request.",
        ),
        |sink, reading| {
            if let Some(offset) = reading.site.stats.clock_offset_seconds() {
                sink.put(&[], offset);
            }
        },
    ),
    Source(
        Family::gauge(
            "netbackup_up",
            SITE,
            "Whether the last polled request had an HTTP answer and credentials that were not refused (1) or not (0).",
        ),
        |sink, reading| sink.put(&[], f64::from(reading.site.stats.up())),
    ),
];

/// The families that the exposition itself provides, by name; those of snapshots are declared by their collectors, and
/// those for users of the Go exporter by `compat_families`.
#[must_use]
pub fn families() -> Vec<&'static Family> {
    let mut families: Vec<_> = SOURCES.iter().map(|Source(family, _)| family).chain([&own::SERIES]).collect();
    families.sort_by_key(|family| family.name);
    families
}

/// Appends every family that has a sample; `with_created`: and since when each counter and histogram counts.
pub(super) fn write(out: &mut Vec<u8>, format: Format, with_created: bool, readings: &[Reading<'_>]) {
    for Source(family, read) in SOURCES.iter().chain(&compat::SOURCES) {
        let start = out.len();
        family.write_header(out, format);
        let header = out.len();
        for reading in readings {
            let created = with_created.then_some(reading.site.created);
            read(&mut Sink { out, family, site: &reading.site.name, created }, reading);
        }
        if out.len() == header {
            out.truncate(start);
        }
    }
}

impl<'a> Reading<'a> {
    /// `states` are those of the site's slots, in their order.
    pub(super) fn new(site: &'a SiteView, states: &'a [Arc<State<Rendered>>], now: Instant) -> Reading<'a> {
        let collectors = site.slots.iter().map(Arc::as_ref).zip(states.iter().map(Arc::as_ref)).collect();
        Reading { site, endpoints: site.stats.endpoints(), collectors, now }
    }
}

impl Sink<'_> {
    fn put(&mut self, labels: &[&str], value: impl Into<Number>) {
        if let Some(series) = Series::new(self.family, self.family.kind, self.site, labels) {
            series.write(self.out, value.into());
            if let Some(created) = self.created.filter(|_| self.family.kind == Kind::Counter) {
                series.write_created(self.out, created);
            }
        }
    }

    fn put_histogram(&mut self, labels: &[&str], bounds: &[f64], counts: &[u64], sum: f64) {
        if let Some(series) = Series::new(self.family, Kind::Histogram, self.site, labels) {
            series.write_histogram(self.out, bounds, counts, sum);
            if let Some(created) = self.created {
                series.write_created(self.out, created);
            }
        }
    }

    /// One sample for each collector that has a value.
    fn each<N: Into<Number>>(
        &mut self,
        reading: &Reading<'_>,
        value: impl Fn(&Slot<Rendered>, &State<Rendered>) -> Option<N>,
    ) {
        for (slot, state) in &reading.collectors {
            if let Some(value) = value(slot, state) {
                self.put(&[slot.collector], value);
            }
        }
    }
}
