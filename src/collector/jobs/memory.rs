//! The feed and the file that it survives in. What has changed is on disk before the snapshot that shows it is published.

use std::io;
use std::time::SystemTime;

use tokio::time::Instant;

use super::feed::{Feed, KeptFeed, Settings, VERSION};
use crate::clock::Stamp;
use crate::state::{Loaded, Store, Unreadable};

/// What one poll leaves to the next, and one process to the next.
pub struct Memory {
    /// The feed.
    pub feed: Feed,
    /// When the last answer of the snapshot that was handed over last had arrived.
    pub offered: Option<Instant>,
    store: Option<Store>,
    settings: Settings,
}

impl Memory {
    /// Nothing has been read; `store`: where it is kept, if anywhere.
    pub fn new(settings: Settings, store: Option<Store>) -> Memory {
        Memory { feed: Feed::new(settings.clone()), offered: None, store, settings }
    }

    /// Takes in what was kept. Returns when the last answer of it had arrived, where it may be served as it is. Blocks.
    pub fn restore(&mut self) -> Option<Stamp> {
        let store = self.store.as_mut()?;
        let mut feed = Feed::new(self.settings.clone());
        let loaded = store.load(VERSION, &mut |_, bytes| {
            let kept: KeptFeed = postcard::from_bytes(bytes).map_err(|_| Unreadable("it is no part of a job feed"))?;
            feed.restore(kept);
            Ok(())
        });
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
        may_be_served.then(|| Stamp::of(received))
    }

    /// Keeps what has changed. The poll whose last answer came at `received` is complete. Failures are counted and logged by
    /// the store, and then everything is written at the next poll. Blocks.
    pub fn keep(&mut self, received: SystemTime) {
        let Memory { feed, store: Some(store), .. } = self else { return };
        if !feed.has_changed() && store.is_sound() {
            store.touch(received);
            return;
        }
        let kept = if feed.has_changed_as_a_whole() || store.wants_rewrite() {
            store.rewrite(VERSION, &mut |base| {
                feed.everything(received, |part| base.frame(&postcard::to_allocvec(part).map_err(io::Error::other)?))
            })
        } else {
            postcard::to_allocvec(&feed.changes(received))
                .map_err(io::Error::other)
                .and_then(|bytes| store.append(&bytes))
        };
        if kept.is_ok() {
            store.touch(received);
        }
    }
}
