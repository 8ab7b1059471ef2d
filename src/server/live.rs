//! `/-/healthy` and `/-/ready`: whether the process does its work, and whether a first answer is worth having. Both
//! look at tasks and slots only; how a primary answers has no part in them.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use tokio::time::Instant;

use super::{App, Sites, plain};

/// How long a task may oversleep what it promised before it counts as hanging.
const GRACE: Duration = Duration::from_secs(60);

pub(super) fn healthy(app: &App) -> Response {
    verdict(&hanging(&app.sites.load(), Instant::now()), "healthy\n", "not healthy: these poll tasks are gone or hang")
}

pub(super) fn ready(app: &App) -> Response {
    if app.ready() {
        return plain(StatusCode::OK, "ready\n");
    }
    let waiting = waiting(&app.sites.load(), Instant::now());
    verdict(&waiting, "ready\n", "not ready: these collectors have not ended a first attempt")
}

fn verdict(culprits: &[String], good: &'static str, bad: &'static str) -> Response {
    if culprits.is_empty() {
        return plain(StatusCode::OK, good);
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, format!("{bad}\n{}\n", culprits.join("\n")))
}

/// The collectors (as `site/collector`) whose task is gone or has overslept.
pub(super) fn hanging(sites: &Sites, now: Instant) -> Vec<String> {
    let slots = sites.views.iter().flat_map(|view| view.slots.iter().map(move |slot| (view, slot)));
    slots
        .filter(|(_, slot)| !slot.is_healthy(now, GRACE))
        .map(|(view, slot)| format!("{}/{}", view.name, slot.collector))
        .collect()
}

/// The collectors (as `site/collector`) that have neither ended an attempt, nor data, nor tried for `poll.timeout`.
pub(super) fn waiting(sites: &Sites, now: Instant) -> Vec<String> {
    let mut waiting = Vec::new();
    for site in &sites.sites {
        for slot in &site.view.slots {
            let state = slot.load();
            let tried_enough = now.saturating_duration_since(slot.created()) >= site.timeout;
            if state.last_attempt.is_none() && state.snapshot.is_none() && !tried_enough {
                waiting.push(format!("{}/{}", site.view.name, slot.collector));
            }
        }
    }
    waiting
}
