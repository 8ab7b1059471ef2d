//! The first read of ended jobs: disjoint ranges of ids, walked side by side. An id is immutable, so no job can be missed
//! or met in two ranges, whatever happens meanwhile. A range is cut in two where a walker has nothing to do, with the
//! help of a count request, and each knows how far it has come: after a failure the read goes on from there.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep};

use super::pace::Pace;
use super::primary::{Ended, PAGE, Primary, Query, ends_the_poll};
use crate::netbackup::JobsPage;
use crate::reason::{Failure, Reason};

/// A range with fewer jobs left is not worth a count request and the half-empty page at its end.
const WORTH_CUTTING: u64 = 3 * PAGE as u64;
/// A page that fails is asked for again so often within one poll, while others succeed.
const MOST_RETRIES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A read under way.
#[derive(Debug)]
pub struct ColdRead {
    /// The primary's clock when it began: what ends later is counted.
    pub began_ms: i64,
    /// The newest stamp when it began: whatever changes during the read is stamped later and is followed.
    pub newest_ms: Option<i64>,
    /// Jobs read so far.
    pub rows: u64,
    /// Earliest end that is read, and the end before which it stops, where that is bounded.
    ends: (i64, Option<i64>),
    /// Jobs to be read, where the primary counts them for us.
    expected: Option<u64>,
    ranges: Vec<Range>,
    /// The whole span of ids.
    span: u64,
}

/// Ids above `after` and below `below` that are still to be read.
#[derive(Debug, Clone, Copy, Default)]
struct Range {
    after: u64,
    below: u64,
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
    /// Failures in a row.
    failures: u32,
}

/// What a walker does next.
enum Work {
    Fetch(usize),
    Cut(usize),
    Tighten(usize),
}

/// What a walker has done.
enum Done {
    Fetched(usize, Result<(), Failure>, Duration),
    /// How many jobs are below the middle, of those that were left when it was asked.
    Counted {
        range: usize,
        asked: Range,
        middle: u64,
        answer: Result<u64, Failure>,
    },
    Highest(usize, Result<Option<u64>, Failure>),
}

/// Takes the rows of each page.
pub type Take<'a> = dyn FnMut(&JobsPage<'_>, f64) + Send + 'a;

struct Shared<'a, 'b> {
    cold: &'a mut ColdRead,
    take: &'a mut Take<'b>,
}

impl ColdRead {
    /// Finds out what there is to read: jobs that ended within `ends`. It is `began_ms` by the primary's clock.
    ///
    /// # Errors
    /// What the primary says; a refused count only makes the read less well planned.
    pub async fn plan<P: Primary>(primary: &P, ends: (i64, Option<i64>), began_ms: i64) -> Result<ColdRead, Failure> {
        let all = Ended { from_ms: ends.0, to_ms: ends.1, ..Ended::default() };
        let (mut first, mut last) = (None, None);
        let mut to_first = |page: JobsPage<'_>| first = page.rows.first().map(|row| row.id);
        let mut to_last = |page: JobsPage<'_>| last = highest_of(&page);
        let (ascending, descending) = (Query::Ended(all), Query::EndedLastId(all));
        let (counted, lowest, highest) = tokio::join!(
            primary.count(Some(&all)),
            primary.page(&ascending, 1, &mut to_first),
            primary.page(&descending, 1, &mut to_last),
        );
        lowest.and(highest)?;
        let expected = match counted {
            Ok(count) => Some(count),
            Err(failure) if ends_the_poll(failure.reason) => return Err(failure),
            Err(_) => None,
        };
        let below = last.map_or(0, |last| last.saturating_add(1));
        let after = first.map_or(0, |first| first.saturating_sub(1));
        let range = Range { after, below, left: expected, ..Range::default() };
        Ok(ColdRead { began_ms, newest_ms: None, rows: 0, ends, expected, ranges: vec![range], span: range.ids() })
    }

