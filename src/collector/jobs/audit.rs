//! What following cannot see: jobs that were deleted, and rows that were written behind the watermark. A little of the
//! window is held against the primary in each poll: one poll counts, the next reads a page again. Where counts differ,
//! the stretch of time is cut in two until it is small enough to be read.

use std::ops::Range;

use rustc_hash::FxHashSet;
use tracing::debug;

use super::lateness::Lateness;
use super::primary::{Ended, PAGE, Primary, Query, ends_the_poll};
use super::table::{Kind, STRETCH_MS, stretch_of};
use super::window::{Reading, Window};
use crate::netbackup::JobsPage;
use crate::reason::{Failure, Reason};

/// Stretches with so many jobs are read rather than cut further, and read together where they hold fewer.
const READABLE: u64 = 80;
/// What ended so shortly ago is left to following: it changes between two requests.
const FRESH_MS: i64 = 60 * 1000;
/// How many stretches are read together at most: half a day.
const MOST_STRETCHES: i64 = 144;
/// A refused count is tried again after so many polls.
const MUTE_TURNS: u64 = 64;

/// Where the audit stands.
#[derive(Debug, Default)]
pub struct Audit {
    /// A stretch of time in which the primary lists another number of jobs than are known.
    dispute: Option<Dispute>,
    /// What is being read, page by page.
    reading: Option<Reread>,
    /// Where the round that reads everything again goes on.
    next: i64,
    turn: u64,
    /// What ended before this is audited.
    before_ms: i64,
    /// Rows of a stretch that the primary counts though they are no jobs to us.
    surplus: Vec<(i64, u64)>,
    /// The key has been allowed to count.
    has_counted: bool,
    /// It no longer is: whether an empty list is all there is must be asked anew.
    has_lost: bool,
    /// The key may not count.
    is_mute: bool,
    /// That has been told.
    is_mute_told: bool,
}

#[derive(Debug, Clone, Copy)]
struct Dispute {
    from: i64,
    to: i64,
    kind: Kind,
}

/// Stretches that are being read again, from the id on that the last page reached.
#[derive(Debug, Clone, Copy)]
struct Reread {
    from: i64,
    to: i64,
    before_ms: i64,
    after: u64,
    /// Rows met so far.
    rows: u64,
}

/// What an audit works with.
pub struct Scene<'a, P> {
    pub primary: &'a P,
    pub window: &'a mut Window,
    pub lateness: &'a mut Lateness,
    /// What the rows of a page have in common with all others: rejections are counted and logged.
    pub page: &'a mut (dyn FnMut(&JobsPage<'_>) + Send),
    /// The primary's clock, and the moment before which everything has been walked and overlapped.
    pub now_ms: i64,
    pub settled_ms: i64,
}

impl Audit {
    /// Makes at most `most` requests, as a rule one.
    ///
    /// # Errors
    /// What the primary says where it concerns the whole poll. A refused count does not: a key with rights on single jobs may
    /// not count.
    pub async fn step<P: Primary>(&mut self, scene: &mut Scene<'_, P>, most: usize) -> Result<(), Failure> {
        // The first stretch is cut by the edge of the memory, the last one by what is fresh.
        self.before_ms = scene.now_ms.saturating_sub(FRESH_MS);
        let first = stretch_of(scene.window.remembers_from(scene.now_ms)).saturating_add(2);
        let whole = first..stretch_of(self.before_ms).saturating_add(1);
        if whole.start >= whole.end {
            return Ok(());
        }
        self.surplus.retain(|(stretch, _)| whole.contains(stretch));
        let clamped = self.dispute.map(|dispute| Dispute { from: dispute.from.max(whole.start), ..dispute });
        self.dispute = clamped.filter(|dispute| dispute.from < dispute.to);
        self.turn = self.turn.wrapping_add(1);
        // Somebody may have granted the right.
        self.is_mute &= !self.turn.is_multiple_of(MUTE_TURNS);
        for request in 0..most {
            // While nothing is in dispute one request is enough.
            if request > 0 && self.dispute.is_none() {
                break;
            }
            if self.reading.is_some() {
                self.read_on(scene).await?;
            } else if let Some(dispute) = self.dispute.take() {
                self.settle(scene, dispute).await?;
            } else if self.turn.is_multiple_of(2) && !self.is_mute {
                self.compare(scene, whole.clone()).await?;
            } else {
                self.reading = Some(self.next_round(scene.window, &whole));
                self.read_on(scene).await?;
            }
        }
        Ok(())
    }

