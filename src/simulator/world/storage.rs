//! Storage units: every kind there is, filling slowly.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::lists::paging::Source;

/// What some cloud units say instead of a capacity.
const NO_CAPACITY: i64 = i64::MAX;

/// A storage unit as the primary reports it. Absent means that the attribute is missing in the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageUnit {
    /// `name`, which is the id too.
    pub name: Arc<str>,
    /// `storageCategory`.
    pub category: String,
    /// `storageType`.
    pub storage_type: String,
    /// `storageSubType`.
    pub sub_type: String,
    /// `storageServerType`.
    pub server_type: String,
    /// Id of the disk pool, such as `PureDisk:dp-msdp-01`.
    pub disk_pool: Option<String>,
    /// `totalCapacityBytes`.
    pub total: Option<i64>,
    /// `usedCapacityBytes`.
    pub used: Option<i64>,
    /// `freeCapacityBytes`.
    pub free: Option<i64>,
    /// `maxConcurrentJobs`.
    pub max_jobs: Option<i64>,
    /// `maxConcurrentDrives`.
    pub max_drives: Option<i64>,
    /// `maxFragmentSizeMegabytes`.
    pub max_fragment_mb: Option<i64>,
    /// `isCloudSTU`.
    pub is_cloud: Option<bool>,
    /// `wormCapable`.
    pub worm_capable: Option<bool>,
    /// `useWorm`.
    pub use_worm: Option<bool>,
    /// `replicationCapable`.
    pub replication_capable: Option<bool>,
    /// `instantAccessEnabled`.
    pub instant_access: Option<bool>,
}

/// What a unit is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Make {
    Msdp,
    AdvancedDisk,
    BasicDisk,
    /// No capacity at all.
    Cloud,
    /// 2^63-1 as capacity.
    BoundlessCloud,
    Tape,
}

impl Make {
    /// Category, type, subtype and server type.
    fn words(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Make::Msdp => ("MSDP", "DISK", "DiskPool", "PureDisk"),
            Make::AdvancedDisk => ("ADVANCED_DISK", "DISK", "DiskPool", "AdvancedDisk"),
            Make::BasicDisk => ("BASIC_DISK", "DISK", "BasicDisk", "BasicDisk"),
            Make::Cloud | Make::BoundlessCloud => ("CLOUD", "DISK", "DiskPool", "amazon_raw"),
            Make::Tape => ("TAPE", "MEDIA_MANAGER", "TAPE", "NONE"),
        }
    }
}

#[derive(Debug)]
struct Unit {
    name: Arc<str>,
    make: Make,
    /// Number of the disk pool; units with the same number share it.
    pool: usize,
    raw: Option<Value>,
}

/// All units.
#[derive(Debug)]
pub(crate) struct Storage {
    units: Vec<Unit>,
    seed: u64,
    epoch: i64,
}

impl Storage {
    /// `count` units; the first six are one of each kind, the second shares the pool of the first.
    pub(crate) fn new(count: usize, seed: u64, odd_rows: bool, epoch: i64) -> Storage {
        let units = (0..count).map(|index| unit(index, odd_rows)).collect();
        Storage { units, seed, epoch }
    }

    /// Names of the units that jobs write to.
    pub(crate) fn targets(&self) -> Vec<Arc<str>> {
        self.units.iter().map(|unit| Arc::clone(&unit.name)).collect()
    }

