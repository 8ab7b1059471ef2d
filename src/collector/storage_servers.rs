//! Storage servers.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::whole::{Reading, Source};
use crate::config;
use crate::netbackup::{Endpoint, Error};

/// See [`About`].
pub static ABOUT: About = About {
    name: "storage_servers",
    title: "Storage servers",
    endpoints: &[Endpoint::StorageServers],
    releases: "all",
    cardinality: "",
    cost: "",
    families: &[],
};

/// The source.
pub struct StorageServers;

impl StorageServers {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> StorageServers {
        StorageServers
    }
}

impl Source for StorageServers {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, _: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move { Ok(()) }.boxed()
    }
}
