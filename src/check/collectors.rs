//! What the key may see of each source, those that are off included.

use futures_util::future::join_all;
use tokio::time::timeout_at;

use super::report::{Access, CollectorReport};
use super::trail::Trail;
use crate::collector::{self, Display, Seen};
use crate::config::{COLLECTORS, CollectorSpec, Site};
use crate::netbackup::{Client, Error};
use crate::reason::Reason;

const JOBS: &str = "jobs";
/// What it shows comes from the jobs.
const CLIENTS: &str = "clients";

/// Asks all of them side by side.
pub(super) async fn examine(site: &Site, client: &Client, trail: &Trail) -> Vec<CollectorReport> {
    if trail.left().is_zero() {
        return skip(site, "not asked: what came before took all the time of the site");
    }
    let asked = COLLECTORS.iter().filter(|spec| spec.name != CLIENTS);
    let mut reports = join_all(asked.map(|spec| one(site, client, spec, trail))).await;
    // The same requests once more would say the same.
    let jobs = reports.iter().find(|report| report.collector == JOBS).cloned();
    for (at, spec) in COLLECTORS.iter().enumerate().filter(|(_, spec)| spec.name == CLIENTS) {
        if let Some(jobs) = &jobs {
            let message = format!("read from the jobs: {}", jobs.message);
            let report = CollectorReport { collector: spec.name, enabled: is_on(site, spec), message, ..jobs.clone() };
            reports.insert(at.min(reports.len()), report);
        }
    }
    reports
}

/// None of them was asked.
pub(super) fn skip(site: &Site, why: &str) -> Vec<CollectorReport> {
    COLLECTORS.iter().map(|spec| report(site, spec, Access::Skipped, why)).collect()
}

async fn one(site: &Site, client: &Client, spec: &CollectorSpec, trail: &Trail) -> CollectorReport {
    let Some(collector) = collector::build(spec.name, site, client, Display::default(), None, None) else {
        return report(site, spec, Access::Skipped, "there is no such collector");
    };
    match timeout_at(trail.until, collector.examine()).await {
        Ok(Ok(seen)) => seen_by(site, spec, &seen),
        Ok(Err(error)) => failed(site, spec, &error),
        Err(_) => report(site, spec, Access::Failed, trail.timed_out("the answer")),
    }
}

fn is_on(site: &Site, spec: &CollectorSpec) -> bool {
    site.collectors.iter().any(|(on, _)| on.name == spec.name)
}

fn report(site: &Site, spec: &CollectorSpec, status: Access, message: impl Into<String>) -> CollectorReport {
    let (collector, enabled, message) = (spec.name, is_on(site, spec), message.into());
    CollectorReport { collector, enabled, status, permission: None, objects: None, message, advice: None }
}

fn seen_by(site: &Site, spec: &CollectorSpec, seen: &Seen) -> CollectorReport {
    let can = if is_on(site, spec) { "allowed" } else { "could read" };
    let (status, mut message) = match (seen.objects, seen.more) {
        (0, false) => (Access::Empty, format!("{can}, but the list is empty")),
        (objects, false) => (Access::Allowed, format!("{can}, {objects} visible")),
        (objects, true) => (Access::Allowed, format!("{can}, {objects} or more visible")),
    };
    if let Some(note) = seen.note {
        message.push_str("; ");
        message.push_str(note);
    }
    CollectorReport { objects: Some(seen.objects), ..report(site, spec, status, message) }
}

fn failed(site: &Site, spec: &CollectorSpec, error: &Error) -> CollectorReport {
    let (status, message) = match (error.reason(), error.right()) {
        (Reason::Forbidden, Some(right)) => (Access::Denied, format!("denied, {right} is missing")),
        (Reason::Forbidden, None) => (Access::Denied, error.finding()),
        // Every release has jobs and storage units: then something else answers.
        _ if error.status() == Some(404) && !spec.on_by_default => {
            return report(site, spec, Access::Unsupported, "this release does not offer it");
        }
        _ => (Access::Failed, error.finding()),
    };
    CollectorReport { permission: error.right(), advice: error.advice(), ..report(site, spec, status, message) }
}
