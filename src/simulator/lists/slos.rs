//! Protection plans: subscriptions come and go.

use serde_json::{Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::release::Release;
use super::{Listing, Scene, Shape};

const SALT: u64 = 0x510;
/// How often the subscriptions of a plan change.
const CHANGE_MS: i64 = 20_000;

pub(super) const LISTINGS: &[Listing] = &[Listing {
    filters: &[
        Attribute { name: "id", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "name", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "description", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "subscriptionCount", kind: Kind::Int, ops: Ops::Order },
    ],
    sorts: &["name"],
    ..Listing::new("/servicecatalog/slos", Shape::Bare, (10, 0), |_| 14, row)
}];

const WORKLOADS: [&str; 10] =
    ["VMWARE", "VMWARE", "CLOUD", "SQL_SERVER", "KUBERNETES", "RHV", "AHV", "CASSANDRA", "POSTGRESQL", "MYSQL"];

fn row(scene: &Scene, index: usize) -> Value {
    let mut dice = scene.dice(SALT, index);
    let id = format!("{:08x}-0000-4000-8000-{:012x}", dice.u32(..), index);
    let workload = match WORKLOADS.get(index % (WORKLOADS.len() + 1)) {
        Some(workload) => workload,
        None if scene.odd_rows => "FUTURE_WORKLOAD",
        None if scene.release >= Release::R10_5 => "OPENSTACK",
        None => "CLOUD",
    };
    let step = scene.now / CHANGE_MS;
    let subscriptions = dice.i64(1..200) + (step + i64::try_from(index).unwrap_or(0)).rem_euclid(7);
    json!({
        "type": "slov3",
        "id": id,
        "links": {"self": {"href": format!("/netbackup/servicecatalog/slos/{id}")}},
        "attributes": {
            "name": format!("plan {index:02} \"{}\"", workload.to_lowercase()),
            "description": "",
            "policyNamePrefix": format!("plan{index:02}"),
            "workloadType": workload,
            "subscribeAllowed": true,
            "subscriptionCount": subscriptions,
            "capabilities": [],
            "schedules": [{
                "scheduleType": "DIFFERENTIAL_INCREMENTAL",
                "scheduleName": "INCREMENTAL_1",
                "frequencySeconds": 86_400,
                "retention": {"value": 2, "unit": "WEEKS"},
                "backupWindows": [{"dayOfWeek": 2, "startSeconds": 3_600, "durationSeconds": 14_400}],
                "backupStorageUnit": "stu-msdp-00",
            }],
        },
    })
}
