//! The collector `clients` in the real binary: it tells of each client what the primary knows, counts exactly once across
//! a kill -9, shares the fate of the jobs it reads, and can be switched on while the exporter runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use netbackup_exporter::simulator::{Control, Fault, Job, Options, Simulator};
use support::{Exporter, Samples, binary};

const CLIENTS: (&str, &str) = ("collector", "clients");
const FINISHED: &str = "netbackup_client_jobs_finished_total";

/// Client, policy and job type.
type Key = [String; 3];

struct Setting {
    primary: Simulator,
    directory: tempfile::TempDir,
}

impl Setting {
    async fn new(jobs: usize) -> Setting {
        let primary = Simulator::start(Options { jobs, ..Options::default() }).await.unwrap();
        primary.control().freeze(true);
        Setting { primary, directory: tempfile::tempdir().unwrap() }
    }

    fn config(&self, more: &str) -> String {
        let (url, key) = (self.primary.base_url(), Options::default().api_key);
        let state = self.directory.path().join("state");
        let poll =
            "[poll]\nlookback = \"30d\"\njobs_ttl = \"300ms\"\nclients_ttl = \"300ms\"\nexpire_after = \"200h\"\n";
        let state = format!("[state]\ndirectory = \"{}\"\n", state.display());
        format!("{more}\n{poll}{state}[[site]]\nname = \"paris\"\nurl = \"{url}\"\napi_key = \"{key}\"\n")
    }

    fn start(&self) -> Exporter {
        Exporter::start(&self.config("[collectors]\nclients = true\nstorage = false"))
    }

    fn control(&self) -> &Control {
        self.primary.control()
    }

    fn finish(&self, client: &str, policy: &str, status: i64) -> Key {
        let now = self.control().now();
        let (end, start) = (Some(now - now.rem_euclid(1000)), Some(now - 5000));
        let (client_name, policy_name) = (client.into(), policy.into());
        let (state, status, last_update) = (Some("DONE".into()), Some(status), Some(now));
        let job = Job { state, status, end, start, last_update, client_name, policy_name, ..Job::default() };
        self.control().insert_job(job);
        [client.to_owned(), policy.to_owned(), "BACKUP".to_owned()]
    }

    /// Every key with its last success, last attempt and failures in a row.
    fn truth(&self) -> BTreeMap<Key, (Option<i64>, i64, u64)> {
        let mut truth = BTreeMap::new();
        let mut jobs = self.control().truth().jobs;
        jobs.retain(|job| job.is_done() && job.child_count == 0 && !job.client_name.is_empty());
        // Of two ends in one second the success counts.
        jobs.sort_by_key(|job| (job.end, matches!(job.status, Some(0 | 1))));
        for job in jobs {
            let job_type = job.job_type.unwrap_or_default().into_owned();
            let key = [job.client_name.to_string(), job.policy_name.to_string(), job_type];
            let end = job.end.unwrap() / 1000;
            let (success, attempt, failures) = truth.entry(key).or_insert((None, end, 0));
            *attempt = end;
            match job.status {
                Some(0 | 1) => (*success, *failures) = (Some(end), 0),
                Some(150) | None => {}
                Some(_) => *failures += u64::from(success.is_none_or(|success| end > success)),
            }
        }
        truth
    }
}

fn succeeded(samples: &Samples) -> bool {
    samples.get("netbackup_collector_success", &[CLIENTS]) == Some(1.0)
}

fn key_of(labels: &support::Labels) -> Key {
    ["client", "policy", "job_type"].map(|name| labels.iter().find(|(key, _)| key == name).unwrap().1.clone())
}

/// What the exporter says of every key, in the words of [`Setting::truth`].
fn known(samples: &Samples) -> BTreeMap<Key, (Option<i64>, i64, u64)> {
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
    let seconds = |name| -> BTreeMap<Key, i64> {
        samples.all(name, &[]).map(|(labels, value)| (key_of(labels), value as i64)).collect()
    };
    let success = seconds("netbackup_client_last_success_timestamp_seconds");
    let attempt = seconds("netbackup_client_last_attempt_timestamp_seconds");
    let failures = seconds("netbackup_client_consecutive_failures");
    let of = |(key, failures): (Key, i64)| {
        let known = (success.get(&key).copied(), attempt[&key], u64::try_from(failures).unwrap());
        (key, known)
    };
    failures.into_iter().map(of).collect()
}