    /// Every resource as the API shows it at `now`, in the order of the list; made when its page is asked for.
    pub(crate) fn source(&self, now: i64) -> Source<'_> {
        let row = move |index| self.units.get(index).map_or(Value::Null, |unit| self.shown(unit, now));
        Source { len: self.units.len(), row: Box::new(row) }
    }

    fn shown(&self, unit: &Unit, now: i64) -> Value {
        unit.raw.clone().unwrap_or_else(|| self.resource(unit, now))
    }

    /// Puts in a unit as a test wrote it (a whole resource, or the attributes alone), in the place of the one with
    /// the same name.
    pub(crate) fn upsert_raw(&mut self, value: Value) {
        let whole = !value.is_object() || value.get("attributes").is_some() || value.get("type").is_some();
        let raw = if whole {
            value
        } else {
            let id = value.get("name").cloned().unwrap_or(Value::Null);
            json!({"type": "storageUnit", "id": id, "links": {}, "attributes": value, "relationships": {}})
        };
        let name: Arc<str> = Arc::from(attribute(&raw, "name").and_then(Value::as_str).unwrap_or_default());
        match self.units.iter_mut().find(|unit| unit.name == name && !name.is_empty()) {
            Some(unit) => unit.raw = Some(raw),
            None => self.units.push(Unit { name, make: Make::BasicDisk, pool: usize::MAX, raw: Some(raw) }),
        }
    }

    /// Takes a unit out; whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.units.len();
        self.units.retain(|unit| &*unit.name != name);
        self.units.len() < before
    }

    /// Every unit that has a name.
    pub(crate) fn truth(&self, now: i64) -> Vec<StorageUnit> {
        self.units.iter().filter_map(|unit| read(&self.shown(unit, now))).collect()
    }

    fn resource(&self, unit: &Unit, now: i64) -> Value {
        let disk = !matches!(unit.make, Make::Tape);
        let msdp = unit.make == Make::Msdp;
        let cloud = matches!(unit.make, Make::Cloud | Make::BoundlessCloud);
        let (category, kind, sub_type, server) = unit.make.words();
        let mut attributes = Map::new();
        let mut put = |name: &str, value: Value| drop(attributes.insert(name.to_owned(), value));
        put("name", (*unit.name).into());
        put("storageCategory", category.into());
        put("storageType", kind.into());
        put("storageSubType", sub_type.into());
        put("storageServerType", server.into());
        for (name, value) in [
            ("useAnyAvailableMediaServer", true),
            ("accelerator", msdp),
            ("replicationCapable", msdp),
            ("replicationSourceCapable", msdp),
            ("replicationTargetCapable", false),
            ("instantAccessEnabled", msdp),
            ("scaleOutEnabled", false),
            ("isCloudSTU", cloud),
            ("onDemandOnly", !disk),
            ("wormCapable", msdp && unit.pool.is_multiple_of(2)),
            ("useWorm", false),
        ] {
            put(name, value.into());
        }
        put("maxFragmentSizeMegabytes", if disk { 51_200 } else { 1_048_576 }.into());
        if disk {
            put("maxConcurrentJobs", (4 + unit.pool % 60).into());
        } else {
            put("maxConcurrentDrives", (1 + unit.pool % 8).into());
            put("robotType", "TLD".into());
            put("robotNumber", 0.into());
            put("density", "DHCART".into());
            put("multiplexing", 4.into());
        }
        if let Some((total, used)) = self.capacity(unit, now) {
            put("totalCapacityBytes", total.into());
            put("usedCapacityBytes", used.into());
            put("freeCapacityBytes", if total == NO_CAPACITY { NO_CAPACITY } else { total - used }.into());
        }
        let mut relationships = Map::new();
        if disk && unit.make != Make::BasicDisk {
            let id = format!("{server}:dp-{:03}", unit.pool);
            let href = format!("/netbackup/storage/disk-pools/{id}");
            let pool = json!({"links": {"related": {"href": href}}, "data": {"type": "diskPool", "id": id}});
            relationships.insert("diskPool".to_owned(), pool);
        }
        json!({
            "type": "storageUnit",
            "id": &*unit.name,
            "links": {"self": {"href": format!("/netbackup/storage/storage-units/{}", unit.name)}},
            "attributes": attributes,
            "relationships": relationships,
        })
    }

    fn capacity(&self, unit: &Unit, now: i64) -> Option<(i64, i64)> {
        capacity(unit.make, unit.pool, self.seed, now - self.epoch)
    }
}

