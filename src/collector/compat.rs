//! The metrics of the Go exporter (`nbu_*`) from our data, for users who come from there: its names, its labels after
//! `site`, the meanings that its documentation promises. They break the rules for names, so they are off by default and
//! stand in no list of ours. `docs/migration.md` says what each of them means here.
//!
//! A collector writes them beside its own when [`super::Display::go_names`] says so, into the same page, so that both
//! appear and vanish together. What is said of a site itself is in the exposition.

use crate::exposition::{Family, Kind};

const STORAGE_UNIT: &[&str] = &["site", "name", "type"];
const PAIR: &[&str] = &["site", "action", "policy_type"];
const PAIR_STATUS: &[&str] = &["site", "action", "policy_type", "status"];

/// Upper bounds of [`JOB_DURATION`], in seconds: a selection of ours.
pub const DURATION_BUCKETS: [f64; 9] = [60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0];

/// Alerts.
pub static ALERTS: Family =
    Family::gauge("nbu_alerts_count", &["site", "severity", "category"], "Alerts at the last poll.");

/// Catalog images.
pub static CATALOG_IMAGES: Family = Family::gauge(
    "nbu_catalog_images_count",
    &["site", "malware_status", "anomaly_status"],
    "Images of the catalog within the window of the catalog collector, as polled, by malware and anomaly status.",
);

/// Jobs of a client.
pub static CLIENT_JOBS: Family = Family::gauge(
    "nbu_client_jobs_count",
    &["site", "client", "action", "status"],
    "Jobs of the client that ended within the window before the last poll, by NetBackup status code.",
);

/// Last success of a client.
pub static CLIENT_LAST_SUCCESS: Family = Family::gauge(
    "nbu_client_last_job_success_seconds",
    &["site", "client", "policy", "action"],
    "When the last job of the client, policy and job type that succeeded (status 0, or 1 in part) ended, as polled, in Unix time.",
);

/// Last backup of a client.
pub static CLIENT_LAST_BACKUP: Family = Family::gauge(
    "nbu_client_last_successful_backup_timestamp_seconds",
    &["site", "client"],
    "When the last backup of the client that succeeded (status 0, or 1 in part) ended, as polled, in Unix time.",
);

/// Free and used space.
pub static DISK: Family = Family::gauge(
    "nbu_disk_bytes",
    &["site", "name", "type", "size"],
    "Free and used space of the disk pool of the storage unit at the last poll, where both are reported. Units that share a pool repeat it.",
);

/// Capacity.
pub static DISK_CAPACITY: Family = Family::gauge(
    "nbu_disk_capacity_bytes",
    STORAGE_UNIT,
    "Capacity of the disk pool of the storage unit at the last poll. Units that share a pool repeat it.",
);

/// Disk volumes.
pub static DISK_POOL_VOLUMES: Family = Family::gauge(
    "nbu_disk_pool_volume_count",
    &["site", "pool_name", "storage_category", "state"],
    "Disk volumes of the disk pool at the last poll, by state.",
);

/// Durations.
pub static JOB_DURATION: Family = Family {
    name: "nbu_job_duration_seconds",
    kind: Kind::Histogram,
    help: "End minus start of the jobs that finished since the first complete poll.",
    labels: PAIR,
};

/// Bytes.
pub static JOBS_BYTES: Family = Family::gauge(
    "nbu_jobs_bytes",
    PAIR_STATUS,
    "Size of the images that the jobs of nbu_jobs_count wrote, as polled (kilobytesTransferred x 1024); jobs that only orchestrate others are left out.",
);

/// Jobs.
pub static JOBS: Family = Family::gauge(
    "nbu_jobs_count",
    PAIR_STATUS,
    "Jobs that ended within the window (poll.lookback) before the last poll, by NetBackup status code.",
);

/// Deduplication.
pub static JOBS_DEDUP_RATIO: Family = Family::gauge(
    "nbu_jobs_dedup_ratio",
    PAIR,
    "Mean dedupRatio of those jobs of nbu_jobs_count that report one, as polled; jobs that only orchestrate others are left out.",
);

/// Files.
pub static JOBS_FILES: Family = Family::gauge(
    "nbu_jobs_files_count",
    PAIR,
    "Files of the jobs of nbu_jobs_count at the last poll; jobs that only orchestrate others are left out.",
);

/// Queued jobs.
pub static JOBS_QUEUED: Family = Family::gauge(
    "nbu_jobs_queued_count",
    &["site", "action", "reason"],
    "Queued jobs at the last poll, by NetBackup's number of the reason.",
);

