//! One request and its answer: headers, time, size, statistics, and the reason where it fails. Knows nothing of
//! versions to try or pages to follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::circuit::Circuit;
use super::credential::Credentials;
use super::endpoint::{Accept, Endpoint, Method};
use super::error::{Error, sanitise};
use super::fault::{Complaint, classify, read_complaint, was_closed_under_us};
use super::query::Target;
use super::retry::{self, Budget};
use super::retry_after;
use super::stream::Decode;
use super::transport::Transport;
use super::version::ApiVersion;
use crate::config::{Environment, Site};
use crate::reason::Reason;
use crate::stats::{ApiStats, Code};
use crate::trace;

/// After decompression. A page of 500 storage units is about a megabyte; several of these may be read at a time.
const LARGEST_BODY: usize = 32 * 1024 * 1024;
const LARGEST_TEXT_BODY: usize = 64 * 1024;
const LARGEST_ERROR_BODY: usize = 64 * 1024;

/// "User does not have permission(s) to perform the requested operation."
const PERMISSION_DENIED: i64 = 8000;

/// What is sent.
pub(crate) struct Request<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) target: &'a Target,
    /// JSON of a POST.
    pub(crate) body: Option<&'a str>,
    /// Needed by JSON endpoints.
    pub(crate) version: Option<ApiVersion>,
    /// Reads the body of a 200 while it arrives; `None`: it is wanted as text.
    pub(crate) decode: Option<&'a Arc<dyn Decode>>,
}

/// A 200 with its whole body; one that was decoded as it arrived is empty here.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// Our wall clock when the request went out.
    pub(crate) sent: SystemTime,
    /// From there to the answer's headers.
    pub(crate) latency: Duration,
}

/// What every request of a site shares.
pub(crate) struct Exchange {
    pub(crate) site: Arc<str>,
    pub(crate) stats: Arc<ApiStats>,
    transport: Transport,
    /// Shared with the client before this one, where that signed in in the same way.
    pub(super) credentials: Arc<Credentials>,
    pub(super) circuit: Circuit,
    /// Another client has taken over: what is cut off is no failure.
    pub(super) is_retired: AtomicBool,
    /// Whether a connection may be waiting in the pool, and so may have been closed under a request.
    pooled: AtomicBool,
    server: trace::Server,
}

/// Counts a request when it is over, whichever way: also when the poll's deadline drops it.
struct Count<'a> {
    stats: &'a ApiStats,
    /// What a failure is held against.
    circuit: Option<&'a Circuit>,
    endpoint: Endpoint,
    started: Instant,
    /// `None`: it was cut off, by a deadline unless the client is retired.
    code: Option<Code>,
    is_retired: &'a AtomicBool,
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        if self.code.is_none() && self.is_retired.load(Relaxed) {
            return;
        }
        let code = self.code.unwrap_or(Code::NoAnswer(Reason::Timeout));
        self.stats.request(self.endpoint.slot(), self.endpoint.template(), code, self.started.elapsed());
        if let (Some(circuit), Code::NoAnswer(reason)) = (self.circuit, code) {
            circuit.failed(self.started, self.endpoint == Endpoint::Ping, reason);
        }
    }
}

impl Exchange {
    pub(crate) fn new(
        site: &Site,
        stats: Arc<ApiStats>,
        credentials: Option<Arc<Credentials>>,
        environment: &Environment,
    ) -> Result<Exchange, super::BuildError> {
        let transport = Transport::new(site, environment)?;
        let credentials = match credentials {
            Some(credentials) => credentials,
            None => Arc::new(Credentials::new(&site.name, &site.credential)?),
        };
        let server = trace::Server::of(&site.url);
        Ok(Exchange {
            site: Arc::clone(&site.name),
            circuit: Circuit::new(&site.name, &stats),
            stats,
            transport,
            credentials,
            is_retired: AtomicBool::new(false),
            pooled: AtomicBool::new(false),
            server,
        })
    }

    pub(crate) fn is_proxied(&self) -> bool {
        self.transport.is_proxied
    }

    pub(crate) fn error(&self, endpoint: Endpoint, reason: Reason, what: impl Into<String>) -> Error {
        let signs_in = self.credentials.session().is_some();
        Error::new(&self.site, endpoint, reason, what).of_session(signs_in)
    }

