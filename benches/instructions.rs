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
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use netbackup_exporter::cache::{Generation, Slot, Writer};
use netbackup_exporter::clock::Stamp;
use netbackup_exporter::config::{Health, Web};
use netbackup_exporter::exposition::{Exposition, Family, Page, Rendered, SiteView};
use netbackup_exporter::freshness::Limits;
use netbackup_exporter::health::{Probe, Prober};
use netbackup_exporter::netbackup::{ProbeOutcome, read_jobs_page};
use netbackup_exporter::server::{App, SiteEntry, Sites, router};
use netbackup_exporter::stats::ApiStats;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// Series of the snapshot that is rendered and served.
const SERIES: u32 = 10_000;
/// How often a scrape is asked for: what is done once a second (the live part) is done once among them.
const SCRAPES: u32 = 200;

static FAMILY: Family = Family::gauge(
    "netbackup_bench_jobs",
    &["site", "job_type", "policy_type", "state"],
    "Jobs of a bench at the last poll.",
);

type Scenario = (&'static str, fn() -> Box<dyn FnOnce()>);

const SCENARIOS: [Scenario; 7] = [
    ("render", || Box::new(|| drop(black_box(snapshot(1))))),
    ("publish", publish),
    ("scrape_plain", || scrapes("GET", "", "identity")),
    ("scrape_gzip", || scrapes("GET", "", "gzip")),
    ("scrape_openmetrics_gzip", || scrapes("GET", "application/openmetrics-text;version=1.0.0", "gzip")),
    ("scrape_head", || scrapes("HEAD", "", "gzip")),
    ("decode", decode),
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

/// What a poll makes; `round` changes the values.
fn snapshot(round: u32) -> Rendered {
    let mut page = Page::new("paris");
    for series in 0..SERIES {
        let labels = [format!("TYPE_{}", series % 7), format!("POLICY_TYPE_{series:05}"), "ACTIVE".to_owned()];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        page.gauge(&FAMILY, &labels, f64::from(series.wrapping_mul(2_654_435_761).wrapping_add(round)) / 16.0);
    }
    page.finish()
}

struct NoPrimary;

impl Probe for NoPrimary {
    fn probe(&self, _: Duration) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(std::future::pending())
    }
}

/// A server with one site whose snapshot is there.
fn server() -> (Runtime, Router, Writer<Rendered>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let entered = runtime.enter();
    let generation = Generation::default();
    let limits = Limits { stale_after: Duration::from_secs(180), expire_after: Duration::from_secs(900) };
    let slot = Slot::new("jobs", Duration::from_secs(60), limits, generation.clone());
    let mut writer = slot.writer().unwrap();
    writer.succeed(Arc::new(snapshot(0)), Stamp::now(), 0, Duration::ZERO);
    let view = Arc::new(SiteView {
        name: "paris".into(),
        stats: Arc::new(ApiStats::default()),
        slots: vec![slot],
        created: SystemTime::now(),
        go_names: false,
    });
    let prober = Prober::new(NoPrimary, Health::default());
    let sites = Sites::new(vec![SiteEntry { view, prober, timeout: Duration::from_secs(120) }]);
    let own = Box::new(|| "netbackup_exporter_build_info 1\n".to_owned());
    let app = App::new(&Web::default(), sites, Exposition::new(generation.clone(), own), generation);
    drop(entered);
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
    scrape(&runtime, &router, "GET", "", "gzip");
    let next = Arc::new(snapshot(1));
    Box::new(move || {
        writer.succeed(next, Stamp::now(), 0, Duration::ZERO);
        assert!(scrape(&runtime, &router, "GET", "", "gzip") > 10_000);
    })
}

/// A page of a hundred jobs with as many attributes as the published API has, of which those in use are kept.
fn decode() -> Box<dyn FnOnce()> {
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
        for attribute in 0..50 {
            write!(body, ",\"attributeNobodyReads{attribute}\":\"a value of usual length\"").unwrap();
        }
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
