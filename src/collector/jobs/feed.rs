//! What is asked of the primary, in which order, and what of the answers may be believed.
//!
//! The first read walks the ended jobs by ascending id, an immutable key, and goes on where it broke off. After it
//! each poll walks what changed (`lastUpdateTime`) from the newest stamp of the last complete walk, minus an overlap
//! for rows that are committed late, up to the primary's clock at the start; then the short list of unfinished jobs.
//! The watermark comes from the primary's own stamps, and moves only when the whole poll is complete; a walk that is cut
//! off, as after a long outage, goes on from the page it had reached.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustc_hash::FxHashMap;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::clock::{Now, ServerClock, own_ms};
use super::window::{Reading, Unfinished, Window};
use crate::collector::PollContext;
use crate::netbackup::{Client, Error, JobsPage, JobsQuery};
use crate::reason::{Failure, Reason};

/// How far each walk reads back behind the watermark.
pub const OVERLAP: Duration = Duration::from_secs(300);
const OVERLAP_MS: i64 = 300_000;
/// The documented maximum of rows a page.
const PAGE: u16 = 100;
/// Vanished jobs that are asked for by id in one poll.
const MOST_SUSPECTS: usize = 20;
/// A vanished job whose record cannot be read is given up after this many polls.
const LAST_SUSPICION: u32 = 5;
/// Whether an empty list is for want of rights is not asked more often.
const RIGHTS_CHECK_EVERY: Duration = Duration::from_secs(600);

/// The job feed of one site: the window and how far it has been read.
#[derive(Debug)]
pub struct Feed {
    site: Arc<str>,
    /// What has been read.
    pub window: Window,
    clock: ServerClock,
    cold: Option<ColdRead>,
    /// The newest stamp of the last complete walk, and the primary's clock at its start.
    watermark: Option<Watermark>,
    /// How far a walk that was cut off had come.
    resume_ms: Option<i64>,
    rights_checked: Option<Instant>,
    rejection_logged: bool,
}

/// How far following has come.
#[derive(Debug, Clone, Copy)]
struct Watermark {
    newest_ms: i64,
    walked_at_ms: i64,
}

/// A first read under way.
#[derive(Debug, Clone, Copy)]
struct ColdRead {
    /// The primary's clock when it began: what ends later is counted.
    began_ms: i64,
    /// The newest stamp when it began: whatever changes during the read is stamped later and is followed.
    newest_ms: Option<i64>,
    /// The earliest end that is read.
    ends_from_ms: i64,
    /// The highest id read so far.
    last_id: Option<u64>,
    /// Jobs read so far.
    rows: u64,
    /// Jobs to be read, where the primary counts them for us.
    expected: Option<u64>,
}

/// What one poll has met.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    rows: u64,
    rejected: u64,
    newest_ms: Option<i64>,
}

impl Feed {
    /// A feed that has read nothing.
    pub fn new(site: Arc<str>, lookback: Duration) -> Feed {
        Feed {
            site,
            window: Window::new(lookback),
            clock: ServerClock::default(),
            cold: None,
            watermark: None,
            resume_ms: None,
            rights_checked: None,
            rejection_logged: false,
        }
    }

    /// Whether the next poll reads only what changed since the last one. Otherwise it may be long: a first read, or one
    /// that goes on from where it was cut off.
    pub fn is_short(&self) -> bool {
        self.watermark.is_some() && self.resume_ms.is_none()
    }

    /// Reads once. Returns the number of rows that were left out. After a failure, or when dropped midway, everything
    /// read stays and the next poll goes on from it.
    ///
    /// # Errors
    /// What the client says; [`Reason::Forbidden`] too, when the list is empty because the key may not see it.
    pub async fn poll(&mut self, client: &Client, context: &PollContext) -> Result<u64, Failure> {
        let reading_ms = server_time(client).await?;
        let read_at = Instant::now();
        let mut tally = Tally::default();
        let now = match self.watermark {
            Some(watermark) => {
                let now = self.clock.now(reading_ms, 0, None);
                self.follow(client, watermark, now, &mut tally).await?;
                now
            }
            None => {
                let now = self.begin_cold(client, reading_ms).await?;
                self.read_cold(client, context, &mut tally).await?;
                now
            }
        };
        let unfinished = self.read_unfinished(client, &mut tally).await?;
        match tally.rows {
            0 => self.check_rights(client).await?,
            // When the lists become empty later, that is asked about at once.
            _ => self.rights_checked = None,
        }
        self.window.replace_unfinished(unfinished);
        self.resolve_suspects(client).await;
        self.window.settle(now.ms);
        self.complete(now, &tally);
        self.clock.confirm(now, read_at);
        context.progress(1.0);
        Ok(tally.rejected)
    }

