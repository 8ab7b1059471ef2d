//! Whether a site is worth asking. After several failures in a row without any HTTP answer the circuit is open: polls
//! fail at once, and only a `/ping` every few seconds finds out whether somebody answers again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::clock::{Stamp, rfc3339};
use crate::reason::Reason;
use crate::stats::ApiStats;

/// So many failures in a row open it.
const OPENS_AFTER: u32 = 5;
/// One `/ping` in this time, a fifth more or less.
const PROBE_EVERY: Duration = Duration::from_secs(3);
/// So many may be under way: one that hangs must not hide that the next one would be answered.
const MOST_PINGS: usize = 2;

/// What a request of a poll may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The circuit is closed.
    Go,
    /// It is open, or may have to be, and whoever asked is to send a `/ping` now.
    Probe,
    /// It is open; the next `/ping` is due at this moment.
    Wait(Instant),
}

/// The circuit of one site.
pub(crate) struct Circuit {
    site: Arc<str>,
    stats: Arc<ApiStats>,
    state: Mutex<State>,
    pings: Semaphore,
}

/// The state machine, on a given clock.
#[derive(Debug, Default)]
struct State {
    silence: Option<Silence>,
    /// When the next `/ping` is due, while it is open.
    open: Option<Instant>,
    /// When the next `/ping` is due that tells whether it has to open.
    doubt: Option<Instant>,
}

/// Failures in a row without an answer.
#[derive(Debug, Clone, Copy)]
struct Silence {
    since: Stamp,
    failures: u32,
    /// When the last one was counted.
    last: Instant,
    /// The reason of the last one.
    reason: Reason,
}

impl State {
    /// A request that had begun at `began` went without an answer. Returns whether this opened the circuit: only a `/ping`
    /// does, because one endpoint that is ill says nothing about the primary.
    fn failed(&mut self, (began, is_ping): (Instant, bool), now: Stamp, reason: Reason, jitter: f64) -> bool {
        if !matches!(reason, Reason::Connect | Reason::Tls | Reason::Timeout) {
            return false;
        }
        let silence = self.silence.get_or_insert(Silence { since: now, failures: 0, last: began, reason });
        silence.reason = reason;
        // What was under way when another failed tells of the same event.
        if began < silence.last {
            return false;
        }
        silence.failures = silence.failures.saturating_add(1);
        silence.last = now.mono;
        let opens = is_ping && self.open.is_none() && silence.failures >= OPENS_AFTER;
        if opens {
            self.open = Some(next_probe(now.mono, jitter));
        }
        opens
    }

    /// Somebody answered. Returns the silence that this ended, where the circuit was open.
    fn answered(&mut self) -> Option<Silence> {
        let silence = self.silence.take();
        self.doubt = None;
        self.open.take().and(silence)
    }

    fn admit(&mut self, now: Instant, jitter: f64) -> Verdict {
        match &mut self.open {
            None => {
                let is_doubtful = self.silence.is_some_and(|silence| silence.failures >= OPENS_AFTER);
                if is_doubtful && self.doubt.is_none_or(|due| due <= now) {
                    self.doubt = Some(next_probe(now, jitter));
                    return Verdict::Probe;
                }
                Verdict::Go
            }
            Some(due) if *due <= now => {
                *due = next_probe(now, jitter);
                Verdict::Probe
            }
            Some(due) => Verdict::Wait(*due),
        }
    }
}

fn next_probe(now: Instant, jitter: f64) -> Instant {
    now + PROBE_EVERY.mul_f64(0.8 + 0.4 * jitter)
}

impl Circuit {
    pub(crate) fn new(site: &Arc<str>, stats: &Arc<ApiStats>) -> Circuit {
        let (site, stats) = (Arc::clone(site), Arc::clone(stats));
        Circuit { site, stats, state: Mutex::default(), pings: Semaphore::new(MOST_PINGS) }
    }

    /// A request of a poll that had begun at `began` went without an answer.
    pub(crate) fn failed(&self, began: Instant, is_ping: bool, reason: Reason) {
        let mut state = self.state();
        if state.failed((began, is_ping), Stamp::now(), reason, fastrand::f64()) {
            self.stats.set_circuit_open(true);
            drop(state);
            warn!(
                site = &*self.site,
                %reason,
                "no answer from the primary several times in a row: the circuit is open, and only /ping is tried until it answers"
            );
        }
    }

    /// There was an HTTP answer, whatever it said and whoever asked.
    pub(crate) fn answered(&self) {
        let mut state = self.state();
        if let Some(silence) = state.answered() {
            self.stats.set_circuit_open(false);
            drop(state);
            info!(site = &*self.site, silence = ?silence.since.age(Instant::now()), "the primary answers: the circuit is closed");
        }
    }

    /// What a request of a poll may do now. Whoever gets [`Verdict::Probe`] is the one to send it.
    pub(crate) fn admit(&self) -> Verdict {
        self.state().admit(Instant::now(), fastrand::f64())
    }

