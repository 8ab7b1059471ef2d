//! What the key may see of the jobs. An empty list alone says nothing: the key may not be allowed to see them.

use futures_util::future::join;

use crate::collector::Seen;
use crate::netbackup::{Client, Error, JobsQuery};
use crate::reason::Reason;

/// Rights on single jobs let the list show those, and deny the count.
const SINGLE_JOBS: &str = "the key has rights on single jobs only: what it may not see is not shown";
const UNCOUNTED: &str = "the primary does not count its jobs";

/// Asks for the first page and for the number of all jobs.
///
/// # Errors
/// When the list cannot be had, or is empty because the key may not see it.
pub async fn examine(client: &Client) -> Result<Seen, Error> {
    let query = JobsQuery { filter: None, sort: None, limit: super::primary::PAGE };
    let (page, count) = join(client.jobs_page(&query, &mut |_| {}), client.count_jobs(None)).await;
    let page = page?;
    let objects = page.rows.saturating_add(page.rejected);
    match count {
        Ok(count) => Ok(Seen { objects: count.max(objects), more: false, note: None }),
        Err(error) if error.reason() == Reason::Forbidden && objects > 0 => {
            Ok(Seen { objects, more: page.more, note: Some(SINGLE_JOBS) })
        }
        Err(error) if error.reason() == Reason::Forbidden || error.status().is_none() => Err(error),
        Err(_) => Ok(Seen { objects, more: page.more, note: Some(UNCOUNTED) }),
    }
}
