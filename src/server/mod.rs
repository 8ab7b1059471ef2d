//! The exporter's own port: what is asked on which path, and what is answered. Nothing here waits for a primary,
//! except that the first `/health` after a quiet minute waits for its probe.
//!
//! [`router`] is the whole surface and needs no port; [`serve`] puts it on bound listeners.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::cache::Generation;
use crate::config::Web;
use crate::exposition::{Exposition, SiteView};
use crate::health::Prober;
use crate::telemetry;

mod body;
mod connection;
mod crowd;
mod docs;
mod door;
#[cfg(test)]
mod door_tests;
mod health;
mod listen;
mod live;
mod pace;
mod page;
#[cfg(test)]
mod page_tests;
mod query;
mod reload;
mod scrape;
#[cfg(test)]
mod socket_tests;
mod status;
#[cfg(test)]
mod testing;

pub use door::Door;
pub use listen::serve;
pub use reload::ReloadRequest;

use connection::Peer;
use door::Verdict;

/// One site, as the server needs it.
#[derive(Clone)]
pub struct SiteEntry {
    /// Its name, statistics and slots.
    pub view: Arc<SiteView>,
    /// Who asks its primary for `/health`.
    pub prober: Arc<Prober>,
    /// `poll.timeout`: a collector that has tried for this long no longer keeps `/-/ready` waiting.
    pub timeout: Duration,
}

/// All sites at one moment, swapped whole when the configuration changes.
pub struct Sites {
    /// The sites as the exposition takes them; the same `Arc` as long as nothing changes.
    pub views: Arc<Vec<Arc<SiteView>>>,
    /// The sites in the order of the configuration.
    pub sites: Vec<SiteEntry>,
}

/// What the handlers share.
pub struct App {
    web: ArcSwap<Settings>,
    sites: ArcSwap<Sites>,
    exposition: Exposition,
    generation: Generation,
    started: SystemTime,
    ready: AtomicBool,
    door: watch::Sender<Arc<Door>>,
    lifecycle: bool,
    reloader: OnceLock<mpsc::Sender<ReloadRequest>>,
    last_page: Arc<Mutex<page::Last>>,
}

/// What `[web]` says of the pages.
struct Settings {
    telemetry_path: String,
    max_requests: usize,
    scrapes: Option<Arc<Semaphore>>,
}

/// What a path of the contract asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Scrape,
    Health,
    Healthy,
    Ready,
    Reload,
    Status,
    Overview,
    Docs,
    Other,
}

impl Sites {
    /// The sites in the order of the configuration.
    #[must_use]
    pub fn new(sites: Vec<SiteEntry>) -> Sites {
        let views = Arc::new(sites.iter().map(|site| Arc::clone(&site.view)).collect());
        Sites { views, sites }
    }
}

impl App {
    /// The state of a server that has just started. `generation` is the one that the slots of `sites` advance.
    #[must_use]
    pub fn new(web: &Web, sites: Sites, exposition: Exposition, generation: Generation) -> Arc<App> {
        Arc::new(App {
            web: ArcSwap::from_pointee(Settings::new(web)),
            sites: ArcSwap::from_pointee(sites),
            exposition,
            generation,
            started: SystemTime::now(),
            ready: AtomicBool::new(false),
            door: watch::Sender::default(),
            lifecycle: web.lifecycle,
            reloader: OnceLock::new(),
            last_page: Arc::default(),
        })
    }

    /// Lets clients in by another door from now on: the first one, or that of a reload. Each request is judged by it.
    /// Where its TLS is another, connections that came in by the old one end once what they asked for is answered.
    pub fn replace_door(&self, door: Door) {
        self.door.send_modify(|old| *old = Arc::new(door.going_on_from(old)));
    }

    /// Serves as `web` says from now on, but for the addresses. `counted_since`: since when the exporter's own metrics count.
    pub fn configure(&self, web: &Web, counted_since: SystemTime) {
        self.web.store(Arc::new(Settings::new(web)));
        self.exposition.set_created(web.created_samples.then_some(counted_since));
    }

    /// What the exporter says of itself has changed: the next answer shows it.
    pub fn refresh(&self) {
        self.generation.advance();
    }

    /// Who does what `POST /-/reload` asks for. Only the first one counts.
    pub fn set_reloader(&self, reloader: mpsc::Sender<ReloadRequest>) {
        let _ = self.reloader.set(reloader);
    }

    /// Serves other sites from now on: a reload.
    pub fn replace_sites(&self, sites: Sites) {
        self.sites.store(Arc::new(sites));
        self.generation.advance();
    }

    /// The sites now.
    #[must_use]
    pub fn sites(&self) -> Arc<Sites> {
        self.sites.load_full()
    }

    /// Whether every poll task lives, for the watchdog of the service manager.
    #[must_use]
    pub fn healthy(&self) -> bool {
        live::hanging(&self.sites.load(), Instant::now()).is_empty()
    }

