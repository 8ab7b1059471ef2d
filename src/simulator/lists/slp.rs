//! Storage lifecycle policies and what they have to copy. Each image of the backlog is a place that one backup after the
//! other takes: it waits, is copied, is complete, and the next one comes. A policy that is put off now and then lets its images
//! wait meanwhile.

use serde_json::{Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::world::time::iso;
use super::{Listing, Scene, Shape, put};

const SALT: u64 = 0x51b;
/// Places for images.
const PLACES: usize = 640;
const MINUTE_MS: i64 = 60_000;
/// How long a policy stays as it is, on or put off.
const SHIFT_MS: i64 = 6 * MINUTE_MS;

pub(super) const LISTINGS: &[Listing] = &[
    Listing {
        filters: &[
            Attribute { name: "backupId", kind: Kind::Text, ops: Ops::Eq },
            Attribute { name: "backupTime", kind: Kind::Time, ops: Ops::Order },
            Attribute { name: "slpName", kind: Kind::Text, ops: Ops::Eq },
            Attribute { name: "policyName", kind: Kind::Text, ops: Ops::Eq },
            Attribute { name: "clientName", kind: Kind::Text, ops: Ops::Eq },
            Attribute { name: "slpImageState", kind: Kind::Enum(&IMAGE_STATES), ops: Ops::Eq },
        ],
        ..Listing::new("/catalog/slp-images", Shape::Cursor, (100, 1000), |_| PLACES, image)
    },
    Listing {
        filters: &[Attribute { name: "slpName", kind: Kind::Text, ops: Ops::SearchOnly }],
        sorts: &["slpName", "dataClassification", "duplicationPriority", "active"],
        extra: &["meta"],
        ..Listing::new("/config/slps", Shape::Offset, (10, 100), |_| POLICIES.len(), policy)
    },
];

const IMAGE_STATES: [&str; 7] =
    ["NOT_MANAGED", "NOT_STARTED", "IN_PROCESS", "COMPLETE", "DELETED", "NOT_STARTED|INACTIVE", "IN_PROCESS|INACTIVE"];

struct Policy {
    name: &'static str,
    classification: &'static str,
    /// The operations after the backup.
    operations: &'static [Operation],
    /// Whether it is put off now and then.
    pauses: bool,
}

struct Operation {
    /// As the definition says it.
    operation: &'static str,
    /// As a copy says it.
    copy: &'static str,
    storage: &'static str,
}

const DUPLICATE: Operation = Operation { operation: "DUPLICATION", copy: "DUPLICATE", storage: "stu-tape-005" };
const CLOUD: Operation = Operation { operation: "DUPLICATION", copy: "DUPLICATE", storage: "stu-cloud-003" };
const REPLICATE: Operation = Operation {
    operation: "REPLICATE_TO_REMOTE_MASTER",
    copy: "REPLICATE_TO_REMOTE_MASTER",
    storage: "Remote Master Server",
};

/// The first two have the names that jobs have.
const POLICIES: [Policy; 5] = [
    Policy { name: "SLP_gold", classification: "Gold", operations: &[REPLICATE, CLOUD], pauses: false },
    Policy { name: "SLP_silver", classification: "Silver", operations: &[DUPLICATE], pauses: false },
    Policy { name: "SLP_bronze", classification: "Bronze", operations: &[CLOUD], pauses: true },
    Policy { name: "slp \"branch\" \\ Zürich", classification: "Any", operations: &[DUPLICATE], pauses: true },
    Policy { name: "SLP_local", classification: "", operations: &[], pauses: false },
];

impl Policy {
    fn of(index: usize) -> &'static Policy {
        // The last one has no work.
        POLICIES.get(index % (POLICIES.len() - 1)).unwrap_or(&POLICIES[0])
    }

    fn is_active(&self, now: i64) -> bool {
        !self.pauses || (now / SHIFT_MS) % 2 == 0
    }
}

/// How far the backup of a place is.
struct Life {
    began: i64,
    state: &'static str,
    copy_state: &'static str,
    retries: i64,
}

