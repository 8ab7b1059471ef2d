//! Events: counters of what the primary writes into its event log, each event once. Endpoint: `/eventlog/notifications`,
//! from the newest known id on.
//!
//! Reading order: `log` knows what is new, `counters` count it, `memory` keeps both.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use self::log::{Book, Event, Log, Now, PAGE, Question};
use self::memory::Memory;
use super::jobs::primary::Primary as _;
use super::series::seconds;
use super::whole::{Memo, Reading, glance_at};
use super::{About, Collector, Display, Inheritance, PollContext, Polled, Seen, blocking};
use crate::clock::{from_unix_ms, rfc3339, unix_ms};
use crate::config;
use crate::exposition::{Family, Kind, Page};
use crate::netbackup::lists::events::{Notification, Notifications};
use crate::netbackup::{self, Client, Endpoint, Error, Listing};
use crate::reason::{Failure, Reason};
use crate::state::Store;

mod counters;
mod log;
mod memory;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

/// Events.
pub static EVENTS: Family = Family {
    name: "netbackup_events_total",
    kind: Kind::Counter,
    help: "Events of the primary's event log at the last poll, each counted once; those of the first poll are the baseline and count nothing. Past 500 types, a new one is called other.",
    labels: &["site", "severity", "type"],
};

/// The newest one.
pub static NEWEST: Family = Family {
    name: "netbackup_events_newest_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the newest event of the event log was made, as of the last poll.",
    labels: &["site"],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "events",
    title: "Events",
    endpoints: &[Endpoint::Notifications],
    releases: "all",
    cardinality: "one series per severity and type of event that was met (at most 500 types), and 1",
    cost: "two small requests, and one more per 100 events of the last five minutes",
    families: &[&NEWEST, &EVENTS],
};

/// The events collector of one site.
pub struct Events {
    site: Arc<str>,
    client: Client,
    display: Display,
    memo: Memo,
    memory: Arc<Mutex<Memory>>,
}

impl Events {
    /// A collector that has read nothing. `display`: whether counters say since when they count; `store`: where it
    /// keeps what must survive a restart, if anywhere.
    #[must_use]
    pub fn new(site: &config::Site, client: Client, display: Display, store: Option<Store>) -> Events {
        let memory = Arc::new(Mutex::new(Memory::new(site.url.as_str(), store)));
        Events { site: Arc::clone(&site.name), client, display, memo: Memo::default(), memory }
    }

    fn page(&self) -> Page {
        Page::new(&self.site).with_created(self.display.created_samples)
    }
}

impl Collector for Events {
    fn restore(&self) -> BoxFuture<'_, Option<Polled>> {
        async move {
            let mut memory = Arc::clone(&self.memory).lock_owned().await;
            let mut page = self.page();
            let shown = blocking(move || {
                let received = memory.restore()?;
                render(&mut page, memory.book());
                memory.offered = Some(received.mono);
                Some(Polled { rendered: page.finish(), received, rejected: 0, denied: None })
            });
            shown.await.ok().flatten()
        }
        .boxed()
    }

    fn poll<'a>(&'a self, context: &'a PollContext) -> BoxFuture<'a, Result<Polled, Failure>> {
        async move {
            let mut memory = Arc::clone(&self.memory).lock_owned().await;
            // What was handed over need not have been published: the deadline may have come first.
            let offered = memory.offered.take();
            if offered.is_some() && offered == context.published() {
                memory.book().counters.shown();
            }
            let identity = self.client.identity().await?;
            memory.meet(&self.site, identity);
            let mut reading = Reading::new(&self.client, &self.site, self.display, &self.memo);
            let followed = memory.book().follow(&mut Asked(&mut reading)).await;
            if reading.part(Endpoint::Notifications, followed)?.is_none() {
                return reading.polled(&ABOUT).await;
            }
            let (received, mut page) = (SystemTime::now(), self.page());
            let kept = blocking(move || {
                memory.keep(received);
                render(&mut page, memory.book());
                (memory, page)
            });
            let (mut memory, page) = kept.await?;
            reading.page = page;
            let polled = reading.polled(&ABOUT).await?;
            memory.offered = Some(polled.received.mono);
            Ok(polled)
        }
        .boxed()
    }

    fn memory(&self) -> Option<Inheritance> {
        Some(Arc::clone(&self.memory) as Inheritance)
    }

    fn inherit(&self, memory: Inheritance) -> BoxFuture<'_, ()> {
        async move {
            let Ok(old) = memory.downcast::<Mutex<Memory>>() else { return };
            // The lock may be held by a poll that was dropped while it was being kept.
            let (mut old, mut new) = (old.lock_owned().await, Arc::clone(&self.memory).lock_owned().await);
            new.inherit(&mut old);
        }
        .boxed()
    }

    fn examine(&self) -> BoxFuture<'_, Result<Seen, netbackup::Error>> {
        glance_at(&self.client, ABOUT.endpoints).boxed()
    }

    fn is_optional(&self) -> bool {
        true
    }

    fn is_bounded(&self) -> bool {
        // Asked between two polls, when nobody holds the memory; unless a dropped poll is still being kept.
        self.memory.try_lock().map_or(true, |mut memory| !memory.book().is_in_doubt())
    }

    fn credential_changes(&self) -> u64 {
        self.client.credential_changes()
    }

    fn credential_changed(&self, since: u64) -> BoxFuture<'_, ()> {
        self.client.credential_changed(since).boxed()
    }
}