    /// Whether every enabled collector has ended a first attempt, has data, or has tried for the site's
    /// `poll.timeout`. Once true, it stays true.
    #[must_use]
    pub fn ready(&self) -> bool {
        if !self.ready.load(Ordering::Acquire) && live::waiting(&self.sites.load(), Instant::now()).is_empty() {
            self.ready.store(true, Ordering::Release);
        }
        self.ready.load(Ordering::Acquire)
    }

    fn page(&self, path: &str) -> Page {
        match path {
            path if path == self.web.load().telemetry_path => Page::Scrape,
            "/health" => Page::Health,
            "/-/healthy" => Page::Healthy,
            "/-/ready" => Page::Ready,
            "/-/reload" => Page::Reload,
            "/api/v1/status" => Page::Status,
            "/" => Page::Overview,
            "/docs" => Page::Docs,
            path if path.starts_with(docs::ROOT) => Page::Docs,
            _ => Page::Other,
        }
    }
}

impl Settings {
    fn new(web: &Web) -> Settings {
        let most = web.max_requests.min(Semaphore::MAX_PERMITS);
        let scrapes = (most > 0).then(|| Arc::new(Semaphore::new(most)));
        Settings { telemetry_path: web.telemetry_path.clone(), max_requests: most, scrapes }
    }
}

impl Page {
    /// The `handler` label: the path of the contract, whatever the telemetry path is called.
    const fn handler(self) -> &'static str {
        match self {
            Page::Scrape => "/metrics",
            Page::Health => "/health",
            Page::Healthy => "/-/healthy",
            Page::Ready => "/-/ready",
            Page::Reload => "/-/reload",
            Page::Status => "/api/v1/status",
            Page::Overview => "/",
            // No path of the contract has this name.
            Page::Docs | Page::Other => "other",
        }
    }
}

/// Every path of the contract.
///
/// Paths are matched here and not by the router: the telemetry path is configurable, and one that means something to
/// the router's pattern language, or stands twice, would panic there.
pub fn router(app: Arc<App>) -> Router {
    Router::new().fallback(answer).with_state(app)
}

async fn answer(State(app): State<Arc<App>>, request: Request) -> Response {
    // The body is dropped here: no path takes one, and an unread body makes the connection close after the answer.
    let (request, _) = request.into_parts();
    let page = app.page(request.uri.path());
    let door = Arc::clone(&app.door.borrow());
    let mut response = admitted(&app, &door, page, &request).await;
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    door.dress(response.headers_mut());
    telemetry::recorder::http_request(page.handler(), response.status().as_u16());
    response
}

/// The page, or what is told to who may not see it. Who watches over the process is asked for nothing.
async fn admitted(app: &Arc<App>, door: &Door, page: Page, request: &Parts) -> Response {
    if matches!(page, Page::Healthy | Page::Ready) {
        return found(app, door, page, request).await;
    }
    if !door.has_room() {
        return wait_a_second(StatusCode::TOO_MANY_REQUESTS, "too many requests (rate_limit): try again later\n");
    }
    match door.verdict(&request.headers).await {
        Verdict::Good => found(app, door, page, request).await,
        // A balancer that has no credentials, or old ones, still learns whether to send clients here.
        Verdict::Bad | Verdict::Busy if page == Page::Health && is_read(&request.method) => {
            health::brief(app, request.uri.query()).await
        }
        Verdict::Bad => {
            let mut response = plain(StatusCode::UNAUTHORIZED, "unauthorized\n");
            let challenge = HeaderValue::from_static("Basic realm=\"netbackup_exporter\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
        Verdict::Busy => {
            wait_a_second(StatusCode::SERVICE_UNAVAILABLE, "too many passwords wait to be checked: try again later\n")
        }
    }
}

async fn found(app: &Arc<App>, door: &Door, page: Page, request: &Parts) -> Response {
    let query = request.uri.query();
    match page {
        Page::Other => plain(StatusCode::NOT_FOUND, "not found\n"),
        Page::Reload => reload::answer(app, door, request).await,
        _ if !is_read(&request.method) => {
            not_allowed("GET, HEAD", "method not allowed: this path answers GET and HEAD\n")
        }
        Page::Scrape => scrape::answer(app, &request.headers, query),
        Page::Health => health::answer(app, query).await,
        Page::Healthy => live::healthy(app),
        Page::Ready => live::ready(app),
        Page::Status => status::answer(app),
        Page::Overview => page::answer(app).await,
        Page::Docs => docs::answer(&request.uri),
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn not_allowed(allowed: &'static str, text: &'static str) -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

fn wait_a_second(status: StatusCode, text: impl Into<String>) -> Response {
    let mut response = plain(status, text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text.into()).into_response()
}

/// A JSON answer; what it says is true only now, so nobody may keep it.
fn json(status: StatusCode, media_type: &'static str, value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            (status, [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "writing a JSON answer failed");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
        }
    }
}
