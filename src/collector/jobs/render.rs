//! What the window of a site means as metrics.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::counters::{DURATION_BUCKETS, Outcome, Pair};
use super::families;
use super::feed::Feed;
use super::go_names;
use super::names::Name;
use super::window::Window;
use crate::clock::from_unix_ms;
use crate::exposition::Page;
use crate::netbackup::queue_reason_name;

/// NetBackup's kilobytes are 1024 bytes.
pub const KILOBYTE: u64 = 1024;

/// What the metrics say besides the feed.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// `poll.lookback`.
    pub lookback: Duration,
    /// Whether the names of the Go exporter stand beside ours.
    pub go_names: bool,
}

/// Writes every family of the collector.
pub fn render(page: &mut Page, feed: &Feed, facts: Facts) {
    let window = &feed.window;
    unfinished(page, window);
    counters(page, window);
    lookback(page, window);
    page.gauge(&families::LOOKBACK_SECONDS, &[], facts.lookback.as_secs_f64());
    page.gauge(&families::FEED_OVERLAP, &[], feed.overlap().as_secs_f64());
    page.counter_since(&families::FEED_GAP, &[], feed.gap().as_secs_f64(), since(feed.created_ms()));
    if facts.go_names {
        go_names::render(page, window);
    }
}

fn unfinished(page: &mut Page, window: &Window) {
    let mut jobs: BTreeMap<(Pair, Name), u64> = BTreeMap::new();
    let mut queued: BTreeMap<(Name, Option<i64>), u64> = BTreeMap::new();
    let mut oldest: BTreeMap<(Name, Name), i64> = BTreeMap::new();
    let names = window.names();
    for job in window.unfinished() {
        *jobs.entry((job.pair, job.state)).or_default() += 1;
        if names.text(job.state) == "QUEUED" {
            *queued.entry((job.pair.job_type, job.queue_reason)).or_default() += 1;
        }
        if let Some(start) = job.start_ms {
            let oldest = oldest.entry((job.pair.job_type, job.state)).or_insert(start);
            *oldest = start.min(*oldest);
        }
    }
    for ((pair, state), count) in jobs {
        let labels = [names.text(pair.job_type), names.text(pair.policy_type), names.text(state)];
        page.gauge(&families::JOBS, &labels, number(count));
    }
    for ((job_type, reason), count) in queued {
        let reason = reason.map(queue_reason_name).unwrap_or_default();
        page.gauge(&families::QUEUED, &[names.text(job_type), &reason], number(count));
    }
    for ((job_type, state), start_ms) in oldest {
        let labels = [names.text(job_type), names.text(state)];
        page.gauge(&families::OLDEST_START, &labels, thousandths(start_ms));
    }
}

fn counters(page: &mut Page, window: &Window) {
    let names = window.names();
    for (pair, counters) in window.counters().to_show() {
        let labels = [names.text(pair.job_type), names.text(pair.policy_type)];
        let created = since(counters.created_ms);
        for (outcome, count) in Outcome::ALL.iter().zip(counters.outcomes) {
            page.counter_since(&families::FINISHED, &[labels[0], labels[1], outcome.as_str()], count, created);
        }
        let bytes = |kilobytes: u64| kilobytes.saturating_mul(KILOBYTE);
        page.counter_since(&families::IMAGE_BYTES, &labels, bytes(counters.image_kilobytes), created);
        page.counter_since(&families::TRANSFERRED_BYTES, &labels, bytes(counters.transferred_kilobytes), created);
        page.counter_since(&families::FILES, &labels, counters.files, created);
        let sum = Duration::from_millis(counters.duration_ms).as_secs_f64();
        page.histogram_since(&families::DURATION, &labels, &DURATION_BUCKETS, &counters.durations, sum, created);
    }
    for ((job_type, status), counter) in &window.counters().statuses {
        let labels = [names.text(*job_type), &status_label(*status)];
        page.counter_since(&families::FINISHED_STATUS, &labels, counter.jobs, since(counter.created_ms));
    }
}

pub fn since(unix_ms: u64) -> SystemTime {
    from_unix_ms(unix_ms).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn lookback(page: &mut Page, window: &Window) {
    let names = window.names();
    for (group, count) in &window.lookback().jobs {
        let labels = [names.text(group.pair.job_type), names.text(group.pair.policy_type), &status_label(group.status)];
        page.gauge(&families::LOOKBACK_JOBS, &labels, number(*count));
    }
    for (pair, amounts) in &window.lookback().amounts {
        let labels = [names.text(pair.job_type), names.text(pair.policy_type)];
        // A sum over no report at all is absent, not 0.
        if amounts.with_kilobytes > 0 {
            page.gauge(&families::LOOKBACK_IMAGE_BYTES, &labels, number(amounts.kilobytes) * 1024.0);
        }
        if amounts.with_files > 0 {
            page.gauge(&families::LOOKBACK_FILES, &labels, number(amounts.files));
        }
    }
}

pub fn status_label(status: Option<i32>) -> String {
    status.map(|status| status.to_string()).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "samples are floats: exact up to 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

/// Milliseconds as seconds, or whatever else is counted in thousandths.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age of the world fit a float exactly")]
pub fn thousandths(number: i64) -> f64 {
    number as f64 / 1000.0
}
