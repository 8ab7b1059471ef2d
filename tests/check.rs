//! `check` from end to end: the real binary asks simulated primaries, good and bad, and says what it finds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netbackup_exporter::config::COLLECTORS;
use netbackup_exporter::simulator::{Account, Fault, Options, Simulator, Sizes};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

const KEY: &str = "check-key-93b1c7";

async fn primary(options: Options) -> Simulator {
    Simulator::start(Options { api_key: KEY.to_owned(), ..options }).await.unwrap()
}

fn site(name: &str, url: &str, more: &str) -> String {
    format!("[[site]]\nname = \"{name}\"\nurl = \"{url}\"\napi_key = \"{KEY}\"\n{more}\n")
}

/// What a run of `check` left behind.
struct Checked {
    code: i32,
    out: String,
    err: String,
}

impl Checked {
    /// The report with one blank between words: how wide a column is depends on the longest name in it.
    fn words(&self) -> String {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        self.out.lines().map(|line| words(line) + "\n").collect()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// Readable by nobody else, because there is a key in it.
fn write_config(directory: &Path, config: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = directory.join("config.toml");
    std::fs::write(&path, config).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Runs `check` in a directory that holds `config.toml`.
async fn check_in(directory: &Path, config: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Checked {
    if !config.is_empty() {
        write_config(directory, config);
    }
    let mut command = support::binary();
    command.current_dir(directory).arg("check").args(arguments).envs(environment.iter().copied());
    let output = tokio::process::Command::from(command).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Checked { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

async fn check(config: &str, arguments: &[&str]) -> Checked {
    check_in(tempfile::tempdir().unwrap().path(), config, arguments, &[]).await
}

/// The one entry of a list whose `key` is `name`.
fn entry<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|entry| entry[key] == name).unwrap_or_else(|| panic!("no {name} in {list}"))
}

fn step<'a>(report: &'a Value, site: &str, step: &str) -> &'a Value {
    entry(&entry(&report["sites"], "site", site)["steps"], "step", step)
}

fn collector<'a>(report: &'a Value, site: &str, collector: &str) -> &'a Value {
    entry(&entry(&report["sites"], "site", site)["collectors"], "collector", collector)
}

fn says(entry: &Value, status: &str, words: &str) {
    let text = format!("{} {}", entry["message"].as_str().unwrap(), entry["advice"].as_str().unwrap_or_default());
    assert!(entry["status"] == status && text.contains(words), "expected {status}, {words:?}: {entry}");
}

#[tokio::test]
async fn a_good_site_is_well_and_nothing_is_touched() {
    let primary = primary(Options { jobs: 120, ..Options::default() }).await;
    // The port is taken and the state directory is not there: neither matters to one who uses neither.
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let web = format!("[web]\nlisten_address = \"{}\"\n[state]\ndirectory = \"state\"\n", taken.local_addr().unwrap());
    let config = web + &site("paris", &primary.base_url(), "");
    let checked = check_in(directory.path(), &config, &[], &[]).await;
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    assert_eq!(checked.err, "");
    assert!(!checked.out.contains('\u{1b}'), "no colours in a pipe: {}", checked.out);
    for line in [
        "ok name resolution 127.0.0.1 is an address",
        "ok api version 14.0 is spoken, the primary is NetBackup 11.2",
        "ok credentials accepted as svc-monitor",
        "ok collector storage allowed, 12 visible",
        "off collector hosts could read, ",
        "skip tls the url is http",
    ] {
        assert!(checked.words().contains(line), "{line:?} is missing: {}", checked.out);
    }
    assert!(checked.out.contains("\n1 site, 0 findings, 1 warning\n"), "plain http: {}", checked.out);
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["config.toml"]);
    for request in primary.control().requests() {
        let is_open = ["/ping", "/security/serverinfo", "/security/cacert"].contains(&request.path.as_str());
        assert_eq!(request.authorization, !is_open, "the key goes only where it is needed: {request:?}");
    }
    let counts = primary.control().request_counts();
    // Both jobs and catalog ask whether jobs are counted.
    let most = |endpoint: &str| if endpoint == "/admin/jobs-count-requests" { 2 } else { 1 };
    assert!(counts.iter().all(|(endpoint, count)| *count <= most(endpoint)), "{counts:?}");
}

