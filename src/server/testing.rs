//! What the server's tests share: an application with fake primaries.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::{App, SiteEntry, Sites, router};
use crate::cache::{Generation, Slot, Writer};
use crate::config::{Health, Web};
use crate::exposition::{Exposition, Rendered, SiteView};
use crate::freshness::Limits;
use crate::health::{Probe, Prober};
use crate::netbackup::ProbeOutcome;
use crate::reason::{Failure, Reason};
use crate::stats::ApiStats;

/// A primary that is there, or not.
pub(super) struct FakePrimary {
    pub(super) there: bool,
}

impl Probe for FakePrimary {
    fn probe(&self, _: Duration) -> BoxFuture<'_, ProbeOutcome> {
        let there = self.there;
        let failure = (!there).then(|| Failure {
            endpoint: Some("/ping"),
            status: Some(500),
            ..Failure::new(Reason::Http, "https://10.1.2.3:1556/netbackup/ping?x=y said: secret words")
        });
        Box::pin(async move {
            let latency = there.then_some(Duration::from_millis(12));
            let api_version = there.then(|| "14.0".to_owned());
            ProbeOutcome { reachable: true, authenticated: there, supported: there, api_version, latency, failure }
        })
    }
}

/// An application, and the writers of its slots.
pub(super) struct Fixture {
    pub(super) app: Arc<App>,
    pub(super) writers: Vec<Writer<Rendered>>,
}

/// An answer, read whole.
pub(super) struct Read {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

pub(super) const TIMEOUT: Duration = Duration::from_secs(120);

pub(super) fn web() -> Web {
    Web { listen_addresses: Vec::new(), max_requests: 2, ..Web::default() }
}

/// Sites by name, and whether their primary is there.
pub(super) fn fixture(web: &Web, sites: &[(&str, bool)]) -> Fixture {
    fixture_of(web, sites, &["jobs"])
}

/// The same with other collectors than `jobs`; the writers come site by site.
pub(super) fn fixture_of(web: &Web, sites: &[(&str, bool)], collectors: &[&'static str]) -> Fixture {
    let generation = Generation::default();
    let limits = Limits { stale_after: Duration::from_secs(180), expire_after: Duration::from_secs(900) };
    let mut writers = Vec::new();
    let mut entries = Vec::new();
    for (name, there) in sites {
        let slot = |name: &&'static str| Slot::new(name, Duration::from_secs(60), limits, generation.clone());
        let slots: Vec<_> = collectors.iter().map(slot).collect();
        writers.extend(slots.iter().map(|slot| slot.writer().unwrap()));
        let (stats, created) = (Arc::new(ApiStats::default()), std::time::SystemTime::now());
        let view = Arc::new(SiteView { name: (*name).into(), stats, slots, created, go_names: false });
        let settings = Health { ttl: Duration::from_secs(5), timeout: Duration::from_secs(2) };
        let prober = Prober::new(FakePrimary { there: *there }, settings);
        entries.push(SiteEntry { view, prober, timeout: TIMEOUT });
    }
    let own = Box::new(|| "netbackup_exporter_build_info 1\n".to_owned());
    let exposition = Exposition::new(generation.clone(), own);
    Fixture { app: App::new(web, Sites::new(entries), exposition, generation), writers }
}

impl Fixture {
    /// The answer, its body unread.
    pub(super) async fn send(&self, request: Request<Body>) -> axum::response::Response {
        router(Arc::clone(&self.app)).oneshot(request).await.unwrap()
    }

    pub(super) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Read {
        let request = headers
            .iter()
            .fold(Request::builder().method(method).uri(path), |request, (name, value)| request.header(*name, *value));
        let (parts, body) = self.send(request.body(Body::empty()).unwrap()).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Read { status: parts.status, headers: parts.headers, body }
    }

    pub(super) async fn get(&self, path: &str) -> Read {
        self.ask("GET", path, &[]).await
    }
}

impl Read {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}
