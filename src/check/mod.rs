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
use hyper_util::client::proxy::matcher::Matcher;

use self::report::{Mistake, Report};
use crate::config::{Config, ConfigErrors};
use crate::netbackup::Client;
use crate::stats::ApiStats;

/// The longest that one site may take, everything included.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Checks what was loaded from `source`, and unless `offline` asks every site.
pub async fn run(loaded: Result<Config, ConfigErrors>, source: &str, offline: bool) -> Report {
    let config = match loaded {
        Ok(config) => config,
        Err(mistakes) => return Report::of_mistakes(source, mistakes.iter().map(Mistake::from).collect()),
    };
    let (mut sites, mut mistakes) = (Vec::new(), Vec::new());
    for site in &config.sites {
        let stats = Arc::new(ApiStats::default());
        match Client::new(site, Arc::clone(&stats)) {
            Ok(client) => sites.push((site, client, stats)),
            Err(error) => mistakes.push(Mistake::of_client(source, error)),
        }
    }
    if !mistakes.is_empty() {
        return Report::of_mistakes(source, mistakes);
    }
    let mut warnings = config.warnings.clone();
    if config.state.directory.is_none() {
        warnings.push("state.directory: not set, so that counters begin at 0 after each restart".to_owned());
    }
    let mut report = Report::new(source, warnings);
    if offline {
        report.left_out = config.sites.len();
        return report;
    }
    let proxies = Matcher::from_env();
    let asked = sites
        .into_iter()
        .map(|(site, client, stats)| site::examine(site, client, stats, is_proxied(&site.url, &proxies)));
    report.sites = join_all(asked).await;
    report
}

/// Whether requests go through a proxy; those to this machine never do.
fn is_proxied(url: &url::Url, proxies: &Matcher) -> bool {
    let is_here = match url.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    };
    !is_here && url.as_str().parse().is_ok_and(|uri| proxies.intercept(&uri).is_some())
}
