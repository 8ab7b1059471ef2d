//! Tape.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::whole::{Reading, Source};
use crate::config;
use crate::netbackup::{Endpoint, Error};

/// See [`About`].
pub static ABOUT: About = About {
    name: "tape",
    title: "Tape",
    endpoints: &[Endpoint::Drives, Endpoint::TapeMedia, Endpoint::RobotDeviceHosts, Endpoint::VolumePools],
    releases: "all",
    cardinality: "",
    cost: "",
    families: &[],
};

/// The source.
pub struct Tape;

impl Tape {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> Tape {
        Tape
    }
}

impl Source for Tape {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, _: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move { Ok(()) }.boxed()
    }
}