#[tokio::test]
async fn the_report_for_programs_has_its_shape() {
    let primary = primary(Options { jobs: 50, ..Options::default() }).await;
    primary.control().set_rbac(vec!["/storage".into()]);
    let mut report = check(&site("paris", &primary.base_url(), ""), &["--json"]).await.json();
    let jobs = report["sites"][0]["collectors"][0]["objects"].as_u64().unwrap();
    assert!(jobs >= 50, "{report}");
    report["sites"][0]["collectors"][0]["objects"] = json!("some");
    report["sites"][0]["collectors"][0]["message"] = json!("some");
    for changing in [1, 4] {
        report["sites"][0]["steps"][changing]["message"] = json!("differs");
    }
    let step = |step: &str, status: &str, message: &str| json!({"step": step, "status": status, "message": message, "advice": null});
    let expected = json!({
        "status": "finding",
        "config": {
            "source": "config.toml",
            "status": "warning",
            "errors": [],
            "warnings": [
                "config.toml:3:7: site[0].url: with http the API key travels in clear; use https",
                "state.directory: not set, so that counters begin at 0 after each restart",
            ],
        },
        "sites": [{
            "site": "paris",
            "status": "finding",
            "steps": [
                step("name_resolution", "ok", "127.0.0.1 is an address"),
                step("tcp", "ok", "differs"),
                step("tls", "skipped", "the url is http: nothing is encrypted"),
                step("api_version", "ok", "14.0 is spoken, the primary is NetBackup 11.2"),
                step("clock", "ok", "differs"),
                step("credentials", "ok", "accepted as svc-monitor"),
            ],
            "collectors": [
                {
                    "collector": "jobs", "enabled": true, "status": "allowed", "permission": null,
                    "objects": "some", "message": "some", "advice": null,
                },
                {
                    "collector": "storage", "enabled": true, "status": "denied",
                    "permission": "STORAGE/STORAGE-UNITS VIEW", "objects": null,
                    "message": "denied, STORAGE/STORAGE-UNITS VIEW is missing",
                    "advice": "grant STORAGE/STORAGE-UNITS VIEW to the role of the key's user",
                },
            ],
        }],
    });
    // One that a later release adds is no change of the shape.
    report["sites"][0]["collectors"].as_array_mut().unwrap().truncate(2);
    assert_eq!(report, expected);
}

#[tokio::test]
async fn a_missing_right_is_told_from_an_empty_list_and_from_rights_on_single_jobs() {
    let (silent, empty, single, off) = (
        primary(Options::default()).await,
        primary(Options { jobs: 0, ..Options::default() }).await,
        primary(Options::default()).await,
        primary(Options::default()).await,
    );
    silent.control().set_silent_empty_jobs(true);
    single.control().set_rbac(vec!["/admin/jobs-count-requests".into()]);
    off.control().set_rbac(vec!["/storage".into()]);
    let config = site("silent", &silent.base_url(), "")
        + &site("empty", &empty.base_url(), "")
        + &site("single", &single.base_url(), "")
        + &site("off", &off.base_url(), "[site.collectors]\nstorage = false\n");
    let checked = check(&config, &["--json"]).await;
    let report = checked.json();
    assert_eq!(checked.code, 1);
    says(collector(&report, "silent", "jobs"), "denied", "MANAGE/JOBS VIEW is missing");
    assert_eq!(collector(&report, "silent", "jobs")["permission"], "MANAGE/JOBS VIEW");
    says(collector(&report, "silent", "storage"), "allowed", "12 visible");
    says(collector(&report, "empty", "jobs"), "empty", "the list is empty");
    assert_eq!(entry(&report["sites"], "site", "empty")["status"], "warning");
    says(
        collector(&report, "single", "jobs"),
        "allowed",
        "100 or more visible; the key has rights on single jobs only",
    );
    assert_eq!(entry(&report["sites"], "site", "single")["status"], "ok");
    let denied = collector(&report, "off", "storage");
    says(denied, "denied", "STORAGE/STORAGE-UNITS VIEW");
    assert_eq!((&denied["enabled"], &entry(&report["sites"], "site", "off")["status"]), (&json!(false), &json!("ok")));
    let text = check(&site("off", &off.base_url(), "[site.collectors]\nstorage = false\n"), &[]).await;
    assert_eq!(text.code, 0, "nobody wants what is denied");
    assert!(
        text.words().contains("off collector storage denied, STORAGE/STORAGE-UNITS VIEW is missing"),
        "{}",
        text.out
    );
}

