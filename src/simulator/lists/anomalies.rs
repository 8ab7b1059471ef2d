//! Anomalies of backups: found now and then, reviewed some time later, or never.

use serde_json::{Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::release::Release;
use super::super::world::names::CLIENTS;
use super::super::world::time::iso;
use super::{Listing, Scene, Shape};

const SALT: u64 = 0xa70;
const BEFORE: usize = 230;
const INTERVAL_MS: i64 = 80_000;
/// Nobody needs longer for a review.
const LONGEST_REVIEW_MS: i64 = 6_000_000;

pub(super) const LISTINGS: &[Listing] = &[Listing {
    filters: &[
        Attribute { name: "id", kind: Kind::Text, ops: Ops::Eq },
        Attribute { name: "jobid", kind: Kind::Text, ops: Ops::Order },
        Attribute { name: "createdDateTime", kind: Kind::Time, ops: Ops::Order },
        Attribute { name: "backupTime", kind: Kind::Time, ops: Ops::Order },
        Attribute { name: "clientName", kind: Kind::Text, ops: Ops::Search },
        Attribute { name: "policyName", kind: Kind::Text, ops: Ops::Search },
        Attribute { name: "anomalyStatus", kind: Kind::Text, ops: Ops::Search },
        Attribute { name: "anomalyCount", kind: Kind::Int, ops: Ops::Order },
        Attribute { name: "anomalySeverity", kind: Kind::Text, ops: Ops::EqNe },
    ],
    sorts: &["jobid", "createdDateTime", "clientName", "anomalyStatus", "anomalyCount", "anomalySeverity"],
    ..Listing::new("/security/anomalies", Shape::OffsetShort, (10, 100), len, row)
}];

const TYPES: [(&str, Release); 6] = [
    ("JOB_BASED", Release::R10_3),
    ("FILE_BASED", Release::R10_5),
    ("SUSPICIOUS_FILE_EXTENSION", Release::R10_5),
    ("CLIENT_OFFLINE_BASED", Release::R10_5),
    ("FILE_ENTROPY", Release::R10_5),
    ("DB_CORRUPTION", Release::R11_0),
];
const SEVERITIES: [&str; 6] = ["LOW", "LOW", "LOW", "MEDIUM", "MEDIUM", "HIGH"];
const REVIEWED: [&str; 6] =
    ["ANOMALY", "REPORTED_FALSE_POSITIVE", "REPORTED_FALSE_POSITIVE", "REPORTED_FALSE_POSITIVE", "IGNORED", "IGNORED"];

fn len(scene: &Scene) -> usize {
    scene.happened(BEFORE, INTERVAL_MS)
}

fn row(scene: &Scene, number: usize) -> Value {
    let mut dice = scene.dice(SALT, number);
    let created = scene.when(number, BEFORE, INTERVAL_MS);
    let known: Vec<&str> = TYPES.iter().filter(|(_, since)| *since <= scene.release).map(|(name, _)| *name).collect();
    let anomaly_type = Scene::pick(&mut dice, &known);
    let anomaly_type = if scene.odd_rows && number % 47 == 46 { "FUTURE_TYPE" } else { anomaly_type };
    let reviewed = Scene::pick(&mut dice, &REVIEWED);
    let is_reviewed = dice.u8(..8) > 0 && created + dice.i64(60_000..LONGEST_REVIEW_MS) < scene.now;
    let client = Scene::pick(&mut dice, &CLIENTS);
    let backup = created - 3_600_000;
    let mut row = json!({
        "type": "anomaly",
        "id": (number + 1).to_string(),
        "attributes": {
            "createdDateTime": iso(created),
            "backupTime": iso(backup),
            "jobid": dice.u32(1_000..900_000).to_string(),
            "backupId": format!("{client}_{}", backup / 1_000),
            "clientName": client,
            "policyName": "unix-daily",
            "policyType": "STANDARD",
            "scheduleName": "daily",
            "scheduleType": "DIFFERENTIAL_INCREMENTAL_BACKUP",
            "destinationStorage": "stu-msdp-00",
            "anomalyStatus": if is_reviewed { reviewed } else { "NOT_REVIEWED" },
            "anomalyType": anomaly_type,
            "anomalyCount": dice.u8(1..5),
            "anomalyScore": format!("{}.25", dice.u8(1..9)),
            "anomalySeverity": Scene::pick(&mut dice, &SEVERITIES),
            "anomalySummary": "Image size, total time",
            "extendedAttributes": {"imageSizeKB": dice.u32(1_000..9_000_000).to_string()},
        },
    });
    if scene.release >= Release::R10_5 {
        Scene::set(&mut row, "assetId", format!("asset-{number}"));
    }
    row
}
