//! The exporter's own metrics: everything without a `site` label. They live in the process-wide recorder of the
//! `metrics` crate, so that any module can count; the exposition asks for their text and sorts it in.

use std::sync::Arc;
use std::time::SystemTime;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::BUILD;
use super::process::ProcessMetrics;
use crate::clock::unix_seconds;
use crate::exposition::{Family, Kind, OwnMetrics};

const BUILD_INFO: &str = "netbackup_exporter_build_info";
const RELOAD_SUCCESSFUL: &str = "netbackup_exporter_config_last_reload_successful";
const RELOAD_TIMESTAMP: &str = "netbackup_exporter_config_last_reload_success_timestamp_seconds";
const HTTP_REQUESTS: &str = "netbackup_exporter_http_requests_total";
const STATE_SAVE_FAILURES: &str = "netbackup_exporter_state_save_failures_total";
const STATE_SET_ASIDE: &str = "netbackup_exporter_state_set_aside_total";

/// Every family without a `site` label. `netbackup_exporter_series` is counted and appended by the exposition.
pub const OWN_FAMILIES: &[Family] = &[
    Family {
        name: BUILD_INFO,
        kind: Kind::Gauge,
        help: "What the exporter was built from; always 1.",
        labels: &["version", "revision", "rustversion"],
    },
    Family {
        name: RELOAD_SUCCESSFUL,
        kind: Kind::Gauge,
        help: "Whether the last load of the configuration succeeded (1) or the one before it is still used (0).",
        labels: &[],
    },
    Family {
        name: RELOAD_TIMESTAMP,
        kind: Kind::Gauge,
        help: "When the configuration in use was loaded, in seconds since the epoch.",
        labels: &[],
    },
    Family {
        name: HTTP_REQUESTS,
        kind: Kind::Counter,
        help: "Requests answered by the exporter, by path and status.",
        labels: &["handler", "code"],
    },
    Family {
        name: STATE_SAVE_FAILURES,
        kind: Kind::Counter,
        help: "Times that the state directory could not be written.",
        labels: &[],
    },
    Family {
        name: STATE_SET_ASIDE,
        kind: Kind::Counter,
        help: "State files that were damaged or foreign and were set aside.",
        labels: &[],
    },
    Family {
        name: "netbackup_exporter_series",
        kind: Kind::Gauge,
        help: "Number of samples in the whole exposition that holds this one.",
        labels: &[],
    },
    // What client libraries name these; the recorder holds the CPU time as a gauge, because its counters are integers.
    Family {
        name: "process_cpu_seconds_total",
        kind: Kind::Counter,
        help: "Total user and system CPU time spent in seconds.",
        labels: &[],
    },
    Family { name: "process_open_fds", kind: Kind::Gauge, help: "Number of open file descriptors.", labels: &[] },
    Family {
        name: "process_max_fds",
        kind: Kind::Gauge,
        help: "Maximum number of open file descriptors.",
        labels: &[],
    },
    Family {
        name: "process_virtual_memory_bytes",
        kind: Kind::Gauge,
        help: "Virtual memory size in bytes.",
        labels: &[],
    },
    Family {
        name: "process_virtual_memory_max_bytes",
        kind: Kind::Gauge,
        help: "Maximum amount of virtual memory available in bytes.",
        labels: &[],
    },
    Family {
        name: "process_resident_memory_bytes",
        kind: Kind::Gauge,
        help: "Resident memory size in bytes.",
        labels: &[],
    },
    Family {
        name: "process_start_time_seconds",
        kind: Kind::Gauge,
        help: "Start time of the process since unix epoch in seconds.",
        labels: &[],
    },
];

/// The recorder's reading side. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
    process: Arc<ProcessMetrics>,
    installed: SystemTime,
}

impl Recorder {
    /// Installs the recorder of the process. Only the first call can succeed.
    ///
    /// # Errors
    /// Another recorder is installed already.
    pub fn install() -> Result<Recorder, metrics::SetRecorderError<PrometheusRecorder>> {
        let (recorder, reader) = Recorder::local();
        metrics::set_global_recorder(recorder)?;
        Ok(reader)
    }

    /// A recorder for one test: use it with [`metrics::with_local_recorder`].
    #[must_use]
    pub fn local() -> (PrometheusRecorder, Recorder) {
        // Before anything can count.
        let installed = SystemTime::now();
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let process = metrics::with_local_recorder(&recorder, register);
        (recorder, Recorder { handle, process: Arc::new(process), installed })
    }

