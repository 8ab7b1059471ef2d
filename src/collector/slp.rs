//! Storage lifecycle policies.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::whole::{Reading, Source};
use crate::config;
use crate::netbackup::{Endpoint, Error};

/// See [`About`].
pub static ABOUT: About = About {
    name: "slp",
    title: "Storage lifecycle policies",
    endpoints: &[Endpoint::SlpImages, Endpoint::Slps],
    releases: "all",
    cardinality: "",
    cost: "",
    families: &[],
};

/// The source.
pub struct Slp;

impl Slp {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> Slp {
        Slp
    }
}

impl Source for Slp {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, _: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move { Ok(()) }.boxed()
    }
}
