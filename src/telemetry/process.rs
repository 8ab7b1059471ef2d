//! `process_*` as client libraries name them, read from `/proc` when the metrics are rendered. Elsewhere than on Linux
//! they are absent.

/// The one counter among them: fractional, so the recorder can hold it only as a gauge.
pub(super) const CPU_SECONDS: &str = "process_cpu_seconds_total";

#[cfg(target_os = "linux")]
pub use linux::max_open_files;

#[cfg(target_os = "linux")]
pub(super) use linux::ProcessMetrics;

#[cfg(target_os = "linux")]
#[expect(clippy::cast_precision_loss, reason = "a metric is a float: sizes beyond 2^53 may lose their last bits")]
mod linux {
    use metrics::{Gauge, gauge};
    use procfs::process::{LimitValue, Process};

    /// Handles of the gauges, so that refreshing needs no lookup and works with any recorder.
    pub struct ProcessMetrics {
        cpu_seconds: Gauge,
        open_fds: Gauge,
        max_fds: Gauge,
        virtual_bytes: Gauge,
        virtual_max_bytes: Gauge,
        resident_bytes: Gauge,
    }

    impl ProcessMetrics {
        /// Registers all of them with the current recorder.
        pub fn register() -> ProcessMetrics {
            let metrics = ProcessMetrics {
                cpu_seconds: gauge!(super::CPU_SECONDS),
                open_fds: gauge!("process_open_fds"),
                max_fds: gauge!("process_max_fds"),
                virtual_bytes: gauge!("process_virtual_memory_bytes"),
                virtual_max_bytes: gauge!("process_virtual_memory_max_bytes"),
                resident_bytes: gauge!("process_resident_memory_bytes"),
            };
            // Once: the boot time that the kernel reports moves when the clock is set, the start did not.
            if let Some(start) = start_time_seconds() {
                gauge!("process_start_time_seconds").set(start);
            }
            metrics.refresh();
            metrics
        }

        /// Reads `/proc`. What cannot be read keeps its last value.
        pub fn refresh(&self) {
            let Ok(process) = Process::myself() else { return };
            if let Ok(stat) = process.stat() {
                self.cpu_seconds.set(seconds(stat.utime.saturating_add(stat.stime)));
                self.virtual_bytes.set(stat.vsize as f64);
                self.resident_bytes.set(stat.rss.saturating_mul(procfs::page_size()) as f64);
            }
            if let Ok(count) = process.fd_count() {
                self.open_fds.set(count as f64);
            }
            if let Ok(limits) = process.limits() {
                self.max_fds.set(limit(limits.max_open_files.soft_limit));
                self.virtual_max_bytes.set(limit(limits.max_address_space.soft_limit));
            }
        }
    }

    /// How many files this process may have open; `None` where that cannot be read.
    #[must_use]
    pub fn max_open_files() -> Option<usize> {
        match Process::myself().ok()?.limits().ok()?.max_open_files.soft_limit {
            LimitValue::Unlimited => Some(usize::MAX),
            LimitValue::Value(files) => Some(usize::try_from(files).unwrap_or(usize::MAX)),
        }
    }

    fn seconds(ticks: u64) -> f64 {
        ticks as f64 / procfs::ticks_per_second() as f64
    }

    /// No limit is the largest number, as other client libraries show it.
    fn limit(value: LimitValue) -> f64 {
        match value {
            LimitValue::Unlimited => u64::MAX as f64,
            LimitValue::Value(value) => value as f64,
        }
    }

    fn start_time_seconds() -> Option<f64> {
        let stat = Process::myself().ok()?.stat().ok()?;
        Some(procfs::boot_time_secs().ok()? as f64 + seconds(stat.starttime))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_limit_of_open_files_is_known() {
            assert!(max_open_files() > Some(3));
        }

        #[test]
        fn the_start_lies_in_the_past() {
            let now = crate::clock::unix_seconds(std::time::SystemTime::now());
            let start = start_time_seconds().unwrap();
            assert!(start > now - 86_400.0 && start <= now + 2.0, "{start} against {now}");
        }
    }
}

/// How many files this process may have open: not known here.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn max_open_files() -> Option<usize> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) struct ProcessMetrics;

#[cfg(not(target_os = "linux"))]
impl ProcessMetrics {
    pub(super) fn register() -> ProcessMetrics {
        ProcessMetrics
    }

    pub(super) fn refresh(&self) {}
}
