//! Jobs: what is unfinished, what ended within the lookback window, and counters of every job that finished.
//!
//! `feed` asks, `window` remembers, `render` says it as metrics. Reading order: `primary`, `window`, `feed`, then what the
//! feed leaves to others: `cold`, `lateness`, `audit`, `clock`. Endpoints: `/ping`, `/security/serverinfo`, `/admin/jobs`,
//! `/admin/jobs/{jobId}`, `/admin/jobs-count-requests`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Collector, PollContext, Polled, finish};
use crate::clock::Stamp;
use crate::config;
use crate::exposition::Page;
use crate::netbackup::Client;
use crate::reason::Failure;

mod audit;
mod clock;
mod cold;
mod counters;
pub mod families;
mod feed;
mod lateness;
mod lookback;
mod names;
mod pace;
mod packed;
mod primary;
mod render;
mod table;
mod window;

/// The jobs collector of one site.
pub struct Jobs {
    site: Arc<str>,
    client: Client,
    lookback: Duration,
    memory: Arc<Mutex<Memory>>,
}

/// What one poll leaves to the next.
struct Memory {
    feed: feed::Feed,
    /// When the last answer of the snapshot that was handed over last had arrived.
    offered: Option<Instant>,
}

impl Jobs {
    /// A collector that has read nothing.
    #[must_use]
    pub fn new(site: Arc<str>, client: Client, poll: config::Poll) -> Jobs {
        let settings = feed::Settings { site: Arc::clone(&site), lookback: poll.lookback, walkers: poll.max_requests };
        let memory = Memory { feed: feed::Feed::new(settings), offered: None };
        Jobs { site, client, lookback: poll.lookback, memory: Arc::new(Mutex::new(memory)) }
    }
}

impl Collector for Jobs {
    fn poll<'a>(&'a self, context: &'a PollContext) -> BoxFuture<'a, Result<Polled, Failure>> {
        async move {
            let mut memory = Arc::clone(&self.memory).lock_owned().await;
            // What was handed over need not have been published: the deadline may have come first.
            if memory.offered.is_some() && memory.offered == context.published() {
                memory.feed.window.counters_shown();
            }
            let rejected = memory.feed.poll(&self.client, context).await?;
            let received = Stamp::now();
            let mut page = Page::new(&self.site);
            let facts = render::Facts { lookback: self.lookback };
            render::render(&mut page, &memory.feed, facts);
            memory.offered = Some(received.mono);
            drop(memory);
            Ok(Polled { rendered: finish(page).await?, received, rejected })
        }
        .boxed()
    }

    fn is_bounded(&self) -> bool {
        // Asked between two polls, when nobody holds the feed.
        self.memory.try_lock().is_ok_and(|memory| memory.feed.is_short())
    }

    fn credential_changes(&self) -> u64 {
        self.client.credential_changes()
    }

    fn credential_changed(&self, since: u64) -> BoxFuture<'_, ()> {
        self.client.credential_changed(since).boxed()
    }
}
