//! Lists of several pages, and what is worth more than a line of a golden file.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::cache::{Generation, Slot};
use crate::collector::whole::Whole;
use crate::collector::{Collector, Display, PollContext};
use crate::config::{CollectorTiming, Credential, Secret, Site};
use crate::netbackup::Client;
use crate::simulator::{Options, Release, Simulator, Sizes};
use crate::stats::ApiStats;

/// What the collector shows of a primary, and how many records it left out.
async fn poll(primary: &Simulator) -> (Vec<String>, u64) {
    let key = Credential::ApiKey(Secret::new(Options::default().api_key));
    let site = Site::new("paris", primary.base_url().parse().unwrap(), key);
    let client = Client::new(&site, Arc::new(ApiStats::default())).unwrap();
    let collector = Whole::new(Tape::new(&site), Arc::clone(&site.name), client, Display::default());
    assert!(!collector.is_bounded());
    let timing = CollectorTiming::of_ttl(std::time::Duration::from_secs(60));
    let context = PollContext::new(Slot::new("tape", timing.ttl, timing.limits, Generation::default()));
    let polled = collector.poll(&context).await.unwrap();
    let lines = polled.rendered.text().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    (lines, polled.rejected)
}

/// The sum of the samples whose line starts with `start` and holds `part`.
fn sum(lines: &[String], start: &str, part: &str) -> f64 {
    let found = lines.iter().filter(|line| line.starts_with(start) && line.contains(part));
    found.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn medium(index: usize) -> Value {
    let pool = if index < 150 { "Scratch" } else { "NetBackup" };
    json!({"type": "volumeInfo", "id": format!("A{index:05}"), "attributes": {
        "mediaType": "HCART3", "volumePool": pool, "robot": {"robotType": "TLD", "robotNumber": index % 2},
        "kiloBytes": 3, "mediaStatus": if index == 249 { "FROZEN FULL" } else { "" },
    }})
}

#[tokio::test]
async fn every_page_of_every_list_counts_once() {
    let options = Options { jobs: 0, sizes: Sizes { tape_media: 3, hosts: 1 }, ..Options::default() };
    let primary = Simulator::start(options).await.unwrap();
    let drive = |index: usize| {
        json!({"type": "drive", "id": format!("d{index}"), "attributes": {
            "driveType": "DT_HCART", "driveStatus": "DRIVE_STATUS_UP", "devicePaths": [],
        }})
    };
    // While the list is read, the last drive of the first page moves to the second.
    let drives: Vec<Value> = (0..100).chain(99..230).map(drive).collect();
    let pools = (0..230).map(|index| {
        let name = if index == 229 { "Scratch".to_owned() } else { format!("pool {index}") };
        let kind = if index == 229 { "SCRATCH_MEDIA_POOL" } else { "REGULAR_MEDIA_POOL" };
        json!({"type": "volumePoolDetails", "id": index.to_string(), "attributes": {
            "volumePoolName": name, "description": "", "partiallyFullMedia": 1, "poolType": kind,
        }})
    });
    let control = primary.control();
    control.replace("/storage/drives", Some(drives.into()));
    control.replace("/storage/tape-volume-pools", Some(pools.collect()));
    control.replace("/storage/tape-media", Some((0..250).map(medium).collect()));
    let (lines, rejected) = poll(&primary).await;
    assert_eq!(rejected, 0);
    assert_eq!(sum(&lines, "netbackup_tape_drives{", "DRIVE_STATUS_UP"), 230.0);
    assert_eq!(sum(&lines, "netbackup_tape_volume_pool_partially_full_media{", ""), 230.0);
    assert_eq!(sum(&lines, "netbackup_tape_media{", ""), 250.0);
    assert_eq!(sum(&lines, "netbackup_tape_media{", "robot_number=\"1\""), 125.0);
    assert_eq!(sum(&lines, "netbackup_tape_scratch_media{", "pool=\"Scratch\""), 150.0);
    assert_eq!(sum(&lines, "netbackup_tape_media_bytes{", "NetBackup"), 100.0 * 3.0 * 1024.0);
    assert_eq!(sum(&lines, "netbackup_tape_media_status{", "FROZEN"), 1.0);
    assert_eq!(sum(&lines, "netbackup_tape_robot_device_hosts{", ""), 3.0);
    for (template, pages) in [("/storage/drives", 3), ("/storage/tape-media", 3), ("/storage/tape-volume-pools", 3)] {
        let asked = control.requests().iter().filter(|request| request.path == template).count();
        assert_eq!(asked, pages, "{template}");
    }
    primary.stop().await;
}

#[tokio::test]
async fn what_is_wrong_in_a_record_is_absent_and_the_rest_is_served() {
    let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
    let control = primary.control();
    let drives = json!([
        {"type": "drive", "id": 5, "attributes": {
            "driveType": null, "driveStatus": "DRIVE_STATUS_FUTURE", "robotNumber": "0", "sharedDrive": "yes",
            "cleaningComment": null, "lastCleaningTime": null, "tapeAlert1": "CLEAN_NOW,", "tapeAlert2": null,
            "devicePaths": [null, 3, {"deviceHost": null, "pathStatus": "PATH_STATUS_NEW"}],
        }},
        {"type": "drive", "attributes": {"driveType": "DT_DLT"}},
        {"type": "drive", "id": "no attributes"},
    ]);
    control.replace("/storage/drives", Some(drives));
    control.replace("/storage/robots-device-hosts", Some(json!([{"id": "a", "attributes": {"x": 1}}, {}, 7])));
    let media = json!([
        {"id": "A", "attributes": {"mediaType": "HC_CLN", "robot": null, "volumePool": null, "mediaStatus": 7,
            "kiloBytes": "9", "timeAssigned": null, "cleaningsRemaining": null}},
        {"id": "B", "attributes": {"mediaType": "HCART", "robot": 5, "volumePool": "p", "timeAssigned": "2025-11-26T22:00:04Z",
            "dateExpiration": "2199-01-01T00:00:00Z", "kiloBytes": -1}},
    ]);
    control.replace("/storage/tape-media", Some(media));
    let (lines, rejected) = poll(&primary).await;
    assert_eq!(rejected, 4, "two drives, two hosts");
    let text = lines.join("\n");
    for line in [
        "netbackup_tape_drive_alert{site=\"paris\",drive=\"5\",alert=\"CLEAN_NOW\"} 1",
        "netbackup_tape_drive_status{site=\"paris\",drive=\"5\",status=\"DRIVE_STATUS_FUTURE\"} 1",
        "netbackup_tape_drive_status{site=\"paris\",drive=\"5\",status=\"DRIVE_STATUS_UP\"} 0",
        "netbackup_tape_host_drive_paths{site=\"paris\",device_host=\"\",status=\"PATH_STATUS_NEW\"} 1",
        "netbackup_tape_robot_device_hosts{site=\"paris\"} 1",
        "netbackup_tape_cleaning_media{site=\"paris\",media_type=\"HC_CLN\",robot_type=\"\",robot_number=\"\"} 1",
        "netbackup_tape_media{site=\"paris\",pool=\"p\",media_type=\"HCART\",robot_type=\"\",robot_number=\"\"} 1",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line}\n{text}");
    }
    for absent in ["needs_cleaning", "last_cleaning", "cleanings_remaining", "media_bytes", "expiring", "media_status"]
    {
        assert!(!text.contains(absent), "{absent}\n{text}");
    }
    primary.stop().await;
}

