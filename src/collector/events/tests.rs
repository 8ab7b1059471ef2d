//! The collector against the simulated primary.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::cache::{Generation, Slot, Writer};
use crate::config::{CollectorTiming, Credential, Secret, Site};
use crate::exposition::Rendered;
use crate::simulator::{Options, Simulator};
use crate::state::Directory;

const TEMPLATE: &str = "/eventlog/notifications";

struct Bench {
    primary: Simulator,
    collector: Events,
    writer: Writer<Rendered>,
}

fn collector(primary: &Simulator, store: Option<Store>) -> Events {
    let key = Credential::ApiKey(Secret::new(Options::default().api_key));
    let site = Site::new("paris", primary.base_url().parse().unwrap(), key).with_all_collectors();
    let client = Client::new(&site, Arc::default()).unwrap();
    Events::new(&site, client, crate::collector::Display::default(), store)
}

fn slot() -> Arc<Slot<Rendered>> {
    let timing = CollectorTiming::of_ttl(Duration::from_secs(60));
    Slot::new("events", timing.ttl, timing.limits, Generation::default())
}

/// Newest first, as the primary lists them; every two hundredth is an error.
fn rows(ids: std::ops::Range<u64>, epoch: u64) -> Value {
    let row = |id: u64| {
        let created = rfc3339(from_unix_ms(1_764_194_400_000 + (epoch * 100_000 + id) * 1_000).unwrap());
        let severity = if id.is_multiple_of(200) { "ERROR" } else { "INFO" };
        json!({"type": "notifications", "id": id.to_string(), "links": {}, "attributes": {
            "version": "1.0", "severity": severity, "createdDateTime": created, "notificationType": "Any \"type\"",
        }})
    };
    ids.rev().map(row).collect()
}

impl Bench {
    async fn new(store: Option<Store>) -> Bench {
        let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
        let collector = collector(&primary, store);
        Bench { primary, collector, writer: slot().writer().unwrap() }
    }

    fn list(&self, rows: Value) {
        self.primary.control().replace(TEMPLATE, Some(rows));
    }

    /// One poll that is published, as counts of INFO and ERROR.
    async fn poll(&mut self) -> Result<(Option<u64>, Option<u64>), Failure> {
        let context = PollContext::new(Arc::clone(self.writer.slot()));
        let polled = self.collector.poll(&context).await?;
        let counts = counts(&polled);
        self.writer.succeed(Arc::new(polled.rendered), polled.received, 0, Duration::ZERO);
        Ok(counts)
    }
}

fn counts(polled: &Polled) -> (Option<u64>, Option<u64>) {
    let text = polled.rendered.text();
    let of = |severity: &str| {
        let series = format!(r#"netbackup_events_total{{site="paris",severity="{severity}",type="Any \"type\""}} "#);
        text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
    };
    (of("INFO"), of("ERROR"))
}

#[tokio::test]
async fn events_are_followed_over_pages_and_a_new_kind_stands_at_0_first() {
    let mut bench = Bench::new(None).await;
    bench.list(rows(1..151, 0));
    assert_eq!(bench.poll().await.unwrap(), (Some(0), None), "the baseline counts nothing");
    bench.list(rows(1..401, 0));
    bench.primary.control().clear_requests();
    assert_eq!(bench.poll().await.unwrap(), (Some(248), Some(0)));
    assert_eq!(bench.primary.control().request_counts()[TEMPLATE], 4, "all behind the newest hundred of the baseline");
    assert_eq!(bench.poll().await.unwrap(), (Some(248), Some(2)));
    // The table is a new one after an upgrade.
    bench.list(rows(1..4, 1));
    assert_eq!(bench.poll().await.unwrap(), (Some(251), Some(2)));
    assert!(bench.primary.control().requests().iter().any(|request| request.query.contains("createdDateTime")));
    bench.list(rows(1..6, 1));
    assert_eq!(bench.poll().await.unwrap(), (Some(253), Some(2)));
    assert!(bench.collector.is_bounded());
}

#[tokio::test]
async fn what_was_counted_survives_and_counts_once() {
    let place = tempfile::tempdir().unwrap();
    let directory = Directory::open(place.path()).unwrap();
    let store = || Some(directory.store("paris", "events"));
    let mut bench = Bench::new(store()).await;
    bench.list(rows(1..11, 0));
    bench.poll().await.unwrap();
    bench.list(rows(1..31, 0));
    assert_eq!(bench.poll().await.unwrap(), (Some(20), None));
    // Killed after keeping, before anybody saw it.
    let context = PollContext::new(slot());
    bench.list(rows(1..41, 0));
    drop(bench.collector.poll(&context).await.unwrap());
    bench.collector = collector(&bench.primary, store());
    let restored = bench.collector.restore().await.unwrap();
    assert_eq!(counts(&restored), (Some(30), None));
    assert!(bench.collector.restore().await.is_none(), "what was restored is older than what has been polled since");
    bench.list(rows(1..51, 0));
    assert_eq!(bench.poll().await.unwrap(), (Some(40), None));
    // Another collector takes over, as at a reload.
    let next = collector(&bench.primary, None);
    next.inherit(bench.collector.memory().unwrap()).await;
    bench.collector = next;
    bench.list(rows(1..61, 0));
    assert_eq!(bench.poll().await.unwrap(), (Some(50), None));
    bench.collector = collector(&bench.primary, store());
    assert_eq!(counts(&bench.collector.restore().await.unwrap()), (Some(50), None), "the file went with it");
}

#[tokio::test]
async fn another_primary_is_a_new_baseline_and_the_counters_go_on() {
    let mut bench = Bench::new(None).await;
    bench.list(rows(1..11, 0));
    bench.poll().await.unwrap();
    bench.list(rows(1..13, 0));
    assert_eq!(bench.poll().await.unwrap(), (Some(2), None));
    bench.primary.control().set_host_id("9f8e7d6c-0000-4000-8000-000000000001");
    bench.list(rows(1..31, 5));
    assert_eq!(bench.poll().await.unwrap(), (Some(2), None));
    bench.list(rows(1..32, 5));
    assert_eq!(bench.poll().await.unwrap(), (Some(3), None));
}

#[tokio::test]
async fn a_primary_that_sorts_ids_as_texts_is_a_failed_poll_and_not_a_loss() {
    // The list is none of the simulator's own: it would sort it well. So a row stands where its id does not say.
    let mut bench = Bench::new(None).await;
    bench.list(rows(1..3, 0));
    bench.poll().await.unwrap();
    let mut listed = rows(1..13, 0);
    listed.as_array_mut().unwrap().push(rows(7..8, 0)[0].clone());
    bench.list(listed);
    let failure = bench.poll().await.unwrap_err();
    assert_eq!(failure.reason, Reason::Decode, "{}", failure.detail);
}

#[tokio::test]
async fn a_missing_right_is_named_and_ends_when_it_is_granted() {
    let mut bench = Bench::new(None).await;
    bench.primary.control().set_rbac(vec![TEMPLATE.to_owned()]);
    assert_eq!(bench.poll().await.unwrap_err().reason, Reason::Forbidden);
    bench.primary.control().set_rbac(Vec::new());
    assert!(bench.poll().await.is_ok());
    assert!(bench.collector.is_optional());
    assert!(bench.collector.examine().await.unwrap().objects > 0);
}
