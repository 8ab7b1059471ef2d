//! Logs go to stderr, one line per event, as logfmt or JSON. The level is the exporter's own; what libraries say is
//! never shown below `info`, because their debug lines hold headers, addresses and bytes from the wire.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use super::Traces;
use super::logfmt::Logfmt;
use crate::trace;

/// The form of a log line: `--log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// `ts=… level=info msg="…" key=value`
    #[default]
    Logfmt,
    /// One JSON object per line
    Json,
}

/// Starts logging to stderr. Only the first call of a process can succeed. Returns what can start traces beside it.
///
/// # Errors
/// Logging was started already.
pub fn init(level: LevelFilter, format: LogFormat) -> Result<Traces, SetGlobalDefaultError> {
    let traces = Traces::default();
    tracing::subscriber::set_global_default(subscriber(level, format, io::stderr, &traces))?;
    Ok(traces)
}

fn subscriber<W>(
    level: LevelFilter,
    format: LogFormat,
    writer: W,
    traces: &Traces,
) -> impl tracing::Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::INFO))
        .with_target(env!("CARGO_PKG_NAME"), level)
        // Spans that are only for traces; they would show as fields of every line within.
        .with_target(trace::TARGET, LevelFilter::OFF);
    // Without colours, and silent about a stderr that is gone: the default would panic while saying so.
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).log_internal_errors(false).with_writer(writer);
    let lines = match format {
        LogFormat::Logfmt => lines.fmt_fields(Logfmt).event_format(Logfmt).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    tracing_subscriber::registry().with(traces.layer()).with(lines.with_filter(filter))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, error, info, info_span};

    use super::*;

    /// Collects what is written.
    #[derive(Clone, Default)]
    struct Collected(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Collected {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `body` logs.
    pub fn logged(level: LevelFilter, format: LogFormat, body: impl FnOnce()) -> Vec<String> {
        logged_with(level, format, &Traces::default(), body)
    }

    /// The same beside `traces`.
    pub fn logged_with(level: LevelFilter, format: LogFormat, traces: &Traces, body: impl FnOnce()) -> Vec<String> {
        let collected = Collected::default();
        let writer = collected.clone();
        tracing::subscriber::with_default(subscriber(level, format, move || writer.clone(), traces), body);
        let bytes = collected.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn json_lines_are_objects_with_the_fields_of_the_event() {
        let lines = logged(LevelFilter::INFO, LogFormat::Json, || {
            info_span!("poll", site = "paris").in_scope(|| error!(reason = "tls", attempt = 3, "poll\nfailed"));
        });
        assert_eq!(lines.len(), 1);
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(
            (&line["level"], &line["message"], &line["attempt"]),
            (&"ERROR".into(), &"poll\nfailed".into(), &3.into())
        );
        assert_eq!(line["span"]["site"], "paris");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn the_level_is_ours_and_libraries_stay_at_info() {
        let say = || {
            debug!("ours");
            debug!(target: "hyper::proto", "authorization: secret");
            info!(target: "hyper::proto", "theirs");
        };
        let count = |level| logged(level, LogFormat::Logfmt, say).len();
        assert_eq!(count(LevelFilter::TRACE), 2);
        assert_eq!(count(LevelFilter::INFO), 1);
        assert_eq!(count(LevelFilter::WARN), 0);
        assert_eq!(count(LevelFilter::OFF), 0);
    }

    #[test]
    fn a_level_that_nobody_hears_is_off_everywhere() {
        use tracing::Subscriber;
        for level in [LevelFilter::OFF, LevelFilter::WARN, LevelFilter::TRACE] {
            let subscriber = subscriber(level, LogFormat::Json, io::sink, &Traces::default());
            assert_eq!(subscriber.max_level_hint(), Some(level));
        }
    }

    #[test]
    fn a_stderr_that_is_gone_is_no_panic() {
        struct Gone;
        impl io::Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        for format in [LogFormat::Logfmt, LogFormat::Json] {
            let subscriber = subscriber(LevelFilter::INFO, format, || Gone, &Traces::default());
            tracing::subscriber::with_default(subscriber, || info!("heard by nobody"));
        }
    }
}
