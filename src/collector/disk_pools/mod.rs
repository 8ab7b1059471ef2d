//! Disk pools: state, space and volumes of each. Endpoints: `/storage/disk-pools`, every page; where a list omits the
//! sizes, as lists of 10.x may, `/storage/disk-pools/{diskPoolId}` as well.

pub mod families;

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::series::{flag, number, put, state_set};
use super::tally::count;
use super::whole::{Reading, Source};
use super::{About, compat};
use crate::config;
use crate::exposition::{Number, Page};
use crate::netbackup::lists::disk_pools::{self, DiskPool, DiskPoolSizes, DiskPools as List, OneDiskPool};
use crate::netbackup::{Attr, Endpoint, Error, Listing, Resource};
use crate::reason::Reason;

/// See [`About`].
pub static ABOUT: About = About {
    name: "disk_pools",
    title: "Disk pools",
    endpoints: &[Endpoint::DiskPools, Endpoint::DiskPool],
    releases: "all",
    cardinality: "up to 15 series per disk pool, one per storage server that it is on, and 5 per volume",
    cost: "a request per 500 disk pools; where the list has no sizes (10.x) one per disk pool too, clouds aside and 500 at most: only then is that endpoint asked, and found in netbackup_collector_endpoint_state",
    families: families::ALL,
};

const STATES: &[&str] = &["UP", "DOWN", "TRANSIENT"];
/// Their pools have no sizes, whoever is asked.
const CLOUDS: [&str; 2] = ["CLOUD", "CLOUD_CATALYST"];
const VOLUME_STATES: &[&str] = &["UP", "DOWN", "UNKNOWN"];

/// As many pools are asked for one by one in a poll.
const MOST_DETAILS: usize = 500;
/// After so many in a row that are not found, what is missing is the endpoint and not the pools.
const MOST_MISSING: u32 = 3;

/// The source.
pub struct DiskPools;

impl DiskPools {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> DiskPools {
        DiskPools
    }
}

/// A disk pool as it is exposed.
#[derive(Debug, Default)]
struct Pool {
    name: String,
    server_type: String,
    category: String,
    state: String,
    sizes: Sizes,
    high_watermark: Option<u64>,
    low_watermark: Option<u64>,
    /// `None`: there is no limit.
    max_streams: Option<u64>,
    media_servers: Option<u64>,
    worm_capable: Option<bool>,
    read_only: Option<bool>,
    /// `None`: nothing is said of them.
    volumes: Option<Vec<Volume>>,
    storage_servers: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Sizes {
    raw: Option<u64>,
    usable: Option<u64>,
    available: Option<u64>,
    used: Option<u64>,
}

/// A volume of a pool.
#[derive(Debug, Default)]
struct Volume {
    name: String,
    media_id: String,
    state: String,
    raw: Option<u64>,
    free: Option<u64>,
}

impl Source for DiskPools {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            // By id, so that a pool that moves between two pages while they are read is there once.
            let mut pools: BTreeMap<String, Pool> = BTreeMap::new();
            let listed = reading.list::<List>(Listing::ALL, |row| drop(pools.insert(id_of(&row), Pool::from(&row))));
            if listed.await?.is_none() {
                return Ok(());
            }
            complete(reading, &mut pools).await?;
            for (id, pool) in &pools {
                pool.render(&mut reading.page, id);
            }
            render_go_names(reading, pools.values());
            Ok(())
        }
        .boxed()
    }

    /// One pool after the other may be asked for its sizes.
    fn is_bounded(&self) -> bool {
        false
    }
}

/// The Go exporter names a pool without its type: pools of one name are taken together.
fn render_go_names<'p>(reading: &mut Reading<'_>, pools: impl Iterator<Item = &'p Pool>) {
    let mut volumes: BTreeMap<[&str; 3], u64> = BTreeMap::new();
    for pool in pools {
        for volume in pool.volumes.iter().flatten() {
            count(&mut volumes, [&pool.name, &pool.category, &volume.state], 1);
        }
    }
    for (labels, count) in volumes {
        reading.go_gauge(&compat::DISK_POOL_VOLUMES, &labels, count);
    }
}

/// The id, which NetBackup makes of type and name.
fn id_of(row: &Resource<'_, DiskPool<'_>>) -> String {
    if row.id.is_empty() { format!("{}:{}", row.server_type, row.name) } else { row.id.clone().into_owned() }
}

/// Asks for each pool where the list tells the size of none. A pool that is not found has gone since the list was made;
/// one whose answer is of no use is shown without sizes.
async fn complete(reading: &mut Reading<'_>, pools: &mut BTreeMap<String, Pool>) -> Result<(), Error> {
    if pools.values().any(|pool| !pool.is_cloud() && pool.sizes != Sizes::default()) {
        return Ok(());
    }
    let mut missing = 0_u32;
    for (id, pool) in pools.iter_mut().filter(|(_, pool)| !pool.is_cloud()).take(MOST_DETAILS) {
        let asked = reading.client.single::<OneDiskPool, _>(&[id], |row| Detail::from(&*row)).await;
        if missing < MOST_MISSING && asked.as_ref().is_err_and(|error| error.status() == Some(404)) {
            missing = missing.saturating_add(1);
            continue;
        }
        if let Some(error) = asked.as_ref().err().filter(|error| is_of_one_pool(error)) {
            let why = format!("the sizes of a disk pool cannot be read: {}", error.finding());
            reading.reject(1, Some(why));
            continue;
        }
        // What is denied for one is denied for all: the right is not given per pool.
        let Some(detail) = reading.part(Endpoint::DiskPool, asked)? else { return Ok(()) };
        missing = 0;
        pool.sizes = detail.sizes;
        pool.volumes = detail.volumes.or(pool.volumes.take());
    }
    Ok(())
}

