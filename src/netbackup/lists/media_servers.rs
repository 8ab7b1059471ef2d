//! Media servers as the API writes them.

use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::FullOffset;
use crate::netbackup::record::{Resource, record};
use crate::netbackup::walk::List;

record! {
    /// A media server.
    pub(crate) struct MediaServer {
        /// Name of the host.
        name: text = "hostName" or "it has no host name",
        /// Release.
        version: text = "nbuVersion",
        /// Such as `Linux`.
        os_type: text = "osType",
        /// Such as `RedHat`.
        os_version: text = "osVersion",
        /// Such as `9.4`.
        os_release: text = "osReleaseVersion",
        /// Whether data are encrypted on their way: `ON` or `OFF`.
        dte_mode: text = "dteMode",
        /// Whether the primary reaches it; not where it is paused either.
        up: flag = "isMachineUp",
        /// What it is used for.
        status: {Status} = "status",
        /// The cluster of a virtual node.
        cluster: text = "clusterName",
    }
}

record! {
    /// `status`.
    pub(crate) struct Status {
        /// Such as `ACTIVE_FOR_DISK`.
        name: text = "name",
    }
}

/// `/config/media-servers`.
pub(crate) enum MediaServers {}

impl List for MediaServers {
    type Shape = FullOffset;
    type Row<'a> = Resource<'a, MediaServer<'a>>;
    const ENDPOINT: Endpoint = Endpoint::MediaServers;
    const LARGEST_PAGE: u16 = 500;
    const MOST_PAGES: u64 = 1_000;
}
