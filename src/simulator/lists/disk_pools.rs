//! Disk pools: those of the storage units, filling as these do; now and then one is down. Lists of 10.3 and 10.4 omit
//! the sizes, as field reports say of 10.x; the resource of one pool has them.

use serde_json::{Map, Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::release::Release;
use super::super::world::storage::{self, DiskPool};
use super::{Listing, Scene, Shape};

/// As many storage units as there are unless told otherwise.
const UNITS: usize = 12;
/// How long a state lasts at least.
const CHANGE_MS: i64 = 120_000;

pub(super) const LISTINGS: &[Listing] = &[Listing {
    filters: &[
        Attribute { name: "name", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "sType", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "storageCategory", kind: Kind::Text, ops: Ops::EqSearch },
    ],
    sorts: &[
        "name",
        "sType",
        "storageCategory",
        "highWaterMark",
        "lowWaterMark",
        "diskPoolState",
        "rawSizeBytes",
        "usableSizeBytes",
        "availableSpaceBytes",
        "usedCapacityBytes",
        "maximumIoStreams",
        "wormCapable",
    ],
    detail: Some(whole),
    ..Listing::new("/storage/disk-pools", Shape::Offset, (10, 500), |scene| pools(scene).len(), listed)
}];

/// The pools, in the order of the list.
pub(super) fn pools(scene: &Scene) -> Vec<DiskPool> {
    storage::disk_pools(UNITS, scene.seed, scene.now.saturating_sub(scene.start))
}

/// The name of the storage server of the pool that is number `index` of the list.
pub(super) fn server_of(pool: &DiskPool, index: usize) -> String {
    match pool.category {
        "CLOUD" => format!("cloud-{:03}.example.com", pool.number),
        _ => format!("nbumedia{:02}.example.com", index % 8 + 1),
    }
}

fn listed(scene: &Scene, index: usize) -> Value {
    let mut row = whole(scene, index);
    if let Some(attributes) = row.get_mut("attributes").and_then(Value::as_object_mut)
        && scene.release < Release::R10_5
    {
        attributes.retain(|name, _| !SIZES.contains(&name.as_str()));
    }
    row
}

const SIZES: [&str; 4] = ["rawSizeBytes", "usableSizeBytes", "availableSpaceBytes", "usedCapacityBytes"];

fn whole(scene: &Scene, index: usize) -> Value {
    let Some(pool) = pools(scene).get(index).copied() else { return Value::Null };
    let (name, worm) = (format!("dp-{:03}", pool.number), pool.category == "MSDP" && pool.number.is_multiple_of(2));
    let id = format!("{}:{name}", pool.server_type);
    let step = scene.now / CHANGE_MS;
    let turn = (step + i64::try_from(index).unwrap_or(0)).rem_euclid(11);
    let state = match turn {
        0 => "DOWN",
        6 => "TRANSIENT",
        9 if scene.odd_rows => "DEGRADED",
        _ => "UP",
    };
    // An administrator wants room to be left on plain disk.
    let high = if pool.category == "ADVANCED_DISK" { 75 } else { 98 };
    let mut attributes = json!({
        "name": name,
        "sType": pool.server_type,
        "storageCategory": pool.category,
        "diskPoolState": state,
        "highWaterMark": high,
        "lowWaterMark": high - 18,
        "wormCapable": worm,
        "readOnly": false,
        "comment": "",
        "mediaServersCount": 1 + index % 3,
        "maximumIoStreams": {"limitIoStreams": false},
        "diskPoolCapabilities": ["VISIBLE", "OPEN_STORAGE", "ADMIN_UP", "INTERNAL_UP"],
        "diskVolumes": volumes(&pool, state == "DOWN", worm, step),
    });
    if let Some(attributes) = attributes.as_object_mut() {
        if !index.is_multiple_of(2) {
            let streams = json!({"limitIoStreams": true, "streamsPerVolume": 20 + 10 * index});
            attributes.insert("maximumIoStreams".to_owned(), streams);
        }
        if let Some((total, used)) = pool.capacity {
            // What is boundless has no end after use either.
            let available = if total == i64::MAX { total } else { total - used };
            for (name, bytes) in SIZES.into_iter().zip([total, total, available, used]) {
                attributes.insert(name.to_owned(), bytes.into());
            }
        }
    }
    let server = format!("{}:{}", pool.server_type, server_of(&pool, index));
    let related = json!({"href": format!("/netbackup/storage/storage-servers/{server}")});
    json!({
        "type": "diskPool",
        "id": id,
        "links": {"self": {"href": format!("/netbackup/storage/disk-pools/{id}")}},
        "attributes": attributes,
        "relationships": {
            "storageServers": {"links": {"related": related}, "data": [{"type": "storageServer", "id": server}]},
        },
    })
}

fn volumes(pool: &DiskPool, is_down: bool, worm: bool, step: i64) -> Vec<Value> {
    let names = match pool.category {
        "MSDP" => vec!["PureDiskVolume".to_owned()],
        "CLOUD" => vec![format!("bucket-{:03}", pool.number)],
        _ => (1..=3).map(|volume| format!("/backup/adv{:03}/vol{volume}", pool.number)).collect(),
    };
    let count = i64::try_from(names.len()).unwrap_or(1);
    let volume = |(index, name): (usize, String)| {
        let state = match pool.category {
            _ if is_down => "DOWN",
            "ADVANCED_DISK" if index == 1 && step.rem_euclid(5) == 0 => "DOWN",
            "CLOUD" if pool.number == 4 && step.rem_euclid(4) == 0 => "UNKNOWN",
            _ => "UP",
        };
        let mut volume = Map::new();
        let mut put = |name: &str, value: Value| drop(volume.insert(name.to_owned(), value));
        put("name", name.into());
        put("id", format!("volume-{:03}-{index}", pool.number).into());
        put("diskMediaId", format!("@aa{}{}", letters(pool.number), letters(index)).into());
        put("state", state.into());
        put("isReplicationSource", (pool.category == "MSDP").into());
        put("isReplicationTarget", false.into());
        let (least, most) = if worm { (86_400, 31_536_000) } else { (0, 0) };
        put("wormIndelibleMinimumInterval", least.into());
        put("wormIndelibleMaximumInterval", most.into());
        if worm {
            put("diskVolumeCapabilities", json!(["WORM_INDELIBLE", "WORM_IMMUTABLE"]));
        }
        if let Some((total, used)) = pool.capacity.filter(|_| pool.category != "CLOUD") {
            put("rawSizeBytes", (total / count).into());
            put("freeSizeBytes", ((total - used) / count).into());
        }
        Value::Object(volume)
    };
    names.into_iter().enumerate().map(volume).collect()
}

/// Two letters for a number.
fn letters(number: usize) -> String {
    let letter = |number: usize| char::from(b'a' + u8::try_from(number % 26).unwrap_or(0));
    [letter(number / 26), letter(number)].iter().collect()
}
