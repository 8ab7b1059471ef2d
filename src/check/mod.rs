//! `check`: whether everything is there that data need, told in words before anybody waits for data.
//!
//! Each site is asked for itself, all side by side, in steps ([`report::STEPS`]): a step that fails leaves out those that
//! would only fail with it. Nothing listens, nothing is written, and no request differs from those of the polls.
//! Reading order: `report` (what is told), `site` (the order of things), `connection` and `tls`, `primary`, `collectors`, `text`.

mod collectors;
mod connection;
mod primary;
pub mod report;
mod site;
mod text;
mod tls;
mod trail;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use self::report::{Mistake, Report};
use crate::config::{Config, ConfigErrors};
use crate::netbackup::Client;
use crate::server::Door;
use crate::stats::ApiStats;

/// The longest that one site may take, everything included.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Checks what was loaded from `source`, and unless `offline` asks every site. `None`: it was `interrupted`, and the sessions
/// that it had begun have been ended.
pub async fn run(
    loaded: Result<Config, ConfigErrors>,
    source: &str,
    offline: bool,
    interrupted: impl Future<Output = ()>,
) -> Option<Report> {
    let config = match loaded {
        Ok(config) => config,
        Err(mistakes) => return Some(Report::of_mistakes(source, mistakes.iter().map(Mistake::from).collect())),
    };
    if let Err(mistakes) = Door::new(config.web.file.as_deref()) {
        return Some(Report::of_mistakes(source, mistakes.iter().map(Mistake::from).collect()));
    }
    let (mut sites, mut mistakes) = (Vec::new(), Vec::new());
    for site in &config.sites {
        let stats = Arc::new(ApiStats::default());
        match Client::new(site, Arc::clone(&stats)) {
            Ok(client) => sites.push((site, client, stats)),
            Err(error) => mistakes.push(Mistake::of_client(source, error)),
        }
    }
    if !mistakes.is_empty() {
        return Some(Report::of_mistakes(source, mistakes));
    }
    let mut warnings = config.warnings.clone();
    if config.state.directory.is_none() {
        warnings.push("state.directory: not set, so that counters begin at 0 after each restart".to_owned());
    }
    let mut report = Report::new(source, warnings);
    if offline {
        report.left_out = config.sites.len();
        return Some(report);
    }
    let clients: Vec<Client> = sites.iter().map(|(_, client, _)| client.clone()).collect();
    let asked = join_all(sites.into_iter().map(|(site, client, stats)| site::examine(site, client, stats)));
    let reports = tokio::select! {
        reports = asked => Some(reports),
        () = interrupted => None,
    };
    let Some(reports) = reports else {
        join_all(clients.iter().map(Client::logout)).await;
        return None;
    };
    report.sites = reports;
    Some(report)
}
