//! Outages and the way to a primary, with the real binary: a dark site is left alone and found again by itself, and
//! hurts no other; proxies of the environment are used; what is not verified is said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use netbackup_exporter::simulator::{Fault, Options, Simulator};
use support::{Exporter, Samples, binary};

const KEY: &str = "outage-key-90c1";
const QUICK: &str = "[poll]\njobs_ttl = \"300ms\"\nstorage_ttl = \"300ms\"\n";

async fn primary() -> Simulator {
    Simulator::start(Options { api_key: KEY.to_owned(), jobs: 50, ..Options::default() }).await.unwrap()
}

fn site(name: &str, url: &str) -> String {
    format!("[[site]]\nname = \"{name}\"\nurl = \"{url}\"\napi_key = \"{KEY}\"\n")
}

fn is_fresh(samples: &Samples, site: &str) -> bool {
    ["jobs", "storage"].iter().all(|collector| {
        let labels = [("site", site), ("collector", *collector)];
        samples.get("netbackup_collector_success", &labels) == Some(1.0)
            && samples.get("netbackup_collector_stale", &labels) == Some(0.0)
    })
}

fn circuit(samples: &Samples, site: &str) -> Option<f64> {
    samples.get("netbackup_api_circuit_open", &[("site", site)])
}

#[tokio::test]
async fn a_dark_site_is_left_alone_and_found_again_by_itself() {
    let primary = primary().await;
    let exporter = Exporter::start(&(QUICK.to_owned() + &site("paris", &primary.base_url())));
    exporter.until("fresh", |s| is_fresh(s, "paris")).await;
    assert_eq!(circuit(&exporter.scrape().await, "paris"), Some(0.0));
    for fault in [Fault::Reset, Fault::Reset] {
        primary.control().set_fault(None, Some(fault));
        let samples = exporter
            .until("the circuit is open, and polls fail for that reason", |s| {
                circuit(s, "paris") == Some(1.0)
                    && s.sum("netbackup_collector_poll_failures_total", &[("reason", "circuit")]) >= 2.0
            })
            .await;
        assert_eq!(samples.get("netbackup_up", &[("site", "paris")]), Some(0.0));
        assert!(samples.all("netbackup_lookback_jobs", &[]).count() > 0, "the last good data stay");
        primary.control().clear_requests();
        let polls = |s: &Samples| s.sum("netbackup_collector_polls_total", &[]);
        let before = polls(&samples);
        exporter.until("more polls", |s| polls(s) >= before + 10.0).await;
        let counts = primary.control().request_counts();
        assert!(counts.keys().all(|path| *path == "/ping"), "only /ping is tried: {counts:?}");
        primary.control().set_fault(None, None);
        exporter.until("found again", |s| circuit(s, "paris") == Some(0.0) && is_fresh(s, "paris")).await;
    }
    let log = exporter.log();
    let lines = |words: &str| log.iter().filter(|line| line.contains(words)).count();
    assert_eq!((lines("the circuit is open, and only"), lines("the circuit is closed")), (2, 2), "{log:#?}");
}

#[tokio::test]
async fn a_dozen_dark_sites_hurt_no_healthy_one() {
    let (paris, berlin) = (primary().await, primary().await);
    let mut config = QUICK.to_owned() + &site("paris", &paris.base_url()) + &site("berlin", &berlin.base_url());
    let dark: Vec<String> = (0..12).map(|number| format!("dark{number}")).collect();
    for name in &dark {
        config += &site(name, "http://127.0.0.1:1/netbackup");
    }
    let exporter = Exporter::start(&config);
    let polls = |s: &Samples, site| s.sum("netbackup_collector_polls_total", &[("site", site)]);
    let samples = exporter
        .until("every dark site is known, and the healthy ones were polled meanwhile", |s| {
            dark.iter().all(|site| circuit(s, site) == Some(1.0))
                && polls(s, "paris") >= 6.0
                && polls(s, "berlin") >= 6.0
        })
        .await;
    for site in ["paris", "berlin"] {
        let failures = samples.sum("netbackup_collector_poll_failures_total", &[("site", site)]);
        assert_eq!((failures, circuit(&samples, site)), (0.0, Some(0.0)), "{site}");
        assert!(is_fresh(&samples, site), "{site}");
    }
}

/// Passes every connection on to `upstream`, and counts them: for plain http that is a proxy.
async fn proxy(upstream: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, SeqCst);
            tokio::spawn(async move {
                let mut upstream = tokio::net::TcpStream::connect(upstream).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
            });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_used_and_its_password_is_nowhere() {
    let primary = primary().await;
    let (address, connections) = proxy(primary.address()).await;
    let config = QUICK.to_owned()
        + &site("hidden", "http://nbu.invalid:1556/netbackup")
        + &site("loopback", &primary.base_url())
        + &site("left-out", "http://other.invalid:1556/netbackup");
    let proxy = format!("http://user:pr0xy-s3cret@{address}");
    let environment = [("http_proxy", proxy.as_str()), ("NO_PROXY", "other.invalid")];
    let exporter = Exporter::with(&config, "", &["--log.level", "trace"], &environment);
    let samples = exporter
        .until("through the proxy, and around it", |s| {
            is_fresh(s, "hidden") && is_fresh(s, "loopback") && circuit(s, "left-out") == Some(1.0)
        })
        .await;
    assert!(connections.load(SeqCst) > 0 && samples.get("netbackup_up", &[("site", "left-out")]) == Some(0.0));
    let log = exporter.log();
    let through: Vec<_> = log.iter().filter(|line| line.contains("asked through a proxy")).collect();
    assert!(through.len() == 1 && through[0].contains("site=hidden"), "{through:?}");
    assert!(!log.iter().any(|line| line.contains("pr0xy-s3cret")), "at the most verbose level");
}

#[test]
fn a_proxy_variable_that_is_none_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, site("paris", "https://nbu.invalid:1556/netbackup")).unwrap();
    let mut command = binary();
    command.arg("--config.file").arg(&path).env("HTTPS_PROXY", "socks5://user:pr0xy-s3cret@one:1080");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("site paris: HTTPS_PROXY is no proxy") && !text.contains("pr0xy-s3cret"), "{text}");
}

#[tokio::test]
async fn the_demo_does_not_care_for_proxies() {
    let mut command = binary();
    command.args(["demo", "--web.listen-address", "127.0.0.1:0"]);
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(variable, "socks5://127.0.0.1:1");
    }
    let exporter = Exporter::spawn(command, tempfile::tempdir().unwrap());
    exporter.until("data", |s| is_fresh(s, "demo")).await;
}

#[tokio::test]
async fn a_site_that_is_not_verified_is_warned_about_and_shown() {
    let skipping = site("lab", "https://127.0.0.1:1/netbackup") + "[site.tls]\ninsecure_skip_verify = true\n";
    let exporter = Exporter::start(&(site("paris", "https://127.0.0.1:1/netbackup") + &skipping));
    let warning = exporter.wait_for_log("certificates are not verified");
    assert!(warning.contains("level=warn") && warning.contains("insecure_skip_verify"), "{warning}");
    let samples = exporter.scrape().await;
    let shown = |site| samples.get("netbackup_api_tls_verification_disabled", &[("site", site)]);
    assert_eq!((shown("lab"), shown("paris")), (Some(1.0), Some(0.0)));
}