/// Whether the primary has answered, and says nothing about the other pools by that.
fn is_of_one_pool(error: &Error) -> bool {
    match error.reason() {
        Reason::Http => !matches!(error.status(), Some(404 | 503)),
        Reason::Decode | Reason::TooLarge => true,
        _ => false,
    }
}

/// What the resource of one pool adds.
struct Detail {
    sizes: Sizes,
    volumes: Option<Vec<Volume>>,
}

impl From<&DiskPoolSizes<'_>> for Detail {
    fn from(row: &DiskPoolSizes<'_>) -> Detail {
        Detail {
            sizes: Sizes { raw: row.raw, usable: row.usable, available: row.available, used: row.used },
            volumes: volumes(row.volumes),
        }
    }
}

impl From<&Resource<'_, DiskPool<'_>>> for Pool {
    fn from(row: &Resource<'_, DiskPool<'_>>) -> Pool {
        let limited = row.streams.as_ref().filter(|streams| streams.limited == Some(true));
        Pool {
            name: row.name.clone().into_owned(),
            server_type: row.server_type.clone().into_owned(),
            category: row.category.clone().into_owned(),
            state: row.state.clone().into_owned(),
            sizes: Sizes { raw: row.raw, usable: row.usable, available: row.available, used: row.used },
            high_watermark: row.high_watermark,
            low_watermark: row.low_watermark,
            max_streams: limited.and_then(|streams| streams.per_volume),
            media_servers: row.media_servers,
            worm_capable: row.worm_capable,
            read_only: row.read_only,
            volumes: volumes(row.volumes),
            storage_servers: disk_pools::storage_servers(row.relationships),
        }
    }
}

fn volumes(attr: Option<Attr<'_>>) -> Option<Vec<Volume>> {
    let volumes = attr.filter(|attr| !attr.is_null())?.records::<disk_pools::Volume<'_>>();
    Some(volumes.iter().map(Volume::from).collect())
}

impl From<&disk_pools::Volume<'_>> for Volume {
    fn from(row: &disk_pools::Volume<'_>) -> Volume {
        Volume {
            name: row.name.clone().into_owned(),
            media_id: row.media_id.clone().into_owned(),
            state: row.state.clone().into_owned(),
            raw: row.raw,
            free: row.free,
        }
    }
}

/// A percentage as a share of 1; what is none is absent.
fn share(percent: Option<u64>) -> Option<f64> {
    percent.filter(|percent| *percent <= 100).map(|percent| number(percent) / 100.0)
}

impl Pool {
    fn is_cloud(&self) -> bool {
        CLOUDS.contains(&self.category.as_str())
    }

    fn render(&self, page: &mut Page, id: &str) {
        let labels = [id, self.category.as_str()];
        for (family, value) in [
            (&families::RAW, self.sizes.raw.map(Number::from)),
            (&families::USABLE, self.sizes.usable.map(Number::from)),
            (&families::AVAILABLE, self.sizes.available.map(Number::from)),
            (&families::USED, self.sizes.used.map(Number::from)),
            (&families::HIGH_WATERMARK, share(self.high_watermark).map(Number::from)),
            (&families::LOW_WATERMARK, share(self.low_watermark).map(Number::from)),
            (&families::MAX_STREAMS, self.max_streams.map(Number::from)),
            (&families::MEDIA_SERVERS, self.media_servers.map(Number::from)),
        ] {
            put(page, family, &labels, value);
        }
        if !self.state.is_empty() {
            state_set(page, &families::STATE, &labels, STATES, &self.state);
        }
        let (worm_capable, read_only) = (flag(self.worm_capable), flag(self.read_only));
        let info = [id, &self.category, &self.name, &self.server_type, worm_capable, read_only];
        page.gauge(&families::INFO, &info, 1.0);
        for server in &self.storage_servers {
            page.gauge(&families::STORAGE_SERVER, &[id, &self.category, server], 1.0);
        }
        self.render_volumes(page, id);
    }

    fn render_volumes(&self, page: &mut Page, id: &str) {
        let Some(volumes) = &self.volumes else { return };
        let mut by_state: BTreeMap<&str, u64> = VOLUME_STATES.iter().map(|state| (*state, 0)).collect();
        for volume in volumes {
            count(&mut by_state, volume.state.as_str(), 1);
            // One without a name is only counted.
            if volume.name.is_empty() && volume.media_id.is_empty() {
                continue;
            }
            let labels = [id, &self.category, &volume.name, &volume.media_id];
            if !volume.state.is_empty() {
                state_set(page, &families::VOLUME_STATE, &labels, VOLUME_STATES, &volume.state);
            }
            put(page, &families::VOLUME_RAW, &labels, volume.raw);
            put(page, &families::VOLUME_FREE, &labels, volume.free);
        }
        for (state, count) in by_state {
            page.gauge(&families::VOLUMES, &[id, &self.category, state], count);
        }
    }
}