/// Jobs by state.
pub static JOBS_STATE: Family = Family::gauge(
    "nbu_jobs_state_count",
    &["site", "action", "state"],
    "Unfinished jobs at the last poll by state, and as DONE those of nbu_jobs_count.",
);

/// Impacted files.
pub static MALWARE_INFECTED: Family = Family::gauge(
    "nbu_malware_files_infected",
    &["site"],
    "Files that the latest malware scans found impacted, as polled.",
);

/// Scanned files.
pub static MALWARE_SCANNED: Family =
    Family::gauge("nbu_malware_files_scanned", &["site"], "Files that the latest malware scans read, as polled.");

/// Malware scans.
pub static MALWARE_SCANS: Family =
    Family::gauge("nbu_malware_scan_count", &["site", "status"], "Latest malware scans at the last poll, by state.");

/// Protection plans.
pub static SLOS: Family = Family::gauge("nbu_slo_count", &["site"], "Protection plans (SLOs) at the last poll.");

/// Jobs by status.
pub static STATUS: Family = Family::gauge(
    "nbu_status_count",
    &["site", "action", "status"],
    "The jobs of nbu_jobs_count, as polled, by job type and NetBackup status code alone; status 0 stands at 0 where none succeeded.",
);

/// What a unit is.
pub static STORAGE_INFO: Family = Family::gauge(
    "nbu_storage_info",
    &[
        "site",
        "name",
        "type",
        "subtype",
        "is_cloud",
        "worm_capable",
        "use_worm",
        "replication_capable",
        "instant_access",
    ],
    "1 for each disk storage unit at the last poll; the labels say what it is.",
);

/// Concurrent jobs.
pub static STORAGE_MAX_JOBS: Family = Family::gauge(
    "nbu_storage_max_concurrent_jobs",
    STORAGE_UNIT,
    "Concurrent jobs that the disk storage unit allows, as polled.",
);

/// Fragment size.
pub static STORAGE_MAX_FRAGMENT: Family = Family::gauge(
    "nbu_storage_max_fragment_size_bytes",
    STORAGE_UNIT,
    "Largest fragment that the disk storage unit writes, as polled.",
);

/// What a drive is.
pub static TAPE_DRIVE_INFO: Family = Family::gauge(
    "nbu_tape_drive_info",
    &["site", "drive_name", "media_server", "drive_type", "robot_number", "status"],
    "1 for each tape drive at the last poll; the labels say what it is.",
);

/// Tape drives.
pub static TAPE_DRIVES: Family = Family::gauge(
    "nbu_tape_drives_count",
    &["site", "drive_type", "robot_type", "status"],
    "Tape drives at the last poll, by NetBackup's own words for type, robot and status.",
);

/// Tape media.
pub static TAPE_MEDIA: Family = Family::gauge(
    "nbu_tape_media_count",
    &["site", "pool", "media_type", "robot_type"],
    "Tape media at the last poll, by volume pool, type and robot.",
);

/// Partially full media.
pub static TAPE_POOL_PARTIALLY_FULL: Family = Family::gauge(
    "nbu_tape_pool_partially_full",
    &["site", "pool_name", "pool_type"],
    "Partially full media of the tape volume pool at the last poll.",
);

/// Robot hosts.
pub static TAPE_ROBOT_HOSTS: Family =
    Family::gauge("nbu_tape_robot_device_hosts", &["site"], "Device hosts with robots at the last poll.");

/// Every family, in the order of their names.
pub static ALL: [&Family; 28] = [
    &ALERTS,
    &CATALOG_IMAGES,
    &CLIENT_JOBS,
    &CLIENT_LAST_SUCCESS,
    &CLIENT_LAST_BACKUP,
    &DISK,
    &DISK_CAPACITY,
    &DISK_POOL_VOLUMES,
    &JOB_DURATION,
    &JOBS_BYTES,
    &JOBS,
    &JOBS_DEDUP_RATIO,
    &JOBS_FILES,
    &JOBS_QUEUED,
    &JOBS_STATE,
    &MALWARE_INFECTED,
    &MALWARE_SCANNED,
    &MALWARE_SCANS,
    &SLOS,
    &STATUS,
    &STORAGE_INFO,
    &STORAGE_MAX_JOBS,
    &STORAGE_MAX_FRAGMENT,
    &TAPE_DRIVE_INFO,
    &TAPE_DRIVES,
    &TAPE_MEDIA,
    &TAPE_POOL_PARTIALLY_FULL,
    &TAPE_ROBOT_HOSTS,
];
