//! Storage servers: one per disk pool, and one of each further kind. What is deduplicated grows with the pool.

use serde_json::{Map, Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::release::Release;
use super::super::world::storage::DiskPool;
use super::disk_pools::{pools, server_of};
use super::{Listing, Scene, Shape};

const SALT: u64 = 0x5e_4e;
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
        "storageServerState",
        "encryptionEnabled",
        "isSnapshotSupported",
        "isAcceleratorSupported",
        "isAIRSupported",
        "isWormSupported",
    ],
    extra: &["fieldset[storageServer]"],
    ..Listing::new("/storage/storage-servers", Shape::Offset, (10, 100), |scene| pools(scene).len() + OTHERS.len(), row)
}];

/// Category, server type and name of those that no pool of a storage unit is on.
const OTHERS: [(&str, &str, &str); 2] = [
    ("OPEN_STORAGE", "plugin_ost", "appliance-01.example.com"),
    ("CLOUD_CATALYST", "PureDisk_hybrid", "catalyst-01.example.com"),
];

fn row(scene: &Scene, index: usize) -> Value {
    let pools = pools(scene);
    let (category, server_type, name, pool) = match pools.get(index) {
        Some(pool) => (pool.category, pool.server_type, server_of(pool, index), Some(pool)),
        None => {
            let (category, server_type, name) = OTHERS.get(index - pools.len()).copied().unwrap_or(OTHERS[0]);
            (category, server_type, name.to_owned(), None)
        }
    };
    let msdp = category == "MSDP";
    let worm = msdp && pool.is_some_and(|pool| pool.number.is_multiple_of(2));
    let turn = (scene.now / CHANGE_MS + 3 * i64::try_from(index).unwrap_or(0)).rem_euclid(23);
    let state = match turn {
        0 => "DOWN",
        7 if scene.odd_rows => "DEGRADED",
        _ => "UP",
    };
    let mut attributes = Map::new();
    let mut put = |name: &str, value: Value| drop(attributes.insert(name.to_owned(), value));
    put("name", name.clone().into());
    put("storageCategory", category.into());
    put("sType", server_type.into());
    put("storageServerState", state.into());
    put("storageServerCapabilities", json!(["OPEN_STORAGE", "ADMIN_UP", "INTERNAL_UP", "OPTIMIZED_IMAGE"]));
    let release = scene.release.name();
    let other = json!({"name": "nbumedia03.example.com", "operatingSystem": "Linux", "netbackupVersion": release});
    put("additionalMediaServersDetails", if msdp { json!([other]) } else { json!([]) });
    for (name, value) in [
        ("encryptionEnabled", msdp),
        ("kmsEnabled", worm),
        ("isSnapshotSupported", false),
        ("isAcceleratorSupported", msdp || category == "CLOUD"),
        ("isAIRSupported", msdp),
        ("isWormSupported", worm),
        ("isUshareSupported", msdp),
    ] {
        put(name, value.into());
    }
    if msdp {
        put("nbuHostVersion", release.into());
        put("storageUnits", json!([format!("stu-msdp-{:03}", pool.map_or(0, |pool| pool.number))]));
        put("sambaSecurityMode", "USER".into());
        put("isKerberosSupported", false.into());
    }
    if scene.release >= Release::R10_5 {
        put("mvgenabled", false.into());
    }
    match (category, pool) {
        ("MSDP", Some(pool)) => put("msdpAttributes", deduplication(scene, index, pool)),
        ("CLOUD", _) => put("cloudAttributes", cloud(&name)),
        ("ADVANCED_DISK", _) => put("advancedDiskAttributes", json!({"isPreferredForRestore": false})),
        ("OPEN_STORAGE", _) => {
            put("openStorageAttributes", json!({"storageServerType": server_type}));
            // Read only in part: it could not be connected to.
            put("nbuStatusCode", 25.into());
        }
        _ => {
            let catalyst = json!({"esfsHost": name, "cloudBucketName": "catalyst", "dedupeToCloud": true});
            put("cloudCatalystAttributes", catalyst);
        }
    }
    let id = format!("{server_type}:{name}");
    json!({
        "type": "storageServer",
        "id": id,
        "links": {"self": {"href": format!("/netbackup/storage/storage-servers/{id}")}},
        "attributes": attributes,
    })
}

fn deduplication(scene: &Scene, index: usize, pool: &DiskPool) -> Value {
    let mut dice = scene.dice(SALT, index);
    let (raw, used) = pool.capacity.unwrap_or_default();
    let reserved = raw / 25;
    let size = raw - reserved;
    let used = used.min(size);
    let files = scene.happened(dice.usize(10_000..2_000_000), 1_500);
    let tenths = 900 + dice.i64(0..70) + (scene.now / CHANGE_MS).rem_euclid(10);
    json!({
        "storagePath": "/msdp",
        "spaLogPath": "/msdp/log",
        "deduplicationDBPath": "/msdp/db",
        "specificNetworkInterface": "",
        "spaLogRetention": 90,
        "verboseLevel": 3,
        "fipsEnabled": index.is_multiple_of(2),
        "replicationTargets": [],
        "storagePoolDetails": {
            "rawSizeBytes": raw,
            "reservedSpaceBytes": reserved,
            "sizeBytes": size,
            "usedSpaceBytes": used,
            "availableSpaceBytes": size - used,
        },
        "catalogLogicalSizeBytes": used.saturating_mul(14),
        "catalogFilesCount": files,
        "deduplicationRatioPercentage": f64::from(i32::try_from(tenths).unwrap_or(900)) / 10.0,
    })
}

fn cloud(endpoint: &str) -> Value {
    json!({
        "providerId": "amazon",
        "compressionEnabled": true,
        "proxyServerEnabled": false,
        "serviceEndpoint": endpoint,
        "urlAccessStyle": "VIRTUAL_STYLE",
        "serverSideEncryptionEnabled": false,
        "storageClass": "STANDARD",
        "readBufferSizeBytes": 0,
        "writeBufferSizeBytes": 0,
        "objectSizeMegabytes": 64,
        "authType": "ACCESS_KEY",
        "curlDetails": {"curlLoggingEnabled": false, "curlTimeOutSeconds": 900},
        "sslDetails": {"useSSLMode": "DATA", "checkCertificateRevocation": true},
    })
}