    /// The whole poll is read: following goes on from here.
    fn complete(&mut self, now: Now, tally: &Tally) {
        let newest_ms = match (self.cold.take(), self.watermark) {
            (Some(cold), _) => {
                self.window.set_baseline(cold.began_ms);
                info!(
                    site = &*self.site,
                    jobs = cold.rows,
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
        let newest_ms = if now.set_back { newest_ms.min(now.ms) } else { newest_ms };
        if now.set_back {
            self.window.clock_set_back(now.ms);
        }
        self.resume_ms = None;
        self.watermark = Some(Watermark { newest_ms, walked_at_ms: now.ms });
    }

    /// Begins a first read, or goes on with one.
    async fn begin_cold(&mut self, client: &Client, reading_ms: Option<i64>) -> Result<Now, Failure> {
        let own_ms = own_ms(SystemTime::now(), client.stats().clock_offset_seconds());
        if let Some(cold) = self.cold {
            let now = self.clock.now(reading_ms, own_ms, cold.newest_ms);
            self.window.begin(now.ms);
            return Ok(now);
        }
        let query = JobsQuery { filter: None, sort: Some("-lastUpdateTime"), limit: 1 };
        let mut newest_ms = None;
        let mut visit = |page: JobsPage<'_>| newest_ms = page.rows.first().and_then(|row| row.last_update_ms);
        client.jobs_page(&query, &mut visit).await?;
        let now = self.clock.now(reading_ms, own_ms, newest_ms);
        self.window.begin(now.ms);
        let mut cold = ColdRead {
            // Our own clock may be ahead, and a baseline in the future would count nothing until then.
            began_ms: if reading_ms.is_some() { now.ms } else { newest_ms.map_or(now.ms, |newest| newest.min(now.ms)) },
            newest_ms,
            ends_from_ms: self.window.remembers_from(now.ms),
            last_id: None,
            rows: 0,
            expected: None,
        };
        // Only the progress depends on it; a key with rights on single jobs may not count.
        cold.expected = match client.count_jobs(Some(&cold.filter())).await {
            Ok(count) => Some(count),
            Err(error) if ends_the_poll(error.reason()) => return Err(error.into()),
            Err(_) => None,
        };
        self.cold = Some(cold);
        Ok(now)
    }

    async fn read_cold(&mut self, client: &Client, context: &PollContext, tally: &mut Tally) -> Result<(), Failure> {
        let Some(mut cold) = self.cold else { return Ok(()) };
        let mut filter = cold.filter();
        if let Some(last_id) = cold.last_id {
            filter.push_str(&format!(" and jobId gt {last_id}"));
        }
        let (window, progress) = (&mut self.window, &mut self.cold);
        let query = JobsQuery { filter: Some(filter), sort: Some("jobId"), limit: PAGE };
        client
            .walk_jobs(&query, &mut |page: JobsPage<'_>| {
                tally.add(&page);
                for row in &page.rows {
                    window.observe(row, Reading::Baseline);
                    cold.last_id = cold.last_id.max(Some(row.id));
                }
                cold.rows = cold.rows.saturating_add(page.rows.len() as u64);
                *progress = Some(cold);
                if let Some(ratio) = cold.ratio() {
                    context.progress(ratio);
                }
                log_rejection(&self.site, &mut self.rejection_logged, &page);
            })
            .await?;
        Ok(())
    }

    async fn follow(
        &mut self,
        client: &Client,
        watermark: Watermark,
        now: Now,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        self.window.begin(now.ms);
        let from = watermark.reads_from(now.ms);
        let from = self.resume_ms.map_or(from, |reached| from.max(reached.saturating_sub(OVERLAP_MS)));
        let filter = format!("lastUpdateTime ge {} and lastUpdateTime lt {}", literal(from), literal(now.ms));
        let query = JobsQuery { filter: Some(filter), sort: Some("lastUpdateTime"), limit: PAGE };
        let (window, resume_ms) = (&mut self.window, &mut self.resume_ms);
        client
            .walk_jobs(&query, &mut |page: JobsPage<'_>| {
                tally.add(&page);
                for row in &page.rows {
                    window.observe(row, Reading::Follow);
                }
                // The walk ascends: what is stamped earlier has been read.
                *resume_ms = (*resume_ms).max(tally.newest_ms.map(|newest| newest.min(now.ms)));
                log_rejection(&self.site, &mut self.rejection_logged, &page);
            })
            .await?;
        Ok(())
    }

    async fn read_unfinished(
        &mut self,
        client: &Client,
        tally: &mut Tally,
    ) -> Result<FxHashMap<u64, Unfinished>, Failure> {
        let query = JobsQuery { filter: Some("state ne 'DONE'".to_owned()), sort: Some("jobId"), limit: PAGE };
        let window = &mut self.window;
        let mut list = FxHashMap::default();
        client
            .walk_jobs(&query, &mut |page: JobsPage<'_>| {
                // Its stamps say nothing about how far the changes have been read.
                tally.count(&page);
                for row in &page.rows {
                    window.observe(row, Reading::Follow);
                    if row.state != "DONE" {
                        list.insert(row.id, window.unfinished_of(row));
                    }
                }
                log_rejection(&self.site, &mut self.rejection_logged, &page);
            })
            .await?;
        Ok(list)
    }