    /// Sends `request` and reads the answer. Anything but a 200 of the right kind is an error.
    pub(crate) async fn run(&self, request: &Request<'_>, budget: &mut Budget) -> Result<Answer, Error> {
        let facts = request.endpoint.facts();
        let (method, page) = (facts.method.name(), request.target.page);
        let span = trace::Request::start(&self.site, &self.server, method, facts.template, page);
        let answer = span.around(Box::pin(self.exchange(request, budget))).await;
        match &answer {
            Ok(answer) => span.succeeded(200, answer.body.len()),
            Err(error) => span.failed(error.status(), error.reason()),
        }
        answer
    }

    async fn exchange(&self, request: &Request<'_>, budget: &mut Budget) -> Result<Answer, Error> {
        let endpoint = request.endpoint;
        let facts = endpoint.facts();
        let authorization = if facts.needs_auth {
            let key = self.credentials.header().await.map_err(|error| {
                self.error(endpoint, Reason::Auth, "not sent, because there is no usable credential").with_source(error)
            })?;
            if budget.of_poll && self.credentials.is_hopeless(&key) {
                let what = "not sent, because the primary has just refused this key several times";
                return Err(self.error(endpoint, Reason::Auth, what));
            }
            Some(key)
        } else {
            None
        };
        let id = format!("{:032x}", fastrand::u128(..));
        let url = request.target.below(&self.transport.base);
        let mut headers = HeaderMap::new();
        let media_type = match (facts.accept, request.version) {
            (Accept::Json, Some(version)) => format!("application/vnd.netbackup+json;version={version}"),
            (Accept::Json, None) => "application/vnd.netbackup+json".to_owned(),
            (Accept::Text, _) => "text/plain".to_owned(),
        };
        let built = |_| self.error(endpoint, Reason::Internal, "the request could not be written");
        let media_type = HeaderValue::from_str(&media_type).map_err(built)?;
        if request.body.is_some() {
            headers.insert(CONTENT_TYPE, media_type.clone());
        }
        headers.insert(ACCEPT, media_type);
        headers.insert("x-request-id", HeaderValue::from_str(&id).map_err(built)?);
        if let Some(host) = &self.transport.host {
            headers.insert(HOST, host.clone());
        }
        if let Some(key) = &authorization {
            headers.insert(AUTHORIZATION, key.clone());
        }

        let started = Instant::now();
        let circuit = budget.of_poll.then_some(&self.circuit);
        let is_retired = &self.is_retired;
        let mut count = Count { stats: &self.stats, circuit, endpoint, started, code: None, is_retired };
        let mut sent = SystemTime::now();
        let mut sent_at = started;
        let mut retried = false;
        let response = loop {
            let method = match facts.method {
                Method::Get => reqwest::Method::GET,
                Method::Post => reqwest::Method::POST,
            };
            let left = budget.time.saturating_sub(started.elapsed());
            let mut builder = self.transport.http.request(method, &url).headers(headers.clone()).timeout(left);
            if let Some(body) = request.body {
                // It may hold a password.
                builder = builder.body(Bytes::from_owner(Zeroizing::new(body.as_bytes().to_vec())));
            }
            match builder.send().await {
                Ok(response) => break response,
                Err(error)
                    if !retried
                        && endpoint.may_repeat()
                        && budget.repeated < retry::MOST
                        && self.pooled.load(Relaxed)
                        && was_closed_under_us(&error) =>
                {
                    retried = true;
                    budget.repeated = budget.repeated.saturating_add(1);
                    self.stats.add_retry();
                    trace::resent();
                    (sent, sent_at) = (SystemTime::now(), Instant::now());
                }
                Err(error) => {
                    let reason = classify(&error, false);
                    count.code = Some(Code::NoAnswer(reason));
                    tracing::debug!(site = %self.site, endpoint = facts.template, request_id = id, %reason, "no answer");
                    return Err(self.broken(endpoint, reason, error));
                }
            }
        };
        let latency = sent_at.elapsed();
        let status = response.status().as_u16();
        count.code = Some(Code::Status(status));
        self.circuit.answered();
        let answer = self.read(request, response, status, authorization.as_ref()).await;
        if let Some(sent) = &authorization {
            self.credentials.judge(sent, answer.as_ref().err());
        }
        let took = started.elapsed();
        tracing::debug!(site = %self.site, endpoint = facts.template, request_id = id, status, ?took, "answered");
        self.pooled.store(true, Relaxed);
        let (headers, body) = answer?;
        Ok(Answer { headers, body, sent, latency })
    }

    pub(super) fn broken(&self, endpoint: Endpoint, reason: Reason, error: reqwest::Error) -> Error {
        let what = match reason {
            Reason::Timeout => "no whole answer in time",
            Reason::Tls => "the TLS connection failed",
            Reason::Decode => "the answer is not what HTTP or its compression allows",
            Reason::Internal => "the request could not be written",
            _ => "no connection, or it was closed before the whole answer had come",
        };
        self.error(endpoint, reason, what).with_source(error.without_url())
    }

