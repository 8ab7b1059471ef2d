//! The directory and its lock: one process at a time.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{debug, warn};

use super::{Store, disk};

/// The file that is locked. It holds the process id of its owner, for the message that another one gets.
const LOCK: &str = "lock";
/// What the directories of the sites begin with, so that no site's name can be `..` or `lock`.
const SITE_PREFIX: &str = "site-";
/// How often a lock file is taken that is removed under our hands, before that is an error.
const LOCK_ATTEMPTS: u32 = 5;

/// A state directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it, or another part of this one.
    #[error(
        "the state directory {} is in use by {}: stop that one first, or name another directory in [state]",
        path.display(),
        holder(*pid)
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who holds it, if it said so.
        pid: Option<u32>,
    },
    /// It cannot be made, or not be written.
    #[error(
        "the state directory {} cannot be used: is it a directory, and may the exporter's user write in it?",
        path.display()
    )]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// The state directory, held by this process for as long as this value, a clone of it or a store of it lives.
#[derive(Debug, Clone)]
pub struct Directory(Arc<Held>);

#[derive(Debug)]
struct Held {
    path: PathBuf,
    lock: Mutex<File>,
}

enum NoLock {
    Taken(Option<u32>),
    Failed(io::Error),
}

impl From<io::Error> for NoLock {
    fn from(error: io::Error) -> NoLock {
        NoLock::Failed(error)
    }
}

impl Directory {
    /// Makes the directory where it is missing, keeps others out of it and locks it.
    ///
    /// # Errors
    /// [`OpenError::InUse`]: do not start. [`OpenError::Unusable`]: go on without.
    pub fn open(path: &Path) -> Result<Directory, OpenError> {
        match open(path) {
            Ok(lock) => Ok(Directory(Arc::new(Held { path: path.to_owned(), lock: Mutex::new(lock) }))),
            Err(NoLock::Taken(pid)) => Err(OpenError::InUse { path: path.to_owned(), pid }),
            Err(NoLock::Failed(source)) => Err(OpenError::Unusable { path: path.to_owned(), source }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The store `name` of a site. Touches nothing yet. One store of that name at a time: a second one would find that
    /// the file is not as it left it, and write it anew.
    #[must_use]
    pub fn store(&self, site: &str, name: &'static str) -> Store {
        let folder = self.0.path.join(format!("{SITE_PREFIX}{}", as_file_name(site)));
        Store::new(self.clone(), site, folder, name)
    }

    /// Makes the directory again and takes its lock again, should somebody have removed them: another process that
    /// starts now must not take it for free.
    ///
    /// # Errors
    /// It cannot be made, or another process has taken it.
    pub(super) fn hold(&self) -> io::Result<()> {
        disk::make_directory(&self.0.path)?;
        let mut lock = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !disk::names(&self.0.path.join(LOCK), &lock) {
            *lock = take_lock(&self.0.path).map_err(|error| match error {
                NoLock::Taken(pid) => io::Error::other(OpenError::InUse { path: self.0.path.clone(), pid }.to_string()),
                NoLock::Failed(error) => error,
            })?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<File, NoLock> {
    let made = disk::make_directory(path)?;
    let only_ours = made || holds_only_ours(path);
    let lock = take_lock(path)?;
    keep_others_out(path, &lock, only_ours);
    Ok(lock)
}

fn take_lock(directory: &Path) -> Result<File, NoLock> {
    let path = directory.join(LOCK);
    for _ in 0..LOCK_ATTEMPTS {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).mode(disk::FILE_MODE).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NoLock::Taken(pid_in(&file))),
            Err(TryLockError::Error(error)) => warn!(
                directory = %directory.display(), %error,
                "the state directory cannot be locked: make sure that no other exporter uses it"
            ),
        }
        // Between opening and locking it, somebody may have removed it: then the lock is worth nothing.
        if disk::names(&path, &file) {
            if let Err(error) = write_pid(&mut file) {
                // A full disk, most likely. The lock holds all the same, and what was saved can be read.
                debug!(directory = %directory.display(), %error, "the process id cannot be written into the lock file");
            }
            return Ok(file);
        }
    }
    Err(NoLock::Failed(io::Error::other("its lock file vanishes again and again")))
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

fn pid_in(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Whether there is nothing in the directory but what we put there. Only then are its modes ours to change: a lock file
/// alone proves nothing, it would also stand in `/var/lib` after that was named by mistake.
fn holds_only_ours(path: &Path) -> bool {
    let is_ours = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            name == LOCK || name.to_string_lossy().starts_with(SITE_PREFIX)
        })
    };
    fs::read_dir(path).is_ok_and(|mut entries| entries.all(is_ours))
}

fn keep_others_out(path: &Path, lock: &File, only_ours: bool) {
    let Ok(found) = fs::metadata(path) else { return };
    if found.mode() & 0o077 == 0 {
        return;
    }
    // Only the owner of the lock file, which we made, has business here.
    let is_ours = only_ours && lock.metadata().is_ok_and(|lock| lock.uid() == found.uid());
    if is_ours && fs::set_permissions(path, Permissions::from_mode(disk::DIRECTORY_MODE)).is_ok() {
        return;
    }
    warn!(
        directory = %path.display(), mode = format!("{:04o}", found.mode() & 0o7777),
        "other users of this machine have rights in the state directory: take them away with chmod 0700, or name a \
         directory in [state] that is the exporter's own"
    );
}

/// Names of sites are file names already; should that rule ever be loosened, this keeps them so, and apart.
fn as_file_name(site: &str) -> String {
    site.bytes().fold(String::new(), |mut name, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
        name
    })
}

#[cfg(test)]
mod tests;
