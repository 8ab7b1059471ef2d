//! `POST /-/reload`: whether this client may ask for it, and what came of it. The work is done elsewhere.

use std::time::Duration;

use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::response::Response;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{App, Door, Peer, not_allowed, plain, wait_a_second};
use crate::config::ConfigErrors;

/// Reading the configuration waits for disks and for reloads that were asked for before.
const PATIENCE: Duration = Duration::from_secs(60);

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Somebody asks for a reload and waits for what comes of it.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Whether it took effect, or every mistake that kept it from that.
    pub answer: oneshot::Sender<Result<(), ConfigErrors>>,
}

pub(super) async fn answer(app: &App, door: &Door, request: &Parts) -> Response {
    if request.method != Method::POST {
        return not_allowed("POST", "method not allowed: this path answers POST\n");
    }
    // A page that somebody has open must not reach a port on loopback through the browser.
    if request.headers.contains_key(header::ORIGIN) || request.headers.contains_key(SEC_FETCH_SITE) {
        return plain(StatusCode::FORBIDDEN, "forbidden: a reload is not asked for by a browser\n");
    }
    let peer = request.extensions.get::<Peer>();
    let is_known = peer.is_some_and(|peer| peer.certified || peer.address.to_canonical().is_loopback());
    // With users, who comes here has signed in.
    if !(is_known || door.asks() || app.lifecycle) {
        let text = "forbidden: a reload from another host needs basic auth, client certificates or \
                    --web.enable-lifecycle\n";
        return plain(StatusCode::FORBIDDEN, text);
    }
    reload(app).await
}

async fn reload(app: &App) -> Response {
    let Some(reloader) = app.reloader.get() else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "nothing here can be reloaded\n");
    };
    let (answer, answered) = oneshot::channel();
    let asked = async {
        reloader.send(ReloadRequest { answer }).await.ok()?;
        answered.await.ok()
    };
    match timeout(PATIENCE, asked).await {
        Ok(Some(Ok(()))) => plain(StatusCode::OK, "reloaded\n"),
        Ok(Some(Err(mistakes))) => plain(StatusCode::BAD_REQUEST, format!("{mistakes}\n")),
        Ok(None) => plain(StatusCode::SERVICE_UNAVAILABLE, "the exporter stops: nothing is reloaded any more\n"),
        Err(_) => wait_a_second(StatusCode::GATEWAY_TIMEOUT, "the reload takes long: its outcome will be in the log\n"),
    }
}
