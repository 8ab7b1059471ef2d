//! Another configuration while the exporter runs: the real binary, simulated primaries, and somebody who scrapes all the
//! time. What did not change is not touched; what did goes on counting; what is gone leaves no series.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use netbackup_exporter::simulator::{Job, Options, Simulator};
use support::{Exporter, Samples, binary};

const KEY: &str = "reload-key-5b1c88";
const QUICK: &str = "[poll]\njobs_ttl = \"300ms\"\nstorage_ttl = \"300ms\"\n";
/// The contract: a change takes effect within 5 s. Two more for a busy machine.
const WITHIN: Duration = Duration::from_secs(7);

async fn primary() -> Simulator {
    let options = Options { api_key: KEY.to_owned(), jobs: 40, jobs_per_minute: 0.0, ..Options::default() };
    Simulator::start(options).await.unwrap()
}

fn site(name: &str, primary: &Simulator, more: &str) -> String {
    format!("[[site]]\nname = \"{name}\"\nurl = \"{}\"\napi_key = \"{KEY}\"\n{more}\n", primary.base_url())
}

/// An exporter whose configuration is written anew.
struct Setting {
    path: PathBuf,
    exporter: Exporter,
}

impl Setting {
    fn new(config: &str) -> Setting {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, whole(config)).unwrap();
        let mut command = binary();
        command.arg("--config.file").arg(&path);
        Setting { exporter: Exporter::spawn(command, directory), path }
    }

    /// Writes the file and sends nothing: the exporter has to notice.
    fn write(&self, config: &str) {
        // As editors do it: aside, then renamed into place.
        let aside = self.path.with_extension("new");
        std::fs::write(&aside, whole(config)).unwrap();
        std::fs::rename(&aside, &self.path).unwrap();
    }

    async fn until(&self, what: &str, holds: impl Fn(&Samples) -> bool) -> Samples {
        let since = Instant::now();
        let samples = self.exporter.until(what, holds).await;
        assert!(since.elapsed() < WITHIN, "{what} took {:?}", since.elapsed());
        samples
    }
}

fn whole(config: &str) -> String {
    format!("[web]\nlisten_address = \"127.0.0.1:0\"\n{config}")
}

fn succeeded(samples: &Samples, site: &str) -> bool {
    samples.sum("netbackup_collector_success", &[("site", site)]) >= 2.0
}

fn polls(samples: &Samples, site: &str) -> f64 {
    samples.sum("netbackup_collector_polls_total", &[("site", site), ("collector", "jobs")])
}

fn requests(samples: &Samples, site: &str) -> f64 {
    samples.sum("netbackup_api_requests_total", &[("site", site)])
}

fn finished(samples: &Samples, site: &str) -> f64 {
    samples.sum("netbackup_jobs_finished_total", &[("site", site)])
}

fn last_reload(samples: &Samples) -> (f64, f64) {
    let get = |name| samples.get(name, &[]).unwrap();
    (
        get("netbackup_exporter_config_last_reload_successful"),
        get("netbackup_exporter_config_last_reload_success_timestamp_seconds"),
    )
}

