//! Reading a file from its first byte to its last, doubting each of them. Knows no paths.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::format::{FRAME_HEAD, Kind, LARGEST_FRAME, LAYOUT, MAGIC, checksum};
use super::{Part, Unreadable, Visit};

/// Bytes that are looked at together when a tail may be all zeros.
const CHUNK: usize = 16 * 1024;

/// What a file held.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Walked {
    /// Where the base ends.
    pub(super) base: u64,
    /// Where the good part ends.
    pub(super) good: u64,
    /// What comes after it.
    pub(super) tail: Tail,
}

/// What comes after the good part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing.
    None,
    /// What a crash leaves of a change that was not acknowledged yet.
    Torn,
    /// Damage; says where and which.
    Damaged(String),
}

/// Why a file cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Flaw {
    #[error("{0}")]
    Contents(String),
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

fn flaw<T>(why: impl Into<String>) -> Result<T, Flaw> {
    Err(Flaw::Contents(why.into()))
}

/// Reads `length` bytes of `input` and hands out every frame that is good up to the first that is not.
///
/// # Errors
/// The header or the base is not as it was written, or not ours, or cannot be read.
pub(super) fn walk<R: Read>(
    input: R,
    length: u64,
    version: u32,
    name: &str,
    visit: &mut Visit<'_>,
) -> Result<Walked, Flaw> {
    let mut reader = Reader { input, length, at: 0, payload: Vec::new() };
    reader.header(version, name)?;
    let mut frames: u64 = 0;
    loop {
        let at = reader.at;
        match reader.frame()? {
            Frame::Good(Kind::Base) => match call(visit, Part::Base, &reader.payload)? {
                Ok(()) => frames = frames.saturating_add(1),
                Err(Unreadable(why)) => return flaw(format!("its base cannot be understood at byte {at}: {why}")),
            },
            Frame::Good(Kind::BaseEnd) if reader.payload == frames.to_le_bytes() => break,
            Frame::Good(_) => return flaw(format!("a part of its base is missing at byte {at}")),
            Frame::Damaged(what) => return flaw(format!("its base is damaged at byte {at}: {what}")),
            Frame::Torn | Frame::End => return flaw(format!("it ends within its base at byte {at}")),
        }
    }
    let base = reader.at;
    loop {
        let good = reader.at;
        let tail = match reader.frame()? {
            Frame::Good(Kind::Change) => match call(visit, Part::Change, &reader.payload)? {
                Ok(()) => continue,
                Err(Unreadable(why)) => Tail::Damaged(format!("a change cannot be understood at byte {good}: {why}")),
            },
            Frame::Good(_) => Tail::Damaged(format!("a second base begins at byte {good}")),
            Frame::Damaged(what) => Tail::Damaged(format!("it is damaged at byte {good}: {what}")),
            Frame::Torn => Tail::Torn,
            Frame::End => Tail::None,
        };
        return Ok(Walked { base, good, tail });
    }
}

/// Hands a frame out. A panic makes the whole file unusable, wherever it happens: nobody knows how much of the frame
/// was taken over by then.
fn call(visit: &mut Visit<'_>, part: Part, payload: &[u8]) -> Result<Result<(), Unreadable>, Flaw> {
    catch_unwind(AssertUnwindSafe(|| visit(part, payload)))
        .or_else(|_| flaw("reading it ran into a defect of the exporter, please report it"))
}

enum Frame {
    /// A whole frame, its payload in the reader.
    Good(Kind),
    /// Nothing more.
    End,
    /// A frame that ends beyond the file, or zeros up to its end.
    Torn,
    /// Anything else.
    Damaged(&'static str),
}

struct Reader<R> {
    input: R,
    length: u64,
    /// Where the next frame begins; stays before a frame that is not good.
    at: u64,
    payload: Vec<u8>,
}

impl<R: Read> Reader<R> {
    fn header(&mut self, version: u32, name: &str) -> Result<(), Flaw> {
        const FIXED: u64 = 17;
        const CHECKSUM: u64 = 4;
        if self.length < FIXED || self.bytes()? != MAGIC {
            return flaw("it is no state file of this exporter");
        }
        let layout = self.number()?;
        if layout != LAYOUT {
            return flaw(format!("its layout has version {layout}, this exporter reads {LAYOUT}"));
        }
        let contents = self.number()?;
        let [name_length] = self.bytes()?;
        let end = FIXED.saturating_add(u64::from(name_length)).saturating_add(CHECKSUM);
        if self.length < end {
            return flaw("it ends within its header");
        }
        let mut found = vec![0; usize::from(name_length)];
        self.input.read_exact(&mut found)?;
        let mut hasher = crc32fast::Hasher::new();
        for part in [&MAGIC[..], &layout.to_le_bytes(), &contents.to_le_bytes(), &[name_length], &found] {
            hasher.update(part);
        }
        if self.number()? != hasher.finalize() {
            return flaw("its header is damaged");
        }
        if found != name.as_bytes() {
            return flaw(format!("it holds {:?} and not {name:?}", String::from_utf8_lossy(&found)));
        }
        if contents != version {
            return flaw(format!("its contents have version {contents}, this exporter reads {version}"));
        }
        self.at = end;
        Ok(())
    }

    fn frame(&mut self) -> io::Result<Frame> {
        let rest = self.length.saturating_sub(self.at);
        if rest == 0 {
            return Ok(Frame::End);
        }
        let Some(rest) = rest.checked_sub(FRAME_HEAD) else { return Ok(Frame::Torn) };
        let (length, complement, sum) = (self.number()?, self.number()?, self.number()?);
        let [kind] = self.bytes()?;
        if (length, complement, sum, kind) == (0, 0, 0, 0) {
            let zeros = self.only_zeros(rest)?;
            return Ok(if zeros { Frame::Torn } else { Frame::Damaged("a hole") });
        }
        if length != !complement {
            return Ok(Frame::Damaged("a length that contradicts itself"));
        }
        let size = match usize::try_from(length) {
            Ok(size) if size <= LARGEST_FRAME => size,
            _ => return Ok(Frame::Damaged("a frame that is too large")),
        };
        if u64::from(length) > rest {
            return Ok(Frame::Torn);
        }
        self.payload.resize(size, 0);
        self.input.read_exact(&mut self.payload)?;
        if checksum(length, kind, &self.payload) != sum {
            return Ok(Frame::Damaged("a wrong checksum"));
        }
        let Some(kind) = Kind::from_byte(kind) else { return Ok(Frame::Damaged("a frame of unknown kind")) };
        self.at = self.at.saturating_add(FRAME_HEAD).saturating_add(u64::from(length));
        Ok(Frame::Good(kind))
    }

    fn only_zeros(&mut self, mut rest: u64) -> io::Result<bool> {
        let mut chunk = vec![0; CHUNK];
        while rest > 0 {
            let size = usize::try_from(rest).map_or(CHUNK, |rest| rest.min(CHUNK));
            chunk.truncate(size);
            self.input.read_exact(&mut chunk)?;
            if chunk.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            rest = rest.saturating_sub(size as u64);
        }
        Ok(true)
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&mut self) -> io::Result<u32> {
        self.bytes().map(u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;
