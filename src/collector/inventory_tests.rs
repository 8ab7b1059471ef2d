//! Disk pools, storage servers and media servers against the simulated primary: every page, the sizes that a list
//! omits, and answers that the fixtures do not show.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Display, PollContext, Polled, build};
use crate::cache::{Generation, Slot};
use crate::config::{CollectorTiming, Credential, Secret, Site};
use crate::netbackup::Client;
use crate::reason::Failure;
use crate::simulator::{Fault, Options, Release, Simulator};
use crate::stats::ApiStats;

async fn primary(release: Release) -> Simulator {
    Simulator::start(Options { release, jobs: 0, odd_rows: false, ..Options::default() }).await.unwrap()
}

async fn poll(name: &str, primary: &Simulator) -> Result<Polled, Failure> {
    let key = Credential::ApiKey(Secret::new(Options::default().api_key));
    let site = Site::new("paris", primary.base_url().parse().unwrap(), key).with_all_collectors();
    let client = Client::new(&site, Arc::new(ApiStats::default())).unwrap();
    let collector = build(name, &site, &client, Display::default(), None, None).unwrap();
    let timing = CollectorTiming::of_ttl(Duration::from_secs(60));
    let context = PollContext::new(Slot::new("any", timing.ttl, timing.limits, Generation::default()));
    collector.poll(&context).await
}

/// What a poll shows: the samples whose names begin with `prefix`.
async fn shown(name: &str, primary: &Simulator, prefix: &str) -> Vec<String> {
    let text = poll(name, primary).await.unwrap().rendered.text();
    text.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
}

/// How often an endpoint was asked.
fn asked(primary: &Simulator, template: &str) -> u64 {
    primary.control().request_counts().get(template).copied().unwrap_or(0)
}

fn pool(name: &str, more: Value) -> Value {
    let mut attributes = json!({"name": name, "sType": "PureDisk", "storageCategory": "MSDP", "rawSizeBytes": 1});
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"type": "diskPool", "id": format!("PureDisk:{name}"), "attributes": attributes})
}

fn row_without_sizes(name: &str, category: &str) -> Value {
    let mut row = pool(name, json!({"storageCategory": category}));
    row["attributes"].as_object_mut().unwrap().remove("rawSizeBytes");
    row
}

const LIST: &str = "/storage/disk-pools";
const DETAIL: &str = "/storage/disk-pools/{diskPoolId}";

#[tokio::test]
async fn every_page_is_read() {
    for (name, template, key, rows, requests, prefix) in [
        ("disk_pools", LIST, "name", 1_203, 3, "netbackup_disk_pool_info"),
        ("storage_servers", "/storage/storage-servers", "name", 250, 3, "netbackup_storage_server_info"),
        ("media_servers", "/config/media-servers", "hostName", 1_001, 3, "netbackup_media_server_info"),
    ] {
        let primary = primary(Release::R11_0).await;
        let row = |index: usize| {
            let host = format!("host{index:04}");
            let attributes = json!({key: host, "sType": "PureDisk", "storageCategory": "MSDP", "rawSizeBytes": 1});
            json!({"type": "any", "id": format!("PureDisk:{host}"), "links": {}, "attributes": attributes})
        };
        // One that has moved to a later page while the pages are read.
        let rows: Vec<Value> = (0..rows).chain([5]).map(row).collect();
        primary.control().replace(template, Some(Value::Array(rows.clone())));
        assert_eq!(shown(name, &primary, prefix).await.len(), rows.len() - 1, "{name}");
        assert_eq!(asked(&primary, template), requests, "{name}");
        primary.stop().await;
    }
}

#[tokio::test]
async fn sizes_that_the_list_omits_are_asked_for_one_by_one() {
    let (old, new) = (primary(Release::R10_3).await, primary(Release::R11_2).await);
    let sizes =
        |lines: &[String]| lines.iter().map(|line| line.split('}').next().unwrap().to_owned()).collect::<Vec<_>>();
    let (before, after) = (
        shown("disk_pools", &old, "netbackup_disk_pool_u").await,
        shown("disk_pools", &new, "netbackup_disk_pool_u").await,
    );
    assert!(before.len() >= 8, "{before:?}");
    let of_disks: Vec<String> = after.into_iter().filter(|line| !line.contains("category=\"CLOUD\"")).collect();
    assert_eq!(sizes(&before), sizes(&of_disks));
    // Clouds have none, and are not asked for any.
    assert_eq!((asked(&old, DETAIL), asked(&new, DETAIL)), (4, 0));
    old.stop().await;
    new.stop().await;
}