fn render(page: &mut Page, book: &Book) {
    for (severity, kind, counter, events) in book.counters.to_show() {
        let created = from_unix_ms(counter.created_ms).unwrap_or(SystemTime::UNIX_EPOCH);
        page.counter_since(&EVENTS, &[severity, kind], events, created);
    }
    if let Some(newest) = book.newest_ms() {
        page.gauge(&NEWEST, &[], seconds(newest));
    }
}

/// The event log of a primary.
struct Asked<'r, 'c>(&'r mut Reading<'c>);

impl Log for Asked<'_, '_> {
    type Error = Error;

    fn now(&self) -> Now {
        let wall_ms = unix_ms(SystemTime::now());
        let ahead_ms = self.0.client.stats().clock_offset_ms().unwrap_or(0);
        Now { wall_ms, primary_ms: wall_ms.saturating_add_signed(ahead_ms) }
    }

    async fn read(&mut self, question: Question, take: &mut (dyn FnMut(Event) + Send)) -> Result<bool, Error> {
        let made_after = |ms: i64| u64::try_from(ms).ok().and_then(from_unix_ms).map(rfc3339);
        let (filter, sort, stop_after) = match question {
            Question::Newest => (None, "-id", Some(1)),
            Question::After(id) => (Some(format!("id gt {id}")), "id", Some(1)),
            Question::MadeAfter(ms) => {
                (ms.and_then(made_after).map(|time| format!("createdDateTime gt {time}")), "id", None)
            }
        };
        let listing = Listing { filter: filter.as_deref(), sort: Some(sort), limit: PAGE, stop_after };
        let mut last = match question {
            Question::After(id) => Some(id),
            _ => None,
        };
        let (mut nameless, mut is_rising) = (0_u64, true);
        let take_row = &mut |row: netbackup::Resource<'_, Notification<'_>>| {
            let Ok(id) = row.id.parse() else {
                nameless = nameless.saturating_add(1);
                return;
            };
            is_rising &= last.replace(id).is_none_or(|last| last < id);
            let (severity, kind) = (row.severity.clone().into_owned(), row.notification_type.clone().into_owned());
            take(Event { id, created_ms: row.created, severity, kind });
        };
        let (walk, why) = self.0.client.list::<Notifications>(&listing, take_row).await?;
        self.0.reject(walk.rejected, why);
        self.0.reject(nameless, (nameless > 0).then(|| "its id is no number".to_owned()));
        // Going on from the last one would leave out what another order puts behind it.
        if is_rising || !matches!(question, Question::After(_)) {
            return Ok(walk.more);
        }
        let what = "the events that were asked for by rising id come in another order";
        Err(self.0.client.error(Endpoint::Notifications, Reason::Decode, what).with_status(200))
    }
}
