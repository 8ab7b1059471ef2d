//! `/api/v1/status`: what the exporter knows about its polls, for programs. Fields are only ever added.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tokio::time::Instant;

use super::{App, json};
use crate::cache::Slot;
use crate::clock::{Stamp, rfc3339};
use crate::exposition::{Rendered, SiteView};
use crate::telemetry::BUILD;

/// The whole answer.
#[derive(Serialize)]
struct Status {
    version: &'static str,
    started_at: String,
    ready: bool,
    sites: Vec<SiteStatus>,
}

#[derive(Serialize)]
struct SiteStatus {
    site: String,
    up: bool,
    api_version: Option<String>,
    clock_offset_seconds: Option<f64>,
    collectors: Vec<CollectorStatus>,
}

#[derive(Serialize)]
struct CollectorStatus {
    collector: &'static str,
    state: &'static str,
    success: bool,
    age_seconds: Option<f64>,
    ttl_seconds: f64,
    last_attempt: Option<String>,
    last_success: Option<String>,
    next_attempt: Option<String>,
    permission_denied: bool,
    /// Whether the primary's release offers what the collector polls.
    supported: bool,
    error: Option<Error>,
}

#[derive(Serialize)]
struct Error {
    reason: &'static str,
    message: String,
}

pub(super) fn answer(app: &App) -> Response {
    json(StatusCode::OK, "application/json", &Status::read(app))
}

impl Status {
    fn read(app: &App) -> Status {
        let now = Instant::now();
        Status {
            version: BUILD.version,
            started_at: rfc3339(app.started),
            ready: app.ready(),
            sites: app.sites.load().views.iter().map(|view| SiteStatus::read(view, now)).collect(),
        }
    }
}

impl SiteStatus {
    fn read(view: &SiteView, now: Instant) -> SiteStatus {
        SiteStatus {
            site: view.name.to_string(),
            up: view.stats.up(),
            api_version: view.stats.api_version(),
            clock_offset_seconds: view.stats.clock_offset_seconds(),
            collectors: view.slots.iter().map(|slot| CollectorStatus::read(slot, now)).collect(),
        }
    }
}

impl CollectorStatus {
    fn read(slot: &Slot<Rendered>, now: Instant) -> CollectorStatus {
        let state = slot.load();
        let time = |stamp: &Stamp| rfc3339(stamp.wall);
        CollectorStatus {
            collector: slot.collector,
            state: slot.freshness(&state, now).as_str(),
            success: state.success,
            age_seconds: state.age(now).as_ref().map(Duration::as_secs_f64),
            ttl_seconds: slot.ttl.as_secs_f64(),
            last_attempt: state.last_attempt.as_ref().map(time),
            last_success: state.snapshot.as_ref().map(|snapshot| time(&snapshot.received)),
            next_attempt: state.next_attempt.as_ref().map(time),
            permission_denied: state.permission_denied(),
            supported: !state.unsupported,
            error: state
                .complaint()
                .map(|failure| Error { reason: failure.reason.as_str(), message: failure.public_message() }),
        }
    }
}
