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
    blocks: Blocks,
    series: usize,
    /// Only where there are `_created` samples; without them a block is shared by both formats.
    created: Option<Box<Created>>,
}

/// The families with `_created` samples once more, as OpenMetrics shows them.
struct Created {
    blocks: Blocks,
    /// Number of `_created` lines.
    lines: usize,
}

/// Families in both encodings, ordered by name.
#[derive(Default)]
struct Blocks {
    plain: Box<[u8]>,
    deflated: Box<[u8]>,
    blocks: Box<[Block]>,
}

/// The samples of one family, without the header, which depends on the format.
struct Block {
    family: &'static Family,
    plain: Range<usize>,
    deflated: Range<usize>,
    checksum: Checksum,
}

/// The lines of one series, and the `_created` line that follows them where there is one.
pub(super) type SeriesLines<'a> = (&'a [u8], Option<&'a [u8]>);

/// Makes a [`Rendered`], family by family in the order of their names.
pub(super) struct Draft {
    deflater: Deflater,
    blocks: Growing,
    created: Growing,
    created_lines: usize,
}

/// [`Blocks`] that are not complete yet.
#[derive(Default)]
struct Growing {
    plain: Vec<u8>,
    deflated: Vec<u8>,
    blocks: Vec<Block>,
}

impl Rendered {
    /// Sorts the series of each group within `text`, and the groups by name. `created` are the `_created` lines in
    /// rising order, each where the lines of its series end.
    pub(super) fn new(text: &[u8], mut groups: Vec<Group>, created: &[Range<usize>]) -> Rendered {
        groups.sort_by_key(|group| group.family.name);
        let line = |at: &Range<usize>| text.get(at.clone()).unwrap_or_default();
        let created_of = |at: &Range<usize>| {
            let index = created.binary_search_by_key(&at.end, |line| line.start).ok()?;
            Some(line(created.get(index)?))
        };
        let mut draft = Draft::new(text.len());
        for group in &mut groups {
            group.series.sort_unstable_by(|a, b| line(a).cmp(line(b)));
            group.series.dedup_by(|b, a| name_and_labels(line(a)) == name_and_labels(line(b)));
            draft.add(group.family, group.series.iter().map(|at| (line(at), created_of(at))));
        }
        draft.finish()
    }

    /// Number of sample lines, `_created` ones aside.
    #[must_use]
    pub fn series(&self) -> usize {
        self.series
    }

    /// Number of sample lines, with the `_created` ones or without.
    pub(super) fn samples(&self, with_created: bool) -> usize {
        let created = self.created.as_ref().filter(|_| with_created);
        self.series.saturating_add(created.map_or(0, |created| created.lines))
    }

    /// The families and samples as text 0.0.4: what an answer would show of this snapshot alone.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = Vec::new();
        for (family, piece) in self.pieces(false) {
            family.write_header(&mut out, Format::Text);
            out.extend_from_slice(piece.plain);
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The value of a gauge or counter that has one series; `None`: it has none, or more.
    #[must_use]
    pub fn value(&self, family: &Family) -> Option<f64> {
        let mut samples = self.read(family.name);
        let only = samples.next()?;
        samples.next().is_none().then_some(only.value)
    }

    /// The samples of each family, ordered by its name, with the `_created` ones or without.
    pub(super) fn pieces(&self, with_created: bool) -> impl Iterator<Item = (&'static Family, Piece<'_>)> {
        let created = self.created.as_ref().filter(|_| with_created);
        self.blocks.pieces().map(move |(family, piece)| {
            // A handful of families: a search through all of them costs nothing.
            let mut found = created.into_iter().flat_map(|created| created.blocks.pieces());
            found.find(|(other, _)| other.name == family.name).unwrap_or((family, piece))
        })
    }
}

impl Blocks {
    fn pieces(&self) -> impl Iterator<Item = (&'static Family, Piece<'_>)> {
        self.blocks.iter().map(|block| {
            let plain = self.plain.get(block.plain.clone()).unwrap_or_default();
            let deflated = self.deflated.get(block.deflated.clone()).unwrap_or_default();
            (block.family, Piece { plain, deflated, checksum: block.checksum })
        })
    }
}

impl Draft {
    /// `bytes`: about how many will come.
    pub(super) fn new(bytes: usize) -> Draft {
        let blocks =
            Growing { plain: Vec::with_capacity(bytes), deflated: Vec::with_capacity(bytes / 8), blocks: Vec::new() };
        Draft { deflater: Deflater::thorough(), blocks, created: Growing::default(), created_lines: 0 }
    }

    /// Adds the next family; its series are sorted, and there is one at least.
    pub(super) fn add<'a>(&mut self, family: &'static Family, series: impl Iterator<Item = SeriesLines<'a>> + Clone) {
        self.blocks.add(&mut self.deflater, family, series.clone().map(|(lines, _)| lines));
        let created = series.clone().filter(|(_, created)| created.is_some()).count();
        if created > 0 {
            let lines = series.flat_map(|(lines, created)| [lines, created.unwrap_or_default()]);
            self.created.add(&mut self.deflater, family, lines);
            self.created_lines = self.created_lines.saturating_add(created);
        }
    }

    pub(super) fn finish(self) -> Rendered {
        self.deflater.put_back();
        let series = series::count(&self.blocks.plain);
        let created = (self.created_lines > 0)
            .then(|| Box::new(Created { blocks: self.created.finish(), lines: self.created_lines }));
        Rendered { blocks: self.blocks.finish(), series, created }
    }
}

impl Growing {
    fn add<'a>(&mut self, deflater: &mut Deflater, family: &'static Family, lines: impl Iterator<Item = &'a [u8]>) {
        let start = (self.plain.len(), self.deflated.len());
        lines.for_each(|lines| self.plain.extend_from_slice(lines));
        let checksum = deflater.block(self.plain.get(start.0..).unwrap_or_default(), &mut self.deflated);
        let (plain, deflated) = (start.0..self.plain.len(), start.1..self.deflated.len());
        self.blocks.push(Block { family, plain, deflated, checksum });
    }

    fn finish(self) -> Blocks {
        Blocks {
            plain: self.plain.into_boxed_slice(),
            deflated: self.deflated.into_boxed_slice(),
            blocks: self.blocks.into_boxed_slice(),
        }
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
            .field("plain_bytes", &self.blocks.plain.len())
            .field("deflated_bytes", &self.blocks.deflated.len())
            .finish_non_exhaustive()
    }
}