    /// To be held while a `/ping` is under way; `None`: there are enough.
    pub(crate) fn ping_turn(&self) -> Option<SemaphorePermit<'_>> {
        self.pings.try_acquire().ok()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state().open.is_some()
    }

    /// Why a request is not sent.
    pub(crate) fn explain(&self) -> String {
        let silence = self.state().silence;
        let (since, reason) = match silence {
            Some(silence) => (rfc3339(silence.since.wall), silence.reason.as_str()),
            // It closed just now.
            None => ("a moment ago".to_owned(), "none"),
        };
        format!("not sent, because the circuit is open: no answer since {since}, the last failure was {reason}")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A machine and its clock.
    struct Bench {
        state: State,
        now: Stamp,
    }

    impl Bench {
        fn new() -> Bench {
            Bench { state: State::default(), now: Stamp::now() }
        }

        fn pass(&mut self, time: Duration) {
            self.now.mono += time;
        }

        /// An attempt that takes `took` and fails.
        fn fails(&mut self, took: Duration, reason: Reason) -> bool {
            let began = self.now.mono;
            self.pass(took);
            self.state.failed((began, true), self.now, reason, 0.5)
        }

        fn opened() -> Bench {
            let mut bench = Bench::new();
            for number in 1..=OPENS_AFTER {
                assert_eq!(bench.state.admit(bench.now.mono, 0.5), Verdict::Go);
                assert_eq!(bench.fails(MS, Reason::Connect), number == OPENS_AFTER);
            }
            bench
        }
    }

    #[test]
    fn one_endpoint_that_is_silent_opens_nothing_while_a_ping_is_answered() {
        let mut bench = Bench::new();
        let fail = |bench: &mut Bench, is_ping| {
            let began = bench.now.mono;
            bench.pass(MS);
            bench.state.failed((began, is_ping), bench.now, Reason::Connect, 0.5)
        };
        for _ in 0..OPENS_AFTER {
            assert_eq!(bench.state.admit(bench.now.mono, 0.5), Verdict::Go);
            assert!(!fail(&mut bench, false));
        }
        assert_eq!(bench.state.admit(bench.now.mono, 0.5), Verdict::Probe, "is it the primary?");
        assert_eq!(bench.state.admit(bench.now.mono, 0.5), Verdict::Go, "nobody else waits for that");
        assert!(bench.state.answered().is_none(), "it was not open");
        assert_eq!(bench.state.admit(bench.now.mono, 0.5), Verdict::Go);
        for _ in 0..OPENS_AFTER {
            assert!(!fail(&mut bench, false));
        }
        assert_eq!(bench.state.admit(bench.now.mono, 0.5), Verdict::Probe);
        assert!(fail(&mut bench, true), "it is the primary");
    }

    #[test]
    fn failures_in_a_row_open_it_and_any_answer_closes_it() {
        let mut bench = Bench::opened();
        assert!(matches!(bench.state.admit(bench.now.mono, 0.5), Verdict::Wait(_)));
        assert!(!bench.fails(MS, Reason::Tls), "it opens once");
        let silence = bench.state.answered().unwrap();
        assert_eq!(silence.reason, Reason::Tls, "the last reason is told");
        assert_eq!(bench.state.admit(bench.now.mono, 0.5), Verdict::Go);
        assert!(bench.state.answered().is_none(), "it closes once");
        for _ in 1..OPENS_AFTER {
            assert!(!bench.fails(MS, Reason::Connect), "the count began anew");
        }
        assert!(bench.fails(MS, Reason::Connect));
    }

    #[test]
    fn one_slow_endpoint_beside_others_that_answer_does_not_open_it() {
        let mut bench = Bench::new();
        for _ in 0..100 {
            for _ in 1..OPENS_AFTER {
                assert!(!bench.fails(30_000 * MS, Reason::Timeout));
            }
            assert!(bench.state.answered().is_none());
        }
    }

    #[test]
    fn what_fails_at_once_counts_once() {
        let mut bench = Bench::new();
        let began = bench.now.mono;
        bench.pass(MS);
        for _ in 0..100 {
            assert!(
                !bench.state.failed((began, true), bench.now, Reason::Timeout, 0.5),
                "one event, seen by many walkers"
            );
        }
    }

    #[test]
    fn only_the_want_of_any_answer_counts() {
        let mut bench = Bench::new();
        for reason in Reason::ALL {
            let counts = matches!(reason, Reason::Connect | Reason::Tls | Reason::Timeout);
            let opened = (0..=OPENS_AFTER).any(|_| bench.fails(MS, reason));
            assert_eq!(opened, counts, "{reason}");
            bench.state.answered();
        }
    }

    #[test]
    fn one_probe_in_a_while_however_many_ask() {
        let mut bench = Bench::opened();
        let mut probes = 0;
        for _ in 0..60_000 {
            probes += u32::from(bench.state.admit(bench.now.mono, 0.5) == Verdict::Probe);
            bench.pass(MS);
        }
        assert_eq!(probes, 19, "in a minute");
    }

    proptest! {
        /// A collector whose polls begin not later than its TTL after the last one ended finds out within TTL + 5 s
        /// that the primary is back, whatever other collectors do meanwhile.
        #[test]
        fn it_is_found_closed_within_a_ttl_and_five_seconds(
            ttl_ms in prop_oneof![200_u32..3000, 3000_u32..600_000],
            back_ms in 0_u32..900_000,
            others in proptest::collection::vec(0_u32..1_500_000, 0..200),
            jitters in proptest::collection::vec(0.0_f64..1.0, 1..50),
        ) {
            let mut bench = Bench::opened();
            let begin = bench.now.mono;
            let (ttl, back) = (ttl_ms * MS, begin + back_ms * MS);
            let mut jitters = jitters.into_iter().cycle();
            let mut others: Vec<Instant> = others.into_iter().map(|at| begin + at * MS).collect();
            others.sort_unstable();
            let mut others = others.into_iter().peekable();
            let mut next = begin;
            let found = loop {
                // Others only take probes away here: that one of theirs succeeds would only help.
                while let Some(at) = others.next_if(|at| *at < next.min(back)) {
                    bench.state.admit(at, jitters.next().unwrap());
                }
                let verdict = bench.state.admit(next, jitters.next().unwrap());
                if verdict == Verdict::Probe && next >= back {
                    break next;
                }
                next += ttl;
            };
            prop_assert!(found - back <= ttl + Duration::from_secs(5), "{:?} after it was back", found - back);
        }
    }
}
