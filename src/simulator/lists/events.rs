//! Events: the newest first, and with ids that rise.

use serde_json::{Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::world::time::iso;
use super::{Listing, Scene, Shape};

const SALT: u64 = 0xe7e;
const BEFORE: usize = 330;
const INTERVAL_MS: i64 = 7_000;

pub(super) const LISTINGS: &[Listing] = &[Listing {
    filters: &[
        // A text that holds a number, and is compared as one.
        Attribute { name: "id", kind: Kind::Int, ops: Ops::All },
        Attribute { name: "notificationType", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "notificationId", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "producerName", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "producerType", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "priority", kind: Kind::Enum(&["LOW", "MEDIUM", "HIGH"]), ops: Ops::EqNe },
        Attribute {
            name: "severity",
            kind: Kind::Enum(&["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]),
            ops: Ops::EqNe,
        },
        Attribute { name: "createdDateTime", kind: Kind::Time, ops: Ops::Order },
    ],
    sorts: &["severity", "createdDateTime", "notificationType", "producerType", "producerName", "id", "priority"],
    ..Listing::new("/eventlog/notifications", Shape::OffsetShort, (10, 100), len, row)
}];

/// Types, with their severity and priority.
const TYPES: [(&str, &str, &str); 10] = [
    ("Disk pool state", "WARNING", "MEDIUM"),
    ("Disk volume state", "ERROR", "HIGH"),
    ("Job state", "INFO", "LOW"),
    ("Job state", "INFO", "LOW"),
    ("Policy change", "INFO", "LOW"),
    ("Host certificate", "WARNING", "MEDIUM"),
    ("Catalog backup", "CRITICAL", "HIGH"),
    ("Service state", "ERROR", "HIGH"),
    ("Anomaly", "RCA", "MEDIUM"),
    ("Lifecycle operation", "DEBUG", "LOW"),
];

fn len(scene: &Scene) -> usize {
    scene.happened(BEFORE, INTERVAL_MS)
}

fn row(scene: &Scene, index: usize) -> Value {
    let number = len(scene).saturating_sub(index + 1);
    let mut dice = scene.dice(SALT, number);
    let (notification_type, severity, priority) = Scene::pick(&mut dice, &TYPES);
    let id = (number + 1).to_string();
    let mut row = json!({
        "type": "notifications",
        "id": id,
        "links": {"self": {"href": format!("/eventlog/notifications/{id}")}},
        "attributes": {
            "version": "1.0",
            "priority": priority,
            "severity": severity,
            "createdDateTime": iso(scene.when(number, BEFORE, INTERVAL_MS)),
            "notificationType": notification_type,
            "notificationId": format!("{:08x}", dice.u32(..)),
            "producerName": "nbuprimary.example.com",
            "producerId": "5a1b0c7e-6f0e-4d0c-9a7b-1f2e3d4c5b6a",
            "producerType": "MASTER",
            "displayString": format!("{notification_type} \"changed\""),
            "namespace": "eventlog.example",
            "extendedAttributes": {},
        },
    });
    if scene.odd_rows && number % 29 == 28 {
        Scene::set(&mut row, "severity", "FUTURE_SEVERITY");
    }
    row
}
