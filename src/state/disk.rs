//! The few calls to the file system that every part of the state needs, with modes that keep others out.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Nobody but the owner enters.
pub(super) const DIRECTORY_MODE: u32 = 0o700;
/// Nobody but the owner reads.
pub(super) const FILE_MODE: u32 = 0o600;

/// Makes `path` and its missing parents, each of them on the disk before the next. Returns whether anything was made.
///
/// # Errors
/// It cannot be made, or something else stands there.
pub(super) fn make_directory(path: &Path) -> io::Result<bool> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(false);
    }
    // Without a trailing `.`, which cannot be made.
    let path: PathBuf = path.components().collect();
    let parent = parent(&path);
    make_directory(&parent)?;
    match DirBuilder::new().mode(DIRECTORY_MODE).create(&path) {
        Ok(()) => sync_directory(&parent).map(|()| true),
        // Somebody else was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The directory that holds `path`.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Brings the names in a directory to the disk.
///
/// # Errors
/// The disk refuses.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match File::open(path).and_then(|directory| directory.sync_all()) {
        // A directory that may be written but not listed cannot be opened, and some file systems sync no directories:
        // nothing more can be done there.
        Err(error) if matches!(error.kind(), PermissionDenied | InvalidInput | Unsupported) => {
            tracing::debug!(directory = %path.display(), %error, "a directory cannot be synced");
            Ok(())
        }
        result => result,
    }
}

/// A new file for reading and writing. Never follows a link that somebody has put there.
///
/// # Errors
/// It cannot be made, or something stands there.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Removes a file; one that is not there is fine.
///
/// # Errors
/// It stands there and cannot be removed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether `path` still names the open `file`: somebody may have removed or replaced it.
pub(super) fn names(path: &Path, file: &File) -> bool {
    match (fs::metadata(path), file.metadata()) {
        (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
        _ => false,
    }
}
