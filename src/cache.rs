//! The slot of one site x collector: one writer, many readers, swapped whole.
//!
//! A reader loads one [`State`] and sees data and poll statistics that belong together. A partial result is never
//! visible: the writer builds the next state aside and swaps it in. The last good snapshot stays on failure; whether
//! it is still served is decided at read time by [`crate::freshness`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use crate::clock::Stamp;
use crate::freshness::{Freshness, Limits};
use crate::reason::{Failure, Reason};

mod history;

pub use history::{Attempt, History};

/// Upper bounds of `netbackup_collector_poll_duration_seconds`, in seconds.
pub const POLL_BUCKETS: [f64; 11] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// A snapshot and the moment at which the last answer it is made of had arrived.
#[derive(Debug)]
pub struct Snapshot<P> {
    /// What is served.
    pub payload: Arc<P>,
    /// When the last answer of that poll had arrived.
    pub received: Stamp,
}

// Written out, because deriving would ask for `P: Clone`: the payload is shared, never copied.
impl<P> Clone for Snapshot<P> {
    fn clone(&self) -> Self {
        Snapshot { payload: Arc::clone(&self.payload), received: self.received }
    }
}

/// Everything that is known about one collector of one site at one moment.
#[derive(Debug)]
pub struct State<P> {
    /// The last good data, kept on failure.
    pub snapshot: Option<Snapshot<P>>,
    /// Whether the last ended attempt succeeded.
    pub success: bool,
    /// When the last attempt ended.
    pub last_attempt: Option<Stamp>,
    /// When the next attempt is planned; `None` while one runs or before the first.
    pub next_attempt: Option<Stamp>,
    /// Why the last attempt failed; `None` after a success.
    pub last_failure: Option<Arc<Failure>>,
    /// The last attempt, which never succeeded before, found that the primary's release does not offer the source.
    pub unsupported: bool,
    /// Why a part of what succeeded could not be read: a missing right.
    pub denied: Option<Arc<Failure>>,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Ended attempts.
    pub polls: u64,
    /// Starts left out because a poll still ran.
    pub skipped: u64,
    /// Failed attempts, by position in [`Reason::ALL`].
    pub failures: [u64; Reason::ALL.len()],
    /// Ended attempts by duration, per bucket of [`POLL_BUCKETS`] (not cumulative), the last above every bound.
    pub duration_counts: [u64; POLL_BUCKETS.len() + 1],
    /// Sum of the durations in seconds.
    pub duration_sum: f64,
    /// How the last attempts went.
    pub history: History,
    /// Records left out of snapshots.
    pub rejected: u64,
    /// How often the task was started again after it died.
    pub restarts: u64,
}

impl<P> Clone for State<P> {
    fn clone(&self) -> Self {
        State {
            snapshot: self.snapshot.clone(),
            last_failure: self.last_failure.clone(),
            denied: self.denied.clone(),
            ..*self
        }
    }
}

impl<P> Default for State<P> {
    fn default() -> Self {
        State {
            snapshot: None,
            success: false,
            last_attempt: None,
            next_attempt: None,
            last_failure: None,
            unsupported: false,
            denied: None,
            consecutive_failures: 0,
            polls: 0,
            skipped: 0,
            failures: [0; Reason::ALL.len()],
            duration_counts: [0; POLL_BUCKETS.len() + 1],
            duration_sum: 0.0,
            history: History::default(),
            rejected: 0,
            restarts: 0,
        }
    }
}

impl<P> State<P> {
    /// Age of the snapshot; `None`: there is none.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.snapshot.as_ref().map(|snapshot| snapshot.received.age(now))
    }

    /// What there is to say of the last attempt: why it failed, or which part of it was denied.
    #[must_use]
    pub fn complaint(&self) -> Option<&Arc<Failure>> {
        self.last_failure.as_ref().or(self.denied.as_ref())
    }

    /// Whether the last attempt failed for want of a right, or a part of it did.
    #[must_use]
    pub fn permission_denied(&self) -> bool {
        self.denied.is_some() || self.last_failure.as_ref().is_some_and(|failure| failure.reason == Reason::Forbidden)
    }
}

