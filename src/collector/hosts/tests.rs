//! Hosts and paused clients against the simulated primary.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cache::{Generation, Slot};
use crate::collector::{Display, PollContext, Polled, build};
use crate::config::{CollectorTiming, Credential, Secret, Site};
use crate::netbackup::Client;
use crate::reason::{Failure, Reason};
use crate::simulator::{Fault, Options, Simulator, Sizes};
use crate::stats::ApiStats;

async fn start(hosts: usize) -> Simulator {
    let sizes = Sizes { hosts, ..Sizes::default() };
    Simulator::start(Options { jobs: 0, sizes, ..Options::default() }).await.unwrap()
}

async fn poll(primary: &Simulator, request_timeout: Duration) -> Result<Polled, Failure> {
    let key = Credential::ApiKey(Secret::new(Options::default().api_key));
    let mut site = Site::new("paris", primary.base_url().parse().unwrap(), key).with_all_collectors();
    site.poll.request_timeout = request_timeout;
    let client = Client::new(&site, Arc::new(ApiStats::default())).unwrap();
    let timing = CollectorTiming::of_ttl(Duration::from_secs(60));
    let context = PollContext::new(Slot::new("any", timing.ttl, timing.limits, Generation::default()));
    build("hosts", &site, &client, Display::default(), None, None).unwrap().poll(&context).await
}

