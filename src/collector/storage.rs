//! Storage units: capacity, limits and kind of each. Endpoint: `/storage/storage-units`, every page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::warn;

use super::{About, Collector, Display, PollContext, Polled, Seen, compat, finish};
use crate::clock::Stamp;
use crate::exposition::{Family, Kind, Page};
use crate::netbackup::{self, Client, Endpoint, StorageUnitRow, StorageUnitsPage};
use crate::reason::Failure;

const UNIT: &[&str] = &["site", "storage_unit", "category"];
const TAPE: &str = "TAPE";
const MEGABYTE: u64 = 1024 * 1024;

/// Capacity.
pub static CAPACITY: Family = Family {
    name: "netbackup_storage_unit_capacity_bytes",
    kind: Kind::Gauge,
    help: "Capacity of the disk pool of the storage unit at the last poll. Units that share a pool repeat it: do not add them up. Absent where NetBackup reports none (cloud, tape).",
    labels: UNIT,
};

/// Used space.
pub static USED: Family = Family {
    name: "netbackup_storage_unit_used_bytes",
    kind: Kind::Gauge,
    help: "Used space of the disk pool of the storage unit at the last poll. Units that share a pool repeat it: do not add them up.",
    labels: UNIT,
};

/// Free space.
pub static FREE: Family = Family {
    name: "netbackup_storage_unit_free_bytes",
    kind: Kind::Gauge,
    help: "Free space of the disk pool of the storage unit at the last poll. Units that share a pool repeat it: do not add them up.",
    labels: UNIT,
};

/// Concurrent jobs.
pub static MAX_JOBS: Family = Family {
    name: "netbackup_storage_unit_max_concurrent_jobs",
    kind: Kind::Gauge,
    help: "Concurrent jobs that the storage unit allows, as polled.",
    labels: UNIT,
};

/// Concurrent drives.
pub static MAX_DRIVES: Family = Family {
    name: "netbackup_storage_unit_max_concurrent_drives",
    kind: Kind::Gauge,
    help: "Concurrent drives that the tape storage unit may use, as polled.",
    labels: UNIT,
};

/// Fragment size.
pub static MAX_FRAGMENT: Family = Family {
    name: "netbackup_storage_unit_max_fragment_size_bytes",
    kind: Kind::Gauge,
    help: "Largest fragment that the storage unit writes, as polled.",
    labels: UNIT,
};

/// What the unit is.
pub static INFO: Family = Family {
    name: "netbackup_storage_unit_info",
    kind: Kind::Gauge,
    help: "1 for each storage unit at the last poll; the labels say what it is.",
    labels: &[
        "site",
        "storage_unit",
        "category",
        "disk_pool",
        "storage_type",
        "subtype",
        "server_type",
        "is_cloud",
        "worm_capable",
        "use_worm",
        "replication_capable",
        "instant_access",
    ],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "storage",
    title: "Storage units",
    endpoints: &[Endpoint::StorageUnits],
    releases: "all",
    cardinality: "up to 6 series per storage unit",
    cost: "a request per 500 storage units",
    families: &[&CAPACITY, &FREE, &INFO, &MAX_DRIVES, &MAX_JOBS, &MAX_FRAGMENT, &USED],
};

/// The storage collector of one site.
pub struct Storage {
    site: Arc<str>,
    client: Client,
    display: Display,
    rejection_logged: AtomicBool,
}

/// A storage unit as it is exposed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Unit {
    category: String,
    capacity: Option<u64>,
    used: Option<u64>,
    free: Option<u64>,
    max_jobs: Option<u64>,
    max_drives: Option<u64>,
    max_fragment: Option<u64>,
    info: [String; 9],
}

impl Storage {
    /// A collector of the site's storage units.
    #[must_use]
    pub fn new(site: Arc<str>, client: Client, display: Display) -> Storage {
        Storage { site, client, display, rejection_logged: AtomicBool::new(false) }
    }

    fn log_rejection(&self, why: &str) {
        if !self.rejection_logged.swap(true, Ordering::Relaxed) {
            warn!(
                site = &*self.site,
                collector = "storage",
                why,
                "a storage unit was left out; further ones are only counted, in netbackup_collector_rejected_records_total"
            );
        }
    }
}

