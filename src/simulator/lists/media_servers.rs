//! Media servers: one of each status; now and then one is not reached.

use serde_json::{Map, Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::release::Release;
use super::{Listing, Scene, Shape};

const SALT: u64 = 0x6d_5e;
/// How long a state lasts at least.
const CHANGE_MS: i64 = 20_000;

pub(super) const LISTINGS: &[Listing] = &[Listing {
    filters: &[
        Attribute { name: "hostName", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "osType", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "nbuVersion", kind: Kind::Text, ops: Ops::All },
        Attribute { name: "dteMode", kind: Kind::Text, ops: Ops::EqNe },
        Attribute { name: "clusterName", kind: Kind::Text, ops: Ops::Search },
        Attribute { name: "activeNode", kind: Kind::Text, ops: Ops::Search },
        Attribute { name: "fiberTransportState", kind: Kind::Text, ops: Ops::EqNe },
        Attribute { name: "fiberTransportConnectionLimit", kind: Kind::Int, ops: Ops::Order },
        Attribute { name: "status", kind: Kind::Text, ops: Ops::EqNe },
    ],
    sorts: &[
        "hostName",
        "nbuVersion",
        "osType",
        "dteMode",
        "clusterName",
        "activeNode",
        "fiberTransportEnabled",
        "fiberTransportState",
        "fiberTransportConnectionLimit",
        "status",
    ],
    aliases: &[("status", "/status/name")],
    extra: &["fieldset[mediaServer]"],
    ..Listing::new("/config/media-servers", Shape::Offset, (10, 500), |_| SERVERS.len(), row)
}];

/// What each is used for, and on which system it runs.
const SERVERS: [(&str, &str); 8] = [
    ("ACTIVE_FOR_TAPE_AND_DISK", "RedHat"),
    ("ACTIVE_FOR_TAPE_AND_DISK", "RedHat"),
    ("ACTIVE_FOR_TAPE", "Windows"),
    ("ACTIVE_FOR_DISK", "SuSE"),
    ("DEACTIVATED", "RedHat"),
    ("ACTIVE_FOR_DISK", "RedHat"),
    ("ACTIVE_FOR_DISK", "RedHat"),
    ("VIRTUAL_NODE", "Windows"),
];
/// The server that is out of reach now and then.
const SHAKY: usize = 6;

fn row(scene: &Scene, index: usize) -> Value {
    let (status, system) = SERVERS.get(index).copied().unwrap_or(SERVERS[0]);
    let name = format!("nbumedia{:02}.example.com", index + 1);
    let is_out = index == SHAKY && (scene.now / CHANGE_MS).rem_euclid(4) == 0;
    let status = match index {
        _ if is_out => "OFFLINE",
        3 if scene.odd_rows => "ACTIVE_FOR_NOTHING",
        _ => status,
    };
    // Some wait for their upgrade.
    let release = if index % 3 == 2 { Release::R10_3 } else { scene.release };
    let mut attributes = Map::new();
    let mut put = |name: &str, value: Value| drop(attributes.insert(name.to_owned(), value));
    put("hostName", name.clone().into());
    put("osType", if system == "Windows" { "Windows" } else { "Linux" }.into());
    put("osVersion", if system == "Windows" { "Windows2022" } else { system }.into());
    put("osReleaseVersion", if system == "Windows" { "10.0.20348" } else { "9.4" }.into());
    put("nbuVersion", release.name().into());
    put("dteMode", if index.is_multiple_of(2) { "ON" } else { "OFF" }.into());
    put("isMachineUp", (!is_out && status != "DEACTIVATED").into());
    put("status", json!({"name": status, "resourceBundleKey": status.to_lowercase().replace('_', ".")}));
    put("uuid", format!("{:08x}-0000-4000-8000-{index:012x}", scene.dice(SALT, index).u32(..)).into());
    put("ndmpHosts", json!([]));
    put("fiberTransportEnabled", false.into());
    put("fiberTransportState", "DISABLED".into());
    put("fiberTransportConnectionLimit", 0.into());
    put("supportedStoragesInfo", json!([{"storageProviderId": "NetBackup", "storageCategory": "MSDP"}]));
    if status == "VIRTUAL_NODE" {
        put("clusterName", "nbucluster01".into());
        put("activeNode", "nbumedia04.example.com".into());
    }
    let href = format!("/netbackup/config/media-servers/{name}");
    let links = if scene.release < Release::R10_5 { json!({"self": {"href": href}}) } else { json!({"href": href}) };
    json!({"type": "mediaServer", "id": name, "links": links, "attributes": attributes})
}
