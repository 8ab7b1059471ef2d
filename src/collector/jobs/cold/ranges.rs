//! The ranges of a first read: what has been read of each, what to do next, and where to cut. Pure.

use crate::collector::jobs::primary::PAGE;
use crate::netbackup::JobsPage;

/// A range with fewer jobs left is not worth a count request and the half-empty page at its end.
const WORTH_CUTTING: u64 = 3 * PAGE as u64;

/// Disjoint ranges of ids that together are what is left to read.
#[derive(Debug)]
pub struct Ranges {
    ranges: Vec<Range>,
    /// Jobs read so far.
    rows: u64,
    /// Jobs to be read, where the primary counts them for us.
    expected: Option<u64>,
    /// The whole span of ids.
    span: u64,
}

/// Ids above `after` and below `below` that are still to be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Range {
    pub after: u64,
    pub below: u64,
    /// Where the next range begins, if this one has been cut: a page that was under way then may reach beyond.
    next: Option<u64>,
    /// How many jobs these are, where that is known.
    left: Option<u64>,
    /// A page of it is being fetched.
    fetching: bool,
    /// It is being counted, to be cut in two.
    cutting: bool,
    /// The last cut found nothing in the upper half: its highest id is asked for first.
    sparse: bool,
    /// A page of it has failed: it is left alone for the rest of this poll.
    given_up: bool,
}

/// What a walker does next.
pub enum Work {
    /// Fetches the next page of a range.
    Fetch(usize),
    /// Counts the lower half of a range, to cut it in two.
    Cut(usize),
    /// Asks for the highest id of a range.
    Tighten(usize),
}

impl Ranges {
    /// One range that is all there is. `expected`: how many jobs it holds, where that is known.
    pub fn new(after: u64, below: u64, expected: Option<u64>) -> Ranges {
        let range = Range { after, below, left: expected, ..Range::default() };
        Ranges { ranges: vec![range], rows: 0, expected, span: range.ids() }
    }

    /// Goes on with a read that failed or was dropped. Returns whether counts may be asked for.
    pub fn resume(&mut self) -> bool {
        for range in &mut self.ranges {
            (range.fetching, range.cutting, range.given_up) = (false, false, false);
        }
        self.expected.is_some()
    }

    /// Jobs read so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// A range as it is now.
    pub fn get(&self, range: usize) -> Option<Range> {
        self.ranges.get(range).copied()
    }

    /// What there is to do for a walker; `None`: nothing, or nothing that is worth it. `counting`: whether counts may be
    /// asked for.
    pub fn next_work(&mut self, counting: bool) -> Option<Work> {
        let idle = |range: &Range| !range.fetching && !range.given_up && !range.is_done();
        if let Some(at) = self.ranges.iter().position(idle) {
            self.at(at)?.fetching = true;
            return Some(Work::Fetch(at));
        }
        let (at, left) = self
            .ranges
            .iter()
            .enumerate()
            .filter(|(_, range)| !range.cutting && !range.given_up && !range.is_done())
            .map(|(at, range)| (at, range.left.unwrap_or_else(|| self.guess(range))))
            .max_by_key(|(_, left)| *left)?;
        let asked = *self.ranges.get(at)?;
        if left < WORTH_CUTTING || asked.middle() <= asked.after.saturating_add(1) {
            return None;
        }
        if counting {
            self.at(at)?.cutting = true;
            return Some(if asked.sparse { Work::Tighten(at) } else { Work::Cut(at) });
        }
        self.cut(at, asked, asked.middle(), None);
        self.next_work(counting)
    }

    fn at(&mut self, range: usize) -> Option<&mut Range> {
        self.ranges.get_mut(range)
    }

    /// How many jobs a range may have left, judging by the ids that have been read.
    fn guess(&self, range: &Range) -> u64 {
        let left: u64 = self.ranges.iter().map(Range::ids).sum();
        let read = self.span.saturating_sub(left);
        match self.rows {
            // Before the first page: one range for each of a few walkers.
            0 if self.ranges.len() < 4 => u64::MAX,
            0 => 0,
            rows => range.ids().saturating_mul(rows) / read.max(1),
        }
    }

