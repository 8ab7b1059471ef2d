//! Tape: drives, media, volume pools and the hosts of robots. Endpoints: `/storage/drives`, `/storage/tape-media`,
//! `/storage/tape-volume-pools`, `/storage/robots-device-hosts`, every page. Releases before 10.4 have the drives alone.

mod drives;
mod families;
mod go_names;
mod kept_media;
mod media;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use self::drives::{Drive, Drives};
use self::families::{DEVICE_HOSTS, MEDIA_READ, PARTIALLY_FULL, POOL_INFO};
use self::kept_media::{KeptMedia, MediaRead};
use super::About;
use super::series::number;
use super::whole::{Reading, Source};
use crate::config;
use crate::exposition::Page;
use crate::netbackup::lists::tape as lists;
use crate::netbackup::{Endpoint, Error, Listing};

/// See [`About`].
pub static ABOUT: About = About {
    name: "tape",
    title: "Tape",
    endpoints: &[Endpoint::Drives, Endpoint::TapeMedia, Endpoint::RobotDeviceHosts, Endpoint::VolumePools],
    releases: "all; media, volume pools and hosts of robots from 10.4 on",
    cardinality: "about ten series per drive; one per media server and path status; one per volume pool, media type and robot, \
                  and one per pool, robot and status flag; never one per medium",
    cost: "a request per 100 drives and per 100 volume pools, and one; a request per 100 media as well, one after the other, of more than 10,000 media only once in 6 `tape_ttl`; not bounded by `timeout`",
    families: &families::ALL,
};

/// Volume pools by name.
type Pools = BTreeMap<String, Pool>;

/// A volume pool.
#[derive(Debug)]
struct Pool {
    number: String,
    pool_type: String,
    /// Partially full media.
    partially_full: Option<u64>,
}

/// What one poll has read; `None`: that part is denied, or not offered by the release.
#[derive(Debug)]
struct Snapshot {
    drives: Option<Drives>,
    pools: Option<Pools>,
    media: Option<Arc<MediaRead>>,
    /// How many hosts robots are configured on.
    device_hosts: Option<usize>,
}

impl Snapshot {
    async fn read(reading: &mut Reading<'_>, kept: &KeptMedia) -> Result<Snapshot, Error> {
        let (mut drives, mut nameless) = (Drives::new(), 0_u64);
        let read = reading
            .list::<lists::Drives>(Listing::ALL, |drive| match &*drive.id {
                "" => nameless = nameless.saturating_add(1),
                // By name, so that a drive that moves between two pages while they are read is there once.
                name => drop(drives.insert(name.to_owned(), Drive::from(&*drive))),
            })
            .await?;
        let drives = read.map(|()| drives);

        let mut hosts = BTreeSet::new();
        let read = reading.list::<lists::DeviceHosts>(Listing::ALL, |host| {
            hosts.insert(host.name.into_owned());
        });
        let device_hosts = read.await?.map(|()| hosts.len());

        let mut pools = Pools::new();
        let read = reading
            .list::<lists::VolumePools>(Listing::ALL, |pool| {
                let (number, pool_type) = (pool.id.clone().into_owned(), pool.pool_type.clone().into_owned());
                let known = Pool { number, pool_type, partially_full: pool.partially_full };
                pools.insert(pool.name.clone().into_owned(), known);
            })
            .await?;
        let pools = read.map(|()| pools);

        reading.reject(nameless, (nameless > 0).then(|| "a drive has no id".to_owned()));
        // Last, because it takes long, and what it counts depends on the pools.
        let media = kept.read(reading, pools.as_ref()).await?;
        Ok(Snapshot { drives, pools, media, device_hosts })
    }

    fn write(&self, page: &mut Page) {
        if let Some(drives) = &self.drives {
            drives::write(drives, page);
        }
        if let Some(hosts) = self.device_hosts {
            page.gauge(&DEVICE_HOSTS, &[], number(u64::try_from(hosts).unwrap_or(u64::MAX)));
        }
        for (name, pool) in self.pools.iter().flatten() {
            page.gauge(&POOL_INFO, &[name, &pool.pool_type, &pool.number], 1.0);
            if let Some(media) = pool.partially_full {
                page.gauge(&PARTIALLY_FULL, &[name], number(media));
            }
        }
        if let Some(read) = &self.media {
            read.media.write(self.drives.as_ref(), page);
            page.gauge(&MEDIA_READ, &[], read.at.unix_seconds());
        }
    }
}

/// The source.
pub struct Tape {
    media: KeptMedia,
}

impl Tape {
    /// Of one site.
    #[must_use]
    pub fn new(site: &config::Site) -> Tape {
        let timing = site.collectors.iter().find(|(spec, _)| spec.name == ABOUT.name);
        Tape { media: KeptMedia::new(timing.map(|(_, timing)| timing.ttl).unwrap_or_default()) }
    }
}

impl Source for Tape {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let snapshot = Snapshot::read(reading, &self.media).await?;
            snapshot.write(&mut reading.page);
            go_names::write(&snapshot, reading);
            Ok(())
        }
        .boxed()
    }

    /// 200,000 media are 2,000 pages, one after the other.
    fn is_bounded(&self) -> bool {
        false
    }
}

/// A number as a label; empty where there is none.
fn robot_number(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}
