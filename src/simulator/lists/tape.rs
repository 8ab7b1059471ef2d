//! Tape: drives, media, volume pools, hosts of robots. Media are taken from the scratch pool, fill, and come back.

use serde_json::{Value, json};

use super::super::filter::{Attribute, Kind, Ops};
use super::super::release::Release;
use super::super::world::time::{iso, iso_duration};
use super::{Listing, Object, Scene, Shape};

const SALT_DRIVE: u64 = 0xd71e;
const SALT_MEDIUM: u64 = 0x7a9e;
const DAY_MS: i64 = 86_400_000;
/// How long anything stays as it is.
const STEP_MS: i64 = 15_000;
/// How many steps a medium takes from the scratch pool back to it.
const CYCLE: i64 = 60;

const ROBOT_TYPES: &[&str] = &["NA", "NOT_ROBOTIC", "ACS", "TLD"];
const MEDIA_TYPES: &[&str] = &[
    "HCART", "HC_CLN", "DLT", "DLT_CLN", "HCART2", "HC2_CLN", "DLT2", "DLT2_CLN", "HCART3", "HC3_CLN", "DLT3",
    "DLT3_CLN",
];
const POOL_TYPES: &[&str] = &["REGULAR_MEDIA_POOL", "SCRATCH_MEDIA_POOL", "CATALOG_MEDIA_POOL", "AVAILABLE_MEDIA_POOL"];
const ALERTS: &[&str] = &[
    "READ_WARNING",
    "WRITE",
    "HARD_ERROR",
    "MEDIA",
    "READ_FAILURE",
    "WRITE_FAILURE",
    "MEDIA_LIFE",
    "NOT_DATA_GRADE",
    "WRITE_PROTECT",
    "NO_REMOVAL",
    "CLEANING_MEDIA",
    "UNSUPPORTED_FORMAT",
    "RECOVERABLE_SNAPPED_TAPE",
    "UNRECOVERABLE_SNAPPED_TAPE",
    "MEMORY_CHIP_IN_CARTRIDGE_FAILURE",
    "FORCED_EJECT",
    "READ_ONLY_FORMAT",
    "TAPE_DIRECTORY_CORRUPTED",
    "NEARING_MEDIA_LIFE",
    "CLEAN_NOW",
    "CLEAN_PERIODIC",
    "EXPIRED_CLEANING_MEDIA",
    "INVALID_CLEANING_MEDIA",
];

/// Type, number and host of each robot, and what it holds; the last one is the shelf.
const ROBOTS: [(&str, Option<u64>, &str, &str); 4] = [
    ("TLD", Some(0), "nbumedia01.example.com", "HCART3"),
    ("TLD", Some(1), "nbumedia02.example.com", "HCART2"),
    ("ACS", Some(2), "nbumedia03.example.com", "HCART"),
    ("NOT_ROBOTIC", None, "", "HCART3"),
];
/// Names and types, in the order of their numbers.
const POOLS: [(&str, &str); 8] = [
    ("None", "REGULAR_MEDIA_POOL"),
    ("NetBackup", "REGULAR_MEDIA_POOL"),
    ("DataStore", "REGULAR_MEDIA_POOL"),
    ("CatalogBackup", "CATALOG_MEDIA_POOL"),
    ("Scratch", "SCRATCH_MEDIA_POOL"),
    ("offsite", "REGULAR_MEDIA_POOL"),
    ("scratch-worm", "SCRATCH_MEDIA_POOL"),
    ("spare", "AVAILABLE_MEDIA_POOL"),
];
const DRIVES: usize = 14;

const fn attribute(name: &'static str, kind: Kind, ops: Ops) -> Attribute {
    Attribute { name, kind, ops }
}

