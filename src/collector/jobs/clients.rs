//! What is known of each client: a ledger beside the window, fed row by row as the window counts. Pure: no clock, no
//! network. Only a site whose collector `clients` is on has one.
//!
//! A key is client, policy and job type. Its counters count what the window counts, so exactly once; its last success,
//! last attempt and failures in a row follow the rows themselves, whatever the order in which they come. What is offered
//! shares the ledger's own entries: a later change copies only those that it touches.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::counters::Outcome;
use crate::clock::Stamp;
use crate::config;

mod entry;
pub mod keep;
mod offer;

pub use entry::{Client, Entry, Record};
pub use offer::{Offer, Offers, View};

/// A key without a finished job for so long is forgotten: what comes every quarter stays.
const FORGOTTEN_AFTER_S: u32 = 100 * 24 * 3600;
/// Keys of a site, per client that it may have: what bounds the policies that a broken primary may make up.
const KEYS_PER_CLIENT: usize = 20;
const FEWEST_KEYS: usize = 1000;
/// A longer name, of a client, a policy or a job type, is none.
const LONGEST_NAME: usize = 255;

/// The clients by name.
pub type Clients = BTreeMap<Arc<str>, Arc<Client>>;

/// Whose job a row is.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// `clientName`.
    pub client: &'a str,
    /// `policyName`.
    pub policy: &'a str,
    /// `jobType`.
    pub job_type: &'a str,
}

/// How a job ended.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// `status`.
    pub status: Option<i32>,
    /// `endTime` in Unix milliseconds; `None`: there is none that can be believed.
    pub at_ms: Option<i64>,
}

/// The ledger of one site.
#[derive(Debug)]
pub struct Ledger {
    wanted: config::Clients,
    forgotten_after_s: u32,
    clients: Arc<Clients>,
    keys: usize,
    /// Policies and job types, each text once.
    texts: HashSet<Arc<str>>,
    /// Finished jobs of clients for whom there was no room.
    dropped_jobs: u64,
    /// There was none, at least once in this process.
    is_full: bool,
    /// Since when it counts, in Unix milliseconds of the exporter's clock.
    created_ms: u64,
    /// The exporter's clock, for what begins.
    wall_ms: u64,
    /// The number of the next view.
    generation: u32,
    /// Views up to this one have been shown: what is younger stands at 0, so that its first job is an increase too.
    shown: u32,
    /// The youngest key.
    newest: u32,
    /// The choice of clients for which the whole window has been told; 0: for none.
    told_for: u32,
    has_changed: bool,
}

/// Why a job is not kept account of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// Nobody asked for this client.
    Unwanted,
    /// There is no room, or the name is absurd.
    Full,
}

impl Ledger {
    /// An empty ledger of the clients that are `wanted`; what has ended within `lookback` is never forgotten.
    pub fn new(wanted: config::Clients, lookback: Duration) -> Ledger {
        let lookback_s = u32::try_from(lookback.as_secs()).unwrap_or(u32::MAX);
        Ledger::empty(wanted, lookback_s.max(FORGOTTEN_AFTER_S), 0)
    }

    fn empty(wanted: config::Clients, forgotten_after_s: u32, wall_ms: u64) -> Ledger {
        Ledger {
            wanted,
            forgotten_after_s,
            clients: Arc::default(),
            keys: 0,
            texts: HashSet::new(),
            dropped_jobs: 0,
            is_full: false,
            created_ms: wall_ms,
            wall_ms,
            generation: 1,
            shown: 0,
            newest: 0,
            told_for: 0,
            has_changed: false,
        }
    }

    /// It is `wall_ms` by the exporter's clock.
    pub fn begin(&mut self, wall_ms: u64) {
        self.wall_ms = wall_ms;
        if self.created_ms == 0 {
            self.created_ms = wall_ms;
        }
    }

    /// Counts a finished job.
    pub fn count(&mut self, job: Job<'_>, end: End) {
        match self.entry(job) {
            Ok(entry) => entry.count(end.status),
            Err(Refused::Unwanted) => return,
            Err(Refused::Full) => self.dropped_jobs = self.dropped_jobs.saturating_add(1),
        }
        self.has_changed = true;
    }

    /// A job has ended, whether it counts or not.
    pub fn ended(&mut self, job: Job<'_>, end: End) {
        self.tell(job, end, false);
    }

    /// A job has ended that the window knows, but this ledger perhaps not.
    pub fn ended_before(&mut self, job: Job<'_>, end: End) {
        self.tell(job, end, true);
    }

