//! Events of the event log as the API writes them.

use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::ShortOffset;
use crate::netbackup::record::{Resource, record};
use crate::netbackup::walk::List;

record! {
    /// An event.
    pub(crate) struct Notification {
        /// `severity`, such as `ERROR`.
        severity: text = "severity",
        /// `notificationType`, such as `Disk pool state`.
        notification_type: text = "notificationType",
        /// `createdDateTime`.
        created: time = "createdDateTime",
    }
}

/// `/eventlog/notifications`.
pub(crate) enum Notifications {}

impl List for Notifications {
    type Shape = ShortOffset;
    type Row<'a> = Resource<'a, Notification<'a>>;
    const ENDPOINT: Endpoint = Endpoint::Notifications;
    const LARGEST_PAGE: u16 = 100;
    const MOST_PAGES: u64 = 10_000;
}
