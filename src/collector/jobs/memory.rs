//! The feed and the file that it survives in. What has changed is on disk before the snapshot that shows it is published.

use std::convert::Infallible;
use std::io;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::feed::{Feed, KeptFeed, Settings, VERSION};
use super::render::{Facts, render};
use crate::clock::Stamp;
use crate::config;
use crate::exposition::Page;
use crate::state::{Loaded, Store, Unreadable, read_bytes};

/// What one poll leaves to the next, and one process to the next.
pub struct Memory {
    /// The feed.
    pub feed: Feed,
    /// When the last answer of the snapshot that was handed over last had arrived.
    pub offered: Option<Instant>,
    /// The file has been read, so that what is remembered is newer.
    is_restored: bool,
    /// What is remembered may be served as it is.
    is_servable: bool,
    /// When the last answer of the last complete poll had arrived.
    received: Option<SystemTime>,
    store: Option<Store>,
    settings: Settings,
}

impl Memory {
    /// Nothing has been read; `store`: where it is kept, if anywhere.
    pub fn new(settings: Settings, store: Option<Store>) -> Memory {
        Memory {
            feed: Feed::new(settings.clone()),
            offered: None,
            is_restored: false,
            is_servable: false,
            received: None,
            store,
            settings,
        }
    }

    /// Takes in what was kept. Returns when the last answer of it had arrived, where it may be served as it is. Blocks.
    pub fn restore(&mut self) -> Option<Stamp> {
        if std::mem::replace(&mut self.is_restored, true) {
            // Whoever read it may have been stopped before that was shown.
            return self.received.filter(|_| self.is_servable).map(Stamp::of);
        }
        let store = self.store.as_mut()?;
        let mut feed = Feed::new(self.settings.clone());
        let loaded = store.load(VERSION, &mut |_, bytes| take_in(&mut feed, bytes));
        let is_whole = match loaded {
            Loaded::Nothing | Loaded::SetAside => return None,
            Loaded::Whole => true,
            // Its counters may have been served with higher values: they are right again after the next poll.
            Loaded::Prefix => false,
        };
        let received = feed.restored(store.touched())?;
        // Another address may lead to another primary, which the first poll finds out.
        let may_be_served = is_whole && !feed.has_moved();
        self.feed = feed;
        (self.received, self.is_servable) = (Some(received), may_be_served);
        may_be_served.then(|| Stamp::of(received))
    }

    /// Goes on from what `old` remembers of the same site, and with its file, as after a restart: so the settings may be
    /// others, and a poll that was cut off is read again. Nothing is left in `old`. Blocks.
    pub fn inherit(&mut self, old: &mut Memory) {
        self.store = old.store.take();
        if !old.is_restored {
            return;
        }
        self.is_restored = true;
        if let Some(store) = &mut self.store {
            // What a poll that was cut off has changed is remembered, but not on the disk.
            store.distrust();
        }
        let forgotten = Feed::new(old.settings.clone());
        let (was_servable, received) = (old.is_servable, old.received);
        let mut old = std::mem::replace(&mut old.feed, forgotten);
        // Without a complete poll there is nothing worth having.
        let Some(received) = received else { return };
        let mut feed = Feed::new(self.settings.clone());
        let _: Result<(), Infallible> = old.everything(received, |part| {
            feed.restore(part.clone());
            Ok(())
        });
        // It may be on its way to a new baseline, with counters that go on.
        let is_complete = feed.restored(None).is_some();
        self.is_servable = was_servable && is_complete && !feed.has_moved();
        (self.feed, self.received) = (feed, Some(received));
    }

    /// Keeps what has changed. The poll whose last answer came at `received` is complete. Failures are counted and logged by
    /// the store, and then everything is written at the next poll. Blocks.
    pub fn keep(&mut self, received: SystemTime) {
        (self.received, self.is_servable) = (Some(received), true);
        let Memory { feed, store: Some(store), .. } = self else { return };
        if !feed.has_changed() && store.is_sound() {
            store.touch(received);
            return;
        }
        let kept = if feed.has_changed_as_a_whole() || store.wants_rewrite() {
            store.rewrite(VERSION, &mut |base| {
                feed.everything(received, |part| base.frame(&part.to_bytes().map_err(io::Error::other)?))
            })
        } else {
            feed.changes(received).to_bytes().map_err(io::Error::other).and_then(|bytes| store.append(&bytes))
        };
        if kept.is_ok() {
            store.touch(received);
        }
    }
}

fn take_in(feed: &mut Feed, frame: &[u8]) -> Result<(), Unreadable> {
    let kept = KeptFeed::from_bytes(frame).map_err(|_| Unreadable("it is no part of a job feed"))?;
    feed.restore(kept);
    Ok(())
}

/// The name and the contents version of the state file of jobs.
pub const STATE_FILE: (&str, u32) = ("jobs", VERSION);

/// Reads the bytes of a state file as a start does, and renders what they say; for tests of what foreign bytes do.
/// Returns the number of series.
#[must_use]
pub fn read_state(bytes: &[u8]) -> usize {
    let (name, version) = STATE_FILE;
    let lookback = Duration::from_secs(24 * 60 * 60);
    let settings = Settings {
        site: "any".into(),
        address: "https://primary".into(),
        lookback,
        walkers: 1,
        go_names: true,
        clients: Some(config::Clients::default()),
    };
    let mut feed = Feed::new(settings);
    if read_bytes(bytes, version, name, &mut |_, frame| take_in(&mut feed, frame)) == Loaded::SetAside {
        return 0;
    }
    let _ = feed.restored(None);
    let mut page = Page::new("any").with_created(true);
    render(&mut page, &feed, Facts { lookback, go_names: true });
    if let Some(view) = feed.window.view_of_clients(Stamp::now()) {
        crate::collector::clients::render(&mut page, &view);
    }
    page.finish().series()
}