    /// A page of the range has come, and all that follows from it is done.
    pub fn fetched(&mut self, range: usize) {
        if let Some(range) = self.at(range) {
            range.fetching = false;
        }
    }

    /// A page of the range has failed.
    pub fn give_up(&mut self, range: usize) {
        if let Some(range) = self.at(range) {
            (range.fetching, range.given_up) = (false, true);
        }
    }

    /// The range could not be counted.
    pub fn release(&mut self, range: usize) {
        if let Some(range) = self.at(range) {
            range.cutting = false;
        }
    }

    /// Cuts a range at `middle`. `lower`: how many jobs were below it when the range was as `asked`.
    pub fn cut(&mut self, at: usize, asked: Range, middle: u64, lower: Option<u64>) {
        let Some(range) = self.at(at) else { return };
        range.cutting = false;
        // Its walker has passed the middle meanwhile, or another cut came first.
        if range.after.saturating_add(1) >= middle || range.below <= middle {
            return;
        }
        let upper = lower.zip(asked.left).map(|(lower, left)| left.saturating_sub(lower));
        if upper == Some(0) {
            range.sparse = true;
            return;
        }
        if lower == Some(0) {
            range.after = range.after.max(middle.saturating_sub(1));
            return;
        }
        let read_since = asked.left.zip(range.left).map(|(then, now)| then.saturating_sub(now));
        let (below, next) = (range.below, range.next);
        let upper = Range { after: middle.saturating_sub(1), below, next, left: upper, ..Range::default() };
        (range.below, range.next) = (middle, Some(middle));
        range.left = lower.zip(read_since).map(|(lower, read)| lower.saturating_sub(read));
        self.ranges.push(upper);
    }

    /// The range holds no id above `highest`; `None`: no id at all.
    pub fn tighten(&mut self, range: usize, highest: Option<u64>) {
        let Some(range) = self.at(range) else { return };
        (range.cutting, range.sparse) = (false, false);
        // None left: whatever there was has been read or is gone.
        let below = highest.map_or(range.after, |highest| highest.saturating_add(1)).max(range.after);
        if below >= range.below {
            // It is as tight as it can be, and its upper half is empty all the same: no more cuts.
            range.left = Some(0);
        }
        range.below = range.below.min(below);
    }

    /// Leaves rows of the next range to it. Returns whether there were any.
    pub fn leave_to_next(&self, at: usize, page: &mut JobsPage<'_>) -> bool {
        let Some(next) = self.ranges.get(at).and_then(|range| range.next) else { return false };
        let rows = page.rows.len();
        page.rows.retain(|row| row.id < next);
        page.rows.len() < rows
    }

    /// A page of a range has come.
    pub fn took(&mut self, at: usize, page: &JobsPage<'_>) {
        let rows = page.rows.len() as u64;
        self.rows = self.rows.saturating_add(rows);
        if let Some(range) = self.at(at) {
            range.after = page.rows.iter().map(|row| row.id).fold(range.after, u64::max);
            range.left = range.left.map(|left| left.saturating_sub(rows));
        }
    }

    /// Nothing is left of the range.
    pub fn finish(&mut self, range: usize) {
        if let Some(range) = self.at(range) {
            // A cut may have made it shorter meanwhile, never longer: everything below `below` has been read.
            range.after = range.below;
        }
    }

    /// How much is done, 0 to 1. Complete is said by the end of the poll, not by a count that jobs have since joined.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn ratio(&self) -> f64 {
        let left: u64 = self.ranges.iter().map(Range::ids).sum();
        let by_ids = 1.0 - left as f64 / self.span.max(1) as f64;
        let ratio = self.expected.map_or(by_ids, |expected| self.rows as f64 / expected.max(1) as f64);
        ratio.clamp(0.0, 0.999)
    }
}

impl Range {
    fn ids(&self) -> u64 {
        self.below.saturating_sub(self.after.saturating_add(1))
    }

    fn is_done(&self) -> bool {
        self.ids() == 0
    }

    /// Where it is cut.
    pub fn middle(&self) -> u64 {
        self.after.saturating_add(self.ids() / 2).saturating_add(1)
    }
}
