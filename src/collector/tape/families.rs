//! Metrics of tape.

use crate::exposition::Family;

/// Cleaning media.
pub static CLEANING_MEDIA: Family = Family::gauge(
    "netbackup_tape_cleaning_media",
    &["site", "media_type", "robot_type", "robot_number"],
    "Cleaning media that can clean at least once more when the media were last read by a poll, 0 included for the type that fits the drives of each robot.",
);

/// Cleanings that are left.
pub static CLEANINGS: Family = Family::gauge(
    "netbackup_tape_cleanings_remaining",
    &["site", "media_type", "robot_type", "robot_number"],
    "How often the cleaning media can clean a drive, added up, when they were last read by a poll.",
);

/// Tape alerts.
pub static ALERT: Family = Family::gauge(
    "netbackup_tape_drive_alert",
    &["site", "drive", "alert"],
    "1 for each tape alert that the drive shows at the last poll; NetBackup reports up to two. Absent where there is none.",
);

/// What a drive is.
pub static INFO: Family = Family::gauge(
    "netbackup_tape_drive_info",
    &["site", "drive", "drive_type", "robot_type", "robot_number", "media_server", "serial_number", "shared"],
    "Properties of the tape drive at the last poll, always 1. media_server is <multiple> where several media servers reach it.",
);

/// When a drive was cleaned.
pub static LAST_CLEANING: Family = Family::gauge(
    "netbackup_tape_drive_last_cleaning_timestamp_seconds",
    &["site", "drive"],
    "When the drive was cleaned last, as polled, in Unix time. Absent where NetBackup reports no time.",
);

/// Whether a drive needs cleaning.
pub static NEEDS_CLEANING: Family = Family::gauge(
    "netbackup_tape_drive_needs_cleaning",
    &["site", "drive"],
    "1 where NetBackup says at the last poll that the drive needs cleaning, else 0.",
);

/// Paths by drive.
pub static DRIVE_PATHS: Family = Family::gauge(
    "netbackup_tape_drive_paths",
    &["site", "drive", "status"],
    "Paths to the drive at the last poll, by path status.",
);

/// Status of a drive.
pub static DRIVE_STATUS: Family = Family::gauge(
    "netbackup_tape_drive_status",
    &["site", "drive", "status"],
    "Status of the drive at the last poll: 1 for the one that is true, 0 for the others.",
);

/// Drives.
pub static DRIVES: Family = Family::gauge(
    "netbackup_tape_drives",
    &["site", "drive_type", "robot_type", "robot_number", "status", "control"],
    "Tape drives at the last poll, by type, robot, status and control mode (what the drive does, such as DRIVE_CONTROL_ACTIVE).",
);

/// Paths by media server.
pub static HOST_PATHS: Family = Family::gauge(
    "netbackup_tape_host_drive_paths",
    &["site", "media_server", "status"],
    "Paths from the media server to tape drives at the last poll, by path status.",
);

/// Media.
pub static MEDIA: Family = Family::gauge(
    "netbackup_tape_media",
    &["site", "pool", "media_type", "robot_type", "robot_number"],
    "Tape media by volume pool, media type and robot when they were last read by a poll; beyond 2,000 such groups pool and media_type are other.",
);

/// Bytes on media.
pub static MEDIA_BYTES: Family = Family::gauge(
    "netbackup_tape_media_bytes",
    &["site", "pool"],
    "Bytes that were written to the media of the volume pool, when a poll last read the media.",
);

/// Media whose data expire.
pub static EXPIRING: Family = Family::gauge(
    "netbackup_tape_media_expiring",
    &["site", "pool", "within"],
    "Assigned media of the volume pool whose data expire within this time after a poll last read the media, by the primary's clock; 0d: have expired. A longer time includes the shorter ones.",
);

/// Media by flag.
pub static FLAGGED: Family = Family::gauge(
    "netbackup_tape_media_flagged",
    &["site", "pool", "robot_type", "robot_number", "flag"],
    "Media that bear this flag of the media status (such as FULL or FROZEN) when they were last read by a poll. A medium may bear several: do not add them up.",
);

/// When the media were read.
pub static MEDIA_READ: Family = Family::gauge(
    "netbackup_tape_media_last_read_timestamp_seconds",
    &["site"],
    "When a poll last read all media, by the exporter's clock, in Unix time: of then is whatever is said of media, scratch media and cleaning media. Up to 10,000 media are read at every poll, more of them once in 6 tape_ttl.",
);

/// Hosts of robots.
pub static DEVICE_HOSTS: Family = Family::gauge(
    "netbackup_tape_robot_device_hosts",
    &["site"],
    "Hosts that robots are configured on at the last poll.",
);

/// Scratch media.
pub static SCRATCH: Family = Family::gauge(
    "netbackup_tape_scratch_media",
    &["site", "pool", "media_type", "robot_type", "robot_number"],
    "Media of the scratch pool that hold nothing and are neither FROZEN nor SUSPENDED when they were last read by a poll. 0 included for each media type that a robot has in any pool (none for media outside of robots): add the pools up before an alert compares with 0.",
);

/// What a volume pool is.
pub static POOL_INFO: Family = Family::gauge(
    "netbackup_tape_volume_pool_info",
    &["site", "pool", "pool_type", "pool_number"],
    "Type and number of the volume pool at the last poll, always 1.",
);

/// Partially full media.
pub static PARTIALLY_FULL: Family = Family::gauge(
    "netbackup_tape_volume_pool_partially_full_media",
    &["site", "pool"],
    "Partially full media of the volume pool, as NetBackup counted them at the last poll.",
);

/// All of them, by name.
pub static ALL: [&Family; 19] = [
    &CLEANING_MEDIA,
    &CLEANINGS,
    &ALERT,
    &INFO,
    &LAST_CLEANING,
    &NEEDS_CLEANING,
    &DRIVE_PATHS,
    &DRIVE_STATUS,
    &DRIVES,
    &HOST_PATHS,
    &MEDIA,
    &MEDIA_BYTES,
    &EXPIRING,
    &FLAGGED,
    &MEDIA_READ,
    &DEVICE_HOSTS,
    &SCRATCH,
    &POOL_INFO,
    &PARTIALLY_FULL,
];
