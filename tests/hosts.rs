//! A domain of ten thousand hosts, which the API lists in one answer: they are counted while it arrives, and it is never
//! held.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stdout, reason = "what was measured is worth a line")]

mod support;

use netbackup_exporter::simulator::{Options, Simulator, Sizes};
use support::Exporter;

/// The answer is twice as large, and more.
const MOST_MORE_KIB: u64 = 8 * 1_024;
const LEAST_RECEIVED: f64 = 2.0 * 8.0 * 1_024.0 * 1_024.0;

/// The most memory that an exporter had which counted so many hosts, in KiB, and how many bytes it received.
async fn peak(hosts: usize) -> (u64, f64) {
    let sizes = Sizes { hosts, ..Sizes::default() };
    let primary = Simulator::start(Options { jobs: 0, sizes, ..Options::default() }).await.unwrap();
    let exporter = Exporter::start(&format!(
        "[collectors]\njobs = false\nstorage = false\nhosts = true\n[[site]]\nname = \"paris\"\nurl = \"{}\"\napi_key = \"simulated-api-key\"\n",
        primary.base_url()
    ));
    let counted = |samples: &support::Samples| samples.sum("netbackup_hosts", &[]);
    let samples = exporter.until("the hosts are counted", |samples| counted(samples) > 0.0).await;
    assert_eq!(counted(&samples) as usize, hosts);
    let status = std::fs::read_to_string(format!("/proc/{}/status", exporter.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let received = samples.get("netbackup_api_received_bytes_total", &[]).unwrap();
    (peak.trim().trim_end_matches(" kB").parse().unwrap(), received)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_hosts_is_never_held() {
    let (few, _) = peak(60).await;
    let (many, received) = peak(10_000).await;
    println!("{few} KiB with 60 hosts, {many} KiB with 10,000 in {received} bytes");
    assert!(received > LEAST_RECEIVED, "{received} bytes prove nothing");
    assert!(many < few + MOST_MORE_KIB, "{few} KiB with 60 hosts, {many} KiB with 10,000 in {received} bytes");
}
