//! Alerts: newest first; nobody removes any.

use serde_json::{Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::world::time::iso;
use super::{Listing, Scene, Shape};

const SALT: u64 = 0xa1e;
const BEFORE: usize = 260;
const INTERVAL_MS: i64 = 45_000;

pub(super) const LISTINGS: &[Listing] = &[Listing {
    filters: &[
        Attribute { name: "alertId", kind: Kind::Int, ops: Ops::Order },
        Attribute { name: "severity", kind: Kind::Enum(&["INFO", "WARNING", "ERROR"]), ops: Ops::EqNe },
        Attribute { name: "category", kind: Kind::Enum(&["JOB"]), ops: Ops::EqNe },
        Attribute { name: "subCategory", kind: Kind::Text, ops: Ops::EqNe },
        Attribute { name: "createdDateTime", kind: Kind::Time, ops: Ops::Order },
    ],
    // Written down for 11.2; nothing that is simulated may need them before.
    sorts: &["category", "context", "subCategory", "severity", "createdDateTime"],
    ..Listing::new("/manage/alerts", Shape::Offset, (10, 0), len, row)
}];

/// What happens: context, severity and title.
const KINDS: [(&str, &str, &str); 5] = [
    ("JOB_STATE_FAILED", "ERROR", "A job has failed"),
    ("JOB_STATE_SUSPEND", "WARNING", "A job is suspended"),
    ("JOB_TYPE_BACKUP", "INFO", "A backup needs attention"),
    ("CREDENTIAL", "WARNING", "A credential is about to expire"),
    ("GENERAL", "INFO", "Something to know"),
];
const POLICY_TYPES: [&str; 5] = ["STANDARD", "MS-WINDOWS", "VMWARE", "ORACLE", "DISK STAGING"];

fn len(scene: &Scene) -> usize {
    scene.happened(BEFORE, INTERVAL_MS)
}

fn row(scene: &Scene, index: usize) -> Value {
    let number = len(scene).saturating_sub(index + 1);
    let mut dice = scene.dice(SALT, number);
    // Jobs that fail are what most of them are about.
    let kind = KINDS.get(dice.usize(..9).saturating_sub(4)).copied();
    let (context, severity, title) = kind.unwrap_or_default();
    let severity = if scene.odd_rows && number % 41 == 40 { "FUTURE_SEVERITY" } else { severity };
    let id = (number + 1).to_string();
    let job = dice.u32(1_000..900_000).to_string();
    let policy_type = Scene::pick(&mut dice, &POLICY_TYPES);
    json!({
        "type": "alert",
        "id": id,
        "links": {"self": {"href": format!("/manage/alerts/{id}")}},
        "attributes": {
            "titleId": 1,
            "title": title,
            "descriptionId": 1,
            "description": format!("{title}: job {job}"),
            "category": "JOB",
            "subCategory": policy_type,
            "severity": severity,
            "context": context,
            "createdDateTime": iso(scene.when(number, BEFORE, INTERVAL_MS)),
            "tags": ["JOB", job],
            "systemDefined": true,
            "params": {"jobId": job, "policyType": policy_type},
        },
    })
}
