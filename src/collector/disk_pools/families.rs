//! What is shown of disk pools.

use crate::exposition::Family;

const POOL: &[&str] = &["site", "disk_pool", "category"];
const VOLUME: &[&str] = &["site", "disk_pool", "category", "volume", "disk_media_id"];

/// What the pool is.
pub static INFO: Family = Family::gauge(
    "netbackup_disk_pool_info",
    &["site", "disk_pool", "category", "name", "server_type", "worm_capable", "read_only"],
    "1 for each disk pool at the last poll; the labels say what it is. disk_pool is the id that netbackup_storage_unit_info has too.",
);

/// On which storage servers.
pub static STORAGE_SERVER: Family = Family::gauge(
    "netbackup_disk_pool_storage_server_info",
    &["site", "disk_pool", "category", "storage_server"],
    "1 for each disk pool and storage server that it is on, at the last poll.",
);

/// State.
pub static STATE: Family = Family::gauge(
    "netbackup_disk_pool_state",
    &["site", "disk_pool", "category", "state"],
    "State of the disk pool at the last poll: UP, DOWN or TRANSIENT; 1 for the one that is true.",
);

/// Raw size.
pub static RAW: Family = Family::gauge(
    "netbackup_disk_pool_raw_bytes",
    POOL,
    "Raw size of the disk pool at the last poll. Absent where NetBackup reports none (cloud).",
);

/// Usable size.
pub static USABLE: Family = Family::gauge(
    "netbackup_disk_pool_usable_bytes",
    POOL,
    "What of the raw size of the disk pool can hold data, at the last poll.",
);

/// Available space.
pub static AVAILABLE: Family =
    Family::gauge("netbackup_disk_pool_available_bytes", POOL, "Space that is left in the disk pool at the last poll.");

/// Used space.
pub static USED: Family =
    Family::gauge("netbackup_disk_pool_used_bytes", POOL, "Space that is used in the disk pool at the last poll.");

/// High watermark.
pub static HIGH_WATERMARK: Family = Family::gauge(
    "netbackup_disk_pool_high_watermark_ratio",
    POOL,
    "Share of the disk pool from which on it counts as full, 0 to 1, as polled.",
);

/// Low watermark.
pub static LOW_WATERMARK: Family = Family::gauge(
    "netbackup_disk_pool_low_watermark_ratio",
    POOL,
    "Share of the disk pool down to which it is emptied once it was full, 0 to 1, as polled.",
);

/// Limit of streams.
pub static MAX_STREAMS: Family = Family::gauge(
    "netbackup_disk_pool_max_streams_per_volume",
    POOL,
    "Streams that the disk pool allows to each of its volumes, as polled. Absent where they are not limited.",
);

/// Media servers.
pub static MEDIA_SERVERS: Family =
    Family::gauge("netbackup_disk_pool_media_servers", POOL, "Media servers of the disk pool at the last poll.");

/// Volumes by state.
pub static VOLUMES: Family = Family::gauge(
    "netbackup_disk_pool_volumes",
    &["site", "disk_pool", "category", "state"],
    "Volumes of the disk pool by state (UP, DOWN or UNKNOWN) at the last poll.",
);

/// State of a volume.
pub static VOLUME_STATE: Family = Family::gauge(
    "netbackup_disk_pool_volume_state",
    &["site", "disk_pool", "category", "volume", "disk_media_id", "state"],
    "State of a volume of the disk pool at the last poll: UP, DOWN or UNKNOWN; 1 for the one that is true.",
);

/// Raw size of a volume.
pub static VOLUME_RAW: Family = Family::gauge(
    "netbackup_disk_pool_volume_raw_bytes",
    VOLUME,
    "Raw size of a volume of the disk pool at the last poll. Absent where NetBackup reports none (cloud).",
);

/// Free space of a volume.
pub static VOLUME_FREE: Family = Family::gauge(
    "netbackup_disk_pool_volume_free_bytes",
    VOLUME,
    "Free space of a volume of the disk pool at the last poll. Absent where NetBackup reports none (cloud).",
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
