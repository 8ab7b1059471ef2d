//! Storage servers: state and abilities of each, and of those that deduplicate (MSDP) pool, catalog and what is saved.
//! Endpoint: `/storage/storage-servers`, every page.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::series::{flag, put, state_set};
use super::whole::{Reading, Source};
use crate::config;
use crate::exposition::{Family, Number, Page};
use crate::netbackup::lists::storage_servers::{Msdp, StorageServer, StorageServers as List};
use crate::netbackup::{Endpoint, Error, Listing};

const SERVER: &[&str] = &["site", "storage_server", "category"];
const MSDP: &[&str] = &["site", "storage_server"];

/// What the server is.
pub static INFO: Family = Family::gauge(
    "netbackup_storage_server_info",
    &[
        "site",
        "storage_server",
        "category",
        "name",
        "server_type",
        "release",
        "encryption",
        "kms",
        "worm_supported",
        "accelerator_supported",
        "air_supported",
        "snapshot_supported",
        "universal_share_supported",
    ],
    "1 for each storage server at the last poll; the labels say what it is and supports.",
);

/// State.
pub static STATE: Family = Family::gauge(
    "netbackup_storage_server_state",
    &["site", "storage_server", "category", "state"],
    "State of the storage server at the last poll: UP or DOWN; 1 for the one that is true.",
);

/// Whether it could be read whole.
pub static STATUS_CODE: Family = Family::gauge(
    "netbackup_storage_server_status_code",
    SERVER,
    "NetBackup status code of what the primary could read of the storage server, as polled: 0 is success, with any other one it read only a part. Absent where it says none.",
);

/// Raw size.
pub static POOL_RAW: Family =
    Family::gauge("netbackup_msdp_pool_raw_bytes", MSDP, "Size of the disks of the MSDP pool at the last poll.");

/// Reserved space.
pub static POOL_RESERVED: Family =
    Family::gauge("netbackup_msdp_pool_reserved_bytes", MSDP, "Space that the MSDP pool keeps back at the last poll.");

/// Size.
pub static POOL_SIZE: Family = Family::gauge(
    "netbackup_msdp_pool_size_bytes",
    MSDP,
    "Size of the MSDP pool at the last poll, without what it keeps back.",
);

/// Used space.
pub static POOL_USED: Family =
    Family::gauge("netbackup_msdp_pool_used_bytes", MSDP, "Space that is used in the MSDP pool at the last poll.");

/// Available space.
pub static POOL_AVAILABLE: Family =
    Family::gauge("netbackup_msdp_pool_available_bytes", MSDP, "Space that is left in the MSDP pool at the last poll.");

/// Savings.
pub static SAVED: Family = Family::gauge(
    "netbackup_msdp_deduplication_saved_ratio",
    MSDP,
    "Share of the data of the MSDP pool that deduplication saves, 0 to 1, at the last poll: deduplicationRatioPercentage / 100, taken as the percentage that is saved, since the API does not say of what it is one. Absent where it is not between 0 and 100.",
);

/// Logical size.
pub static CATALOG_LOGICAL: Family = Family::gauge(
    "netbackup_msdp_catalog_logical_bytes",
    MSDP,
    "Size before deduplication of what the catalog of the MSDP server holds, at the last poll.",
);

/// Files.
pub static CATALOG_FILES: Family = Family::gauge(
    "netbackup_msdp_catalog_files",
    MSDP,
    "Files that the catalog of the MSDP server holds at the last poll.",
);

/// What a deduplicating server is.
pub static MSDP_INFO: Family = Family::gauge(
    "netbackup_msdp_info",
    &["site", "storage_server", "fips"],
    "1 for each storage server with an MSDP pool at the last poll; fips: whether it runs in FIPS mode.",
);

/// See [`About`].
pub static ABOUT: About = About {
    name: "storage_servers",
    title: "Storage servers",
    endpoints: &[Endpoint::StorageServers],
    releases: "all",
    cardinality: "up to 4 series per storage server, and 9 more per one with an MSDP pool",
    cost: "a request per 100 storage servers",
    families: &[
        &CATALOG_FILES,
        &CATALOG_LOGICAL,
        &SAVED,
        &MSDP_INFO,
        &POOL_AVAILABLE,
        &POOL_RAW,
        &POOL_RESERVED,
        &POOL_SIZE,
        &POOL_USED,
        &INFO,
        &STATE,
        &STATUS_CODE,
    ],
};

