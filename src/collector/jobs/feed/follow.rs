//! Reading what has changed, what is unfinished, and a little of what following cannot see.

use rustc_hash::FxHashMap;
use tracing::{debug, info};

use super::tally::Tally;
use super::{Feed, Watermark};
use crate::collector::jobs::audit::Scene;
use crate::collector::jobs::clock::Now;
use crate::collector::jobs::primary::{Primary, Query, ends_the_poll, is_busy};
use crate::collector::jobs::window::{Reading, Unfinished};
use crate::netbackup::JobsPage;
use crate::reason::{Failure, Reason};

/// Vanished jobs that are asked for by id in one poll.
const MOST_SUSPECTS: usize = 20;
/// A vanished job whose record cannot be read is given up after this many polls.
const LAST_SUSPICION: u32 = 5;
/// Requests of a poll that finds little new. What following leaves of them is the audit's.
const STEADY_REQUESTS: usize = 6;
/// So many polls in a row may go without an audit.
const MOST_BUSY_POLLS: u32 = 7;

impl Feed {
    pub(super) async fn follow<P: Primary>(
        &mut self,
        primary: &P,
        watermark: Watermark,
        now: Now,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let overlap_ms = self.lateness.overlap_ms(now.ms);
        let from = watermark.reads_from(now.ms, overlap_ms);
        let from = match now.back_to_ms.filter(|_| now.set_back) {
            Some(back_to_ms) => from.min(back_to_ms.saturating_sub(overlap_ms)),
            None => self.resume_ms.map_or(from, |reached| from.max(reached.saturating_sub(overlap_ms))),
        };
        let (window, resume_ms, lateness) = (&mut self.window, &mut self.resume_ms, &mut self.lateness);
        // What the process before this one saw last need not have been kept, and a first read leaves out what has no end.
        let watched_until = if self.has_followed { watermark.walked_at_ms } else { i64::MIN };
        let mut visit = |page: JobsPage<'_>| {
            tally.add(&page);
            for row in &page.rows {
                let late_ms = row.last_update_ms.map_or(0, |stamp| watched_until.saturating_sub(stamp));
                if late_ms > 0 && !window.knows(row) {
                    lateness.saw(late_ms, now.ms);
                }
                window.observe(row, Reading::Follow);
            }
            // The walk ascends: what is stamped earlier has been read.
            *resume_ms = (*resume_ms).max(tally.newest_ms.map(|newest| newest.min(now.ms)));
        };
        primary.walk(&Query::Changed(from, now.ms), &mut visit).await
    }

    pub(super) async fn read_unfinished<P: Primary>(
        &mut self,
        primary: &P,
        tally: &mut Tally,
    ) -> Result<FxHashMap<u64, Unfinished>, Failure> {
        let window = &mut self.window;
        let mut list = FxHashMap::default();
        let mut visit = |page: JobsPage<'_>| {
            // Its stamps say nothing about how far the changes have been read.
            tally.count(&page);
            for row in &page.rows {
                window.observe(row, Reading::Follow);
                if row.state != "DONE" {
                    list.insert(row.id, window.unfinished_of(row));
                }
            }
        };
        primary.walk(&Query::Unfinished, &mut visit).await?;
        Ok(list)
    }

    /// Asks by id for unfinished jobs that no list shows any more: ended unseen, or deleted. Whether the primary may be asked
    /// more in this poll.
    ///
    /// # Errors
    /// When the primary wants to be left alone, or takes the key no longer. What else becomes of single jobs never decides
    /// about the poll.
    pub(super) async fn resolve_suspects<P: Primary>(
        &mut self,
        primary: &P,
        tally: &mut Tally,
    ) -> Result<bool, Failure> {
        let site = &*self.settings.site;
        for (id, polls) in self.window.suspects(MOST_SUSPECTS) {
            tally.requests = tally.requests.saturating_add(1);
            match primary.job(id).await {
                Ok(found) => {
                    debug!(site, job = id, exists = found.is_some(), "asked for an unfinished job that no list shows");
                    self.window.resolved(id, found.as_ref());
                }
                Err(failure) if matches!(failure.reason, Reason::Throttled | Reason::Auth | Reason::Circuit) => {
                    return Err(failure);
                }
                // The lists are whole. What is left of the poll would wait in vain as well.
                Err(failure) if ends_the_poll(failure.reason) => return Ok(false),
                Err(failure) => {
                    if failure.reason == Reason::Forbidden {
                        // An empty list may be for want of rights after all: that is asked again.
                        self.rights_checked = None;
                    }
                    let is_busy = is_busy(&failure);
                    let error = failure.detail;
                    debug!(site, job = id, error, "an unfinished job that no list shows cannot be read");
                    if polls >= LAST_SUSPICION {
                        self.window.resolved(id, None);
                    }
                    // Each question waits for the primary in vain: the others can wait for the next poll.
                    if is_busy {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Holds a little of the window against the primary, with the requests that following has left over.
    pub(super) async fn look_behind<P: Primary>(
        &mut self,
        primary: &P,
        now: Now,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let Some(watermark) = self.watermark.filter(|_| self.cold.is_none()) else { return Ok(()) };
        let overlap_ms = self.lateness.overlap_ms(now.ms);
        let left = match STEADY_REQUESTS.saturating_sub(tally.requests).min(STEADY_REQUESTS / 2) {
            // Even where much is new all the time something is looked at now and then.
            0 if self.busy_polls >= MOST_BUSY_POLLS => 1,
            0 => {
                self.busy_polls = self.busy_polls.saturating_add(1);
                return Ok(());
            }
            left => left,
        };
        self.busy_polls = 0;
        let mut scene = Scene {
            primary,
            window: &mut self.window,
            lateness: &mut self.lateness,
            page: &mut |page| tally.count(page),
            now_ms: now.ms,
            settled_ms: watermark.walked_at_ms.min(now.ms).saturating_sub(overlap_ms),
        };
        let stepped = self.audit.step(&mut scene, left).await;
        if self.audit.has_lost_a_right() {
            // An empty list may be for want of rights from now on: the next poll that meets one asks.
            self.rights_checked = None;
        } else if self.audit.tells_that_it_is_mute() {
            info!(
                site = &*self.settings.site,
                collector = "jobs",
                "the key sees jobs but may not count them: it has rights on single jobs, and what it may not see is not shown; \
                 MANAGE/JOBS VIEW shows every job"
            );
        }
        stepped
    }
}
