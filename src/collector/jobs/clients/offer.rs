//! What the collector of jobs hands over to that of clients: views of the ledger as they were after complete polls, kept
//! already, and how its polls have ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::watch;

use super::Clients;
use crate::clock::Stamp;
use crate::reason::{Failure, Reason};

/// The ledger after a complete poll.
#[derive(Debug)]
pub struct View {
    /// When the last answer of that poll had arrived.
    pub received: Stamp,
    /// The clients by name.
    pub clients: Arc<Clients>,
    /// Finished jobs of clients for whom there was no room.
    pub dropped_jobs: u64,
    /// There was none, at least once in this process.
    pub is_full: bool,
    /// Since when that is counted, in Unix milliseconds of the exporter's clock.
    pub created_ms: u64,
    /// Its number.
    pub generation: u32,
    /// Counters of keys that are younger than this view stand at 0.
    pub shown: u32,
}

/// How things stand.
#[derive(Debug, Default, Clone)]
pub struct Offer {
    /// What was kept is in the view, if anything.
    pub is_restored: bool,
    /// How many polls have ended.
    pub ended: u64,
    /// How many of them were complete.
    pub complete: u64,
    /// Why the last one was not.
    pub failure: Option<Failure>,
    /// What there is to show.
    pub view: Option<Arc<View>>,
}

/// Where both collectors meet.
#[derive(Debug, Default)]
pub struct Offers {
    sender: watch::Sender<Offer>,
    shown: AtomicU32,
}

/// A poll of jobs under way. Where it is dropped it has failed: the deadline came, or a panic.
#[derive(Debug)]
pub struct Attempt<'a> {
    offers: &'a Offers,
    has_ended: bool,
}

impl Offers {
    /// How things stand, now and from now on.
    pub fn follow(&self) -> watch::Receiver<Offer> {
        self.sender.subscribe()
    }

    /// What was kept is in the view, or there will be none before the first poll.
    pub fn restored(&self) {
        self.sender.send_modify(|offer| offer.is_restored = true);
    }

    /// There is something new to show.
    pub fn offer(&self, view: View) {
        self.sender.send_modify(|offer| offer.view = Some(Arc::new(view)));
    }

    /// A poll begins.
    pub fn begin(&self) -> Attempt<'_> {
        Attempt { offers: self, has_ended: false }
    }

    /// Views up to this one have been shown.
    pub fn shown(&self) -> u32 {
        self.shown.load(Ordering::Relaxed)
    }

    /// A view has been published.
    pub fn show(&self, generation: u32) {
        self.shown.fetch_max(generation, Ordering::Relaxed);
    }

    fn end(&self, failure: Option<Failure>) {
        self.sender.send_modify(|offer| {
            offer.ended = offer.ended.saturating_add(1);
            offer.complete = offer.complete.saturating_add(u64::from(failure.is_none()));
            offer.failure = failure;
            offer.is_restored = true;
        });
    }
}

impl Attempt<'_> {
    /// It has ended, without a failure or with one.
    pub fn end(mut self, failure: Option<Failure>) {
        self.has_ended = true;
        self.offers.end(failure);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let failure = if std::thread::panicking() {
            Failure::new(Reason::Internal, "the poll of jobs panicked: a defect of the exporter, please report it")
        } else {
            Failure::new(Reason::Timeout, "the poll of jobs, which clients come from, did not end in time")
        };
        self.offers.end(Some(failure));
    }
}
