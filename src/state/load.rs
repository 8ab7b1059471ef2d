//! Reading a store at the start, and what becomes of a file that is not as it was written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind};
use std::path::Path;

use tracing::{debug, error, warn};

use super::read::{Tail, Walked, walk};
use super::store::{Open, Store};
use super::{Loaded, Visit, aside, disk, mark};
use crate::telemetry::recorder;

/// Bytes that are read at a time.
const BUFFER: usize = 64 * 1024;

impl Store {
    /// Reads the file and hands its frames to `visit`, in the order in which they were written: those of the base, then
    /// the changes. Never fails: what cannot be used is set aside, counted and logged.
    ///
    /// A `visit` that refuses a change must leave what it has as it was before that change; it is not called again.
    /// Until this returns, what was visited may have to be discarded. Afterwards changes can be appended, unless
    /// [`wants_rewrite`](Store::wants_rewrite) says otherwise.
    pub fn load(&mut self, version: u32, visit: &mut Visit<'_>) -> Loaded {
        (self.open, self.broken) = (None, false);
        if let Err(error) = disk::remove(&self.temporary()) {
            // Writing will meet it again and say so.
            debug!(site = self.site, file = %self.temporary().display(), %error, "a leftover cannot be removed");
        }
        let (file, length, is_writable) = match open(&self.path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => return Loaded::Nothing,
            Err(error) => return self.set_aside(&format!("it cannot be opened: {error}")),
        };
        // Set again below only if nothing stands in the way of appending.
        self.broken = true;
        let accessed = file.metadata().and_then(|metadata| metadata.accessed());
        let walked = walk(BufReader::with_capacity(BUFFER, &file), length, version, self.name(), visit);
        // Reading may have changed it, and it means something.
        if let Err(error) = accessed.and_then(|time| mark::set(&file, time)) {
            debug!(site = self.site, file = %self.path.display(), %error, "the state file's time cannot be set");
        }
        match walked {
            Ok(walked) => self.take(file, is_writable, walked),
            Err(flaw) => self.set_aside(&flaw.to_string()),
        }
    }

    fn take(&mut self, file: File, is_writable: bool, walked: Walked) -> Loaded {
        let Walked { base, good, tail } = walked;
        let (loaded, is_clean) = match tail {
            Tail::None => (Loaded::Whole, true),
            Tail::Torn => {
                debug!(site = self.site, file = %self.path.display(), good, "a torn tail is cut off");
                (Loaded::Whole, cut(&file, good))
            }
            // Without a copy the file stays as it is, until it is written anew.
            Tail::Damaged(why) => (Loaded::Prefix, self.copy_aside(&why) && cut(&file, good)),
        };
        self.open = Some(Open { file, base, end: good });
        self.broken = !(is_writable && is_clean);
        loaded
    }

    fn set_aside(&mut self, why: &str) -> Loaded {
        self.broken = true;
        let (site, file) = (&self.site, self.path.display());
        // Where it cannot even be moved it is as good as set aside: nobody uses it.
        recorder::state_set_aside();
        match aside::rename(&self.path) {
            Ok(aside) => {
                error!(
                    site, %file, aside = %aside.display(), why,
                    "a state file cannot be used and was set aside: this site starts from a new baseline; look at the \
                     file or delete it"
                );
            }
            Err(error) => error!(
                site, %file, why, %error,
                "a state file can neither be used nor be set aside: this site starts from a new baseline; move the \
                 file away and check the rights in the state directory"
            ),
        }
        Loaded::SetAside
    }

    /// Whether there is a copy.
    fn copy_aside(&self, why: &str) -> bool {
        let (site, file) = (&self.site, self.path.display());
        match aside::copy(&self.path) {
            Ok(aside) => {
                recorder::state_set_aside();
                error!(
                    site, %file, aside = %aside.display(), why,
                    "a state file is damaged: what was saved before the damage is used, what was saved after it is \
                     lost; check the disk, look at the copy or delete it"
                );
                true
            }
            Err(error) => {
                error!(
                    site, %file, why, %error,
                    "a state file is damaged and cannot be copied: what was saved before the damage is used, what was \
                     saved after it is lost; check the disk of the state directory"
                );
                false
            }
        }
    }
}

/// The file, its length and whether it can be written. One that can only be read is still worth reading.
fn open(path: &Path) -> io::Result<(File, u64, bool)> {
    // Opening a pipe would block.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "this is not a regular file"));
    }
    let (file, is_writable) = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            (File::open(path)?, false)
        }
        opened => (opened?, true),
    };
    let length = file.metadata()?.len();
    Ok((file, length, is_writable))
}

/// Whether nothing but the good part is left.
fn cut(file: &File, good: u64) -> bool {
    let result = file.set_len(good).and_then(|()| {
        mark::clear(file);
        file.sync_all()
    });
    if let Err(error) = &result {
        warn!(%error, "the end of a state file cannot be cut off; it will be written anew");
    }
    result.is_ok()
}
