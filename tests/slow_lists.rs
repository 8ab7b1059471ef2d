//! One slow collector delays no other: lists that hang keep their connections, and jobs go on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use netbackup_exporter::simulator::{Fault, Options, Simulator};
use support::{Exporter, Samples};

/// One for each request that may be under way at a time (`poll.max_requests`).
const HANGING: [(&str, &str); 4] = [
    ("hosts", "/config/hosts"),
    ("disk_pools", "/storage/disk-pools"),
    ("alerts", "/manage/alerts"),
    ("malware", "/malware/latest-scan-results"),
];

async fn jobs_go_on(hanging: &[(&str, &str)]) {
    let primary = Simulator::start(Options::default()).await.unwrap();
    let control = primary.control();
    let mut switches = String::new();
    for (collector, endpoint) in hanging {
        control.set_fault(Some(endpoint), Some(Fault::Hang));
        switches.push_str(&format!("{collector} = true\n"));
    }
    // A request that hangs is given up after the end of this test.
    let exporter = Exporter::start(&format!(
        "[poll]\nrequest_timeout = \"110s\"\njobs_ttl = \"1s\"\nstorage_ttl = \"1s\"\n[collectors]\n{switches}\
         [[site]]\nname = \"paris\"\nurl = \"{}\"\napi_key = \"simulated-api-key\"\n",
        primary.base_url()
    ));
    let polls = |s: &Samples, name| s.get("netbackup_collector_polls_total", &[("collector", name)]).unwrap_or(0.0);
    // The first that hang do so before the others ask for a turn.
    let asked = |s: &Samples| polls(s, "jobs") >= 1.0 && control.in_flight() >= hanging.len().min(3);
    let before = exporter.until("all of them hang", asked).await;
    let go_on = |s: &Samples| ["jobs", "storage"].iter().all(|name| polls(s, name) >= polls(&before, name) + 5.0);
    let samples = exporter.until("five more polls of jobs and storage", go_on).await;
    for name in ["jobs", "storage"] {
        let labels = [("collector", name)];
        assert_eq!(samples.get("netbackup_collector_success", &labels), Some(1.0), "{name}");
        assert_eq!(samples.get("netbackup_collector_stale", &labels), Some(0.0), "{name}");
    }
    for (name, _) in hanging {
        assert_eq!(polls(&samples, name), 0.0, "{name} still waits");
    }
    assert!(control.max_in_flight() <= 4, "{}", control.max_in_flight());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_list_that_hangs_delays_no_other() {
    jobs_go_on(&HANGING[..1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_lists_that_hang_as_requests_are_allowed_leave_jobs_a_way() {
    jobs_go_on(&HANGING).await;
}
