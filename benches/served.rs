//! A server with one site whose snapshot is there, for benches and for the test that counts allocations.
#![allow(clippy::expect_used, reason = "a bench ends where something is wrong")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use netbackup_exporter::cache::{Generation, Slot, Writer};
use netbackup_exporter::clock::Stamp;
use netbackup_exporter::config::{Health, Web};
use netbackup_exporter::exposition::{Exposition, Family, OwnMetrics, Page, Rendered, SiteView};
use netbackup_exporter::freshness::Limits;
use netbackup_exporter::health::{Probe, Prober};
use netbackup_exporter::netbackup::ProbeOutcome;
use netbackup_exporter::server::{App, SiteEntry, Sites};
use netbackup_exporter::stats::ApiStats;

/// Series of a snapshot.
const SERIES: u32 = 10_000;

static FAMILY: Family = Family::gauge(
    "netbackup_bench_jobs",
    &["site", "job_type", "policy_type", "state"],
    "Jobs of a bench at the last poll.",
);

struct NoPrimary;

impl Probe for NoPrimary {
    fn probe(&self, _: Duration) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(std::future::pending())
    }
}

/// What a poll makes; `round` changes the values.
pub fn snapshot(round: u32) -> Rendered {
    let mut page = Page::new("paris");
    for series in 0..SERIES {
        let labels = [format!("TYPE_{}", series % 7), format!("POLICY_TYPE_{series:05}"), "ACTIVE".to_owned()];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        page.gauge(&FAMILY, &labels, f64::from(series.wrapping_mul(2_654_435_761).wrapping_add(round)) / 16.0);
    }
    page.finish()
}

/// The server, which says `own` of itself, and who publishes its snapshots. Inside of a runtime.
pub fn served(own: OwnMetrics) -> (Arc<App>, Writer<Rendered>) {
    let generation = Generation::default();
    let limits = Limits { stale_after: Duration::from_secs(180), expire_after: Duration::from_secs(900) };
    let slot = Slot::new("jobs", Duration::from_secs(60), limits, generation.clone());
    let mut writer = slot.writer().expect("nobody else has it");
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
    let app = App::new(&Web::default(), sites, Exposition::new(generation.clone(), own), generation);
    (app, writer)
}
