//! Twelve dark sites beside two healthy ones: the healthy stay fresh, scrapes and health checks stay quick, memory and
//! connections stay bounded, and the stop is not delayed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stdout, reason = "what was measured is worth a line")]

#[path = "faults/authority.rs"]
mod authority;
mod support;

use std::time::{Duration, Instant};

use authority::Authority;
use netbackup_exporter::simulator::{Door, Fault, Options, Simulator};
use support::Exporter;

const KEY: &str = "dark-key-0c55";
const HEALTHY: [&str; 2] = ["healthy-one", "healthy-two"];
/// How long it is watched.
const NIGHT: Duration = Duration::from_secs(15);
/// The oldest that anything of a healthy site may be, on a machine that is busy with other tests.
const OLDEST: f64 = 10.0;
/// The longest that an answer may take there; `/health` may wait for its own timeout before.
const SLOWEST: Duration = Duration::from_secs(10);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// The most memory that it may ever have had, in KiB.
const MOST_MEMORY: u64 = 100 * 1_024;
/// The most file descriptors: a few connections for each site, and what the process needs itself.
const MOST_DESCRIPTORS: usize = 150;

/// What the twelve do.
#[derive(Clone)]
enum Darkness {
    Fault(Fault),
    Door(Door),
    /// TLS is asked for, and the handshake never happens.
    SilentTls,
    /// TLS is asked for, and plain HTTP answers.
    NoTls,
    /// The name does not resolve.
    Nowhere,
}

async fn primary(options: Options) -> Simulator {
    let options = Options { api_key: KEY.to_owned(), jobs: 20, storage_units: 3, odd_rows: false, ..options };
    Simulator::start(options).await.unwrap()
}

fn status(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_dark_sites_leave_two_healthy_ones_fresh() {
    let directory = tempfile::tempdir().unwrap();
    let ours = Authority::new();
    let ca_file = ours.file(directory.path());
    let darkness = [
        Darkness::Fault(Fault::Hang),
        Darkness::Fault(Fault::Drip),
        Darkness::Fault(Fault::SlowHeaders),
        Darkness::Fault(Fault::Reset),
        Darkness::Fault(Fault::Close),
        Darkness::Fault(Fault::LongLength),
        Darkness::Fault(Fault::HugeHeaders),
        Darkness::Door(Door::Closed),
        Darkness::Door(Door::Silent),
        Darkness::SilentTls,
        Darkness::NoTls,
        Darkness::Nowhere,
    ];
    let mut config = "[health]\nttl = \"1s\"\ntimeout = \"2s\"\n[poll]\njobs_ttl = \"1s\"\nstorage_ttl = \"1s\"\nrequest_timeout = \"2s\"\ntimeout = \"3s\"\n".to_owned();
    let mut add = |name: &str, url: &str, tls: &str| {
        config.push_str(&format!("[[site]]\nname = \"{name}\"\nurl = \"{url}\"\napi_key = \"{KEY}\"\n{tls}"));
    };
    let mut primaries = Vec::new();
    for name in HEALTHY {
        let healthy = primary(Options::default()).await;
        add(name, &healthy.base_url(), "");
        primaries.push(healthy);
    }
    for (number, dark) in darkness.into_iter().enumerate() {
        let is_tls = matches!(dark, Darkness::SilentTls | Darkness::NoTls);
        let tls = is_tls.then(|| ours.server("127.0.0.1", 2099));
        let primary = primary(Options { tls, ..Options::default() }).await;
        let url = if let Darkness::Nowhere = dark {
            "http://nonexistent.invalid:1556".to_owned()
        } else {
            primary.base_url()
        };
        let tls = if is_tls { format!("[site.tls]\nca_file = \"{}\"\n", ca_file.display()) } else { String::new() };
        add(&format!("dark-{number}"), &url, &tls);
        match dark {
            Darkness::Fault(fault) => primary.control().set_fault(None, Some(fault)),
            Darkness::Door(door) => primary.control().set_door(door),
            Darkness::SilentTls => primary.control().set_door(Door::Silent),
            Darkness::NoTls => primary.control().set_tls(None),
            Darkness::Nowhere => {}
        }
        primaries.push(primary);
    }

    let mut exporter = Exporter::start(&config);
    let success =
        |samples: &support::Samples, site: &str| samples.sum("netbackup_collector_success", &[("site", site)]);
    exporter.until("the healthy begin", |samples| HEALTHY.iter().all(|site| success(samples, site) == 2.0)).await;

    let health = async |most: Duration| {
        let asked = Instant::now();
        let (code, body) = exporter.get("/health").await;
        let took = asked.elapsed();
        assert_eq!(code, 200, "some sites fail, not all: {body}");
        assert!(took < most, "/health took {took:?}");
        let verdicts: serde_json::Value = serde_json::from_str(&body).unwrap();
        for site in verdicts["sites"].as_array().unwrap() {
            let is_healthy = HEALTHY.iter().any(|name| site["site"] == *name);
            // Who answers the headers of a probe and then drips is reachable, but no more than that.
            // On a busy machine a collector of a healthy site may be stale for a moment, which is a warning.
            let is_wrong = if is_healthy { site["status"] == "fail" } else { site["status"] == "pass" };
            assert!(!is_wrong, "{site}");
        }
    };
    // The first who asks waits for the probes, whoever comes after does not.
    health(HEALTH_TIMEOUT + SLOWEST).await;

    let began = Instant::now();
    let (mut oldest, mut slowest) = (0.0_f64, Duration::ZERO);
    while began.elapsed() < NIGHT {
        let asked = Instant::now();
        let samples = exporter.scrape().await;
        slowest = slowest.max(asked.elapsed());
        for site in HEALTHY {
            for (labels, age) in samples.all("netbackup_collector_age_seconds", &[("site", site)]) {
                assert!(age < OLDEST, "{labels:?}: {age} s old");
                oldest = oldest.max(age);
            }
        }
        health(SLOWEST).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let samples = exporter.scrape().await;
    for number in 0..12 {
        let name = format!("dark-{number}");
        assert_eq!(success(&samples, &name), 0.0, "{name} is dark");
        assert!(
            samples.sum("netbackup_collector_poll_failures_total", &[("site", &name)]) >= 4.0,
            "{name} was given up"
        );
    }
    let (memory, open) = (status(exporter.pid(), "VmHWM"), descriptors(exporter.pid()));
    println!("oldest {oldest} s, slowest scrape {slowest:?}, peak memory {memory} KiB, {open} descriptors");
    assert!(slowest < SLOWEST, "a scrape took {slowest:?}");
    assert!(memory < MOST_MEMORY, "{memory} KiB");
    assert!(open < MOST_DESCRIPTORS, "{open} descriptors");

    exporter.signal("TERM");
    assert_eq!(exporter.wait(Duration::from_secs(5)).code(), Some(0));
}
