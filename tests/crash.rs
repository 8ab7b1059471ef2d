//! The real binary killed again and again while jobs finish: in the end every job has been counted once, and no scrape
//! has seen a counter fall. `NETBACKUP_KILLS` says how often it is killed (default 12).
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

use netbackup_exporter::simulator::{Control, Job, Options, Simulator};
use support::{Exporter, Labels, Samples};

const CLIENT_JOBS: &str = "netbackup_client_jobs_finished_total";

/// Counters that must never fall, histograms included.
fn counters(samples: &Samples) -> BTreeMap<(String, Labels), f64> {
    let is_counter = |name: &str| {
        (name.starts_with("netbackup_jobs_") && name.ends_with("_total"))
            || name == CLIENT_JOBS
            || name.starts_with("netbackup_job_duration_seconds")
    };
    samples.values.iter().filter(|((name, _), _)| is_counter(name)).map(|(key, value)| (key.clone(), *value)).collect()
}

fn assert_none_fell(before: &mut BTreeMap<(String, Labels), f64>, samples: &Samples) {
    let now = counters(samples);
    for (key, value) in before.iter() {
        let is = now.get(key).unwrap_or_else(|| panic!("{key:?} is gone"));
        assert!(is >= value, "{key:?} fell from {value} to {is}");
    }
    *before = now;
}

/// Finishes jobs until told to stop; returns how many of each status.
async fn work(control: Control, mut stop: tokio::sync::watch::Receiver<bool>) -> BTreeMap<i64, u64> {
    let mut done = BTreeMap::new();
    let mut open = Vec::new();
    while !*stop.borrow_and_update() {
        for status in [0, 0, 1, 96] {
            let now = control.now();
            let job = Job {
                job_type: Some("BACKUP".into()),
                policy_type: Some("VMWARE".into()),
                state: Some("ACTIVE".into()),
                start: Some(now - now.rem_euclid(1000)),
                client_name: if status == 96 { "bad" } else { "good" }.into(),
                policy_name: "crash".into(),
                ..Job::default()
            };
            open.push((control.insert_job(job), status));
        }
        // Some end at once, some live through a few polls.
        while open.len() > 40 || (open.len() > 10 && fastrand::bool()) {
            let (id, status) = open.swap_remove(fastrand::usize(..open.len()));
            let now = control.now();
            assert!(control.update_job(id, |job| {
                job.state = Some("DONE".into());
                job.status = Some(status);
                job.end = Some(now - now.rem_euclid(1000));
                job.kilobytes = Some(10);
            }));
            *done.entry(status).or_default() += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_loses_or_doubles_a_job() {
    let kills: usize = std::env::var("NETBACKUP_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let options = Options { jobs: 500, ..Options::default() };
    let (key, primary) = (options.api_key.clone(), Simulator::start(options).await.unwrap());
    let control = primary.control().clone();
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "[poll]\njobs_ttl = \"100ms\"\nclients_ttl = \"100ms\"\n[collectors]\nstorage = false\nclients = true\n[state]\ndirectory = \"{}\"\n[[site]]\nname = \
         \"paris\"\nurl = \"{}\"\napi_key = \"{key}\"\n",
        directory.path().join("state").display(),
        primary.base_url()
    );
    let succeeded = |s: &Samples| s.sum("netbackup_collector_success", &[]) == 2.0;
    let mut exporter = Exporter::start(&config);
    exporter.until("the baseline", succeeded).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let working = tokio::spawn(work(control, stopped));
    let mut before = BTreeMap::new();
    for kill in 0..kills {
        let until = Instant::now() + Duration::from_millis(fastrand::u64(0..900));
        while Instant::now() < until {
            assert_none_fell(&mut before, &exporter.scrape().await);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..60))).await;
        }
        exporter.signal("KILL");
        exporter.wait(Duration::from_secs(5));
        if kill % 4 == 3 {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..1500))).await;
        }
        exporter = Exporter::start(&config);
        assert_none_fell(&mut before, &exporter.scrape().await);
    }
    stop.send_replace(true);
    let done = working.await.unwrap();
    let total: u64 = done.values().sum();
    let count = |s: &Samples| s.sum("netbackup_jobs_finished_total", &[]);
    let of_clients = |s: &Samples| s.sum(CLIENT_JOBS, &[("policy", "crash")]);
    let is_all = |s: &Samples| count(s) >= total as f64 && of_clients(s) >= total as f64;
    let samples = exporter.until("every job", |s| succeeded(s) && is_all(s)).await;
    assert_none_fell(&mut before, &samples);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let samples = exporter.scrape().await;
    assert_eq!(count(&samples), total as f64, "none twice");
    assert_eq!(of_clients(&samples), total as f64, "none twice for its client");
    assert_eq!(samples.sum(CLIENT_JOBS, &[("client", "bad"), ("outcome", "failed")]), done[&96] as f64);
    for (status, jobs) in &done {
        let status = status.to_string();
        let labels = [("status", status.as_str())];
        assert_eq!(samples.sum("netbackup_jobs_finished_status_total", &labels), *jobs as f64, "status {status}");
    }
    assert_eq!(samples.sum("netbackup_job_duration_seconds_count", &[]), total as f64);
    assert_eq!(samples.sum("netbackup_jobs_image_bytes_total", &[]), (total * 10 * 1024) as f64);
    assert_eq!(samples.sum("netbackup_exporter_state_set_aside_total", &[]), 0.0);
}
