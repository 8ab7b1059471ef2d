//! Protection plans as the API writes them.

use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::UncappedOffset;
use crate::netbackup::record::{Resource, record};
use crate::netbackup::walk::List;

record! {
    /// A protection plan. Its schedules and policies, which may be large, are skipped.
    pub(crate) struct Slo {
        /// Name.
        name: text = "name" or "it has no name",
        /// `workloadType`, such as `VMWARE`.
        workload_type: text = "workloadType",
        /// Assets that are subscribed to it.
        subscriptions: count = "subscriptionCount",
    }
}

/// `/servicecatalog/slos`.
pub(crate) enum Slos {}

impl List for Slos {
    type Shape = UncappedOffset;
    type Row<'a> = Resource<'a, Slo<'a>>;
    const ENDPOINT: Endpoint = Endpoint::Slos;
    /// None is published.
    const LARGEST_PAGE: u16 = 100;
    const MOST_PAGES: u64 = 1_000;
}
