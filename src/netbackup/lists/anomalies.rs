//! Anomalies of backups as the API writes them.

use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::ShortOffset;
use crate::netbackup::record::{Resource, record};
use crate::netbackup::walk::List;

record! {
    /// An anomaly.
    pub(crate) struct Anomaly {
        /// `anomalySeverity`, such as `HIGH`.
        severity: text = "anomalySeverity",
        /// `anomalyType`, such as `JOB_BASED`.
        anomaly_type: text = "anomalyType",
        /// `anomalyStatus`, such as `NOT_REVIEWED`.
        status: text = "anomalyStatus",
        /// `createdDateTime`.
        created: time = "createdDateTime",
    }
}

/// `/security/anomalies`.
pub(crate) enum Anomalies {}

impl List for Anomalies {
    type Shape = ShortOffset;
    type Row<'a> = Resource<'a, Anomaly<'a>>;
    const ENDPOINT: Endpoint = Endpoint::Anomalies;
    const LARGEST_PAGE: u16 = 100;
    const MOST_PAGES: u64 = 10_000;
}
