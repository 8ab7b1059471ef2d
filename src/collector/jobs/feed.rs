//! What is asked of the primary, in which order, and what of the answers may be believed.
//!
//! The first read walks the ended jobs by ranges of ids (`cold`). After it each poll walks what changed
//! (`lastUpdateTime`) from the newest stamp of the last complete walk, minus an overlap for rows that are committed late
//! (`lateness`), up to the primary's clock at the start; then the short list of unfinished jobs; then a little of what
//! following cannot see (`audit`). The watermark comes from the primary's own stamps, and moves only when the whole poll
//! is complete; a walk that is cut off, as after a long outage, goes on from the page it had reached.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::{info, warn};

use super::audit::Audit;
use super::clients::Ledger;
use super::clock::{Now, ServerClock, own_ms};
use super::cold::ColdRead;
use super::lateness::Lateness;
use super::primary::{Identity, Primary};
use super::window::Window;
use crate::clock::unix_ms;
use crate::collector::PollContext;
use crate::config;
use crate::reason::Failure;

mod baseline;
mod doubt;
mod follow;
mod keep;
#[cfg(test)]
mod model;
mod tally;

pub use keep::{KeptFeed, VERSION};
use tally::Tally;

/// Whether an empty list is for want of rights, and who answers where nobody said so, is not asked more often.
const SIDE_QUESTION_EVERY: Duration = Duration::from_secs(600);

/// What a feed is told by the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The site's name, for the log.
    pub site: Arc<str>,
    /// Where the primary is asked: another address may lead to another primary.
    pub address: String,
    /// `poll.lookback`.
    pub lookback: Duration,
    /// How many requests a first read may have in flight.
    pub walkers: usize,
    /// Whether the window keeps what only the names of the Go exporter show.
    pub go_names: bool,
    /// Of which clients a ledger is kept; `None`: there is none.
    pub clients: Option<config::Clients>,
}

/// The job feed of one site: the window and how far it has been read.
#[derive(Debug)]
pub struct Feed {
    settings: Settings,
    /// What has been read.
    pub window: Window,
    clock: ServerClock,
    identity: Option<Identity>,
    /// When nobody said who answers.
    identity_asked: Option<Instant>,
    cold: Option<ColdRead>,
    /// The newest stamp of the last complete walk, and the primary's clock at its start.
    watermark: Option<Watermark>,
    /// How far a walk that was cut off had come.
    resume_ms: Option<i64>,
    lateness: Lateness,
    audit: Audit,
    /// Polls in a row that left nothing for the audit.
    busy_polls: u32,
    /// Time over which jobs may have gone uncounted.
    gap_ms: u64,
    /// Since when it counts, in Unix milliseconds of the exporter's clock.
    created_ms: u64,
    /// Whether the last complete poll was made by this process, so that everything it saw is known.
    is_continuous: bool,
    /// Whether the last complete poll of this process followed changes. A first read leaves out what has no end.
    has_followed: bool,
    /// Ends before which the window was never read: it has been made longer since it was kept.
    missing_before_ms: Option<i64>,
    /// When what was restored had been received, in Unix milliseconds of the exporter's clock.
    restored_ms: u64,
    /// What was restored was read at another address.
    has_moved: bool,
    /// Something besides the window has changed that must be kept.
    has_changed: bool,
    /// A part of the window that is being filled up.
    filling: Option<ColdRead>,
    /// The primary could not bear several questions at once.
    asks_singly: bool,
    rights_checked: Option<Instant>,
    rejection_logged: bool,
}

/// How far following has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Watermark {
    newest_ms: i64,
    walked_at_ms: i64,
}

impl Feed {
    /// A feed that has read nothing.
    pub fn new(settings: Settings) -> Feed {
        let clients = settings.clients.clone().map(|clients| Ledger::new(clients, settings.lookback));
        let window = Window::new(settings.lookback)
            .with_extras(settings.go_names, settings.clients.clone())
            .with_clients(clients);
        Feed {
            settings,
            window,
            clock: ServerClock::default(),
            identity: None,
            identity_asked: None,
            cold: None,
            watermark: None,
            resume_ms: None,
            lateness: Lateness::default(),
            audit: Audit::default(),
            busy_polls: 0,
            gap_ms: 0,
            created_ms: unix_ms(SystemTime::now()),
            is_continuous: false,
            has_followed: false,
            missing_before_ms: None,
            restored_ms: 0,
            has_moved: false,
            has_changed: false,
            filling: None,
            asks_singly: false,
            rights_checked: None,
            rejection_logged: false,
        }
    }

