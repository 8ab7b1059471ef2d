//! Risk score, certificates, API keys: settings are switched, certificates renewed, keys created anew.

use serde_json::{Map, Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::release::Release;
use super::super::world::time::iso;
use super::{Listing, Object, Scene, Shape};

mod authorities;

const SALT: u64 = 0x5ec;
const DAY: i64 = 86_400_000;
/// How often a host's certificate is renewed.
const RENEWAL_MS: i64 = 60_000;
/// How often a setting is switched.
const SWITCH_MS: i64 = 30_000;

const fn text(name: &'static str) -> Attribute {
    Attribute { name, kind: Kind::Text, ops: Ops::Eq }
}

const fn time(name: &'static str) -> Attribute {
    Attribute { name, kind: Kind::Time, ops: Ops::Between }
}

pub(super) const LISTINGS: &[Listing] = &[Listing {
    filters: &[
        text("userName"),
        text("userDomain"),
        text("userDomainType"),
        text("issuer/principalName"),
        text("issuer/principalDomain"),
        text("issuer/principalDomainType"),
        time("createdDateTime"),
        time("lastModifiedDateTime"),
        time("expiryDateTime"),
    ],
    sorts: &["userName", "userDomain", "userDomainType", "id", "createdDateTime", "expiryDateTime"],
    ..Listing::new("/security/api-keys", Shape::Offset, (10, 100), |_| 13, api_key)
}];

pub(super) const OBJECTS: &[Object] = &[
    Object { template: "/security/status", since: Release::R10_5, open: false, extra: &[], body: status },
    Object {
        template: "/security/certificates/current",
        since: Release::R10_3,
        open: false,
        extra: &[],
        body: certificates,
    },
    Object { template: "/security/cacert", since: Release::R10_3, open: true, extra: &[], body: authorities::body },
];

/// Owners of keys; the first one is who `/authorization-context` says is asking.
const OWNERS: [(&str, &str, &str); 6] = [
    ("svc-monitor", "example.com", "ldap"),
    ("svc-backup-reports", "example.com", "ldap"),
    ("EXAMPLE\\deploy \"blue\"", "EXAMPLE", "NT"),
    ("root", "nbuprimary.example.com", "unixpwd"),
    ("svc-cmdb", "", "vx"),
    ("Zoë", "vrts.local", "vx"),
];

fn api_key(scene: &Scene, index: usize) -> Value {
    let mut dice = scene.dice(SALT, index);
    let (owner, domain, domain_type) = OWNERS.get(index % OWNERS.len()).copied().unwrap_or_default();
    let user = if index < OWNERS.len() { owner.to_owned() } else { format!("svc-automation-{index:02}") };
    // One in five has expired, the last one never does.
    let since = scene.start - dice.i64(1..300) * DAY;
    let valid = if index % 5 == 4 { -dice.i64(1..90) * DAY } else { dice.i64(2..365) * DAY };
    let until = match index {
        12 => "3000-12-31T00:00:00.000Z".to_owned(),
        // A script that makes a new key every ten minutes.
        6 => iso(scene.now - scene.now.rem_euclid(600_000) + DAY),
        _ => iso(scene.start + valid),
    };
    let mut attributes = json!({
        "userName": user,
        "userDomain": domain,
        "userDomainType": domain_type,
        "createdDateTime": iso(since),
        "expiryDateTime": until,
        "lastModifiedDateTime": iso(since),
        "samlSessionValidated": false,
    });
    if let (Some(attributes), true) = (attributes.as_object_mut(), index.is_multiple_of(2)) {
        attributes.insert("description".to_owned(), format!("key of {user}").into());
        let issuer = json!({"principalName": "root", "principalDomain": "nbuprimary.example.com", "principalDomainType": "unixpwd"});
        attributes.insert("issuer".to_owned(), issuer);
    }
    let id = format!("A{:08X}{index:02}=", dice.u32(..));
    let links = json!({"self": {"href": format!("/netbackup/security/api-keys/{id}")}});
    json!({"type": "apiKeyDetails", "id": id, "links": links, "attributes": attributes})
}

fn certificates(scene: &Scene) -> Value {
    let count = scene.sizes.hosts.max(6);
    let list: Vec<Value> = (0..count).map(|index| certificate(scene, index, count)).collect();
    json!({"certificateList": list})
}

fn certificate(scene: &Scene, index: usize, count: usize) -> Value {
    let mut dice = scene.dice(SALT + 1, index);
    let host = match index {
        0 => "nbuprimary.example.com".to_owned(),
        1..=4 => format!("nbumedia{index:02}.example.com"),
        _ => format!("client-{index:04}.example.com"),
    };
    let host_type = match index {
        0..=4 => 1,
        _ if index % 29 == 11 => 0,
        _ => 2,
    };
    // One after the other is renewed; those that never were have some of their year left, or none.
    let renewals = scene.happened(0, RENEWAL_MS);
    let from = match renewals.checked_sub(index) {
        Some(since) => {
            let last = i64::try_from(renewals - since % count).unwrap_or_default();
            scene.start + last * RENEWAL_MS
        }
        None if index % 13 == 7 => scene.start - dice.i64(366..500) * DAY,
        None => scene.start - dice.i64(5..364) * DAY,
    };
    let is_revoked = index % 17 == 9;
    let mut row = json!({
        "certificateKey": index + 1,
        "hostId": format!("{:08x}-0000-4000-8000-{index:012x}", dice.u32(..)),
        "hostName": host,
        "serialNumber": dice.u64(..) >> 11,
        "notBefore": from,
        "notAfter": from + 365 * DAY,
        "tokenType": 0,
        "state": if is_revoked { 2 } else { 1 },
        "publicKey": format!("simulated{:016x}", dice.u64(..)),
        "keySize": 2048,
        "revocationReason": if is_revoked { 5 } else { 0 },
        "hostType": host_type,
        "createOn": from,
        "updatedOn": from,
    });
    if let (Some(row), true) = (row.as_object_mut(), scene.release >= Release::R11_0) {
        row.insert("isCertDeleted".to_owned(), (index % 23 == 21).into());
    }
    row
}

/// What a setting holds.
#[derive(Clone, Copy)]
enum Holds {
    /// On or off; risky when this.
    Switch(bool),
    /// A number of its own meaning.
    Code(i64),
    /// Per cent, and what counts the whole.
    Share(&'static str),
    Word(&'static str),
}

#[rustfmt::skip]
const SETTINGS: [(&str, Release, i64, Holds); 19] = [
    ("ssoEnabled", Release::R10_5, 5, Holds::Switch(false)),
    ("allowInsecureBackLevelHost", Release::R10_5, 10, Holds::Code(0)),
    ("certificateAutoDeployLevel", Release::R10_5, 10, Holds::Code(1)),
    ("mfaEnforced", Release::R10_5, 15, Holds::Switch(false)),
    ("dteGlobalMode", Release::R10_5, 10, Holds::Word("PREFERRED_ON")),
    ("hostPercentageWithDteEnabled", Release::R10_5, 10, Holds::Share("totalHosts")),
    ("hostPercentageWithServiceUser", Release::R10_5, 5, Holds::Share("totalServiceUserSupportedHosts")),
    ("aliasAutoAdd", Release::R10_5, 5, Holds::Code(0)),
    ("backupAnomalyDetection", Release::R10_5, 10, Holds::Code(2)),
    ("malwareDetection", Release::R10_5, 10, Holds::Word("Configured")),
    ("mpa", Release::R10_5, 10, Holds::Word("Not configured")),
    ("redirectedRestore", Release::R11_0, 5, Holds::Switch(true)),
    ("isCliAccessToOsAdmins", Release::R11_0, 5, Holds::Code(0)),
    ("isWebUiAccessToOsAdmins", Release::R11_0, 5, Holds::Code(1)),
    ("isImmutableBackupStorageConfigured", Release::R11_0, 10, Holds::Switch(false)),
    ("backupStoragePercentageWithEncryptionEnabled", Release::R11_0, 5, Holds::Share("totalEncryptionSupportedStorages")),
    ("serverPercentageWithLatestNbuVersion", Release::R11_0, 5, Holds::Share("totalHosts")),
    ("clientPercentageWithLatestNbuVersion", Release::R11_0, 5, Holds::Share("totalHosts")),
    ("nacState", Release::R11_2, 5, Holds::Switch(false)),
];

fn status(scene: &Scene) -> Value {
    let since_11 = scene.release >= Release::R11_0;
    let mut details = Map::new();
    let (mut risk, mut weights) = (0.0, 0.0);
    let known = SETTINGS.into_iter().enumerate().filter(|(_, (_, since, ..))| scene.release >= *since);
    for (index, (name, _, weight, holds)) in known {
        let mut dice = scene.dice(SALT + 2, index);
        let turn = scene.now / SWITCH_MS + i64::try_from(index).unwrap_or_default();
        let (state, score, whole) = match holds {
            Holds::Switch(risky) => {
                let is_risky = turn.rem_euclid(7) < 2;
                (Value::Bool(is_risky == risky), if is_risky { 100.0 } else { 0.0 }, None)
            }
            Holds::Code(code) => (code.into(), if dice.bool() { 0.0 } else { 50.0 }, None),
            Holds::Share(of) => {
                let share = dice.u8(40..90) + u8::try_from(turn.rem_euclid(10)).unwrap_or_default();
                (f64::from(share).into(), 100.0 - f64::from(share), Some(of))
            }
            Holds::Word(word) => (word.into(), 20.0, None),
        };
        let mut setting =
            json!({"currentConfigState": state, "configWeightage": weight, "currentConfigRiskScore": score});
        if let Some(setting) = setting.as_object_mut() {
            if let Some(whole) = whole {
                setting.insert(whole.to_owned(), scene.sizes.hosts.into());
            }
            if since_11 {
                setting.insert("isBaselineSet".to_owned(), false.into());
                setting.insert("recommendedValues".to_owned(), json!([]));
            }
        }
        details.insert(name.to_owned(), setting);
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let weight = weight as f64;
        risk += score * weight;
        weights += weight;
    }
    let mut attributes = json!({
        "templateVersion": 1,
        "platformRiskScore": (risk / weights * 10.0).round() / 10.0,
        "securitySettingsDetail": details,
    });
    if let (Some(attributes), true) = (attributes.as_object_mut(), since_11) {
        attributes.insert("isBaseTemplateAvailable".to_owned(), false.into());
        attributes.insert("baseTemplateSetByAltaViewAdmin".to_owned(), false.into());
    }
    let name = if since_11 { "securityStatus" } else { "statusResponse" };
    json!({"data": {"type": name, "id": name, "attributes": attributes}})
}
