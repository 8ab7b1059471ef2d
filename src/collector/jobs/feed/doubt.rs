//! What an answer does not say: whether jobs went unseen during a pause, and whether an empty list is all there is.

use tokio::time::Instant;

use super::tally::Tally;
use super::{Feed, SIDE_QUESTION_EVERY, Watermark};
use crate::collector::jobs::clock::Now;
use crate::collector::jobs::primary::{Ended, Primary, Query, ends_the_poll};
use crate::netbackup::JobsPage;
use crate::reason::{Failure, Reason};

/// After so long without a complete poll the primary may have let jobs expire that nobody counted.
const LONG_PAUSE_MS: i64 = 10 * 60 * 1000;
/// A primary that knew no job before such a pause may have had some, and let them expire.
const VERY_LONG_PAUSE_MS: i64 = 24 * 3600 * 1000;

impl Feed {
    /// After a long pause: for how long jobs may have ended that the primary no longer lists. It may where it no longer
    /// lists the jobs that are known to have ended before.
    pub(super) async fn look_for_a_gap<P: Primary>(
        &mut self,
        primary: &P,
        watermark: Watermark,
        now: Now,
        tally: &mut Tally,
    ) -> Result<u64, Failure> {
        let pause_ms = now.ms.saturating_sub(watermark.walked_at_ms);
        let is_long = pause_ms >= LONG_PAUSE_MS || (!self.is_continuous && pause_ms > 0);
        let first_known_ms = match self.window.first_listed_ms() {
            Some(known) if is_long => known,
            // Nothing is known that could be missed: only whether anything from before is listed still.
            None if pause_ms >= VERY_LONG_PAUSE_MS => 0,
            _ => return Ok(0),
        };
        let query = Query::EndedFirst(Ended { from_ms: first_known_ms, ..Ended::default() });
        let (mut first_ms, mut rejected) = (None, 0);
        let mut visit = |page: JobsPage<'_>| {
            tally.requests = tally.requests.saturating_add(1);
            first_ms = page.rows.first().and_then(|row| row.end_ms);
            rejected = page.rejected;
        };
        match primary.page(&query, 1, &mut visit).await {
            Ok(_) => {}
            Err(failure) if ends_the_poll(failure.reason) => return Err(failure),
            Err(_) => return Ok(0),
        }
        if rejected > 0 {
            // The first one is no job to us, but it ended then and is listed.
            return Ok(0);
        }
        let listed_from = first_ms.unwrap_or(now.ms).min(now.ms);
        let gap_ms = u64::try_from(listed_from.saturating_sub(watermark.walked_at_ms)).unwrap_or(0);
        Ok(gap_ms)
    }

    /// An empty list may be all there is, or all that the key may see: the count endpoint tells the two apart.
    pub(super) async fn check_rights<P: Primary>(&mut self, primary: &P, tally: &mut Tally) -> Result<(), Failure> {
        if self.rights_checked.is_some_and(|at| at.elapsed() < SIDE_QUESTION_EVERY) {
            return Ok(());
        }
        let mut rows = 0_u64;
        let mut visit = |page: JobsPage<'_>| rows = page.rejected.saturating_add(page.rows.len() as u64);
        tally.requests = tally.requests.saturating_add(1);
        primary.page(&Query::Any, 1, &mut visit).await?;
        if rows == 0 {
            tally.requests = tally.requests.saturating_add(1);
            match primary.count(None).await {
                Err(mut refused) if refused.reason == Reason::Forbidden => {
                    refused.detail =
                        format!("the job list is empty because the key may not see it: {}", refused.detail);
                    return Err(refused);
                }
                Err(failure) if ends_the_poll(failure.reason) => return Err(failure),
                // A primary that cannot count says nothing about rights. It may only have failed once: it is asked again.
                Err(_) => return Ok(()),
                Ok(_) => self.audit.may_count(),
            }
        }
        self.rights_checked = Some(Instant::now());
        Ok(())
    }
}
