//! Images of the catalog as the API writes them.

use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::MetaOffset;
use crate::netbackup::record::{Resource, record};
use crate::netbackup::walk::List;

record! {
    /// A backup image. Its copies and fragments are skipped.
    pub(crate) struct Image {
        /// `policyType` in a vocabulary of its own, such as `MS-SQL-Server`.
        policy_type: text = "policyType",
        /// Kilobytes that were backed up.
        kilobytes: bytes = "kbytes",
        /// `malwareStatus`, since 11.0.
        malware_status: text = "malwareStatus",
        /// `malwareScanResult`, in all releases.
        malware_scan_result: text = "malwareScanResult",
        /// `anomalyStatus`, since 10.5.
        anomaly_status: text = "anomalyStatus",
    }
}

/// `/catalog/images`. Without both bounds of `backupTime` it shows the last 24 hours only.
pub(crate) enum Images {}

impl List for Images {
    type Shape = MetaOffset;
    type Row<'a> = Resource<'a, Image<'a>>;
    const ENDPOINT: Endpoint = Endpoint::Images;
    const LARGEST_PAGE: u16 = 100;
    /// Five million images.
    const MOST_PAGES: u64 = 50_000;
}
