//! What one poll has met.

use std::sync::Arc;

use tracing::warn;

use crate::netbackup::JobsPage;

/// Counts the pages of a poll.
#[derive(Debug)]
pub struct Tally {
    site: Arc<str>,
    /// Rows, the rejected ones included.
    pub rows: u64,
    /// Rows that were left out.
    pub rejected: u64,
    /// The newest stamp of the changes.
    pub newest_ms: Option<i64>,
    /// Requests for jobs.
    pub requests: usize,
    /// Whether a rejection has been logged, now or before.
    pub is_logged: bool,
}

impl Tally {
    /// Nothing yet.
    pub fn new(site: &Arc<str>, is_logged: bool) -> Tally {
        // The clock and who answers were asked first.
        Tally { site: Arc::clone(site), rows: 0, rejected: 0, newest_ms: None, requests: 2, is_logged }
    }

    /// A page whose stamps say nothing about how far the changes have been read.
    pub fn count(&mut self, page: &JobsPage<'_>) {
        self.requests = self.requests.saturating_add(1);
        self.rows = self.rows.saturating_add(page.rows.len() as u64).saturating_add(page.rejected);
        self.rejected = self.rejected.saturating_add(page.rejected);
        if let (false, Some(why)) = (self.is_logged, &page.first_rejection) {
            self.is_logged = true;
            warn!(
                site = &*self.site,
                collector = "jobs",
                why,
                "a job record was left out; further ones are only counted, in netbackup_collector_rejected_records_total"
            );
        }
    }

    /// A page of changes.
    pub fn add(&mut self, page: &JobsPage<'_>) {
        self.count(page);
        self.newest_ms = self.newest_ms.max(page.rows.iter().filter_map(|row| row.last_update_ms).max());
    }
}