    /// Whether the next poll reads only what changed since the last one. Otherwise it may be long: a first read, or one
    /// that goes on from where it was cut off.
    pub fn is_short(&self) -> bool {
        self.watermark.is_some() && self.cold.is_none() && self.resume_ms.is_none() && self.is_continuous
    }

    /// How far the next walk reads back.
    pub fn overlap(&self) -> Duration {
        let now_ms = self.watermark.map_or(0, |watermark| watermark.walked_at_ms);
        Duration::from_millis(u64::try_from(self.lateness.overlap_ms(now_ms)).unwrap_or(0))
    }

    /// Time over which jobs may have gone uncounted.
    pub fn gap(&self) -> Duration {
        Duration::from_millis(self.gap_ms)
    }

    /// Since when the feed counts, in Unix milliseconds of the exporter's clock.
    pub fn created_ms(&self) -> u64 {
        self.created_ms
    }

    /// Reads once. Returns the number of rows that were left out. After a failure, or when dropped midway, everything
    /// read stays and the next poll goes on from it.
    ///
    /// # Errors
    /// What the primary says; [`Reason::Forbidden`] too, when the list is empty because the key may not see it.
    pub async fn poll<P: Primary>(&mut self, primary: &P, context: &PollContext) -> Result<u64, Failure> {
        let reading_ms = primary.clock().await?;
        let read_at = Instant::now();
        // Before anything is known it makes no difference who answers, and is asked beside the next question.
        if self.watermark.is_some() || self.identity.is_some() {
            let identity = self.ask_identity(primary).await?;
            self.meet(identity);
        }
        let mut tally = Tally::new(&self.settings.site, self.rejection_logged);
        let polled = self.read(primary, context, reading_ms, &mut tally).await;
        self.rejection_logged = tally.is_logged;
        let now = polled?;
        self.clock.confirm(now, read_at);
        context.progress(1.0);
        Ok(tally.rejected)
    }

    async fn read<P: Primary>(
        &mut self,
        primary: &P,
        context: &PollContext,
        reading_ms: Option<i64>,
        tally: &mut Tally,
    ) -> Result<Now, Failure> {
        // What the difference is has just been learnt from the reading itself: it must not vouch for it.
        let offset = primary.clock_offset().filter(|_| reading_ms.is_none());
        let own_ms = own_ms(SystemTime::now(), offset);
        let mut gap_ms = 0;
        let now = match (self.cold.is_some(), self.watermark) {
            (false, Some(watermark)) => {
                let now = self.clock.now(reading_ms, own_ms, None);
                self.begin(now, reading_ms);
                gap_ms = self.look_for_a_gap(primary, watermark, now, tally).await?;
                self.follow(primary, watermark, now, tally).await?;
                if self.missing_before_ms.is_some() || self.window.wants_recall() {
                    self.fill_up(primary, context, now, tally).await?;
                }
                now
            }
            _ => {
                let now = self.begin_cold(primary, reading_ms, own_ms).await?;
                self.read_cold(primary, context, tally).await?;
                now
            }
        };
        let unfinished = self.read_unfinished(primary, tally).await?;
        match tally.rows {
            0 => {
                // What a key without rights has planned to read is nothing: it is planned again.
                let planned = self.cold.take();
                self.check_rights(primary, tally).await?;
                self.cold = planned;
            }
            // When the lists become empty later, that is asked about at once.
            _ => self.rights_checked = None,
        }
        self.window.replace_unfinished(unfinished);
        if self.resolve_suspects(primary, tally).await? {
            self.look_behind(primary, now, tally).await?;
        }
        self.window.settle(now.ms, now.earliest_ms);
        self.complete(now, tally, gap_ms);
        Ok(now)
    }

    fn begin(&mut self, now: Now, reading_ms: Option<i64>) {
        self.window.begin(now.ms, unix_ms(SystemTime::now()));
        self.window.may_be(reading_ms.unwrap_or(now.ms));
        if let Some(back_to_ms) = now.back_to_ms {
            self.window.clock_set_back(back_to_ms, now.set_back);
            self.has_changed |= now.set_back;
        }
    }

    /// Who answers. Where nobody says so that is not asked at every poll.
    async fn ask_identity<P: Primary>(&self, primary: &P) -> Result<Option<Identity>, Failure> {
        match self.identity_asked {
            // Who was known is asked for at every poll: another one may answer by now.
            Some(at) if self.identity.is_none() && at.elapsed() < SIDE_QUESTION_EVERY => Ok(None),
            _ => primary.identity().await,
        }
    }

    /// Who answers, where nobody has said so yet.
    async fn ask_identity_first<P: Primary>(&self, primary: &P) -> Result<Option<Identity>, Failure> {
        if self.identity.is_none() { self.ask_identity(primary).await } else { Ok(None) }
    }

