//! Why a poll failed: one closed set, used by the client that finds it, the cache that keeps it and the metric that
//! shows it (`netbackup_collector_poll_failures_total{reason}`).

/// Why a request or a poll failed. The set is closed, so that every reason can stand at 0 from the first scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No connection: name resolution, refused, reset, proxy.
    Connect,
    /// The TLS handshake or the certificate.
    Tls,
    /// No answer, or no whole answer, in time.
    Timeout,
    /// The credentials were refused (401).
    Auth,
    /// A right is missing: 401 with errorCode 8000, 403, or a job list that is empty because the key may not see it.
    Forbidden,
    /// The primary does not speak the API version that was asked for (406).
    Version,
    /// The primary asks to slow down: 429, or 503 with `Retry-After`.
    Throttled,
    /// Any other status, redirects too.
    Http,
    /// The body was not what the endpoint answers.
    Decode,
    /// The body, or the number of pages, was larger than makes sense.
    TooLarge,
    /// Not asked at all, because the site's circuit is open.
    Circuit,
    /// A defect of the exporter: a panic.
    Internal,
}

impl Reason {
    /// Every reason, in the order in which they are shown.
    pub const ALL: [Reason; 12] = [
        Reason::Connect,
        Reason::Tls,
        Reason::Timeout,
        Reason::Auth,
        Reason::Forbidden,
        Reason::Version,
        Reason::Throttled,
        Reason::Http,
        Reason::Decode,
        Reason::TooLarge,
        Reason::Circuit,
        Reason::Internal,
    ];

    /// The label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Connect => "connect",
            Reason::Tls => "tls",
            Reason::Timeout => "timeout",
            Reason::Auth => "auth",
            Reason::Forbidden => "forbidden",
            Reason::Version => "version",
            Reason::Throttled => "throttled",
            Reason::Http => "http",
            Reason::Decode => "decode",
            Reason::TooLarge => "too_large",
            Reason::Circuit => "circuit",
            Reason::Internal => "internal",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a poll, or a request of it, failed: what pages and metrics may say, and what only the log says.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The class, which decides about the backoff.
    pub reason: Reason,
    /// Path template of the endpoint that was asked, where one was.
    pub endpoint: Option<&'static str>,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The rights whose want made it fail, such as `MANAGE/JOBS VIEW`.
    pub rights: Vec<&'static str>,
    /// The wait that the primary asked for (`Retry-After`), as it was understood; not capped yet.
    pub retry_after: Option<std::time::Duration>,
    /// The primary's release does not offer what was asked for: it answers 404.
    pub unsupported: bool,
    /// The whole chain for the log: what was attempted, what came back, what to do. Never a secret, never a query.
    pub detail: String,
}

impl Failure {
    /// A failure that no endpoint had a part in.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Failure {
        let (endpoint, status, rights, retry_after, unsupported) = (None, None, Vec::new(), None, false);
        Failure { reason, endpoint, status, rights, retry_after, unsupported, detail: detail.into() }
    }

    /// What a page may show: reason, endpoint template, status and the missing right, nothing that the primary sent.
    #[must_use]
    pub fn public_message(&self) -> String {
        let mut message = match (self.endpoint, self.status) {
            (Some(endpoint), Some(status)) => format!("{} on {endpoint}: HTTP status {status}", self.reason),
            (Some(endpoint), None) => format!("{} on {endpoint}", self.reason),
            (None, _) => self.reason.to_string(),
        };
        if !self.rights.is_empty() {
            message.push_str("; missing right: ");
            message.push_str(&self.rights.join(", "));
        }
        message
    }
}
