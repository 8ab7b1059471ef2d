//! The poll loop: generic, knows no NetBackup word.
//!
//! One task per site x collector: the first poll at once, then every jittered TTL; a deadline on each poll; a failure
//! is tried again with backoff; a start that finds the last poll still running is left out and counted. A supervisor
//! notices a task that has died or hangs, counts it and starts it again.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, sleep_until};
use tracing::{debug, error, info, warn};

use crate::cache::{Slot, Writer};
use crate::clock::Stamp;
use crate::collector::{Collector, PollContext, Polled};
use crate::exposition::Rendered;
use crate::reason::{Failure, Reason};
use crate::trace;

/// The longest `Retry-After` that is believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Refused credentials are not tried again sooner.
const SHORTEST_AUTH_WAIT: Duration = Duration::from_secs(60);
/// The first wait after a failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// A task that died is started again not later than this: while it is gone the process counts as ill.
const LONGEST_RESTART_WAIT: Duration = Duration::from_secs(20);
/// How often a poll without a deadline shows that its task lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// How often the supervisor looks whether the task has overslept.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A task that has overslept by more is started again: later than `/-/healthy` says so (a minute), sooner than the
/// watchdog of the service manager ends the process.
const STUCK_AFTER: Duration = Duration::from_secs(75);

/// A running, supervised poll task. Dropping it ends the task.
#[derive(Debug)]
pub struct PollTask {
    task: JoinHandle<()>,
    /// Closed once nothing of the task is left.
    gone: mpsc::Receiver<()>,
}

impl PollTask {
    /// Ends the task and waits until nothing of it runs, so that its slot is not written any more.
    pub async fn stop(mut self) {
        self.task.abort();
        // Nobody ever sends.
        let _ = self.gone.recv().await;
    }
}

impl Drop for PollTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Held by a task until it has published what was read before a restart, if anything.
pub type Restoring = mpsc::Sender<()>;

/// Starts the supervised task of one collector of one site: publishes what was kept, then polls. A bounded poll may last
/// `timeout`.
#[must_use]
pub fn start(
    site: Arc<str>,
    collector: Arc<dyn Collector>,
    slot: Arc<Slot<Rendered>>,
    timeout: Duration,
    restoring: Restoring,
) -> PollTask {
    let (alive, gone) = mpsc::channel(1);
    let task = tokio::spawn(supervise(site, collector, slot, timeout, (restoring, alive)));
    PollTask { task, gone }
}

/// Polls once, for `--once`: publishes into the slot and says whether it succeeded.
pub async fn once(site: Arc<str>, collector: Arc<dyn Collector>, slot: Arc<Slot<Rendered>>, timeout: Duration) -> bool {
    let Some(mut writer) = slot.writer() else { return false };
    let worker = Worker { site, collector, context: PollContext::new(Arc::clone(&slot)), timeout };
    worker.attempt(&mut writer).await;
    let state = slot.load();
    state.success || state.unsupported
}