impl Collector for Storage {
    fn poll<'a>(&'a self, _: &'a PollContext) -> BoxFuture<'a, Result<Polled, Failure>> {
        async move {
            self.client.introduce().await;
            // By name, so that a unit that moves between two pages while they are read is there once.
            let mut units: BTreeMap<String, Unit> = BTreeMap::new();
            let mut rejected = 0_u64;
            self.client
                .walk_storage_units(&mut |page: StorageUnitsPage<'_>| {
                    rejected = rejected.saturating_add(page.rejected);
                    if let Some(why) = &page.first_rejection {
                        self.log_rejection(why);
                    }
                    units.extend(page.rows.iter().map(|row| (row.name.clone().into_owned(), Unit::from(row))));
                })
                .await?;
            let received = Stamp::now();
            let mut page = Page::new(&self.site);
            for (name, unit) in &units {
                unit.render(&mut page, name);
                if self.display.go_names {
                    unit.render_as_go(&mut page, name);
                }
            }
            Ok(Polled { rendered: finish(page).await?, received, rejected, denied: None })
        }
        .boxed()
    }

    fn examine(&self) -> BoxFuture<'_, Result<Seen, netbackup::Error>> {
        async move {
            let walk = self.client.storage_units_page(&mut |_| {}).await?;
            Ok(Seen { objects: walk.rows.saturating_add(walk.rejected), more: walk.more, note: None })
        }
        .boxed()
    }

    fn credential_changes(&self) -> u64 {
        self.client.credential_changes()
    }

    fn credential_changed(&self, since: u64) -> BoxFuture<'_, ()> {
        self.client.credential_changed(since).boxed()
    }
}

impl From<&StorageUnitRow<'_>> for Unit {
    fn from(row: &StorageUnitRow<'_>) -> Unit {
        let text = |value: &Option<std::borrow::Cow<'_, str>>| value.as_deref().unwrap_or_default().to_owned();
        let flag = |value: Option<bool>| value.map(|value| value.to_string()).unwrap_or_default();
        let category = row.category.clone().into_owned();
        // Tape has no capacity, whatever an answer says.
        let bytes = |value: Option<u64>| value.filter(|_| category != TAPE);
        Unit {
            capacity: bytes(row.total_bytes),
            used: bytes(row.used_bytes),
            free: bytes(row.free_bytes),
            max_jobs: row.max_concurrent_jobs,
            max_drives: row.max_concurrent_drives,
            max_fragment: row.max_fragment_size_megabytes.and_then(|megabytes| megabytes.checked_mul(MEGABYTE)),
            info: [
                text(&row.disk_pool),
                text(&row.storage_type),
                text(&row.subtype),
                text(&row.server_type),
                flag(row.is_cloud),
                flag(row.worm_capable),
                flag(row.use_worm),
                flag(row.replication_capable),
                flag(row.instant_access),
            ],
            category,
        }
    }
}

impl Unit {
    fn render(&self, page: &mut Page, name: &str) {
        let values = [
            (&CAPACITY, self.capacity),
            (&USED, self.used),
            (&FREE, self.free),
            (&MAX_JOBS, self.max_jobs),
            (&MAX_DRIVES, self.max_drives),
            (&MAX_FRAGMENT, self.max_fragment),
        ];
        for (family, value) in values {
            if let Some(value) = value {
                #[expect(clippy::cast_precision_loss, reason = "samples are floats: exact up to 2^53")]
                page.gauge(family, &[name, &self.category], value as f64);
            }
        }
        let mut labels = vec![name, self.category.as_str()];
        labels.extend(self.info.iter().map(String::as_str));
        page.gauge(&INFO, &labels, 1.0);
    }

    /// Under the names of the Go exporter, which leaves tape out.
    fn render_as_go(&self, page: &mut Page, name: &str) {
        let [_, _, subtype, server_type, flags @ ..] = &self.info;
        if self.category == TAPE {
            return;
        }
        let values = [
            (&compat::DISK_CAPACITY, self.capacity),
            (&compat::STORAGE_MAX_JOBS, self.max_jobs),
            (&compat::STORAGE_MAX_FRAGMENT, self.max_fragment),
        ];
        for (family, value) in values {
            if let Some(value) = value {
                page.gauge(family, &[name, server_type], value);
            }
        }
        // Its users add them up to the capacity, and a share of used alone would be everything.
        if let (Some(free), Some(used)) = (self.free, self.used) {
            page.gauge(&compat::DISK, &[name, server_type, "free"], free);
            page.gauge(&compat::DISK, &[name, server_type, "used"], used);
        }
        let mut labels = vec![name, server_type, subtype];
        labels.extend(flags.iter().map(String::as_str));
        page.gauge(&compat::STORAGE_INFO, &labels, 1.0);
    }
}
