//! What a person calls "jobs" or "storage": each knows its endpoint, how an answer becomes a snapshot, and which
//! metrics the snapshot means. Adding one is adding a file and a line in [`crate::config::COLLECTORS`] and [`build`].

pub mod jobs;
pub mod storage;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::cache::Slot;
use crate::clock::Stamp;
use crate::config;
use crate::exposition::{Family, Page, Rendered};
use crate::netbackup::Client;
use crate::reason::{Failure, Reason};

/// What a successful poll hands over.
#[derive(Debug)]
pub struct Polled {
    /// The data series of the snapshot.
    pub rendered: Rendered,
    /// When the last answer had arrived.
    pub received: Stamp,
    /// Records that were left out.
    pub rejected: u64,
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

    /// Says how much of a first read is done, 0 to 1.
    pub fn progress(&self, ratio: f64) {
        self.slot.set_progress(ratio);
    }
}

/// A source of one snapshot. The poll loop knows nothing else of it.
pub trait Collector: Send + Sync + 'static {
    /// Reads the source once. Dropping the future (the deadline does) must leave the collector usable.
    fn poll<'a>(&'a self, context: &'a PollContext) -> BoxFuture<'a, Result<Polled, Failure>>;

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

/// The collector named `name` of a site; `None`: there is none of that name. `created_samples`: whether its pages say
/// of each counter since when it counts.
#[must_use]
pub fn build(name: &str, site: &config::Site, client: &Client, created_samples: bool) -> Option<Arc<dyn Collector>> {
    // Storage has no counters, and the counters of jobs do not know yet since when they count.
    let _ = created_samples;
    let (label, client, poll) = (Arc::clone(&site.name), client.clone(), site.poll);
    match name {
        "jobs" => Some(Arc::new(jobs::Jobs::new(label, client, poll.lookback))),
        "storage" => Some(Arc::new(storage::Storage::new(label, client))),
        _ => None,
    }
}

/// The metric families of every collector.
pub fn families() -> impl Iterator<Item = &'static Family> {
    jobs::families::ALL.into_iter().chain(storage::ALL)
}

/// Compresses a page off the runtime's own threads.
async fn finish(page: Page) -> Result<Rendered, Failure> {
    let rendered = tokio::task::spawn_blocking(move || page.finish()).await;
    rendered.map_err(|_| {
        Failure::new(Reason::Internal, "the rendering panicked: a defect of the exporter, please report it")
    })
}