    /// Reads on with at most `walkers` requests at a time. Whatever it returns, and when it is dropped, what has been
    /// read stays read.
    ///
    /// # Errors
    /// What the primary says when a page cannot be had; the other ranges have been read then, unless the failure
    /// concerns the primary as a whole.
    pub async fn read<P: Primary>(&mut self, primary: &P, walkers: usize, take: &mut Take<'_>) -> Result<(), Failure> {
        for range in &mut self.ranges {
            (range.fetching, range.cutting, range.failures) = (false, false, 0);
        }
        let mut counting = self.expected.is_some();
        let mut pace = Pace::new(walkers);
        let (mut has_succeeded, mut given_up) = (false, None);
        let shared = Mutex::new(Shared { cold: self, take });
        let mut running: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
        loop {
            while running.len() < pace.walkers() {
                let Some(work) = lock(&shared).cold.next_work(counting) else { break };
                running.push(start(primary, &shared, work));
            }
            let Some(done) = running.next().await else { break };
            let failure = match done {
                Done::Fetched(range, Ok(()), took) => {
                    has_succeeded = true;
                    pace.went_well(took);
                    lock(&shared).cold.fetched(range);
                    continue;
                }
                Done::Fetched(range, Err(failure), _) => {
                    pace.went_badly();
                    let again = has_succeeded && may_pass(&failure);
                    match lock(&shared).cold.failed(range) {
                        _ if !again => return Err(failure),
                        failures if failures <= MOST_RETRIES => continue,
                        _ => failure,
                    }
                }
                Done::Counted { range, asked, middle, answer: Ok(lower) } => {
                    lock(&shared).cold.cut(range, asked, middle, Some(lower));
                    continue;
                }
                Done::Highest(range, Ok(highest)) => {
                    lock(&shared).cold.tighten(range, highest);
                    continue;
                }
                Done::Counted { range, answer: Err(failure), .. } | Done::Highest(range, Err(failure)) => {
                    lock(&shared).cold.release(range);
                    // Ranges can be cut without counts, only less evenly.
                    counting = false;
                    if !ends_the_poll(failure.reason) {
                        continue;
                    }
                    failure
                }
            };
            given_up.get_or_insert(failure);
        }
        drop(running);
        given_up.map_or(Ok(()), Err)
    }

