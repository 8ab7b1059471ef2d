//! The collector of the catalog against the simulated primary.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::collector::Display;
use crate::config::{Credential, Secret, Site};
use crate::netbackup::Client;
use crate::simulator::{Job, Options, Release, Simulator};
use crate::stats::ApiStats;

/// A primary without jobs and with another clock, the collector of its catalog, and a client.
async fn primary() -> (Simulator, Catalog, Client) {
    let options = Options { jobs: 0, clock_offset: -3_600_000, release: Release::R11_0, ..Options::default() };
    let primary = Simulator::start(options).await.unwrap();
    let site = site_of(&primary);
    let client = Client::new(&site, Arc::new(ApiStats::default())).unwrap();
    (primary, Catalog::new(&site), client)
}

fn site_of(primary: &Simulator) -> Site {
    let key = Credential::ApiKey(Secret::new(Options::default().api_key));
    Site::new("paris", primary.base_url().parse().unwrap(), key)
}

async fn samples(catalog: &Catalog, client: &Client) -> Vec<String> {
    let memo = crate::collector::whole::Memo::default();
    let mut reading = Reading::new(client, "paris", Display::default(), &memo);
    catalog.read(&mut reading).await.unwrap();
    reading.page.finish().text().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn image(id: usize, minutes_ago: i64, now: i64, malware: &str) -> Value {
    let time = rfc3339(from_unix_ms((now - minutes_ago * 60_000).unsigned_abs()).unwrap());
    json!({"type": "image", "id": format!("c_{id}"), "attributes": {
        "backupTime": time, "policyType": "Standard", "kbytes": 2, "malwareScanResult": "CLEAN", "malwareStatus": malware,
        "anomalyStatus": "UNDEFINED",
    }})
}

#[tokio::test]
async fn every_page_of_the_window_is_counted_by_the_primarys_clock() {
    let (primary, mut catalog, client) = primary().await;
    let now = primary.control().now();
    // 350 within two days, of which the primary alone would show those of the last 24 hours; the same number twice, and
    // one before the window.
    let mut images: Vec<Value> = (0..350).map(|n| image(n, 5 + 8 * i64::try_from(n).unwrap(), now, "CLEAN")).collect();
    images.insert(200, image(3, 29, now, "CLEAN"));
    images.push(image(900, 3_000, now, "CLEAN"));
    images.push(image(901, -20, now, "CLEAN"));
    images.push(image(902, 60, now, ""));
    images.push(image(903, 60, now, "INFECTION_DETECTED_BY_FILE_HASH_SEARCH"));
    primary.control().replace("/catalog/images", Some(images.into()));
    catalog.window = Duration::from_secs(2 * 86_400);
    let found = samples(&catalog, &client).await;
    let pair = |malware: &str, count: u64| {
        format!(
            "netbackup_catalog_images{{site=\"paris\",malware_status=\"{malware}\",anomaly_status=\"UNDEFINED\"}} {count}"
        )
    };
    // Where `malwareStatus` is missing the result of the scan counts.
    assert!(found.contains(&pair("CLEAN", 351)), "{found:#?}");
    assert!(found.contains(&pair("INFECTION_DETECTED_BY_FILE_HASH_SEARCH", 1)), "{found:#?}");
    let bytes = "netbackup_catalog_image_bytes{site=\"paris\",policy_type=\"Standard\"} 720896";
    assert!(found.iter().any(|line| line == bytes), "{found:#?}");
    assert!(found.iter().any(|line| line == "netbackup_catalog_window_seconds{site=\"paris\"} 172800"), "{found:#?}");
    assert_eq!(primary.control().request_counts()["/catalog/images"], 4, "353 rows in pages of 100");
}

fn job(job_type: &'static str, status: i64, ended: i64) -> Job {
    Job {
        job_type: Some(job_type.into()),
        policy_type: Some("NBU_CATALOG".into()),
        state: Some("DONE".into()),
        status: Some(status),
        start: Some(ended - 1_000),
        end: Some(ended),
        ..Job::default()
    }
}

/// What is said of backups of the catalog: attempt and success, in milliseconds before `now`.
async fn backups(catalog: &Catalog, client: &Client, now: i64) -> [Option<i64>; 2] {
    let found = samples(catalog, client).await;
    ["attempt", "success"].map(|kind| {
        let name = format!("netbackup_catalog_backup_last_{kind}_timestamp_seconds{{site=\"paris\"}} ");
        let value: f64 = found.iter().find_map(|line| line.strip_prefix(&name))?.parse().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "a time")]
        Some(now - (value * 1000.0).round() as i64)
    })
}