pub(super) const LISTINGS: &[Listing] = &[
    Listing {
        filters: &[
            attribute("id", Kind::Text, Ops::All),
            attribute("driveType", Kind::Text, Ops::EqNe),
            attribute("driveStatus", Kind::Text, Ops::EqNe),
            attribute("driveControl", Kind::Text, Ops::EqNe),
            attribute("robotType", Kind::Enum(ROBOT_TYPES), Ops::EqNe),
            attribute("robotNumber", Kind::Int, Ops::Order),
            attribute("deviceHost", Kind::Text, Ops::All),
            attribute("cleaningComment", Kind::Text, Ops::All),
            attribute("cleaningFrequency", Kind::Int, Ops::Order),
            attribute("lastCleaningTime", Kind::Time, Ops::Order),
            attribute("serialNumber", Kind::Text, Ops::All),
            attribute("tapeAlert1", Kind::Enum(ALERTS), Ops::EqNe),
            attribute("tapeAlert2", Kind::Enum(ALERTS), Ops::EqNe),
        ],
        sorts: &["driveType", "driveStatus", "driveControl", "robotNumber", "lastCleaningTime"],
        ..Listing::new("/storage/drives", Shape::MetaOnly, (10, 100), |_| DRIVES, drive)
    },
    Listing {
        since: Release::R10_4,
        filters: &[
            attribute("barcode", Kind::Text, Ops::Search),
            attribute("mediaType", Kind::Enum(MEDIA_TYPES), Ops::EqNe),
            attribute("robotType", Kind::Enum(ROBOT_TYPES), Ops::EqNe),
            attribute("robotNumber", Kind::Int, Ops::Order),
            attribute("robotHost", Kind::Text, Ops::Search),
            attribute("volumePool", Kind::Text, Ops::Search),
            attribute("mediaStatus", Kind::Text, Ops::Search),
            attribute("timeAssigned", Kind::Time, Ops::Order),
            attribute("dateExpiration", Kind::Time, Ops::Order),
            attribute("lastWritten", Kind::Time, Ops::Order),
            attribute("kiloBytes", Kind::Int, Ops::Order),
            attribute("mounts", Kind::Int, Ops::Order),
            attribute("cleaningsRemaining", Kind::Int, Ops::Order),
            attribute("retentionPeriod", Kind::Int, Ops::Order),
        ],
        aliases: &[
            ("robotType", "/robot/robotType"),
            ("robotNumber", "/robot/robotNumber"),
            ("robotHost", "/robot/robotHost"),
        ],
        sorts: &["barcode", "mediaType", "volumePool", "kiloBytes", "mounts", "mediaStatus", "dateExpiration"],
        ..Listing::new("/storage/tape-media", Shape::NestedCursor, (10, 100), |scene| scene.sizes.tape_media, medium)
    },
    Listing {
        since: Release::R10_4,
        filters: &[
            attribute("volumePoolName", Kind::Text, Ops::Search),
            attribute("poolType", Kind::Enum(POOL_TYPES), Ops::EqNe),
            attribute("description", Kind::Text, Ops::Search),
            attribute("partiallyFullMedia", Kind::Int, Ops::Order),
        ],
        sorts: &["volumePoolName", "poolType", "description", "partiallyFullMedia"],
        ..Listing::new("/storage/tape-volume-pools", Shape::NestedCursor, (10, 100), |_| POOLS.len(), pool)
    },
    Listing {
        since: Release::R10_4,
        ..Listing::new("/storage/robots-device-hosts", Shape::Whole, (10, 0), |_| 3, device_host)
    },
];

pub(super) const OBJECTS: &[Object] = &[];

fn host(index: usize) -> String {
    format!("nbumedia{:02}.example.com", index % 4 + 1)
}

/// One of several, over and over.
fn nth<T: Copy + Default>(all: &[T], index: usize) -> T {
    all.get(index % all.len()).copied().unwrap_or_default()
}

fn put(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value.into());
    }
}

