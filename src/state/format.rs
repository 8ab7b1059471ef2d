//! What a file looks like, and how it is written.
//!
//! Numbers are little-endian.
//!
//! | part | bytes |
//! |---|---|
//! | header | magic (8), layout version (4), contents version (4), length of the name (1), name, CRC32 (4) |
//! | frame | length of the payload (4), its complement (4), CRC32 of length, kind and payload (4), kind (1), payload |
//!
//! Frames of the base come first, then one that ends the base and holds their number (8), then the changes. The
//! complement tells a length that was damaged from one that is right but whose payload was cut off: without it a single
//! wrong bit could pass for a torn tail, and every change after it would be dropped without a word.

use std::io::{self, Write};

/// What every file begins with.
pub(super) const MAGIC: [u8; 8] = *b"NBX\x93STA\n";
/// Version of the layout described above.
pub(super) const LAYOUT: u32 = 1;
/// The largest payload of a frame, so that reading needs little memory whatever a file says.
pub const LARGEST_FRAME: usize = 16 * 1024 * 1024;
/// Bytes of a frame before its payload.
pub(super) const FRAME_HEAD: u64 = 13;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Base,
    BaseEnd,
    Change,
}

impl Kind {
    /// As it is written. Not 0, which is what lost pages are full of.
    pub(super) fn byte(self) -> u8 {
        match self {
            Kind::Base => 1,
            Kind::BaseEnd => 2,
            Kind::Change => 3,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Kind> {
        [Kind::Base, Kind::BaseEnd, Kind::Change].into_iter().find(|kind| kind.byte() == byte)
    }
}

/// The checksum of a frame.
pub(super) fn checksum(length: u32, kind: u8, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&[kind]);
    hasher.update(payload);
    hasher.finalize()
}

/// The header of a file.
///
/// # Errors
/// The name is too long.
pub(super) fn header(version: u32, name: &str) -> io::Result<Vec<u8>> {
    let length =
        u8::try_from(name.len()).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the name is too long"))?;
    let mut header = [&MAGIC[..], &LAYOUT.to_le_bytes(), &version.to_le_bytes(), &[length], name.as_bytes()].concat();
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    Ok(header)
}

/// Writes one frame and returns its size.
///
/// # Errors
/// The payload is larger than [`LARGEST_FRAME`], or writing failed.
pub(super) fn write_frame(out: &mut dyn Write, kind: Kind, payload: &[u8]) -> io::Result<u64> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= LARGEST_FRAME)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a frame is larger than 16 MiB"))?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&(!length).to_le_bytes())?;
    out.write_all(&checksum(length, kind.byte(), payload).to_le_bytes())?;
    out.write_all(&[kind.byte()])?;
    out.write_all(payload)?;
    Ok(FRAME_HEAD.saturating_add(u64::from(length)))
}
