//! Files that are bytes in memory: read and written like those on disk. For tests of what foreign bytes do.

use super::base::BaseWriter;
use super::format::{Kind, header, write_frame};
use super::read::{Tail, walk};
use super::{Loaded, Visit};

/// Reads `bytes` as the file `name` of contents `version`; see [`Store::load`](super::Store::load).
pub fn read_bytes(bytes: &[u8], version: u32, name: &str, visit: &mut Visit<'_>) -> Loaded {
    match walk(bytes, bytes.len() as u64, version, name, visit) {
        Ok(walked) if matches!(walked.tail, Tail::Damaged(_)) => Loaded::Prefix,
        Ok(_) => Loaded::Whole,
        Err(_) => Loaded::SetAside,
    }
}

/// A whole file of these frames.
///
/// # Errors
/// The name or a frame is too long.
pub fn write_bytes(version: u32, name: &str, base: &[&[u8]], changes: &[&[u8]]) -> std::io::Result<Vec<u8>> {
    let mut bytes = header(version, name)?;
    let mut writer = BaseWriter::new(&mut bytes);
    base.iter().try_for_each(|frame| writer.frame(frame))?;
    writer.finish()?;
    for change in changes {
        write_frame(&mut bytes, Kind::Change, change)?;
    }
    Ok(bytes)
}
