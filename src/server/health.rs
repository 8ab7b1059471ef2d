//! `/health`: what a load balancer asks.

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{App, json, query};
use crate::health::{Report, SiteReport, Status};
use crate::telemetry::BUILD;

pub(super) async fn answer(app: &App, query: Option<&str>) -> Response {
    let sites = app.sites();
    let chosen = match query::sites(&sites, query) {
        Ok(chosen) => chosen.unwrap_or_else(|| sites.sites.iter().collect()),
        Err(response) => return response,
    };
    let checked = join_all(chosen.iter().map(|site| site.prober.check())).await;
    let now = Instant::now();
    let sites = chosen.iter().zip(&checked).map(|(site, checked)| SiteReport::new(&site.view, checked, now)).collect();
    let report = Report::new(BUILD.version, sites);
    let code = match report.status {
        Status::Pass | Status::Warn => StatusCode::OK,
        Status::Fail => StatusCode::SERVICE_UNAVAILABLE,
    };
    json(code, "application/health+json", &report)
}
