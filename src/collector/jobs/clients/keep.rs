//! What of the ledger survives a restart: in the same frame as the counting of the poll, behind it. So a crash takes
//! both or none, and where there is no ledger a frame is what it always was.
//!
//! Values, never differences. A frame without a ledger was written by somebody who kept none: jobs may have been counted
//! that no ledger knows of, so what was read of it before is void.

use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Client, Clients, Ledger, Record};

/// Raised when [`KeptLedger`] changes its meaning: a ledger of another layout is void.
const LAYOUT: u8 = 1;
/// Keys of one frame: some 300 KB, and far from the largest frame whatever their names are.
const KEYS: usize = 5_000;

/// The ledger, or a part of it, as it is kept.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLedger {
    /// [`LAYOUT`]; first, so that another one can be told.
    layout: u8,
    told_for: u32,
    created_ms: u64,
    generation: u32,
    shown: u32,
    dropped_jobs: u64,
    clients: Vec<KeptClient>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptClient {
    name: String,
    since_ms: u64,
    entries: Vec<KeptEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptEntry {
    policy: String,
    job_type: String,
    record: Record,
}

impl KeptLedger {
    /// Its bytes behind those of a frame.
    ///
    /// # Errors
    /// None that is known of.
    pub fn write_behind(&self, bytes: Vec<u8>) -> postcard::Result<Vec<u8>> {
        postcard::to_extend(self, bytes)
    }

    /// What stands behind a frame; `None`: no ledger that means something to this release.
    ///
    /// # Errors
    /// It says that it is one, and is none.
    pub fn read(bytes: &[u8]) -> postcard::Result<Option<KeptLedger>> {
        if bytes.first() == Some(&LAYOUT) { postcard::from_bytes(bytes).map(Some) } else { Ok(None) }
    }
}

impl Ledger {
    /// Whether anything has changed that must be kept.
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// What has changed since it was last kept.
    pub fn changes(&mut self) -> KeptLedger {
        let changed = self.clients.iter().filter_map(|(name, client)| kept(name, client, |is_dirty| is_dirty));
        let clients = changed.collect();
        self.be_clean();
        KeptLedger { clients, ..self.no_changes() }
    }

    /// What is kept whole, however little has changed.
    pub fn no_changes(&self) -> KeptLedger {
        KeptLedger {
            layout: LAYOUT,
            told_for: self.told_for,
            created_ms: self.created_ms,
            generation: self.generation,
            shown: self.shown,
            dropped_jobs: self.dropped_jobs,
            clients: Vec::new(),
        }
    }

    /// The whole ledger, in parts of bounded size; at least one.
    pub fn everything(&mut self) -> impl Iterator<Item = KeptLedger> + use<> {
        self.be_clean();
        let (head, clients) = (self.no_changes(), Arc::clone(&self.clients));
        let mut next = Some(String::new());
        std::iter::from_fn(move || {
            let from = next.take()?;
            let mut part = head.clone();
            let mut keys = 0_usize;
            for (name, client) in clients.range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded)) {
                if keys >= KEYS {
                    next = Some(name.to_string());
                    break;
                }
                keys = keys.saturating_add(client.entries.len());
                part.clients.extend(kept(name, client, |_| true));
            }
            Some(part)
        })
    }

    /// Takes in what was kept, in the order in which it was; [`Ledger::restored`] ends it.
    pub fn restore(&mut self, kept: Option<KeptLedger>) {
        let Some(kept) = kept else {
            *self = Ledger::empty(self.wanted.clone(), self.forgotten_after_s, self.wall_ms);
            return;
        };
        (self.told_for, self.created_ms) = (kept.told_for, kept.created_ms);
        (self.generation, self.shown, self.dropped_jobs) = (kept.generation, kept.shown, kept.dropped_jobs);
        for KeptClient { name, since_ms, entries } in kept.clients {
            for KeptEntry { policy, job_type, mut record } in entries {
                record.put_in_order();
                self.newest = self.newest.max(record.born);
                let (policy, job_type) = (self.text(&policy), self.text(&job_type));
                let entry = self.put(&name, since_ms, policy, job_type, Record::default());
                (entry.record, entry.is_dirty) = (record, false);
            }
        }
    }

    /// Everything that was kept has been taken in, and it is `now_ms` by the primary's clock. Returns whether less of it is
    /// wanted than was kept: then everything must be kept anew, or what is not counted from now on would come back.
    pub fn restored(&mut self, now_ms: i64) -> bool {
        self.settle(now_ms);
        let before = self.clients.len();
        let (wanted, clients) = (&self.wanted, Arc::make_mut(&mut self.clients));
        clients.retain(|name, _| wanted.wants(name));
        if clients.len() > wanted.max {
            let mut oldest: Vec<_> = clients.iter().map(|(name, client)| (client.since_ms, Arc::clone(name))).collect();
            oldest.sort_unstable();
            oldest.drain(..wanted.max);
            oldest.iter().for_each(|(_, name)| drop(clients.remove(name)));
        }
        let is_smaller = self.clients.len() < before;
        self.recount();
        // What is made from now on was not in any view that was kept.
        self.generation = self.generation.saturating_add(1);
        self.has_changed = false;
        is_smaller
    }

    fn be_clean(&mut self) {
        self.has_changed = false;
        let is_dirty = |client: &Client| client.entries.iter().any(|entry| entry.is_dirty);
        if !self.clients.values().any(|client| is_dirty(client)) {
            return;
        }
        let clients: &mut Clients = Arc::make_mut(&mut self.clients);
        for client in clients.values_mut().filter(|client| is_dirty(client)) {
            Arc::make_mut(client).entries.iter_mut().for_each(|entry| entry.is_dirty = false);
        }
    }
}

/// Those entries of a client that are wanted; `None`: there are none.
fn kept(name: &str, client: &Client, is_wanted: impl Fn(bool) -> bool) -> Option<KeptClient> {
    let entries = client.entries.iter().filter(|entry| is_wanted(entry.is_dirty)).map(|entry| KeptEntry {
        policy: entry.policy.to_string(),
        job_type: entry.job_type.to_string(),
        record: entry.record.clone(),
    });
    let entries: Vec<KeptEntry> = entries.collect();
    (!entries.is_empty()).then(|| KeptClient { name: name.to_owned(), since_ms: client.since_ms, entries })
}