/// Counts publications, so that a reader knows whether anything changed since it last looked. Shared by all slots.
#[derive(Debug, Clone, Default)]
pub struct Generation(Arc<AtomicU64>);

impl Generation {
    /// The count now.
    #[must_use]
    pub fn current(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Says that something a scrape shows has changed.
    pub fn advance(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// The place where one collector of one site publishes.
#[derive(Debug)]
pub struct Slot<P> {
    /// Name of the collector.
    pub collector: &'static str,
    /// Time between the starts of two polls, before jitter.
    pub ttl: Duration,
    /// When data are stale and when they are withdrawn.
    pub limits: Limits,
    state: ArcSwap<State<P>>,
    generation: Generation,
    claimed: AtomicBool,
    created: Instant,
    alive: AtomicBool,
    due_ms: AtomicU64,
    progress: AtomicU64,
}

const UNKNOWN_PROGRESS: u64 = u64::MAX;

impl<P> Slot<P> {
    /// An empty slot.
    #[must_use]
    pub fn new(collector: &'static str, ttl: Duration, limits: Limits, generation: Generation) -> Arc<Slot<P>> {
        Arc::new(Slot {
            collector,
            ttl,
            limits,
            state: ArcSwap::from_pointee(State::default()),
            generation,
            claimed: AtomicBool::new(false),
            created: Instant::now(),
            alive: AtomicBool::new(true),
            due_ms: AtomicU64::new(u64::MAX),
            progress: AtomicU64::new(UNKNOWN_PROGRESS),
        })
    }

    /// A slot that goes on with the state of this one, whose task has ended, under other limits; with the plan for the next
    /// attempt where that still holds (`keeps_plan`).
    #[must_use]
    pub fn successor(&self, ttl: Duration, limits: Limits, keeps_plan: bool) -> Arc<Slot<P>> {
        let next = Slot::new(self.collector, ttl, limits, self.generation.clone());
        let state = State::clone(&self.state.load());
        let next_attempt = state.next_attempt.filter(|_| keeps_plan);
        next.state.store(Arc::new(State { next_attempt, ..state }));
        next.progress.store(self.progress.load(Ordering::Acquire), Ordering::Release);
        next
    }

    /// The state now.
    #[must_use]
    pub fn load(&self) -> arc_swap::Guard<Arc<State<P>>> {
        self.state.load()
    }

    /// The state now, to be kept.
    #[must_use]
    pub fn load_full(&self) -> Arc<State<P>> {
        self.state.load_full()
    }

    /// The verdict on the snapshot of `state`.
    #[must_use]
    pub fn freshness(&self, state: &State<P>, now: Instant) -> Freshness {
        Freshness::of(state.age(now), self.limits)
    }

    /// When the slot was made.
    #[must_use]
    pub fn created(&self) -> Instant {
        self.created
    }

    /// The only writer; `None` while another one lives.
    #[must_use]
    pub fn writer(self: &Arc<Self>) -> Option<Writer<P>> {
        let free = self.claimed.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).is_ok();
        free.then(|| Writer { slot: Arc::clone(self) })
    }

    /// Says whether the task of this slot lives.
    pub fn set_alive(&self, alive: bool) {
        self.alive.store(alive, Ordering::Release);
    }

    /// Promises a sign of life not later than `due`: the next wake-up, or the deadline of what runs.
    pub fn promise(&self, due: Instant) {
        let due = due.saturating_duration_since(self.created).as_millis();
        self.due_ms.store(u64::try_from(due).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Whether the task lives and has not overslept its own promise by more than `grace`.
    #[must_use]
    pub fn is_healthy(&self, now: Instant, grace: Duration) -> bool {
        let due = Duration::from_millis(self.due_ms.load(Ordering::Acquire)).saturating_add(grace);
        self.alive.load(Ordering::Acquire) && now.saturating_duration_since(self.created) <= due
    }

    /// Progress of a first read, 0 to 1, once known.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        match self.progress.load(Ordering::Acquire) {
            UNKNOWN_PROGRESS => None,
            bits => Some(f64::from_bits(bits)),
        }
    }

    /// Says how much of a first read is done, 0 to 1.
    pub fn set_progress(&self, ratio: f64) {
        self.progress.store(ratio.clamp(0.0, 1.0).to_bits(), Ordering::Release);
    }
}

/// The one writer of a slot. Not `Clone`; dropping it (a panic does) frees the slot for the next.
#[derive(Debug)]
pub struct Writer<P> {
    slot: Arc<Slot<P>>,
}

impl<P> Writer<P> {
    /// The slot that is written.
    #[must_use]
    pub fn slot(&self) -> &Arc<Slot<P>> {
        &self.slot
    }

    /// A poll has succeeded: publishes its snapshot.
    pub fn succeed(&mut self, payload: Arc<P>, received: Stamp, rejected: u64, took: Duration) {
        self.succeed_in_part(payload, received, rejected, took, None);
    }

    /// As [`Writer::succeed`]; `denied`: why a part of it could not be read.
    pub fn succeed_in_part(
        &mut self,
        payload: Arc<P>,
        received: Stamp,
        rejected: u64,
        took: Duration,
        denied: Option<Arc<Failure>>,
    ) {
        self.update(|state| {
            state.snapshot = Some(Snapshot { payload, received });
            state.unsupported = false;
            state.denied = denied;
            state.success = true;
            state.last_failure = None;
            state.consecutive_failures = 0;
            state.rejected = state.rejected.saturating_add(rejected);
            ended(state, took);
        });
    }

    /// Publishes what was read before a restart. No attempt has ended: whether the primary still says so is not known.
    pub fn restore(&mut self, payload: Arc<P>, received: Stamp) {
        self.update(|state| state.snapshot = Some(Snapshot { payload, received }));
    }

    /// A poll has failed: the last good snapshot stays.
    pub fn fail(&mut self, failure: Failure, took: Duration) {
        self.update(|state| {
            state.success = false;
            if let Some(count) = state.failures.get_mut(failure.reason as usize) {
                *count += 1;
            }
            state.consecutive_failures = state.consecutive_failures.saturating_add(1);
            // Without an answer, what the primary offers and denies is what it was.
            if failure.status.is_some() {
                state.unsupported = false;
                state.denied = None;
            }
            state.last_failure = Some(Arc::new(failure));
            ended(state, took);
        });
    }

    /// A poll has found that the primary's release does not offer the source: no failure, and no data.
    pub fn unsupported(&mut self, took: Duration) {
        self.update(|state| {
            state.success = false;
            state.consecutive_failures = 0;
            state.last_failure = None;
            state.unsupported = true;
            ended(state, took);
        });
    }

    /// A start was left out because the poll before it still runs.
    pub fn skip(&mut self) {
        self.update(|state| state.skipped += 1);
    }

    /// The task was started again after it died.
    pub fn restarted(&mut self) {
        self.update(|state| state.restarts += 1);
    }

    /// When the next attempt is planned.
    pub fn plan(&mut self, next: Option<Stamp>) {
        // No scrape shows the plan, so answers that are ready stay good.
        self.store(|state| state.next_attempt = next);
    }

    fn update(&mut self, change: impl FnOnce(&mut State<P>)) {
        self.store(change);
        self.slot.generation.advance();
    }

    fn store(&mut self, change: impl FnOnce(&mut State<P>)) {
        let mut next = State::clone(&self.slot.state.load());
        change(&mut next);
        self.slot.state.store(Arc::new(next));
    }
}

impl<P> Drop for Writer<P> {
    fn drop(&mut self) {
        self.slot.claimed.store(false, Ordering::Release);
    }
}

/// Counts an attempt; whether it failed is in the state already.
fn ended<P>(state: &mut State<P>, took: Duration) {
    let seconds = took.as_secs_f64();
    let bucket = POLL_BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(POLL_BUCKETS.len());
    if let Some(count) = state.duration_counts.get_mut(bucket) {
        *count += 1;
    }
    state.duration_sum += seconds;
    state.history.add(took, state.last_failure.is_some());
    state.polls += 1;
    state.last_attempt = Some(Stamp::now());
    state.next_attempt = None;
}