const STATES: &[&str] = &["UP", "DOWN"];

/// The source.
pub struct StorageServers;

impl StorageServers {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> StorageServers {
        StorageServers
    }
}

/// A storage server as it is exposed.
struct Server {
    category: String,
    state: String,
    status_code: Option<i64>,
    /// Labels of its info after the category.
    info: [String; 10],
    msdp: Option<Deduplication>,
}

/// What only a deduplicating server has.
struct Deduplication {
    fips: &'static str,
    numbers: [(&'static Family, Option<Number>); 8],
}

impl Source for StorageServers {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            // By id, so that a server that moves between two pages while they are read is there once.
            let mut servers: BTreeMap<String, Server> = BTreeMap::new();
            reading
                .list::<List>(Listing::ALL, |row| {
                    let id = if row.id.is_empty() {
                        // NetBackup makes it of type and name.
                        format!("{}:{}", row.server_type, row.name)
                    } else {
                        row.id.clone().into_owned()
                    };
                    servers.insert(id, Server::from(&*row));
                })
                .await?;
            for (id, server) in &servers {
                server.render(&mut reading.page, id);
            }
            Ok(())
        }
        .boxed()
    }
}

impl From<&StorageServer<'_>> for Server {
    fn from(row: &StorageServer<'_>) -> Server {
        Server {
            category: row.category.clone().into_owned(),
            state: row.state.clone().into_owned(),
            status_code: row.status_code,
            info: [
                &*row.name,
                &*row.server_type,
                &*row.version,
                flag(row.encryption),
                flag(row.kms),
                flag(row.worm),
                flag(row.accelerator),
                flag(row.air),
                flag(row.snapshot),
                flag(row.universal_share),
            ]
            .map(str::to_owned),
            msdp: row.msdp.as_ref().map(Deduplication::from),
        }
    }
}

impl From<&Msdp<'_>> for Deduplication {
    fn from(msdp: &Msdp<'_>) -> Deduplication {
        let pool = msdp.pool.as_ref();
        // A percentage; what is none would say something else than the name of the metric does.
        let saved = msdp.saved_percent.filter(|percent| (0.0..=100.0).contains(percent));
        Deduplication {
            fips: flag(msdp.fips),
            numbers: [
                (&POOL_RAW, pool.and_then(|pool| pool.raw).map(Number::from)),
                (&POOL_RESERVED, pool.and_then(|pool| pool.reserved).map(Number::from)),
                (&POOL_SIZE, pool.and_then(|pool| pool.size).map(Number::from)),
                (&POOL_USED, pool.and_then(|pool| pool.used).map(Number::from)),
                (&POOL_AVAILABLE, pool.and_then(|pool| pool.available).map(Number::from)),
                (&SAVED, saved.map(|percent| Number::from(percent / 100.0))),
                (&CATALOG_LOGICAL, msdp.catalog_logical.map(Number::from)),
                (&CATALOG_FILES, msdp.catalog_files.map(Number::from)),
            ],
        }
    }
}

impl Server {
    fn render(&self, page: &mut Page, id: &str) {
        let labels = [id, self.category.as_str()];
        if !self.state.is_empty() {
            state_set(page, &STATE, &labels, STATES, &self.state);
        }
        #[expect(clippy::cast_precision_loss, reason = "status codes are small")]
        put(page, &STATUS_CODE, &labels, self.status_code.map(|code| code as f64));
        let info: Vec<&str> = labels.into_iter().chain(self.info.iter().map(String::as_str)).collect();
        page.gauge(&INFO, &info, 1.0);
        let Some(msdp) = &self.msdp else { return };
        page.gauge(&MSDP_INFO, &[id, msdp.fips], 1.0);
        for (family, value) in msdp.numbers {
            put(page, family, &[id], value);
        }
    }
}
