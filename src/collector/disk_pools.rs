//! Disk pools.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::whole::{Reading, Source};
use crate::config;
use crate::netbackup::{Endpoint, Error};

/// See [`About`].
pub static ABOUT: About = About {
    name: "disk_pools",
    title: "Disk pools",
    endpoints: &[Endpoint::DiskPools, Endpoint::DiskPool],
    releases: "all",
    cardinality: "",
    cost: "",
    families: &[],
};

/// The source.
pub struct DiskPools;

impl DiskPools {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> DiskPools {
        DiskPools
    }
}

impl Source for DiskPools {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, _: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move { Ok(()) }.boxed()
    }
}
