//! `[compat] go_exporter_names`: the names and labels of the Go exporter as its users know them, what stands in its
//! panels and rules, and that nothing of it is there unless it is asked for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;

use netbackup_exporter::exposition::{Family, Kind};
use netbackup_exporter::simulator::{Options, Simulator};
use netbackup_exporter::{collector, exposition};
use support::{Exporter, Samples, binary};

/// Every metric and its labels after `site`.
const PROMISED: [(&str, &[&str]); 32] = [
    ("nbu_up", &[]),
    ("nbu_last_scrape_timestamp_seconds", &["source"]),
    ("nbu_api_version", &["version"]),
    ("nbu_response_time_ms", &[]),
    ("nbu_disk_bytes", &["name", "type", "size"]),
    ("nbu_disk_capacity_bytes", &["name", "type"]),
    ("nbu_storage_max_concurrent_jobs", &["name", "type"]),
    ("nbu_storage_max_fragment_size_bytes", &["name", "type"]),
    (
        "nbu_storage_info",
        &["name", "type", "subtype", "is_cloud", "worm_capable", "use_worm", "replication_capable", "instant_access"],
    ),
    ("nbu_jobs_count", &["action", "policy_type", "status"]),
    ("nbu_jobs_bytes", &["action", "policy_type", "status"]),
    ("nbu_status_count", &["action", "status"]),
    ("nbu_jobs_state_count", &["action", "state"]),
    ("nbu_jobs_queued_count", &["action", "reason"]),
    ("nbu_jobs_files_count", &["action", "policy_type"]),
    ("nbu_jobs_dedup_ratio", &["action", "policy_type"]),
    ("nbu_job_duration_seconds", &["action", "policy_type"]),
    ("nbu_alerts_count", &["severity", "category"]),
    ("nbu_malware_files_scanned", &[]),
    ("nbu_malware_files_infected", &[]),
    ("nbu_malware_scan_count", &["status"]),
    ("nbu_catalog_images_count", &["malware_status", "anomaly_status"]),
    ("nbu_slo_count", &[]),
    ("nbu_tape_drives_count", &["drive_type", "robot_type", "status"]),
    ("nbu_tape_drive_info", &["drive_name", "media_server", "drive_type", "robot_number", "status"]),
    ("nbu_tape_media_count", &["pool", "media_type", "robot_type"]),
    ("nbu_tape_robot_device_hosts", &[]),
    ("nbu_tape_pool_partially_full", &["pool_name", "pool_type"]),
    ("nbu_disk_pool_volume_count", &["pool_name", "storage_category", "state"]),
    ("nbu_client_last_successful_backup_timestamp_seconds", &["client"]),
    ("nbu_client_jobs_count", &["client", "action", "status"]),
    ("nbu_client_last_job_success_seconds", &["client", "policy", "action"]),
];

fn families() -> Vec<&'static Family> {
    exposition::compat_families().into_iter().chain(collector::compat::ALL).collect()
}

#[test]
fn names_and_labels_are_those_of_the_go_exporter() {
    let promised: BTreeMap<_, _> = PROMISED.into_iter().collect();
    let declared: BTreeMap<_, _> = families().iter().map(|family| (family.name, &family.labels[1..])).collect();
    assert_eq!(declared, promised);
    for family in families() {
        assert_eq!(family.labels[0], "site", "{}", family.name);
        let kind = if family.name == "nbu_job_duration_seconds" { Kind::Histogram } else { Kind::Gauge };
        assert_eq!(family.kind, kind, "{}", family.name);
        assert!(!family.help.contains('\n') && family.help.contains("poll"), "{}", family.name);
    }
    let ours: Vec<_> = exposition::families().into_iter().chain(collector::families()).collect();
    assert!(ours.iter().all(|family| !family.name.starts_with("nbu_")), "they stand in no list of ours");
}

