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
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{Exporter, PATIENCE, binary, client};

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        let _ = writeln!(std::io::stderr(), "skipped: {program} is not installed");
    }
    found
}

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
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("prometheus.yml");
    let target = exporter.base.strip_prefix("http://").unwrap();
    std::fs::write(&config, format!("scrape_configs:\n  - job_name: netbackup\n    scrape_interval: 1s\n    static_configs:\n      - targets: [\"{target}\"]\n")).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let log = std::fs::File::create(directory.path().join("log")).unwrap();
    let _prometheus = Killed(
        Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    let said = || std::fs::read_to_string(directory.path().join("log")).unwrap_or_default();
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
            if value(port, query).await.is_some_and(holds) {
                break;
            }
            assert!(since.elapsed() < PATIENCE, "{query} is {:?}\n{}", value(port, query).await, said());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The value of an instant query with one result.
async fn value(port: u16, query: &str) -> Option<f64> {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let answer = client().get(format!("http://127.0.0.1:{port}/api/v1/query?query={query}")).send().await.ok()?;
    let answer: serde_json::Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
    answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}
