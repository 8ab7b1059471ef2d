//! Deflate blocks that can be strung together in any order into one gzip member.
//!
//! One member, because clients exist that fail on, or silently drop, a second one. Each block starts from an empty
//! window, so it never refers to bytes before it, and ends with an empty stored block, which aligns it to a byte.

use std::sync::{Mutex, PoisonError};

use flate2::{Compress, Compression, FlushCompress};

use crate::exposition::checksum::Checksum;
use crate::exposition::negotiate::Encoding;

/// Deflate, no name, no time, no extra flags, unknown system: the same bytes for the same content.
pub(super) const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Bytes in both encodings, ready to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) plain: &'a [u8],
    pub(super) deflated: &'a [u8],
    pub(super) checksum: Checksum,
}

impl<'a> Piece<'a> {
    pub(super) fn bytes(self, encoding: Encoding) -> &'a [u8] {
        match encoding {
            Encoding::Identity => self.plain,
            Encoding::Gzip => self.deflated,
        }
    }
}

/// A compressor. Making one costs some 300 KB, and hundreds of snapshots are made in a minute: used ones are kept.
pub(super) struct Deflater {
    compress: Compress,
    spare: &'static Spare,
}

/// Compressors of one level that nobody uses at the moment.
type Spare = Mutex<Vec<Compress>>;

static THOROUGH: Spare = Mutex::new(Vec::new());
static SWIFT: Spare = Mutex::new(Vec::new());

/// More are at work together only when many sites start at once.
const MOST_SPARE: usize = 4;

impl Deflater {
    /// For bytes that are compressed once and served often.
    pub(super) fn thorough() -> Deflater {
        Deflater::new(&THOROUGH, 6)
    }

    /// For bytes that are served for a second: a tenth larger, at a fifth of the time.
    pub(super) fn swift() -> Deflater {
        Deflater::new(&SWIFT, 2)
    }

    fn new(spare: &'static Spare, level: u32) -> Deflater {
        let kept = spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Deflater { compress: kept.unwrap_or_else(|| Compress::new(Compression::new(level), false)), spare }
    }

    /// To be used again. What is dropped instead is only gone.
    pub(super) fn put_back(self) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MOST_SPARE {
            spare.push(self.compress);
        }
    }

    /// Appends `plain` to `out` as a block that others may follow.
    pub(super) fn block(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Checksum {
        self.run(plain, out, FlushCompress::Sync);
        Checksum::of(plain)
    }

    /// Appends `plain` to `out` as the last block of a member whose content before it has the checksum `before`, and
    /// the trailer.
    pub(super) fn last_block(&mut self, before: Checksum, plain: &[u8], out: &mut Vec<u8>) {
        self.run(plain, out, FlushCompress::Finish);
        out.extend_from_slice(&before.append(Checksum::of(plain)).trailer());
    }

    fn run(&mut self, plain: &[u8], out: &mut Vec<u8>, flush: FlushCompress) {
        self.compress.reset();
        let mut rest = plain;
        loop {
            out.reserve(rest.len() / 8 + 64);
            let before = self.compress.total_in();
            #[expect(clippy::expect_used, reason = "deflate refuses no input; it fails only when its state is broken")]
            self.compress.compress_vec(rest, out, flush).expect("the compressor's state is sound");
            let taken = usize::try_from(self.compress.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            // Room left over is how deflate says that it has nothing more to write.
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Read;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What a client makes of a gzip answer; fails on a second member, a wrong CRC or length, and on anything after.
    pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
        let mut rest = bytes;
        let mut plain = Vec::new();
        flate2::bufread::GzDecoder::new(&mut rest).read_to_end(&mut plain).unwrap();
        assert!(rest.is_empty(), "{} bytes after the member", rest.len());
        plain
    }

    proptest! {
        #[test]
        fn blocks_in_any_order_are_one_member(
            blocks in vec("[a-c\\{\\}\"= 0-9]{0,600}", 1..6),
            order in vec(any::<prop::sample::Index>(), 0..12),
            tail in "\\PC{0,200}",
        ) {
            let mut deflater = Deflater::thorough();
            let made: Vec<(Vec<u8>, Checksum)> = blocks
                .iter()
                .map(|block| {
                    let mut out = Vec::new();
                    let checksum = deflater.block(block.as_bytes(), &mut out);
                    (out, checksum)
                })
                .collect();
            let mut member = GZIP_HEADER.to_vec();
            let mut checksum = Checksum::EMPTY;
            let mut plain = String::new();
            for index in order {
                let (deflated, sum) = index.get(&made);
                member.extend_from_slice(deflated);
                checksum = checksum.append(*sum);
                plain.push_str(index.get::<String>(&blocks));
            }
            deflater.last_block(checksum, tail.as_bytes(), &mut member);
            plain.push_str(&tail);
            prop_assert_eq!(gunzip(&member), plain.into_bytes());
        }

        #[test]
        fn incompressible_bytes_need_room(block in vec(any::<u8>(), 0..5_000)) {
            let mut deflater = Deflater::thorough();
            let mut member = GZIP_HEADER.to_vec();
            let checksum = deflater.block(&block, &mut member);
            deflater.last_block(checksum, &block, &mut member);
            prop_assert_eq!(gunzip(&member), block.repeat(2));
        }
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let text = "netbackup_jobs{site=\"paris\"} 1\n".repeat(500);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let mut deflater = Deflater::thorough();
        deflater.block(text.as_bytes(), &mut first);
        deflater.block(text.as_bytes(), &mut second);
        assert_eq!(first, second);
    }

    #[test]
    fn a_used_compressor_makes_the_same_bytes_and_few_are_kept() {
        static SPARE: Spare = Mutex::new(Vec::new());
        let spare = || SPARE.lock().unwrap().len();
        let bytes = |mut deflater: Deflater, text: &str| {
            let mut out = Vec::new();
            deflater.block(text.as_bytes(), &mut out);
            deflater.put_back();
            out
        };
        let first = bytes(Deflater::new(&SPARE, 6), "some text, some text");
        assert_eq!(spare(), 1);
        bytes(Deflater::new(&SPARE, 6), &"another text".repeat(10_000));
        assert_eq!((bytes(Deflater::new(&SPARE, 6), "some text, some text"), spare()), (first, 1));
        let many: Vec<Deflater> = (0..MOST_SPARE * 2).map(|_| Deflater::new(&SPARE, 6)).collect();
        many.into_iter().for_each(Deflater::put_back);
        assert_eq!(spare(), MOST_SPARE);
    }
}
