//! Hosts, which are upgraded one after the other, and clients that are paused for a while.

use serde_json::{Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::release::Release;
use super::super::world::names::CLIENTS;
use super::super::world::time::iso;
use super::{Listing, Object, Scene, Shape, pick, put};

const SALT: u64 = 0x4057;
/// How often a host is upgraded.
const UPGRADE_MS: i64 = 15_000;
/// How often a client is paused, or goes on.
const PAUSE_MS: i64 = 20_000;
const HOUR_MS: i64 = 3_600_000;
const MEDIA_SERVERS: usize = 4;
/// Releases that hosts may lag behind with.
const OLD: [&str; 4] = ["10.3", "10.2.0.1", "10.1.1", "9.1.0.1"];
const SYSTEMS: [(&str, &str, &str); 6] = [
    ("Linux", "RedHat", "Red Hat Enterprise Linux 9.4"),
    ("Linux", "SuSE", "SUSE Linux Enterprise Server 15"),
    ("Windows", "Windows2022", "Windows Server 2022"),
    ("Windows", "Windows2019", "Windows Server 2019"),
    ("AIX", "AIX7", "AIX 7.3"),
    ("Solaris", "Solaris11", "Solaris 11.4"),
];
const DTE_MODES: [&str; 4] = ["AUTOMATIC", "ON", "OFF", "UNDEFINED"];

pub(super) const LISTINGS: &[Listing] = &[Listing {
    filters: &[
        Attribute { name: "clientUniqueIdentifier", kind: Kind::Text, ops: Ops::Eq },
        Attribute { name: "triggerMethod", kind: Kind::Text, ops: Ops::Eq },
        Attribute { name: "displayName", kind: Kind::Text, ops: Ops::Eq },
        Attribute { name: "blockedTime", kind: Kind::Text, ops: Ops::Eq },
    ],
    sorts: &[
        "clientUniqueIdentifier",
        "displayName",
        "blockedTime",
        "blockedUntilTime",
        "triggerMethod",
        "addInLegacyFlag",
    ],
    ..Listing::new("/config/paused-clients", Shape::Bare, (10, 100), paused_clients, paused_client)
}];

pub(super) const OBJECTS: &[Object] =
    &[Object { template: "/config/hosts", since: Release::R10_3, open: false, extra: &["filter"], body: hosts }];

fn hosts(scene: &Scene) -> Value {
    let hosts: Vec<Value> = (0..scene.sizes.hosts).map(|index| host(scene, index)).collect();
    json!({"hosts": hosts})
}

fn host_id(scene: &Scene, index: usize) -> String {
    format!("{:08x}-0000-4000-8000-{index:012x}", scene.dice(SALT, index).u32(..))
}

fn host_name(index: usize) -> String {
    match index {
        0 => "nbuprimary.example.com".to_owned(),
        1..=MEDIA_SERVERS => format!("nbumedia{index:02}.example.com"),
        _ => CLIENTS
            .get(index - MEDIA_SERVERS - 1)
            .map_or_else(|| format!("host-{index:05}.example.com"), |name| (*name).to_owned()),
    }
}

fn host(scene: &Scene, index: usize) -> Value {
    let mut dice = scene.dice(SALT + 1, index);
    let name = host_name(index);
    let host_type = match index {
        0 => "PRIMARY_SERVER",
        1..=MEDIA_SERVERS => "MEDIA_SERVER",
        _ if index.is_multiple_of(29) => "NOT_DEFINED",
        _ => "CLIENT",
    };
    // A quarter have been upgraded, most others will be, one after the other, and then it all begins again.
    let turn = dice.i64(0..scene.sizes.hosts.max(1) as i64 * 5 / 4 + 1);
    let round = scene.sizes.hosts.max(1) as i64;
    let upgraded = index <= MEDIA_SERVERS || turn < round / 4 + (scene.now / UPGRADE_MS).rem_euclid(round);
    let release = if upgraded { scene.release.name() } else { pick(&OLD, index) };
    let (os, version, system) = pick(&SYSTEMS, if index <= MEDIA_SERVERS { 0 } else { index });
    let system = if scene.odd_rows && index % 31 == 30 { "odd \"system\" \\ Zürich" } else { system };
    let created = scene.start - dice.i64(1_000..20_000) * HOUR_MS;
    let mut host = json!({
        "uuid": host_id(scene, index),
        "hostName": name,
        "masterServer": "nbuprimary.example.com",
        "nbuVersion": format!("NetBackup_{release}"),
        "nbuReleaseVersion": release,
        "nbuHostType": host_type,
        "osType": os,
        "osVersion": version,
        "osReleaseVersion": system,
        "cpuArchitecture": "x86_64",
        "hwDescription": format!("{os}, {version}"),
        "installedEEBs": "",
        "installedPackages": packages(release),
        "vxUpdatePlatform": "",
        "isSecureEnabled": index % 19 != 18,
        "autoReissue": false,
        "autoReissueDuration": 0,
        "externalCertificateSubject": "",
        "hasNetBackupCaHostCertificate": true,
        "servers": ["nbuprimary.example.com"],
        "comment": "",
        "hostMappings": [{
            "mappedHostName": name,
            "isApproved": index % 23 != 22,
            "isConflicting": index % 41 == 40,
            "isAddedManually": false,
            "isShared": false,
            "createdOn": created,
            "updatedOn": created,
            "origin": "ADD_HOST",
        }],
        "trustVersion": "1",
        "lastUpdatedDateTime": scene.now - dice.i64(0..48) * HOUR_MS,
        "createdDateTime": created,
        "machineType": if index.is_multiple_of(3) { "PHYSICAL" } else { "VIRTUAL" },
        "hypervisorType": if index.is_multiple_of(3) { "NONE" } else { "VMWARE" },
        "machineNbuType": "NOT_DEFINED",
        "dteClientMode": pick(&DTE_MODES, dice.usize(..)),
    });
    if scene.release >= Release::R11_0 {
        put(&mut host, "fipsEnabled", pick(&["DISABLED", "DISABLED", "ENABLED", "UNKNOWN"], dice.usize(..)));
        if index > MEDIA_SERVERS && index % 17 == 16 {
            put(&mut host, "decommissionedDateTime", scene.start - 100 * HOUR_MS);
        }
    }
    host
}

/// As long as such lists are, so that a host has the size that it has in reality.
fn packages(release: &str) -> String {
    (0..24).map(|number| format!("netbackup_package_{number:02}={release}-0042;")).collect()
}

fn paused_clients(scene: &Scene) -> usize {
    // Never none, and not always as many.
    let step = (scene.now / PAUSE_MS).rem_euclid(6);
    3 + usize::try_from(step.min(6 - step)).unwrap_or(0)
}

fn paused_client(scene: &Scene, index: usize) -> Value {
    let is_automatic = index % 3 != 2;
    let host = MEDIA_SERVERS + 1 + index;
    let paused = scene.start - (1 + i64::try_from(index).unwrap_or(0)) * 5 * HOUR_MS;
    let mut attributes = json!({
        "clientUniqueIdentifier": host_id(scene, host),
        "displayName": host_name(host),
        "blockedTime": iso(paused),
        "reason": if is_automatic { "MALWARE" } else { "MAINTENANCE" },
        "details": if is_automatic { "3 files impacted" } else { "" },
        "triggerMethod": if is_automatic { "AUTOMATIC" } else { "MANUAL" },
        "blockedBy": if is_automatic { "system" } else { "backup-admin" },
        "addInLegacyFlag": false,
    });
    if index.is_multiple_of(2) {
        put(&mut attributes, "blockedUntilTime", iso(paused + 48 * HOUR_MS));
    }
    json!({"type": "pausedClient", "id": (index + 1).to_string(), "attributes": attributes})
}
