//! Missing rights, told from no data: as metrics, in the log and on the pages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use netbackup_exporter::simulator::{Options, Simulator};
use support::{Exporter, Samples};

const QUICK: &str = "[poll]\njobs_ttl = \"200ms\"\nstorage_ttl = \"200ms\"\n";

fn config(primary: &Simulator) -> String {
    format!("{QUICK}[[site]]\nname = \"paris\"\nurl = \"{}\"\napi_key = \"simulated-api-key\"\n", primary.base_url())
}

fn denied(samples: &Samples, collector: &str) -> bool {
    samples.get("netbackup_collector_permission_denied", &[("collector", collector)]) == Some(1.0)
}

fn polls(samples: &Samples) -> f64 {
    samples.get("netbackup_collector_polls_total", &[("collector", "jobs")]).unwrap()
}

// The simulated primary answers while a line is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn the_missing_right_is_named_wherever_one_looks() {
    let primary = Simulator::start(Options::default()).await.unwrap();
    primary.control().set_silent_empty_jobs(true);
    primary.control().set_rbac(vec!["/storage".into()]);
    let exporter = Exporter::start(&config(&primary));
    exporter.until("both denied", |s| denied(s, "jobs") && denied(s, "storage")).await;
    let status = exporter.json("/api/v1/status").await;
    let collectors = &status["sites"][0]["collectors"];
    for (number, message, right) in [
        (0, "forbidden on /admin/jobs-count-requests: HTTP status 401", "MANAGE/JOBS VIEW"),
        (1, "forbidden on /storage/storage-units: HTTP status 401", "STORAGE/STORAGE-UNITS VIEW"),
    ] {
        assert_eq!(collectors[number]["permission_denied"], true);
        assert_eq!(collectors[number]["error"]["message"], format!("{message}; missing right: {right}"));
        assert!(exporter.get("/").await.1.contains(&format!("missing right: {right}")));
        assert!(exporter.get("/health").await.1.contains(&format!("missing right: {right}")));
        exporter.wait_for_log(&format!("grant {right} to the role"));
    }
}

// The simulated primary answers while a line is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn rights_on_single_jobs_are_said_once_and_are_no_failure() {
    let primary = Simulator::start(Options::default()).await.unwrap();
    primary.control().set_rbac(vec!["/admin/jobs-count-requests".into()]);
    let exporter = Exporter::start(&config(&primary));
    exporter.wait_for_log("it has rights on single jobs");
    let before = polls(&exporter.scrape().await);
    let counts = || primary.control().request_counts().get("/admin/jobs-count-requests").copied().unwrap_or(0);
    let asked = counts();
    let samples = exporter.until("twenty more polls", |s| polls(s) >= before + 20.0).await;
    assert!(!denied(&samples, "jobs"));
    let failures = samples.sum("netbackup_collector_poll_failures_total", &[("collector", "jobs")]);
    assert_eq!(failures, 0.0);
    assert!(samples.sum("netbackup_lookback_jobs", &[]) > 0.0);
    assert!(counts() <= asked + 1, "asked {} times more", counts() - asked);
    let lines = exporter.log().into_iter().filter(|line| line.contains("rights on single jobs")).count();
    assert_eq!(lines, 1);
}
