//! The first read of ended jobs: disjoint ranges of ids, walked side by side. An id is immutable, so no job can be missed
//! or met in two ranges, whatever happens meanwhile. A range is cut in two where a walker has nothing to do, with the
//! help of a count request, and each knows how far it has come: after a failure the read goes on from there.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use self::ranges::{Range, Ranges, Work};
use super::pace::Pace;
use super::primary::{Ended, PAGE, Primary, Query, ends_the_poll, is_busy};
use crate::netbackup::JobsPage;
use crate::reason::Failure;

mod ranges;

/// Ids are 64-bit numbers with a sign where they are stored.
const HIGHEST_ID: u64 = i64::MAX as u64 - 1;

/// A read under way.
#[derive(Debug)]
pub struct ColdRead {
    /// The primary's clock when it began: what ends later is counted.
    pub began_ms: i64,
    /// The newest stamp when it began: whatever changes during the read is stamped later and is followed.
    pub newest_ms: Option<i64>,
    /// Earliest end that is read, and the end before which it stops, where that is bounded.
    ends: (i64, Option<i64>),
    ranges: Ranges,
    /// How many walkers the primary bears, once there were any.
    pace: Option<Pace>,
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
    /// Finds out what there is to read: jobs that ended within `ends`. It is `began_ms` by the primary's clock. `singly`:
    /// one question after the other, because the primary could not bear them at once.
    ///
    /// # Errors
    /// What the primary says; a refused count only makes the read less well planned.
    pub async fn plan<P: Primary>(
        primary: &P,
        ends: (i64, Option<i64>),
        began_ms: i64,
        singly: bool,
    ) -> Result<ColdRead, Failure> {
        let all = Ended { from_ms: ends.0, to_ms: ends.1, ..Ended::default() };
        let (mut first, mut last) = (None, None);
        let mut to_first = |page: JobsPage<'_>| first = page.rows.first().map(|row| row.id);
        let mut to_last = |page: JobsPage<'_>| last = highest_of(&page);
        let (ascending, descending) = (Query::Ended(all), Query::EndedLastId(all));
        let count = primary.count(Some(&all));
        let to_lowest = primary.page(&ascending, 1, &mut to_first);
        let to_highest = primary.page(&descending, 1, &mut to_last);
        let (counted, lowest, highest) = match singly {
            true => (count.await, to_lowest.await, to_highest.await),
            false => tokio::join!(count, to_lowest, to_highest),
        };
        lowest.and(highest)?;
        let expected = match counted {
            Ok(count) => Some(count),
            Err(failure) if ends_the_poll(failure.reason) => return Err(failure),
            Err(_) => None,
        };
        let below = last.map_or(0, |last| last.saturating_add(1));
        let after = first.map_or(0, |first| first.saturating_sub(1));
        Ok(ColdRead { began_ms, newest_ms: None, ends, ranges: Ranges::new(after, below, expected), pace: None })
    }

    /// Reads on with at most `walkers` requests at a time. Whatever it returns, and when it is dropped, what has been
    /// read stays read.
    ///
    /// # Errors
    /// What the primary says when a page cannot be had; the other ranges have been read then, unless the failure
    /// concerns the primary as a whole.
    pub async fn read<P: Primary>(&mut self, primary: &P, walkers: usize, take: &mut Take<'_>) -> Result<(), Failure> {
        let mut counting = self.ranges.resume();
        // What the primary could not bear before it is not asked to bear again at once.
        let mut pace = self.pace.take().unwrap_or_else(|| Pace::new(walkers));
        let (mut given_up, mut stopped) = (None, None);
        let shared = Mutex::new(Shared { cold: self, take });
        let mut running: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
        loop {
            // After a failure that concerns the whole read, what is under way still comes in.
            while stopped.is_none() && running.len() < pace.walkers() {
                let Some(work) = lock(&shared).cold.ranges.next_work(counting) else { break };
                running.push(start(primary, &shared, work));
            }
            let Some(done) = running.next().await else { break };
            let ranges = &mut lock(&shared).cold.ranges;
            match done {
                Done::Fetched(range, Ok(()), took) => {
                    pace.went_well(took);
                    ranges.fetched(range);
                }
                Done::Fetched(range, Err(failure), _) => {
                    // The client has tried again whatever may pass.
                    pace.went_badly();
                    ranges.give_up(range);
                    let failed = if ends_the_poll(failure.reason) { &mut stopped } else { &mut given_up };
                    failed.get_or_insert(failure);
                }
                Done::Counted { range, asked, middle, answer: Ok(lower) } => {
                    ranges.cut(range, asked, middle, Some(lower));
                }
                Done::Highest(range, Ok(highest)) => ranges.tighten(range, highest),
                Done::Counted { range, answer: Err(failure), .. } | Done::Highest(range, Err(failure)) => {
                    ranges.release(range);
                    // Ranges can be cut without counts, only less evenly.
                    counting = false;
                    if is_busy(&failure) {
                        pace.went_badly();
                    } else if ends_the_poll(failure.reason) {
                        stopped.get_or_insert(failure);
                    }
                }
            }
        }
        drop(running);
        self.pace = Some(pace);
        stopped.or(given_up).map_or(Ok(()), Err)
    }

    /// Jobs read so far.
    pub fn rows(&self) -> u64 {
        self.ranges.rows()
    }

    fn query(&self, at: usize) -> Option<Ended> {
        let range = self.ranges.get(at)?;
        Some(self.ended(range.after, range.below))
    }

    fn ended(&self, after: u64, below: u64) -> Ended {
        Ended { from_ms: self.ends.0, to_ms: self.ends.1, after, below: Some(below), status: None }
    }
}

fn lock<'s, 'a, 'b>(shared: &'s Mutex<Shared<'a, 'b>>) -> std::sync::MutexGuard<'s, Shared<'a, 'b>> {
    // Walkers are futures of one task: nobody waits here, and nothing is left half done.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The id of the one row of a page, none where there is no row. A row whose id cannot be read may have any.
fn highest_of(page: &JobsPage<'_>) -> Option<u64> {
    let unreadable = (page.rejected > 0).then_some(HIGHEST_ID);
    page.rows.first().map(|row| row.id).or(unreadable)
}

fn start<'f, P: Primary>(primary: &'f P, shared: &'f Mutex<Shared<'_, '_>>, work: Work) -> BoxFuture<'f, Done> {
    Box::pin(async move {
        match work {
            Work::Fetch(range) => {
                let sent = Instant::now();
                let fetched = fetch(primary, shared, range).await;
                Done::Fetched(range, fetched, sent.elapsed())
            }
            Work::Cut(range) => {
                let (asked, query, middle) = {
                    let cold = &lock(shared).cold;
                    let asked = cold.ranges.get(range).unwrap_or_default();
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
        let is_through = shared.cold.ranges.leave_to_next(range, &mut page);
        shared.cold.ranges.took(range, &page);
        if is_through {
            shared.cold.ranges.finish(range);
        }
        (shared.take)(&page, shared.cold.ranges.ratio());
    };
    let query = Query::Ended(ended);
    let more = primary.page(&query, PAGE, &mut visit).await?;
    let moves = lock(shared).cold.ranges.get(range).is_some_and(|range| range.after > ended.after);
    if more && !moves {
        // A whole page of rows without a usable id: only the primary's own cursor leads past it.
        primary.walk(&query, &mut visit).await?;
    }
    if !more || !moves {
        lock(shared).cold.ranges.finish(range);
    }
    Ok(())
}
