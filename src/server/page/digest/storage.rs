//! The disks that are fullest.

use std::collections::HashMap;

use super::MOST;
use crate::exposition::{Rendered, unescaped};

/// How full one disk pool, or a storage unit without one, is.
pub(in crate::server::page) struct Fill {
    pub(in crate::server::page) name: String,
    pub(in crate::server::page) category: String,
    /// Further storage units on the same disk pool.
    pub(in crate::server::page) others: usize,
    pub(in crate::server::page) used: f64,
    pub(in crate::server::page) capacity: f64,
}

impl Fill {
    /// From 0 to 1; more where NetBackup says so.
    pub(in crate::server::page) fn ratio(&self) -> f64 {
        self.used / self.capacity
    }
}

/// What has a size of its own, as the labels have it, still escaped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place<'a> {
    Pool(&'a str),
    Unit(&'a str),
}

struct Disk<'a> {
    name: &'a str,
    category: &'a str,
    others: usize,
    used: f64,
    capacity: f64,
}

/// The fullest first, each disk pool once however many units lie on it.
pub(super) fn fullest(units: Option<&Rendered>, pools: Option<&Rendered>) -> Vec<Fill> {
    let mut disks: HashMap<Place<'_>, Disk<'_>> = HashMap::new();
    if let Some(units) = units {
        let info = units.read("netbackup_storage_unit_info");
        let pool_of: HashMap<&str, &str> =
            info.map(|sample| (sample.raw_label("storage_unit"), sample.raw_label("disk_pool"))).collect();
        for (unit, category, used, capacity) in sizes(units, "storage_unit", USED, CAPACITY) {
            let place = match pool_of.get(unit) {
                Some(pool) if !pool.is_empty() => Place::Pool(pool),
                _ => Place::Unit(unit),
            };
            let disk = Disk { name: unit, category, others: 0, used, capacity };
            disks.entry(place).and_modify(|disk| disk.others += 1).or_insert(disk);
        }
    }
    if let Some(pools) = pools {
        let info = pools.read("netbackup_disk_pool_info");
        let names: HashMap<&str, &str> =
            info.map(|sample| (sample.raw_label("disk_pool"), sample.raw_label("name"))).collect();
        for (pool, category, used, capacity) in sizes(pools, "disk_pool", POOL_USED, POOL_USABLE) {
            let name = names.get(pool).filter(|name| !name.is_empty()).unwrap_or(&pool);
            disks.entry(Place::Pool(pool)).or_insert(Disk { name, category, others: 0, used, capacity });
        }
    }
    let mut disks: Vec<Disk<'_>> = disks.into_values().collect();
    let ratio = |disk: &Disk<'_>| disk.used / disk.capacity;
    disks.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)).then_with(|| a.name.cmp(b.name)));
    disks.truncate(MOST);
    disks.iter().map(Fill::of).collect()
}

const USED: &str = "netbackup_storage_unit_used_bytes";
const CAPACITY: &str = "netbackup_storage_unit_capacity_bytes";
const POOL_USED: &str = "netbackup_disk_pool_used_bytes";
const POOL_USABLE: &str = "netbackup_disk_pool_usable_bytes";

/// Name, category, used bytes and capacity of what has both.
fn sizes<'a>(
    rendered: &'a Rendered,
    label: &'static str,
    used: &str,
    capacity: &str,
) -> impl Iterator<Item = (&'a str, &'a str, f64, f64)> + use<'a> {
    let capacities: HashMap<&str, f64> =
        rendered.read(capacity).map(|sample| (sample.raw_label(label), sample.value)).collect();
    rendered.read(used).filter_map(move |sample| {
        let name = sample.raw_label(label);
        let capacity = *capacities.get(name).filter(|capacity| **capacity > 0.0)?;
        Some((name, sample.raw_label("category"), sample.value, capacity))
    })
}

impl Fill {
    fn of(disk: &Disk<'_>) -> Fill {
        let [name, category] = [disk.name, disk.category].map(|text| unescaped(text).into_owned());
        Fill { name, category, others: disk.others, used: disk.used, capacity: disk.capacity }
    }
}