    fn next_work(&mut self, counting: bool) -> Option<Work> {
        let idle = |range: &Range| !range.fetching && range.failures <= MOST_RETRIES && !range.is_done();
        if let Some(at) = self.ranges.iter().position(idle) {
            self.at(at)?.fetching = true;
            return Some(Work::Fetch(at));
        }
        let (at, left) = self
            .ranges
            .iter()
            .enumerate()
            .filter(|(_, range)| !range.cutting && range.failures == 0 && !range.is_done())
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

    fn fetched(&mut self, range: usize) {
        if let Some(range) = self.at(range) {
            (range.fetching, range.failures) = (false, 0);
        }
    }

    /// Returns how often the range has failed in a row.
    fn failed(&mut self, range: usize) -> u32 {
        self.at(range).map_or(u32::MAX, |range| {
            range.fetching = false;
            range.failures = range.failures.saturating_add(1);
            range.failures
        })
    }

    fn release(&mut self, range: usize) {
        if let Some(range) = self.at(range) {
            range.cutting = false;
        }
    }

    /// Cuts a range at `middle`. `lower`: how many jobs were below it when the range was as `asked`.
    fn cut(&mut self, at: usize, asked: Range, middle: u64, lower: Option<u64>) {
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

    fn tighten(&mut self, range: usize, highest: Option<u64>) {
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
    fn leave_to_next(&self, at: usize, page: &mut JobsPage<'_>) -> bool {
        let Some(next) = self.ranges.get(at).and_then(|range| range.next) else { return false };
        let rows = page.rows.len();
        page.rows.retain(|row| row.id < next);
        page.rows.len() < rows
    }

    /// A page of a range has come.
    fn took(&mut self, at: usize, page: &JobsPage<'_>) {
        let rows = page.rows.len() as u64;
        self.rows = self.rows.saturating_add(rows);
        if let Some(range) = self.at(at) {
            range.after = page.rows.iter().map(|row| row.id).fold(range.after, u64::max);
            range.left = range.left.map(|left| left.saturating_sub(rows));
        }
    }

    fn finish(&mut self, range: usize) {
        if let Some(range) = self.at(range) {
            // A cut may have made it shorter meanwhile, never longer: everything below `below` has been read.
            range.after = range.below;
        }
    }

    fn query(&self, at: usize) -> Option<Ended> {
        let range = self.ranges.get(at)?;
        Some(self.ended(range.after, range.below))
    }

    fn ended(&self, after: u64, below: u64) -> Ended {
        Ended { from_ms: self.ends.0, to_ms: self.ends.1, after, below: Some(below), status: None }
    }

    /// How much is done, 0 to 1. Complete is said by the end of the poll, not by a count that jobs have since joined.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    fn ratio(&self) -> f64 {
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

    fn middle(&self) -> u64 {
        self.after.saturating_add(self.ids() / 2).saturating_add(1)
    }
}

fn lock<'s, 'a, 'b>(shared: &'s Mutex<Shared<'a, 'b>>) -> std::sync::MutexGuard<'s, Shared<'a, 'b>> {
    // Walkers are futures of one task: nobody waits here, and nothing is left half done.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The id of the one row of a page, none where there is no row. A row whose id cannot be read may have any.
fn highest_of(page: &JobsPage<'_>) -> Option<u64> {
    let unreadable = (page.rejected > 0).then_some(u64::MAX);
    page.rows.first().map(|row| row.id).or(unreadable)
}

/// Whether the same request may succeed a little later.
fn may_pass(failure: &Failure) -> bool {
    matches!(failure.reason, Reason::Http | Reason::Timeout | Reason::Connect)
}

fn start<'f, P: Primary>(primary: &'f P, shared: &'f Mutex<Shared<'_, '_>>, work: Work) -> BoxFuture<'f, Done> {
    Box::pin(async move {
        match work {
            Work::Fetch(range) => {
                let failures = lock(shared).cold.ranges.get(range).map_or(0, |range| range.failures);
                if failures > 0 {
                    sleep(FIRST_PAUSE.saturating_mul(failures).mul_f64(0.75 + 0.5 * fastrand::f64())).await;
                }
                let sent = Instant::now();
                let fetched = fetch(primary, shared, range).await;
                Done::Fetched(range, fetched, sent.elapsed())
            }
            Work::Cut(range) => {
                let (asked, query, middle) = {
                    let cold = &lock(shared).cold;
                    let asked = cold.ranges.get(range).copied().unwrap_or_default();
                    (asked, cold.ended(asked.after, asked.middle()), asked.middle())
                };
                Done::Counted { range, asked, middle, answer: primary.count(Some(&query)).await }
            }
            Work::Tighten(range) => {
                let query = lock(shared).cold.query(range).unwrap_or_default();
                let mut highest = None;
                let mut visit = |page: JobsPage<'_>| highest = highest_of(&page);
                let answer = primary.page(&Query::EndedLastId(query), 1, &mut visit).await;
                Done::Highest(range, answer.map(|_| highest))
            }
        }
    })
}

/// Fetches the next page of a range.
async fn fetch<P: Primary>(primary: &P, shared: &Mutex<Shared<'_, '_>>, range: usize) -> Result<(), Failure> {
    let Some(ended) = lock(shared).cold.query(range) else { return Ok(()) };
    let mut visit = |mut page: JobsPage<'_>| {
        let shared = &mut *lock(shared);
        let is_through = shared.cold.leave_to_next(range, &mut page);
        shared.cold.took(range, &page);
        if is_through {
            shared.cold.finish(range);
        }
        (shared.take)(&page, shared.cold.ratio());
    };
    let query = Query::Ended(ended);
    let more = primary.page(&query, PAGE, &mut visit).await?;
    let moves = lock(shared).cold.ranges.get(range).is_some_and(|range| range.after > ended.after);
    if more && !moves {
        // A whole page of rows without a usable id: only the primary's own cursor leads past it.
        primary.walk(&query, &mut visit).await?;
    }
    if !more || !moves {
        lock(shared).cold.finish(range);
    }
    Ok(())
}
