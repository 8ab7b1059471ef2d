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
    assert_eq!((counts["/catalog/slp-images"], counts["/config/slps"]), (3 + 1 + 1 + 1, 3));
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
    let polled = poll(&primary).await.unwrap();
    let text = polled.rendered.text();
    assert!(!text.contains("netbackup_slp_backlog") && text.contains("netbackup_slps{site=\"paris\"} 5"), "{text}");
    assert!(text.contains(&format!("{state}\"/catalog/slp-images\",state=\"denied\"}} 1")));
    assert!(polled.denied.is_some());
    assert_eq!(control.request_counts()["/catalog/slp-images"], 4 + 1, "the other states are not asked for in vain");
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
fn an_image_is_as_large_as_its_largest_copy() {
    assert_eq!(waiting("", &[]).size(), None);
    assert_eq!(waiting("", &[&[], &[]]).size(), None);
    assert_eq!(waiting("", &[&[3, 4], &[5], &[]]).size(), Some(7));
    assert_eq!(waiting("", &[&[u64::MAX, 4]]).size(), Some(u64::MAX));
}
