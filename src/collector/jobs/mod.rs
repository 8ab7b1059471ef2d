//! Jobs: what is unfinished, what ended within the lookback window, and counters of every job that finished.
//!
//! `feed` asks, `window` remembers, `memory` keeps it, `render` says it as metrics. Reading order: `primary`, `window`,
//! `feed`, then what the feed leaves to others: `cold`, `lateness`, `audit`, `clock`; `clients` is what the collector of
//! that name shows. Endpoints: `/ping`,
//! `/security/serverinfo`, `/admin/jobs`, `/admin/jobs/{jobId}`, `/admin/jobs-count-requests`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, OwnedMutexGuard};

use self::memory::Memory;
use super::{About, Collector, Display, Inheritance, PollContext, Polled, Seen, blocking};
use crate::clock::Stamp;
use crate::config;
use crate::exposition::Page;
use crate::netbackup::{self, Client, Endpoint};
use crate::reason::{Failure, Reason};
use crate::state::Store;

mod audit;
mod clients;
mod clock;
mod cold;
mod counters;
mod examine;
pub mod families;
mod feed;
mod go_names;
mod lateness;
mod lookback;
mod memory;
mod names;
mod pace;
mod packed;
pub(super) mod primary;
mod render;
mod table;
mod window;

pub use clients::{Offer, Offers, View};
pub use counters::Outcome;
pub use memory::{STATE_FILE, read_state};

/// See [`About`].
pub static ABOUT: About = About {
    name: "jobs",
    title: "Jobs",
    endpoints: &[Endpoint::Jobs, Endpoint::Job, Endpoint::JobsCount],
    releases: "all",
    cardinality: "some 30 series per pair of job and policy type, and one per status code in use",
    cost: "four to six small requests a poll; a first read takes a request per 100 jobs of the lookback",
    families: &families::ALL,
};

/// The jobs collector of one site.
pub struct Jobs {
    site: Arc<str>,
    client: Client,
    lookback: Duration,
    display: Display,
    memory: Arc<Mutex<Memory>>,
    offers: Arc<Offers>,
}

impl Jobs {
    /// A collector that has read nothing. `store`: where it keeps what must survive a restart, if anywhere.
    #[must_use]
    pub fn new(site: &config::Site, client: Client, display: Display, store: Option<Store>) -> Jobs {
        let lookback = site.poll.lookback;
        let settings = feed::Settings {
            site: Arc::clone(&site.name),
            address: site.url.to_string(),
            lookback,
            walkers: site.poll.max_requests,
            go_names: display.go_names,
            clients: site.clients.clone(),
        };
        let memory = Arc::new(Mutex::new(Memory::new(settings, store)));
        Jobs { site: Arc::clone(&site.name), client, lookback, display, memory, offers: Arc::default() }
    }

    /// Does `work` with the memory, and renders what is remembered then, off the runtime's own threads. `work` says when
    /// the last answer had arrived; `None`: there is nothing to show.
    async fn show(
        &self,
        mut memory: OwnedMutexGuard<Memory>,
        rejected: u64,
        work: impl FnOnce(&mut Memory) -> Option<Stamp> + Send + 'static,
    ) -> Result<Option<Polled>, Failure> {
        let mut page = Page::new(&self.site).with_created(self.display.created_samples);
        let facts = render::Facts { lookback: self.lookback, go_names: self.display.go_names };
        let offers = Arc::clone(&self.offers);
        blocking(move || {
            let received = work(&mut memory)?;
            if let Some(view) = memory.feed.window.view_of_clients(received) {
                offers.offer(view);
            }
            render::render(&mut page, &memory.feed, facts);
            memory.offered = Some(received.mono);
            drop(memory);
            Some(Polled { rendered: page.finish(), received, rejected, denied: None })
        })
        .await
    }

    async fn read(&self, context: &PollContext) -> Result<Polled, Failure> {
        let mut memory = Arc::clone(&self.memory).lock_owned().await;
        // What was handed over need not have been published: the deadline may have come first. Asked once: what a
        // failed poll has counted since was in no snapshot.
        let offered = memory.offered.take();
        if offered.is_some() && offered == context.published() {
            memory.feed.window.counters_shown();
        }
        memory.feed.window.clients_shown(self.offers.shown());
        let rejected = memory.feed.poll(&self.client, context).await?;
        let received = Stamp::now();
        let keep = move |memory: &mut Memory| {
            memory.keep(received.wall);
            Some(received)
        };
        let shown = self.show(memory, rejected, keep).await?;
        shown.ok_or_else(|| Failure::new(Reason::Internal, "a poll left nothing to show: a defect of the exporter"))
    }
}

impl Collector for Jobs {
    fn restore(&self) -> BoxFuture<'_, Option<Polled>> {
        async move {
            let memory = Arc::clone(&self.memory).lock_owned().await;
            let restored = self.show(memory, 0, Memory::restore).await.ok().flatten();
            self.offers.restored();
            restored
        }
        .boxed()
    }

    fn poll<'a>(&'a self, context: &'a PollContext) -> BoxFuture<'a, Result<Polled, Failure>> {
        async move {
            let attempt = self.offers.begin();
            let polled = self.read(context).await;
            attempt.end(polled.as_ref().err().cloned());
            polled
        }
        .boxed()
    }

    fn offers(&self) -> Option<Arc<Offers>> {
        Some(Arc::clone(&self.offers))
    }

    fn memory(&self) -> Option<Inheritance> {
        Some(Arc::clone(&self.memory) as Inheritance)
    }

    fn inherit(&self, memory: Inheritance) -> BoxFuture<'_, ()> {
        async move {
            let Ok(old) = memory.downcast::<Mutex<Memory>>() else { return };
            // The lock may be held by a poll that was dropped while it was being kept.
            let (mut old, mut new) = (old.lock_owned().await, Arc::clone(&self.memory).lock_owned().await);
            let _ = blocking(move || new.inherit(&mut old)).await;
            // Where its slot goes on with the old snapshot nothing is restored.
            self.offers.restored();
        }
        .boxed()
    }

    fn examine(&self) -> BoxFuture<'_, Result<Seen, netbackup::Error>> {
        examine::examine(&self.client).boxed()
    }

    fn is_bounded(&self) -> bool {
        // Asked between two polls, when nobody holds the feed; unless a dropped poll is still being kept, which must end.
        self.memory.try_lock().map_or(true, |memory| memory.feed.is_short())
    }

    fn credential_changes(&self) -> u64 {
        self.client.credential_changes()
    }

    fn credential_changed(&self, since: u64) -> BoxFuture<'_, ()> {
        self.client.credential_changed(since).boxed()
    }
}