    /// The key has been allowed to count, elsewhere: a refusal means that it has lost a right.
    pub fn may_count(&mut self) {
        self.has_counted = true;
    }

    /// Whether the key has lost the right to count since this was asked last. Nothing is taken for deleted on the word of an
    /// empty page from then on, but lost rights look like a list without changes, too.
    pub fn has_lost_a_right(&mut self) -> bool {
        std::mem::take(&mut self.has_lost)
    }

    /// The key may not count.
    fn be_refused(&mut self) {
        self.has_lost |= std::mem::take(&mut self.has_counted);
        self.is_mute = true;
    }

    /// Whether the key may see jobs but not count them, the first time that this is asked.
    pub fn tells_that_it_is_mute(&mut self) -> bool {
        let is_news = self.is_mute && !self.is_mute_told;
        self.is_mute_told |= is_news;
        is_news
    }

    /// How much is remembered from poll to poll.
    #[cfg(test)]
    pub fn size(&self) -> usize {
        self.surplus.len()
    }

    /// Counts everything, or those jobs of which the edits would hurt most, and opens a dispute where the primary says
    /// another number.
    async fn compare<P: Primary>(&mut self, scene: &mut Scene<'_, P>, range: Range<i64>) -> Result<(), Failure> {
        let kind = match self.turn / 2 % 4 {
            // What a row that is no job to us is called otherwise is not known.
            1 if self.surplus.is_empty() => Kind::Successful,
            3 if self.surplus.is_empty() => Kind::Partial,
            _ => Kind::Any,
        };
        let Some(theirs) = self.count(scene.primary, &range, kind).await? else { return Ok(()) };
        let ours = self.known(scene.window, range.clone(), kind);
        if theirs != ours {
            debug!(theirs, ours, ?kind, "the primary lists another number of ended jobs than are known");
            self.dispute = Some(Dispute { from: range.start, to: range.end, kind });
        }
        Ok(())
    }

    /// Cuts a dispute in two and asks about the halves, or has it read where it is small.
    async fn settle<P: Primary>(&mut self, scene: &mut Scene<'_, P>, dispute: Dispute) -> Result<(), Failure> {
        let Dispute { from, to, kind } = dispute;
        let middle = from.saturating_add(to.saturating_sub(from) / 2);
        let is_short = to.saturating_sub(from) <= MOST_STRETCHES;
        if middle <= from || is_short && self.known(scene.window, from..to, Kind::Any) <= READABLE {
            self.reading = Some(Reread { from, to, before_ms: self.before_ms, after: 0, rows: 0 });
            return self.read_on(scene).await;
        }
        let Some(lower) = self.count(scene.primary, &(from..middle), kind).await? else { return Ok(()) };
        if lower == self.known(scene.window, from..middle, kind) {
            self.dispute = Some(Dispute { from: middle, to, kind });
        } else {
            self.dispute = Some(Dispute { from, to: middle, kind });
        }
        Ok(())
    }

    /// What the primary should count: the jobs that are known, and the rows that are no jobs to us.
    fn known(&self, window: &Window, range: Range<i64>, kind: Kind) -> u64 {
        let surplus: u64 =
            self.surplus.iter().filter(|(stretch, _)| range.contains(stretch)).map(|(_, rows)| *rows).sum();
        window.listed(range, self.before_ms, kind).map(|(_, jobs)| jobs).sum::<u64>().saturating_add(surplus)
    }

    async fn count<P: Primary>(&mut self, primary: &P, range: &Range<i64>, kind: Kind) -> Result<Option<u64>, Failure> {
        let counted = Ended { status: kind.status(), ..ended(range, self.before_ms, 0) };
        match primary.count(Some(&counted)).await {
            Ok(count) => {
                self.has_counted = true;
                Ok(Some(count))
            }
            Err(failure) if ends_the_poll(failure.reason) => Err(failure),
            // A key with rights on single jobs may not count; a page a poll is read again all the same.
            Err(failure) if failure.reason == Reason::Forbidden => {
                self.be_refused();
                Ok(None)
            }
            Err(_) => {
                self.is_mute = false;
                Ok(None)
            }
        }
    }

    /// As many stretches as make a page.
    fn next_round(&mut self, window: &Window, whole: &Range<i64>) -> Reread {
        let from = if whole.contains(&self.next) { self.next } else { whole.start };
        let (mut to, mut jobs) = (from.saturating_add(1), 0_u64);
        let end = whole.end.min(from.saturating_add(MOST_STRETCHES));
        for (stretch, listed) in window.listed(from..end, self.before_ms, Kind::Any) {
            jobs = jobs.saturating_add(listed);
            if jobs > READABLE && stretch > from {
                to = stretch;
                break;
            }
            to = end;
        }
        if jobs == 0 {
            to = end;
        }
        self.next = to;
        Reread { from, to, before_ms: self.before_ms, after: 0, rows: 0 }
    }

