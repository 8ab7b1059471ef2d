//! Capacity in use, which grows, and licences.

use serde_json::{Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::release::Release;
use super::super::world::time::iso;
use super::{Listing, Scene, Shape};

const SALT: u64 = 0x11c;
const DAY: i64 = 86_400_000;
/// How often the capacity in use is gathered.
const GATHERING_MS: i64 = 30_000;

pub(super) const LISTINGS: &[Listing] = &[
    Listing {
        filters: &[Attribute { name: "masterServer", kind: Kind::Text, ops: Ops::Eq }],
        aliases: &[("masterServer", "/clientDetails/0/policyDetails/0/masterServer")],
        ..Listing::new("/licensing/capacity", Shape::MetaOnly, (10, 0), |_| PRIMARIES.len(), capacity)
    },
    Listing {
        filters: &[
            Attribute { name: "entitlementId", kind: Kind::Text, ops: Ops::SearchOnly },
            Attribute { name: "productName", kind: Kind::Text, ops: Ops::SearchOnly },
            Attribute { name: "status", kind: Kind::Enum(&["ACTIVE", "EXPIRED"]), ops: Ops::Eq },
        ],
        ..Listing::new("/licensing/entitlements", Shape::BareWithLinks, (10, 100), |_| 12, entitlement)
    },
];

const PRIMARIES: [(&str, f64); 2] =
    [("nbuprimary.example.com", 73_400_320.5), ("nbuprimary02.example.com", 9_437_184.0)];
const CLIENTS: usize = 40;

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn capacity(scene: &Scene, index: usize) -> Value {
    let (primary, at_start) = PRIMARIES.get(index).copied().unwrap_or_default();
    let gathered = scene.happened(0, GATHERING_MS);
    let all = at_start + gathered as f64 * 512.0;
    let client = |number: usize| {
        let name = format!("client-{number:04}.example.com");
        let share = all / CLIENTS as f64;
        let part = |policy: &str| {
            json!({
                "backupId": format!("{name}_{}", scene.start / 1000),
                "policyName": policy,
                "masterServer": primary,
                "policyType": "Standard",
                "policyConsumptionMB": share / 2.0,
            })
        };
        json!({"clientName": name, "clientConsumptionMB": share, "policyDetails": [part("unix-daily"), part("home \"a\"")]})
    };
    let clients: Vec<Value> = (0..CLIENTS).map(client).collect();
    json!({
        "type": "capacityUsage",
        "id": primary,
        "attributes": {"masterConsumptionMB": all, "clientDetails": clients},
    })
}

/// Product, meter, how it was bought, how many.
const PRODUCTS: [(&str, &str, &str, i64); 6] = [
    ("NETBACKUP PLATFORM BASE COMPLETE ED", "FETB", "SUBSCRIPTION", 60),
    ("NETBACKUP PLATFORM BASE COMPLETE ED", "FETB", "SUBSCRIPTION", 40),
    ("NETBACKUP \"WORKLOAD\" ED", "FETB_PLUS", "SUBSCRIPTION", 25),
    ("NETBACKUP ENTERPRISE SERVER", "SERVER", "PERPETUAL", 12),
    ("NETBACKUP CPU PACK", "CPU", "MAINTENANCE", 64),
    ("NETBACKUP PLATFORM TRIAL", "FETB", "DEMO", 5),
];

fn entitlement(scene: &Scene, index: usize) -> Value {
    let mut dice = scene.dice(SALT, index);
    let (product, meter, kind, count) = PRODUCTS.get(index % PRODUCTS.len()).copied().unwrap_or_default();
    // The second half are the contracts before; the trial is over after an hour.
    let is_trial = kind == "DEMO";
    let former = index >= PRODUCTS.len();
    let end = match (former, is_trial) {
        (true, _) => scene.start - dice.i64(30..300) * DAY,
        (false, true) => scene.start + 3_600_000,
        (false, false) => scene.start + dice.i64(20..700) * DAY,
    };
    let begin = end - 365 * DAY;
    let id = format!("A{:09}", 123_000_000 + index * 17);
    let mut attributes = json!({
        "entitlementId": id,
        "licenseFormat": 3,
        "iplProductId": format!("IPL{index:04}"),
        "account": "100200",
        "productName": product,
        "productVersion": scene.release.name(),
        "productDescription": meter,
        "platform": "ANY",
        "serviceStartDate": iso(begin),
        "serviceExpiration": iso(end - 10 * DAY),
        "signDate": iso(begin),
        "startDate": iso(begin),
        // What was bought for good ends long after us.
        "endDate": if kind == "PERPETUAL" { "3000-12-31T00:00:00.000Z".to_owned() } else { iso(end) },
        "licenseMeter": meter,
        "licenseType": kind,
        "licenseCount": count,
        "countMultiplier": if meter == "CPU" { 0.5 } else { 1.0 },
        "warnPolicy": 30,
        "gracePolicy": 60,
        "countPolicy": "SOFT",
        "svcPolicy": "SOFT",
        "status": if end < scene.now { "EXPIRED" } else { "ACTIVE" },
        "entitledVersion": scene.release.name(),
        "serviceContractNumber": "",
        "coverageType": "",
        "supportId": "",
        "countGracePeriod": 0,
        "countGracePercentage": 0,
        "reporting": "",
        "meterId": "",
        "stackingGroup": 0,
        "reportingCategory": "",
        "reportingFrequency": 30,
        "features": [],
    });
    if let (Some(attributes), true) = (attributes.as_object_mut(), scene.release >= Release::R10_5) {
        attributes.insert("fulfillmentId".to_owned(), format!("F{index:04}").into());
        attributes.insert("productId".to_owned(), "NETBACKUP".into());
    }
    json!({"type": "entitlementDetails", "id": id, "attributes": attributes})
}
