//! The data series of one snapshot, ready to be copied into answers.

use std::ops::Range;

use crate::exposition::checksum::Checksum;
use crate::exposition::deflate::{Deflater, Piece};
use crate::exposition::family::Family;
use crate::exposition::negotiate::Format;
use crate::exposition::page::Group;
use crate::exposition::series;

/// The data series of one snapshot, rendered and compressed, family by family, ready to be copied into answers.
#[derive(Default)]
pub struct Rendered {
    plain: Box<[u8]>,
    deflated: Box<[u8]>,
    /// Ordered by name of the family.
    blocks: Box<[Block]>,
    series: usize,
}

/// The samples of one family, without the header, which depends on the format.
struct Block {
    family: &'static Family,
    plain: Range<usize>,
    deflated: Range<usize>,
    checksum: Checksum,
}

impl Rendered {
    /// Sorts the series of each group within `text`, and the groups by name.
    pub(super) fn new(text: &[u8], mut groups: Vec<Group>) -> Rendered {
        groups.sort_by_key(|group| group.family.name);
        let line = |at: &Range<usize>| text.get(at.clone()).unwrap_or_default();
        let mut plain = Vec::with_capacity(text.len());
        let mut deflated = Vec::with_capacity(text.len() / 8);
        let mut deflater = Deflater::thorough();
        let blocks = groups
            .iter_mut()
            .map(|group| {
                group.series.sort_unstable_by(|a, b| line(a).cmp(line(b)));
                group.series.dedup_by(|b, a| name_and_labels(line(a)) == name_and_labels(line(b)));
                let start = (plain.len(), deflated.len());
                group.series.iter().for_each(|at| plain.extend_from_slice(line(at)));
                let checksum = deflater.block(plain.get(start.0..).unwrap_or_default(), &mut deflated);
                let (plain, deflated) = (start.0..plain.len(), start.1..deflated.len());
                Block { family: group.family, plain, deflated, checksum }
            })
            .collect();
        let series = series::count(&plain);
        Rendered { plain: plain.into_boxed_slice(), deflated: deflated.into_boxed_slice(), blocks, series }
    }

    /// Number of sample lines.
    #[must_use]
    pub fn series(&self) -> usize {
        self.series
    }

    /// The families and samples as text 0.0.4: what an answer would show of this snapshot alone.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = Vec::new();
        for (family, piece) in self.pieces() {
            family.write_header(&mut out, Format::Text);
            out.extend_from_slice(piece.plain);
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The samples of each family, ordered by its name.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (&'static Family, Piece<'_>)> {
        self.blocks.iter().map(|block| {
            let plain = self.plain.get(block.plain.clone()).unwrap_or_default();
            let deflated = self.deflated.get(block.deflated.clone()).unwrap_or_default();
            (block.family, Piece { plain, deflated, checksum: block.checksum })
        })
    }
}

/// What makes the series that starts with this line another one than the next: all but the value.
fn name_and_labels(lines: &[u8]) -> &[u8] {
    let first = lines.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let end = first.iter().rposition(|byte| *byte == b' ').unwrap_or(first.len());
    first.get(..end).unwrap_or_default()
}

// Written out, because the bytes of thousands of samples help nobody in a log.
impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rendered")
            .field("series", &self.series)
            .field("plain_bytes", &self.plain.len())
            .field("deflated_bytes", &self.deflated.len())
            .finish_non_exhaustive()
    }
}
