//! Capacity in use and licences as the API writes them.

use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::{BareOffset, MetaOffset};
use crate::netbackup::record::{Resource, record};
use crate::netbackup::walk::List;

record! {
    /// What a primary has gathered. The lists of clients and images in it, which may be large, are skipped.
    pub(crate) struct Capacity {
        /// Front-end megabytes.
        megabytes: float = "masterConsumptionMB",
    }
}

/// `/licensing/capacity`.
pub(crate) enum Capacities {}

impl List for Capacities {
    type Shape = MetaOffset;
    type Row<'a> = Resource<'a, Capacity<'a>>;
    const ENDPOINT: Endpoint = Endpoint::Capacity;
    /// None is published. A row is a primary, and holds an entry for each client, policy and image: one at a time.
    const LARGEST_PAGE: u16 = 1;
    const MOST_PAGES: u64 = 1_000;
}

record! {
    /// A licence.
    pub(crate) struct Entitlement {
        /// `ACTIVE` or `EXPIRED`.
        status: text = "status" or "it has no status",
        /// What it counts: `FETB`, `FETB_PLUS`, `CPU`, `SERVER`; in which unit is not published.
        meter: text = "licenseMeter",
        /// `productName`: the name of what was bought.
        product: text = "productName",
        /// How much of what the meter counts, to be multiplied.
        count: count = "licenseCount",
        /// By this.
        multiplier: float = "countMultiplier",
        /// `endDate`.
        end: time = "endDate",
        /// `serviceExpiration`: the end of support.
        service_end: time = "serviceExpiration",
    }
}

/// `/licensing/entitlements`.
pub(crate) enum Entitlements {}

impl List for Entitlements {
    type Shape = BareOffset;
    type Row<'a> = Resource<'a, Entitlement<'a>>;
    const ENDPOINT: Endpoint = Endpoint::Entitlements;
    const LARGEST_PAGE: u16 = 100;
    const MOST_PAGES: u64 = 1_000;
}