#[tokio::test]
async fn a_pool_that_is_gone_or_whose_sizes_are_denied_is_shown_without_sizes() {
    let primary = primary(Release::R10_3).await;
    let infos = |text: &str| text.lines().filter(|line| line.starts_with("netbackup_disk_pool_info")).count();
    let gone = Fault::Status(404, Vec::new(), String::new());
    primary.control().set_fault_times(Some("/storage/disk-pools/PureDisk"), gone.clone(), 1);
    let polled = poll("disk_pools", &primary).await.unwrap();
    let text = polled.rendered.text();
    assert_eq!((infos(&text), asked(&primary, DETAIL)), (7, 4));
    assert!(text.contains(r#"endpoint="/storage/disk-pools/{diskPoolId}",state="read"} 1"#), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("netbackup_disk_pool_used_bytes{")).count(), 3, "{text}");

    // A release without that endpoint is not asked for each pool at every poll.
    primary.control().clear_requests();
    primary.control().set_fault(Some("/storage/disk-pools/"), Some(gone));
    let text = poll("disk_pools", &primary).await.unwrap().rendered.text();
    assert_eq!((infos(&text), asked(&primary, DETAIL)), (7, 4));
    assert!(text.contains(r#"endpoint="/storage/disk-pools/{diskPoolId}",state="unsupported"} 1"#), "{text}");

    primary.control().clear_requests();
    primary.control().set_fault(Some("/storage/disk-pools/"), None);
    primary.control().set_rbac(vec!["/storage/disk-pools/".to_owned()]);
    let polled = poll("disk_pools", &primary).await.unwrap();
    assert_eq!((infos(&polled.rendered.text()), asked(&primary, DETAIL)), (7, 1));
    assert!(polled.denied.is_some());
    assert!(!polled.rendered.text().contains("netbackup_disk_pool_used_bytes"));

    primary.stop().await;
}

#[tokio::test]
async fn one_pool_that_cannot_be_read_loses_its_sizes_and_nothing_else() {
    let primary = primary(Release::R10_3).await;
    let used = |text: &str| text.lines().filter(|line| line.starts_with("netbackup_disk_pool_used_bytes{")).count();
    let status = |status| Fault::Status(status, Vec::new(), String::new());
    for fault in [status(500), status(400), Fault::Html] {
        primary.control().set_fault_times(Some("/storage/disk-pools/PureDisk"), fault, 1);
        let polled = poll("disk_pools", &primary).await.unwrap();
        assert_eq!((used(&polled.rendered.text()), polled.rejected), (3, 1));
        assert!(polled.rendered.text().contains("disk-pools/{diskPoolId}\",state=\"read\"} 1"));
    }
    // What says something about the primary, or about whom it answers, fails the poll.
    for fault in [status(503), status(401), status(429), Fault::Reset] {
        primary.control().set_fault(Some("/storage/disk-pools/PureDisk"), Some(fault));
        assert!(poll("disk_pools", &primary).await.is_err());
    }
    primary.stop().await;
}

#[tokio::test]
async fn single_pools_are_asked_for_only_where_the_list_has_no_size_at_all() {
    let primary = primary(Release::R11_0).await;
    let used = |mut row: Value, bytes: u64| {
        row["attributes"]["usedCapacityBytes"] = bytes.into();
        row
    };
    let clouds = [used(row_without_sizes("a", "CLOUD"), 5), row_without_sizes("b", "CLOUD_CATALYST")];
    let plugin = row_without_sizes("c", "OPEN_STORAGE");
    for (more, requests) in [(None, 0), (Some(plugin.clone()), 1), (Some(used(plugin, 0)), 0)] {
        primary.control().replace(LIST, Some(clouds.iter().cloned().chain(more).collect()));
        primary.control().clear_requests();
        let text = poll("disk_pools", &primary).await.unwrap().rendered.text();
        assert_eq!(asked(&primary, DETAIL), requests);
        assert_eq!(text.contains("{diskPoolId}"), requests > 0, "only what was asked has a state: {text}");
    }
    primary.stop().await;
}

#[tokio::test]
async fn a_list_that_is_denied_after_its_first_page_is_no_list() {
    let primary = primary(Release::R11_0).await;
    let row = row_without_sizes("a", "MSDP");
    let pagination = json!({"pagination": {"next": 500, "offset": 0, "limit": 500, "count": 501}});
    let first = json!({"data": [row], "meta": pagination}).to_string();
    let detail = json!({"data": pool("a", json!({}))}).to_string();
    primary.control().set_rbac(vec![LIST.to_owned()]);
    primary.control().set_fault_times(Some(LIST), Fault::Body(first), 1);
    primary.control().set_fault(Some("/storage/disk-pools/"), Some(Fault::Body(detail)));
    let failure = poll("disk_pools", &primary).await.unwrap_err();
    assert_eq!((failure.reason, asked(&primary, LIST)), (crate::reason::Reason::Forbidden, 2));
    primary.stop().await;
}

#[tokio::test]
async fn an_odd_pool_loses_what_is_odd_and_nothing_else() {
    let primary = primary(Release::R11_0).await;
    let volume = |more: Value| {
        let mut volume = json!({"state": "UP", "rawSizeBytes": "9", "freeSizeBytes": -1});
        volume.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        volume
    };
    primary.control().replace(
        LIST,
        Some(json!([
            pool("percent", json!({"highWaterMark": 101, "lowWaterMark": -1, "diskPoolState": 5, "diskVolumes": null})),
            pool("none", json!({"maximumIoStreams": {"streamsPerVolume": 4}, "diskVolumes": []})),
            pool("volumes", json!({"maximumIoStreams": {"limitIoStreams": true, "streamsPerVolume": 4}, "diskVolumes": [
                volume(json!({})), volume(json!({"name": "v", "diskMediaId": "@a"})), 7,
                volume(json!({"name": "v", "diskMediaId": "@b", "state": "ODD"})),
            ]})),
            {"type": "diskPool", "attributes": {"name": "idless", "sType": "x", "rawSizeBytes": 1}},
            {"type": "diskPool", "id": "nameless", "attributes": {"sType": "x"}},
        ])),
    );
    let polled = poll("disk_pools", &primary).await.unwrap();
    let text = polled.rendered.text();
    let of = |what: &str| -> Vec<&str> {
        let named = |line: &&str| line.starts_with("netbackup_disk_pool_") && line.contains(what);
        text.lines().filter(named).map(|line| line.strip_prefix("netbackup_disk_pool_").unwrap()).collect()
    };
    assert_eq!(polled.rejected, 1);
    assert_eq!(of("PureDisk:percent").len(), 2, "info and raw size: {text}");
    assert_eq!(
        of("PureDisk:none").iter().filter(|line| line.starts_with("volumes{") && line.ends_with(" 0")).count(),
        3
    );
    assert!(of("PureDisk:none").iter().all(|line| !line.starts_with("max_streams")));
    assert!(of("x:idless").iter().any(|line| line.starts_with(r#"info{site="paris",disk_pool="x:idless""#)));
    let volumes = of("PureDisk:volumes");
    assert!(volumes.contains(&r#"volumes{site="paris",disk_pool="PureDisk:volumes",category="MSDP",state="UP"} 2"#));
    assert!(volumes.contains(&r#"volumes{site="paris",disk_pool="PureDisk:volumes",category="MSDP",state="ODD"} 1"#));
    let is_true = |media: &str, state: &str| {
        let labels = format!(r#"volume="v",disk_media_id="{media}",state="{state}"}} 1"#);
        volumes.iter().any(|line| line.starts_with("volume_state") && line.ends_with(&labels))
    };
    assert!(is_true("@a", "UP") && is_true("@b", "ODD"), "two volumes of one name: {volumes:#?}");
    assert!(volumes.iter().all(|line| !line.starts_with("volume_raw") && !line.starts_with("volume_free")));
    primary.stop().await;
}

#[tokio::test]
async fn a_ratio_that_is_no_percentage_is_absent() {
    let primary = primary(Release::R11_0).await;
    let server = |name: &str, percent: Value| {
        let msdp = json!({"deduplicationRatioPercentage": percent, "storagePoolDetails": null, "catalogFilesCount": 3});
        let attributes = json!({"name": name, "sType": "PureDisk", "msdpAttributes": msdp});
        json!({"type": "storageServer", "id": name, "attributes": attributes})
    };
    let servers = json!([
        server("a", json!(96.6)),
        server("b", json!(-3)),
        server("c", json!(2_500)),
        server("d", json!("96")),
        server("e", json!(100)),
    ]);
    primary.control().replace("/storage/storage-servers", Some(servers));
    let found = shown("storage_servers", &primary, "netbackup_msdp_deduplication_saved_ratio").await;
    let values: Vec<&str> = found.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(values, ["0.966", "1"]);
    assert_eq!(shown("storage_servers", &primary, "netbackup_msdp_catalog_files{").await.len(), 5);
    primary.stop().await;
}

#[tokio::test]
async fn what_a_media_server_does_not_say_is_absent() {
    let primary = primary(Release::R11_2).await;
    let server = |name: &str, up: Value, status: Value| json!({"type": "mediaServer", "id": name, "attributes": {"hostName": name, "isMachineUp": up, "status": status}});
    let servers = json!([
        server("a", json!(true), json!({"name": "OFFLINE"})),
        server("b", json!(null), json!("OFFLINE")),
        server("c", json!("true"), json!({"name": "ODD"})),
    ]);
    primary.control().replace("/config/media-servers", Some(servers));
    assert_eq!(shown("media_servers", &primary, "netbackup_media_server_up").await.len(), 1);
    let status = shown("media_servers", &primary, "netbackup_media_server_status").await;
    assert_eq!(status.len(), 6 + 7);
    assert_eq!(status.iter().filter(|line| line.ends_with(" 1")).count(), 2);
    primary.stop().await;
}