#[tokio::test]
async fn a_part_that_is_denied_or_not_offered_takes_nothing_from_the_others() {
    for (release, denied) in [(Release::R10_3, None), (Release::R11_2, Some("/storage/tape"))] {
        let primary = Simulator::start(Options { jobs: 0, release, ..Options::default() }).await.unwrap();
        primary.control().set_rbac(denied.into_iter().map(str::to_owned).collect());
        let (lines, _) = poll(&primary).await;
        assert!(sum(&lines, "netbackup_tape_drives{", "") > 5.0);
        assert_eq!(lines.iter().filter(|line| line.contains("tape_media") || line.contains("volume_pool")).count(), 0);
        primary.stop().await;
    }
    // Without the pools nobody knows which media are scratch; the media are there.
    let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
    primary.control().set_rbac(vec!["/storage/tape-volume-pools".to_owned()]);
    let (lines, _) = poll(&primary).await;
    assert_eq!(sum(&lines, "netbackup_tape_media{", ""), 240.0);
    assert!(!lines.iter().any(|line| line.starts_with("netbackup_tape_scratch_media")));
    primary.stop().await;
}

#[tokio::test]
async fn a_primary_cannot_make_series_without_end() {
    let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
    let media = (0..2_100).map(|index| {
        json!({"id": format!("A{index}"), "attributes": {"volumePool": format!("p{index}"), "mediaStatus": format!("F{index}")}})
    });
    primary.control().replace("/storage/tape-media", Some(media.collect()));
    let (lines, _) = poll(&primary).await;
    assert_eq!(sum(&lines, "netbackup_tape_media{", ""), 2_100.0);
    assert_eq!(lines.iter().filter(|line| line.starts_with("netbackup_tape_media{")).count(), 2_001);
    assert_eq!(sum(&lines, "netbackup_tape_media{", "pool=\"other\""), 100.0);
    assert_eq!(sum(&lines, "netbackup_tape_media_status{", "status=\"other\""), 2_080.0);
    primary.stop().await;
}

#[tokio::test]
async fn the_simulated_primary_shows_every_family() {
    let options = Options { jobs: 0, odd_rows: false, ..Options::default() };
    let primary = Simulator::start(options).await.unwrap();
    let (lines, _) = poll(&primary).await;
    for family in ABOUT.families {
        assert!(lines.iter().any(|line| line.starts_with(&format!("{}{{", family.name))), "{}", family.name);
    }
    primary.stop().await;
}
