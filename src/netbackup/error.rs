//! What can go wrong with a request, mapped onto the closed set of reasons. The words are for the log: what was asked,
//! of which site, what came back, what to do. Never a key, never a URL.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::look::Glance;
use crate::reason::{Failure, Reason};

type Source = Box<dyn StdError + Send + Sync>;

/// A request that failed.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    reason: Reason,
    site: Arc<str>,
    endpoint: Endpoint,
    status: Option<u16>,
    retry_after: Option<Duration>,
    error_code: Option<i64>,
    /// The site signs in with a password.
    signs_in: bool,
    /// A part of the same list had been read before.
    in_midst: bool,
    what: String,
    source: Option<Source>,
    /// Rights that are missing beside that of the endpoint, where several were asked for one thing.
    other_rights: Vec<&'static str>,
    /// What the others of them let see.
    readable: Option<Glance>,
}

/// A client that could not be built: a file is missing or does not hold what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The file of a key or a password.
    #[error("site {site}: cannot read {key} {}: check that the file is there and readable", path.display())]
    SecretFile {
        /// The site's name.
        site: Arc<str>,
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key or a password itself; it is never shown.
    #[error("site {site}: the {what} {problem}")]
    Secret {
        /// The site's name.
        site: Arc<str>,
        /// What it is.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The program that prints the key; what it printed is never shown.
    #[error("site {site}: api_key_command {problem}")]
    KeyCommand {
        /// The site's name.
        site: Arc<str>,
        /// What went wrong.
        problem: String,
    },
    /// The session of a site with a password has ended.
    #[error("site {site}: there is no session; the next poll signs in")]
    NotSignedIn {
        /// The site's name.
        site: Arc<str>,
    },
    /// A file of `[site.tls]` that cannot be read.
    #[error("site {site}: cannot read {key} {}: check that the file is there and readable", path.display())]
    TlsFile {
        /// The site's name.
        site: Arc<str>,
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A proxy variable of the environment; its value is never shown.
    #[error("site {site}: {variable} {problem}")]
    Proxy {
        /// The site's name.
        site: Arc<str>,
        /// The variable.
        variable: &'static str,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// `[site.tls]` as a whole.
    #[error("site {site}: {problem}")]
    Tls {
        /// The site's name.
        site: Arc<str>,
        /// What is wrong, and what to do.
        problem: String,
        /// What the TLS library said.
        source: Option<Source>,
    },
}

impl Error {
    pub(crate) fn new(site: &Arc<str>, endpoint: Endpoint, reason: Reason, what: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            reason,
            site: Arc::clone(site),
            endpoint,
            status: None,
            retry_after: None,
            error_code: None,
            signs_in: false,
            in_midst: false,
            what: what.into(),
            source: None,
            other_rights: Vec::new(),
            readable: None,
        }))
    }

    /// Adds what came of other endpoints that were asked for the same thing: rights that are missing too, and what could be
    /// read (`None`: nothing).
    pub(crate) fn beside(mut self, rights: impl Iterator<Item = &'static str>, readable: Option<Glance>) -> Error {
        self.0.other_rights.extend(rights);
        self.0.readable = readable;
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Source>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    /// Whether the site signs in with a password, which the advice depends on.
    pub(crate) fn of_session(mut self, signs_in: bool) -> Error {
        self.0.signs_in = signs_in;
        self
    }

    /// Says that a part of the list had been read before.
    pub(crate) fn in_midst(mut self) -> Error {
        self.0.in_midst = true;
        self
    }

    /// Whether `endpoint` itself refused to be read at all, by this status or for want of a right, and not something that had to
    /// be asked first, or a page after others.
    pub(crate) fn is_refusal_of(&self, endpoint: Endpoint) -> bool {
        self.0.endpoint == endpoint && !self.0.in_midst && self.0.status.is_some()
    }

    /// Adds to what is said.
    pub(crate) fn with_remark(mut self, remark: &str) -> Error {
        self.0.what.push_str("; ");
        self.0.what.push_str(remark);
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Error {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_answer(mut self, retry_after: Option<Duration>, error_code: Option<i64>) -> Error {
        self.0.retry_after = retry_after;
        self.0.error_code = error_code;
        self
    }

    /// The class of the failure.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// Path template of the endpoint that failed; `/ping` where finding the version failed.
    #[must_use]
    pub fn endpoint(&self) -> &'static str {
        self.0.endpoint.template()
    }

    /// HTTP status, where there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The wait that the primary asked for, not capped.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// `errorCode` of the answer's body, where it had one.
    #[must_use]
    pub fn error_code(&self) -> Option<i64> {
        self.0.error_code
    }

    /// The right whose want made the request fail, where it did.
    #[must_use]
    pub fn right(&self) -> Option<&'static str> {
        if self.0.reason == Reason::Forbidden { self.0.endpoint.right() } else { None }
    }

    /// Every right that is missing, each once; the first is that of [`Error::right`].
    pub(crate) fn rights(&self) -> Vec<&'static str> {
        let mut rights: Vec<&'static str> = self.right().into_iter().collect();
        for right in &self.0.other_rights {
            if !rights.contains(right) {
                rights.push(right);
            }
        }
        rights
    }

    /// What could be read all the same.
    pub(crate) fn readable(&self) -> Option<Glance> {
        self.0.readable
    }

    /// What to do about it, where anybody knows.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let text = match (self.0.reason, self.0.status) {
            (Reason::Connect, _) => {
                "check that the primary runs, and that url, name resolution, firewall and proxy are right"
            }
            (Reason::Tls, _) => "check ca_file, and that the certificate bears the host of url (else set server_name)",
            (Reason::Timeout, _) => "the primary is slow or out of reach; request_timeout bounds one request",
            (Reason::Auth, _) if self.0.endpoint == Endpoint::Login => {
                "check username, password, domain_name and domain_type, and that the account is not locked"
            }
            (Reason::Auth, _) if self.0.signs_in => {
                "the next poll signs in again; check that nobody else signs in with the same account, and that it may use \
                 the API"
            }
            (Reason::Auth, _) => "check the API key: it may be wrong, expired or deleted",
            (Reason::Forbidden, _) => {
                let whose = if self.0.signs_in { "account" } else { "key's user" };
                let rights = self.rights();
                return (!rights.is_empty()).then(|| format!("grant {} to the role of the {whose}", in_words(&rights)));
            }
            (Reason::Version, _) => "a fixed api_version must be one that the primary speaks",
            (Reason::Throttled, _) if self.0.endpoint == Endpoint::Login => {
                "the primary limits sign-ins; the next one is made when it allows"
            }
            (Reason::Throttled, _) => "it will be asked less often; a lower max_requests or a longer TTL helps",
            (Reason::Http, Some(407)) => "a proxy wants credentials: put them into its variable, or use NO_PROXY",
            (Reason::Http, Some(300..=399)) => "redirects are not followed: set url to the primary itself",
            (Reason::Circuit, _) => "/ping is tried every few seconds, and polls go on as soon as it answers",
            (Reason::Decode, _) => "check that url leads to the REST API of a NetBackup primary",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Everything for the log: the message and its causes.
    #[must_use]
    pub fn chain(&self) -> String {
        self.with_causes(self.to_string())
    }

    /// What was asked and what came back, for one who knows the site and gets [`Error::advice`] apart.
    #[must_use]
    pub fn finding(&self) -> String {
        self.with_causes(format!("{} {}: {}", self.0.endpoint.method(), self.endpoint(), self.0.what))
    }

    fn with_causes(&self, mut text: String) -> String {
        if let Some(source) = &self.0.source {
            text.push_str(" (cause: ");
            text.push_str(&chain_text(source.as_ref()));
            text.push(')');
        }
        text
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let endpoint = self.0.endpoint;
        write!(f, "{} {} of site {}: {}", endpoint.method(), endpoint.template(), self.0.site, self.0.what)?;
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure {
            reason: error.reason(),
            endpoint: Some(error.endpoint()),
            status: error.status(),
            rights: error.right().into_iter().collect(),
            retry_after: error.retry_after(),
            detail: error.chain(),
            unsupported: false,
        }
    }
}

