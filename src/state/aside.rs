//! Where a file goes that cannot be used: beside the good ones, under a name of its own, for somebody to look at.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::disk;

/// So many files of one second are told apart.
const MOST_NAMES: u32 = 1000;

/// Renames `path`. Returns the new name.
///
/// # Errors
/// It stays where it is.
pub(super) fn rename(path: &Path) -> io::Result<PathBuf> {
    let aside = free_name(path, SystemTime::now())?;
    fs::rename(path, &aside)?;
    disk::sync_directory(&disk::parent(path))?;
    Ok(aside)
}

/// Copies `path`. Returns the name of the copy.
///
/// # Errors
/// There is no copy.
pub(super) fn copy(path: &Path) -> io::Result<PathBuf> {
    let aside = free_name(path, SystemTime::now())?;
    let mut from = File::open(path)?;
    let mut to = disk::create_private(&aside)?;
    let copied = io::copy(&mut from, &mut to).and_then(|_| to.sync_all());
    if let Err(error) = copied {
        // Half a copy is worth nothing, and it takes room that may be missing.
        let _ = disk::remove(&aside);
        return Err(error);
    }
    disk::sync_directory(&disk::parent(path))?;
    Ok(aside)
}

/// A name that nobody has. Nobody else makes such names here, because we hold the directory.
fn free_name(path: &Path, now: SystemTime) -> io::Result<PathBuf> {
    let stamp =
        jiff::Timestamp::try_from(now).map_or_else(|_| String::new(), |now| now.strftime("%Y%m%dT%H%M%SZ").to_string());
    let mut name = OsString::from(path);
    name.push(format!(".set-aside-{stamp}"));
    for number in 0..MOST_NAMES {
        let mut candidate = name.clone();
        if number > 0 {
            candidate.push(format!("-{number}"));
        }
        match fs::symlink_metadata(&candidate) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(candidate.into()),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "too many files were set aside already"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_name_tells_when_and_is_never_taken_twice() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobs.state");
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        for expected in ["jobs.state.set-aside-20231114T221320Z", "jobs.state.set-aside-20231114T221320Z-1"] {
            let name = free_name(&path, now).unwrap();
            assert_eq!(name, directory.path().join(expected));
            // A link to nowhere takes a name, too.
            std::os::unix::fs::symlink("nowhere", name).unwrap();
        }
    }
}
