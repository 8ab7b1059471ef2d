//! Jobs that run and wait, and how the backups of the window ended.

use std::time::Duration;

use super::{MOST, largest_by, since};
use crate::exposition::Rendered;

/// A dozen types are in common use.
const MOST_TYPES: usize = 12;

/// The jobs now, and those of the window.
pub(in crate::server::page) struct Jobs {
    pub(in crate::server::page) active: f64,
    pub(in crate::server::page) queued: f64,
    /// Requeued, suspended and incomplete ones.
    pub(in crate::server::page) others: Vec<(String, f64)>,
    /// The running ones by job type.
    pub(in crate::server::page) types: Vec<(String, f64)>,
    /// Why jobs are queued, most of them first.
    pub(in crate::server::page) reasons: Vec<(String, f64)>,
    /// For how long the oldest queued one has waited.
    pub(in crate::server::page) oldest_queued: Option<Duration>,
    pub(in crate::server::page) night: Night,
}

/// How the backups ended that ended within the window.
pub(in crate::server::page) struct Night {
    /// How wide the window is.
    pub(in crate::server::page) window: Option<Duration>,
    pub(in crate::server::page) succeeded: f64,
    pub(in crate::server::page) partial: f64,
    pub(in crate::server::page) failed: f64,
    pub(in crate::server::page) cancelled: f64,
    /// Without a status.
    pub(in crate::server::page) unknown: f64,
    /// The status codes of those that failed, most frequent first.
    pub(in crate::server::page) codes: Vec<(String, f64)>,
}

impl Jobs {
    pub(super) fn read(rendered: &Rendered, primary_now: f64) -> Jobs {
        let mut states = largest_by(rendered.read("netbackup_jobs"), "state", MOST);
        let mut take = |state: &str| {
            let at = states.iter().position(|(name, _)| name == state);
            at.map_or(0.0, |at| states.remove(at).1)
        };
        let (active, queued) = (take("ACTIVE"), take("QUEUED"));
        let running = rendered.read("netbackup_jobs").filter(|sample| sample.raw_label("state") == "ACTIVE");
        let starts = rendered.read("netbackup_jobs_oldest_start_timestamp_seconds");
        let oldest = starts.filter(|sample| sample.raw_label("state") == "QUEUED").map(|sample| sample.value);
        Jobs {
            active,
            queued,
            others: states,
            types: largest_by(running, "job_type", MOST_TYPES),
            reasons: largest_by(rendered.read("netbackup_jobs_queued"), "reason", MOST),
            oldest_queued: oldest.reduce(f64::min).map(|then| since(primary_now, then)),
            night: Night::read(rendered),
        }
    }
}

impl Night {
    fn read(rendered: &Rendered) -> Night {
        let backups =
            || rendered.read("netbackup_lookback_jobs").filter(|sample| sample.raw_label("job_type") == "BACKUP");
        let window = rendered.read("netbackup_lookback_seconds").next();
        let window = window.and_then(|sample| Duration::try_from_secs_f64(sample.value).ok());
        let (succeeded, partial, failed, cancelled, unknown) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let mut night = Night { window, succeeded, partial, failed, cancelled, unknown, codes: Vec::new() };
        for sample in backups() {
            *match sample.raw_label("status") {
                "0" => &mut night.succeeded,
                "1" => &mut night.partial,
                "150" => &mut night.cancelled,
                "" => &mut night.unknown,
                _ => &mut night.failed,
            } += sample.value;
        }
        let failed = |status: &str| !matches!(status, "0" | "1" | "150" | "");
        night.codes = largest_by(backups().filter(|sample| failed(sample.raw_label("status"))), "status", MOST);
        night
    }

    pub(in crate::server::page) fn total(&self) -> f64 {
        self.succeeded + self.partial + self.failed + self.cancelled + self.unknown
    }
}
