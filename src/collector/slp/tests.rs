//! The backlog and the definitions against the simulated primary.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::cache::{Generation, Slot};
use crate::collector::{Display, PollContext, Polled, build};
use crate::config::{CollectorTiming, Credential, Secret, Site};
use crate::netbackup::Client;
use crate::netbackup::lists::slp::{Fragment, SlpCopy};
use crate::reason::Failure;
use crate::simulator::{Fault, Options, Simulator};
use crate::stats::ApiStats;

async fn poll(primary: &Simulator) -> Result<Polled, Failure> {
    let key = Credential::ApiKey(Secret::new(Options::default().api_key));
    let site = Site::new("paris", primary.base_url().parse().unwrap(), key).with_all_collectors();
    let client = Client::new(&site, Arc::new(ApiStats::default())).unwrap();
    let timing = CollectorTiming::of_ttl(std::time::Duration::from_secs(60));
    let context = PollContext::new(Slot::new("any", timing.ttl, timing.limits, Generation::default()));
    build("slp", &site, &client, Display::default(), None, None).unwrap().poll(&context).await
}

fn image(number: usize, state: &str) -> Value {
    let id = format!("c_{number}");
    json!({
        "type": "slpImage",
        "id": id,
        "attributes": {
            "backupId": id, "clientName": "c", "policyName": "p", "scheduleType": "FULL", "policyType": "Standard",
            "backupTime": format!("2025-11-26T22:{:02}:00.000Z", number % 60), "slpName": "gold", "slpImageState": state,
            "copies": [{
                "backupId": id, "copyNumber": 1, "copyType": "BACKUP", "copyState": "COPYCOMPLETE",
                "fragments": [{
                    "backupId": id, "copyNumber": 1, "fragmentNumber": 1, "mediaId": "@aaaaa", "mediaType": "DISK",
                    "mediaServer": "m", "fragmentState": "ACTIVE", "fragmentSize": 10
                }]
            }]
        }
    })
}

#[tokio::test]
async fn every_page_of_every_state_is_counted() {
    let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
    let states = [("NOT_STARTED", 2_501), ("IN_PROCESS", 1_000), ("IN_PROCESS|INACTIVE", 3), ("COMPLETE", 40)];
    let rows: Vec<Value> =
        states.iter().flat_map(|(state, count)| (0..*count).map(|number| image(number, state))).collect();
    primary.control().replace("/catalog/slp-images", Some(rows.into()));
    let policies: Vec<Value> = (0..201)
        .map(|number| json!({"type": "slp", "id": "x", "attributes": {"slpName": format!("slp-{number}"), "active": true}}))
        .collect();
    primary.control().replace("/config/slps", Some(policies.into()));
    let text = poll(&primary).await.unwrap().rendered.text();
    let images =
        |state: &str| format!("netbackup_slp_backlog_images{{site=\"paris\",slp=\"gold\",state=\"{state}\"}} ");
    assert!(text.contains(&format!("{}2501\n", images("NOT_STARTED"))), "{text}");
    assert!(text.contains(&format!("{}1000\n", images("IN_PROCESS"))));
    assert!(text.contains(&format!("{}3\n", images("IN_PROCESS|INACTIVE"))));
    assert!(!text.contains("COMPLETE\""));
    assert!(text.contains("backlog_fragment_size{site=\"paris\",slp=\"gold\",state=\"NOT_STARTED\"} 25010\n"));
    assert!(text.contains("netbackup_slps{site=\"paris\"} 201\n"));
    assert_eq!(text.matches("netbackup_slp_active{").count(), 201);
    let counts = primary.control().request_counts();
    assert_eq!((counts["/catalog/slp-images"], counts["/config/slps"]), (13 + 5 + 1 + 1, 3));
    let asked = primary.control().requests();
    assert!(asked.iter().filter(|asked| asked.path == "/catalog/slp-images").all(|asked| asked.query.contains("=200")));
}

