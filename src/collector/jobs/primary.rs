//! What the feed asks of a primary: the few questions that its correctness rests on. The client of a site answers them
//! over HTTP; in tests a model does.

use std::fmt::Write as _;

use tracing::debug;

use crate::netbackup::{Client, Error, JobRow, JobsPage, JobsQuery};
use crate::reason::{Failure, Reason};

/// The documented maximum of rows a page.
pub const PAGE: u16 = 100;

/// Takes each page as it comes.
pub type Visit<'a> = dyn FnMut(JobsPage<'_>) + Send + 'a;

/// Which jobs, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Every job, in the primary's own order.
    Any,
    /// Every job, the newest change first.
    NewestChange,
    /// Jobs that changed (`lastUpdateTime`) from the first moment on and before the second, by ascending change.
    Changed(i64, i64),
    /// Jobs that are not DONE, by ascending id.
    Unfinished,
    /// Jobs that are DONE, by ascending id.
    Ended(Ended),
    /// The same, by descending id; only rows with an id above 0, for others may come first.
    EndedLastId(Ended),
    /// The same, by ascending end.
    EndedFirst(Ended),
}

/// Jobs that are DONE, within a stretch of time and of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ended {
    /// `endTime` at or after this, in Unix milliseconds.
    pub from_ms: i64,
    /// `endTime` before this.
    pub to_ms: Option<i64>,
    /// Ids above this; 0: any.
    pub after: u64,
    /// Ids below this.
    pub below: Option<u64>,
    /// Jobs with this status only.
    pub status: Option<i32>,
}

/// Who answers under a site's address.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Identity {
    /// `masterHostId`: the primary's own, for life.
    HostId(String),
    /// `serverName`, of a primary that does not tell its host id.
    Name(String),
}

/// A primary. Every method fails with what the client says; rows read before a failure have been visited.
pub trait Primary: Sync {
    /// The primary's clock in Unix milliseconds; `None` where it cannot be had though the primary answers.
    fn clock(&self) -> impl Future<Output = Result<Option<i64>, Failure>> + Send;

    /// Who answers; `None` where it cannot be had though the primary answers.
    fn identity(&self) -> impl Future<Output = Result<Option<Identity>, Failure>> + Send;

    /// Reads every page.
    fn walk(&self, query: &Query, visit: &mut Visit<'_>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Reads the first page, of at most `limit` rows. Returns whether there are more.
    fn page(
        &self,
        query: &Query,
        limit: u16,
        visit: &mut Visit<'_>,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// How many jobs there are (`None`: of any kind). Needs the right for the whole list.
    fn count(&self, ended: Option<&Ended>) -> impl Future<Output = Result<u64, Failure>> + Send;

    /// One job; `None` when the primary no longer knows it.
    fn job(&self, id: u64) -> impl Future<Output = Result<Option<JobRow<'static>>, Failure>> + Send;

    /// The primary's clock minus ours in seconds, once known.
    fn clock_offset(&self) -> Option<f64>;
}

/// Whether a side question that failed like this means that the primary is not to be asked on.
pub fn ends_the_poll(reason: Reason) -> bool {
    use Reason::{Auth, Circuit, Connect, Throttled, Timeout, Tls};
    matches!(reason, Auth | Circuit | Connect | Throttled | Timeout | Tls)
}

/// Whether the primary, or something before it, has too much to do. It has been asked more than once by then.
pub fn is_busy(failure: &Failure) -> bool {
    failure.reason == Reason::Http && matches!(failure.status, Some(502..=504))
}

/// A side question may go unanswered while the primary as a whole answers.
fn side<T>(answer: Result<T, Error>, what: &str) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if ends_the_poll(error.reason()) => Err(error.into()),
        Err(error) => {
            debug!(%error, what, "a side question went unanswered");
            Ok(None)
        }
    }
}

impl Primary for Client {
    async fn clock(&self) -> Result<Option<i64>, Failure> {
        Ok(side(self.ping().await, "the primary's clock")?.map(|ping| ping.server_time_ms))
    }

    async fn identity(&self) -> Result<Option<Identity>, Failure> {
        let info = side(self.server_info().await, "who the primary is")?;
        Ok(info.and_then(|info| info.host_id.map(Identity::HostId).or(info.server_name.map(Identity::Name))))
    }

