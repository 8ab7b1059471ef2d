//! Lists of several pages, and what is worth more than a line of a golden file.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::cache::{Generation, Slot};
use crate::collector::whole::Whole;
use crate::collector::{Collector, Display, PollContext};
use crate::config::{CollectorTiming, Credential, Secret, Site};
use crate::netbackup::Client;
use crate::reason::Failure;
use crate::simulator::{Fault, Options, Release, Simulator, Sizes};
use crate::stats::ApiStats;

/// The collector of a primary; `media`: what it keeps of them, if not the usual.
fn collector(primary: &Simulator, media: Option<KeptMedia>) -> Whole<Tape> {
    let key = Credential::ApiKey(Secret::new(Options::default().api_key));
    let site = Site::new("paris", primary.base_url().parse().unwrap(), key).with_all_collectors();
    let client = Client::new(&site, Arc::new(ApiStats::default())).unwrap();
    let tape = media.map_or_else(|| Tape::new(&site), |media| Tape { media });
    let collector = Whole::new(tape, Arc::clone(&site.name), client, Display::default());
    assert!(!collector.is_bounded());
    collector
}

async fn polled(collector: &Whole<Tape>) -> Result<(Vec<String>, u64), Failure> {
    let timing = CollectorTiming::of_ttl(std::time::Duration::from_secs(60));
    let context = PollContext::new(Slot::new("tape", timing.ttl, timing.limits, Generation::default()));
    let polled = collector.poll(&context).await?;
    let lines = polled.rendered.text().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    Ok((lines, polled.rejected))
}

/// What the collector shows of a primary, and how many records it left out.
async fn poll(primary: &Simulator) -> (Vec<String>, u64) {
    polled(&collector(primary, None)).await.unwrap()
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
    assert_eq!(sum(&lines, "netbackup_tape_media_flagged{", "FROZEN"), 1.0);
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
        "netbackup_tape_host_drive_paths{site=\"paris\",media_server=\"\",status=\"PATH_STATUS_NEW\"} 1",
        "netbackup_tape_robot_device_hosts{site=\"paris\"} 1",
        "netbackup_tape_cleaning_media{site=\"paris\",media_type=\"HC_CLN\",robot_type=\"\",robot_number=\"\"} 1",
        "netbackup_tape_media{site=\"paris\",pool=\"p\",media_type=\"HCART\",robot_type=\"\",robot_number=\"\"} 1",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line}\n{text}");
    }
    for absent in ["needs_cleaning", "last_cleaning", "cleanings_remaining", "media_bytes", "expiring", "media_flagged"]
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
    assert_eq!(sum(&lines, "netbackup_tape_media_flagged{", "flag=\"other\""), 2_080.0);
    primary.stop().await;
}

fn tape(id: &str, robot: Value, attributes: Value) -> Value {
    let mut row = json!({"type": "volumeInfo", "id": id, "attributes": attributes});
    row["attributes"]["robot"] = robot;
    row
}

fn pools(names: &[(&str, &str)]) -> Value {
    let pool = |(number, (name, kind)): (usize, &(&str, &str))| {
        json!({"type": "volumePoolDetails", "id": number.to_string(), "attributes": {
            "volumePoolName": name, "description": "", "partiallyFullMedia": 0, "poolType": kind,
        }})
    };
    names.iter().enumerate().map(pool).collect()
}

