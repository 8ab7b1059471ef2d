//! A real Prometheus scrapes the demo, and `promtool` reads what it is given. Skipped, aloud, where they are missing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::prometheus::{Prometheus, installed};
use support::{Exporter, PATIENCE, binary};

fn demo() -> Exporter {
    let mut command = binary();
    command.args(["demo", "--web.listen-address", "127.0.0.1:0"]);
    Exporter::spawn(command, tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn promtool_finds_nothing_in_the_demo() {
    if !installed("promtool") {
        return;
    }
    let exporter = demo();
    exporter.until("data", |s| s.sum("netbackup_collector_success", &[]) >= 2.0).await;
    let (_, body) = exporter.get("/metrics").await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test]
async fn prometheus_scrapes_the_demo() {
    if !installed("prometheus") {
        return;
    }
    let exporter = demo();
    let prometheus = Prometheus::start(&exporter.base, &[]);
    for (query, holds) in [
        ("up{job=\"netbackup\"}", (|v| v == 1.0) as fn(f64) -> bool),
        ("netbackup_up{site=\"demo\"}", |v| v == 1.0),
        ("count(netbackup_collector_success == 1)", |v| v == netbackup_exporter::config::COLLECTORS.len() as f64),
        ("count(netbackup_storage_unit_info)", |v| v == 12.0),
        ("sum(netbackup_lookback_jobs)", |v| v > 100.0),
        ("count(netbackup_jobs_finished_total)", |v| v > 0.0),
        ("sum(increase(netbackup_jobs_finished_total[1m]))", |v| v > 0.0),
        ("netbackup_collector_age_seconds{collector=\"jobs\"} < 10", |_| true),
        ("histogram_quantile(0.5, sum by (le) (netbackup_api_request_duration_seconds_bucket))", |v| v > 0.0),
        ("process_resident_memory_bytes", |v| v > 1e6),
        ("scrape_samples_scraped", |v| v > 300.0),
    ] {
        let since = Instant::now();
        loop {
            let value = prometheus.value(query).await;
            if value.is_some_and(holds) {
                break;
            }
            assert!(since.elapsed() < PATIENCE, "{query} is {value:?}\n{}", prometheus.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
