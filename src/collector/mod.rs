//! What a person calls "jobs" or "storage": each knows its endpoint, how an answer becomes a snapshot, and which
//! metrics the snapshot means. Adding one is adding a file and a line in [`crate::config::COLLECTORS`], [`ALL`] and [`build`].

pub mod alerts;
pub mod anomalies;
pub mod catalog;
pub mod clients;
pub mod compat;
pub mod disk_pools;
pub mod events;
pub mod hosts;
#[cfg(test)]
mod inventory_tests;
pub mod jobs;
mod kept;
pub mod licensing;
pub mod malware;
pub mod media_servers;
pub mod security;
mod series;
pub mod slo;
pub mod slp;
pub mod storage;
pub mod storage_servers;
mod tally;
pub mod tape;
mod whole;

use std::any::Any;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use self::kept::Kept;
use self::whole::{Source, Whole};
use crate::cache::Slot;
use crate::clock::Stamp;
use crate::config;
use crate::exposition::{Family, Page, Rendered};
use crate::netbackup::{self, Client, Endpoint};
use crate::reason::{Failure, Reason};
use crate::state::{Directory, Store};

/// What a successful poll hands over.
#[derive(Debug)]
pub struct Polled {
    /// The data series of the snapshot.
    pub rendered: Rendered,
    /// When the last answer had arrived.
    pub received: Stamp,
    /// Records that were left out.
    pub rejected: u64,
    /// Why a part of it could not be read: a missing right.
    pub denied: Option<Arc<Failure>>,
}

/// A collector as the documents, `check` and a role of least privilege know it.
#[derive(Debug)]
pub struct About {
    /// The name: a key of `[collectors]` and the `collector` label.
    pub name: &'static str,
    /// What a person calls it.
    pub title: &'static str,
    /// What it asks, the endpoints that need a right among them.
    pub endpoints: &'static [Endpoint],
    /// Releases that offer it.
    pub releases: &'static str,
    /// How many series it makes.
    pub cardinality: &'static str,
    /// What a poll costs the primary.
    pub cost: &'static str,
    /// Its metrics.
    pub families: &'static [&'static Family],
}

/// Every collector, in the order of [`crate::config::COLLECTORS`].
pub static ALL: [&About; 17] = [
    &jobs::ABOUT,
    &storage::ABOUT,
    &disk_pools::ABOUT,
    &storage_servers::ABOUT,
    &media_servers::ABOUT,
    &tape::ABOUT,
    &alerts::ABOUT,
    &events::ABOUT,
    &malware::ABOUT,
    &anomalies::ABOUT,
    &security::ABOUT,
    &catalog::ABOUT,
    &slp::ABOUT,
    &slo::ABOUT,
    &licensing::ABOUT,
    &hosts::ABOUT,
    &clients::ABOUT,
];

/// What a key may see of a source, for `check`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// How many objects it sees; at least so many where `more`.
    pub objects: u64,
    /// Not all of them were counted.
    pub more: bool,
    /// What else must be known to understand the number.
    pub note: Option<&'static str>,
}

/// How a running poll shows that it is alive.
#[derive(Clone)]
pub struct PollContext {
    slot: Arc<Slot<Rendered>>,
}

impl PollContext {
    /// A context that reports to `slot`.
    #[must_use]
    pub fn new(slot: Arc<Slot<Rendered>>) -> PollContext {
        PollContext { slot }
    }

    /// When the last answer of the published snapshot had arrived; `None`: none is published.
    #[must_use]
    pub fn published(&self) -> Option<Instant> {
        self.slot.load().snapshot.as_ref().map(|snapshot| snapshot.received.mono)
    }

    /// The published snapshot itself, from before a restart too.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Rendered>> {
        self.slot.load().snapshot.as_ref().map(|snapshot| Arc::clone(&snapshot.payload))
    }

    /// Says how much of a first read is done, 0 to 1.
    pub fn progress(&self, ratio: f64) {
        self.slot.set_progress(ratio);
    }
}

/// What a collector remembers between two polls, as only it can read it.
pub type Inheritance = Arc<dyn Any + Send + Sync>;

/// How collectors show what they have read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Display {
    /// Whether pages say of each counter since when it counts.
    pub created_samples: bool,
    /// Whether the names of the Go exporter stand beside ours, see [`compat`].
    pub go_names: bool,
}

