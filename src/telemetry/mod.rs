//! What the exporter says about itself: logs, traces, own metrics, the service manager, and the signals that it hears.

pub mod logging;
pub mod recorder;
pub mod signals;
pub mod systemd;

mod logfmt;
#[cfg(not(feature = "otlp"))]
mod no_otlp;
#[cfg(feature = "otlp")]
mod otlp;
mod process;

#[cfg(not(feature = "otlp"))]
pub use no_otlp::Traces;
#[cfg(feature = "otlp")]
pub use otlp::{Sending, Traces};
pub use process::max_open_files;
pub use recorder::{OWN_FAMILIES, Recorder};

/// What this program was built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// Version of the package.
    pub version: &'static str,
    /// Commit, or `unknown`.
    pub revision: &'static str,
    /// Version of the compiler, or `unknown`.
    pub rustversion: &'static str,
}

/// This program.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    revision: env!("BUILD_REVISION"),
    rustversion: env!("BUILD_RUSTVERSION"),
};

/// What `--version` prints after the program's name.
pub const VERSION_TEXT: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("BUILD_REVISION"),
    ", rustc ",
    env!("BUILD_RUSTVERSION"),
    ")"
);