const ALL: &str = "[site.collectors]\nall = true\n";

#[tokio::test]
async fn every_missing_right_is_named_and_part_of_the_data_is_told_from_none() {
    let primary = primary(Options::default()).await;
    let control = primary.control();
    control.set_silent_empty_jobs(true);
    let denied = ["/storage/tape-media", "/storage/tape-volume-pools", "/licensing", "/servicecatalog"];
    control.set_rbac(denied.map(str::to_owned).into());
    let checked = check(&site("paris", &primary.base_url(), ALL), &["--json"]).await;
    let report = checked.json();
    assert_eq!(checked.code, 1);
    let tape = collector(&report, "paris", "tape");
    says(tape, "allowed", "visible; STORAGE/TAPE-MEDIA VIEW and STORAGE/TAPE-MEDIA/VOLUME-POOLS VIEW are missing");
    says(tape, "allowed", "grant STORAGE/TAPE-MEDIA VIEW and STORAGE/TAPE-MEDIA/VOLUME-POOLS VIEW to the role");
    assert_eq!(tape["permission"], "STORAGE/TAPE-MEDIA VIEW");
    assert!(tape["objects"].as_u64().unwrap() > 0, "{tape}");
    let licensing = collector(&report, "paris", "licensing");
    says(licensing, "denied", "denied, MANAGE/LICENSING VIEW and MANAGE/LICENSING/USAGE VIEW are missing");
    assert_eq!((&licensing["permission"], &licensing["objects"]), (&json!("MANAGE/LICENSING VIEW"), &json!(null)));
    says(collector(&report, "paris", "slo"), "denied", "denied, VIEW on protection plans is missing");
    // The list of jobs is empty, and only their count tells why.
    let catalog = collector(&report, "paris", "catalog");
    says(catalog, "allowed", "MANAGE/JOBS VIEW is missing");
    assert!(catalog["objects"].as_u64().unwrap() > 0, "{catalog}");
    for well in ["storage", "hosts", "security", "disk_pools"] {
        assert_eq!(collector(&report, "paris", well)["permission"], json!(null), "{well}");
    }
    let findings = ["jobs", "tape", "catalog", "slo", "licensing", "clients"].len();
    let text = check(&site("paris", &primary.base_url(), ALL), &[]).await;
    assert!(text.words().contains("FAIL collector tape allowed in part, "), "{}", text.out);
    assert!(text.words().contains(&format!("\n1 site, {findings} findings, ")), "{}", text.out);
    // Nobody wants what is off.
    control.set_silent_empty_jobs(false);
    let text = check(&site("paris", &primary.base_url(), ""), &[]).await;
    assert!(text.code == 0 && text.words().contains("off collector tape could read in part, "), "{}", text.out);
}

