//! The telemetry path: ready bytes in the form that the client prefers.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use tokio::sync::TryAcquireError;

use super::body::TwoParts;
use super::{App, query, wait_a_second};
use crate::exposition::{Encoding, SiteView, negotiate_encoding, negotiate_format};

pub(super) fn answer(app: &App, headers: &HeaderMap, query: Option<&str>) -> Response {
    let web = app.web.load();
    let permit = match web.scrapes.clone().map(tokio::sync::Semaphore::try_acquire_owned) {
        None => None,
        Some(Ok(permit)) => Some(permit),
        Some(Err(TryAcquireError::NoPermits | TryAcquireError::Closed)) => {
            let most = web.max_requests;
            let text = format!(
                "{most} requests to this path are being answered already (web.max_requests): try again later\n"
            );
            return wait_a_second(StatusCode::SERVICE_UNAVAILABLE, text);
        }
    };
    let sites = app.sites.load();
    let chosen = match query::sites(&sites, query) {
        Ok(chosen) => chosen,
        Err(response) => return response,
    };
    let format = negotiate_format(joined(headers, &header::ACCEPT).as_deref());
    let encoding = negotiate_encoding(joined(headers, &header::ACCEPT_ENCODING).as_deref());
    let answer = match chosen {
        None => app.exposition.answer(&sites.views, format, encoding),
        Some(chosen) => {
            let views: Vec<Arc<SiteView>> = chosen.iter().map(|site| Arc::clone(&site.view)).collect();
            app.exposition.answer_for(&views, format, encoding)
        }
    };

    let mut response = Response::new(Body::new(TwoParts::new(answer.parts, permit)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.format.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if answer.encoding == Encoding::Gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// All values of a header as one list, as HTTP says they mean; values that are not text are left out.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}