/// A source of one snapshot. The poll loop knows nothing else of it.
pub trait Collector: Send + Sync + 'static {
    /// Reads the source once. Dropping the future (the deadline does) must leave the collector usable.
    fn poll<'a>(&'a self, context: &'a PollContext) -> BoxFuture<'a, Result<Polled, Failure>>;

    /// What was read before a restart, once, before the first poll; `None`: nothing was kept.
    fn restore(&self) -> BoxFuture<'_, Option<Polled>> {
        Box::pin(std::future::ready(None))
    }

    /// Asks in as few requests as possible whether the key may see the source. Changes nothing, and keeps nothing.
    fn examine(&self) -> BoxFuture<'_, Result<Seen, netbackup::Error>>;

    /// What the same collector takes over when the configuration of its site changes; `None`: nothing.
    fn memory(&self) -> Option<Inheritance> {
        None
    }

    /// Goes on from the memory of the same collector under an older configuration, whose task has ended. Once, before
    /// [`Collector::restore`] and the first poll.
    fn inherit(&self, memory: Inheritance) -> BoxFuture<'_, ()> {
        drop(memory);
        Box::pin(std::future::ready(()))
    }

    /// Whether a release may lack what it reads: then a 404 is no failure.
    fn is_optional(&self) -> bool {
        false
    }

    /// What the collector of jobs hands over to that of clients; `None`: it is another one.
    fn offers(&self) -> Option<Arc<jobs::Offers>> {
        None
    }

    /// Whether the next poll must end within `poll.timeout`. A first read may last longer: each of its requests is
    /// bounded instead.
    fn is_bounded(&self) -> bool {
        true
    }

    /// How often the credential has changed so far.
    fn credential_changes(&self) -> u64 {
        0
    }

    /// Waits until the credential is another one than when [`Collector::credential_changes`] was `since`.
    fn credential_changed(&self, since: u64) -> BoxFuture<'_, ()> {
        let _ = since;
        Box::pin(std::future::pending())
    }
}

/// The collector named `name` of a site; `None`: there is none of that name. `state`: where it keeps what must survive a
/// restart, if anywhere. `jobs`: what the site's collector of jobs hands over, which is built first; without it a collector
/// of clients has nothing to show.
#[must_use]
pub fn build(
    name: &str,
    site: &config::Site,
    client: &Client,
    display: Display,
    state: Option<&Directory>,
    jobs: Option<Arc<jobs::Offers>>,
) -> Option<Arc<dyn Collector>> {
    let place = Place { site, client, display, state };
    Some(match name {
        // It keeps more than what it shows.
        "jobs" => Arc::new(jobs::Jobs::new(site, client.clone(), display, place.store("jobs"))),
        "storage" => place.kept("storage", storage::Storage::new(Arc::clone(&site.name), client.clone(), display)),
        "disk_pools" => place.whole(disk_pools::DiskPools::new(site)),
        "storage_servers" => place.whole(storage_servers::StorageServers::new(site)),
        "media_servers" => place.whole(media_servers::MediaServers::new(site)),
        "tape" => place.whole(tape::Tape::new(site)),
        "alerts" => place.whole(alerts::Alerts::new(site)),
        "events" => Arc::new(events::Events::new(site, client.clone(), display, place.store("events"))),
        "malware" => place.whole(malware::Malware::new(site)),
        "anomalies" => place.whole(anomalies::Anomalies::new(site)),
        "security" => place.whole(security::Security::new(site)),
        "catalog" => place.whole(catalog::Catalog::new(site)),
        "slp" => place.whole(slp::Slp::new(site)),
        "slo" => place.whole(slo::Slo::new(site)),
        "licensing" => place.whole(licensing::Licensing::new(site)),
        "hosts" => place.whole(hosts::Hosts::new(site)),
        "clients" => Arc::new(clients::Clients::new(Arc::clone(&site.name), display, jobs.unwrap_or_default())),
        _ => return None,
    })
}

/// What collectors of one site have in common.
#[derive(Clone, Copy)]
struct Place<'a> {
    site: &'a config::Site,
    client: &'a Client,
    display: Display,
    state: Option<&'a Directory>,
}

impl Place<'_> {
    fn store(&self, name: &'static str) -> Option<Store> {
        self.state.map(|directory| directory.store(&self.site.name, name))
    }

    /// The collector of a source that is read whole.
    fn whole<S: Source>(&self, source: S) -> Arc<dyn Collector> {
        let whole = Whole::new(source, Arc::clone(&self.site.name), self.client.clone(), self.display);
        self.kept(S::ABOUT.name, whole)
    }

    /// The same collector, whose last snapshot is kept where there is a place for it.
    fn kept(&self, name: &'static str, collector: impl Collector) -> Arc<dyn Collector> {
        match self.store(name) {
            Some(store) => Arc::new(Kept::new(collector, self.site.url.as_str(), self.display, store)),
            None => Arc::new(collector),
        }
    }
}

/// The metric families of every collector; those that [`compat`] adds are not among them.
pub fn families() -> impl Iterator<Item = &'static Family> {
    ALL.into_iter().flat_map(|about| about.families).copied().chain([&whole::ENDPOINT_STATE])
}

/// Compresses a page off the runtime's own threads.
async fn finish(page: Page) -> Result<Rendered, Failure> {
    blocking(move || page.finish()).await
}

/// Does what takes long, or waits for a disk, off the runtime's own threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| {
        Failure::new(Reason::Internal, "a panic after the poll: a defect of the exporter, please report it")
    })
}