#[tokio::test]
async fn the_last_backup_of_the_catalog_is_told_from_what_else_its_policy_does() {
    let (primary, catalog, client) = primary().await;
    let control = primary.control();
    control.replace("/catalog/images", Some(json!([])));
    let now = control.now();
    assert_eq!(backups(&catalog, &client, now).await, [None, None]);
    let parent = control.insert_job(job("DBBACKUP", 0, now - 90_000));
    assert_eq!(backups(&catalog, &client, now).await, [Some(90_000); 2]);
    control.insert_job(job("DBBACKUP", 41, now - 60_000));
    // Neither a part of a backup, nor a copy of one, nor the backup of anything else.
    control.insert_job(Job { parent_id: parent, ..job("BACKUP", 0, now - 50_000) });
    control.insert_job(job("DUPLICATE", 0, now - 40_000));
    control.insert_job(Job { policy_type: Some("STANDARD".into()), ..job("BACKUP", 0, now - 30_000) });
    control.insert_job(Job { state: Some("ACTIVE".into()), ..job("DBBACKUP", 0, now - 20_000) });
    assert_eq!(backups(&catalog, &client, now).await, [Some(60_000), Some(90_000)]);
    control.clear_requests();
    for n in 0..150 {
        control.insert_job(job("DBBACKUP", 6, now - 59_000 + n * 100));
    }
    assert_eq!(backups(&catalog, &client, now).await, [Some(44_100), Some(90_000)]);
    assert_eq!(control.request_counts()["/admin/jobs"], 2, "successes are asked for apart");
    // Who may not see jobs is told of none, and adds nothing.
    control.set_silent_empty_jobs(true);
    let unseen = Catalog::new(&site_of(&primary));
    assert_eq!(backups(&unseen, &client, now).await, [None, None]);
    let memo = crate::collector::whole::Memo::default();
    let mut reading = Reading::new(&client, "paris", Display::default(), &memo);
    unseen.read(&mut reading).await.unwrap();
    let denied = reading.polled(&ABOUT).await.unwrap().denied.unwrap();
    assert_eq!(denied.rights, ["MANAGE/JOBS VIEW"], "it is said");
    control.set_silent_empty_jobs(false);
    control.set_rbac(vec!["/admin".to_owned()]);
    assert_eq!(backups(&catalog, &client, now).await, [None, None]);
    assert!(!samples(&catalog, &client).await.is_empty(), "the images are read all the same");
}

#[tokio::test]
async fn a_backup_that_the_primary_lists_no_more_is_not_forgotten() {
    let (primary, catalog, client) = primary().await;
    let control = primary.control();
    let now = control.now();
    let success = control.insert_job(job("DBBACKUP", 0, now - 90_125));
    let failure = control.insert_job(job("DBBACKUP", 41, now - 60_000));
    let known = [Some(60_000), Some(90_125)];
    assert_eq!(backups(&catalog, &client, now).await, known);
    assert!(control.remove_job(success));
    assert_eq!(backups(&catalog, &client, now).await, known);
    // A poll without the right shows nothing, and forgets nothing.
    control.set_rbac(vec!["/admin".to_owned()]);
    assert_eq!(backups(&catalog, &client, now).await, [None, None]);
    control.set_rbac(Vec::new());
    assert!(control.remove_job(failure));
    assert_eq!(backups(&catalog, &client, now).await, known);

    // Neither does a collector that begins with what another one has published: after a restart, or a reload.
    let memo = crate::collector::whole::Memo::default();
    let mut reading = Reading::new(&client, "paris", Display::default(), &memo);
    catalog.read(&mut reading).await.unwrap();
    let published = Some(Arc::new(reading.page.finish()));
    let next = Catalog::new(&site_of(&primary));
    let mut reading = Reading::new(&client, "paris", Display::default(), &memo);
    reading.published = published;
    next.read(&mut reading).await.unwrap();
    assert_eq!(backups(&next, &client, now).await, known);
    // What is newer counts, as ever.
    control.insert_job(job("DBBACKUP", 0, now - 30_000));
    assert_eq!(backups(&next, &client, now).await, [Some(30_000); 2]);
}

#[tokio::test]
async fn a_poll_goes_on_from_what_is_published() {
    use crate::cache::{Generation, Slot};
    use crate::config::CollectorTiming;
    let (primary, _, client) = primary().await;
    let control = primary.control();
    let job = control.insert_job(job("DBBACKUP", 0, control.now() - 1_000));
    let timing = CollectorTiming::of_ttl(Duration::from_secs(60));
    let slot = Slot::new("catalog", timing.ttl, timing.limits, Generation::default());
    let context = crate::collector::PollContext::new(Arc::clone(&slot));
    let site = site_of(&primary);
    let build = || crate::collector::build("catalog", &site, &client, Display::default(), None, None).unwrap();
    let polled = build().poll(&context).await.unwrap();
    let end = polled.rendered.value(&LAST_SUCCESS).unwrap();
    slot.writer().unwrap().restore(Arc::new(polled.rendered), polled.received);
    assert!(control.remove_job(job));
    assert_eq!(build().poll(&context).await.unwrap().rendered.value(&LAST_SUCCESS), Some(end));
}

#[test]
fn words_without_end_make_few_series() {
    let mut tally = Tally::default();
    for n in 0..1_000 {
        let text = format!("x{n}");
        let image = Image {
            policy_type: text.as_str().into(),
            kilobytes: Some(u64::MAX - 1),
            malware_status: text.as_str().into(),
            malware_scan_result: "".into(),
            anomaly_status: text.as_str().into(),
            borrowed: std::marker::PhantomData,
        };
        tally.add(&text, &image);
        tally.add("", &image);
    }
    assert_eq!((tally.images.len(), tally.bytes.len()), (MOST_STATES + 1, MOST_TYPES + 1));
    assert_eq!(tally.images.values().sum::<u64>(), 1_000);
    assert_eq!(tally.once.nameless, 1_000, "a row without id is left out");
}

#[test]
fn both_bounds_are_asked_for() {
    assert_eq!(
        window(1_764_201_600_007, Duration::from_secs(86_400)),
        "backupTime ge 2025-11-26T00:00:00.007Z and backupTime le 2025-11-27T00:00:00.007Z"
    );
    assert!(window(5, Duration::MAX).starts_with("backupTime ge 1970-01-01T00:00:00.000Z and "));
}
