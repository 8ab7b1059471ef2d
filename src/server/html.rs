//! What the pages for people have in common: how they are answered.

use std::fmt::Display;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::plain;

/// A page that was made, or could not be. `policy` says what it may load, `cache` who may keep it.
pub(super) fn answer(
    page: Result<impl Into<Body>, impl Display>,
    policy: &str,
    cache: &'static str,
    what: &'static str,
) -> Response {
    match page {
        Ok(page) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CACHE_CONTROL, cache),
                (header::CONTENT_SECURITY_POLICY, policy),
                (header::REFERRER_POLICY, "no-referrer"),
            ];
            (StatusCode::OK, headers, page.into()).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "writing {what} failed");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
        }
    }
}
