//! Media servers: whether each is reached, what it is used for, and its release. Endpoint: `/config/media-servers`, every
//! page.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::series::{put, state_set};
use super::whole::{Reading, Source};
use crate::config;
use crate::exposition::{Family, Kind, Page};
use crate::netbackup::lists::media_servers::{MediaServer, MediaServers as List};
use crate::netbackup::{Endpoint, Error, Listing};

/// Whether it is reached.
pub static UP: Family = Family {
    name: "netbackup_media_server_up",
    kind: Kind::Gauge,
    help: "Whether the primary reached the media server at the last poll: 1 or 0. It does not reach one that is paused either. Absent where NetBackup does not say.",
    labels: &["site", "media_server"],
};

/// What it is used for.
pub static STATUS: Family = Family {
    name: "netbackup_media_server_status",
    kind: Kind::Gauge,
    help: "What the media server is used for at the last poll: ACTIVE_FOR_TAPE_AND_DISK, ACTIVE_FOR_TAPE, ACTIVE_FOR_DISK, OFFLINE, DEACTIVATED or VIRTUAL_NODE; 1 for the one that is true.",
    labels: &["site", "media_server", "status"],
};

/// What the server is.
pub static INFO: Family = Family {
    name: "netbackup_media_server_info",
    kind: Kind::Gauge,
    help: "1 for each media server at the last poll; dte_mode: whether it encrypts data on their way (ON or OFF).",
    labels: &["site", "media_server", "release", "os", "os_version", "os_release", "dte_mode", "cluster"],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "media_servers",
    title: "Media servers",
    endpoints: &[Endpoint::MediaServers],
    releases: "all",
    cardinality: "8 series per media server",
    cost: "a request per 500 media servers",
    families: &[&INFO, &STATUS, &UP],
};

const STATUSES: &[&str] =
    &["ACTIVE_FOR_TAPE_AND_DISK", "ACTIVE_FOR_TAPE", "ACTIVE_FOR_DISK", "OFFLINE", "DEACTIVATED", "VIRTUAL_NODE"];

/// The source.
pub struct MediaServers;

impl MediaServers {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> MediaServers {
        MediaServers
    }
}

/// A media server as it is exposed.
struct Server {
    up: Option<bool>,
    status: String,
    /// Labels of its info after the name.
    info: [String; 6],
}

impl Source for MediaServers {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            // By name, which is its id too, so that one that moves between two pages while they are read is there once.
            let mut servers: BTreeMap<String, Server> = BTreeMap::new();
            reading
                .list::<List>(Listing::ALL, |row| {
                    servers.insert(row.name.clone().into_owned(), Server::from(&*row));
                })
                .await?;
            for (name, server) in &servers {
                server.render(&mut reading.page, name);
            }
            Ok(())
        }
        .boxed()
    }
}

impl From<&MediaServer<'_>> for Server {
    fn from(row: &MediaServer<'_>) -> Server {
        Server {
            up: row.up,
            status: row.status.as_ref().map(|status| status.name.clone().into_owned()).unwrap_or_default(),
            info: [&row.version, &row.os_type, &row.os_version, &row.os_release, &row.dte_mode, &row.cluster]
                .map(|text| text.clone().into_owned()),
        }
    }
}

impl Server {
    fn render(&self, page: &mut Page, name: &str) {
        put(page, &UP, &[name], self.up.map(u64::from));
        if !self.status.is_empty() {
            state_set(page, &STATUS, &[name], STATUSES, &self.status);
        }
        let info: Vec<&str> = std::iter::once(name).chain(self.info.iter().map(String::as_str)).collect();
        page.gauge(&INFO, &info, 1.0);
    }
}
