//! Storage units as the API writes them.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess};

use super::attr::Attr;
use super::endpoint::Endpoint;
use super::paging::FullOffset;
use super::walk::{Facts, TypedList};
use super::wire::{self, Item, Page, Record, Row};

/// One page of storage units.
pub type StorageUnitsPage<'a> = Page<StorageUnitRow<'a>>;

/// Reads one page of storage units from the text of an answer, as the client does; for fuzzing.
///
/// # Errors
/// Why the text is no such page.
pub fn read_storage_units_page(body: &str) -> Result<StorageUnitsPage<'_>, String> {
    wire::list(body).map(|(page, _)| page)
}

/// One storage unit. What is missing, wrong or absurd is `None`, never 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageUnitRow<'a> {
    /// Its name, which is also its id; never empty.
    pub name: Cow<'a, str>,
    /// `storageCategory`, such as `MSDP` or `TAPE`; empty when missing.
    pub category: Cow<'a, str>,
    /// `storageType`, such as `DISK`.
    pub storage_type: Option<Cow<'a, str>>,
    /// `storageSubType`, such as `DiskPool`.
    pub subtype: Option<Cow<'a, str>>,
    /// `storageServerType`, such as `PureDisk`.
    pub server_type: Option<Cow<'a, str>>,
    /// Id of the disk pool behind it, such as `PureDisk:dp-msdp-01`.
    pub disk_pool: Option<Cow<'a, str>>,
    /// Capacity of the disk pool; units that share a pool repeat it.
    pub total_bytes: Option<u64>,
    /// Used bytes of the disk pool.
    pub used_bytes: Option<u64>,
    /// Free bytes of the disk pool.
    pub free_bytes: Option<u64>,
    /// `maxConcurrentJobs` of a disk unit.
    pub max_concurrent_jobs: Option<u64>,
    /// `maxConcurrentDrives` of a tape unit.
    pub max_concurrent_drives: Option<u64>,
    /// `maxFragmentSizeMegabytes`.
    pub max_fragment_size_megabytes: Option<u64>,
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

/// Attributes as they stand in the row.
#[derive(Default)]
pub(crate) struct UnitAttributes<'a> {
    name: Option<Attr<'a>>,
    category: Option<Attr<'a>>,
    storage_type: Option<Attr<'a>>,
    subtype: Option<Attr<'a>>,
    server_type: Option<Attr<'a>>,
    total: Option<Attr<'a>>,
    used: Option<Attr<'a>>,
    free: Option<Attr<'a>>,
    jobs: Option<Attr<'a>>,
    drives: Option<Attr<'a>>,
    fragment: Option<Attr<'a>>,
    cloud: Option<Attr<'a>>,
    worm_capable: Option<Attr<'a>>,
    use_worm: Option<Attr<'a>>,
    replication: Option<Attr<'a>>,
    instant_access: Option<Attr<'a>>,
}

impl<'de> Record<'de> for UnitAttributes<'de> {
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let field = match key {
            "name" => &mut self.name,
            "storageCategory" => &mut self.category,
            "storageType" => &mut self.storage_type,
            "storageSubType" => &mut self.subtype,
            "storageServerType" => &mut self.server_type,
            "totalCapacityBytes" => &mut self.total,
            "usedCapacityBytes" => &mut self.used,
            "freeCapacityBytes" => &mut self.free,
            "maxConcurrentJobs" => &mut self.jobs,
            "maxConcurrentDrives" => &mut self.drives,
            "maxFragmentSizeMegabytes" => &mut self.fragment,
            "isCloudSTU" => &mut self.cloud,
            "wormCapable" => &mut self.worm_capable,
            "useWorm" => &mut self.use_worm,
            "replicationCapable" => &mut self.replication,
            "instantAccessEnabled" => &mut self.instant_access,
            _ => {
                map.next_value::<IgnoredAny>()?;
                return Ok(());
            }
        };
        *field = Some(map.next_value()?);
        Ok(())
    }
}

/// An object of which one field leads on: `relationships.diskPool.data.id`, one step at a time.
macro_rules! step {
    ($name:ident, $field:literal) => {
        #[derive(Default)]
        struct $name<'a>(Option<Attr<'a>>);

        impl<'de> Record<'de> for $name<'de> {
            fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
                if key == $field {
                    self.0 = Some(map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(())
            }
        }
    };
}
step!(Relationships, "diskPool");
step!(Relationship, "data");
step!(Identifier, "id");

fn disk_pool(relationships: Attr<'_>) -> Option<Cow<'_, str>> {
    let pool = relationships.object::<Relationships<'_>>()?.0?.object::<Relationship<'_>>()?;
    pool.0?.object::<Identifier<'_>>()?.0?.text()
}

impl<'a> Row<'a> for StorageUnitRow<'a> {
    type Attributes = UnitAttributes<'a>;

    fn from_item(item: Item<'a, UnitAttributes<'a>>) -> Result<Self, &'static str> {
        let unit = item.attributes.ok_or("it has no attributes")?;
        let text = |attr: Option<Attr<'a>>| attr.and_then(Attr::text);
        let count = |attr: Option<Attr<'a>>| attr.and_then(Attr::count);
        let flag = |attr: Option<Attr<'a>>| attr.and_then(Attr::flag);
        Ok(StorageUnitRow {
            name: text(unit.name).filter(|name| !name.is_empty()).ok_or("it has no name")?,
            category: text(unit.category).unwrap_or_default(),
            storage_type: text(unit.storage_type),
            subtype: text(unit.subtype),
            server_type: text(unit.server_type),
            disk_pool: item.relationships.and_then(disk_pool),
            total_bytes: unit.total.and_then(Attr::bytes),
            used_bytes: unit.used.and_then(Attr::bytes),
            free_bytes: unit.free.and_then(Attr::bytes),
            max_concurrent_jobs: count(unit.jobs),
            max_concurrent_drives: count(unit.drives),
            max_fragment_size_megabytes: count(unit.fragment),
            is_cloud: flag(unit.cloud),
            worm_capable: flag(unit.worm_capable),
            use_worm: flag(unit.use_worm),
            replication_capable: flag(unit.replication),
            instant_access: flag(unit.instant_access),
        })
    }
}

/// `/storage/storage-units`.
pub(crate) enum StorageUnits {}

impl TypedList for StorageUnits {
    type Shape = FullOffset;
    type Row<'a> = StorageUnitRow<'a>;
    const FACTS: Facts = Facts { endpoint: Endpoint::StorageUnits, largest_page: 500, most_pages: 1_000 };
}
