//! `/health`: what a load balancer asks.

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::Instant;

use super::{App, json, query};
use crate::health::{Report, SiteReport, Status};
use crate::telemetry::BUILD;

const MEDIA_TYPE: &str = "application/health+json";

/// What everybody may know.
#[derive(Serialize)]
struct Brief {
    status: Status,
}

pub(super) async fn answer(app: &App, query: Option<&str>) -> Response {
    match report(app, query).await {
        Ok(report) => json(code(report.status), MEDIA_TYPE, &report),
        Err(response) => response,
    }
}

/// The same verdict for who has not signed in, and nothing else.
pub(super) async fn brief(app: &App, query: Option<&str>) -> Response {
    match report(app, query).await {
        Ok(report) => json(code(report.status), MEDIA_TYPE, &Brief { status: report.status }),
        Err(response) => response,
    }
}

async fn report(app: &App, query: Option<&str>) -> Result<Report, Response> {
    let sites = app.sites();
    let chosen = query::sites(&sites, query)?.unwrap_or_else(|| sites.sites.iter().collect());
    let checked = join_all(chosen.iter().map(|site| site.prober.check())).await;
    let now = Instant::now();
    let sites = chosen.iter().zip(&checked).map(|(site, checked)| SiteReport::new(&site.view, checked, now)).collect();
    Ok(Report::new(BUILD.version, sites))
}

fn code(status: Status) -> StatusCode {
    match status {
        Status::Pass | Status::Warn => StatusCode::OK,
        Status::Fail => StatusCode::SERVICE_UNAVAILABLE,
    }
}