    /// Asks by id for unfinished jobs that no list shows any more: ended unseen, or deleted. What becomes of them never
    /// decides about the poll.
    async fn resolve_suspects(&mut self, client: &Client) {
        for (id, polls) in self.window.suspects(MOST_SUSPECTS) {
            match client.job(id).await {
                Ok(found) => {
                    debug!(
                        site = &*self.site,
                        job = id,
                        exists = found.is_some(),
                        "asked for an unfinished job that no list shows any more"
                    );
                    self.window.resolved(id, found.as_ref());
                }
                Err(error) if ends_the_poll(error.reason()) => return,
                Err(error) => {
                    debug!(site = &*self.site, job = id, %error, "an unfinished job that no list shows any more cannot be read");
                    if polls >= LAST_SUSPICION {
                        self.window.resolved(id, None);
                    }
                }
            }
        }
    }

    /// An empty list may be all there is, or all that the key may see: the count endpoint tells the two apart.
    async fn check_rights(&mut self, client: &Client) -> Result<(), Failure> {
        if self.rights_checked.is_some_and(|at| at.elapsed() < RIGHTS_CHECK_EVERY) {
            return Ok(());
        }
        let mut rows = 0_u64;
        let query = JobsQuery { filter: None, sort: None, limit: 1 };
        let mut visit = |page: JobsPage<'_>| rows = page.rejected.saturating_add(page.rows.len() as u64);
        client.jobs_page(&query, &mut visit).await?;
        if rows == 0 {
            match client.count_jobs(None).await {
                Err(refused) if refused.reason() == Reason::Forbidden => {
                    let mut failure = Failure::from(refused);
                    failure.detail =
                        format!("the job list is empty because the key may not see it: {}", failure.detail);
                    return Err(failure);
                }
                Err(error) if ends_the_poll(error.reason()) => return Err(error.into()),
                // A primary that cannot count says nothing about rights.
                Err(_) | Ok(_) => {}
            }
        }
        self.rights_checked = Some(Instant::now());
        Ok(())
    }
}

impl Watermark {
    /// Where the next walk begins. Rows that are committed late are looked for behind the newest stamp; but what was
    /// older than the overlap when it was last walked has been looked for already.
    fn reads_from(self, now_ms: i64) -> i64 {
        let newest_ms = self.newest_ms.min(now_ms);
        let behind_walk = self.walked_at_ms.min(now_ms).saturating_sub(OVERLAP_MS);
        newest_ms.min(behind_walk.max(newest_ms.saturating_sub(OVERLAP_MS)))
    }
}

impl ColdRead {
    fn filter(&self) -> String {
        format!("endTime ge {}", literal(self.ends_from_ms))
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    fn ratio(&self) -> Option<f64> {
        // Complete is said by the end of the poll, not by a count that jobs have since joined.
        self.expected.map(|expected| (self.rows as f64 / expected.max(1) as f64).min(0.999))
    }
}

impl Tally {
    fn count(&mut self, page: &JobsPage<'_>) {
        self.rows = self.rows.saturating_add(page.rows.len() as u64).saturating_add(page.rejected);
        self.rejected = self.rejected.saturating_add(page.rejected);
    }

    fn add(&mut self, page: &JobsPage<'_>) {
        self.count(page);
        self.newest_ms = self.newest_ms.max(page.rows.iter().filter_map(|row| row.last_update_ms).max());
    }
}

/// Whether a side question that failed like this means that the primary is not to be asked on.
fn ends_the_poll(reason: Reason) -> bool {
    use Reason::{Auth, Circuit, Connect, Throttled, Timeout, Tls};
    matches!(reason, Auth | Circuit | Connect | Throttled | Timeout | Tls)
}

/// The primary's clock; `None` where it cannot be had though the primary answers.
async fn server_time(client: &Client) -> Result<Option<i64>, Error> {
    match client.ping().await {
        Ok(ping) => Ok(Some(ping.server_time_ms)),
        Err(error) if ends_the_poll(error.reason()) => Err(error),
        Err(error) => {
            debug!(%error, "the primary's clock cannot be read");
            Ok(None)
        }
    }
}

/// A date-time literal of the filter language: bare, UTC, with milliseconds.
fn literal(unix_ms: i64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{stamp:.3}")
}

fn log_rejection(site: &str, logged: &mut bool, page: &JobsPage<'_>) {
    if let (false, Some(why)) = (*logged, &page.first_rejection) {
        *logged = true;
        warn!(
            site,
            collector = "jobs",
            why,
            "a job record was left out; further ones are only counted, in netbackup_collector_rejected_records_total"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_bare_utc_with_milliseconds() {
        assert_eq!(literal(1_764_194_400_000), "2025-11-26T22:00:00.000Z");
        assert_eq!(literal(1_764_194_400_007), "2025-11-26T22:00:00.007Z");
        assert_eq!(literal(i64::MIN), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_walk_reads_back_for_late_rows_but_not_for_ever() {
        let from = |newest_ms, walked_at_ms, now_ms| Watermark { newest_ms, walked_at_ms }.reads_from(now_ms);
        let minute = 60_000;
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
