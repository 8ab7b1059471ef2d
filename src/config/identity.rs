//! Whether a file is still the one that was read, told without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// What differs between two contents of a path: it may have been written to, replaced, or a link on its way turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileIdentity {
    /// Of the file that `metadata` is about; links must have been followed.
    #[must_use]
    pub fn of(metadata: &Metadata) -> FileIdentity {
        FileIdentity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
