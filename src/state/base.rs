//! Writing a base: a stream of frames, never in memory as a whole.

use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Write};

use super::format::{Kind, header, write_frame};
use super::mark;

/// Bytes that are written at a time.
const BUFFER: usize = 64 * 1024;

/// Takes the frames of a base.
pub struct BaseWriter<'a> {
    out: &'a mut dyn Write,
    frames: u64,
    bytes: u64,
    failed: bool,
}

impl<'a> BaseWriter<'a> {
    /// Writes frames behind the header, which stands in `out` already.
    pub(super) fn new(out: &'a mut dyn Write) -> BaseWriter<'a> {
        BaseWriter { out, frames: 0, bytes: 0, failed: false }
    }

    /// Writes a frame of at most [`LARGEST_FRAME`](super::LARGEST_FRAME) bytes.
    ///
    /// # Errors
    /// It is too large, or writing failed. The file cannot be finished then.
    pub fn frame(&mut self, payload: &[u8]) -> io::Result<()> {
        self.write(Kind::Base, payload)?;
        self.frames = self.frames.saturating_add(1);
        Ok(())
    }

    /// Ends the base. Returns the size of all frames.
    ///
    /// # Errors
    /// Writing failed, now or before.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        if self.failed {
            // What the caller thinks of it is no matter: a part is missing.
            return Err(io::Error::other("a part of the state could not be written"));
        }
        let frames = self.frames.to_le_bytes();
        self.write(Kind::BaseEnd, &frames)?;
        Ok(self.bytes)
    }

    fn write(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        let written = write_frame(self.out, kind, payload).inspect_err(|_| self.failed = true)?;
        self.bytes = self.bytes.saturating_add(written);
        Ok(())
    }
}

/// Writes a whole file and brings it to the disk. Returns it with its size.
///
/// # Errors
/// Writing failed, or `write` said so.
pub(super) fn write_base(
    file: File,
    version: u32,
    name: &str,
    write: &mut dyn FnMut(&mut BaseWriter<'_>) -> io::Result<()>,
) -> io::Result<(File, u64)> {
    let mut out = BufWriter::with_capacity(BUFFER, file);
    let header = header(version, name)?;
    out.write_all(&header)?;
    let mut base = BaseWriter::new(&mut out);
    write(&mut base)?;
    let bytes = base.finish()?.saturating_add(header.len() as u64);
    let file = out.into_inner().map_err(IntoInnerError::into_error)?;
    mark::clear(&file);
    file.sync_all()?;
    Ok((file, bytes))
}
