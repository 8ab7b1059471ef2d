//! How a request is sent on behalf of a poll: let in by the circuit, with one of the permits, and once more where the
//! failure may pass. A probe does none of that.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, sleep_until};

use super::circuit::Verdict;
use super::client::{Client, Lane};
use super::endpoint::Endpoint;
use super::error::Error;
use super::exchange::{Answer, Request};
use super::query::Target;
use super::retry::{self, Budget};
use crate::reason::Reason;

/// The longest that a `/ping` through an open circuit is waited for, however patient requests are.
const LONGEST_PING: Duration = Duration::from_secs(10);

/// How many requests of polls may be under way at a time.
pub(super) struct Permits {
    all: Semaphore,
    /// Of what may wait, one fewer: however many lists hang, jobs go on.
    patient: Semaphore,
}

impl Permits {
    pub(super) fn new(most: usize) -> Permits {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Permits { all: Semaphore::new(most), patient: Semaphore::new(most.saturating_sub(1).max(1)) }
    }

    /// Waits for a turn, which lasts until what is returned is dropped. They are never closed, so there is one in the end.
    async fn take(&self, endpoint: Endpoint) -> [Option<SemaphorePermit<'_>>; 2] {
        let patient = if is_patient(endpoint) { self.patient.acquire().await.ok() } else { None };
        [self.all.acquire().await.ok(), patient]
    }
}

/// Whether others go first: all but what backups are judged by, and what everything else waits for.
fn is_patient(endpoint: Endpoint) -> bool {
    !matches!(
        endpoint,
        Endpoint::Jobs
            | Endpoint::Job
            | Endpoint::JobsCount
            | Endpoint::StorageUnits
            | Endpoint::Ping
            | Endpoint::ServerInfo
            | Endpoint::Login
            | Endpoint::Logout
    )
}

impl Client {
    /// Runs a request within the bounds of its lane.
    pub(super) async fn run(&self, lane: Lane, request: Request<'_>) -> Result<Answer, Error> {
        match lane {
            // On the heap, as below: what waits for an answer is large, and every caller's future would hold it.
            Lane::Poll => Box::pin(self.run_for_poll(&request)).await,
            Lane::Probe(until) => {
                let time = until.saturating_duration_since(Instant::now());
                self.0.exchange.run(&request, &mut Budget::once(time)).await
            }
        }
    }

    async fn run_for_poll(&self, request: &Request<'_>) -> Result<Answer, Error> {
        let circuit = &self.0.exchange.circuit;
        // Pauses are a part of it, waiting for a permit is not.
        let mut budget = Budget { time: self.0.request_timeout, repeated: 0, of_poll: true };
        let mut failed: Option<Error> = None;
        self.pass_circuit(request.endpoint).await?;
        loop {
            let (sent, took) = {
                let _permits = self.0.permits.take(request.endpoint).await;
                // It may have opened while this waited.
                if let Err(open) = self.pass_circuit(request.endpoint).await {
                    return Err(failed.unwrap_or(open));
                }
                if failed.is_some() {
                    budget.repeated = budget.repeated.saturating_add(1);
                    self.stats().add_retry();
                }
                let began = Instant::now();
                (self.0.exchange.run(request, &mut budget).await, began.elapsed())
            };
            let error = match sent {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            budget.time = budget.time.saturating_sub(took);
            let pause = retry::pause(&error, budget.repeated, took, budget.time, fastrand::f64())
                // What had to be asked of another endpoint before this one has its own rules.
                .filter(|_| error.endpoint() == request.endpoint.template() && !circuit.is_open())
                .filter(|_| request.endpoint.may_repeat());
            let Some(pause) = pause else { return Err(error) };
            tracing::debug!(site = %self.0.exchange.site, %error, ?pause, "sent again after a pause");
            sleep(pause).await;
            budget.time = budget.time.saturating_sub(pause);
            failed = Some(error);
        }
    }

    /// Waits until the circuit is closed, where a `/ping` is due that may close it.
    async fn pass_circuit(&self, endpoint: Endpoint) -> Result<(), Error> {
        let until = Instant::now() + self.0.request_timeout;
        let circuit = &self.0.exchange.circuit;
        let target = Target::new(Endpoint::Ping.template(), &[]);
        let mut pings = FuturesUnordered::new();
        loop {
            let next = match circuit.admit() {
                Verdict::Go => return Ok(()),
                Verdict::Wait(_) if pings.is_empty() => return Err(self.circuit_open(endpoint)),
                Verdict::Wait(due) => due,
                Verdict::Probe => {
                    let Some(turn) = circuit.ping_turn() else { continue };
                    let ping = self.ping_closed_circuit(&target, until, turn);
                    // Until it is known whether it has to open, nobody waits but this one.
                    if !circuit.is_open() {
                        ping.await;
                        continue;
                    }
                    // One that hangs must not hide that another would be answered, nor may one that is slow be given up.
                    pings.push(ping);
                    continue;
                }
            };
            tokio::select! {
                Some(answered) = pings.next() => if !answered {
                    return Err(self.circuit_open(endpoint));
                },
                () = sleep_until(next.min(until)) => if Instant::now() >= until {
                    return Err(self.circuit_open(endpoint));
                },
            }
        }
    }

    /// Whether there was an answer, whatever it said.
    async fn ping_closed_circuit(&self, target: &Target, until: Instant, _turn: SemaphorePermit<'_>) -> bool {
        let time = until.saturating_duration_since(Instant::now()).min(LONGEST_PING);
        let request = Request { endpoint: Endpoint::Ping, target, body: None, version: None, decode: None };
        let pinged = self.0.exchange.run(&request, &mut Budget { time, repeated: 0, of_poll: true }).await;
        pinged.is_ok() || pinged.is_err_and(|error| error.status().is_some())
    }

    fn circuit_open(&self, endpoint: Endpoint) -> Error {
        self.error(endpoint, Reason::Circuit, self.0.exchange.circuit.explain())
    }
}