fn number(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

fn drive(scene: &Scene, index: usize) -> Value {
    let mut dice = scene.dice(SALT_DRIVE, index);
    let (robot_type, robot_number, ..) = nth(&ROBOTS, index % 3);
    let step = scene.now / STEP_MS + number(index);
    let flips = step.rem_euclid(4) == 0;
    let status = match index {
        3 | 8 if flips => "DRIVE_STATUS_DOWN",
        5 if flips => "DRIVE_STATUS_MIXED",
        12 => "DRIVE_STATUS_DISABLED",
        13 => "DRIVE_STATUS_DOWN",
        _ => "DRIVE_STATUS_UP",
    };
    let control = match (status, step.rem_euclid(5)) {
        ("DRIVE_STATUS_MIXED", _) => "DRIVE_CONTROL_MIXED",
        ("DRIVE_STATUS_DOWN" | "DRIVE_STATUS_DISABLED", _) => "DRIVE_CONTROL_DOWN",
        (_, 0) => "DRIVE_CONTROL_SCAN",
        (_, 1) => "DRIVE_CONTROL_ROBOT_STRING",
        _ => "DRIVE_CONTROL_ACTIVE",
    };
    let paths: Vec<Value> = (0..if index.is_multiple_of(3) { 3 } else { 1 })
        .map(|path| {
            let status = match status {
                "DRIVE_STATUS_DOWN" => "PATH_STATUS_DOWN",
                "DRIVE_STATUS_DISABLED" => "PATH_STATUS_DISABLED",
                "DRIVE_STATUS_MIXED" if path == 0 => "PATH_STATUS_DOWN",
                _ => "PATH_STATUS_UP",
            };
            json!({
                "pathIndex": path, "deviceHost": host(index + path), "devicePath": format!("/dev/nst{index}"),
                "port": 0, "bus": 1, "target": index, "lun": 0, "pathStatus": status, "driveControl": control,
                "isEnabled": true, "isNdmp": false, "scsiProtection": "SCSI_DEFAULT",
            })
        })
        .collect();
    let needs_cleaning = index == 1 || (index == 6 && flips);
    let cleaned = scene.start - dice.i64(DAY_MS..60 * DAY_MS);
    let several = |one: String| if paths.len() > 1 { "<multiple>".to_owned() } else { one };
    let mut attributes = json!({
        "driveType": match robot_number { Some(0) => "DT_HCART3", Some(1) => "DT_HCART2", _ => "DT_HCART" },
        "robotType": robot_type, "robotNumber": robot_number, "robotDriveNumber": index / 3 + 1,
        "driveStatus": status, "driveControl": control, "driveIndex": index, "enabled": status == "DRIVE_STATUS_UP",
        "ready": control == "DRIVE_CONTROL_ACTIVE", "sharedDrive": paths.len() > 1, "isControlUp": true,
        "cleaningFrequency": 0, "cleaningComment": if needs_cleaning { "NEEDS CLEANING" } else { "" },
        "tapeAlertEnabled": true, "serialNumber": format!("SIM{:07}", dice.u32(0..10_000_000)),
        "mountTime": iso_duration((scene.now - scene.start).max(0) + dice.i64(0..DAY_MS)),
        "lastMountTime": iso(scene.now / STEP_MS * STEP_MS), "lastCleaningTime": iso(cleaned),
        "deviceHost": several(host(index)), "devicePath": several(format!("/dev/nst{index}")), "devicePaths": paths,
    });
    let alert = |step: i64| nth(ALERTS, usize::try_from(step).unwrap_or(0));
    if index == 13 || (index == 8 && flips) {
        put(&mut attributes, "tapeAlert1", if scene.odd_rows { "FUTURE_ALERT," } else { alert(step / 4) });
    }
    if index == 13 {
        put(&mut attributes, "tapeAlert2", "CLEAN_NOW");
    }
    json!({"type": "drive", "id": format!("HP.ULTRIUM9-SCSI.{index:03}"), "attributes": attributes})
}

fn medium(scene: &Scene, index: usize) -> Value {
    let mut dice = scene.dice(SALT_MEDIUM, index);
    let (robot_type, robot_number, robot_host, media_type) = nth(&ROBOTS, index % 5);
    let mut robot = json!({"robotType": robot_type});
    if let Some(number) = robot_number {
        put(&mut robot, "robotNumber", number);
        put(&mut robot, "robotHost", robot_host);
    }
    let letter = |step: usize| char::from(nth(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", index / step));
    let id = format!("{}{}{}{:03}", letter(676_000), letter(26_000), letter(1_000), index % 1_000);
    let mut attributes = json!({
        "robot": robot, "slot": index % 500 + 1, "volumeGroup": format!("{:03}_00000_{robot_type}", index % 4),
        "mounts": dice.i64(0..2_000), "maxMounts": 0, "application": "NETBACKUP",
        "created": iso(scene.start - 400 * DAY_MS), "images": 0, "validImages": 0, "numberOfRestores": dice.i64(0..4),
        "originHost": "NONE", "mediaOwner": "NONE", "lastWriteHost": "NONE", "kiloBytes": 0, "mediaStatus": "",
    });
    let step = scene.now / STEP_MS;
    // Cartridges that clean wear out, and are replaced.
    if index % 40 == 7 {
        let left = (step / 8 + dice.i64(0..50)).rem_euclid(51);
        let media_type = match media_type {
            "HCART3" => "HC3_CLN",
            "HCART2" => "HC2_CLN",
            _ => "HC_CLN",
        };
        put(&mut attributes, "mediaType", media_type);
        put(&mut attributes, "volumePool", "None");
        put(&mut attributes, "cleaningsRemaining", 50 - left);
        put(&mut attributes, "barcode", format!("CLN{:03}", index % 1_000));
        return json!({"type": "volumeInfo", "id": id, "attributes": attributes});
    }
    put(&mut attributes, "mediaType", media_type);
    put(&mut attributes, "barcode", format!("{id}L9"));
    let at = (step + dice.i64(0..CYCLE)).rem_euclid(CYCLE);
    let is_worm = dice.u8(0..20) == 0;
    if at < 12 {
        put(&mut attributes, "volumePool", if is_worm { "scratch-worm" } else { "Scratch" });
        return json!({"type": "volumeInfo", "id": id, "attributes": attributes});
    }
    let (pool, _) = nth(&POOLS, nth(&[1, 1, 1, 1, 2, 2, 2, 3, 5, 5], dice.usize(0..10)));
    let is_full = at >= 36;
    let capacity = dice.i64(9_000_000_000..12_000_000_000);
    let written = if is_full { capacity } else { capacity / 24 * (at - 11) };
    let mut flags = vec![if is_full { "FULL" } else { "ACTIVE" }];
    flags.extend((dice.u8(0..3) == 0).then_some("MULTIPLEXED"));
    flags.extend((dice.u8(0..10) == 0).then_some("MULTIPLE_RETENTION_LEVELS"));
    flags.extend((dice.u8(0..40) == 0).then_some("IMPORTED"));
    flags.extend(is_worm.then_some("WORM"));
    // What is frozen or suspended is so for a while.
    let trouble = (step / 20 + dice.i64(0..40)).rem_euclid(40);
    flags.extend((trouble < 2).then_some("FROZEN"));
    flags.extend((trouble == 2).then_some("SUSPENDED"));
    flags.extend((scene.odd_rows && dice.u8(0..50) == 0).then_some("FUTURE_FLAG"));
    let images = written / 100_000_000 + 1;
    let owner = host(index);
    let last_written = if is_full { scene.start - DAY_MS } else { step * STEP_MS };
    for (name, value) in [
        ("volumePool", Value::from(pool)),
        ("timeAssigned", iso(scene.start - dice.i64(2 * DAY_MS..90 * DAY_MS)).into()),
        ("lastWritten", iso(last_written).into()),
        ("lastMount", iso(last_written).into()),
        ("dateExpiration", iso(scene.start + dice.i64(-DAY_MS..90 * DAY_MS)).into()),
        ("retentionPeriod", dice.i64(0..10).into()),
        ("kiloBytes", written.into()),
        ("images", images.into()),
        ("validImages", (images - images / 10).into()),
        ("mediaStatus", flags.join(" ").into()),
        ("mediaOwner", owner.as_str().into()),
        ("lastWriteHost", owner.as_str().into()),
    ] {
        put(&mut attributes, name, value);
    }
    json!({
        "type": "volumeInfo", "id": id, "attributes": attributes,
        "links": {"self": {"href": format!("/storage/tape-media/{id}")}},
    })
}

fn pool(scene: &Scene, index: usize) -> Value {
    let (name, pool_type) = nth(&POOLS, index);
    let partially_full = match pool_type {
        "SCRATCH_MEDIA_POOL" | "AVAILABLE_MEDIA_POOL" => 0,
        _ => (scene.now / STEP_MS + number(index)).rem_euclid(9),
    };
    let name = if scene.odd_rows && index == 7 { "odd \"pool\" \\ 7" } else { name };
    json!({
        "type": "volumePoolDetails", "id": index.to_string(),
        "links": {"self": {"href": format!("/storage/tape-volume-pools/{index}")}},
        "attributes": {
            "volumePoolName": name, "description": "", "partiallyFullMedia": partially_full, "poolType": pool_type,
        },
    })
}

fn device_host(_: &Scene, index: usize) -> Value {
    json!({"type": "deviceHost", "id": host(index)})
}
