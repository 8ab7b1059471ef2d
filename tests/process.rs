//! The process as its user and its service manager see it: exit codes, signals, ports, the environment, `--once`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::time::Duration;

use netbackup_exporter::simulator::{Fault, Options, Simulator};
use support::{Exporter, Samples, binary};

const SECRET: &str = "s3cr3t-sentinel-51c0";

async fn primary() -> Simulator {
    Simulator::start(Options { api_key: SECRET.to_owned(), jobs: 50, ..Options::default() }).await.unwrap()
}

fn site(primary: &Simulator) -> String {
    format!("[[site]]\nname = \"paris\"\nurl = \"{}\"\napi_key = \"{SECRET}\"\n", primary.base_url())
}

fn run(config: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, config).unwrap();
    binary().arg("--config.file").arg(&path).args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_mistake_is_told_at_once_and_no_value_with_it() {
    let config = format!(
        "[web]\nlisten = \"x\"\n[poll]\njobs_ttl = \"0s\"\ntimeout = \"{SECRET}\"\n[[site]]\nname = \"a b\"\nurl = \"ftp://user:{SECRET}@host/?q={SECRET}\"\napi_key = \"${{UNSET_VARIABLE}}\"\n[[site]]\nname = \"x\"\nurl = \"https://h\"\napi_key = \"{SECRET}\"\napi_kee = \"{SECRET}\"\n"
    );
    let output = run(&config, &[]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for (line, key) in
        [(2, "listen"), (4, "jobs_ttl"), (5, "timeout"), (7, "name"), (8, "url"), (9, "api_key"), (14, "api_kee")]
    {
        assert!(
            text.lines().any(|found| found.contains(&format!("config.toml:{line}:")) && found.contains(key)),
            "line {line}, key {key}: {text}"
        );
    }
    assert!(!text.contains(SECRET) && !text.contains("user:"), "{text}");
}

#[test]
fn broken_toml_and_a_missing_file_are_configuration_errors() {
    for config in ["[[site]\n", "key = \"abc", "\u{0}", "[web]\nmax_requests = 1\n"] {
        let output = run(config, &[]);
        assert_eq!(output.status.code(), Some(2), "{config:?}: {}", stderr(&output));
        assert!(!output.stderr.is_empty());
    }
    let output = binary().args(["--config.file", "/nonexistent/config.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/nonexistent/config.toml"));
}

#[test]
fn a_usage_error_is_2_and_help_and_version_are_0() {
    assert_eq!(binary().arg("--no-such-flag").output().unwrap().status.code(), Some(2));
    assert_eq!(binary().args(["--log.level", "loud"]).output().unwrap().status.code(), Some(2));
    let version = binary().arg("--version").output().unwrap();
    assert_eq!(version.status.code(), Some(0));
    let text = String::from_utf8(version.stdout).unwrap();
    assert!(text.contains(env!("CARGO_PKG_VERSION")) && text.contains("revision") && text.contains("rustc"), "{text}");
    let help = binary().arg("--help").output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("--web.listen-address"));
}

