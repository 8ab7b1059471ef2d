//! Metrics of tape.

use crate::exposition::{Family, Kind};

const fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Family {
    Family { name, kind: Kind::Gauge, help, labels }
}

/// Cleaning media.
pub static CLEANING_MEDIA: Family = gauge(
    "netbackup_tape_cleaning_media",
    "Cleaning media that can clean at least once more when the media were last read by a poll, 0 included for the type that fits the drives of each robot.",
    &["site", "media_type", "robot_type", "robot_number"],
);

/// Cleanings that are left.
pub static CLEANINGS: Family = gauge(
    "netbackup_tape_cleanings_remaining",
    "How often the cleaning media can clean a drive, added up, when they were last read by a poll.",
    &["site", "media_type", "robot_type", "robot_number"],
);

/// Tape alerts.
pub static ALERT: Family = gauge(
    "netbackup_tape_drive_alert",
    "1 for each tape alert that the drive shows at the last poll; NetBackup reports up to two. Absent where there is none.",
    &["site", "drive", "alert"],
);

/// What a drive is.
pub static INFO: Family = gauge(
    "netbackup_tape_drive_info",
    "Properties of the tape drive at the last poll, always 1. media_server is <multiple> where several media servers reach it.",
    &["site", "drive", "drive_type", "robot_type", "robot_number", "media_server", "serial_number", "shared"],
);

/// When a drive was cleaned.
pub static LAST_CLEANING: Family = gauge(
    "netbackup_tape_drive_last_cleaning_timestamp_seconds",
    "When the drive was cleaned last, as polled, in Unix time. Absent where NetBackup reports no time.",
    &["site", "drive"],
);

/// Whether a drive needs cleaning.
pub static NEEDS_CLEANING: Family = gauge(
    "netbackup_tape_drive_needs_cleaning",
    "1 where NetBackup says at the last poll that the drive needs cleaning, else 0.",
    &["site", "drive"],
);

/// Paths by drive.
pub static DRIVE_PATHS: Family = gauge(
    "netbackup_tape_drive_paths",
    "Paths to the drive at the last poll, by path status.",
    &["site", "drive", "status"],
);

/// Status of a drive.
pub static DRIVE_STATUS: Family = gauge(
    "netbackup_tape_drive_status",
    "Status of the drive at the last poll: 1 for the one that is true, 0 for the others.",
    &["site", "drive", "status"],
);

/// Drives.
pub static DRIVES: Family = gauge(
    "netbackup_tape_drives",
    "Tape drives at the last poll, by type, robot, status and control mode (what the drive does, such as DRIVE_CONTROL_ACTIVE).",
    &["site", "drive_type", "robot_type", "robot_number", "status", "control"],
);

/// Paths by media server.
pub static HOST_PATHS: Family = gauge(
    "netbackup_tape_host_drive_paths",
    "Paths from the media server to tape drives at the last poll, by path status.",
    &["site", "media_server", "status"],
);

/// Media.
pub static MEDIA: Family = gauge(
    "netbackup_tape_media",
    "Tape media by volume pool, media type and robot when they were last read by a poll; beyond 2,000 such groups pool and media_type are other.",
    &["site", "pool", "media_type", "robot_type", "robot_number"],
);

/// Bytes on media.
pub static MEDIA_BYTES: Family = gauge(
    "netbackup_tape_media_bytes",
    "Bytes that were written to the media of the volume pool, when a poll last read the media.",
    &["site", "pool"],
);

/// Media whose data expire.
pub static EXPIRING: Family = gauge(
    "netbackup_tape_media_expiring",
    "Assigned media of the volume pool whose data expire within this time after a poll last read the media, by the primary's clock; 0d: have expired. A longer time includes the shorter ones.",
    &["site", "pool", "within"],
);

/// Media by flag.
pub static FLAGGED: Family = gauge(
    "netbackup_tape_media_flagged",
    "Media that bear this flag of the media status (such as FULL or FROZEN) when they were last read by a poll. A medium may bear several: do not add them up.",
    &["site", "pool", "robot_type", "robot_number", "flag"],
);

/// When the media were read.
pub static MEDIA_READ: Family = gauge(
    "netbackup_tape_media_last_read_timestamp_seconds",
    "When a poll last read all media, by the exporter's clock, in Unix time: of then is whatever is said of media, scratch media and cleaning media. Up to 10,000 media are read at every poll, more of them once in 6 tape_ttl.",
    &["site"],
);

/// Hosts of robots.
pub static DEVICE_HOSTS: Family =
    gauge("netbackup_tape_robot_device_hosts", "Hosts that robots are configured on at the last poll.", &["site"]);

/// Scratch media.
pub static SCRATCH: Family = gauge(
    "netbackup_tape_scratch_media",
    "Media of the scratch pool that hold nothing and are neither FROZEN nor SUSPENDED when they were last read by a poll. 0 included for each media type that a robot has in any pool (none for media outside of robots): add the pools up before an alert compares with 0.",
    &["site", "pool", "media_type", "robot_type", "robot_number"],
);

/// What a volume pool is.
pub static POOL_INFO: Family = gauge(
    "netbackup_tape_volume_pool_info",
    "Type and number of the volume pool at the last poll, always 1.",
    &["site", "pool", "pool_type", "pool_number"],
);

/// Partially full media.
pub static PARTIALLY_FULL: Family = gauge(
    "netbackup_tape_volume_pool_partially_full_media",
    "Partially full media of the volume pool, as NetBackup counted them at the last poll.",
    &["site", "pool"],
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
