//! A poll as a trace: one span for it, and one for each request within it. They are spans of `tracing` under a target of
//! their own that no log shows; unless something listens to it (`telemetry`), none is ever made.

use futures_util::future::BoxFuture;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use crate::reason::Reason;

/// The target of these spans.
pub const TARGET: &str = "netbackup_exporter::trace";

/// Why a span ended that was dropped before it had an outcome: the deadline of the poll, or a stop.
const CANCELLED: &str = "cancelled";

tokio::task_local! {
    /// The collector whose poll is under way; only set where it is traced.
    static COLLECTOR: &'static str;
}

/// The trace of one poll, from here until it is dropped.
#[derive(Debug)]
pub struct Poll {
    span: Span,
    collector: &'static str,
    ended: bool,
}

/// The span of one request, from here until it is dropped.
#[derive(Debug)]
pub struct Request {
    span: Span,
    ended: bool,
}

/// Where the requests of a site go.
#[derive(Debug, Clone)]
pub struct Server {
    host: String,
    port: Option<i64>,
}

impl Poll {
    /// Begins a trace.
    #[must_use]
    pub fn start(site: &str, collector: &'static str) -> Poll {
        let span = info_span!(
            target: TARGET,
            parent: None,
            "poll",
            site,
            collector,
            outcome = Empty,
            series = Empty,
            rejected_records = Empty,
            "error.type" = Empty,
            "otel.status_code" = Empty,
        );
        Poll { span, collector, ended: false }
    }

    /// The work of the poll, so that its requests become part of the trace. The same future where nothing is traced.
    #[must_use]
    pub fn around<'a, T: 'a>(&self, work: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
        if self.span.is_disabled() {
            return work;
        }
        Box::pin(COLLECTOR.scope(self.collector, work).instrument(self.span.clone()))
    }

    /// It ended well.
    pub fn succeeded(mut self, series: usize, rejected: u64) {
        self.ended = true;
        self.span.record("outcome", "success");
        self.span.record("series", integer(series));
        self.span.record("rejected_records", integer(rejected));
    }

    /// It failed.
    pub fn failed(mut self, reason: Reason) {
        self.fail(reason.as_str());
    }

    fn fail(&mut self, reason: &str) {
        self.ended = true;
        self.span.record("outcome", "failure");
        fail(&self.span, reason);
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        if !self.ended {
            self.fail(unended());
        }
    }
}

impl Server {
    /// Of a base URL.
    #[must_use]
    pub fn of(url: &url::Url) -> Server {
        Server { host: url.host_str().unwrap_or_default().to_owned(), port: url.port_or_known_default().map(i64::from) }
    }
}

impl Request {
    /// Begins a span below that of the poll; a request outside of a traced poll has none. `template`: the path without
    /// what is filled in. `page`: which one of a list, from 1.
    #[must_use]
    pub fn start(site: &str, server: &Server, method: &str, template: &str, page: Option<u64>) -> Request {
        let span = COLLECTOR.try_with(|collector| {
            info_span!(
                target: TARGET,
                "request",
                "otel.name" = format!("{method} {template}"),
                "otel.kind" = "client",
                site,
                collector,
                endpoint = template,
                page = page.map(integer),
                "http.request.method" = method,
                "url.template" = template,
                "server.address" = server.host,
                "server.port" = server.port,
                "http.request.resend_count" = Empty,
                "http.response.status_code" = Empty,
                body_bytes = Empty,
                "error.type" = Empty,
                "otel.status_code" = Empty,
            )
        });
        Request { span: span.unwrap_or_else(|_| Span::none()), ended: false }
    }

    /// The exchange itself.
    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        work.instrument(self.span.clone()).await
    }

    /// A whole, good answer with a body of so many bytes after decompression.
    pub fn succeeded(mut self, status: u16, body_bytes: usize) {
        self.ended = true;
        self.span.record("http.response.status_code", i64::from(status));
        self.span.record("body_bytes", integer(body_bytes));
    }

    /// A bad answer, or none.
    pub fn failed(mut self, status: Option<u16>, reason: Reason) {
        self.ended = true;
        self.span.record("http.response.status_code", status.map(i64::from));
        fail(&self.span, reason.as_str());
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.ended {
            fail(&self.span, unended());
        }
    }
}

/// Says of the request under way that it is sent again.
pub fn resent() {
    Span::current().record("http.request.resend_count", 1_i64);
}

fn fail(span: &Span, reason: &str) {
    span.record("error.type", reason);
    span.record("otel.status_code", "ERROR");
}

/// Why something ends that nobody ended.
fn unended() -> &'static str {
    if std::thread::panicking() { Reason::Internal.as_str() } else { CANCELLED }
}

/// The only whole number that the conversion to OpenTelemetry keeps one.
fn integer(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