/// The sum of all series of a family.
fn sum(text: &str, family: &str) -> f64 {
    let series = text.lines().filter(|line| line.starts_with(family) && line[family.len()..].starts_with('{'));
    series.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_hosts_are_counted() {
    let primary = start(10_000).await;
    let text = poll(&primary, PATIENCE).await.unwrap().rendered.text();
    for family in ["netbackup_hosts", "netbackup_hosts_dte_mode", "netbackup_hosts_fips", "netbackup_hosts_secure"] {
        assert!((sum(&text, family) - 10_000.0).abs() < 0.5, "{family} {}", sum(&text, family));
    }
    assert!(sum(&text, "netbackup_hosts_decommissioned") > 100.0);
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series < 200, "{series} series");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_list_of_hosts_fails_with_its_reason() {
    let primary = start(200).await;
    for (fault, timeout, reason) in [
        (Fault::TruncatedBody, PATIENCE, Reason::Connect),
        (Fault::CutJson, PATIENCE, Reason::Decode),
        (Fault::EmptyBody, PATIENCE, Reason::Decode),
        (Fault::NotJson, PATIENCE, Reason::Decode),
        (Fault::BadUtf8, PATIENCE, Reason::Decode),
        (Fault::Body("{\"data\": []}".to_owned()), PATIENCE, Reason::Decode),
        (Fault::DeepNesting, PATIENCE, Reason::Decode),
        (Fault::Drip, Duration::from_millis(700), Reason::Timeout),
        (Fault::Status(500, Vec::new(), String::new()), PATIENCE, Reason::Http),
    ] {
        primary.control().set_fault(Some("/config/hosts"), Some(fault.clone()));
        let failure = poll(&primary, timeout).await.unwrap_err();
        assert_eq!(failure.reason, reason, "{fault:?}: {}", failure.detail);
        assert!(failure.detail.contains("/config/hosts"), "{}", failure.detail);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_hosts_without_end_is_given_up() {
    let primary = start(10).await;
    for fault in [Fault::EndlessBody, Fault::GzipBomb] {
        primary.control().set_fault(Some("/config/hosts"), Some(fault.clone()));
        let failure = poll(&primary, PATIENCE).await.unwrap_err();
        assert_eq!(failure.reason, Reason::TooLarge, "{fault:?}: {}", failure.detail);
        assert!(failure.detail.contains("larger than makes sense"), "{}", failure.detail);
    }
}

fn paused(id: usize, name: &str, since: &str) -> Value {
    let attributes =
        json!({"displayName": name, "reason": "MALWARE", "triggerMethod": "AUTOMATIC", "blockedTime": since});
    json!({"type": "pausedClient", "id": id.to_string(), "attributes": attributes})
}

#[tokio::test]
async fn every_page_of_paused_clients_is_counted_and_a_thousand_have_series() {
    let primary = start(3).await;
    let mut rows: Vec<Value> = (0..1_104).map(|id| paused(id, &format!("c-{id:04}"), "1764194404000")).collect();
    rows.push(paused(0, "c-0000", "1764194404000"));
    rows.push(json!({"type": "pausedClient", "attributes": {"reason": "MALWARE", "triggerMethod": "AUTOMATIC"}}));
    rows.push(paused(2_000, "c-0000", "2025-11-26T21:00:00Z"));
    primary.control().replace("/config/paused-clients", Some(rows.into()));
    let polled = poll(&primary, PATIENCE).await.unwrap();
    let text = polled.rendered.text();
    assert!(
        text.contains("netbackup_paused_clients{site=\"paris\",reason=\"MALWARE\",trigger=\"AUTOMATIC\"} 1105\n"),
        "{text}"
    );
    assert_eq!(text.matches("netbackup_paused_client_since_timestamp_seconds{").count(), 1_000);
    let since = "netbackup_paused_client_since_timestamp_seconds{site=\"paris\",client=";
    assert!(text.contains(&format!("{since}\"c-0000\",reason=\"MALWARE\"}} 1764190800\n")), "the earlier one");
    assert!(text.contains(&format!("{since}\"c-0999\",reason=\"MALWARE\"}} 1764194404\n")));
    assert_eq!(polled.rejected, 1);
    assert_eq!(primary.control().request_counts()["/config/paused-clients"], 12);
}

#[tokio::test]
async fn either_part_is_told_without_the_other() {
    let primary = start(30).await;
    primary.control().set_rbac(vec!["/config/hosts".to_owned()]);
    let text = poll(&primary, PATIENCE).await.unwrap().rendered.text();
    assert!(!text.contains("netbackup_hosts{") && text.contains("netbackup_paused_clients{"), "{text}");
    primary.control().set_rbac(vec!["/config/paused-clients".to_owned()]);
    let text = poll(&primary, PATIENCE).await.unwrap().rendered.text();
    assert!(text.contains("netbackup_hosts{") && !text.contains("netbackup_paused_clients{"), "{text}");
}

#[tokio::test]
async fn no_paused_client_is_a_number() {
    let primary = start(3).await;
    primary.control().replace("/config/paused-clients", Some(json!([])));
    let text = poll(&primary, PATIENCE).await.unwrap().rendered.text();
    let line = "netbackup_paused_clients{site=\"paris\",reason=\"MALWARE\",trigger=\"AUTOMATIC\"} 0\n";
    assert!(text.contains(line), "{text}");
    assert_eq!(text.matches("netbackup_paused_clients{").count(), 1);
}

#[tokio::test]
async fn times_of_pauses_are_read_in_any_sensible_form() {
    let primary = start(3).await;
    let times = ["2025-11-26T22:00:04.123Z", "1764194404123", "1764194404", "Wed Nov 26 22:00:04 2025", "0", ""];
    let rows = times.iter().enumerate().map(|(id, time)| paused(id, &format!("c{id}"), time));
    primary.control().replace("/config/paused-clients", Some(rows.collect()));
    let text = poll(&primary, PATIENCE).await.unwrap().rendered.text();
    let since = |id: usize| {
        let start = format!("netbackup_paused_client_since_timestamp_seconds{{site=\"paris\",client=\"c{id}\",");
        let line = text.lines().find(|line| line.starts_with(&start))?;
        line.rsplit(' ').next().map(str::to_owned)
    };
    let shown: Vec<_> = (0..times.len()).map(since).collect();
    let expected = ["1764194404.123", "1764194404.123", "1764194404"].map(|time| Some(time.to_owned()));
    assert_eq!(shown[..3], expected);
    assert!(shown[3..].iter().all(Option::is_none), "{shown:?}");
}