    async fn walk(&self, query: &Query, visit: &mut Visit<'_>) -> Result<(), Failure> {
        self.walk_jobs(&query.to_request(PAGE), visit).await?;
        Ok(())
    }

    async fn page(&self, query: &Query, limit: u16, visit: &mut Visit<'_>) -> Result<bool, Failure> {
        Ok(self.jobs_page(&query.to_request(limit), visit).await?.more)
    }

    async fn count(&self, ended: Option<&Ended>) -> Result<u64, Failure> {
        Ok(self.count_jobs(ended.map(Ended::filter).as_deref()).await?)
    }

    async fn job(&self, id: u64) -> Result<Option<JobRow<'static>>, Failure> {
        Ok(Client::job(self, id).await?)
    }

    fn clock_offset(&self) -> Option<f64> {
        self.stats().clock_offset_seconds()
    }
}

impl Query {
    fn to_request(&self, limit: u16) -> JobsQuery {
        let (filter, sort) = match self {
            Query::Any => (None, None),
            Query::NewestChange => (None, Some("-lastUpdateTime")),
            Query::Changed(from_ms, to_ms) => {
                let (from, to) = (literal(*from_ms), literal(*to_ms));
                (Some(format!("lastUpdateTime ge {from} and lastUpdateTime lt {to}")), Some("lastUpdateTime"))
            }
            Query::Unfinished => (Some("state ne 'DONE'".to_owned()), Some("jobId")),
            Query::Ended(ended) => (Some(ended.filter()), Some("jobId")),
            Query::EndedLastId(ended @ Ended { after: 0, .. }) => {
                (Some(format!("{} and jobId gt 0", ended.filter())), Some("-jobId"))
            }
            Query::EndedLastId(ended) => (Some(ended.filter()), Some("-jobId")),
            Query::EndedFirst(ended) => (Some(ended.filter()), Some("endTime")),
        };
        JobsQuery { filter, sort, limit }
    }
}

impl Ended {
    fn filter(&self) -> String {
        let mut filter = format!("state eq 'DONE' and endTime ge {}", literal(self.from_ms));
        // Writing to a string cannot fail.
        if let Some(to_ms) = self.to_ms {
            let _ = write!(filter, " and endTime lt {}", literal(to_ms));
        }
        if self.after > 0 {
            let _ = write!(filter, " and jobId gt {}", self.after);
        }
        if let Some(below) = self.below {
            let _ = write!(filter, " and jobId lt {below}");
        }
        if let Some(status) = self.status {
            let _ = write!(filter, " and status eq {status}");
        }
        filter
    }
}

/// A date-time literal of the filter language: bare, UTC, with milliseconds.
fn literal(unix_ms: i64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{stamp:.3}")
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
    fn filters_say_what_is_meant_and_no_more() {
        let all = Ended { from_ms: 1_764_194_400_000, ..Ended::default() };
        assert_eq!(all.filter(), "state eq 'DONE' and endTime ge 2025-11-26T22:00:00.000Z");
        let part = Ended { to_ms: Some(1_764_194_401_000), after: 7, below: Some(9), ..all };
        let to = "endTime lt 2025-11-26T22:00:01.000Z";
        assert_eq!(part.filter(), format!("{} and {to} and jobId gt 7 and jobId lt 9", all.filter()));
        let successful = Ended { status: Some(0), ..all };
        assert_eq!(successful.filter(), format!("{} and status eq 0", all.filter()));
        let request = Query::Changed(1_764_194_400_000, 1_764_194_401_000).to_request(50);
        let (from, to) = ("lastUpdateTime ge 2025-11-26T22:00:00.000Z", "lastUpdateTime lt 2025-11-26T22:00:01.000Z");
        assert_eq!(request.filter, Some(format!("{from} and {to}")));
        assert_eq!((request.sort, request.limit), (Some("lastUpdateTime"), 50));
        let last = Query::EndedLastId(all).to_request(1);
        assert_eq!((last.filter, last.sort), (Some(format!("{} and jobId gt 0", all.filter())), Some("-jobId")));
        assert_eq!(Query::EndedLastId(part).to_request(1).filter, Some(part.filter()));
    }
}
