//! Another configuration while the exporter runs: the real binary, simulated primaries, and somebody who scrapes all the
//! time. What did not change is not touched; what did goes on counting; what is gone leaves no series.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "faults/authority.rs"]
mod authority;
mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use authority::Authority;
use netbackup_exporter::simulator::{Account, Fault, Job, Options, Simulator};
use support::{Exporter, Samples, binary};

const KEY: &str = "reload-key-5b1c88";
const QUICK: &str = "[poll]\njobs_ttl = \"300ms\"\nstorage_ttl = \"300ms\"\n";
/// The contract: a change takes effect within 5 s. More for a busy machine: this only guards against what never comes.
const WITHIN: Duration = Duration::from_secs(20);

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
    let connections = || paris.control().requests().iter().map(|request| request.connection).max();
    let before = connections();
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
    // A client that is built anew opens connections of its own.
    assert_eq!(connections(), before, "paris was left alone");

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
async fn a_certificate_that_changes_in_place_takes_effect() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, others) = (Authority::new(), Authority::new());
    let options = Options { api_key: KEY.to_owned(), tls: Some(ours.server("127.0.0.1", 2099)), ..Options::default() };
    let paris = Simulator::start(options).await.unwrap();
    let file = others.file(directory.path());
    let setting =
        Setting::new(&format!("{QUICK}{}", site("paris", &paris, &format!("[site.tls]\nca_file = {file:?}"))));
    let tls_failures = [("site", "paris"), ("reason", "tls")];
    setting
        .exporter
        .until("the authority is another one", |s| {
            s.sum("netbackup_collector_poll_failures_total", &tls_failures) >= 2.0
        })
        .await;
    ours.file(directory.path());
    let samples = setting.until("trusted", |s| succeeded(s, "paris")).await;
    assert!(samples.sum("netbackup_collector_poll_failures_total", &tls_failures) >= 2.0, "it counts on");
    assert_eq!(samples.get("netbackup_api_circuit_open", &[("site", "paris")]), Some(0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_go_on_though_the_next_reload_meets_a_baseline_that_is_not_read_yet() {
    for keeps_state in [false, true] {
        let (one, two) = (primary().await, primary().await);
        two.control().set_host_id("9c4f0000-0000-4000-8000-000000000002");
        let directory = tempfile::tempdir().unwrap();
        let state = match keeps_state {
            true => format!("[state]\ndirectory = {:?}\n", directory.path().join("state")),
            false => String::new(),
        };
        let config = |primary: &Simulator, lookback: &str| {
            format!("{state}{QUICK}{}", site("paris", primary, &format!("[site.poll]\nlookback = \"{lookback}\"")))
        };
        let setting = Setting::new(&config(&one, "24h"));
        let exporter = &setting.exporter;
        exporter.until("data", |s| succeeded(s, "paris")).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        finish(&one, 3);
        exporter.until("counted", |s| finished(s, "paris") == 3.0).await;
        two.control().set_fault(Some("/admin/jobs"), Some(Fault::Hang));
        setting.write(&config(&two, "24h"));
        exporter.wait_for_log("changed=paris");
        let asked = || two.control().request_counts().get("/admin/jobs-count-requests").copied().unwrap_or_default();
        let since = Instant::now();
        while asked() == 0 && two.control().in_flight() == 0 {
            assert!(since.elapsed() < WITHIN, "the other primary is asked");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let reloads = || exporter.log().iter().filter(|line| line.contains("changed=paris")).count();
        let before = reloads();
        setting.write(&config(&two, "12h"));
        while reloads() == before {
            assert!(since.elapsed() < WITHIN * 2, "the second reload");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        two.control().set_fault(Some("/admin/jobs"), None);
        let new = exporter.until("data of the other primary", |s| succeeded(s, "paris")).await;
        assert_eq!(finished(&new, "paris"), 3.0, "state: {keeps_state}");
        tokio::time::sleep(Duration::from_millis(1100)).await;
        finish(&two, 2);
        exporter.until("counted on", |s| finished(s, "paris") == 5.0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_neither_repeats_a_refused_password_nor_drops_a_session() {
    let paris = primary().await;
    let account = |password: &str| Account {
        user_name: "monitor".into(),
        password: password.into(),
        domain_name: None,
        domain_type: None,
        needs_second_factor: false,
    };
    paris.control().set_account(Some(account("right")));
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    std::fs::write(&password, "wrong").unwrap();
    let config = |lookback: &str| {
        format!(
            "{QUICK}[[site]]\nname = \"paris\"\nurl = \"{}\"\n[site.login]\nusername = \"monitor\"\npassword_file = {password:?}\n\
             [site.poll]\nlookback = \"{lookback}\"\n",
            paris.base_url()
        )
    };
    let setting = Setting::new(&config("24h"));
    let exporter = &setting.exporter;
    let failures =
        |s: &Samples| s.sum("netbackup_collector_poll_failures_total", &[("site", "paris"), ("reason", "auth")]);
    exporter.until("refused", |s| failures(s) >= 2.0).await;
    let reload = || async {
        assert_eq!(support::client().post(format!("{}/-/reload", exporter.base)).send().await.unwrap().status(), 200);
    };
    for lookback in ["23h", "22h", "21h"] {
        setting.write(&config(lookback));
        reload().await;
    }
    assert_eq!(paris.control().login_attempts(), 1, "a wrong password is sent once a minute at most");
    let samples = exporter.scrape().await;
    assert_eq!(samples.get("netbackup_up", &[("site", "paris")]), Some(0.0), "still refused");
    // Another password need not wait.
    std::fs::write(&password, "right").unwrap();
    setting.until("signed in", |s| succeeded(s, "paris")).await;
    assert_eq!(paris.control().login_attempts(), 2);
    for lookback in ["20h", "19h"] {
        setting.write(&config(lookback));
        reload().await;
    }
    let polled = polls(&exporter.scrape().await, "paris");
    let samples = exporter.until("polled on", |s| polls(s, "paris") > polled + 2.0).await;
    assert_eq!(samples.get("netbackup_up", &[("site", "paris")]), Some(1.0));
    assert_eq!((paris.control().login_attempts(), paris.control().open_sessions()), (2, 1), "the session goes on");
    // A site that goes ends its session, though the exporter stops at once.
    let rome = primary().await;
    setting.write(&format!("{QUICK}{}", site("rome", &rome, "")));
    reload().await;
    exporter.signal("TERM");
    let since = Instant::now();
    while paris.control().open_sessions() > 0 {
        assert!(since.elapsed() < WITHIN, "the session stays open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_changes_in_place_takes_effect() {
    let paris = primary().await;
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    let setting = Setting::new(&format!(
        "{QUICK}[[site]]\nname = \"paris\"\nurl = \"{}\"\napi_key_file = {key:?}\n",
        paris.base_url()
    ));
    setting.exporter.until("data", |s| succeeded(s, "paris")).await;
    // The old key works on until the primary takes it away: the new one is used before that. The primary judges a key
    // late enough that the first request with the new one is let in.
    paris.control().set_latency(Duration::from_secs(2));
    std::fs::write(&key, "another-key").unwrap();
    setting.exporter.wait_for_log("another API key or password");
    paris.control().set_api_key("another-key".to_owned());
    paris.control().set_latency(Duration::ZERO);
    let polled = polls(&setting.exporter.scrape().await, "paris");
    setting.until("polled with the new key", |s| polls(s, "paris") > polled + 2.0 && succeeded(s, "paris")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_is_asked_for_answers_with_what_came_of_it() {
    let paris = primary().await;
    let good = format!("{QUICK}{}", site("paris", &paris, ""));
    let setting = Setting::new(&good);
    setting.exporter.until("data", |s| succeeded(s, "paris")).await;
    let client = support::client();
    let url = format!("{}/-/reload", setting.exporter.base);
    let ask = || async {
        let answer = client.post(&url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask().await, (200, "reloaded\n".to_owned()));
    assert_eq!(client.get(&url).send().await.unwrap().status(), 405);
    assert_eq!(client.post(&url).header("origin", "http://x").send().await.unwrap().status(), 403);
    let bad = format!("{QUICK}{}api_kee = \"S3CRET-9\"\n", site("paris", &paris, "bogus = \"S3CRET-8\""));
    std::fs::write(&setting.path, whole(&bad)).unwrap();
    let (status, text) = ask().await;
    assert_eq!(status, 400);
    assert!(text.contains("site[0].bogus") && text.contains("site[0].api_kee") && !text.contains("S3CRET"), "{text}");
    assert_eq!(last_reload(&setting.exporter.scrape().await).0, 0.0, "the next scrape says so");
    // Many at once are done one after the other.
    std::fs::write(&setting.path, whole(&good)).unwrap();
    let asked = futures_util::future::join_all((0..8).map(|_| ask())).await;
    assert!(asked.iter().all(|(status, _)| *status == 200), "{asked:?}");
    assert_eq!(last_reload(&setting.exporter.scrape().await).0, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_file_says_of_the_pages_takes_effect() {
    let paris = primary().await;
    let directory = tempfile::tempdir().unwrap();
    let web = directory.path().join("web.yml");
    let with_headers = |name: &str| format!("http_server_config:\n  headers:\n    X-Frame-Options: {name}\n");
    std::fs::write(&web, with_headers("deny")).unwrap();
    let sites = format!("{QUICK}{}", site("paris", &paris, ""));
    let setting = Setting::new(&format!("config_file = {web:?}\n{sites}"));
    let exporter = &setting.exporter;
    exporter.until("data", |s| succeeded(s, "paris")).await;
    let shown = |path: &'static str| async move {
        let answer = support::client().get(format!("{}{path}", exporter.base)).send().await.unwrap();
        let header = answer.headers().get("x-frame-options").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), header)
    };
    let within = |path: &'static str, expected: (u16, Option<String>)| async move {
        let since = Instant::now();
        while shown(path).await != expected {
            assert!(since.elapsed() < WITHIN, "{path}: {:?}, expected {expected:?}", shown(path).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert_eq!(shown("/metrics").await, (200, Some("deny".to_owned())));
    // The web configuration alone.
    std::fs::write(&web, with_headers("sameorigin")).unwrap();
    within("/metrics", (200, Some("sameorigin".to_owned()))).await;
    // A bad one harms nothing, and mending it is noticed.
    std::fs::write(&web, "http_server_config:\n  bogus: S3CRET\n").unwrap();
    exporter.wait_for_log("unknown key");
    assert_eq!(shown("/metrics").await, (200, Some("sameorigin".to_owned())));
    assert!(!exporter.log().join("\n").contains("S3CRET"));
    std::fs::write(&web, with_headers("deny")).unwrap();
    within("/metrics", (200, Some("deny".to_owned()))).await;
    // Nobody is let in without a password any more, and the telemetry path is another one.
    let users = "basic_auth_users:\n  admin: $2y$04$.CS3byH9ghNyBrJiIAhtXODxZOW8O8zAqaHOyzAYJdEYKI0C.JxVC\n";
    std::fs::write(&web, users).unwrap();
    within("/metrics", (401, None)).await;
    std::fs::write(&setting.path, whole(&format!("telemetry_path = \"/other\"\ncreated_samples = true\n{sites}")))
        .unwrap();
    within("/metrics", (404, None)).await;
    assert_eq!(shown("/other").await, (200, None));
    let open =
        support::client().get(format!("{}/other", exporter.base)).header("accept", "application/openmetrics-text");
    assert!(open.send().await.unwrap().text().await.unwrap().contains("_created{"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_came_through_a_pipe_is_not_read_again_by_itself() {
    let paris = primary().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let text = whole(&format!("{QUICK}{}", site("paris", &paris, "")));
    let writer = std::thread::spawn({
        let path = path.clone();
        move || std::fs::write(path, text).unwrap()
    });
    let mut command = binary();
    command.arg("--config.file").arg(&path);
    let exporter = Exporter::spawn(command, directory);
    writer.join().unwrap();
    exporter.until("data", |s| succeeded(s, "paris")).await;
    // Longer than it takes to look at files, and to try again after a mistake.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let samples = exporter.scrape().await;
    assert_eq!(last_reload(&samples).0, 1.0);
    assert!(succeeded(&samples, "paris") && !exporter.log().iter().any(|line| line.contains("reading")));
}
