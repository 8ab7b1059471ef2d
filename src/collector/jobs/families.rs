//! The metric families of the jobs collector.

use crate::exposition::{Family, Kind};

const PAIR: &[&str] = &["site", "job_type", "policy_type"];

/// Unfinished jobs.
pub static JOBS: Family = Family {
    name: "netbackup_jobs",
    kind: Kind::Gauge,
    help: "Unfinished jobs at the last poll by state: QUEUED, ACTIVE, REQUEUED, SUSPENDED, INCOMPLETE.",
    labels: &["site", "job_type", "policy_type", "state"],
};

/// Queued jobs by reason.
pub static QUEUED: Family = Family {
    name: "netbackup_jobs_queued",
    kind: Kind::Gauge,
    help: "Queued jobs at the last poll by the reason that NetBackup gives, such as DRIVES_IN_USE; CODE_<n> for a reason without a name.",
    labels: &["site", "job_type", "reason"],
};

/// Start of the oldest unfinished job.
pub static OLDEST_START: Family = Family {
    name: "netbackup_jobs_oldest_start_timestamp_seconds",
    kind: Kind::Gauge,
    help: "Start of the oldest unfinished job at the last poll, as Unix time of the primary.",
    labels: &["site", "job_type", "state"],
};

/// Finished jobs by outcome.
pub static FINISHED: Family = Family {
    name: "netbackup_jobs_finished_total",
    kind: Kind::Counter,
    help: "Jobs that reached DONE since the first complete poll (of the state directory, where there is one), each counted once with its first status: success (0), partial (1), cancelled (150), failed (any other), unknown (none).",
    labels: &["site", "job_type", "policy_type", "outcome"],
};

/// Finished jobs by status code.
pub static FINISHED_STATUS: Family = Family {
    name: "netbackup_jobs_finished_status_total",
    kind: Kind::Counter,
    help: "Jobs that reached DONE since the first complete poll by NetBackup status code; a code appears with its first job.",
    labels: &["site", "job_type", "status"],
};

/// Image bytes of finished jobs.
pub static IMAGE_BYTES: Family = Family {
    name: "netbackup_jobs_image_bytes_total",
    kind: Kind::Counter,
    help: "Size of the images that finished jobs wrote, as polled, estimated by NetBackup (kilobytesTransferred x 1024); jobs that only orchestrate others are left out.",
    labels: PAIR,
};

/// Transferred bytes of finished jobs.
pub static TRANSFERRED_BYTES: Family = Family {
    name: "netbackup_jobs_transferred_bytes_total",
    kind: Kind::Counter,
    help: "Bytes that finished jobs moved over the wire, as polled (kilobytesDataTransferred x 1024); jobs that only orchestrate others are left out.",
    labels: PAIR,
};

/// Files of finished jobs.
pub static FILES: Family = Family {
    name: "netbackup_jobs_files_total",
    kind: Kind::Counter,
    help: "Files that finished jobs handled, as polled (numberOfFiles); jobs that only orchestrate others are left out.",
    labels: PAIR,
};

/// Durations of finished jobs.
pub static DURATION: Family = Family {
    name: "netbackup_job_duration_seconds",
    kind: Kind::Histogram,
    help: "End minus start of the jobs that finished since the first complete poll.",
    labels: PAIR,
};

/// Jobs of the lookback window.
pub static LOOKBACK_JOBS: Family = Family {
    name: "netbackup_lookback_jobs",
    kind: Kind::Gauge,
    help: "Jobs that ended within netbackup_lookback_seconds before the last poll, by NetBackup status code.",
    labels: &["site", "job_type", "policy_type", "status"],
};

/// Image bytes of the lookback window.
pub static LOOKBACK_IMAGE_BYTES: Family = Family {
    name: "netbackup_lookback_image_bytes",
    kind: Kind::Gauge,
    help: "Image bytes of the jobs of netbackup_lookback_jobs at the last poll (kilobytesTransferred x 1024); jobs that only orchestrate others are left out.",
    labels: PAIR,
};

/// Files of the lookback window.
pub static LOOKBACK_FILES: Family = Family {
    name: "netbackup_lookback_files",
    kind: Kind::Gauge,
    help: "Files of the jobs of netbackup_lookback_jobs at the last poll (numberOfFiles); jobs that only orchestrate others are left out.",
    labels: PAIR,
};

/// Width of the lookback window.
pub static LOOKBACK_SECONDS: Family = Family {
    name: "netbackup_lookback_seconds",
    kind: Kind::Gauge,
    help: "Width of the window of the netbackup_lookback metrics (poll.lookback).",
    labels: &["site"],
};

/// Overlap of two walks.
pub static FEED_OVERLAP: Family = Family {
    name: "netbackup_jobs_feed_overlap_seconds",
    kind: Kind::Gauge,
    help: "How far each poll reads back behind the last one, to catch rows that the primary commits late; it follows how late they are seen to come.",
    labels: &["site"],
};

/// Time without a feed that cannot be made up for.
pub static FEED_GAP: Family = Family {
    name: "netbackup_jobs_feed_gap_seconds_total",
    kind: Kind::Counter,
    help: "Time over which finished jobs may have gone uncounted, because polling was interrupted and the primary no longer lists the jobs of that time.",
    labels: &["site"],
};

/// Every family, in the order of their names.
pub static ALL: [&Family; 15] = [
    &DURATION,
    &JOBS,
    &FEED_GAP,
    &FEED_OVERLAP,
    &FILES,
    &FINISHED_STATUS,
    &FINISHED,
    &IMAGE_BYTES,
    &OLDEST_START,
    &QUEUED,
    &TRANSFERRED_BYTES,
    &LOOKBACK_FILES,
    &LOOKBACK_IMAGE_BYTES,
    &LOOKBACK_JOBS,
    &LOOKBACK_SECONDS,
];
