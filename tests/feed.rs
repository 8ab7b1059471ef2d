//! The job feed on a bad night: records that cannot be read, a long outage, a clock that lies, rights that are taken away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use netbackup_exporter::simulator::{Control, Fault, Job, Options, Simulator};
use support::{Exporter, Samples};

const QUICK: &str = "[poll]\njobs_ttl = \"300ms\"\nstorage_ttl = \"30s\"\n";
const JOBS: (&str, &str) = ("collector", "jobs");

async fn start(options: Options, poll: &str) -> (Simulator, Exporter) {
    let primary = Simulator::start(options).await.unwrap();
    let key = Options::default().api_key;
    let site = format!("{poll}[[site]]\nname = \"paris\"\nurl = \"{}\"\napi_key = \"{key}\"\n", primary.base_url());
    let exporter = Exporter::start(&site);
    exporter.until("the baseline", succeeded).await;
    (primary, exporter)
}

fn succeeded(samples: &Samples) -> bool {
    samples.get("netbackup_collector_success", &[JOBS]) == Some(1.0)
}

fn polls(samples: &Samples) -> f64 {
    samples.get("netbackup_collector_polls_total", &[JOBS]).unwrap()
}

fn failures(samples: &Samples) -> f64 {
    samples.sum("netbackup_collector_poll_failures_total", &[JOBS])
}

fn finished(samples: &Samples) -> f64 {
    samples.sum("netbackup_jobs_finished_total", &[])
}

async fn after_polls(exporter: &Exporter, count: f64) -> Samples {
    let before = polls(&exporter.scrape().await);
    exporter.until("more polls", |s| polls(s) >= before + count).await
}

fn finish(control: &Control) {
    let now = control.now();
    let (end, start) = (Some(now - now.rem_euclid(1000)), Some(now - 5000));
    let job = Job { state: Some("DONE".into()), status: Some(0), end, start, last_update: Some(now), ..Job::default() };
    control.insert_job(job);
}

#[tokio::test]
async fn a_vanished_job_that_cannot_be_read_spoils_no_poll() {
    let (primary, exporter) = start(Options { jobs: 10, ..Options::default() }, QUICK).await;
    let control = primary.control();
    let vault = [("job_type", "VAULT")];
    let id = control.insert_job(Job { job_type: Some("VAULT".into()), state: Some("ACTIVE".into()), ..Job::default() });
    exporter.until("the job", |s| s.all("netbackup_jobs", &vault).count() == 1).await;
    control.set_fault(Some("/admin/jobs/"), Some(Fault::Status(500, vec![], "boom".into())));
    control.remove_job(id);
    exporter.until("no such job", |s| s.all("netbackup_jobs", &vault).count() == 0).await;
    let samples = after_polls(&exporter, 8.0).await;
    assert_eq!(failures(&samples), 0.0);
    let asked = control.request_counts()["/admin/jobs/{jobId}"];
    assert!((1..=5).contains(&asked), "given up after a few polls, not asked for ever: {asked}");
}

#[tokio::test]
async fn after_a_long_outage_the_feed_catches_up_though_it_takes_longer_than_one_poll_may() {
    let poll = "[poll]\njobs_ttl = \"300ms\"\nstorage_ttl = \"30s\"\ntimeout = \"1s\"\nrequest_timeout = \"1s\"\n";
    let (primary, exporter) = start(Options { jobs: 20, ..Options::default() }, poll).await;
    let control = primary.control();
    control.freeze(true);
    control.set_fault(None, Some(Fault::Reset));
    exporter.until("the outage", |s| !succeeded(s)).await;
    for _ in 0..4000 {
        finish(control);
    }
    control.set_latency(Duration::from_millis(60));
    control.set_fault(None, None);
    exporter.until("every job", |s| succeeded(s) && finished(s) == 4000.0).await;
    control.set_latency(Duration::ZERO);
    let samples = after_polls(&exporter, 3.0).await;
    assert_eq!(finished(&samples), 4000.0, "none twice");
}

#[tokio::test]
async fn a_wrong_clock_reading_neither_empties_the_window_nor_stops_the_counting() {
    let (primary, exporter) = start(Options { jobs: 300, ..Options::default() }, QUICK).await;
    let control = primary.control();
    control.freeze(true);
    let lookback = |s: &Samples| s.sum("netbackup_lookback_jobs", &[]);
    let before = lookback(&after_polls(&exporter, 2.0).await);
    let wrong = (control.now() + 48 * 3_600_000).to_string();
    let headers = vec![
        ("content-type".to_owned(), "text/plain".to_owned()),
        ("X-NetBackup-API-Version".to_owned(), "14.0".to_owned()),
    ];
    control.set_fault_times(Some("/ping"), Fault::Status(200, headers, wrong), 1);
    let samples = after_polls(&exporter, 3.0).await;
    assert!((lookback(&samples) - before).abs() <= 2.0, "{} jobs, {before} before", lookback(&samples));
    for _ in 0..10 {
        finish(control);
    }
    exporter.until("ten more", |s| finished(s) == 10.0).await;
}

#[tokio::test]
async fn a_primary_that_asks_to_wait_is_left_alone() {
    let (primary, exporter) = start(Options { jobs: 10, ..Options::default() }, QUICK).await;
    let control = primary.control();
    for path in ["/ping", "/admin/jobs"] {
        let slow_down = Fault::Status(503, vec![("Retry-After".into(), "600".into())], String::new());
        control.set_fault(Some(path), Some(slow_down));
        if path == "/ping" {
            exporter
                .until("throttled", |s| {
                    s.get("netbackup_collector_poll_failures_total", &[JOBS, ("reason", "throttled")]) == Some(1.0)
                })
                .await;
        }
    }
    control.clear_requests();
    let before = polls(&exporter.scrape().await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(polls(&exporter.scrape().await), before);
    let counts = control.request_counts();
    assert!(!counts.contains_key("/ping") && !counts.contains_key("/admin/jobs"), "{counts:?}");
}

#[tokio::test]
async fn rights_that_are_taken_away_are_no_empty_list() {
    let (primary, exporter) = start(Options { jobs: 0, ..Options::default() }, QUICK).await;
    let control = primary.control();
    // A quiet moment, in which the empty list is found to be right.
    after_polls(&exporter, 3.0).await;
    control.insert_job(Job { state: Some("ACTIVE".into()), ..Job::default() });
    exporter.until("the job", |s| s.sum("netbackup_jobs", &[]) == 1.0).await;
    control.set_silent_empty_jobs(true);
    let denied = |s: &Samples| s.get("netbackup_collector_permission_denied", &[JOBS]) == Some(1.0);
    let samples = exporter.until("denied", denied).await;
    assert_eq!(samples.sum("netbackup_jobs", &[]), 1.0, "the last good data stay");
}
