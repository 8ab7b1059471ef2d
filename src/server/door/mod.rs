//! The door: what a client must speak and show to be answered, and what every answer carries. Made from the web
//! configuration, immutable, and exchanged whole when that changes: new connections speak the new TLS, each request is
//! judged by the newest users.

use axum::http::HeaderMap;
use axum::http::header::{self, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::config::{ConfigErrors, WebConfig};

mod clients;
mod limit;
mod tls;
mod users;

pub(super) use tls::Tls;

use limit::Bucket;
use users::Users;
pub(super) use users::Verdict;

/// What stands between the port and the pages. The default one is open and speaks plain HTTP.
#[derive(Default)]
pub struct Door {
    pub(super) tls: Option<Tls>,
    users: Option<Users>,
    headers: Vec<(HeaderName, HeaderValue)>,
    bucket: Option<Bucket>,
}

impl Door {
    /// The door that a web configuration describes; without one it is open.
    ///
    /// # Errors
    /// What only shows when it is built: a certificate or key that cannot be used, or that belong to others.
    pub fn new(config: Option<&WebConfig>) -> Result<Door, ConfigErrors> {
        let Some(config) = config else { return Ok(Door::default()) };
        let header = |(name, value): &(&str, String)| {
            Some((HeaderName::try_from(*name).ok()?, HeaderValue::from_str(value).ok()?))
        };
        Ok(Door {
            tls: config.tls.as_ref().map(Tls::new).transpose()?,
            users: Users::new(&config.users),
            headers: config.headers.iter().filter_map(header).collect(),
            bucket: config.rate_limit.map(Bucket::new),
        })
    }

    /// Whether everybody has to sign in.
    pub(super) fn asks(&self) -> bool {
        self.users.is_some()
    }

    /// Whether this request is within the limit of requests.
    pub(super) fn has_room(&self) -> bool {
        self.bucket.as_ref().is_none_or(Bucket::take)
    }

    /// Whether who sent these headers may come in.
    pub(super) async fn verdict(&self, headers: &HeaderMap) -> Verdict {
        let Some(users) = &self.users else { return Verdict::Good };
        match credentials(headers) {
            Some(credentials) => users.check(credentials).await,
            None => Verdict::Bad,
        }
    }

    /// Puts the configured headers on an answer.
    pub(super) fn dress(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
    }
}

/// `user:password` of basic authentication, when it has that form.
fn credentials(headers: &HeaderMap) -> Option<Zeroizing<Vec<u8>>> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = value.split_at_checked("basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim_ascii()).ok().map(Zeroizing::new)?;
    decoded.contains(&b':').then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_from_one_form_only() {
        let read = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())]);
            credentials(&headers).map(|credentials| String::from_utf8(credentials.to_vec()).unwrap())
        };
        assert_eq!(read("Basic YTpi").as_deref(), Some("a:b"));
        assert_eq!(read("bASIC   YTpi").as_deref(), Some("a:b"));
        for value in ["", "Basic", "Basic ", "Basic YTpi=", "Basic !", "Basic YWI=", "Bearer YTpi", "BasicYTpi", "YTpi"]
        {
            assert_eq!(read(value), None, "{value}");
        }
        assert!(credentials(&HeaderMap::new()).is_none());
    }
}
