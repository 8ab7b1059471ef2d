//! Missing rights, told from no data: as metrics, in the log and on the pages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use netbackup_exporter::config::COLLECTORS;
use netbackup_exporter::simulator::{Fault, Options, Release, Simulator};
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

/// Collectors that ask the primary for themselves.
fn asking() -> Vec<&'static str> {
    COLLECTORS.iter().map(|spec| spec.name).filter(|name| *name != "clients").collect()
}

fn everything(primary: &Simulator) -> String {
    let ttls: String = asking().iter().map(|name| format!("{name}_ttl = \"300ms\"\n")).collect();
    // Whatever else the machine does, nothing gets old meanwhile.
    let limits = "stale_after = \"1h\"\nexpire_after = \"2h\"\n";
    config(primary).replace(QUICK, &format!("[poll]\n{limits}{ttls}[collectors]\nall = true\n"))
}

/// Lines of the log that somebody reads, about this collector.
fn lines(exporter: &Exporter, collector: &str) -> Vec<String> {
    let about = format!("collector={collector} ");
    let read = |line: &String| line.contains(&about) && !line.contains("level=debug");
    exporter.log().into_iter().filter(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_rights_sees_denied_everywhere_and_one_line_each() {
    let primary = Simulator::start(Options::default()).await.unwrap();
    primary.control().set_silent_empty_jobs(true);
    primary.control().set_rbac(asking_paths());
    let exporter = Exporter::start(&everything(&primary));
    let all = |s: &Samples| asking().iter().all(|name| denied(s, name));
    exporter.until("all denied", all).await;
    let polled = |s: &Samples, count: f64| {
        let polls = |name| s.get("netbackup_collector_polls_total", &[("collector", name)]).unwrap_or(0.0);
        asking().into_iter().all(|name| polls(name) >= count)
    };
    let samples = exporter.until("eight polls of each", |s| polled(s, 8.0)).await;
    assert!(all(&samples));
    // Anybody may ask for the certificates of the CA.
    for name in asking().into_iter().filter(|name| *name != "security") {
        assert_eq!(samples.get("netbackup_collector_success", &[("collector", name)]), Some(0.0), "{name}");
        assert_eq!(lines(&exporter, name).len(), 1, "{name}: {:#?}", lines(&exporter, name));
    }
    assert_eq!(lines(&exporter, "security").len(), 2, "its first data, and what is denied");
    let state = [("collector", "security"), ("endpoint", "/security/api-keys"), ("state", "denied")];
    assert_eq!(samples.get("netbackup_collector_endpoint_state", &state), Some(1.0));
}

fn asking_paths() -> Vec<String> {
    let paths = ["/admin", "/storage", "/config", "/manage", "/eventlog", "/malware", "/security/anomalies"];
    let more = ["/security/status", "/security/certificates", "/security/api-keys", "/catalog", "/servicecatalog"];
    paths.into_iter().chain(more).chain(["/licensing"]).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_release_lacks_is_said_and_is_no_failure() {
    let primary = Simulator::start(Options { release: Release::R10_3, ..Options::default() }).await.unwrap();
    primary.control().set_fault(Some("/servicecatalog"), Some(Fault::Status(404, Vec::new(), String::new())));
    let exporter = Exporter::start(&everything(&primary));
    let supported =
        |s: &Samples, name: &str| s.get("netbackup_collector_supported", &[("collector", name)]) == Some(1.0);
    let success = |s: &Samples, name: &str| s.get("netbackup_collector_success", &[("collector", name)]) == Some(1.0);
    let is_settled = |s: &Samples| {
        asking().into_iter().all(|name| if name == "slo" { !supported(s, name) } else { success(s, name) })
    };
    let samples = exporter.until("all that 10.3 has", is_settled).await;
    assert_eq!(samples.sum("netbackup_collector_poll_failures_total", &[]), 0.0);
    for (collector, endpoint) in [("tape", "/storage/tape-media"), ("security", "/security/status")] {
        let labels = [("collector", collector), ("endpoint", endpoint), ("state", "unsupported")];
        assert_eq!(samples.get("netbackup_collector_endpoint_state", &labels), Some(1.0), "{endpoint}");
    }
    assert!(samples.sum("netbackup_tape_drives", &[]) > 0.0, "drives are there without media");
    exporter
        .until("it was asked again", |s| {
            s.get("netbackup_collector_polls_total", &[("collector", "slo")]).unwrap() >= 8.0
        })
        .await;
    assert_eq!(lines(&exporter, "slo").len(), 1, "{:#?}", lines(&exporter, "slo"));
    assert_eq!(exporter.json("/health").await["status"], "pass", "what is not offered is as good as off");
}