fn life(scene: &Scene, policy: &Policy, index: usize) -> Life {
    let mut dice = scene.dice(SALT, index);
    // Some are so large, or so unlucky, that they take days.
    let length = if index.is_multiple_of(15) { dice.i64(2_880..7_200) } else { dice.i64(20..180) } * MINUTE_MS;
    let phase = (scene.now + dice.i64(0..length)).rem_euclid(length);
    let active = policy.is_active(scene.now);
    let (state, copy_state) = match (phase * 100 / length, active) {
        (..40, true) => ("NOT_STARTED", "NOT_STARTED"),
        (..40, false) => ("NOT_STARTED|INACTIVE", "NOT_STARTED|INACTIVE"),
        (..60, true) => ("IN_PROCESS", "IN_PROCESS"),
        (..60, false) => ("IN_PROCESS|INACTIVE", "IN_PROCESS|INACTIVE"),
        _ => ("COMPLETE", "COPYCOMPLETE"),
    };
    let retries = if index.is_multiple_of(11) && copy_state != "NOT_STARTED" { dice.i64(1..5) } else { 0 };
    Life { began: scene.now - phase, state, copy_state, retries }
}

fn image(scene: &Scene, index: usize) -> Value {
    let policy = Policy::of(index);
    let life = life(scene, policy, index);
    let mut dice = scene.dice(SALT + 1, index);
    let client = format!("host-{:05}.example.com", index % 60);
    let id = format!("{client}_{}", life.began / 1000);
    let media_server = format!("nbumedia{:02}.example.com", index % 4 + 1);
    let size = dice.i64(1_048_576..209_715_200);
    let copy = |number: usize, copy_type: &str, state: &str, residence: &str| {
        json!({
            "primaryServer": "nbuprimary.example.com",
            "backupId": id,
            "copyNumber": number,
            "copyType": copy_type,
            "copyState": state,
            "residence": residence,
            "retryCount": 0,
            "fragments": [],
        })
    };
    let mut first = copy(1, "BACKUP", "COPYCOMPLETE", "stu-msdp-000");
    let fragments: Vec<Value> = (1..=2)
        .map(|number| {
            json!({
                "backupId": id,
                "copyNumber": 1,
                "fragmentNumber": number,
                "mediaId": "@aaaaa",
                "mediaType": "DISK",
                "mediaServer": media_server,
                "fragmentState": "ACTIVE",
                "fragmentSize": size / 2 + size % 2 * (number - 1),
            })
        })
        .collect();
    put(&mut first, "fragments", fragments);
    let mut copies = vec![first];
    for (number, operation) in (2..).zip(policy.operations) {
        let mut copy = copy(number, operation.copy, life.copy_state, operation.storage);
        put(&mut copy, "retryCount", life.retries);
        if life.retries > 0 {
            put(&mut copy, "lastRetryTime", iso(scene.now - 2 * MINUTE_MS));
        }
        copies.push(copy);
    }
    json!({
        "type": "slpImage",
        "id": id,
        "attributes": {
            "primaryServer": "nbuprimary.example.com",
            "backupId": id,
            "policyName": "unix-daily",
            "clientName": client,
            "backupTime": iso(life.began),
            "policyType": "Standard",
            "scheduleType": "FULL",
            "slpName": policy.name,
            "slpVersion": 3,
            "slpImageState": life.state,
            "isStorageLifecycleInactive": life.state.ends_with("INACTIVE"),
            "dataClassification": policy.classification,
            "copies": copies,
        },
    })
}

fn policy(scene: &Scene, index: usize) -> Value {
    let Some(policy) = POLICIES.get(index) else { return Value::Null };
    let version = 3 + index;
    let backup = Operation { operation: "BACKUP", copy: "BACKUP", storage: "stu-msdp-000" };
    let operations: Vec<Value> = (1..)
        .zip([&backup].into_iter().chain(policy.operations))
        .map(|(number, operation)| {
            json!({
                "operationIndex": number,
                "operationType": operation.operation,
                "sourceOperationIndex": i32::from(number > 1),
                "retentionType": "FIXED",
                "retentionPeriod": {"value": 4, "unit": "WEEKS"},
                "storage": {"name": operation.storage},
            })
        })
        .collect();
    let mut attributes = json!({
        "slpName": policy.name,
        "versionNumber": version,
        "active": policy.is_active(scene.now),
        "dataClassification": policy.classification,
        "duplicationPriority": index * 1_000,
        "flagValues": [],
        "operationList": operations,
    });
    if policy.pauses {
        // On again, or once more: the next even shift at the latest.
        let shift = scene.now / SHIFT_MS;
        put(&mut attributes, "activationTime", iso((shift + shift % 2) * SHIFT_MS));
    }
    json!({
        "type": "slp",
        "id": policy.name,
        "links": {"self": {"href": format!("/config/slps/{}", policy.name)}},
        "attributes": attributes,
        "relationships": {"versions": {"data": [{"type": "version", "id": version}]}},
    })
}
