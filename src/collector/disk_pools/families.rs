//! What is shown of disk pools.

use crate::exposition::{Family, Kind};

const POOL: &[&str] = &["site", "disk_pool", "category"];
const VOLUME: &[&str] = &["site", "disk_pool", "category", "volume", "disk_media_id"];

/// A gauge of a pool or of a volume.
const fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Family {
    Family { name, kind: Kind::Gauge, help, labels }
}

/// What the pool is.
pub static INFO: Family = gauge(
    "netbackup_disk_pool_info",
    "1 for each disk pool at the last poll; the labels say what it is. disk_pool is the id that netbackup_storage_unit_info has too.",
    &["site", "disk_pool", "category", "name", "server_type", "worm_capable", "read_only"],
);

/// On which storage servers.
pub static STORAGE_SERVER: Family = gauge(
    "netbackup_disk_pool_storage_server_info",
    "1 for each disk pool and storage server that it is on, at the last poll.",
    &["site", "disk_pool", "category", "storage_server"],
);

/// State.
pub static STATE: Family = gauge(
    "netbackup_disk_pool_state",
    "State of the disk pool at the last poll: UP, DOWN or TRANSIENT; 1 for the one that is true.",
    &["site", "disk_pool", "category", "state"],
);

/// Raw size.
pub static RAW: Family = gauge(
    "netbackup_disk_pool_raw_bytes",
    "Raw size of the disk pool at the last poll. Absent where NetBackup reports none (cloud).",
    POOL,
);

/// Usable size.
pub static USABLE: Family = gauge(
    "netbackup_disk_pool_usable_bytes",
    "What of the raw size of the disk pool can hold data, at the last poll.",
    POOL,
);

/// Available space.
pub static AVAILABLE: Family =
    gauge("netbackup_disk_pool_available_bytes", "Space that is left in the disk pool at the last poll.", POOL);

/// Used space.
pub static USED: Family =
    gauge("netbackup_disk_pool_used_bytes", "Space that is used in the disk pool at the last poll.", POOL);

/// High watermark.
pub static HIGH_WATERMARK: Family = gauge(
    "netbackup_disk_pool_high_watermark_ratio",
    "Share of the disk pool from which on it counts as full, 0 to 1, as polled.",
    POOL,
);

/// Low watermark.
pub static LOW_WATERMARK: Family = gauge(
    "netbackup_disk_pool_low_watermark_ratio",
    "Share of the disk pool down to which it is emptied once it was full, 0 to 1, as polled.",
    POOL,
);

/// Limit of streams.
pub static MAX_STREAMS: Family = gauge(
    "netbackup_disk_pool_max_streams_per_volume",
    "Streams that the disk pool allows to each of its volumes, as polled. Absent where they are not limited.",
    POOL,
);

/// Media servers.
pub static MEDIA_SERVERS: Family =
    gauge("netbackup_disk_pool_media_servers", "Media servers of the disk pool at the last poll.", POOL);

/// Volumes by state.
pub static VOLUMES: Family = gauge(
    "netbackup_disk_pool_volumes",
    "Volumes of the disk pool by state (UP, DOWN or UNKNOWN) at the last poll.",
    &["site", "disk_pool", "category", "state"],
);

/// State of a volume.
pub static VOLUME_STATE: Family = gauge(
    "netbackup_disk_pool_volume_state",
    "State of a volume of the disk pool at the last poll: UP, DOWN or UNKNOWN; 1 for the one that is true.",
    &["site", "disk_pool", "category", "volume", "disk_media_id", "state"],
);

/// Raw size of a volume.
pub static VOLUME_RAW: Family = gauge(
    "netbackup_disk_pool_volume_raw_bytes",
    "Raw size of a volume of the disk pool at the last poll. Absent where NetBackup reports none (cloud).",
    VOLUME,
);

/// Free space of a volume.
pub static VOLUME_FREE: Family = gauge(
    "netbackup_disk_pool_volume_free_bytes",
    "Free space of a volume of the disk pool at the last poll. Absent where NetBackup reports none (cloud).",
    VOLUME,
);

/// All of them, by name.
pub(super) const ALL: &[&Family] = &[
    &AVAILABLE,
    &HIGH_WATERMARK,
    &INFO,
    &LOW_WATERMARK,
    &MAX_STREAMS,
    &MEDIA_SERVERS,
    &RAW,
    &STATE,
    &STORAGE_SERVER,
    &USABLE,
    &USED,
    &VOLUME_FREE,
    &VOLUME_RAW,
    &VOLUME_STATE,
    &VOLUMES,
];
