//! Counts failures to save, and says them once: at the first of a run, and when it works again.

use std::io::{self, ErrorKind};
use std::path::Path;

use tracing::{debug, error, info};

use crate::telemetry::recorder;

/// Whether the last attempts to save failed.
#[derive(Debug, Default)]
pub(super) struct Saving {
    failing: bool,
}

impl Saving {
    /// Notes how an attempt to save the file ended.
    pub(super) fn ended(&mut self, site: &str, file: &Path, result: &io::Result<()>) {
        let file = file.display();
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    info!(site, %file, "state is saved again");
                }
            }
            Err(reason) => {
                recorder::state_save_failed();
                if std::mem::replace(&mut self.failing, true) {
                    debug!(site, %file, %reason, "saving state failed again");
                } else {
                    let remedy = remedy(reason.kind());
                    error!(
                        site, %file, %reason,
                        "saving state failed, polling goes on, but a restart would lose what is not saved: {remedy}"
                    );
                }
            }
        }
    }
}

fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on the disk of the state directory",
        ErrorKind::PermissionDenied => "give the exporter's user the right to write in the state directory",
        ErrorKind::ReadOnlyFilesystem => "make the file system of the state directory writable",
        _ => "it is tried again with the next poll; if this goes on, look at the state directory and its disk",
    }
}
