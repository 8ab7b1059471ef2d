//! Security.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::whole::{Reading, Source};
use crate::config;
use crate::netbackup::{Endpoint, Error};

/// See [`About`].
pub static ABOUT: About = About {
    name: "security",
    title: "Security",
    endpoints: &[Endpoint::SecurityStatus, Endpoint::Certificates, Endpoint::ApiKeys, Endpoint::CaCertificates],
    releases: "all",
    cardinality: "",
    cost: "",
    families: &[],
};

/// The source.
pub struct Security;

impl Security {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> Security {
        Security
    }
}

impl Source for Security {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, _: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move { Ok(()) }.boxed()
    }
}
