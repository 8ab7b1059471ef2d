//! The door: what a client must speak and show to be answered, and what every answer carries. Made from the web
//! configuration, immutable, and exchanged whole when that changes: each request is judged by the newest users, and
//! connections that came in by other TLS end. What did not change is taken over from the door before.

use std::sync::Arc;

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
    pub(super) tls: Option<Arc<Tls>>,
    users: Option<Arc<Users>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    bucket: Option<Arc<Bucket>>,
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
            tls: config.tls.as_ref().map(Tls::new).transpose()?.map(Arc::new),
            users: Users::new(&config.users).map(Arc::new),
            headers: config.headers.iter().filter_map(header).collect(),
            bucket: config.rate_limit.map(Bucket::new).map(Arc::new),
        })
    }

    /// This door, with those parts of `old` that were made from the same words: who was let in stays known, requests
    /// that were counted stay counted, and connections that came in by the same TLS stay.
    pub(super) fn going_on_from(self, old: &Door) -> Door {
        Door {
            tls: kept(self.tls, old.tls.as_ref(), |new, old| new.config == old.config),
            users: kept(self.users, old.users.as_ref(), |new, old| new.configured == old.configured),
            headers: self.headers,
            bucket: kept(self.bucket, old.bucket.as_ref(), |new, old| new.limit == old.limit),
        }
    }

    /// Whether who came in by `tls` would come in by the same one now.
    pub(super) fn speaks(&self, tls: Option<&Arc<Tls>>) -> bool {
        match (&self.tls, tls) {
            (None, None) => true,
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            _ => false,
        }
    }

    /// Whether everybody has to sign in.
    pub(super) fn asks(&self) -> bool {
        self.users.is_some()
    }

    /// Whether this request is within the limit of requests.
    pub(super) fn has_room(&self) -> bool {
        self.bucket.as_ref().is_none_or(|bucket| bucket.take())
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

fn kept<T>(new: Option<Arc<T>>, old: Option<&Arc<T>>, same: impl Fn(&T, &T) -> bool) -> Option<Arc<T>> {
    match (new, old) {
        (Some(new), Some(old)) if same(&new, old) => Some(Arc::clone(old)),
        (new, _) => new,
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
    fn what_is_remembered_of_passwords_lasts_as_long_as_the_users() {
        let hash = |password| bcrypt::hash(password, 4).unwrap();
        let (alice, bob) = (format!("  alice: {}\n", hash("a")), format!("  bob: {}\n", hash("b")));
        let door = |before: &str, users: &str| {
            let text = format!("{before}basic_auth_users:\n{users}");
            Door::new(Some(&WebConfig::parse(&text, std::path::Path::new("web.yml")).unwrap())).unwrap()
        };
        let old = door("", &alice);
        let same = |new: Door| match (&new.going_on_from(&old).users, &old.users) {
            (Some(new), Some(old)) => Arc::ptr_eq(new, old),
            _ => false,
        };
        assert!(same(door("", &alice)));
        assert!(same(door("http_server_config:\n  headers: {X-Frame-Options: deny}\n", &alice)));
        assert!(!same(door("", &format!("{alice}{bob}"))));
        assert!(!same(door("", &format!("  alice: {}\n", hash("a")))), "another hash may be another password");
        assert!(!same(Door::default()));
    }

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
