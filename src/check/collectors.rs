//! What the key may see of each source, those that are off included.

use futures_util::future::join_all;
use tokio::time::timeout_at;

use super::report::{Access, CollectorReport};
use super::trail::Trail;
use crate::collector::{self, Display, Seen};
use crate::config::{COLLECTORS, CollectorSpec, Site};
use crate::netbackup::error::in_words;
use crate::netbackup::{Client, Error};
use crate::reason::Reason;

const JOBS: &str = "jobs";
/// What it shows comes from the jobs.
const CLIENTS: &str = "clients";

/// Asks those that are on side by side, and then, in what is left of the time, those that are off.
pub(super) async fn examine(site: &Site, client: &Client, trail: &Trail) -> Vec<CollectorReport> {
    if trail.left().is_zero() {
        return skip(site, "not asked: what came before took all the time of the site");
    }
    let asked = COLLECTORS.iter().filter(|spec| spec.name != CLIENTS);
    let (on, off): (Vec<_>, Vec<_>) = asked.partition(|spec| is_on(site, spec));
    let mut reports = join_all(on.into_iter().map(|spec| one(site, client, spec, trail))).await;
    reports.extend(join_all(off.into_iter().map(|spec| one(site, client, spec, trail))).await);
    // The same requests once more would say the same.
    let jobs = reports.iter().find(|report| report.collector == JOBS).cloned();
    for spec in COLLECTORS.iter().filter(|spec| spec.name == CLIENTS) {
        if let Some(jobs) = &jobs {
            let message = format!("read from the jobs: {}", jobs.message);
            reports.push(CollectorReport { collector: spec.name, enabled: is_on(site, spec), message, ..jobs.clone() });
        }
    }
    reports.sort_by_key(|report| COLLECTORS.iter().position(|spec| spec.name == report.collector));
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
    if trail.left().is_zero() {
        return report(
            site,
            spec,
            Access::Skipped,
            "not asked: the collectors that are on took all the time of the site",
        );
    }
    match timeout_at(trail.until, collector.examine()).await {
        Ok(Ok(seen)) => seen_by(site, spec, &seen),
        Ok(Err(error)) => failed(site, spec, &error, collector.is_optional()),
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
    let can = can(site, spec);
    let (status, mut message) = match (seen.objects, seen.more) {
        (0, false) => (Access::Empty, format!("{can}, but the list is empty")),
        (objects, more) => (Access::Allowed, format!("{can}, {}", visible(objects, more))),
    };
    if let Some(note) = seen.note {
        message.push_str("; ");
        message.push_str(note);
    }
    CollectorReport { objects: Some(seen.objects), ..report(site, spec, status, message) }
}

fn can(site: &Site, spec: &CollectorSpec) -> &'static str {
    if is_on(site, spec) { "allowed" } else { "could read" }
}

fn visible(objects: u64, more: bool) -> String {
    if more { format!("{objects} or more visible") } else { format!("{objects} visible") }
}

fn failed(site: &Site, spec: &CollectorSpec, error: &Error, is_optional: bool) -> CollectorReport {
    // What had to be asked before, such as /login, says nothing of the collector.
    let about = collector::ALL.iter().find(|about| about.name == spec.name);
    let is_its_own =
        about.is_some_and(|about| about.endpoints.iter().any(|endpoint| endpoint.template() == error.endpoint()));
    let rights = error.rights();
    let is_or_are = if rights.len() == 1 { "is" } else { "are" };
    let missing = format!("{} {is_or_are} missing", in_words(&rights));
    let (status, message) = match (error.reason(), error.readable()) {
        (Reason::Forbidden, Some(seen)) => {
            let part = visible(seen.objects, seen.more);
            (Access::Allowed, format!("{} in part, {part}; {missing}", can(site, spec)))
        }
        (Reason::Forbidden, None) if !rights.is_empty() => (Access::Denied, format!("denied, {missing}")),
        (Reason::Forbidden, None) if is_its_own => (Access::Denied, error.finding()),
        // Every release has jobs and storage units: then something else answers.
        _ if error.status() == Some(404) && is_optional && is_its_own => {
            return report(site, spec, Access::Unsupported, "this release does not offer it");
        }
        _ => (Access::Failed, error.finding()),
    };
    let objects = error.readable().map(|seen| seen.objects);
    let (permission, advice) = (rights.first().copied(), error.advice());
    CollectorReport { permission, objects, advice, ..report(site, spec, status, message) }
}
