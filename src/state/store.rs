//! One file: written as a whole, then appended to, then written as a whole again.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tracing::debug;

use super::base::{BaseWriter, write_base};
use super::directory::Directory;
use super::format::{Kind, write_frame};
use super::saving::Saving;
use super::{disk, mark};

/// Changes of less than this in all are no reason to write the base again.
const FEW_CHANGES: u64 = 256 * 1024;

/// One file of the state directory and its only writer. Calls block.
#[derive(Debug)]
pub struct Store {
    directory: Directory,
    pub(super) site: String,
    folder: PathBuf,
    name: &'static str,
    pub(super) path: PathBuf,
    pub(super) open: Option<Open>,
    /// What the file holds is not known, or not all of what it should: it has to be written anew.
    pub(super) broken: bool,
    saving: Saving,
}

/// A file that holds a base and changes.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) file: File,
    /// Where the base ends.
    pub(super) base: u64,
    /// Where the next change goes.
    pub(super) end: u64,
}

impl Open {
    /// Checks that this is still the file that a restart would read. Somebody may have removed the directory, or a
    /// second writer may be at work.
    fn check(&self, path: &Path) -> io::Result<()> {
        if !disk::names(path, &self.file) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed or replaced by somebody else"));
        }
        if self.file.metadata()?.len() != self.end {
            return Err(io::Error::other("the file was changed by somebody else"));
        }
        Ok(())
    }
}

impl Store {
    pub(super) fn new(directory: Directory, site: &str, folder: PathBuf, name: &'static str) -> Store {
        let path = folder.join(format!("{name}.state"));
        let (site, saving) = (site.to_owned(), Saving::default());
        Store { directory, site, folder, name, path, open: None, broken: false, saving }
    }

    /// Where the file is, or will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file is said to hold.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Where a file is written before it takes its name.
    pub(super) fn temporary(&self) -> PathBuf {
        self.folder.join(format!("{}.state.tmp", self.name))
    }

    /// Whether the next save has to be, or had better be, a [`rewrite`](Store::rewrite): there is no file yet, the last
    /// save failed, or the changes outweigh the base.
    #[must_use]
    pub fn wants_rewrite(&self) -> bool {
        match &self.open {
            Some(open) if !self.broken => open.end.saturating_sub(open.base) > open.base.max(FEW_CHANGES),
            _ => true,
        }
    }

    /// Whether there is a file that holds what it should. Where not, even a poll that changed nothing has something to save.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.open.is_some() && !self.broken
    }

    /// Says that the file may not hold all that it should: the next save has to be a [`rewrite`](Store::rewrite).
    pub fn distrust(&mut self) {
        self.broken = true;
    }

    /// Writes the whole state anew, as what `write` hands over, and puts it in the place of the file. When this returns
    /// without an error it is on the disk. Until then the old file stands.
    ///
    /// # Errors
    /// Why the state is not saved. It is counted and logged already; the next save has to be a rewrite again.
    pub fn rewrite(
        &mut self,
        version: u32,
        write: &mut dyn FnMut(&mut BaseWriter<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let result = self.try_rewrite(version, write);
        self.saving.ended(&self.site, &self.path, &result);
        result
    }

    /// Adds one change to the file. When this returns without an error it is on the disk.
    ///
    /// # Errors
    /// Why the change is not saved. It is counted and logged already; the next save has to be a
    /// [`rewrite`](Store::rewrite), because a disk that failed once may have lost earlier pages without saying so.
    pub fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        let result = self.try_append(payload);
        self.saving.ended(&self.site, &self.path, &result);
        result
    }

    /// Says that the state as saved was still true at `at`. Writes nothing and waits for no disk; a crash may forget
    /// it. A rewrite forgets it, too. Should the file be gone, [`wants_rewrite`](Store::wants_rewrite)
    /// says so afterwards.
    pub fn touch(&mut self, at: SystemTime) {
        let Some(open) = self.open.as_ref().filter(|_| !self.broken) else { return };
        if let Err(error) = open.check(&self.path) {
            self.broken = true;
            self.saving.ended(&self.site, &self.path, &Err(error));
            return;
        }
        let Some(time) = mark::marked(at) else { return };
        if let Err(error) = mark::set(&open.file, time) {
            debug!(site = self.site, file = %self.path.display(), %error, "the state file's time cannot be set");
        }
    }

    /// When the state as saved was last said to be true, to the millisecond; `None` if nobody has said so since it was
    /// written, if somebody else has changed the file since, if that moment is yet to come, or if the file is broken.
    #[must_use]
    pub fn touched(&self) -> Option<SystemTime> {
        // What was read of a broken file may be less than what was true then.
        let open = self.open.as_ref().filter(|_| !self.broken)?;
        let accessed = open.file.metadata().ok()?.accessed().ok()?;
        mark::moment(accessed, SystemTime::now())
    }

    fn try_rewrite(
        &mut self,
        version: u32,
        write: &mut dyn FnMut(&mut BaseWriter<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        // Until the end: a panic of `write` must not leave a store that looks whole.
        self.broken = true;
        self.directory.hold()?;
        disk::make_directory(&self.folder)?;
        let temporary = self.temporary();
        disk::remove(&temporary)?;
        let written = disk::create_private(&temporary)
            .and_then(|file| write_base(file, version, self.name, write))
            .and_then(|written| fs::rename(&temporary, &self.path).map(|()| written));
        match written {
            Ok((file, size)) => self.open = Some(Open { file, base: size, end: size }),
            Err(error) => {
                // It takes room that may be just what is missing. If this fails, too, the next attempt removes it.
                let _ = disk::remove(&temporary);
                return Err(error);
            }
        }
        disk::sync_directory(&self.folder)?;
        self.broken = false;
        Ok(())
    }

    fn try_append(&mut self, payload: &[u8]) -> io::Result<()> {
        let Some(open) = self.open.as_mut().filter(|_| !self.broken) else {
            return Err(io::Error::other("nothing can be added to it before it is written anew"));
        };
        self.broken = true;
        open.check(&self.path)?;
        let mut frame = Vec::new();
        let size = write_frame(&mut frame, Kind::Change, payload)?;
        // At a place of its own, whatever an earlier attempt has left there.
        let written = open.file.write_all_at(&frame, open.end).and_then(|()| open.file.sync_data());
        if let Err(error) = written {
            // Not acknowledged, so better not read again. If this fails, too, reading finds a torn tail or a whole
            // change that really happened.
            let _ = open.file.set_len(open.end);
            return Err(error);
        }
        open.end = open.end.saturating_add(size);
        self.broken = false;
        Ok(())
    }
}