#[tokio::test]
async fn what_is_on_is_asked_before_what_is_off_and_no_list_is_read_to_its_end() {
    let sizes = Sizes { hosts: 10_000, ..Sizes::default() };
    let primary = primary(Options { jobs: 10, sizes, ..Options::default() }).await;
    let control = primary.control();
    for off in
        ["/storage/disk-pools", "/storage/storage-servers", "/config/media-servers", "/storage/drives", "/manage"]
    {
        control.set_fault(Some(off), Some(Fault::Hang));
    }
    let some = "[site.collectors]\nhosts = true\nclients = true\n";
    let checked = check(&site("paris", &primary.base_url(), some), &["--json"]).await;
    let report = checked.json();
    assert_eq!(checked.code, 0, "{report}");
    for on in ["jobs", "storage", "clients"] {
        assert_eq!(collector(&report, "paris", on)["status"], "allowed", "{report}");
    }
    says(collector(&report, "paris", "hosts"), "allowed", "or more visible");
    says(collector(&report, "paris", "disk_pools"), "failed", "timeout");
    // In the order of the documents.
    let names: Vec<_> =
        report["sites"][0]["collectors"].as_array().unwrap().iter().map(|one| &one["collector"]).collect();
    assert_eq!(names, COLLECTORS.each_ref().map(|spec| spec.name));
    // One that is on and hangs leaves no time for the others.
    control.set_fault(Some("/config/hosts"), Some(Fault::Hang));
    let report = check(&site("paris", &primary.base_url(), some), &["--json"]).await.json();
    says(collector(&report, "paris", "hosts"), "failed", "timeout");
    says(collector(&report, "paris", "slo"), "skipped", "the collectors that are on took all the time");
}

#[tokio::test]
async fn what_signing_in_is_told_is_not_told_of_a_collector() {
    for (status, words) in [(403, "POST /login"), (404, "POST /login")] {
        let primary = primary(Options::default()).await;
        let files = Files::new();
        let config = guest_site(&primary, files.0.path()) + ALL;
        primary.control().set_fault(Some("/login"), Some(Fault::Status(status, Vec::new(), String::new())));
        let checked = check_in(files.0.path(), &config, &["--json"], &[]).await;
        let report = checked.json();
        assert_eq!(checked.code, 1);
        assert_ne!(step(&report, "guest", "credentials")["status"], "ok", "{report}");
        for of in ["jobs", "storage", "tape", "slo"] {
            let entry = collector(&report, "guest", of);
            assert!(entry["status"] == "failed" && entry["permission"] == json!(null), "{entry}");
            says(entry, "failed", words);
        }
    }
}

#[tokio::test]
async fn a_refused_key_is_sent_once() {
    let primary = primary(Options::default()).await;
    primary.control().set_api_key("another".into());
    let checked = check(&site("paris", &primary.base_url(), ""), &["--json"]).await;
    let report = checked.json();
    assert_eq!(checked.code, 1);
    says(step(&report, "paris", "credentials"), "finding", "check the API key");
    assert_eq!(collector(&report, "paris", "jobs")["status"], "skipped");
    assert_eq!(primary.control().requests().iter().filter(|request| request.authorization).count(), 1);
    // Where the release cannot say whose the key is, the answers to other requests judge it.
    let lacks = Fault::Status(404, Vec::new(), String::new());
    primary.control().set_fault(Some("/authorization-context"), Some(lacks));
    let report = check(&site("paris", &primary.base_url(), ""), &["--json"]).await.json();
    says(step(&report, "paris", "credentials"), "finding", "refused by the requests of the collectors");
    primary.control().set_api_key(KEY.into());
    let checked = check(&site("paris", &primary.base_url(), ""), &["--json"]).await;
    says(step(&checked.json(), "paris", "credentials"), "ok", "accepted by the requests of the collectors");
    assert_eq!(checked.code, 0);
}