/// Total and used bytes of a pool, `age` milliseconds after the world's beginning; it fills from its own start level to
/// nearly full, then is cleaned up.
fn capacity(make: Make, pool: usize, seed: u64, age: i64) -> Option<(i64, i64)> {
    match make {
        Make::Cloud | Make::Tape => return None,
        Make::BoundlessCloud => return Some((NO_CAPACITY, 0)),
        Make::Msdp | Make::AdvancedDisk | Make::BasicDisk => {}
    }
    let pool = u64::try_from(pool).unwrap_or_default();
    let mut dice = fastrand::Rng::with_seed(seed ^ pool.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let total = dice.i64(2_000..90_000) * 1_073_741_824 + 4_096;
    let (low, high) = (total / 100 * 35, total / 100 * 97);
    // Without deduplication more arrives.
    let times = if make == Make::AdvancedDisk { 3 } else { 1 };
    let grown = age.max(0) / 1_000 * dice.i64(1_000_000..40_000_000) * times;
    Some((total, low + (dice.i64(0..high - low) + grown) % (high - low)))
}

/// A disk pool, as far as its units show it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskPool {
    /// `dp-<number>` is its name.
    pub(crate) number: usize,
    pub(crate) category: &'static str,
    pub(crate) server_type: &'static str,
    /// Total and used bytes; not every cloud has them.
    pub(crate) capacity: Option<(i64, i64)>,
}

/// The pools of the first `units` units, `age` milliseconds after the world's beginning.
pub(crate) fn disk_pools(units: usize, seed: u64, age: i64) -> Vec<DiskPool> {
    let pools = (0..units).map(|index| unit(index, false)).enumerate().filter(|(index, unit)| unit.pool == *index);
    pools
        .filter_map(|(_, unit)| {
            let (category, _, sub_type, server_type) = unit.make.words();
            let capacity = capacity(unit.make, unit.pool, seed, age);
            (sub_type == "DiskPool").then_some(DiskPool { number: unit.pool, category, server_type, capacity })
        })
        .collect()
}

fn unit(index: usize, odd_rows: bool) -> Unit {
    let make = match index {
        0 | 1 => Make::Msdp,
        2 => Make::AdvancedDisk,
        3 => Make::Cloud,
        4 => Make::BoundlessCloud,
        5 => Make::Tape,
        6 => Make::BasicDisk,
        _ => match index % 10 {
            0..=4 => Make::Msdp,
            5 | 6 => Make::AdvancedDisk,
            7 => Make::Cloud,
            8 => Make::BasicDisk,
            _ => Make::Tape,
        },
    };
    let stem = match make {
        Make::Msdp => "stu-msdp",
        Make::AdvancedDisk => "stu-adv",
        Make::BasicDisk => "stu-basic",
        Make::Cloud | Make::BoundlessCloud => "stu-cloud",
        Make::Tape => "stu-tape",
    };
    let name = match index {
        7 if odd_rows => "odd \"name\" \\\\server\\disk".to_owned(),
        _ => format!("{stem}-{index:03}"),
    };
    Unit { name: name.into(), make, pool: if index == 1 { 0 } else { index }, raw: None }
}

fn attribute<'a>(resource: &'a Value, name: &str) -> Option<&'a Value> {
    resource.get("attributes").and_then(|attributes| attributes.get(name))
}

/// What a resource says, each attribute of the right type; `None` without a name.
fn read(resource: &Value) -> Option<StorageUnit> {
    let text = |name: &str| attribute(resource, name).and_then(Value::as_str);
    let owned = |name: &str| text(name).unwrap_or_default().to_owned();
    let int = |name: &str| attribute(resource, name).and_then(Value::as_i64);
    let flag = |name: &str| attribute(resource, name).and_then(Value::as_bool);
    let pool = resource.pointer("/relationships/diskPool/data/id").and_then(Value::as_str);
    Some(StorageUnit {
        name: Arc::from(text("name")?),
        category: owned("storageCategory"),
        storage_type: owned("storageType"),
        sub_type: owned("storageSubType"),
        server_type: owned("storageServerType"),
        disk_pool: pool.map(str::to_owned),
        total: int("totalCapacityBytes"),
        used: int("usedCapacityBytes"),
        free: int("freeCapacityBytes"),
        max_jobs: int("maxConcurrentJobs"),
        max_drives: int("maxConcurrentDrives"),
        max_fragment_mb: int("maxFragmentSizeMegabytes"),
        is_cloud: flag("isCloudSTU"),
        worm_capable: flag("wormCapable"),
        use_worm: flag("useWorm"),
        replication_capable: flag("replicationCapable"),
        instant_access: flag("instantAccessEnabled"),
    })
}