#[tokio::test]
async fn a_drained_backlog_is_one_of_no_images() {
    let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
    primary.control().replace("/catalog/slp-images", Some(json!([image(1, "IN_PROCESS")])));
    primary
        .control()
        .replace("/config/slps", Some(json!([{"type": "slp", "id": "x", "attributes": {"slpName": "idle"}}])));
    let text = poll(&primary).await.unwrap().rendered.text();
    let shown: Vec<&str> = text.lines().filter(|line| line.starts_with("netbackup_slp_backlog_images{")).collect();
    let series = |slp: &str, state: &str, images: u64| {
        format!("netbackup_slp_backlog_images{{site=\"paris\",slp=\"{slp}\",state=\"{state}\"}} {images}")
    };
    let expected = [series("gold", "IN_PROCESS", 1), series("idle", "IN_PROCESS", 0), series("idle", "NOT_STARTED", 0)];
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn a_primary_that_refuses_the_bar_in_a_filter_is_asked_for_the_rest() {
    let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
    let rows = [image(1, "IN_PROCESS"), image(2, "NOT_STARTED"), image(3, "NOT_STARTED|INACTIVE")];
    primary.control().replace("/catalog/slp-images", Some(rows.to_vec().into()));
    primary.control().refuse_queries(Some("INACTIVE"));
    let polled = poll(&primary).await.unwrap();
    let text = polled.rendered.text();
    for state in ["IN_PROCESS", "NOT_STARTED"] {
        assert!(text.contains(&format!("images{{site=\"paris\",slp=\"gold\",state=\"{state}\"}} 1\n")), "{text}");
    }
    assert!(!text.contains("|INACTIVE") && polled.denied.is_none(), "{text}");
    // Any other filter that it refuses is a poll that failed.
    primary.control().refuse_queries(Some("NOT_STARTED"));
    let failure = poll(&primary).await.unwrap_err();
    assert!(failure.detail.contains("/catalog/slp-images"), "{}", failure.detail);
}

#[tokio::test]
async fn the_backlog_is_told_without_the_definitions_and_they_without_it() {
    let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
    let (control, state) =
        (primary.control(), "netbackup_collector_endpoint_state{site=\"paris\",collector=\"slp\",endpoint=");
    control.set_fault(Some("/config/slps"), Some(Fault::Status(404, Vec::new(), String::new())));
    let text = poll(&primary).await.unwrap().rendered.text();
    assert!(text.contains("netbackup_slp_backlog_images{") && !text.contains("netbackup_slps{"), "{text}");
    assert!(text.contains(&format!("{state}\"/config/slps\",state=\"unsupported\"}} 1")));
    control.set_fault(Some("/config/slps"), None);
    control.set_rbac(vec!["/catalog".to_owned()]);
    control.clear_requests();
    let polled = poll(&primary).await.unwrap();
    let text = polled.rendered.text();
    assert!(!text.contains("netbackup_slp_backlog") && text.contains("netbackup_slps{site=\"paris\"} 5"), "{text}");
    assert!(text.contains(&format!("{state}\"/catalog/slp-images\",state=\"denied\"}} 1")));
    assert!(polled.denied.is_some());
    assert_eq!(control.request_counts()["/catalog/slp-images"], 1, "the other states are not asked for in vain");
}

fn waiting<'a>(state: &'a str, sizes: &[&[u64]]) -> SlpImage<'a> {
    let fragments =
        |sizes: &[u64]| sizes.iter().map(|size| Fragment { size: Some(*size), borrowed: Default::default() }).collect();
    let copies = sizes.iter().map(|sizes| SlpCopy {
        copy_type: "DUPLICATE".into(),
        state: "IN_PROCESS".into(),
        retries: None,
        fragments: fragments(sizes),
        borrowed: Default::default(),
    });
    let copies = copies.collect();
    SlpImage { slp: "gold".into(), state: state.into(), backup_time: None, copies, borrowed: Default::default() }
}

#[test]
fn an_image_is_counted_under_one_state() {
    let mut backlog = Backlog::new();
    backlog.add(&waiting("NOT_STARTED|INACTIVE", &[]), "NOT_STARTED");
    assert!(backlog.waiting.is_empty(), "a primary whose filter takes in more than was asked for");
    backlog.add(&waiting("", &[]), "NOT_STARTED");
    backlog.add(&waiting("FUTURE", &[]), "NOT_STARTED");
    let states: Vec<&str> = backlog.waiting.keys().map(|(_, state)| state.as_str()).collect();
    assert_eq!(states, ["FUTURE", "NOT_STARTED"]);
}

#[test]
fn only_copies_with_work_left_are_backlog() {
    let mut backlog = Backlog::new();
    let words = "NOT_MANAGED NOT_STARTED IN_PROCESS JOBCOMPLETE SIBLING_IN_PROCESS COPYCOMPLETE CANCELLED CANT_PROCESS DEFERRED \
        NOT_STARTED|INACTIVE IN_PROCESS|INACTIVE DEPENDEES_IN_PROCESS IMPORTS_DONE REPLICATION_INCOMPLETE IMPORT_PENDING IMPORT_FAILED";
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    let mut image = waiting("IN_PROCESS", &vec![[].as_slice(); words.len()]);
    for (copy, word) in image.copies.iter_mut().zip(&words) {
        copy.state = (*word).into();
    }
    backlog.add(&image, "IN_PROCESS");
    let done = ["NOT_MANAGED", "JOBCOMPLETE", "COPYCOMPLETE", "CANCELLED", "IMPORTS_DONE"];
    for word in words {
        let is_backlog = backlog.copies.keys().any(|(.., state)| state == word);
        assert_eq!(is_backlog, !done.contains(&word), "{word}");
    }
}

#[test]
fn an_image_is_as_large_as_its_largest_copy() {
    assert_eq!(waiting("", &[]).size(), None);
    assert_eq!(waiting("", &[&[], &[]]).size(), None);
    assert_eq!(waiting("", &[&[3, 4], &[5], &[]]).size(), Some(7));
    assert_eq!(waiting("", &[&[u64::MAX, 4]]).size(), Some(u64::MAX));
}
