//! `/`: the state of everything on one page that a person reads, on a phone too. Nothing is loaded from elsewhere, and no script
//! is needed to read it: a small one fetches the page again, and without it the page says when it was made.

use std::error::Error;
use std::sync::{Arc, LazyLock};

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine};
use tokio::time::Instant;

use super::App;
use crate::clock::rfc3339;
use crate::telemetry::BUILD;

mod digest;
mod level;
mod panels;
mod row;
mod site;
mod spark;
#[cfg(test)]
mod tests;
mod verdict;
mod words;

use level::Level;
use site::Site;

const STYLE: &str = include_str!("../../../templates/status.css");
const SCRIPT: &str = include_str!("../../../templates/status.js");

/// Nothing but the style and the script that are on the page; the script may ask for the page itself.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        source(STYLE),
        source(SCRIPT)
    )
});

/// With more sites than this there is a list of them at the top.
const FEW_SITES: usize = 3;

/// The whole page.
#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage<'a> {
    style: &'static str,
    script: &'static str,
    version: &'static str,
    revision: &'static str,
    started: Time,
    made: Time,
    /// Seconds until the script fetches the page again: the more there is to show, the later.
    refresh: usize,
    ready: bool,
    telemetry_path: &'a str,
    level: Level,
    headline: String,
    has_list: bool,
    sites: Vec<Site>,
}

/// A moment in UTC.
struct Time {
    rfc3339: String,
    /// The same without fractions.
    shown: String,
}

impl Time {
    fn new(wall: std::time::SystemTime) -> Time {
        let rfc3339 = rfc3339(wall);
        let shown = rfc3339.split('.').next().unwrap_or_default().replace('T', " ");
        Time { rfc3339, shown }
    }
}

/// The page is shown again for so many times as long as it took to make: however many ask, making it takes a twentieth of
/// a core at most, and a large one (a hundred thousand series are read for it) waits longer for the next.
const REUSE: u32 = 20;

/// The last page that was made.
#[derive(Default)]
pub(super) struct Last {
    html: Bytes,
    /// Until when it is shown again.
    until: Option<Instant>,
}

/// The page as it is, or is made now: by one request at a time, on a thread that may be busy.
async fn latest(app: &Arc<App>) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let mut last = Arc::clone(&app.last_page).lock_owned().await;
    if last.until.is_some_and(|until| Instant::now() < until) {
        return Ok(last.html.clone());
    }
    let app = Arc::clone(app);
    // Who asked may go away: the next one still waits here until this one is made.
    let made = tokio::task::spawn_blocking(move || {
        let begun = Instant::now();
        last.html = render(&app)?.into();
        last.until = begun.elapsed().checked_mul(REUSE).and_then(|wait| Instant::now().checked_add(wait));
        Ok(last.html.clone())
    });
    made.await?
}

pub(super) async fn answer(app: &Arc<App>) -> Response {
    match latest(app).await {
        Ok(page) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
                (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
                (header::REFERRER_POLICY, "no-referrer"),
            ];
            (StatusCode::OK, headers, page).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "writing the status page failed");
            super::plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
        }
    }
}

fn render(app: &App) -> askama::Result<String> {
    let (now, views) = (Instant::now(), Arc::clone(&app.sites.load().views));
    let web = app.web.load();
    let mut sites: Vec<Site> = views.iter().map(|view| Site::read(view, &web.telemetry_path, now)).collect();
    // Those that need somebody come first; the sort keeps the order of the configuration.
    sites.sort_by_key(|site| std::cmp::Reverse(site.level()));
    let has_list = sites.len() > FEW_SITES;
    StatusPage {
        style: STYLE,
        script: SCRIPT,
        version: BUILD.version,
        revision: BUILD.revision,
        started: Time::new(app.started),
        made: Time::new(std::time::SystemTime::now()),
        refresh: (sites.len() / 2).clamp(5, 60),
        ready: app.ready(),
        telemetry_path: &web.telemetry_path,
        level: sites.first().map_or(Level::Waiting, Site::level),
        headline: headline(&sites),
        has_list,
        sites,
    }
    .render()
}

/// How the sites are, in words.
fn headline(sites: &[Site]) -> String {
    if let [site] = sites {
        return format!("{}: {}", site.name, site.verdict());
    }
    let of = |level| sites.iter().filter(|site| site.level() == level).count();
    let parts = [(of(Level::Bad), "in trouble"), (of(Level::Warn), "to look at"), (of(Level::Waiting), "starting")];
    let parts: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let count = words::count(sites.len(), "site");
    if parts.is_empty() { format!("{count}, everything is fresh") } else { format!("{count}: {}", parts.join(", ")) }
}

/// What a policy calls an inline element.
fn source(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes())))
}