    /// Another primary under the site's name has other jobs under the same ids: everything is read anew.
    fn meet(&mut self, identity: Option<Identity>) {
        let is_due = self.identity_asked.is_none_or(|at| at.elapsed() >= SIDE_QUESTION_EVERY);
        match identity {
            Some(_) => self.identity_asked = None,
            None if is_due => self.identity_asked = Some(Instant::now()),
            None => {}
        }
        let is_same = match (&self.identity, &identity) {
            (Some(Identity::HostId(known)), Some(Identity::HostId(met))) => Some(known == met),
            (Some(Identity::Name(known)), Some(Identity::Name(met))) => Some(known == met),
            // A name says nothing about a host id.
            _ => None,
        };
        // Where nobody says who answers, the address has to do.
        if !is_same.unwrap_or(!self.has_moved) {
            warn!(
                site = &*self.settings.site,
                "another primary answers under this site's name: the counters go on, and its jobs are read as a new baseline"
            );
            self.window.forget_jobs();
            self.clock = ServerClock::default();
            (self.cold, self.watermark, self.resume_ms) = (None, None, None);
            (self.audit, self.is_continuous, self.missing_before_ms) = (Audit::default(), false, None);
            (self.identity, self.filling) = (None, None);
        }
        self.has_changed |= std::mem::take(&mut self.has_moved);
        let is_better = matches!((&self.identity, &identity), (Some(Identity::HostId(_)), Some(Identity::Name(_))));
        if !is_better && identity.is_some() && self.identity != identity {
            self.identity = identity;
            self.has_changed = true;
        }
    }

    /// The whole poll is read: following goes on from here.
    fn complete(&mut self, now: Now, tally: &Tally, gap_ms: u64) {
        let was_cold = self.cold.is_some();
        // What changed during a first read has not been walked yet.
        let walked_at_ms = self.cold.as_ref().map(|cold| cold.began_ms);
        let newest_ms = match (self.cold.take(), self.watermark) {
            (Some(cold), _) => {
                self.window.set_baseline(cold.began_ms);
                info!(
                    site = &*self.settings.site,
                    jobs = cold.rows(),
                    "the first read of jobs is complete; from here on finished jobs are counted"
                );
                cold.newest_ms.map_or(cold.began_ms, |newest| newest.min(cold.began_ms))
            }
            (None, Some(watermark)) => {
                tally.newest_ms.map_or(watermark.newest_ms, |newest| newest.max(watermark.newest_ms))
            }
            (None, None) => now.ms,
        };
        // What is stamped by a clock that was set back must not lie behind the watermark.
        let newest_ms = newest_ms.min(now.ms);
        self.window.recalled();
        self.resume_ms = None;
        self.watermark = Some(Watermark { newest_ms, walked_at_ms: walked_at_ms.unwrap_or(now.ms) });
        self.lateness.watched(now.ms);
        if gap_ms > 0 {
            let gap = Duration::from_millis(gap_ms);
            warn!(
                site = &*self.settings.site,
                ?gap,
                "the primary no longer lists what ended after the last complete poll: jobs of this time may go uncounted"
            );
            self.gap_ms = self.gap_ms.saturating_add(gap_ms);
            self.has_changed = true;
        }
        self.has_followed = self.is_continuous && !was_cold;
        self.is_continuous = true;
    }
}

impl Watermark {
    /// Where the next walk begins. Rows that are committed late are looked for behind the newest stamp; but what was
    /// older than the overlap when it was last walked has been looked for already.
    fn reads_from(self, now_ms: i64, overlap_ms: i64) -> i64 {
        let newest_ms = self.newest_ms.min(now_ms);
        let behind_walk = self.walked_at_ms.min(now_ms).saturating_sub(overlap_ms);
        newest_ms.min(behind_walk.max(newest_ms.saturating_sub(overlap_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_reads_back_for_late_rows_but_not_for_ever() {
        let minute = 60_000;
        let from =
            |newest_ms, walked_at_ms, now_ms| Watermark { newest_ms, walked_at_ms }.reads_from(now_ms, 5 * minute);
        assert_eq!(
            from(100 * minute, 100 * minute, 101 * minute),
            95 * minute,
            "busy: the overlap behind the last walk"
        );
        assert_eq!(from(98 * minute, 100 * minute, 101 * minute), 95 * minute);
        assert_eq!(
            from(50 * minute, 100 * minute, 101 * minute),
            50 * minute,
            "quiet: the newest stamp itself, and no more"
        );
        assert_eq!(from(100 * minute, 100 * minute, 40 * minute), 35 * minute, "a clock that was set back");
    }
}
