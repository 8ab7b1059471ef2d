//! Hosts and paused clients as the API writes them.

use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::BareOffset;
use crate::netbackup::record::{Resource, record};
use crate::netbackup::stream::FlatList;
use crate::netbackup::walk::List;

record! {
    /// A host of the domain. Its name is of no use here: hosts are counted.
    pub(crate) struct Host {
        /// `uuid`.
        #[expect(dead_code, reason = "a record without it is left out")]
        uuid: text = "uuid" or "it has no uuid",
        /// `nbuHostType`, such as `CLIENT`.
        host_type: text = "nbuHostType",
        /// `nbuReleaseVersion`, such as `11.0`.
        release: text = "nbuReleaseVersion",
        /// `osType`, such as `Linux`.
        os: text = "osType",
        /// `dteClientMode`: encryption of data in transit.
        dte_mode: text = "dteClientMode",
        /// `isSecureEnabled`.
        secure: flag = "isSecureEnabled",
        /// `fipsEnabled`, since 11.0.
        fips: text = "fipsEnabled",
        /// `decommissionedDateTime`, since 11.0, in a unit that is not published.
        decommissioned: integer = "decommissionedDateTime",
        /// Names under which it is known.
        mappings: [Mapping] = "hostMappings",
    }
}

record! {
    /// A name of a host.
    pub(crate) struct Mapping {
        /// `isApproved`.
        approved: flag = "isApproved",
        /// `isConflicting`.
        conflicting: flag = "isConflicting",
    }
}

/// `/config/hosts`.
pub(crate) enum Hosts {}

impl FlatList for Hosts {
    type Row<'a> = Host<'a>;
    const ENDPOINT: Endpoint = Endpoint::Hosts;
    const ROOT: &'static str = "hosts";
}

record! {
    /// A client whose jobs are paused.
    pub(crate) struct PausedClient {
        /// `displayName`.
        name: text = "displayName",
        /// `clientUniqueIdentifier`, a host id.
        host_id: text = "clientUniqueIdentifier",
        /// `reason`, such as `MALWARE`.
        reason: text = "reason",
        /// `triggerMethod`: `AUTOMATIC` or `MANUAL`.
        trigger: text = "triggerMethod",
        /// `blockedTime`: a text, no form of which is published.
        since: any_time = "blockedTime",
        /// `blockedUntilTime`, likewise.
        until: any_time = "blockedUntilTime",
    }
}

/// `/config/paused-clients`.
pub(crate) enum PausedClients {}

impl List for PausedClients {
    type Shape = BareOffset;
    type Row<'a> = Resource<'a, PausedClient<'a>>;
    const ENDPOINT: Endpoint = Endpoint::PausedClients;
    const LARGEST_PAGE: u16 = 100;
    const MOST_PAGES: u64 = 1_000;
}
