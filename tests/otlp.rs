//! Traces as a receiver gets them: the real binary polls the simulator and sends to a real OTLP receiver on loopback.
#![cfg(feature = "otlp")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use netbackup_exporter::simulator::{Options, Simulator};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message;
use support::{Exporter, binary};

const SECRET: &str = "s3cr3t-sentinel-77aa";
const TOKEN: &str = "t0ken-sentinel-11bb";

// Where a test waits for a process it blocks its thread: the receiver then needs another one.

/// How a receiver answers.
#[derive(Clone, Copy)]
enum Answer {
    Status(u16),
    Never,
}

/// An OTLP receiver.
struct Receiver {
    endpoint: String,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Receiver {
    async fn start(answer: Answer) -> Receiver {
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&got);
        let handler = async move |headers: HeaderMap, body: Bytes| {
            kept.lock().unwrap().push((headers, body));
            match answer {
                Answer::Status(status) => StatusCode::from_u16(status).unwrap(),
                Answer::Never => std::future::pending().await,
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().route("/v1/traces", post(handler));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Receiver { endpoint, got }
    }

    fn requests(&self) -> Vec<(HeaderMap, ExportTraceServiceRequest)> {
        let got = self.got.lock().unwrap();
        let decoded = |(headers, body): &(HeaderMap, Bytes)| {
            (headers.clone(), ExportTraceServiceRequest::decode(body.clone()).unwrap())
        };
        got.iter().map(decoded).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.requests().into_iter().flat_map(|(_, request)| request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    fn polls(&self) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.parent_span_id.is_empty()).collect()
    }
}

async fn primary(storage_units: usize) -> Simulator {
    let options = Options { api_key: SECRET.to_owned(), jobs: 700, storage_units, ..Options::default() };
    Simulator::start(options).await.unwrap()
}

fn config(endpoint: &str, telemetry: &str, primary: &str) -> String {
    format!(
        "[telemetry]\notlp_endpoint = \"{endpoint}\"\n{telemetry}\n[[site]]\nname = \"paris\"\nurl = \"{primary}\"\n\
         api_key = \"{SECRET}\"\n"
    )
}

async fn once(config: String) -> Output {
    let run = move || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, config).unwrap();
        binary().arg("--config.file").arg(&path).args(["--once", "--log.level", "trace"]).output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn attributes(list: &[KeyValue]) -> BTreeMap<&str, String> {
    let text = |attribute: &KeyValue| match attribute.value.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{} is {other:?}", attribute.key),
    };
    list.iter().map(|attribute| (attribute.key.as_str(), text(attribute))).collect()
}

fn attribute(span: &Span, key: &str) -> String {
    attributes(&span.attributes).get(key).cloned().unwrap_or_else(|| panic!("no {key} in {span:?}"))
}

fn status(span: &Span) -> SpanStatus {
    span.status.as_ref().map_or(SpanStatus::Unset, |status| status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_is_one_trace_with_a_span_for_each_request() {
    let (primary, receiver) = (primary(700).await, Receiver::start(Answer::Status(200)).await);
    let headers = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&headers, format!("Authorization: Bearer {TOKEN}\nX-Scope-OrgID: 7\n")).unwrap();
    let telemetry = format!("headers_file = {:?}", headers.path());
    let mut exporter = Exporter::start(&config(&receiver.endpoint, &telemetry, &primary.base_url()));
    exporter.until("data", |samples| samples.sum("netbackup_collector_success", &[]) >= 2.0).await;
    exporter.signal("TERM");
    assert_eq!(exporter.wait(Duration::from_secs(20)).code(), Some(0));

    let (spans, polls) = (receiver.spans(), receiver.polls());
    let collectors: BTreeSet<String> = polls.iter().map(|poll| attribute(poll, "collector")).collect();
    assert_eq!((polls.len(), collectors), (2, BTreeSet::from(["jobs".to_owned(), "storage".to_owned()])));
    for poll in &polls {
        assert_eq!((poll.name.as_str(), status(poll)), ("poll", SpanStatus::Unset));
        assert_eq!([attribute(poll, "site"), attribute(poll, "outcome")], ["paris", "success"]);
        assert!(attribute(poll, "series").parse::<u64>().unwrap() > 10);
    }
    let mut asked: BTreeMap<String, u64> = BTreeMap::new();
    for span in spans.iter().filter(|span| !span.parent_span_id.is_empty()) {
        let poll = polls.iter().find(|poll| poll.trace_id == span.trace_id).expect("a request belongs to a poll");
        assert_eq!(span.parent_span_id, poll.span_id);
        assert!(poll.start_time_unix_nano <= span.start_time_unix_nano);
        assert!(span.start_time_unix_nano < span.end_time_unix_nano);
        assert!(span.end_time_unix_nano <= poll.end_time_unix_nano);
        assert_eq!((span.kind(), status(span)), (SpanKind::Client, SpanStatus::Unset));
        let endpoint = attribute(span, "endpoint");
        assert_eq!(span.name, format!("{} {endpoint}", attribute(span, "http.request.method")));
        assert_eq!(attribute(span, "collector"), attribute(poll, "collector"));
        assert_eq!(
            [attribute(span, "site"), attribute(span, "url.template"), attribute(span, "http.response.status_code")],
            ["paris", endpoint.as_str(), "200"]
        );
        let address = format!("{}:{}", attribute(span, "server.address"), attribute(span, "server.port"));
        assert!(primary.base_url().contains(&address), "{address}");
        assert!(attribute(span, "body_bytes").parse::<u64>().unwrap() > 0);
        *asked.entry(endpoint).or_default() += 1;
    }
    // Those of the walkers that run side by side too: the same requests as the primary has seen, each once.
    let seen = primary.control().request_counts();
    let seen: BTreeMap<String, u64> = seen.into_iter().map(|(endpoint, count)| (endpoint.to_owned(), count)).collect();
    assert_eq!(asked, seen);
    let pages = spans.iter().filter(|span| span.name == "GET /storage/storage-units");
    let pages: BTreeSet<String> = pages.map(|span| attribute(span, "page")).collect();
    assert_eq!(pages, BTreeSet::from(["1".to_owned(), "2".to_owned()]));

    for (headers, request) in receiver.requests() {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
        assert_eq!(headers["x-scope-orgid"], "7");
        let resource = request.resource_spans[0].resource.as_ref().unwrap();
        let resource = attributes(&resource.attributes);
        assert_eq!(resource["service.name"], "netbackup_exporter");
        assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
        let text = format!("{request:?}");
        for hidden in [SECRET, TOKEN, "filter", "page[", "page%5B", "http://", "netbackup/"] {
            assert!(!text.contains(hidden), "{hidden} is in a trace");
        }
    }
    let log = exporter.log().join("\n");
    assert!(log.contains("sending traces") && !log.contains(TOKEN) && !log.contains(SECRET), "{log}");
}

#[tokio::test]
async fn once_sends_before_it_ends_and_as_many_as_are_sampled() {
    let primary = primary(3).await;
    for (ratio, expected) in [("1.0", 2), ("0.0", 0)] {
        let receiver = Receiver::start(Answer::Status(200)).await;
        let telemetry = format!("sample_ratio = {ratio}");
        // With the path of the protocol or without.
        let output = once(config(&format!("{}/v1/traces", receiver.endpoint), &telemetry, &primary.base_url())).await;
        assert_eq!(output.status.code(), Some(0));
        assert_eq!((receiver.polls().len(), receiver.requests().is_empty()), (expected, expected == 0));
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(!log.contains("target=netbackup_exporter::trace") && !log.contains("opentelemetry"), "{log}");
        assert!(!log.contains("collector=jobs collector"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_ill_disturbs_neither_polls_nor_the_stop() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (hanging, failing) = (Receiver::start(Answer::Never).await, Receiver::start(Answer::Status(500)).await);
    for (endpoint, said_before, said_after) in [
        (hanging.endpoint.clone(), "", "could not be sent before the stop"),
        (failing.endpoint.clone(), "status code: 500", ""),
        (format!("http://{closed}"), "network error", ""),
    ] {
        let primary = primary(3).await;
        let short = "[poll]\njobs_ttl = \"300ms\"\njobs_stale_after = \"10s\"\n";
        let mut exporter = Exporter::start(&config(&endpoint, short, &primary.base_url()));
        exporter.wait_for_log(said_before);
        let polls = [("collector", "jobs")];
        exporter.until("polls", |samples| samples.sum("netbackup_collector_polls_total", &polls) >= 5.0).await;
        assert_eq!(exporter.scrape().await.sum("netbackup_collector_poll_failures_total", &[]), 0.0);
        exporter.signal("TERM");
        assert_eq!(exporter.wait(Duration::from_secs(5)).code(), Some(0), "{endpoint}: {:#?}", exporter.log());
        exporter.wait_for_log(said_after);
    }
    assert!(!hanging.requests().is_empty() && !failing.requests().is_empty());
}

#[tokio::test]
async fn the_primary_hears_nothing_of_a_trace_and_a_failure_is_in_it() {
    let receiver = Receiver::start(Answer::Status(200)).await;
    let got: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let kept = Arc::clone(&got);
    let answer = async move |headers: HeaderMap| {
        kept.lock().unwrap().push(headers);
        (StatusCode::INTERNAL_SERVER_ERROR, "words of the primary")
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let primary = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });

    assert_eq!(once(config(&receiver.endpoint, "", &primary)).await.status.code(), Some(1));
    let headers = got.lock().unwrap().clone();
    assert!(!headers.is_empty());
    for headers in headers {
        let names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
        for foreign in ["traceparent", "tracestate", "baggage", "b3"] {
            assert!(!names.contains(&foreign), "{names:?}");
        }
    }
    let polls = receiver.polls();
    assert_eq!(polls.len(), 2);
    for span in receiver.spans() {
        assert_eq!((attribute(&span, "error.type").as_str(), status(&span)), ("http", SpanStatus::Error));
        let (key, value) = match span.parent_span_id.is_empty() {
            true => ("outcome", "failure"),
            false => ("http.response.status_code", "500"),
        };
        assert_eq!(attribute(&span, key), value);
        assert!(!format!("{span:?}").contains("words of the primary"));
    }
}