    async fn read(
        &self,
        request: &Request<'_>,
        mut response: Response,
        status: u16,
        sent: Option<&HeaderValue>,
    ) -> Result<(HeaderMap, String), Error> {
        let endpoint = request.endpoint;
        if !endpoint.is_success(status) {
            return Err(self.complaint(endpoint, response, status, sent).await);
        }
        let json = endpoint.facts().accept == Accept::Json;
        let fail = |reason, what: String| self.error(endpoint, reason, what).with_status(status);
        if json && !is_json(response.headers()) {
            let what = match response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) {
                Some(kind) => {
                    format!("the answer is {}, not JSON", sanitise(&self.credentials.hide(kind.to_owned(), sent)))
                }
                None => "the answer does not say that it is JSON".to_owned(),
            };
            return Err(fail(Reason::Decode, what));
        }
        // Not before: a login page of something in between answers 200 as well.
        self.judge(endpoint, status, None);
        if let Some(decode) = request.decode {
            self.stream(endpoint, &mut response, decode).await?;
            return Ok((std::mem::take(response.headers_mut()), String::new()));
        }
        let largest = if json { LARGEST_BODY } else { LARGEST_TEXT_BODY };
        let too_large = || fail(Reason::TooLarge, format!("the body is larger than {largest} bytes"));
        // Only a hint, and absent for a compressed body: the count below is what protects.
        let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if announced > largest {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(announced.min(1024 * 1024));
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    self.stats.add_received(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                    if body.len().saturating_add(chunk.len()) > largest {
                        return Err(too_large());
                    }
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => break,
                Err(error) => {
                    return Err(self.broken(endpoint, classify(&error, true), error).with_status(status));
                }
            }
        }
        let headers = std::mem::take(response.headers_mut());
        match String::from_utf8(body) {
            Ok(body) => Ok((headers, body)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                Err(fail(Reason::Decode, format!("the body is not UTF-8 after {at} bytes")))
            }
        }
    }

    async fn complaint(
        &self,
        endpoint: Endpoint,
        response: Response,
        status: u16,
        sent: Option<&HeaderValue>,
    ) -> Error {
        let header = response.headers().get(RETRY_AFTER);
        let asked_to_wait = header.is_some();
        let now = retry_after::now(response.headers(), self.stats.clock_offset_seconds());
        let wait = header.and_then(|value| value.to_str().ok()).and_then(|value| retry_after::parse(value, now));
        let complaint = self.read_complaint(response, sent).await;
        self.judge(endpoint, status, complaint.code);
        let reason = match status {
            401 if complaint.code == Some(PERMISSION_DENIED) && endpoint != Endpoint::Login => Reason::Forbidden,
            401 => Reason::Auth,
            403 => Reason::Forbidden,
            406 => Reason::Version,
            429 => Reason::Throttled,
            503 if asked_to_wait => Reason::Throttled,
            _ => Reason::Http,
        };
        let mut what = format!("HTTP status {status}");
        if let Some(code) = complaint.code {
            what.push_str(&format!(", errorCode {code}"));
        }
        if !complaint.text.is_empty() {
            what.push_str(&format!(", \"{}\"", complaint.text));
        }
        self.error(endpoint, reason, what).with_status(status).with_answer(wait, complaint.code)
    }

    /// What the error body says, as far as it can be had: it may be HTML, or nothing.
    async fn read_complaint(&self, mut response: Response, sent: Option<&HeaderValue>) -> Complaint {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            self.stats.add_received(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_ERROR_BODY {
                return Complaint::default();
            }
        }
        read_complaint(&body, |text| self.credentials.hide(text, sent))
    }

    /// Keeps what an answer says about the credentials.
    fn judge(&self, endpoint: Endpoint, status: u16, error_code: Option<i64>) {
        if !endpoint.facts().needs_auth {
            return;
        }
        match (status, error_code) {
            (401, Some(PERMISSION_DENIED)) => self.stats.set_refused(false),
            // A refusal only once it is clear that there is no other key or token.
            (401, _) => {}
            // A release that lacks the endpoint answers 404 to anybody.
            (404, _) if endpoint == Endpoint::AuthorizationContext => {}
            // Redirects, 406 and 407 are answered before, or by something that never saw, the key; so is 429.
            (200..=299 | 400 | 403..=405 | 415, _) => self.stats.set_refused(false),
            _ => {}
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return false };
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}
