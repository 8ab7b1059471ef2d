//! Disk pools as the API writes them.

use crate::netbackup::attr::Attr;
use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::FullOffset;
use crate::netbackup::record::{Resource, record};
use crate::netbackup::single::Single;
use crate::netbackup::walk::List;

record! {
    /// A disk pool.
    pub(crate) struct DiskPool {
        /// Name; unique only among the pools of one server type.
        name: text = "name" or "it has no name",
        /// `sType`, such as `PureDisk`.
        server_type: text = "sType",
        /// `storageCategory`, such as `MSDP`.
        category: text = "storageCategory",
        /// `UP`, `DOWN` or `TRANSIENT`.
        state: text = "diskPoolState",
        /// Size of its volumes.
        raw: bytes = "rawSizeBytes",
        /// What of that can hold data.
        usable: bytes = "usableSizeBytes",
        /// What is left.
        available: bytes = "availableSpaceBytes",
        /// What is taken.
        used: bytes = "usedCapacityBytes",
        /// Percent.
        high_watermark: count = "highWaterMark",
        /// Percent.
        low_watermark: count = "lowWaterMark",
        /// Limit of streams.
        streams: {Streams} = "maximumIoStreams",
        /// Servers that write to it.
        media_servers: count = "mediaServersCount",
        /// Whether it can lock images.
        worm_capable: flag = "wormCapable",
        /// Whether nothing is written to it.
        read_only: flag = "readOnly",
        /// Its volumes, each a [`Volume`].
        volumes: value = "diskVolumes",
    }
}

record! {
    /// What the resource of one pool adds where the list leaves it out.
    pub(crate) struct DiskPoolSizes {
        /// See [`DiskPool`].
        raw: bytes = "rawSizeBytes",
        /// See [`DiskPool`].
        usable: bytes = "usableSizeBytes",
        /// See [`DiskPool`].
        available: bytes = "availableSpaceBytes",
        /// See [`DiskPool`].
        used: bytes = "usedCapacityBytes",
        /// See [`DiskPool`].
        volumes: value = "diskVolumes",
    }
}

record! {
    /// `maximumIoStreams`.
    pub(crate) struct Streams {
        /// Whether there is a limit.
        limited: flag = "limitIoStreams",
        /// The limit.
        per_volume: count = "streamsPerVolume",
    }
}

record! {
    /// A volume of a pool.
    pub(crate) struct Volume {
        /// Name within the pool, such as a path or a bucket.
        name: text = "name",
        /// `diskMediaId`, such as `@aaaaf`.
        media_id: text = "diskMediaId",
        /// `UP`, `DOWN` or `UNKNOWN`.
        state: text = "state",
        /// Its size; cloud volumes have none.
        raw: bytes = "rawSizeBytes",
        /// What of it is free; cloud volumes have none.
        free: bytes = "freeSizeBytes",
    }
}

record! {
    /// `relationships`.
    struct Related {
        storage_servers: {References} = "storageServers",
    }
}
record! {
    /// References to other resources.
    struct References {
        data: [Reference] = "data",
    }
}
record! {
    /// A reference to another resource.
    struct Reference {
        id: text = "id" or "it has no id",
    }
}

/// Ids of the storage servers that the pool is on.
pub(crate) fn storage_servers(relationships: Option<Attr<'_>>) -> Vec<String> {
    let servers = relationships.and_then(Attr::record::<Related<'_>>).and_then(|related| related.storage_servers);
    let references = servers.map(|servers| servers.data).unwrap_or_default();
    references.into_iter().map(|reference| reference.id.into_owned()).collect()
}

/// `/storage/disk-pools`.
pub(crate) enum DiskPools {}

impl List for DiskPools {
    type Shape = FullOffset;
    type Row<'a> = Resource<'a, DiskPool<'a>>;
    const ENDPOINT: Endpoint = Endpoint::DiskPools;
    const LARGEST_PAGE: u16 = 500;
    const MOST_PAGES: u64 = 1_000;
}

/// `/storage/disk-pools/{diskPoolId}`.
pub(crate) enum OneDiskPool {}

impl Single for OneDiskPool {
    type Row<'a> = Resource<'a, DiskPoolSizes<'a>>;
    const ENDPOINT: Endpoint = Endpoint::DiskPool;
}
