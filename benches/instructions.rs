//! One of the paths that must stay short, alone and with fixed input, for `benches/instructions.sh`, which counts its
//! instructions with callgrind: a count does not depend on how busy the machine is, as a time does.
//!
//! Usage: `instructions SCENARIO`; without one the names are printed. What is counted is all that [`measured`] does.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench ends where something is wrong"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use netbackup_exporter::cache::Writer;
use netbackup_exporter::clock::Stamp;
use netbackup_exporter::exposition::Rendered;
use netbackup_exporter::netbackup::{read_hosts, read_jobs_page};
use netbackup_exporter::server::router;
use tokio::runtime::Runtime;
use tower::ServiceExt;

mod served;

use served::{served, snapshot};

/// How often a scrape is asked for. The clock stands still, so that the live part, which is made once a second, is not
/// made by chance.
const SCRAPES: u32 = 200;

/// What a client may accept.
const TEXT: &str = "text/plain;version=0.0.4";
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";

type Scenario = (&'static str, fn() -> Box<dyn FnOnce()>);

const SCENARIOS: [Scenario; 8] = [
    ("render", || Box::new(|| drop(black_box(snapshot(1))))),
    ("publish", publish),
    ("scrape_plain", || scrapes("GET", TEXT, "identity")),
    ("scrape_gzip", || scrapes("GET", TEXT, "gzip")),
    ("scrape_openmetrics_gzip", || scrapes("GET", OPEN_METRICS, "gzip")),
    ("scrape_head", || scrapes("HEAD", TEXT, "gzip")),
    ("decode_jobs", decode_jobs),
    ("decode_hosts", decode_hosts),
];

fn main() {
    let Some(name) = std::env::args().nth(1).filter(|name| !name.starts_with('-')) else {
        SCENARIOS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    let (_, prepare) = SCENARIOS.iter().find(|(other, _)| *other == name).unwrap();
    measured(prepare());
}

/// Callgrind counts from here to the end of it.
#[inline(never)]
fn measured(scenario: Box<dyn FnOnce()>) {
    scenario();
}

/// The server behind its paths.
fn server() -> (Runtime, Router, Writer<Rendered>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    // What the system says of the process cannot be read below callgrind.
    let own = || "netbackup_exporter_build_info 1\n".to_owned();
    let (app, writer) = runtime.block_on(async { served(Box::new(own)) });
    (runtime, router(app), writer)
}

/// One scrape; how many bytes came.
fn scrape(runtime: &Runtime, router: &Router, method: &str, accept: &str, encoding: &str) -> usize {
    let request = Request::builder().method(method).uri("/metrics").header("accept-encoding", encoding);
    let request = request.header("accept", accept).body(Body::empty()).unwrap();
    runtime.block_on(async {
        let mut body = router.clone().oneshot(request).await.unwrap().into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame.unwrap().data_ref().map_or(0, |data| data.len());
        }
        bytes
    })
}

/// Scrapes that find nothing new.
fn scrapes(method: &'static str, accept: &'static str, encoding: &'static str) -> Box<dyn FnOnce()> {
    let (runtime, router, writer) = server();
    scrape(&runtime, &router, method, accept, encoding);
    Box::new(move || {
        for _ in 0..SCRAPES {
            let bytes = scrape(&runtime, &router, method, accept, encoding);
            assert_eq!(bytes > 10_000, method == "GET");
        }
        drop(writer);
    })
}

/// A snapshot is published, and the first scrape after it assembles an answer of it.
fn publish() -> Box<dyn FnOnce()> {
    let (runtime, router, mut writer) = server();
    scrape(&runtime, &router, "GET", TEXT, "gzip");
    let next = Arc::new(snapshot(1));
    let now = runtime.block_on(async { Stamp::now() });
    Box::new(move || {
        writer.succeed(next, now, 0, Duration::ZERO);
        assert!(scrape(&runtime, &router, "GET", TEXT, "gzip") > 10_000);
    })
}

/// Appends so many attributes that nobody reads.
fn add_unread(body: &mut String, attributes: u32) {
    for attribute in 0..attributes {
        write!(body, ",\"attributeNobodyReads{attribute}\":\"a value of usual length\"").unwrap();
    }
}

/// A page of a hundred jobs with as many attributes as the published API has, of which those in use are kept.
fn decode_jobs() -> Box<dyn FnOnce()> {
    let mut body = String::from("{\"data\":[");
    for id in 1..=100 {
        let comma = if id == 1 { "" } else { "," };
        write!(
            body,
            "{comma}{{\"type\":\"job\",\"id\":\"{id}\",\"links\":{{\"self\":{{\"href\":\"/admin/jobs/{id}\"}}}},\"attributes\":{{\
             \"jobId\":{id},\"parentJobId\":0,\"jobType\":\"BACKUP\",\"state\":\"DONE\",\"status\":0,\"policyType\":\"VMWARE\",\
             \"policyName\":\"vm-\\\"gold\\\"-{id}\",\"clientName\":\"vm{id}.example.com\",\"jobQueueReason\":0,\
             \"startTime\":\"2026-11-24T20:00:00.000Z\",\"endTime\":\"2026-11-24T21:00:00.000Z\",\
             \"lastUpdateTime\":\"2026-11-24T21:00:01.000Z\",\"kilobytesTransferred\":104857600,\
             \"kilobytesDataTransferred\":26214400,\"numberOfFiles\":12345,\"elapsedTime\":\"PT1H\",\"dedupRatio\":3.5"
        )
        .unwrap();
        add_unread(&mut body, 50);
        body.push_str("}}");
    }
    body.push_str("],\"meta\":{\"pagination\":{\"limit\":100,\"offset\":0,\"count\":100}},\"links\":{}}");
    Box::new(move || {
        for _ in 0..10 {
            let text = std::str::from_utf8(black_box(body.as_bytes())).unwrap();
            assert_eq!(black_box(read_jobs_page(text).unwrap()).rows.len(), 100);
        }
    })
}

/// A list that comes whole: a hundred hosts, read record by record.
fn decode_hosts() -> Box<dyn FnOnce()> {
    let mut body = String::from("{\"hosts\":[");
    for host in 1..=100 {
        let comma = if host == 1 { "" } else { "," };
        write!(
            body,
            "{comma}{{\"uuid\":\"00000000-0000-4000-8000-{host:012}\",\"hostName\":\"host{host}.example.com\",\"nbuHostType\":\"CLIENT\",\
             \"nbuReleaseVersion\":\"11.0\",\"osType\":\"Linux\",\"dteClientMode\":\"ON\",\"isSecureEnabled\":true,\
             \"hostMappings\":[{{\"mappedHostName\":\"host{host}.example.com\",\"isApproved\":true,\"isConflicting\":false}}]"
        )
        .unwrap();
        add_unread(&mut body, 25);
        body.push('}');
    }
    body.push_str("]}");
    Box::new(move || {
        for _ in 0..10 {
            assert_eq!(read_hosts(black_box(&body)), 100);
        }
    })
}