#[tokio::test]
async fn a_dead_site_hides_no_other_and_the_report_fits_a_screen() {
    let primary = primary(Options::default()).await;
    let config = site("dead", "http://127.0.0.1:1", "")
        + &site("paris", &primary.base_url(), "")
        + &site("lost", "http://nowhere.invalid", "");
    let checked = check(&config, &[]).await;
    assert_eq!(checked.code, 1);
    let dead = "dead: http://127.0.0.1:1/netbackup\n  ok    name resolution  127.0.0.1 is an address\n  \
                FAIL  tcp              127.0.0.1:1: Connection refused (os error 111)\n                         \
                -> nothing listens there: check that the primary runs, and the port of url (NetBackup listens on 1556)\n  \
                skip  the rest         not tried, because tcp failed\n\nparis: http";
    assert!(checked.out.contains(dead), "{}", checked.out);
    assert!(checked.out.contains("\n  FAIL  name resolution  nowhere.invalid: "), "{}", checked.out);
    assert!(checked.words().contains("\nok collector jobs allowed, "), "{}", checked.out);
    assert!(checked.out.ends_with("\n3 sites, 2 findings, 4 warnings\n"), "{}", checked.out);
}

#[tokio::test]
async fn clocks_and_versions_are_judged() {
    let primary = primary(Options::default()).await;
    let control = primary.control();
    let (auto, fixed) =
        (site("auto", &primary.base_url(), ""), site("fixed", &primary.base_url(), "api_version = \"14.0\""));
    for (offset, status, words) in
        [(-600_000, "finding", "behind ours"), (600_000, "finding", "ahead of ours"), (-100_000, "ok", "behind ours")]
    {
        control.set_clock_offset(offset);
        let checked = check(&auto, &["--json"]).await;
        says(step(&checked.json(), "auto", "clock"), status, words);
        assert_eq!(checked.code, i32::from(status == "finding"));
        says(step(&checked.json(), "auto", "credentials"), "ok", "accepted");
    }
    control.set_clock_offset(0);
    control.set_api_version(Some("8.0"));
    let report = check(&auto, &["--json"]).await.json();
    says(step(&report, "auto", "api_version"), "finding", "speaks API version 8.0, but at least 9.0");
    assert_eq!(collector(&report, "auto", "jobs")["status"], "skipped");
    control.set_api_version(Some("12.0"));
    let report = check(&(auto + &fixed), &["--json"]).await.json();
    says(step(&report, "auto", "api_version"), "ok", "12.0 is spoken");
    says(
        step(&report, "fixed", "api_version"),
        "finding",
        "the primary speaks 12.0 at most set api_version = \"auto\"",
    );
}

#[tokio::test]
async fn everything_ends_within_ten_seconds() {
    let (hanging, half) = (primary(Options::default()).await, primary(Options::default()).await);
    hanging.control().set_fault(None, Some(Fault::Hang));
    half.control().set_fault(Some("/admin/jobs"), Some(Fault::Hang));
    half.control().set_fault(Some("/authorization-context"), Some(Fault::Hang));
    // Takes connections, and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = Authority::new("Backup CA");
    let files = Files::new();
    // Each step is slow, and what they take together is too much.
    let slow = primary(Options { latency: Duration::from_secs(4), ..Options::default() }).await;
    let guest = primary(Options { latency: Duration::from_millis(2_500), ..Options::default() }).await;
    let config = site("hanging", &hanging.base_url(), "")
        + &site("slow", &slow.base_url(), "")
        + &guest_site(&guest, files.0.path())
        + &site("half", &half.base_url(), "")
        + &site("mute", &format!("https://{}", mute.local_addr().unwrap()), &files.ca(&authority));
    let started = Instant::now();
    let checked = check_in(files.0.path(), &config, &["--json"], &[]).await;
    // A machine that is busy with other tests takes its time to start a process.
    assert!(started.elapsed() < Duration::from_secs(13), "took {:?}", started.elapsed());
    let report = checked.json();
    assert_eq!(checked.code, 1);
    says(step(&report, "hanging", "api_version"), "finding", "timeout: the answer of /ping did not come within 10 s");
    says(step(&report, "mute", "tls"), "finding", "timeout: the end of the handshake did not come");
    says(step(&report, "half", "credentials"), "ok", "timeout: /authorization-context did not answer within 4 s");
    says(collector(&report, "half", "jobs"), "failed", "timeout");
    says(collector(&report, "half", "storage"), "allowed", "12 visible");
    says(step(&report, "slow", "api_version"), "ok", "is spoken");
    says(step(&report, "slow", "credentials"), "finding", "timeout: /authorization-context did not answer within 2 s");
    says(collector(&report, "slow", "jobs"), "skipped", "not asked: what came before took all the time");
    says(step(&report, "guest", "credentials"), "ok", "timeout: /authorization-context did not answer within");
    says(collector(&report, "guest", "jobs"), "skipped", "not asked");
}

