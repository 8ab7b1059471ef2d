//! Which events have been counted. The log is followed by id; what the ids alone do not tell is told by when an event was
//! made: whether they have begun anew, and which events are from after that.
//!
//! ```text
//!  ids   ── settled ──┤ floor ├── recent: each known by id and stamp ──┤ newest
//!          never asked again       asked again at every poll, since rows
//!                                  may be committed late
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::counters::Counters;

/// Rows of a page.
pub(super) const PAGE: u16 = 100;
/// For how long after an event was met one with a lower id may still turn up.
pub(super) const OVERLAP_MS: u64 = 5 * 60 * 1000;
/// So many events stay recent however old they are: by them the log is known again.
const FEWEST_RECENT: usize = 10;
/// No more than these are asked for again: in a storm of events fewer minutes have to do.
pub(super) const MOST_RECENT: usize = 5_000;
/// An event under a known id whose stamp differs by less is the same: a release may write fewer digits than another.
pub(super) const SAME_STAMP_MS: u64 = 1000;

/// An event as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: u64,
    /// `createdDateTime`, Unix milliseconds.
    pub(super) created_ms: Option<i64>,
    pub(super) severity: String,
    /// `notificationType`.
    pub(super) kind: String,
}

/// Which events are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// A page of the newest by id.
    Newest,
    /// A page of those with higher ids, ascending.
    After(u64),
    /// All that were made later, in Unix milliseconds; `None`: all there are.
    MadeAfter(Option<i64>),
}

/// An event log. The site's primary is one; in tests a model is.
pub(super) trait Log: Send {
    type Error;

    /// What time it is.
    fn now(&self) -> Now;

    /// Hands every event that is asked for to `take`, and says whether there are more. Those before a failure have been
    /// taken.
    fn read(
        &mut self,
        question: Question,
        take: &mut (dyn FnMut(Event) + Send),
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

/// An event that has been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sighting {
    created_ms: Option<i64>,
    /// The primary's clock when it was met, as far as we know it.
    met_ms: u64,
}

impl Sighting {
    fn is(&self, event: &Event) -> bool {
        match (self.created_ms, event.created_ms) {
            (Some(known), Some(met)) => known.abs_diff(met) < SAME_STAMP_MS,
            (known, met) => known == met,
        }
    }

    /// When it was made. It was not made after it was met, whatever the clock of its producer said.
    fn made_ms(&self) -> i64 {
        let met_ms = i64::try_from(self.met_ms).unwrap_or(i64::MAX);
        self.created_ms.map_or(met_ms, |created| created.min(met_ms))
    }
}

/// What time it is, in Unix milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// By the exporter's clock.
    pub(super) wall_ms: u64,
    /// By the primary's, as far as we know it.
    pub(super) primary_ms: u64,
}

/// How far the log has been counted, and what that came to. Whatever a poll has read stays read when it is cut off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Book {
    pub(super) counters: Counters,
    /// The baseline has been read.
    has_begun: bool,
    /// Events up to this id are settled.
    floor: u64,
    /// No settled event was made after this. Known where there is any.
    settled_ms: Option<i64>,
    /// What was made up to here belongs to ids that are gone.
    gone_ms: Option<i64>,
    /// None of the recent events was there, or another one under its id: it is being found out which are new.
    is_in_doubt: bool,
    /// Every event above the floor that has been counted, or is of the baseline.
    recent: BTreeMap<u64, Sighting>,
}

impl Book {
    /// Counts every event that is new.
    pub(super) async fn follow<L: Log>(&mut self, log: &mut L) -> Result<(), L::Error> {
        if !self.has_begun {
            return self.begin(log).await;
        }
        let begun = log.now();
        // Nothing known, nothing to be known again by.
        let (mut is_known, mut has_searched) = (self.recent.is_empty(), false);
        let mut after = self.floor;
        loop {
            if self.is_in_doubt && !has_searched {
                is_known = self.search(log).await?;
                (has_searched, after) = (true, self.floor);
            }
            let (page, more) = read_page(log, Question::After(after)).await?;
            let known = || page.iter().filter_map(|event| Some(self.recent.get(&event.id)?.is(event)));
            is_known |= known().any(|is_same| is_same);
            if !is_known || known().any(|is_same| !is_same) {
                // What has come since it was searched is for the next poll to find out.
                self.is_in_doubt |= !has_searched || !page.is_empty();
                if !has_searched {
                    continue;
                }
            }
            let now = log.now();
            page.iter().for_each(|event| self.meet(event, now));
            match page.last() {
                Some(last) if more && last.id > after => after = last.id,
                _ => break,
            }
            if is_known && !self.is_in_doubt {
                self.settle(after, begun);
            }
        }
        if is_known && !self.is_in_doubt {
            self.settle(u64::MAX, begun);
        }
        Ok(())
    }