    /// Reads one page of what is to be read again, and holds it against what is known.
    async fn read_on<P: Primary>(&mut self, scene: &mut Scene<'_, P>) -> Result<(), Failure> {
        let Some(reread) = self.reading.take() else { return Ok(()) };
        let query = ended(&(reread.from..reread.to), reread.before_ms, reread.after);
        let (mut seen, mut last, mut rejected) = (FxHashSet::default(), reread.after, 0);
        let settled_ms = scene.settled_ms;
        let (window, lateness, page_of, now_ms) =
            (&mut *scene.window, &mut *scene.lateness, &mut *scene.page, scene.now_ms);
        let mut visit = |page: JobsPage<'_>| {
            page_of(&page);
            rejected = page.rejected;
            for row in &page.rows {
                if !window.knows_of(row.id) && row.last_update_ms.is_some_and(|stamp| stamp < settled_ms) {
                    // It came later than walks read back: half of that, because a lateness is taken times three.
                    lateness.saw(lateness.overlap_ms(now_ms) / 2, now_ms);
                }
                window.observe(row, Reading::Follow);
                seen.insert(row.id);
                last = last.max(row.id);
            }
        };
        let more = match scene.primary.page(&Query::Ended(query), PAGE, &mut visit).await {
            Ok(more) => more,
            Err(failure) if ends_the_poll(failure.reason) || failure.reason == Reason::Forbidden => {
                return Err(failure);
            }
            // The poll has what it was for. What was to be read comes round again.
            Err(failure) => {
                debug!(error = failure.detail, "a page could not be read again");
                return Ok(());
            }
        };
        let upto = if more { last } else { u64::MAX };
        let stretches = scene
            .window
            .listed(reread.from..reread.to, reread.before_ms, Kind::Any)
            .map(|(stretch, _)| stretch)
            .collect::<Vec<_>>();
        let known = stretches.iter().flat_map(|stretch| scene.window.listed_in(*stretch, reread.before_ms));
        let is_missing = |id: &u64| *id > reread.after && *id <= upto && !seen.contains(id);
        let missing: Vec<u64> = known.filter(is_missing).collect();
        if !missing.is_empty() && seen.is_empty() && rejected == 0 && !self.is_believable(scene.primary, &query).await?
        {
            return Ok(());
        }
        if !missing.is_empty() {
            debug!(jobs = missing.len(), "ended jobs that the primary no longer lists leave the window");
        }
        missing.iter().for_each(|id| scene.window.mark_gone(*id));
        let rows = reread.rows.saturating_add(seen.len() as u64).saturating_add(rejected);
        if more && last > reread.after {
            self.reading = Some(Reread { after: last, rows, ..reread });
        } else if !more {
            self.note_surplus(scene.window, &reread, rows);
        }
        Ok(())
    }

    /// Rows that are counted by the primary and are no jobs to us would be disputed for ever.
    fn note_surplus(&mut self, window: &Window, reread: &Reread, rows: u64) {
        self.surplus.retain(|(stretch, _)| !(reread.from..reread.to).contains(stretch));
        let known: u64 = window.listed(reread.from..reread.to, reread.before_ms, Kind::Any).map(|(_, jobs)| jobs).sum();
        let surplus = rows.saturating_sub(known);
        if surplus > 0 {
            self.surplus.push((reread.from, surplus));
        }
    }

    /// An empty page may be all there is, or all that the key may see: a count tells the two apart.
    async fn is_believable<P: Primary>(&mut self, primary: &P, query: &Ended) -> Result<bool, Failure> {
        match primary.count(Some(query)).await {
            Ok(count) => Ok(count == 0),
            Err(failure) if ends_the_poll(failure.reason) => Err(failure),
            Err(failure) => {
                if failure.reason == Reason::Forbidden {
                    self.be_refused();
                }
                Ok(false)
            }
        }
    }
}

fn ended(stretches: &Range<i64>, before_ms: i64, after: u64) -> Ended {
    let start = |stretch: i64| stretch.saturating_mul(STRETCH_MS);
    let to_ms = Some(start(stretches.end).min(before_ms));
    Ended { from_ms: start(stretches.start), to_ms, after, ..Ended::default() }
}
