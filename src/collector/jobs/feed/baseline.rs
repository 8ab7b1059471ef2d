//! Reading ended jobs that count nothing: the first read, and the part of a window that has been made longer.

use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use super::tally::Tally;
use super::{Feed, Settings};
use crate::collector::PollContext;
use crate::collector::jobs::clock::Now;
use crate::collector::jobs::cold::ColdRead;
use crate::collector::jobs::primary::{Primary, Query};
use crate::collector::jobs::window::{Reading, Window};
use crate::netbackup::JobsPage;
use crate::reason::Failure;

/// How often a first read says in the log how far it has come.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

impl Feed {
    /// Begins a first read, or goes on with one.
    pub(super) async fn begin_cold<P: Primary>(
        &mut self,
        primary: &P,
        reading_ms: Option<i64>,
        own_ms: i64,
    ) -> Result<Now, Failure> {
        if let Some(cold) = &self.cold {
            let now = self.clock.now(reading_ms, own_ms, cold.newest_ms);
            self.begin(now, reading_ms);
            return Ok(now);
        }
        // What does not depend on each other is asked side by side: a first read is long enough.
        let mut newest_ms = None;
        let mut visit = |page: JobsPage<'_>| newest_ms = page.rows.first().and_then(|row| row.last_update_ms);
        let newest = primary.page(&Query::NewestChange, 1, &mut visit);
        let likely_ms = reading_ms.unwrap_or(own_ms);
        let singly = std::mem::replace(&mut self.asks_singly, true);
        let plan = ColdRead::plan(primary, self.before_baseline(likely_ms), likely_ms, singly);
        let identity = self.ask_identity_first(primary);
        let (newest, plan, identity) = match singly {
            true => (newest.await, plan.await, identity.await),
            false => tokio::join!(newest, plan, identity),
        };
        let (_, mut cold) = (newest?, plan?);
        self.asks_singly = false;
        if let Some(identity) = identity? {
            self.meet(Some(identity));
        }
        let now = self.clock.now(reading_ms, own_ms, newest_ms);
        self.begin(now, reading_ms);
        // Our own clock may be ahead, and a baseline in the future would count nothing until then.
        let began_ms = match reading_ms {
            Some(_) => now.ms,
            None => newest_ms.map_or(now.ms, |newest| newest.min(now.ms)),
        };
        if now.ms != likely_ms {
            cold = ColdRead::plan(primary, self.before_baseline(began_ms), began_ms, true).await?;
        }
        (cold.began_ms, cold.newest_ms) = (began_ms, newest_ms);
        self.cold = Some(cold);
        Ok(now)
    }

    pub(super) async fn read_cold<P: Primary>(
        &mut self,
        primary: &P,
        context: &PollContext,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let Some(cold) = &mut self.cold else { return Ok(()) };
        read_ended(cold, &mut self.window, i64::MAX, primary, context, &self.settings, tally).await
    }

    /// The ends that a first read begun at `began_ms` reads. What ends later is left to following, whichever of its pages
    /// comes first.
    fn before_baseline(&self, began_ms: i64) -> (i64, Option<i64>) {
        (self.window.remembers_from(began_ms), Some(began_ms.saturating_add(1)))
    }

    /// The window has been made longer: what ended before the part that was kept is read, and counts nothing. Or the
    /// ledger of clients is new: then all of it is read, and what is known told.
    pub(super) async fn fill_up<P: Primary>(
        &mut self,
        primary: &P,
        context: &PollContext,
        now: Now,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        if self.filling.is_none() {
            let all = self.window.wants_recall().then(|| now.ms.saturating_add(1));
            let ends = (self.window.remembers_from(now.ms), all.or(self.missing_before_ms));
            self.filling = Some(ColdRead::plan(primary, ends, now.ms, false).await?);
        }
        let Some(filling) = &mut self.filling else { return Ok(()) };
        let missing_ms = self.missing_before_ms.unwrap_or(i64::MIN);
        read_ended(filling, &mut self.window, missing_ms, primary, context, &self.settings, tally).await?;
        self.window.recalled();
        (self.filling, self.missing_before_ms) = (None, None);
        Ok(())
    }
}

/// Reads ended jobs that count nothing if they ended before `missing_ms`, and says how far that has come.
async fn read_ended<P: Primary>(
    cold: &mut ColdRead,
    window: &mut Window,
    missing_ms: i64,
    primary: &P,
    context: &PollContext,
    settings: &Settings,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let mut said = Instant::now();
    let mut take = |page: &JobsPage<'_>, ratio: f64| {
        // The stamps of ended jobs say nothing about how far the changes have been read.
        tally.count(page);
        for row in &page.rows {
            let is_missing = missing_ms == i64::MAX || row.end_ms.is_some_and(|end| end < missing_ms);
            window.observe(row, if is_missing { Reading::Baseline } else { Reading::Recall });
        }
        context.progress(ratio);
        if said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            info!(site = &*settings.site, percent = (ratio * 100.0).floor(), "reading the jobs of the window");
        }
    };
    // On the heap: with its walkers it is by far the largest part of a poll.
    Box::pin(cold.read(primary, settings.walkers, &mut take)).await
}