#[test]
fn the_migration_page_names_every_metric() {
    let page = include_str!("../docs/migration.md");
    let missing: Vec<_> = families().into_iter().filter(|f| !page.contains(&format!("| `{}`", f.name))).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

struct Setting {
    primary: Simulator,
    directory: tempfile::TempDir,
}

impl Setting {
    async fn new(options: Options) -> Setting {
        Setting { primary: Simulator::start(options).await.unwrap(), directory: tempfile::tempdir().unwrap() }
    }

    /// Starts, or is told when it runs, with these names or without.
    fn configure(&self, go_names: bool) -> std::path::PathBuf {
        let (url, key) = (self.primary.base_url(), Options::default().api_key);
        let state = self.directory.path().join("state");
        let path = self.directory.path().join("config.toml");
        let text = format!(
            "[web]\nlisten_address = \"127.0.0.1:0\"\n[compat]\ngo_exporter_names = {go_names}\n\
             [state]\ndirectory = \"{}\"\n[collectors]\nall = true\n[poll]\njobs_ttl = \"300ms\"\nclients_ttl = \"300ms\"\nstorage_ttl = \"300ms\"\nexpire_after = \"200h\"\n\
             [[site]]\nname = \"paris\"\nurl = \"{url}\"\napi_key = \"{key}\"\n",
            state.display()
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    fn start(&self, go_names: bool) -> Exporter {
        let mut command = binary();
        command.arg("--config.file").arg(self.configure(go_names));
        Exporter::spawn(command, tempfile::tempdir().unwrap())
    }
}

fn is_there(samples: &Samples) -> bool {
    samples.values.keys().any(|(name, _)| name.starts_with("nbu_"))
}

/// What a selector of a panel finds: a name, and labels that are to be equal.
fn found(samples: &Samples, selector: &str) -> bool {
    let (name, labels) = selector.split_once('{').unwrap_or((selector, "}"));
    let labels: Vec<_> = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('=')).collect();
    samples.all(name, &labels).any(|(_, value)| value.is_finite())
}

/// By what the panels and rules of the Go exporter select from jobs, storage and the site itself.
const SELECTED: [&str; 23] = [
    "nbu_up{site=paris}",
    "nbu_api_version{version=14.0}",
    "nbu_last_scrape_timestamp_seconds{source=jobs}",
    "nbu_last_scrape_timestamp_seconds{source=storage}",
    "nbu_response_time_ms",
    "nbu_disk_bytes{size=used}",
    "nbu_disk_bytes{size=free}",
    "nbu_disk_capacity_bytes",
    "nbu_storage_info",
    "nbu_storage_max_concurrent_jobs",
    "nbu_storage_max_fragment_size_bytes",
    "nbu_status_count{action=BACKUP,status=0}",
    "nbu_jobs_count{action=BACKUP}",
    "nbu_jobs_bytes{action=BACKUP,status=0}",
    "nbu_jobs_state_count{state=DONE}",
    "nbu_jobs_state_count{state=ACTIVE}",
    "nbu_jobs_state_count{state=QUEUED}",
    "nbu_jobs_queued_count",
    "nbu_jobs_files_count",
    "nbu_jobs_dedup_ratio{action=BACKUP}",
    "nbu_job_duration_seconds_bucket{le=86400.0}",
    "nbu_job_duration_seconds_sum",
    "nbu_job_duration_seconds_count{action=BACKUP}",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_selector_of_its_panels_finds_living_data_that_agree_with_ours() {
    let setting = Setting::new(Options { jobs: 400, jobs_per_minute: 600.0, ..Options::default() }).await;
    let exporter = setting.start(true);
    // A histogram has no sample of its own name.
    let all = PROMISED.iter().map(|(name, _)| *name).filter(|name| *name != "nbu_job_duration_seconds");
    let selected: Vec<&str> = SELECTED.into_iter().chain(all).collect();
    let missing = |samples: &Samples| selected.iter().filter(|one| !found(samples, one)).copied().collect::<Vec<_>>();
    exporter
        .until("every selector", |samples| {
            missing(samples).is_empty() && samples.sum("nbu_job_duration_seconds_count", &[]) > 0.0
        })
        .await;
    setting.primary.control().freeze(true);
    let samples = exporter.scrape().await;
    // One page each, so they are of one moment.
    for (theirs, ours) in [
        ("nbu_jobs_count", "netbackup_lookback_jobs"),
        ("nbu_status_count", "netbackup_lookback_jobs"),
        ("nbu_jobs_bytes", "netbackup_lookback_image_bytes"),
        ("nbu_jobs_files_count", "netbackup_lookback_files"),
        ("nbu_jobs_queued_count", "netbackup_jobs_queued"),
        ("nbu_job_duration_seconds_count", "netbackup_job_duration_seconds_count"),
        ("nbu_job_duration_seconds_sum", "netbackup_job_duration_seconds_sum"),
        ("nbu_disk_capacity_bytes", "netbackup_storage_unit_capacity_bytes"),
    ] {
        assert_eq!(samples.sum(theirs, &[]), samples.sum(ours, &[]), "{theirs}");
    }
    let capacity = samples.sum("nbu_disk_capacity_bytes", &[]);
    assert_eq!(samples.sum("nbu_disk_bytes", &[]), capacity, "free and used are the whole");
    assert!(samples.all("nbu_jobs_dedup_ratio", &[]).all(|(_, value)| (0.0..=100.0).contains(&value)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_means_nothing_of_it_after_a_reload_and_after_a_restart() {
    let setting = Setting::new(Options { jobs: 50, ..Options::default() }).await;
    setting.primary.control().freeze(true);
    let has_data = |samples: &Samples| {
        samples.sum("netbackup_collector_success", &[]) >= 2.0
            && samples.sum("netbackup_storage_unit_capacity_bytes", &[]) > 0.0
    };
    let mut exporter = setting.start(false);
    let samples = exporter.until("data", has_data).await;
    assert!(!is_there(&samples), "{samples}");

    setting.configure(true);
    exporter.until("the names after a reload", |s| found(s, "nbu_jobs_count") && found(s, "nbu_disk_bytes")).await;
    setting.configure(false);
    exporter.until("none of them after another", |samples| has_data(samples) && !is_there(samples)).await;
    setting.configure(true);
    exporter.until("the names once more", |s| found(s, "nbu_jobs_count") && found(s, "nbu_disk_bytes")).await;
    exporter.signal("TERM");
    exporter.wait(support::PATIENCE);

    // What was kept holds them: it must not be served as it is.
    let exporter = setting.start(false);
    let samples = exporter
        .until("data", |samples| {
            assert!(!is_there(samples), "{samples}");
            has_data(samples)
        })
        .await;
    assert_eq!(samples.get("netbackup_exporter_state_set_aside_total", &[]), Some(0.0));
}