    /// Whether what is known of the log may be of no use: the next poll may read much.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt
    }

    /// When the newest event was made, by id.
    pub(super) fn newest_ms(&self) -> Option<i64> {
        self.recent.last_key_value().and_then(|(_, newest)| newest.created_ms)
    }

    /// Another primary's log: counters go on, and a new baseline is read.
    pub(super) fn begin_anew(&mut self) {
        let counters = std::mem::take(&mut self.counters);
        *self = Book { counters, ..Book::default() };
    }

    /// The baseline: counts nothing, but shows the kinds that it meets at 0.
    async fn begin<L: Log>(&mut self, log: &mut L) -> Result<(), L::Error> {
        let (page, more) = read_page(log, Question::Newest).await?;
        let now = log.now();
        for event in &page {
            self.counters.count(event, 0, now.wall_ms);
            self.recent.insert(event.id, Sighting { created_ms: event.created_ms, met_ms: now.primary_ms });
        }
        if let Some((first, _)) = self.recent.first_key_value().filter(|_| more) {
            self.floor = first.saturating_sub(1);
            self.settled_ms = self.recent.values().map(Sighting::made_ms).max();
        }
        self.has_begun = true;
        Ok(())
    }

    /// Either what was recent has been removed, or the ids have begun anew: what was made after everything that is
    /// settled is either recent or new, whatever its id. Returns whether there was any.
    async fn search<L: Log>(&mut self, log: &mut L) -> Result<bool, L::Error> {
        let since = self.settled_ms;
        let mut listed = BTreeSet::new();
        let begun = log.now();
        let take = &mut |event: Event| {
            if since.is_none_or(|since| event.created_ms.is_some_and(|created| created > since)) {
                self.meet(&event, begun);
                listed.insert(event.id);
            }
        };
        log.read(Question::MadeAfter(since), take).await?;
        self.is_in_doubt = false;
        if listed.is_empty() {
            return Ok(false);
        }
        self.recent.retain(|id, _| listed.contains(id));
        (self.floor, self.gone_ms) = (0, since);
        Ok(true)
    }

    /// Counts an event, unless it has been.
    fn meet(&mut self, event: &Event, now: Now) {
        let is_gone = self.gone_ms.zip(event.created_ms).is_some_and(|(gone, created)| created <= gone);
        if is_gone || self.recent.get(&event.id).is_some_and(|known| known.is(event)) {
            return;
        }
        self.counters.count(event, 1, now.wall_ms);
        self.recent.insert(event.id, Sighting { created_ms: event.created_ms, met_ms: now.primary_ms });
    }

    /// Moves the floor up to what is old enough, or too much; not above `read`, up to where the poll has come that has
    /// `begun`.
    fn settle(&mut self, read: u64, begun: Now) {
        let due = begun.primary_ms.saturating_sub(OVERLAP_MS);
        let spare = self.recent.len().saturating_sub(FEWEST_RECENT);
        let surplus = self.recent.len().saturating_sub(MOST_RECENT);
        let ids = || self.recent.iter().take_while(|(id, _)| **id <= read);
        let old = ids().take(spare).filter(|(_, event)| event.met_ms < due).map(|(id, _)| *id).last();
        let too_many = ids().take(surplus).map(|(id, _)| *id).last();
        let Some(floor) = old.max(too_many) else { return };
        let recent = self.recent.split_off(&floor.saturating_add(1));
        let settled = std::mem::replace(&mut self.recent, recent);
        self.settled_ms = self.settled_ms.max(settled.values().map(Sighting::made_ms).max());
        self.floor = floor;
    }
}

async fn read_page<L: Log>(log: &mut L, question: Question) -> Result<(Vec<Event>, bool), L::Error> {
    let mut page = Vec::new();
    let more = log.read(question, &mut |event| page.push(event)).await?;
    Ok((page, more))
}
