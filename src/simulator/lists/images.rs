//! Images of the catalog: backups write them, a scan and the anomaly detection look at them some minutes later.

use serde_json::{Value, json};

use super::super::filter::{Attribute, Filter, Kind, Op, Ops};
use super::super::release::Release;
use super::super::world::time::{iso, parse_iso};
use super::{Listing, Scene, Shape};

const SALT: u64 = 0x1ca;
const MINUTE: i64 = 60_000;
/// What a primary shows that is asked for no window.
const DEFAULT_WINDOW_MS: i64 = 24 * 60 * MINUTE;
/// Images from before the start, spread over more than the default window.
const BEFORE: usize = 360;
const BEFORE_INTERVAL_MS: i64 = 5 * MINUTE;
/// How often a new one is written.
const INTERVAL_MS: i64 = 30_000;

const fn text(name: &'static str, ops: Ops) -> Attribute {
    Attribute { name, kind: Kind::Text, ops }
}

const fn word(name: &'static str, values: &'static [&'static str]) -> Attribute {
    Attribute { name, kind: Kind::Enum(values), ops: Ops::Eq }
}

const SCAN_RESULTS: &[&str] = &["NOT_SCANNED", "IMPACTED", "CLEAN", "NOT_SUPPORTED"];
const MALWARE: &[&str] = &[
    "NOT_SCANNED",
    "INFECTION_DETECTED_BY_MALWARE_SCAN",
    "CLEAN",
    "NOT_SUPPORTED",
    "UNKNOWN_TYPE",
    "INFECTION_DETECTED_BY_FILE_HASH_SEARCH",
];
/// What the filter knows: one less than there are.
const ANOMALY_FILTER: &[&str] =
    &["NOT_PROCESSED", "ANOMALOUS", "NOT_ANOMALOUS", "NOT_REVIEWED", "FALSE_POSITIVE", "IGNORED"];
const SEVERITY_FILTER: &[&str] = &["NOT_PROCESSED", "LOW", "MEDIUM", "HIGH"];
const SCHEDULES: &[&str] =
    &["FULL", "DIFFERENTIAL_INCREMENTAL", "USER_BACKUP", "USER_ARCHIVE", "CUMULATIVE_INCREMENTAL", "NOT_ARCHIVE"];

pub(super) const LISTINGS: &[Listing] = &[Listing {
    filters: &[
        text("backupId", Ops::Eq),
        Attribute { name: "backupTime", kind: Kind::Time, ops: Ops::Between },
        text("clientName", Ops::Eq),
        text("policyType", Ops::Eq),
        text("policyName", Ops::EqSearch),
        Attribute { name: "streamNumber", kind: Kind::Int, ops: Ops::Eq },
        word("scheduleType", SCHEDULES),
        word("malwareScanResult", SCAN_RESULTS),
        word("malwareStatus", MALWARE),
        word("anomalyStatus", ANOMALY_FILTER),
        word("anomalySeverity", SEVERITY_FILTER),
    ],
    rule: Some(within_defaults),
    ..Listing::new("/catalog/images", Shape::MetaOnly, (10, 100), |scene| scene.happened(BEFORE, INTERVAL_MS), row)
}];

/// Each bound of the window that is not asked for holds all the same: 24 hours ago, and now.
fn within_defaults(scene: &Scene, filter: &Filter, row: &Value) -> bool {
    let Some(time) = row.pointer("/attributes/backupTime").and_then(Value::as_str).and_then(parse_iso) else {
        return false;
    };
    let asked = |op| filter.terms.iter().any(|term| term.name == "backupTime" && term.op == op);
    (asked(Op::Ge) || time >= scene.now - DEFAULT_WINDOW_MS) && (asked(Op::Le) || time <= scene.now)
}

/// Policy type in the words of the catalog, application, policy, typical size in kilobytes.
const KINDS: [(&str, &str, &str, i64); 9] = [
    ("Standard", "NONE", "unix-daily", 40_000_000),
    ("Standard", "NONE", "home \\\\filer01\\share", 12_000_000),
    ("MS-Windows", "NONE", "win \"branch offices\"", 25_000_000),
    ("VMware", "VMWARE", "vm-gold", 90_000_000),
    ("MS-SQL-Server", "NONE", "sql-full", 60_000_000),
    ("Oracle", "NONE", "ora-rman", 120_000_000),
    ("NDMP", "NONE", "nas-ndmp", 4_000_000_000),
    ("Hyper-V", "HYPERV", "hyperv-nightly", 70_000_000),
    ("NBU-Catalog", "NONE", "catalog", 3_000_000),
];

/// Out of 24: what a scan comes to.
fn malware(roll: u32) -> (&'static str, &'static str) {
    match roll {
        0 => ("IMPACTED", "INFECTION_DETECTED_BY_MALWARE_SCAN"),
        1 => ("CLEAN", "INFECTION_DETECTED_BY_FILE_HASH_SEARCH"),
        2 => ("NOT_SUPPORTED", "NOT_SUPPORTED"),
        3 => ("NOT_SCANNED", "UNKNOWN_TYPE"),
        4..=8 => ("NOT_SCANNED", "NOT_SCANNED"),
        _ => ("CLEAN", "CLEAN"),
    }
}

/// Out of 24: what the anomaly detection comes to, and its score.
fn anomaly(roll: u32) -> (&'static str, &'static str, f64) {
    match roll {
        0 => ("ANOMALOUS", "HIGH", 9.5),
        1 => ("NOT_REVIEWED", "MEDIUM", 5.25),
        2 => ("FALSE_POSITIVE", "LOW", 2.0),
        3 => ("IGNORED", "LOW", 1.5),
        4 => ("UNDEFINED", "UNDEFINED", 0.0),
        _ => ("NOT_ANOMALOUS", "NOT_PROCESSED", 0.0),
    }
}

fn row(scene: &Scene, index: usize) -> Value {
    let mut dice = scene.dice(SALT, index);
    let number = i64::try_from(index).unwrap_or(i64::MAX);
    let since = number - i64::try_from(BEFORE).unwrap_or(0);
    // The newest of those from before is as old as its interval.
    let step = if since < 0 { BEFORE_INTERVAL_MS } else { INTERVAL_MS };
    let time = (scene.start + since.saturating_mul(step)) / 1000 * 1000;
    let (policy_type, app_type, policy, kilobytes) = KINDS.get(dice.usize(..KINDS.len())).copied().unwrap_or_default();
    let client = format!("client-{:04}.example.com", dice.u32(5..65));
    let id = format!("{client}_{}", time / 1000);
    let kilobytes = kilobytes / 100 * dice.i64(50..200);
    let age = scene.now - time;
    let (scan_result, malware_status) =
        if age < 10 * MINUTE { ("NOT_SCANNED", "NOT_SCANNED") } else { malware(dice.u32(0..24)) };
    let roll = dice.u32(0..24);
    let (anomaly_status, severity, score) =
        if age < 3 * MINUTE { ("NOT_PROCESSED", "NOT_PROCESSED", 0.0) } else { anomaly(roll) };
    let expiration = time + 30 * DEFAULT_WINDOW_MS;
    let mut attributes = json!({
        "policyType": if scene.odd_rows && index % 97 == 96 { "Future-Type" } else { policy_type },
        "clientName": client,
        "policyName": policy,
        "scheduleName": "daily",
        "scheduleType": if dice.u8(..7) == 0 { "FULL" } else { "DIFFERENTIAL_INCREMENTAL" },
        "appType": app_type,
        "backupCopyType": "DEFAULT",
        "backupTime": iso(time),
        "backupStatus": 0,
        "elapsedTimeSeconds": dice.u32(20..7_200),
        "expiration": iso(expiration),
        "kbytes": kilobytes,
        "kbytesDataTransferred": kilobytes / 16,
        "numFiles": dice.u32(1..200_000),
        "numCopies": 1,
        "numberFragments": 1,
        "primaryCopy": 1,
        "jobId": 10_000 + number,
        "slpName": "SLP_gold",
        "slpVersion": 1,
        "slpCompleted": 1,
        "imageType": "NORMAL",
        "vmType": if app_type == "NONE" { "NONE" } else { "MAPPED" },
        "contentFile": format!("{policy}_{}_INCR.f", time / 1000),
        "malwareScanResult": scan_result,
        "fragments": [{
            "copyNumber": 1,
            "fragmentNumber": 1,
            "kbytes64": kilobytes,
            "mediaId": "@aaaab",
            "host": "nbumedia01.example.com",
            "dataFormat": "TAR",
            "copyDate": iso(time + MINUTE),
            "expiration": iso(expiration),
            "retentionLevel": 3,
        }],
    });
    if let (Some(attributes), Value::Object(rest)) = (attributes.as_object_mut(), the_same_for_all()) {
        attributes.extend(rest);
        if scene.release >= Release::R10_5 {
            attributes.insert("anomalyStatus".to_owned(), anomaly_status.into());
            attributes.insert("anomalySeverity".to_owned(), severity.into());
            attributes.insert("anomalyScore".to_owned(), score.into());
            attributes.insert("fileScanResult".to_owned(), "NOT_PROCESSED".into());
        }
        if scene.release >= Release::R11_0 {
            attributes.insert("malwareStatus".to_owned(), malware_status.into());
            attributes.insert("fileHashSearchResult".to_owned(), "NO_FILE_HASH_FOUND".into());
        }
    }
    let links = json!({"self": {"href": format!("/netbackup/catalog/images/{id}")}});
    json!({"type": "image", "id": id, "links": links, "attributes": attributes})
}

fn the_same_for_all() -> Value {
    json!({
        "compression": false,
        "encryption": "NONE",
        "mpx": false,
        "retentionLevel": 3,
        "streamNumber": 0,
        "streamAggregatedKbytes": -1,
        "streamAggregatedFiles": -1,
        "blockIncrementalFullTime": iso(0),
        "clientCharset": 0,
        "contentFileSize": "8192",
        "contentFileCompressed": "NOT",
        "creator": "root",
        "dataClassification": "",
        "drMediaList": [],
        "extendedSecurityInfo": false,
        "fileSystemOnly": false,
        "imageDumpLevel": 0,
        "keyword": "",
        "originMasterServer": "",
        "pfiType": 0,
        "providerGeneratedId": "",
        "proxyClient": "",
        "remoteExpirationDate": iso(0),
        "tirExpirationDate": iso(0),
        "version": 14,
    })
}