    /// A job that ended like this runs again, or its row says something else now.
    pub fn retract(&mut self, job: Job<'_>, end: End) {
        let is_failure = Outcome::of(end.status) == Outcome::Failed;
        let Some(at_s) = seconds(end.at_ms).filter(|_| is_failure) else { return };
        let known = self.clients.get(job.client).and_then(|client| client.entry(job.policy, job.job_type));
        if known.is_none_or(|entry| !entry.has_failed_at(at_s)) {
            return;
        }
        if let Ok(entry) = self.entry(job) {
            entry.retract(at_s);
            self.has_changed = true;
        }
    }

    /// Ends a poll at `now_ms` by the primary's clock: who has had no job for long is forgotten. That is a matter of time
    /// alone, so it is not kept.
    pub fn settle(&mut self, now_ms: i64) {
        let Some(now_s) = seconds(Some(now_ms)) else { return };
        let from_s = now_s.saturating_sub(self.forgotten_after_s);
        let is_due = |entry: &Entry| entry.last_sign_s() < from_s;
        if !self.clients.values().any(|client| client.entries.iter().any(is_due)) {
            return;
        }
        let clients = Arc::make_mut(&mut self.clients);
        clients.retain(|_, client| {
            if client.entries.iter().any(is_due) {
                Arc::make_mut(client).entries.retain(|entry| !is_due(entry));
            }
            !client.entries.is_empty()
        });
        self.recount();
    }

    /// Whether the ended jobs of the whole window must be told once more: it is new, or other clients are wanted.
    pub fn wants_all(&self) -> bool {
        self.told_for != self.wanted.fingerprint()
    }

    /// The whole window has been told.
    pub fn told_all(&mut self) {
        self.has_changed |= self.wants_all();
        self.told_for = self.wanted.fingerprint();
    }

    /// Views up to `generation` have been shown.
    pub fn shown(&mut self, generation: u32) {
        if generation > self.shown && self.shown < self.newest {
            self.shown = generation;
            self.has_changed = true;
        }
    }

    /// What there is to show. What is new in it stands at 0 until it is said to have been shown.
    pub fn view(&mut self, received: Stamp) -> View {
        let view = View {
            received,
            clients: Arc::clone(&self.clients),
            dropped_jobs: self.dropped_jobs,
            is_full: self.is_full,
            created_ms: self.created_ms,
            generation: self.generation,
            shown: self.shown,
        };
        self.generation = self.generation.saturating_add(1);
        view
    }

    fn tell(&mut self, job: Job<'_>, end: End, is_known: bool) {
        if let Ok(entry) = self.entry(job) {
            if let Some(at_s) = seconds(end.at_ms) {
                entry.ended(at_s, Outcome::of(end.status), is_known);
            }
            self.has_changed = true;
        }
    }

    /// The entry of a job, made where there is room.
    fn entry(&mut self, job: Job<'_>) -> Result<&mut Entry, Refused> {
        let known = self.clients.get(job.client);
        if known.is_none() && !self.wanted.wants(job.client) {
            return Err(Refused::Unwanted);
        }
        if known.and_then(|client| client.entry(job.policy, job.job_type)).is_none() {
            let is_absurd = [job.client, job.policy, job.job_type].iter().any(|name| name.len() > LONGEST_NAME);
            let has_room = known.is_some() || self.clients.len() < self.wanted.max;
            if is_absurd || !has_room || self.keys >= self.most_keys() {
                self.is_full = true;
                return Err(Refused::Full);
            }
            self.keys = self.keys.saturating_add(1);
            self.newest = self.generation;
        }
        let (policy, job_type) = (self.text(job.policy), self.text(job.job_type));
        let new = Record::new(self.wall_ms, self.generation);
        Ok(self.put(job.client, self.wall_ms, policy, job_type, new))
    }

    /// The entry of a key, made of `new` where there is none.
    fn put(&mut self, client: &str, since_ms: u64, policy: Arc<str>, job_type: Arc<str>, new: Record) -> &mut Entry {
        let name = self.clients.get_key_value(client).map_or_else(|| client.into(), |(name, _)| Arc::clone(name));
        let client = Arc::make_mut(&mut self.clients).entry(name).or_insert_with(|| Arc::new(Client::new(since_ms)));
        Arc::make_mut(client).entry_mut(policy, job_type, new)
    }

    /// Every client.
    #[cfg(test)]
    pub fn all(&self) -> &Clients {
        &self.clients
    }

    fn most_keys(&self) -> usize {
        self.wanted.max.saturating_mul(KEYS_PER_CLIENT).max(FEWEST_KEYS)
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&shared));
        shared
    }

    fn recount(&mut self) {
        self.keys = self.clients.values().map(|client| client.entries.len()).sum();
        self.texts.retain(|text| Arc::strong_count(text) > 1);
    }
}

/// Whole seconds, as NetBackup writes the end of a job.
fn seconds(unix_ms: Option<i64>) -> Option<u32> {
    u32::try_from(unix_ms?.div_euclid(1000)).ok()
}

#[cfg(test)]
mod tests;
