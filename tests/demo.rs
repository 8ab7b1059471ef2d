//! The demo shows every family there is, with data that live.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use netbackup_exporter::collector::{self, About};
use support::{Exporter, binary};

/// Time for every collector to poll some times at the demo's TTLs, and for the slowest lists to change.
const PATIENCE: Duration = Duration::from_secs(180);

/// The samples of each collector, by its name.
fn by_collector(text: &str) -> BTreeMap<&'static str, Vec<String>> {
    let of = |about: &'static About| {
        let names: Vec<&str> = about.families.iter().map(|family| family.name).collect();
        let name = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
        let base = |name: &str| {
            let suffixes = ["_bucket", "_sum", "_count"];
            suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned()
        };
        let is_its = |line: &&str| names.contains(&name(line).as_str()) || names.contains(&base(&name(line)).as_str());
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter(is_its);
        (about.name, lines.map(str::to_owned).collect())
    };
    collector::ALL.into_iter().map(of).collect()
}

#[tokio::test]
async fn every_family_shows_and_every_collector_lives() {
    let mut command = binary();
    command.args(["demo", "--web.listen-address", "127.0.0.1:0"]);
    let exporter = Exporter::spawn(command, tempfile::tempdir().unwrap());
    let started = Instant::now();
    let missing = |text: &str| -> Vec<&'static str> {
        let shows = |name: &str| {
            text.lines()
                .any(|line| line.strip_prefix("# TYPE ").is_some_and(|rest| rest.starts_with(&format!("{name} "))))
        };
        collector::families().map(|family| family.name).filter(|name| !shows(name)).collect()
    };
    let mut text = exporter.get("/metrics").await.1;
    while !missing(&text).is_empty() {
        assert!(started.elapsed() < PATIENCE, "the demo does not show {:#?}", missing(&text));
        tokio::time::sleep(Duration::from_millis(500)).await;
        text = exporter.get("/metrics").await.1;
    }
    let first = by_collector(&text);
    loop {
        let now = by_collector(&exporter.get("/metrics").await.1);
        let still: Vec<_> =
            first.iter().filter(|(name, lines)| now.get(*name) == Some(*lines)).map(|(name, _)| *name).collect();
        if still.is_empty() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "nothing changes in {still:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let samples = exporter.scrape().await;
    assert_eq!(samples.sum("netbackup_collector_poll_failures_total", &[]), 0.0);
    assert_eq!(samples.sum("netbackup_collector_rejected_records_total", &[]), 0.0);
    let read = samples.all("netbackup_collector_endpoint_state", &[("state", "read")]);
    assert!(read.into_iter().all(|(_, value)| value == 1.0), "an endpoint is not served");
}