/// Lets `count` jobs finish now.
fn finish(primary: &Simulator, count: usize) {
    let control = primary.control();
    let now = control.now();
    for _ in 0..count {
        control.insert_job(Job {
            job_type: Some("BACKUP".into()),
            policy_type: Some("STANDARD".into()),
            state: Some("DONE".into()),
            status: Some(0),
            start: Some(now - 60_000),
            end: Some(now),
            ..Job::default()
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_come_change_and_go_while_scrapes_go_on() {
    let (paris, oslo, rome) = (primary().await, primary().await, primary().await);
    let before = format!("{QUICK}{}{}", site("paris", &paris, ""), site("oslo", &oslo, ""));
    let setting = Setting::new(&before);
    let exporter = &setting.exporter;
    exporter.until("both have data", |s| succeeded(s, "paris") && succeeded(s, "oslo")).await;
    // Not in the second in which the baseline was read.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    finish(&paris, 3);
    finish(&oslo, 2);
    exporter.until("counted", |s| finished(s, "paris") == 3.0 && finished(s, "oslo") == 2.0).await;

    let (stop, scrapes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (stop, scrapes) = (Arc::clone(&stop), Arc::clone(&scrapes));
            let (client, url) = (support::client(), format!("{}/metrics", exporter.base));
            tokio::spawn(async move {
                let mut floor = 0.0_f64;
                while !stop.load(Relaxed) {
                    let answer = client.get(&url).send().await.expect("a scrape during a reload");
                    assert_eq!(answer.status(), 200);
                    let samples = Samples::parse(&answer.text().await.unwrap());
                    assert!(succeeded(&samples, "paris"), "an unchanged site never blinks");
                    let now = finished(&samples, "oslo");
                    assert!(now >= floor, "a counter of a changed site falls: {floor} to {now}");
                    floor = now;
                    scrapes.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();

    // One site changes, one comes, by a change of the file alone.
    let connections = paris.control().request_counts();
    let old = exporter.scrape().await;
    let changed = format!(
        "{QUICK}{}{}{}",
        site("paris", &paris, ""),
        site("oslo", &oslo, "[site.poll]\njobs_ttl = \"400ms\"\nlookback = \"12h\""),
        site("rome", &rome, "")
    );
    setting.write(&changed);
    let new = setting
        .until("rome is polled and oslo has its new TTL", |s| {
            succeeded(s, "rome")
                && s.get("netbackup_collector_ttl_seconds", &[("site", "oslo"), ("collector", "jobs")]) == Some(0.4)
        })
        .await;
    for site in ["paris", "oslo"] {
        assert!(polls(&new, site) >= polls(&old, site) && requests(&new, site) >= requests(&old, site), "{site}");
    }
    assert_eq!(new.get("netbackup_lookback_seconds", &[("site", "paris")]), Some(86_400.0));
    exporter
        .until("the new window", |s| s.get("netbackup_lookback_seconds", &[("site", "oslo")]) == Some(43_200.0))
        .await;
    finish(&oslo, 4);
    exporter.until("oslo goes on counting", |s| finished(s, "oslo") == 6.0).await;
    assert_eq!(finished(&exporter.scrape().await, "paris"), 3.0);
    let version_questions =
        |counts: &std::collections::BTreeMap<&str, u64>| counts.get("/authorization-context").copied();
    assert_eq!(
        version_questions(&paris.control().request_counts()),
        version_questions(&connections),
        "paris was left alone"
    );

    // A site goes, with all that bears its name.
    setting.write(&format!("{QUICK}{}{}", site("paris", &paris, ""), site("oslo", &oslo, "")));
    let gone = setting.until("rome is gone", |s| requests(s, "rome") == 0.0).await;
    let names: Vec<_> =
        gone.values.keys().filter(|(_, labels)| labels.iter().any(|(_, value)| value == "rome")).collect();
    assert!(names.is_empty(), "{names:?}");
    assert_eq!(exporter.get("/health?site=rome").await.0, 404);
    let asked = rome.control().request_counts().values().sum::<u64>();
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(rome.control().request_counts().values().sum::<u64>(), asked, "nobody asks rome any more");

    stop.store(true, Relaxed);
    for scraper in load {
        scraper.await.unwrap();
    }
    assert!(scrapes.load(Relaxed) > 100, "{scrapes:?}");
    assert_eq!(last_reload(&exporter.scrape().await).0, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_configuration_changes_nothing_and_says_so() {
    let paris = primary().await;
    let good = format!("{QUICK}{}", site("paris", &paris, ""));
    let setting = Setting::new(&good);
    let exporter = &setting.exporter;
    let before = exporter.until("data", |s| succeeded(s, "paris")).await;
    setting.write(&format!("{QUICK}{}api_kee = \"S3CRET-9\"\n", site("paris", &paris, "bogus = \"S3CRET-8\"")));
    let bad = setting.until("the gauge says so", |s| last_reload(s).0 == 0.0).await;
    assert_eq!(last_reload(&bad).1, last_reload(&before).1, "the last success is older");
    let log = exporter.log().join("\n");
    assert!(log.contains("site[0].bogus") && log.contains("site[0].api_kee"), "every mistake: {log}");
    assert!(!log.contains("S3CRET"), "no value: {log}");
    let again = exporter.until("polled on", |s| polls(s, "paris") > polls(&bad, "paris")).await;
    assert!(succeeded(&again, "paris"));
    // A key file that is not there is a mistake like any other.
    setting.write(&good.replace(&format!("api_key = \"{KEY}\""), "api_key_file = \"nowhere\""));
    exporter.wait_for_log("no such file");
    setting.write(&good);
    let mended = setting.until("mended", |s| last_reload(s).0 == 1.0).await;
    assert!(last_reload(&mended).1 > last_reload(&before).1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_a_restart_is_said() {
    let paris = primary().await;
    let sites = format!("{QUICK}{}", site("paris", &paris, ""));
    let setting = Setting::new(&sites);
    setting.exporter.until("data", |s| succeeded(s, "paris")).await;
    let text = whole(&sites).replace("127.0.0.1:0", "127.0.0.1:1");
    std::fs::write(&setting.path, format!("{text}[state]\ndirectory = \"elsewhere\"\n")).unwrap();
    setting.exporter.signal("HUP");
    setting.exporter.wait_for_log("listen_address");
    setting.exporter.wait_for_log("[state] directory");
    setting.until("taken over all the same", |s| last_reload(s).0 == 1.0 && succeeded(s, "paris")).await;
    assert!(!setting.path.with_file_name("elsewhere").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_another_address_nothing_old_is_served_and_the_counters_of_the_jobs_go_on() {
    let (one, two) = (primary().await, primary().await);
    two.control().set_host_id("9c4f0000-0000-4000-8000-000000000002");
    let state = tempfile::tempdir().unwrap();
    let state = format!("[state]\ndirectory = {:?}\n", state.path().join("state"));
    let config = |primary: &Simulator| format!("{state}{QUICK}{}", site("paris", primary, ""));
    let setting = Setting::new(&config(&one));
    let exporter = &setting.exporter;
    exporter.until("data", |s| succeeded(s, "paris")).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    finish(&one, 3);
    exporter.until("counted", |s| finished(s, "paris") == 3.0).await;
    two.control().set_latency(Duration::from_secs(1));
    setting.write(&config(&two));
    let empty = setting.until("a new start", |s| polls(s, "paris") == 0.0).await;
    assert_eq!(empty.all("netbackup_lookback_jobs", &[]).count(), 0);
    assert_eq!(empty.all("netbackup_storage_unit_info", &[]).count(), 0);
    two.control().set_latency(Duration::ZERO);
    let new = exporter.until("data of the other primary", |s| succeeded(s, "paris")).await;
    assert_eq!(finished(&new, "paris"), 3.0, "its jobs of before are a new baseline");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    finish(&two, 2);
    exporter.until("counted on", |s| finished(s, "paris") == 5.0).await;
    // The file on disk holds the same.
    exporter.signal("KILL");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_state_directory_a_changed_site_is_kept_on() {
    let paris = primary().await;
    let directory = tempfile::tempdir().unwrap();
    let state = format!("[state]\ndirectory = {:?}\n", directory.path().join("state"));
    let config = |ttl: &str| {
        format!("{state}[poll]\njobs_ttl = \"{ttl}\"\nstorage_ttl = \"300ms\"\n{}", site("paris", &paris, ""))
    };
    let setting = Setting::new(&config("300ms"));
    setting.exporter.until("data", |s| succeeded(s, "paris")).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for (round, ttl) in ["310ms", "320ms", "330ms"].iter().enumerate() {
        finish(&paris, 2);
        // Whether it is counted before the task is restarted or after it.
        setting.write(&config(ttl));
        let expected = 2.0 * (round + 1) as f64;
        setting.exporter.until("counted once", |s| finished(s, "paris") >= expected).await;
        let seconds = ttl.trim_end_matches("ms").parse::<f64>().unwrap() / 1000.0;
        let labels = [("site", "paris"), ("collector", "jobs")];
        setting
            .exporter
            .until("restarted", |s| s.get("netbackup_collector_ttl_seconds", &labels) == Some(seconds))
            .await;
        assert_eq!(finished(&setting.exporter.scrape().await, "paris"), expected);
    }
    let samples = setting.exporter.scrape().await;
    assert_eq!(samples.get("netbackup_exporter_state_set_aside_total", &[]), Some(0.0));
    assert_eq!(samples.get("netbackup_exporter_state_save_failures_total", &[]), Some(0.0));
    drop(setting);
    let again = Setting::new(&config("300ms"));
    assert_eq!(finished(&again.exporter.scrape().await, "paris"), 6.0, "what was counted is on the disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_and_a_key_that_change_in_place_take_effect() {
    let paris = primary().await;
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    let setting = Setting::new(&format!(
        "{QUICK}[[site]]\nname = \"paris\"\nurl = \"{}\"\napi_key_file = {key:?}\n",
        paris.base_url()
    ));
    setting.exporter.until("data", |s| succeeded(s, "paris")).await;
    // The old key works on until the primary takes it away: the new one is used before that.
    let started = setting.exporter.log().len();
    std::fs::write(&key, "another-key").unwrap();
    let since = Instant::now();
    while setting.exporter.log().len() == started {
        assert!(since.elapsed() < WITHIN, "the change was not noticed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    paris.control().set_api_key("another-key".to_owned());
    let polled = polls(&setting.exporter.scrape().await, "paris");
    setting.until("polled with the new key", |s| polls(s, "paris") > polled + 2.0 && succeeded(s, "paris")).await;
}