/// What is left in the scratch pool and of cleaning media, without the names.
fn left(lines: &[String]) -> Vec<String> {
    let names = ["netbackup_tape_scratch_media{site=\"paris\",", "netbackup_tape_cleaning_media{site=\"paris\","];
    let series = names.iter().flat_map(|name| lines.iter().filter_map(move |line| line.strip_prefix(name)));
    series.map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_left_is_what_a_robot_can_use_and_nothing_where_it_has_none() {
    let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
    let control = primary.control();
    let drive = |id: &str, kind: &str, robot_type: &str| json!({"type": "drive", "id": id, "attributes": {"driveType": kind, "robotType": robot_type, "robotNumber": 0}});
    let drives = [
        drive("a", "DT_HCART3", "TLD"),
        drive("b", "DT_HCART", "TLD"),
        drive("c", "DT_DLT2", "ACS"),
        drive("d", "DT_NEW", "TLD"),
        drive("e", "DT_HCART2", "NOT_ROBOTIC"),
    ];
    control.replace("/storage/drives", Some(drives.to_vec().into()));
    control.replace(
        "/storage/tape-volume-pools",
        Some(pools(&[("Scratch", "SCRATCH_MEDIA_POOL"), ("NetBackup", "REGULAR_MEDIA_POOL")])),
    );
    let tld = || json!({"robotType": "TLD", "robotNumber": 0});
    let scratch = |status: &str| json!({"mediaType": "HCART", "volumePool": "Scratch", "mediaStatus": status});
    let used = |media_type: &str| json!({"mediaType": media_type, "volumePool": "NetBackup", "mediaStatus": "FULL"});
    let media = [
        tape("A1", tld(), scratch("")),
        tape("A2", tld(), scratch("FROZEN")),
        tape("A3", tld(), scratch("MULTIPLEXED SUSPENDED")),
        tape("A4", tld(), used("HCART3")),
        // On the shelf: one that is free, and types of which there is none.
        tape("B1", json!({"robotType": "NOT_ROBOTIC"}), scratch("")),
        tape("B2", json!({"robotType": "NOT_ROBOTIC"}), used("HCART2")),
        tape("B3", json!({"robotType": "NA"}), used("HCART2")),
        tape("B4", json!({}), used("HCART2")),
        tape("C1", tld(), json!({"mediaType": "HC_CLN", "volumePool": "None", "cleaningsRemaining": 3})),
    ];
    control.replace("/storage/tape-media", Some(media.to_vec().into()));
    let (lines, _) = poll(&primary).await;
    let expected = [
        r#"pool="Scratch",media_type="HCART",robot_type="NOT_ROBOTIC",robot_number=""} 1"#,
        r#"pool="Scratch",media_type="HCART",robot_type="TLD",robot_number="0"} 1"#,
        r#"pool="Scratch",media_type="HCART3",robot_type="TLD",robot_number="0"} 0"#,
        r#"media_type="DLT2_CLN",robot_type="ACS",robot_number="0"} 0"#,
        r#"media_type="HC3_CLN",robot_type="TLD",robot_number="0"} 0"#,
        r#"media_type="HC_CLN",robot_type="TLD",robot_number="0"} 1"#,
    ];
    assert_eq!(left(&lines), expected);
    primary.stop().await;
}

#[tokio::test]
async fn what_is_left_is_exact_behind_too_many_groups() {
    let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
    let control = primary.control();
    control.replace("/storage/drives", Some(json!([])));
    control.replace("/storage/tape-volume-pools", Some(pools(&[("Scratch", "SCRATCH_MEDIA_POOL")])));
    let robot = || json!({"robotType": "TLD", "robotNumber": 0});
    let other = |index: usize| tape(&format!("A{index}"), json!({}), json!({"volumePool": format!("p{index}")}));
    let scratch = |id: &str| tape(id, robot(), json!({"volumePool": "Scratch", "mediaType": "HCART3"}));
    let cleaning = |id: &str| tape(id, robot(), json!({"volumePool": "None", "mediaType": "HC3_CLN"}));
    let last = [scratch("S1"), scratch("S2"), cleaning("C1"), cleaning("C2"), cleaning("C3")];
    control.replace("/storage/tape-media", Some((0..2_100).map(other).chain(last).collect()));
    let (lines, _) = poll(&primary).await;
    let expected = [
        r#"pool="Scratch",media_type="HCART3",robot_type="TLD",robot_number="0"} 2"#,
        r#"media_type="HC3_CLN",robot_type="TLD",robot_number="0"} 3"#,
    ];
    assert_eq!(left(&lines), expected);
    primary.stop().await;
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

fn last_read(lines: &[String]) -> Option<&String> {
    lines.iter().find(|line| line.starts_with("netbackup_tape_media_last_read_timestamp_seconds{site=\"paris\"} "))
}

#[tokio::test]
async fn a_long_list_of_media_is_kept_and_a_short_one_is_read_again() {
    let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
    let control = primary.control();
    control.replace("/storage/tape-media", Some((0..250).map(medium).collect()));
    for (media, pages) in [(KeptMedia::of_any_length(HOUR), [3, 0]), (KeptMedia::new(HOUR), [3, 3])] {
        let collector = collector(&primary, Some(media));
        let mut shown = Vec::new();
        for pages in pages {
            control.clear_requests();
            let (lines, _) = polled(&collector).await.unwrap();
            let counts = control.request_counts();
            assert_eq!(counts.get("/storage/tape-media").copied().unwrap_or(0), pages);
            assert_eq!((counts["/storage/drives"], counts["/storage/tape-volume-pools"]), (1, 1));
            let state = "netbackup_collector_endpoint_state{site=\"paris\",collector=\"tape\",endpoint=\"/storage/tape-media\",state=\"read\"} 1";
            assert!(lines.iter().any(|line| line == state));
            assert_eq!(sum(&lines, "netbackup_tape_media{", ""), 250.0);
            shown.push(last_read(&lines).unwrap().clone());
        }
        assert_eq!(shown[0] == shown[1], pages[1] == 0, "{shown:?}");
    }
    primary.stop().await;
}

#[tokio::test]
async fn media_that_cannot_be_read_do_not_hide_the_drives_for_ever() {
    let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
    let control = primary.control();
    let fault = |on: bool| {
        let fault = Fault::Status(500, Vec::new(), String::new());
        control.set_fault(Some("/storage/tape-media"), on.then_some(fault));
    };
    let collector = collector(&primary, Some(KeptMedia::new(HOUR)));
    fault(true);
    let drives = |lines: &[String]| sum(lines, "netbackup_tape_drives{", "") > 5.0;
    for _ in 0..2 {
        let failure = polled(&collector).await.unwrap_err();
        assert!(failure.detail.contains("/storage/tape-media"), "{}", failure.detail);
        let (lines, _) = polled(&collector).await.unwrap();
        assert!(drives(&lines) && last_read(&lines).is_none() && sum(&lines, "netbackup_tape_media{", "") == 0.0);
        assert!(!lines.iter().any(|line| line.contains("\"/storage/tape-media\"")), "neither read nor denied");
    }
    fault(false);
    let (good, _) = polled(&collector).await.unwrap();
    assert!(drives(&good) && sum(&good, "netbackup_tape_media{", "") == 240.0);
    fault(true);
    polled(&collector).await.unwrap_err();
    let (lines, _) = polled(&collector).await.unwrap();
    assert!(drives(&lines) && sum(&lines, "netbackup_tape_media{", "") == 240.0);
    assert_eq!(last_read(&lines), last_read(&good), "those of the last reading");
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