    /// Since when it counts.
    #[must_use]
    pub fn installed(&self) -> SystemTime {
        self.installed
    }

    /// What the exposition calls: the text of all own families at that moment, in no particular order.
    #[must_use]
    pub fn own_metrics(&self) -> OwnMetrics {
        let Recorder { handle, process, .. } = self.clone();
        Box::new(move || {
            process.refresh();
            handle.render()
        })
    }
}

fn register() -> ProcessMetrics {
    for family in OWN_FAMILIES {
        match family.kind {
            Kind::Counter if family.name != super::process::CPU_SECONDS => describe_counter!(family.name, family.help),
            _ => describe_gauge!(family.name, family.help),
        }
    }
    gauge!(BUILD_INFO, "version" => BUILD.version, "revision" => BUILD.revision, "rustversion" => BUILD.rustversion)
        .set(1.0);
    config_loaded(true);
    counter!(STATE_SAVE_FAILURES).absolute(0);
    counter!(STATE_SET_ASIDE).absolute(0);
    ProcessMetrics::register()
}

/// The configuration was loaded, or could not be and the one before it stays.
pub fn config_loaded(successful: bool) {
    gauge!(RELOAD_SUCCESSFUL).set(f64::from(u8::from(successful)));
    if successful {
        gauge!(RELOAD_TIMESTAMP).set(unix_seconds(SystemTime::now()));
    }
}

/// A request was answered: `handler` is a path of the contract or `other`, `code` the HTTP status.
pub fn http_request(handler: &'static str, code: u16) {
    counter!(HTTP_REQUESTS, "handler" => handler, "code" => code.to_string()).increment(1);
}

/// The state directory could not be written.
pub fn state_save_failed() {
    counter!(STATE_SAVE_FAILURES).increment(1);
}

/// A state file was set aside.
pub fn state_set_aside() {
    counter!(STATE_SET_ASIDE).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, series: &str) -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    #[test]
    fn everything_known_stands_from_the_start() {
        let (_recorder, reader) = Recorder::local();
        let text = reader.own_metrics()();
        let build = format!(
            "{BUILD_INFO}{{version=\"{}\",revision=\"{}\",rustversion=\"{}\"}}",
            BUILD.version, BUILD.revision, BUILD.rustversion
        );
        assert_eq!(value(&text, &build), Some(1.0), "{text}");
        assert_eq!(value(&text, RELOAD_SUCCESSFUL), Some(1.0));
        assert!(value(&text, RELOAD_TIMESTAMP) > Some(1.7e9));
        assert_eq!(value(&text, STATE_SAVE_FAILURES), Some(0.0));
        assert_eq!(value(&text, STATE_SET_ASIDE), Some(0.0));
    }

    #[test]
    fn events_are_counted() {
        let (recorder, reader) = Recorder::local();
        metrics::with_local_recorder(&recorder, || {
            http_request("/metrics", 200);
            http_request("/metrics", 200);
            http_request("other", 404);
            config_loaded(false);
            state_save_failed();
            state_set_aside();
        });
        let text = reader.own_metrics()();
        assert_eq!(value(&text, &format!("{HTTP_REQUESTS}{{handler=\"/metrics\",code=\"200\"}}")), Some(2.0), "{text}");
        assert_eq!(value(&text, &format!("{HTTP_REQUESTS}{{handler=\"other\",code=\"404\"}}")), Some(1.0));
        assert_eq!(value(&text, RELOAD_SUCCESSFUL), Some(0.0));
        assert_eq!(value(&text, STATE_SAVE_FAILURES), Some(1.0));
        assert_eq!(value(&text, STATE_SET_ASIDE), Some(1.0));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn every_listed_family_is_rendered_with_its_help_and_no_other() {
        let (recorder, reader) = Recorder::local();
        metrics::with_local_recorder(&recorder, || http_request("/", 200));
        let text = reader.own_metrics()();
        let mut shown: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        // The exposition counts and appends this one itself.
        shown.push("netbackup_exporter_series");
        shown.sort_unstable();
        let mut listed: Vec<&str> = OWN_FAMILIES.iter().map(|family| family.name).collect();
        listed.sort_unstable();
        assert_eq!(shown, listed);
        for family in OWN_FAMILIES.iter().filter(|family| family.name != "netbackup_exporter_series") {
            assert!(text.contains(&format!("# HELP {} {}\n", family.name, family.help)), "{}", family.name);
        }
    }
}
