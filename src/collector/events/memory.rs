//! The book and the file that it survives in. What a poll has counted is on disk before its snapshot is published.

use std::io;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::warn;

use super::log::Book;
use crate::clock::{Stamp, from_unix_ms, unix_ms};
use crate::collector::jobs::primary::Identity;
use crate::state::{Loaded, Store, Unreadable};

/// Raised when [`State`] changes its meaning.
const VERSION: u32 = 1;

/// What is kept: as a whole each time, for it is small.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Where the primary was asked.
    address: String,
    identity: Option<Identity>,
    book: Book,
}

/// What one poll leaves to the next, and one process to the next.
pub(super) struct Memory {
    state: State,
    /// What was read before was read elsewhere, and it is not known yet whether the primary is the same.
    has_moved: bool,
    /// When the last answer of the snapshot that was handed over last had arrived.
    pub(super) offered: Option<Instant>,
    /// The file has been read, or its contents taken over.
    is_restored: bool,
    store: Option<Store>,
    /// The state as it is on disk.
    kept: Vec<u8>,
}

impl Memory {
    /// Nothing has been read of the primary at `address`; `store`: where it is kept, if anywhere.
    pub(super) fn new(address: &str, store: Option<Store>) -> Memory {
        let state = State { address: address.to_owned(), ..State::default() };
        Memory { state, has_moved: false, offered: None, is_restored: false, store, kept: Vec::new() }
    }

    pub(super) fn book(&mut self) -> &mut Book {
        &mut self.state.book
    }

    /// Who answers. Another primary under the site's name has other events under the same ids.
    pub(super) fn meet(&mut self, site: &str, met: Option<Identity>) {
        // A name says nothing about a host id. Where nobody says who answers, the address has to do.
        let alike = self.state.identity.as_ref().zip(met.as_ref());
        let alike = alike.filter(|(known, met)| std::mem::discriminant(*known) == std::mem::discriminant(*met));
        if !alike.map_or(!self.has_moved, |(known, met)| known == met) {
            warn!(site, "another primary answers: its event log is read as a new baseline, the counters go on");
            self.state.book.begin_anew();
            self.state.identity = None;
        }
        self.has_moved = false;
        let is_better = matches!((&self.state.identity, &met), (Some(Identity::HostId(_)), Some(Identity::Name(_))));
        if met.is_some() && !is_better {
            self.state.identity = met;
        }
    }

    /// Takes in what was kept. Returns when the last answer of it had arrived, where it may be served as it is. Blocks.
    pub(super) fn restore(&mut self) -> Option<Stamp> {
        if std::mem::replace(&mut self.is_restored, true) {
            return None;
        }
        let store = self.store.as_mut()?;
        let mut found = None;
        let loaded = store.load(VERSION, &mut |_, frame| {
            let (received, bytes) = frame.split_first_chunk().ok_or(Unreadable("it is no event book"))?;
            let state: State = postcard::from_bytes(bytes).map_err(|_| Unreadable("it is no event book"))?;
            found = Some((u64::from_le_bytes(*received), state, bytes.to_vec()));
            Ok(())
        });
        let (received_ms, state, kept) = found.filter(|_| matches!(loaded, Loaded::Whole | Loaded::Prefix))?;
        let received = from_unix_ms(received_ms)?;
        let received = store.touched().map_or(received, |touched| touched.max(received));
        self.take_over(state);
        self.kept = kept;
        // Of a damaged file the counters may have been served with higher values: they are right after the next poll.
        (loaded == Loaded::Whole && !self.has_moved).then(|| Stamp::of(received))
    }

    /// Goes on from what `old` remembers of the same site, and with its file. Nothing is left in `old`.
    pub(super) fn inherit(&mut self, old: &mut Memory) {
        self.store = old.store.take();
        self.is_restored = old.is_restored;
        self.kept = std::mem::take(&mut old.kept);
        self.take_over(std::mem::take(&mut old.state));
    }

    fn take_over(&mut self, state: State) {
        self.has_moved = state.book != Book::default() && state.address != self.state.address;
        let address = std::mem::take(&mut self.state.address);
        self.state = State { address, ..state };
    }

    /// Keeps what has changed. The poll whose last answer came at `received` is complete. Failures are counted and logged
    /// by the store, and then everything is written at the next poll. Blocks.
    pub(super) fn keep(&mut self, received: SystemTime) {
        // What was not asked for at the start is not asked for any more: this is newer.
        self.is_restored = true;
        let Some(store) = &mut self.store else { return };
        let Ok(state) = postcard::to_allocvec(&self.state) else { return };
        if state != self.kept || !store.is_sound() {
            let mut frame = unix_ms(received).to_le_bytes().to_vec();
            frame.extend_from_slice(&state);
            let kept: io::Result<()> = if store.wants_rewrite() {
                store.rewrite(VERSION, &mut |base| base.frame(&frame))
            } else {
                store.append(&frame)
            };
            if kept.is_err() {
                return;
            }
            self.kept = state;
        }
        store.touch(received);
    }
}