/// A site that signs in.
fn guest_site(primary: &Simulator, directory: &Path) -> String {
    let account = Account { user_name: "svc".into(), password: KEY.into(), ..Account::default() };
    primary.control().set_account(Some(account));
    std::fs::write(directory.join("password"), KEY).unwrap();
    site("guest", &primary.base_url(), "[site.login]\nusername = \"svc\"\npassword_file = \"password\"")
        .replace(&format!("api_key = \"{KEY}\"\n"), "")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_check_leaves_no_session() {
    let primary = primary(Options::default()).await;
    let control = primary.control();
    control.set_fault(Some("/admin/jobs"), Some(Fault::Hang));
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("config.toml"), guest_site(&primary, directory.path())).unwrap();
    let mut command = support::binary();
    let mut child = command.current_dir(directory.path()).arg("check").spawn().unwrap();
    let since = Instant::now();
    while control.in_flight() == 0 || control.open_sessions() == 0 {
        assert!(since.elapsed() < Duration::from_secs(8), "it signs in, and then waits for the jobs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let signal = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(control.open_sessions(), 0);
}

#[tokio::test]
async fn what_answers_but_is_no_primary_is_seen_as_such() {
    let primary = primary(Options::default()).await;
    primary.control().set_fault(None, Some(Fault::Html));
    let checked = check(&site("paris", &primary.base_url(), ""), &["--json"]).await;
    let report = checked.json();
    assert_eq!(checked.code, 1);
    says(step(&report, "paris", "clock"), "warning", "no time in milliseconds");
    says(
        step(&report, "paris", "api_version"),
        "warning",
        "check that url leads to the REST API of a NetBackup primary",
    );
    says(collector(&report, "paris", "jobs"), "failed", "the answer is text/html");
}

#[tokio::test]
async fn mistakes_of_the_configuration_come_first_all_at_once_and_without_values() {
    let config = "[web]\nmax_request = 1\n[[site]]\nname = \"paris\"\nurl = \"S3CRET-nbu\"\napi_key_file = \"none\"\n";
    let checked = check(config, &[]).await;
    assert_eq!(checked.code, 2);
    let lines: Vec<&str> = checked.out.lines().collect();
    assert_eq!(lines.len(), 6, "{}", checked.out);
    assert!(lines[1].starts_with("  FAIL  config.toml:2:1: web.max_request: "), "{}", checked.out);
    assert!(checked.out.ends_with("\n3 mistakes: the exporter would not start\n") && !checked.out.contains("S3CRET"));
    let checked = check(config, &["--json"]).await;
    let report = checked.json();
    assert_eq!((checked.code, &report["status"], &report["sites"]), (2, &json!("error"), &json!([])));
    let first = &report["config"]["errors"][0];
    assert_eq!(
        (&first["file"], &first["line"], &first["column"], &first["key"]),
        (&json!("config.toml"), &json!(2), &json!(1), &json!("web.max_request"))
    );
    assert!(first["message"].as_str().is_some_and(|message| !message.is_empty()));

    // Well-formed, and no certificate: only who tries to use it notices.
    let files = Files::new();
    files.write("ca.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    let config = site("paris", "https://127.0.0.1:1", "[site.tls]\nca_file = \"ca.pem\"");
    for arguments in [&["--json", "--offline"][..], &["--json"]] {
        let checked = check_in(files.0.path(), &config, arguments, &[]).await;
        assert_eq!(checked.code, 2, "{}", checked.out);
        assert!(checked.json()["config"]["errors"][0]["message"].as_str().unwrap().contains("paris"));
    }
    let checked = check_in(tempfile::tempdir().unwrap().path(), "", &["--json"], &[]).await;
    assert_eq!((checked.code, &checked.json()["status"]), (2, &json!("error")), "there is no configuration");
}

#[tokio::test]
async fn offline_asks_nobody_and_the_environment_is_a_configuration() {
    let primary = primary(Options::default()).await;
    let checked = check(&site("paris", &primary.base_url(), ""), &["--offline"]).await;
    assert_eq!(checked.code, 0);
    assert!(checked.out.ends_with("\n1 site not asked, 2 warnings\n"), "{}", checked.out);
    assert!(primary.control().requests().is_empty());

    let url = primary.base_url();
    let environment = [("NETBACKUP_URL", url.as_str()), ("NETBACKUP_API_KEY", KEY)];
    let checked = check_in(tempfile::tempdir().unwrap().path(), "", &[], &environment).await;
    assert_eq!(checked.code, 0, "{}", checked.out);
    assert!(checked.out.starts_with("configuration: environment\n") && checked.out.contains("\nnetbackup: http"));
}

#[tokio::test]
async fn no_secret_is_told_at_any_level_and_a_proxy_is() {
    let primary = primary(Options::default()).await;
    let config = site("paris", &primary.base_url(), "");
    for key in [KEY, "another"] {
        primary.control().set_api_key(key.to_owned());
        let checked = check(&config, &["--log.level", "trace"]).await;
        assert!(!checked.err.is_empty(), "the log goes there when it is asked for");
        assert!(!checked.out.contains(KEY) && !checked.err.contains(KEY), "{}{}", checked.out, checked.err);
    }
    // What cannot be resolved here may be resolved by the proxy.
    let config = site("paris", "http://nbu.invalid", "");
    let proxy = ("http_proxy", "http://user:S3CRET@127.0.0.1:1");
    let away = check_in(tempfile::tempdir().unwrap().path(), &config, &["--json"], &[proxy]).await;
    says(step(&away.json(), "paris", "tcp"), "skipped", "left to the proxy");
    assert!(!away.out.contains("S3CRET"), "{}", away.out);
    let environment = [proxy, ("no_proxy", "nbu.invalid")];
    let direct = check_in(tempfile::tempdir().unwrap().path(), &config, &["--json"], &environment).await;
    says(step(&direct.json(), "paris", "name_resolution"), "finding", "nbu.invalid");
}

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A primary behind TLS, whose certificate is for `name` and valid for so many days from now on.
    async fn serve(&self, primary: &Simulator, name: &str, days: i64) -> SocketAddr {
        self.serve_to(primary, name, days, None).await
    }

    /// As [`Authority::serve`], to those who have a certificate of `clients`.
    async fn serve_to(&self, primary: &Simulator, name: &str, days: i64, clients: Option<&Authority>) -> SocketAddr {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "primary");
        let now = std::time::SystemTime::now();
        let day = Duration::from_secs(24 * 3600);
        params.not_before = (now - 100 * day).into();
        let lifetime = day * u32::try_from(days.abs()).unwrap() + Duration::from_secs(600);
        params.not_after = if days < 0 { now - lifetime } else { now + lifetime }.into();
        let key = KeyPair::generate().unwrap();
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(clients.pem.as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(vec![certificate], key).unwrap();
        let (acceptor, behind) = (TlsAcceptor::from(Arc::new(config)), primary.address());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut outside) = acceptor.accept(stream).await else { return };
                    let mut inside = TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        address
    }
}

struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `[site.tls]` that trusts `authority`.
    fn ca(&self, authority: &Authority) -> String {
        let path = self.write(&format!("{}.pem", authority.pem.len()), &authority.pem);
        format!("[site.tls]\nca_file = {:?}\n", path.display().to_string())
    }
}

