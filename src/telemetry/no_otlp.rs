//! What stands in for `otlp` in a build without it: nothing listens to traces, so none is made.

use crate::config::Telemetry;

/// What would send traces.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traces(());

impl Traces {
    /// Does nothing; the configuration has warned about that.
    #[must_use]
    pub fn start(self, _: &Telemetry) -> Traces {
        self
    }

    /// Does nothing.
    pub async fn stop(self) {}

    /// No layer.
    pub(super) fn layer(self) -> Option<tracing_subscriber::layer::Identity> {
        None
    }
}