/// Counted jobs by key and outcome; without those that stand at 0.
fn counted(samples: &Samples) -> BTreeMap<(Key, String), u64> {
    let outcome = |labels: &support::Labels| labels.iter().find(|(key, _)| key == "outcome").unwrap().1.clone();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let counts = samples.all(FINISHED, &[]).map(|(labels, value)| ((key_of(labels), outcome(labels)), value as u64));
    counts.filter(|(_, jobs)| *jobs > 0).collect()
}

/// Jobs that end now, added to what should have been counted.
fn finish(setting: &Setting, expected: &mut BTreeMap<(Key, String), u64>, jobs: &[(&str, &str, i64, &str)]) {
    for (client, policy, status, outcome) in jobs {
        *expected.entry((setting.finish(client, policy, *status), (*outcome).to_owned())).or_default() += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_client_is_told_of_as_the_primary_knows_it_and_counted_once_across_a_kill() {
    let setting = Setting::new(400).await;
    let mut exporter = setting.start();
    let samples = exporter.until("the baseline", succeeded).await;
    let truth = setting.truth();
    assert!(truth.len() > 50 && truth.values().any(|(_, _, failures)| *failures > 0));
    assert_eq!(known(&samples), truth);
    assert!(counted(&samples).is_empty(), "the baseline counts nothing");
    assert_eq!(samples.sum(FINISHED, &[("outcome", "failed")]), 0.0);
    assert_eq!(samples.all(FINISHED, &[("outcome", "failed")]).count(), truth.len(), "each stands at 0");

    let mut expected = BTreeMap::new();
    let first = [
        ("app-fs-01.example.com", "unix-daily", 0, "success"),
        ("app-fs-01.example.com", "unix-daily", 96, "failed"),
        ("new \"client\"", "vm\\gold", 58, "failed"),
        ("new \"client\"", "vm\\gold", 58, "failed"),
        ("new \"client\"", "vm\\gold", 150, "cancelled"),
        ("quiet", "", 1, "partial"),
    ];
    finish(&setting, &mut expected, &first);
    exporter.until("the first jobs", |s| counted(s) == expected).await;
    exporter.signal("KILL");
    exporter.wait(Duration::from_secs(5));
    let before = expected.clone();
    finish(&setting, &mut expected, &[("new \"client\"", "vm\\gold", 0, "success"), ("late", "gold", 2, "failed")]);
    setting.control().set_latency(Duration::from_millis(300));
    let exporter = setting.start();
    let samples = exporter.scrape().await;
    assert_eq!(counted(&samples), before, "the first answer has what was kept");
    let age = samples.get("netbackup_collector_age_seconds", &[CLIENTS]).unwrap();
    assert!(age > 0.0, "{age}");
    setting.control().set_latency(Duration::ZERO);
    let samples = exporter.until("what ended meanwhile", |s| succeeded(s) && counted(s) == expected).await;
    assert_eq!(known(&samples), setting.truth());
    let tracked = setting.truth().into_keys().map(|[client, ..]| client).collect::<std::collections::BTreeSet<_>>();
    let told = samples.get("netbackup_clients_tracked", &[]);
    assert_eq!(told, Some(u32::try_from(tracked.len()).unwrap().into()));
    assert_eq!(samples.get("netbackup_clients_dropped_jobs_total", &[]), Some(0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_fails_as_the_jobs_do_keeps_its_data_and_recovers_with_them() {
    let setting = Setting::new(50).await;
    let exporter = setting.start();
    let before = known(&exporter.until("the baseline", succeeded).await);
    let failures = |s: &Samples, reason: &str| {
        let labels = [CLIENTS, ("reason", reason)];
        s.get("netbackup_collector_poll_failures_total", &labels).unwrap()
    };
    setting.control().set_fault(Some("/admin/jobs"), Some(Fault::Status(500, Vec::new(), String::new())));
    let samples = exporter.until("the outage", |s| failures(s, "http") > 0.0 && !succeeded(s)).await;
    assert_eq!(known(&samples), before, "the last good data stay");
    let key = setting.finish("app", "gold", 0);
    setting.control().set_fault(None, None);
    setting.control().set_fault(Some("/admin/jobs"), None);
    let samples = exporter.until("the recovery", |s| succeeded(s) && !counted(s).is_empty()).await;
    assert_eq!(counted(&samples), BTreeMap::from([((key, "success".to_owned()), 1)]));
    let denied = [CLIENTS];
    assert_eq!(samples.get("netbackup_collector_permission_denied", &denied), Some(0.0));
    setting.control().set_rbac(vec!["/admin/jobs".to_owned()]);
    let is_denied = |s: &Samples| s.get("netbackup_collector_permission_denied", &denied) == Some(1.0);
    exporter.until("a missing right", |s| is_denied(s) && failures(s, "forbidden") > 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_on_by_a_reload_it_knows_the_window_at_once_and_a_cap_drops_what_comes_later() {
    let setting = Setting::new(200).await;
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("config.toml");
    let write = |more: &str| {
        let config = setting.config(&format!("[collectors]\nstorage = false\n{more}"));
        std::fs::write(&path, format!("[web]\nlisten_address = \"127.0.0.1:0\"\n{config}")).unwrap();
    };
    write("");
    let mut command = binary();
    command.arg("--config.file").arg(&path);
    let exporter = Exporter::spawn(command, directory);
    let jobs = [("collector", "jobs")];
    exporter.until("the baseline", |s| s.get("netbackup_collector_success", &jobs) == Some(1.0)).await;
    setting.finish("app", "gold", 96);
    let finished = |s: &Samples| s.sum("netbackup_jobs_finished_total", &[]);
    exporter.until("one job", |s| finished(s) == 1.0).await;
    assert!(known(&exporter.scrape().await).is_empty());
    write("clients = true\n");
    exporter.signal("HUP");
    let samples = exporter.until("the clients", |s| !known(s).is_empty()).await;
    assert_eq!(known(&samples), setting.truth(), "those of before too");
    let key = setting.finish("app", "gold", 96);
    let expected = BTreeMap::from([((key, "failed".to_owned()), 1)]);
    exporter.until("counted from then on", |s| counted(s) == expected).await;

    write("clients = true\n[clients]\nmax = 3\nexclude = \"app\"\n");
    exporter.signal("HUP");
    let tracked = |s: &Samples| s.get("netbackup_clients_tracked", &[]);
    exporter.until("three clients", |s| tracked(s) == Some(3.0)).await;
    setting.finish("app", "gold", 0);
    setting.finish("one too many", "gold", 0);
    let dropped = |s: &Samples| s.get("netbackup_clients_dropped_jobs_total", &[]);
    let samples = exporter.until("what is dropped", |s| dropped(s) == Some(1.0)).await;
    assert_eq!((finished(&samples), counted(&samples).len()), (4.0, 0), "jobs count whatever becomes of their client");
    exporter.wait_for_log("more clients than clients.max allows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_shows_clients_too() {
    let setting = Setting::new(100).await;
    let path = setting.directory.path().join("once.toml");
    std::fs::write(&path, setting.config("[collectors]\nall = true\nstorage = false\n")).unwrap();
    let once = tokio::task::spawn_blocking({
        let path = path.clone();
        move || binary().arg("--once").arg("--config.file").arg(&path).output().unwrap()
    });
    let once = once.await.unwrap();
    assert_eq!(once.status.code(), Some(0), "{}", String::from_utf8_lossy(&once.stderr));
    assert_eq!(known(&Samples::parse(&String::from_utf8(once.stdout).unwrap())), setting.truth());
}
