//! Storage servers as the API writes them.

use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::FullOffset;
use crate::netbackup::record::{Resource, record};
use crate::netbackup::walk::List;

record! {
    /// A storage server. What a cloud server knows of proxies, buckets and their credentials is skipped.
    pub(crate) struct StorageServer {
        /// Name; unique only among the servers of one type.
        name: text = "name" or "it has no name",
        /// `storageCategory`, such as `MSDP`.
        category: text = "storageCategory",
        /// `sType`, such as `PureDisk`.
        server_type: text = "sType",
        /// Release of the host.
        version: text = "nbuHostVersion",
        /// `UP` or `DOWN`.
        state: text = "storageServerState",
        /// Why the primary could read only a part of it; 0 where it read all.
        status_code: integer = "nbuStatusCode",
        /// Whether data are encrypted.
        encryption: flag = "encryptionEnabled",
        /// Whether keys come from a key management service.
        kms: flag = "kmsEnabled",
        /// Whether images can be locked.
        worm: flag = "isWormSupported",
        /// Accelerator.
        accelerator: flag = "isAcceleratorSupported",
        /// Replication to another domain.
        air: flag = "isAIRSupported",
        /// Snapshots.
        snapshot: flag = "isSnapshotSupported",
        /// Universal shares.
        universal_share: flag = "isUshareSupported",
        /// What only a deduplicating server has.
        msdp: {Msdp} = "msdpAttributes",
    }
}

record! {
    /// `msdpAttributes`.
    pub(crate) struct Msdp {
        /// FIPS mode.
        fips: flag = "fipsEnabled",
        /// The pool.
        pool: {MsdpPool} = "storagePoolDetails",
        /// Size of what is stored, before deduplication.
        catalog_logical: bytes = "catalogLogicalSizeBytes",
        /// Files of that.
        catalog_files: count = "catalogFilesCount",
        /// A percentage by its name, of what is not published: taken as what deduplication saves.
        saved_percent: float = "deduplicationRatioPercentage",
    }
}

record! {
    /// `storagePoolDetails`.
    pub(crate) struct MsdpPool {
        /// Of the disks.
        raw: bytes = "rawSizeBytes",
        /// Kept back.
        reserved: bytes = "reservedSpaceBytes",
        /// Without what is kept back.
        size: bytes = "sizeBytes",
        /// Of that, taken.
        used: bytes = "usedSpaceBytes",
        /// Of that, left.
        available: bytes = "availableSpaceBytes",
    }
}

/// `/storage/storage-servers`.
pub(crate) enum StorageServers {}

impl List for StorageServers {
    type Shape = FullOffset;
    type Row<'a> = Resource<'a, StorageServer<'a>>;
    const ENDPOINT: Endpoint = Endpoint::StorageServers;
    const LARGEST_PAGE: u16 = 100;
    const MOST_PAGES: u64 = 1_000;
}