/// The causes below `error`, itself first. An I/O error that wraps another shows what it wraps: `source()` alone
/// would skip that one.
pub(crate) fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
    .take(16)
}

/// The first cause of type `T`.
pub(crate) fn find_cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref::<T>())
}

fn chain_text(error: &(dyn StdError + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let part = match cause.downcast_ref::<reqwest::Error>() {
            // The library's message would hold the whole URL with its query.
            Some(inner) if inner.url().is_some() => "request failed".to_owned(),
            _ => cause.to_string(),
        };
        if parts.last() != Some(&part) {
            parts.push(part);
        }
    }
    parts.join(": ")
}

/// As a sentence lists them.
pub(crate) fn in_words(rights: &[&str]) -> String {
    match rights {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => rights.concat(),
    }
}

/// Text of the primary made fit for one log line: no control characters, at most 200 characters.
pub(crate) fn sanitise(text: &str) -> String {
    const LONGEST: usize = 200;
    let mut clean: String = text.chars().filter(|c| !c.is_control()).take(LONGEST + 1).collect();
    if let Some((cut, _)) = clean.char_indices().nth(LONGEST) {
        clean.truncate(cut);
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(reason: Reason) -> Error {
        Error::new(&Arc::from("paris"), Endpoint::Jobs, reason, "something happened")
    }

    #[test]
    fn the_message_names_site_endpoint_and_what_to_do() {
        let error = error(Reason::Forbidden).with_status(401).with_answer(None, Some(8000));
        assert_eq!(
            error.to_string(),
            "GET /admin/jobs of site paris: something happened; grant MANAGE/JOBS VIEW to the role of the key's user"
        );
        let failure = Failure::from(error);
        assert_eq!(
            failure.public_message(),
            "forbidden on /admin/jobs: HTTP status 401; missing right: MANAGE/JOBS VIEW"
        );
    }

    #[test]
    fn what_to_do_depends_on_how_the_site_signs_in() {
        let advice = |reason, signs_in| error(reason).with_status(401).of_session(signs_in).advice().unwrap();
        assert!(advice(Reason::Auth, false).contains("API key"));
        assert!(advice(Reason::Auth, true).contains("account") && !advice(Reason::Auth, true).contains("key"));
        assert_eq!(advice(Reason::Forbidden, true), "grant MANAGE/JOBS VIEW to the role of the account");
    }

    #[test]
    fn the_chain_shows_wrapped_causes_once_each() {
        let inner = std::io::Error::other(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "reset by peer"));
        let text = error(Reason::Connect).with_source(inner).chain();
        assert!(text.ends_with("(cause: reset by peer)"), "{text}");
    }

    #[test]
    fn text_of_the_primary_cannot_break_a_log_line() {
        assert_eq!(sanitise("a\nb\u{1b}[31mc\u{7f}\u{85}"), "ab[31mc");
        let long = sanitise(&"é".repeat(500));
        assert_eq!(long.chars().count(), 201);
        assert!(long.ends_with('…'));
        assert_eq!(sanitise(&"x".repeat(200)).len(), 200);
    }
}
