//! Jobs: what is unfinished, what ended within the lookback window, and counters of every job that finished.
//!
//! `feed` asks, `window` remembers, `render` says it as metrics. Endpoints: `/ping`, `/admin/jobs`,
//! `/admin/jobs/{jobId}`, `/admin/jobs-count-requests`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::{Collector, PollContext, Polled, finish};
use crate::clock::Stamp;
use crate::exposition::Page;
use crate::netbackup::Client;
use crate::reason::Failure;

mod clock;
mod counters;
pub mod families;
mod feed;
mod lookback;
mod names;
mod render;
mod table;
mod window;

/// The jobs collector of one site.
pub struct Jobs {
    site: Arc<str>,
    client: Client,
    lookback: Duration,
    feed: Mutex<feed::Feed>,
}

impl Jobs {
    /// A collector that has read nothing.
    #[must_use]
    pub fn new(site: Arc<str>, client: Client, lookback: Duration) -> Jobs {
        let feed = Mutex::new(feed::Feed::new(Arc::clone(&site), lookback));
        Jobs { site, client, lookback, feed }
    }
}

impl Collector for Jobs {
    fn poll<'a>(&'a self, context: &'a PollContext) -> BoxFuture<'a, Result<Polled, Failure>> {
        async move {
            let mut feed = self.feed.lock().await;
            let rejected = feed.poll(&self.client, context).await?;
            let received = Stamp::now();
            let mut page = Page::new(&self.site);
            let facts = render::Facts { lookback: self.lookback, overlap: feed::OVERLAP };
            render::render(&mut page, &feed.window, facts);
            feed.window.counters_shown();
            drop(feed);
            Ok(Polled { rendered: finish(page).await?, received, rejected })
        }
        .boxed()
    }

    fn is_bounded(&self) -> bool {
        // Asked between two polls, when nobody holds the feed.
        self.feed.try_lock().is_ok_and(|feed| feed.is_short())
    }

    fn credential_changes(&self) -> u64 {
        self.client.credential_changes()
    }

    fn credential_changed(&self, since: u64) -> BoxFuture<'_, ()> {
        self.client.credential_changed(since).boxed()
    }
}