#[tokio::test]
async fn certificates_are_shown_and_what_is_wrong_with_them_is_said() {
    let primary = primary(Options::default()).await;
    let (ours, files) = (Authority::new("Backup CA"), Files::new());
    let good = ours.serve(&primary, "127.0.0.1", 300).await;
    let named = ours.serve(&primary, "nbu.example.com", 300).await;
    let (old, soon) = (ours.serve(&primary, "127.0.0.1", -3).await, ours.serve(&primary, "127.0.0.1", 9).await);
    files.write("other.pem", &Authority::new("Other CA").pem);
    files.write("renewed.pem", &Authority::new("Backup CA").pem);
    let trusting = files.ca(&ours);
    let https = |name: &str, address: SocketAddr, more: &str| site(name, &format!("https://{address}"), more);
    let config = https("good", good, &trusting)
        + &https("named", named, &trusting)
        + &https("told", named, &format!("{trusting}server_name = \"nbu.example.com\"\n"))
        + &https("old", old, &trusting)
        + &https("soon", soon, &trusting)
        + &https("foreign", good, "[site.tls]\nca_file = \"other.pem\"\n")
        + &https("renewed", good, "[site.tls]\nca_file = \"renewed.pem\"\n")
        + &https("careless", old, &format!("{trusting}insecure_skip_verify = true\n"))
        + &https("needless", good, &format!("{trusting}insecure_skip_verify = true\n"))
        + &https("plain", primary.address(), &trusting);
    let checked = check_in(files.0.path(), &config, &["--json"], &[]).await;
    let report = checked.json();
    assert_eq!(checked.code, 1);
    let tls = |site: &str| step(&report, site, "tls");
    says(tls("good"), "ok", "\"primary\" for 127.0.0.1, issued by \"Backup CA\", 300 days left");
    says(collector(&report, "good", "storage"), "allowed", "12 visible");
    says(tls("named"), "finding", "the certificate is not for 127.0.0.1, but for nbu.example.com. \"primary\" for nbu");
    says(tls("told"), "ok", "300 days left");
    says(
        tls("old"),
        "finding",
        "\"primary\" has expired. \"primary\" for 127.0.0.1, issued by \"Backup CA\", expired 3 days ago",
    );
    says(tls("soon"), "warning", "9 days left renew \"primary\" soon");
    says(tls("foreign"), "finding", "the issuer \"Backup CA\" is not trusted");
    says(tls("foreign"), "finding", "ca_file must hold the certificate of \"Backup CA\"");
    says(
        tls("renewed"),
        "finding",
        "it is not signed by the \"Backup CA\" that is trusted, but by another of that name",
    );
    says(tls("careless"), "warning", "not verified (insecure_skip_verify): \"primary\" has expired");
    says(collector(&report, "careless", "storage"), "allowed", "12 visible");
    says(tls("needless"), "ok", "insecure_skip_verify is not needed");
    says(tls("plain"), "finding", "what answers there is no TLS");
    assert_eq!(step(&report, "old", "credentials")["status"], "skipped");
}

#[tokio::test]
async fn a_primary_that_wants_a_certificate_gets_it_or_that_is_said() {
    let primary = primary(Options::default()).await;
    let (ours, clients, files) = (Authority::new("Backup CA"), Authority::new("Client CA"), Files::new());
    let address = ours.serve_to(&primary, "127.0.0.1", 300, Some(&clients)).await;
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().signed_by(&key, &clients.issuer).unwrap();
    files.write("client.pem", &certificate.pem());
    files.write("client.key", &key.serialize_pem());
    let (url, trusting) = (format!("https://{address}"), files.ca(&ours));
    let own = format!("{trusting}client_cert_file = \"client.pem\"\nclient_key_file = \"client.key\"\n");
    let config = site("without", &url, &trusting) + &site("with", &url, &own);
    let report = check_in(files.0.path(), &config, &["--json"], &[]).await.json();
    says(step(&report, "without", "tls"), "warning", "asks for a client certificate");
    assert_eq!(step(&report, "without", "api_version")["status"], "finding");
    says(step(&report, "with", "tls"), "ok", "300 days left");
    says(collector(&report, "with", "storage"), "allowed", "12 visible");
}