#[tokio::test]
async fn a_taken_port_is_a_runtime_failure() {
    let primary = primary().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&site(&primary), &["--web.listen-address", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
}

#[tokio::test]
async fn sigterm_and_sigint_stop_cleanly_while_a_primary_hangs() {
    for signal in ["TERM", "INT"] {
        let primary = primary().await;
        primary.control().set_fault(None, Some(Fault::Hang));
        let mut exporter = Exporter::start(&site(&primary));
        exporter.scrape().await;
        exporter.signal(signal);
        assert_eq!(exporter.wait(Duration::from_secs(5)).code(), Some(0), "{signal}: {:#?}", exporter.log());
    }
}

/// A scrape that is under way when the stop comes: its client has sent the whole request and is slow to read an answer
/// larger than what the sockets hold.
#[tokio::test]
async fn a_scrape_in_flight_is_answered_at_the_stop() {
    let primary = Simulator::start(Options { api_key: SECRET.to_owned(), storage_units: 3000, ..Options::default() })
        .await
        .unwrap();
    let mut exporter = Exporter::start(&site(&primary));
    exporter.until("data", |s| s.sum("netbackup_collector_success", &[]) >= 2.0).await;
    let address = exporter.base.strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    // Pipelined, so that there is more to come than any buffer takes.
    let requests = 8;
    stream.write_all("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(requests).as_bytes()).unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    exporter.signal("TERM");
    exporter.wait_for_log("msg=stopping");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    let answer = format!("{}{rest}", char::from(first[0]));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    let length: usize = length.unwrap().parse().unwrap();
    assert!(length > 1_000_000 && body.len() >= length, "the answer is whole: {} of {length} bytes", body.len());
    assert_eq!(exporter.wait(Duration::from_secs(6)).code(), Some(0));
}

#[tokio::test]
async fn once_ends_when_it_is_told_to() {
    let primary = primary().await;
    primary.control().set_fault(None, Some(Fault::Hang));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, site(&primary)).unwrap();
    let mut child =
        binary().arg("--config.file").arg(&path).arg("--once").stderr(std::process::Stdio::null()).spawn().unwrap();
    let since = std::time::Instant::now();
    while primary.control().in_flight() == 0 {
        assert!(since.elapsed() < support::PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(std::process::Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap().success());
    let since = std::time::Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(since.elapsed() < Duration::from_secs(5), "still running");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_holds_up_neither_watchdog_nor_stop() {
    let primary = primary().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, format!("[web]\nlisten_address = \"127.0.0.1:0\"\n{}", site(&primary))).unwrap();
    let mut command = binary();
    command.arg("--config.file").arg(&path);
    let mut exporter = Exporter::spawn(command, directory);
    std::fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    exporter.signal("HUP");
    exporter.scrape().await;
    exporter.signal("TERM");
    assert_eq!(exporter.wait(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn wrong_flags_of_the_demo_are_usage_errors() {
    for flag in ["--web.listen-address=nonsense", "--web.max-requests=1000000", "--web.telemetry-path=/health"] {
        let output = binary().args(["demo", flag]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flag}: {}", stderr(&output));
    }
}

#[tokio::test]
async fn sighup_takes_the_configuration_over_and_never_ends_the_process() {
    let primary = primary().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    let good = format!("[web]\nlisten_address = \"127.0.0.1:0\"\n{}", site(&primary));
    std::fs::write(&path, &good).unwrap();
    let mut command = binary();
    command.arg("--config.file").arg(&path);
    let mut exporter = Exporter::spawn(command, directory);
    let successful = |s: &Samples| s.get("netbackup_exporter_config_last_reload_successful", &[]).unwrap();
    assert_eq!(successful(&exporter.scrape().await), 1.0);
    exporter.signal("HUP");
    exporter.wait_for_log("is the one that runs");
    std::fs::write(&path, format!("{good}api_kee = \"{SECRET}\"\n")).unwrap();
    exporter.signal("HUP");
    let line = exporter.wait_for_log("has a mistake");
    assert!(line.contains("api_kee") && !line.contains(SECRET), "{line}");
    exporter.until("the gauge says so", |s| successful(s) == 0.0).await;
    std::fs::write(&path, good.replace("paris", "oslo")).unwrap();
    exporter.signal("HUP");
    exporter.wait_for_log("added=oslo");
    std::fs::write(&path, &good).unwrap();
    exporter.signal("HUP");
    exporter.until("correct again", |s| successful(s) == 1.0).await;
    exporter.signal("TERM");
    assert_eq!(exporter.wait(Duration::from_secs(5)).code(), Some(0));
}

#[tokio::test]
async fn the_environment_alone_starts_one_site() {
    let primary = primary().await;
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, format!("{SECRET}\n")).unwrap();
    let key = key.to_str().unwrap().to_owned();
    for (variable, value) in [("NETBACKUP_API_KEY", SECRET), ("NETBACKUP_API_KEY_FILE", &key)] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = binary();
        command.current_dir(directory.path()).args(["--web.listen-address", "127.0.0.1:0", "--log.level", "trace"]);
        command.env("NETBACKUP_URL", primary.base_url()).env(variable, value).env("NETBACKUP_SITE", "oslo");
        let exporter = Exporter::spawn(command, directory);
        exporter.until("data", |s| s.sum("netbackup_collector_success", &[("site", "oslo")]) >= 2.0).await;
        let everything = [
            exporter.log().join("\n"),
            exporter.get("/").await.1,
            exporter.get("/api/v1/status").await.1,
            exporter.get("/metrics").await.1,
        ]
        .join("\n");
        assert!(!everything.contains(SECRET), "the key is nowhere, at the most verbose level");
    }
    let nothing = tempfile::tempdir().unwrap();
    let output = binary().current_dir(nothing.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "neither a file nor an environment");
}

#[tokio::test]
async fn once_prints_the_exposition_and_says_whether_all_went_well() {
    let primary = primary().await;
    let config = site(&primary);
    let output = tokio::task::spawn_blocking({
        let config = config.clone();
        move || run(&config, &["--once"])
    })
    .await
    .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let samples = Samples::parse(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(samples.sum("netbackup_collector_success", &[("site", "paris")]), 2.0);
    assert_eq!(samples.all("netbackup_storage_unit_info", &[]).count(), 12);
    primary.control().set_fault(Some("/storage"), Some(Fault::Html));
    let output = tokio::task::spawn_blocking(move || run(&config, &["--once"])).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let samples = Samples::parse(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(
        samples.get("netbackup_collector_poll_failures_total", &[("collector", "storage"), ("reason", "decode")]),
        Some(1.0)
    );
    assert_eq!(samples.get("netbackup_collector_success", &[("collector", "jobs")]), Some(1.0));
}

#[tokio::test]
async fn both_formats_and_gzip_say_the_same() {
    let primary = primary().await;
    let exporter = Exporter::start(&site(&primary));
    exporter.until("data", |s| s.sum("netbackup_collector_success", &[]) >= 2.0).await;
    let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    let get = |accept: &'static str, gzip: bool| {
        let client = reqwest::Client::builder().no_proxy().gzip(gzip).build().unwrap();
        let url = format!("{}/metrics", exporter.base);
        async move {
            let answer = client.get(url).header("accept", accept).send().await.unwrap();
            let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
            (kind, answer.text().await.unwrap())
        }
    };
    let data = |body: &str| -> Vec<String> {
        let data = |line: &&str| {
            line.starts_with("netbackup_lookback")
                || line.starts_with("netbackup_storage")
                || line.starts_with("netbackup_job")
        };
        body.lines().filter(data).map(str::to_owned).collect()
    };
    let (text_type, text) = get("text/plain", false).await;
    assert_eq!(text_type, "text/plain; version=0.0.4; charset=utf-8");
    assert!(data(&text).len() > 100);
    for gzip in [false, true] {
        let (kind, open) = get(prometheus, gzip).await;
        assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        assert!(open.ends_with("\n# EOF\n"));
        assert_eq!(data(&open), data(&text));
        assert_eq!(data(&get("text/plain", gzip).await.1), data(&text));
    }
    let (status, filtered) = exporter.get("/metrics?site=paris").await;
    assert_eq!(status, 200);
    assert!(!filtered.contains("netbackup_exporter_") && !filtered.contains("process_"));
    assert_eq!(exporter.get("/metrics?site=rome").await.0, 404);
}
