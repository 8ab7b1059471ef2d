//! What survives the end of the process: counters, the last snapshot with its age, and what a damaged, taken or unusable
//! state directory does to them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netbackup_exporter::simulator::{Control, Fault, Job, Options, Simulator};
use support::{Exporter, Samples, binary};

const JOBS: (&str, &str) = ("collector", "jobs");

struct Setting {
    primary: Simulator,
    directory: tempfile::TempDir,
}

impl Setting {
    async fn new(options: Options) -> Setting {
        let primary = Simulator::start(options).await.unwrap();
        primary.control().freeze(true);
        Setting { primary, directory: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    fn config(&self, poll: &str) -> String {
        let (url, key, state) = (self.primary.base_url(), Options::default().api_key, self.state());
        let poll = format!("[poll]\njobs_ttl = \"300ms\"\nstorage_ttl = \"300ms\"\nexpire_after = \"1h\"\n{poll}");
        let state = format!("[state]\ndirectory = \"{}\"\n", state.display());
        format!("{poll}{state}[[site]]\nname = \"paris\"\nurl = \"{url}\"\napi_key = \"{key}\"\n")
    }

    fn start(&self) -> Exporter {
        Exporter::start(&self.config(""))
    }

    fn control(&self) -> &Control {
        self.primary.control()
    }

    fn finish(&self, count: usize) {
        (0..count).for_each(|_| {
            finish(self.control());
        });
    }
}

fn finish(control: &Control) -> i64 {
    let now = control.now();
    let (end, start) = (Some(now - now.rem_euclid(1000)), Some(now - 5000));
    let state = Some("DONE".into());
    control.insert_job(Job { state, status: Some(0), end, start, last_update: Some(now), ..Job::default() })
}

fn succeeded(samples: &Samples) -> bool {
    samples.all("netbackup_collector_success", &[]).all(|(_, value)| value == 1.0)
}

fn finished(samples: &Samples) -> f64 {
    samples.sum("netbackup_jobs_finished_total", &[])
}

fn lookback(samples: &Samples) -> f64 {
    samples.sum("netbackup_lookback_jobs", &[])
}

fn polls(samples: &Samples) -> f64 {
    samples.get("netbackup_collector_polls_total", &[JOBS]).unwrap()
}

async fn after_polls(exporter: &Exporter, count: f64) -> Samples {
    let before = polls(&exporter.scrape().await);
    exporter.until("more polls", |s| succeeded(s) && polls(s) >= before + count).await
}

/// Every file below the directory with its contents.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(contents(&entry.path()));
        } else {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_go_on_and_what_ended_meanwhile_is_counted() {
    let setting = Setting::new(Options { jobs: 50, ..Options::default() }).await;
    let mut exporter = setting.start();
    exporter.until("the baseline", succeeded).await;
    setting.finish(5);
    exporter.until("five", |s| finished(s) == 5.0).await;
    exporter.signal("KILL");
    exporter.wait(Duration::from_secs(5));
    setting.finish(3);
    setting.control().set_latency(Duration::from_millis(300));
    let mut exporter = setting.start();
    let first = exporter.scrape().await;
    assert_eq!(finished(&first), 5.0, "the first answer has what was kept");
    setting.control().set_latency(Duration::ZERO);
    exporter.until("three more", |s| finished(s) == 8.0).await;
    exporter.signal("TERM");
    assert!(exporter.wait(Duration::from_secs(5)).success());
    let exporter = setting.start();
    assert_eq!(finished(&exporter.scrape().await), 8.0);
    assert_eq!(finished(&after_polls(&exporter, 3.0).await), 8.0, "none twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_snapshot_is_served_at_once_with_its_age_though_the_primary_is_away() {
    let setting = Setting::new(Options { jobs: 50, ..Options::default() }).await;
    let mut exporter = setting.start();
    let before = exporter.until("the baseline", succeeded).await;
    // Polls that find nothing new move the age all the same.
    tokio::time::sleep(Duration::from_secs(2)).await;
    exporter.signal("KILL");
    exporter.wait(Duration::from_secs(5));
    setting.control().set_fault(None, Some(Fault::Reset));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let exporter = setting.start();
    let after = exporter.scrape().await;
    for name in ["netbackup_lookback_jobs", "netbackup_storage_unit_capacity_bytes", "netbackup_storage_unit_info"] {
        let series = |samples: &Samples| {
            samples.all(name, &[]).map(|(labels, value)| (labels.clone(), value.to_bits())).collect::<Vec<_>>()
        };
        assert!(!series(&before).is_empty());
        assert_eq!(series(&after), series(&before), "{name}");
    }
    for (labels, age) in after.all("netbackup_collector_age_seconds", &[]) {
        assert!((1.9..3.9).contains(&age), "{labels:?} {age}: two seconds without a process, and some to start");
    }
    assert_eq!(exporter.get("/-/ready").await.0, 200, "there are data");
    assert_eq!(after.sum("netbackup_collector_success", &[]), 0.0, "no attempt has succeeded yet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_that_changes_nothing_writes_nothing() {
    let setting = Setting::new(Options { jobs: 50, ..Options::default() }).await;
    let exporter = setting.start();
    exporter.until("the baseline", succeeded).await;
    after_polls(&exporter, 2.0).await;
    let before = contents(&setting.state());
    after_polls(&exporter, 6.0).await;
    assert_eq!(contents(&setting.state()), before);
    setting.finish(1);
    exporter.until("one", |s| finished(s) == 1.0).await;
    let after = contents(&setting.state());
    let of = |contents: &BTreeMap<PathBuf, Vec<u8>>| contents[&setting.state().join("site-paris/jobs.state")].len();
    assert!((1..1024).contains(&(of(&after) - of(&before))), "one job, not the world");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_directory_refuses_to_start() {
    let setting = Setting::new(Options { jobs: 5, ..Options::default() }).await;
    let exporter = setting.start();
    let path = setting.directory.path().join("second.toml");
    std::fs::write(&path, format!("[web]\nlisten_address = \"127.0.0.1:0\"\n{}", setting.config(""))).unwrap();
    let output = binary().arg("--config.file").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("state") && said.contains(&exporter.pid().to_string()), "{said}");
    exporter.until("the first one works on", succeeded).await;
    let once = binary().arg("--once").arg("--config.file").arg(&path).output().unwrap();
    let said = String::from_utf8(once.stderr).unwrap();
    assert_eq!(once.status.code(), Some(0), "--once never touches the directory: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_set_aside_and_said() {
    let setting = Setting::new(Options { jobs: 50, ..Options::default() }).await;
    let mut exporter = setting.start();
    exporter.until("the baseline", succeeded).await;
    setting.finish(4);
    exporter.until("four", |s| finished(s) == 4.0).await;
    exporter.signal("KILL");
    exporter.wait(Duration::from_secs(5));
    let file = setting.state().join("site-paris/jobs.state");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    setting.finish(1);
    // An end in the very second of the baseline would count: ends are whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let exporter = setting.start();
    let samples = exporter.until("a new baseline", succeeded).await;
    assert_eq!((finished(&samples), lookback(&samples)), (0.0, lookback(&samples)), "it counts nothing");
    assert_eq!(samples.get("netbackup_exporter_state_set_aside_total", &[]), Some(1.0));
    exporter.wait_for_log("set aside");
    setting.finish(2);
    exporter.until("two", |s| finished(s) == 2.0).await;
    let aside = contents(&setting.state()).keys().filter(|path| path.to_string_lossy().contains("set-aside")).count();
    assert_eq!(aside, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_usable_directory_the_exporter_works_and_says_so() {
    let setting = Setting::new(Options { jobs: 50, ..Options::default() }).await;
    std::fs::write(setting.state(), "a file where the directory should be").unwrap();
    let exporter = setting.start();
    exporter.until("the baseline", succeeded).await;
    setting.finish(2);
    let samples = exporter.until("two", |s| finished(s) == 2.0).await;
    assert!(samples.get("netbackup_exporter_state_save_failures_total", &[]).unwrap() >= 1.0);
    exporter.wait_for_log("nothing is kept on disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_deleted_is_made_again() {
    let setting = Setting::new(Options { jobs: 50, ..Options::default() }).await;
    let mut exporter = setting.start();
    exporter.until("the baseline", succeeded).await;
    setting.finish(2);
    exporter.until("two", |s| finished(s) == 2.0).await;
    std::fs::remove_dir_all(setting.state()).unwrap();
    after_polls(&exporter, 3.0).await;
    exporter.signal("KILL");
    exporter.wait(Duration::from_secs(5));
    let exporter = setting.start();
    assert_eq!(finished(&exporter.scrape().await), 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_primary_under_the_same_name_is_a_new_baseline() {
    let setting = Setting::new(Options { jobs: 50, ..Options::default() }).await;
    let exporter = setting.start();
    exporter.until("the baseline", succeeded).await;
    setting.finish(2);
    exporter.until("two", |s| finished(s) == 2.0).await;
    setting.control().set_fault(None, Some(Fault::Reset));
    exporter.until("the outage", |s| !succeeded(s)).await;
    setting.finish(7);
    setting.control().set_host_id("another");
    setting.control().set_fault(None, None);
    exporter.wait_for_log("another primary answers");
    let samples = after_polls(&exporter, 2.0).await;
    assert_eq!(finished(&samples), 2.0, "what the other one had done before is not counted, and the counters go on");
    setting.finish(1);
    exporter.until("three", |s| finished(s) == 3.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_primary_let_expire_meanwhile_is_said() {
    let setting = Setting::new(Options { jobs: 0, retention: Duration::from_secs(6), ..Options::default() }).await;
    let control = setting.control();
    let mut exporter = setting.start();
    exporter.until("the baseline", succeeded).await;
    control.freeze(false);
    setting.finish(3);
    let samples = exporter.until("three", |s| finished(s) == 3.0).await;
    assert_eq!(samples.get("netbackup_jobs_feed_gap_seconds_total", &[]), Some(0.0));
    exporter.signal("KILL");
    exporter.wait(Duration::from_secs(5));
    tokio::time::sleep(Duration::from_secs(8)).await;
    setting.finish(1);
    let exporter = setting.start();
    let samples = exporter.until("one more", |s| finished(s) == 4.0).await;
    let gap = samples.get("netbackup_jobs_feed_gap_seconds_total", &[]).unwrap();
    assert!((6.0..11.0).contains(&gap), "{gap}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_longer_lookback_is_filled_up_and_counts_nothing() {
    let setting = Setting::new(Options { jobs: 400, ..Options::default() }).await;
    let mut exporter = Exporter::start(&setting.config("lookback = \"2h\"\n"));
    let short = lookback(&exporter.until("the baseline", succeeded).await);
    setting.finish(2);
    exporter.until("two", |s| finished(s) == 2.0).await;
    exporter.signal("TERM");
    exporter.wait(Duration::from_secs(5));
    let exporter = Exporter::start(&setting.config("lookback = \"20h\"\n"));
    let samples = exporter.until("filled up", |s| succeeded(s) && lookback(s) > short * 4.0).await;
    assert_eq!(finished(&samples), 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_primary_at_another_address_goes_on_and_nothing_is_served_before_that_is_known() {
    let setting = Setting::new(Options { jobs: 50, ..Options::default() }).await;
    let mut exporter = setting.start();
    exporter.until("the baseline", succeeded).await;
    setting.finish(2);
    exporter.until("two", |s| finished(s) == 2.0).await;
    exporter.signal("TERM");
    exporter.wait(Duration::from_secs(5));
    setting.finish(1);
    setting.control().set_latency(Duration::from_millis(300));
    let exporter = Exporter::start(&setting.config("").replace("127.0.0.1", "localhost"));
    let first = exporter.scrape().await;
    assert_eq!(
        first.all("netbackup_storage_unit_info", &[]).count() + first.all("netbackup_lookback_jobs", &[]).count(),
        0
    );
    setting.control().set_latency(Duration::ZERO);
    exporter.until("three", |s| succeeded(s) && finished(s) == 3.0).await;
}
