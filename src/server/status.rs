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
use crate::freshness::Freshness;
use crate::telemetry::BUILD;

/// The whole answer; the HTML page shows the same.
#[derive(Serialize)]
pub(super) struct Status {
    pub(super) version: &'static str,
    pub(super) started_at: String,
    pub(super) ready: bool,
    pub(super) sites: Vec<SiteStatus>,
}

#[derive(Serialize)]
pub(super) struct SiteStatus {
    pub(super) site: String,
    pub(super) up: bool,
    pub(super) api_version: Option<String>,
    pub(super) clock_offset_seconds: Option<f64>,
    pub(super) collectors: Vec<CollectorStatus>,
}

#[derive(Serialize)]
pub(super) struct CollectorStatus {
    pub(super) collector: &'static str,
    pub(super) state: &'static str,
    pub(super) success: bool,
    pub(super) age_seconds: Option<f64>,
    pub(super) ttl_seconds: f64,
    pub(super) last_attempt: Option<String>,
    pub(super) last_success: Option<String>,
    pub(super) next_attempt: Option<String>,
    pub(super) permission_denied: bool,
    /// Whether the primary's release offers what the collector polls.
    pub(super) supported: bool,
    pub(super) error: Option<Error>,
    /// The same as `state` and `next_attempt`, for the page.
    #[serde(skip)]
    pub(super) freshness: Freshness,
    #[serde(skip)]
    pub(super) next_in: Option<Duration>,
}

#[derive(Serialize)]
pub(super) struct Error {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

pub(super) fn answer(app: &App) -> Response {
    json(StatusCode::OK, "application/json", &Status::read(app))
}

impl Status {
    pub(super) fn read(app: &App) -> Status {
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
        let freshness = slot.freshness(&state, now);
        let time = |stamp: &Stamp| rfc3339(stamp.wall);
        CollectorStatus {
            collector: slot.collector,
            state: freshness.as_str(),
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
            freshness,
            next_in: state.next_attempt.map(|next| next.mono.saturating_duration_since(now)),
        }
    }
}
