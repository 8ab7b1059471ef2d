//! A server on a port of its own that answers as a test wants and keeps what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response};
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;

use crate::config::{ApiVersionChoice, Credential, Poll, Secret, Site, Tls};
use crate::netbackup::Client;
use crate::stats::ApiStats;

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) raw_query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.raw_query.as_bytes()).find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) struct Primary {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Primary {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Primary {
    pub(super) async fn new(answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) -> Primary {
        Primary::slow(move |seen| {
            let response = answer(&seen);
            Box::pin(async move { response })
        })
        .await
    }

    pub(super) async fn slow(
        answer: impl Fn(Seen) -> BoxFuture<'static, Response<Body>> + Send + Sync + 'static,
    ) -> Primary {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        let app = axum::Router::new().fallback(move |request: Request<Body>| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let seen = Seen {
                    method: head.method.to_string(),
                    path: head.uri.path().to_owned(),
                    raw_query: head.uri.query().unwrap_or_default().to_owned(),
                    headers: head.headers,
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                log.lock().unwrap().push(seen.clone());
                answer(seen).await
            }
        });
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Primary { address, seen, server }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }

    pub(super) fn site(&self) -> Site {
        site(self.address)
    }

    /// A client that speaks 14.0 without asking.
    pub(super) fn client(&self) -> (Client, Arc<ApiStats>) {
        client(&self.site())
    }
}

pub(super) fn site(address: SocketAddr) -> Site {
    Site {
        name: Arc::from("paris"),
        url: url::Url::parse(&format!("http://{address}/netbackup")).unwrap(),
        credential: Credential::ApiKey(Secret::new("S3CRET".to_owned())),
        api_version: ApiVersionChoice::Fixed(14, 0),
        tls: Tls::default(),
        poll: Poll {
            lookback: Duration::from_secs(86_400),
            timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(20),
            max_requests: 4,
        },
        collectors: Vec::new(),
        clients: None,
    }
}

pub(super) fn client(site: &Site) -> (Client, Arc<ApiStats>) {
    let stats = Arc::new(ApiStats::default());
    (Client::new(site, Arc::clone(&stats)).unwrap(), stats)
}

pub(super) const JSON: &str = "application/vnd.netbackup+json;version=14.0";

pub(super) fn respond(status: u16, kind: &str, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).header("Content-Type", kind).body(body.into()).unwrap()
}

pub(super) fn json(body: impl Into<Body>) -> Response<Body> {
    respond(200, JSON, body)
}

pub(super) fn complaint(status: u16, code: i64) -> Response<Body> {
    let body = format!(r#"{{"errorCode": {code}, "errorMessage": "as the primary says", "errorDetails": []}}"#);
    respond(status, JSON, body)
}

/// `/ping`, naming a version where there is one.
pub(super) fn pong(version: Option<&str>) -> Response<Body> {
    let mut response = respond(200, "text/vnd.netbackup+plain;version=14.0", "1764201600123");
    if let Some(version) = version {
        response.headers_mut().insert("X-NetBackup-API-Version", version.parse().unwrap());
    }
    response
}

pub(super) const NO_JOBS: &str = r#"{"data":[],"meta":{"pagination":{"limit":100}}}"#;

/// How often a request of `endpoint` ended with `code`.
pub(super) fn counted(stats: &ApiStats, endpoint: &str, code: &str) -> u64 {
    let readings = stats.endpoints();
    let requests = readings.iter().filter(|reading| reading.template == endpoint).flat_map(|reading| &reading.requests);
    requests.filter(|(label, _)| label == code).map(|(_, count)| count).sum()
}

/// Waits until `happened`; the test's own limit is generous, because the machine may be busy.
pub(super) async fn until(mut happened: impl FnMut() -> bool) {
    let wait = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it did not happen");
}