/// `restoring` is held until what was kept is served, `alive` by whatever may write into the slot.
async fn supervise(
    site: Arc<str>,
    collector: Arc<dyn Collector>,
    slot: Arc<Slot<Rendered>>,
    timeout: Duration,
    (restoring, alive): (Restoring, mpsc::Sender<()>),
) {
    let mut restoring = Some(restoring);
    let mut deaths: u32 = 0;
    loop {
        let Some(mut writer) = slot.writer() else {
            error!(%site, collector = slot.collector, "a second task for one slot was refused");
            return;
        };
        if deaths > 0 {
            writer.restarted();
        }
        slot.set_alive(true);
        let worker = Worker {
            site: Arc::clone(&site),
            collector: Arc::clone(&collector),
            context: PollContext::new(Arc::clone(&slot)),
            timeout,
        };
        let lived = Instant::now();
        let (alive, restoring) = (alive.clone(), restoring.take());
        let mut task = AbortOnDrop(tokio::spawn(async move {
            worker.restore(&mut writer).await;
            drop(restoring);
            worker.run(writer).await;
            drop(alive);
        }));
        let mut is_stuck = false;
        let ended = loop {
            tokio::select! {
                ended = &mut task.0 => break ended,
                // One that keeps its thread busy cannot be ended: then the service manager has to.
                () = sleep(LOOK_EVERY), if !is_stuck => {
                    is_stuck = !slot.is_healthy(Instant::now(), STUCK_AFTER);
                    if is_stuck {
                        error!(%site, collector = slot.collector, "the poll task hangs and is ended");
                        task.0.abort();
                    }
                }
            }
        };
        slot.set_alive(false);
        if !is_stuck && ended.as_ref().is_err_and(tokio::task::JoinError::is_cancelled) {
            return;
        }
        // A task that lived well for a while before it died starts the count anew.
        deaths = if lived.elapsed() > slot.ttl.saturating_mul(10) { 1 } else { deaths.saturating_add(1) };
        let wait = backoff(deaths, slot.ttl.min(LONGEST_RESTART_WAIT));
        error!(%site, collector = slot.collector, restart_in = ?wait, stuck = is_stuck, "the poll task has died and is started again");
        sleep(wait).await;
    }
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Worker {
    site: Arc<str>,
    collector: Arc<dyn Collector>,
    context: PollContext,
    timeout: Duration,
}

impl Worker {
    /// Publishes what was kept, if there is nothing newer.
    async fn restore(&self, writer: &mut Writer<Rendered>) {
        let slot = Arc::clone(writer.slot());
        // It goes on where another one has stopped.
        if slot.load().snapshot.is_some() {
            return;
        }
        slot.promise(Instant::now() + self.timeout);
        let Some(restored) = self.collector.restore().await else { return };
        let (site, collector, age) = (&*self.site, slot.collector, restored.received.age(Instant::now()));
        info!(site, collector, ?age, series = restored.rendered.series(), "serving what was read before the restart");
        writer.restore(Arc::new(restored.rendered), restored.received);
    }

    async fn run(self, mut writer: Writer<Rendered>) {
        let slot = Arc::clone(writer.slot());
        self.wait_out(&slot).await;
        loop {
            let started = Instant::now();
            let credential = self.collector.credential_changes();
            let next_tick = self.attempt(&mut writer).await;
            let state = slot.load();
            let now = Instant::now();
            let next = match &state.last_failure {
                Some(failure) => now + wait_after(failure, state.consecutive_failures, slot.ttl),
                None => {
                    let planned = started + jittered(slot.ttl);
                    if planned < now { next_tick } else { planned }
                }
            };
            let has_failed = state.last_failure.is_some();
            drop(state);
            let wall = SystemTime::now() + next.saturating_duration_since(now);
            writer.plan(Some(Stamp { mono: next, wall }));
            slot.promise(next);
            tokio::select! {
                () = sleep_until(next) => {}
                // A new credential need not wait for what the old one has earned.
                () = self.collector.credential_changed(credential), if has_failed => {}
            }
        }
    }

    /// Where a task goes on from another one, what the primary has asked of that one still holds: not to send credentials
    /// that it refused, and to ask less.
    async fn wait_out(&self, slot: &Slot<Rendered>) {
        let state = slot.load_full();
        let asked = state.last_failure.as_ref().map(|failure| failure.reason);
        let Some((next, Reason::Auth | Reason::Throttled)) = state.next_attempt.zip(asked) else { return };
        slot.promise(next.mono);
        tokio::select! {
            () = sleep_until(next.mono) => {}
            () = self.collector.credential_changed(self.collector.credential_changes()) => {}
        }
    }

    /// Runs one poll to its end and publishes what came of it. Returns the first regular start after now.
    async fn attempt(&self, writer: &mut Writer<Rendered>) -> Instant {
        let slot = Arc::clone(writer.slot());
        let started = Instant::now();
        let deadline = self.collector.is_bounded().then(|| started + self.timeout);
        slot.promise(deadline.unwrap_or(started + SIGN_OF_LIFE * 2));
        let mut signs = interval(SIGN_OF_LIFE);
        let attempt = Attempt { writer, started, ended: false };
        let trace = trace::Poll::start(&self.site, slot.collector);
        let mut next_tick = started + slot.ttl;
        let outcome = {
            let mut poll = pin!(trace.around(self.collector.poll(&self.context)));
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut poll => break outcome,
                    () = sleep_until(deadline.unwrap_or(started)), if deadline.is_some() => {
                        let detail = format!("the poll did not end within {:?}: raise poll.timeout if the primary is slow", self.timeout);
                        break Err(Failure::new(Reason::Timeout, detail));
                    }
                    // An unbounded poll sets itself no deadline, but this task is seen to live.
                    _ = signs.tick(), if deadline.is_none() => slot.promise(Instant::now() + SIGN_OF_LIFE * 2),
                    () = sleep_until(next_tick) => {
                        attempt.writer.skip();
                        next_tick += slot.ttl;
                    }
                }
            }
        };
        let before = slot.load();
        let (was_successful, reason_before) =
            (before.success, before.last_failure.as_ref().map(|failure| failure.reason));
        let (was_unsupported, was_denied) = (before.unsupported, before.denied.clone());
        // One that had data offers what it had, whatever it answers now.
        let is_optional = self.collector.is_optional() && before.snapshot.is_none();
        drop(before);
        match outcome {
            Ok(polled) => {
                trace.succeeded(polled.rendered.series(), polled.rejected);
                self.log_success(slot.collector, was_successful, reason_before, &polled, started);
                self.log_denied(slot.collector, was_denied.as_deref(), &polled);
                attempt.succeed(polled);
            }
            Err(failure) if is_optional && failure.unsupported => {
                trace.succeeded(0, 0);
                self.log_unsupported(slot.collector, was_unsupported, &failure);
                attempt.unsupported();
            }
            Err(failure) => {
                trace.failed(failure.reason);
                self.log_failure(slot.collector, reason_before, &failure);
                attempt.fail(failure);
            }
        }
        next_tick
    }

    fn log_success(
        &self,
        collector: &str,
        was_successful: bool,
        before: Option<Reason>,
        polled: &Polled,
        started: Instant,
    ) {
        let site = &*self.site;
        let took = started.elapsed();
        if was_successful {
            debug!(
                site,
                collector,
                ?took,
                series = polled.rendered.series(),
                rejected = polled.rejected,
                "poll succeeded"
            );
        } else if let Some(reason) = before {
            info!(site, collector, ?took, series = polled.rendered.series(), after = %reason, "collector has recovered");
        } else {
            info!(site, collector, ?took, series = polled.rendered.series(), "collector has its first data");
        }
    }

    fn log_denied(&self, collector: &str, before: Option<&Failure>, polled: &Polled) {
        let site = &*self.site;
        match &polled.denied {
            Some(failure) if before.is_none_or(|before| before.rights != failure.rights) => {
                warn!(site, collector, error = failure.detail, "a part of the collector's data may not be read");
            }
            None if before.is_some() => info!(site, collector, "all of the collector's data may be read again"),
            _ => {}
        }
    }

    fn log_unsupported(&self, collector: &str, was_unsupported: bool, failure: &Failure) {
        let (site, endpoint) = (&*self.site, failure.endpoint);
        if !was_unsupported {
            info!(
                site,
                collector, endpoint, "the primary's release does not offer this; it is asked again at every poll"
            );
        }
    }

    fn log_failure(&self, collector: &str, before: Option<Reason>, failure: &Failure) {
        let site = &*self.site;
        if before == Some(failure.reason) {
            debug!(site, collector, reason = %failure.reason, error = failure.detail, "poll failed again");
        } else {
            warn!(site, collector, reason = %failure.reason, error = failure.detail, "poll failed; the last good data stay until they expire");
        }
    }
}

