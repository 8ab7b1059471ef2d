//! What survives a restart: opaque frames in files of one directory. Nothing here knows what the frames mean.
//!
//! ```text
//!  Directory::open ─lock─▶ Directory ─store(site, name)─▶ Store ─▶ <directory>/site-<site>/<name>.state
//!                                                                    header, base, end of base, change, change, …
//! ```
//!
//! A whole file is written aside and renamed into place; afterwards each change is appended and synced. A change that
//! was acknowledged is on the disk. Reading verifies every byte and hands out nothing but a prefix of what was written.
//!
//! All calls block on the disk: call them from a thread that may block.

mod aside;
mod base;
mod bytes;
mod directory;
mod disk;
mod format;
mod load;
mod mark;
mod read;
mod saving;
mod store;

#[cfg(test)]
mod tests;

pub use base::BaseWriter;
pub use bytes::{read_bytes, write_bytes};
pub use directory::{Directory, OpenError};
pub use format::LARGEST_FRAME;
pub use store::Store;

/// Which part of a file a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The state as a whole, at the time the file was written.
    Base,
    /// What has changed since, in the order in which it was appended.
    Change,
}

/// A frame arrived as it was written, but whoever reads it cannot make sense of it. Says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub &'static str);

/// What takes the frames of a file. It is not called again once it has refused one.
pub type Visit<'a> = dyn FnMut(Part, &[u8]) -> Result<(), Unreadable> + 'a;

/// What became of reading a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "after `SetAside` what was visited has to be discarded"]
pub enum Loaded {
    /// There is no file yet.
    Nothing,
    /// Everything in the file was visited. At most a change that was never acknowledged is missing.
    Whole,
    /// Everything up to some damage was visited and is good; what came after it is lost.
    Prefix,
    /// The file could not be used. Discard what was visited and begin anew.
    SetAside,
}
