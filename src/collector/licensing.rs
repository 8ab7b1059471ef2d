//! Licensing.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::whole::{Reading, Source};
use crate::config;
use crate::netbackup::{Endpoint, Error};

/// See [`About`].
pub static ABOUT: About = About {
    name: "licensing",
    title: "Licensing",
    endpoints: &[Endpoint::Capacity, Endpoint::Entitlements],
    releases: "all",
    cardinality: "",
    cost: "",
    families: &[],
};

/// The source.
pub struct Licensing;

impl Licensing {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> Licensing {
        Licensing
    }
}

impl Source for Licensing {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, _: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move { Ok(()) }.boxed()
    }
}