/// A poll under way. A panic that unwinds through it is counted as a failed poll.
struct Attempt<'a> {
    writer: &'a mut Writer<Rendered>,
    started: Instant,
    ended: bool,
}

impl Attempt<'_> {
    fn succeed(mut self, polled: Polled) {
        self.ended = true;
        let took = self.started.elapsed();
        let Polled { rendered, received, rejected, denied } = polled;
        self.writer.succeed_in_part(Arc::new(rendered), received, rejected, took, denied);
    }

    fn unsupported(mut self) {
        self.ended = true;
        self.writer.unsupported(self.started.elapsed());
    }

    fn fail(mut self, failure: Failure) {
        self.ended = true;
        self.writer.fail(failure, self.started.elapsed());
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended && std::thread::panicking() {
            let failure =
                Failure::new(Reason::Internal, "the poll panicked: a defect of the exporter, please report it");
            self.writer.fail(failure, self.started.elapsed());
        }
    }
}

/// How long to wait after the `count`th failure in a row.
fn wait_after(failure: &Failure, count: u32, ttl: Duration) -> Duration {
    let wait = match failure.reason {
        Reason::Auth => return lengthened(ttl.max(SHORTEST_AUTH_WAIT)),
        // Asking again before somebody grants the right changes nothing.
        Reason::Forbidden => jittered(ttl).min(ttl),
        _ => backoff(count, ttl),
    };
    match failure.retry_after {
        Some(asked) if asked <= LONGEST_RETRY_AFTER => wait.max(asked),
        _ => wait,
    }
}

/// 1 s, 2 s, 4 s … with jitter, never later than the TTL.
fn backoff(count: u32, ttl: Duration) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(1_u32.checked_shl(count.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(ttl).mul_f64(0.75 + 0.5 * fastrand::f64()).min(ttl)
}

/// The TTL give or take a tenth, so that many sites drift apart.
fn jittered(ttl: Duration) -> Duration {
    ttl.mul_f64(0.9 + 0.2 * fastrand::f64())
}

fn lengthened(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + 0.1 * fastrand::f64())
}

#[cfg(test)]
mod tests;
