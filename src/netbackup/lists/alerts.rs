//! Alerts as the API writes them.

use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::FullOffset;
use crate::netbackup::record::{Resource, record};
use crate::netbackup::walk::List;

record! {
    /// An alert. Its words and what it is about are skipped: they may be long.
    pub(crate) struct Alert {
        /// `severity`, such as `ERROR`.
        severity: text = "severity",
        /// `category`, such as `JOB`.
        category: text = "category",
        /// `context`, such as `JOB_STATE_FAILED`.
        context: text = "context",
        /// `createdDateTime`, in whatever form.
        created: any_time = "createdDateTime",
    }
}

/// `/manage/alerts`.
pub(crate) enum Alerts {}

impl List for Alerts {
    type Shape = FullOffset;
    type Row<'a> = Resource<'a, Alert<'a>>;
    const ENDPOINT: Endpoint = Endpoint::Alerts;
    /// None is published.
    const LARGEST_PAGE: u16 = 100;
    /// Nor is when alerts are removed.
    const MOST_PAGES: u64 = 10_000;
}
