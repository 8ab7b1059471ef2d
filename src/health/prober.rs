//! How often a primary is asked for `/health`: one probe at a time per site, its answer shared for `health.ttl`,
//! renewed in the background while anybody asks, and nothing at all once nobody does.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::Stamp;
use crate::config::Health;
use crate::netbackup::{Client, ProbeOutcome};
use crate::reason::{Failure, Reason};

/// Renewal ends when nobody has asked for this long.
const QUIET: Duration = Duration::from_secs(60);

/// Asks one primary whether it is there. A trait, so that tests can count.
pub trait Probe: Send + Sync + 'static {
    /// Asks once and gives up by itself within `timeout`.
    fn probe(&self, timeout: Duration) -> BoxFuture<'_, ProbeOutcome>;
}

impl Probe for Client {
    fn probe(&self, timeout: Duration) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(Client::probe(self, timeout))
    }
}

/// What a probe found, and when it ended.
#[derive(Debug)]
pub struct Checked {
    /// What was found.
    pub outcome: ProbeOutcome,
    /// When the probe ended, or was given up.
    pub at: Stamp,
}

/// Shares the probes of one site among all who ask.
pub struct Prober {
    probe: Arc<dyn Probe>,
    settings: Health,
    latest: watch::Sender<Option<Arc<Checked>>>,
    life: Mutex<Life>,
}

struct Life {
    /// When somebody last asked.
    asked: Instant,
    /// No probe starts before this.
    next: Instant,
    /// Whether the task that renews runs.
    renewing: bool,
}

impl Checked {
    fn now(outcome: ProbeOutcome) -> Arc<Checked> {
        Arc::new(Checked { outcome, at: Stamp::now() })
    }

    fn failed(failure: Failure) -> Arc<Checked> {
        Checked::now(ProbeOutcome {
            reachable: false,
            authenticated: false,
            supported: false,
            api_version: None,
            latency: None,
            failure: Some(failure),
        })
    }

    fn late() -> Arc<Checked> {
        Checked::failed(Failure::new(
            Reason::Timeout,
            "probing the primary for /health took longer than health.timeout",
        ))
    }
}

impl Prober {
    /// A prober that has not asked yet.
    #[must_use]
    pub fn new(probe: impl Probe, settings: Health) -> Arc<Prober> {
        let now = Instant::now();
        Arc::new(Prober {
            probe: Arc::new(probe),
            settings,
            latest: watch::Sender::new(None),
            life: Mutex::new(Life { asked: now, next: now, renewing: false }),
        })
    }

    /// The last verdict, at once; the first who asks after a quiet minute waits for a probe, at most `health.timeout`.
    /// Dropping the future leaves the probe running: its answer lands for the next who asks.
    pub async fn check(self: &Arc<Self>) -> Arc<Checked> {
        self.note_asked();
        let mut latest = self.latest.subscribe();
        let found = timeout(self.settings.timeout, latest.wait_for(Option::is_some)).await;
        match found {
            Ok(Ok(checked)) => checked.as_ref().map_or_else(Checked::late, Arc::clone),
            Ok(Err(_)) | Err(_) => Checked::late(),
        }
    }

    fn note_asked(self: &Arc<Self>) {
        let mut life = self.life();
        life.asked = Instant::now();
        if life.renewing {
            return;
        }
        life.renewing = true;
        if life.asked >= life.next {
            // What is known is older than `health.ttl`: the callers wait for the probe that starts now.
            self.latest.send_replace(None);
        }
        tokio::spawn(renew(Arc::downgrade(self), life.next));
    }

    /// Whether the renewing task may start another probe; says so under the lock, so that a caller either keeps the
    /// task alive or starts the next one.
    fn may_probe(&self) -> bool {
        let mut life = self.life();
        life.renewing = life.asked.elapsed() < QUIET;
        life.renewing
    }

    async fn probe_once(&self) {
        let probe = Arc::clone(&self.probe);
        // A little less than callers wait, so that they see what the probe itself says about its time running out.
        let budget = self.settings.timeout.mul_f64(0.95);
        // A task of its own, so that a panic ends the probe and not the renewal.
        let mut running = tokio::spawn(async move { probe.probe(budget).await });
        let ended = match timeout(self.settings.timeout, &mut running).await {
            Ok(ended) => ended,
            Err(_) => {
                self.latest.send_replace(Some(Checked::late()));
                let Ok(ended) = timeout(QUIET, &mut running).await else {
                    running.abort();
                    return;
                };
                ended
            }
        };
        let checked = match ended {
            Ok(outcome) => Checked::now(outcome),
            Err(_) => Checked::failed(Failure::new(Reason::Internal, "the probe for /health panicked")),
        };
        self.latest.send_replace(Some(checked));
    }

    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews until nobody has asked for a while, or the prober is gone (its site left the configuration).
async fn renew(prober: Weak<Prober>, mut next: Instant) {
    loop {
        sleep_until(next).await;
        let Some(prober) = prober.upgrade().filter(|prober| prober.may_probe()) else { return };
        prober.probe_once().await;
        // Counted from the end: a slow primary gets a rest between probes too.
        next = Instant::now() + prober.settings.ttl;
        prober.life().next = next;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::time::{advance, sleep};

    use super::*;

    const SETTINGS: Health = Health { ttl: Duration::from_secs(5), timeout: Duration::from_secs(2) };

    /// Takes `takes` and counts; panics when that is zero.
    struct Fake {
        started: Arc<AtomicUsize>,
        takes: Duration,
    }

    impl Probe for Fake {
        fn probe(&self, _timeout: Duration) -> BoxFuture<'_, ProbeOutcome> {
            self.started.fetch_add(1, Ordering::SeqCst);
            Box::pin(async {
                assert!(!self.takes.is_zero(), "asked to panic");
                sleep(self.takes).await;
                let latency = Some(self.takes);
                ProbeOutcome {
                    reachable: true,
                    authenticated: true,
                    supported: true,
                    api_version: Some("14.0".into()),
                    latency,
                    failure: None,
                }
            })
        }
    }

    fn prober(takes: Duration) -> (Arc<Prober>, impl Fn() -> usize) {
        let started = Arc::new(AtomicUsize::new(0));
        let prober = Prober::new(Fake { started: Arc::clone(&started), takes }, SETTINGS);
        (prober, move || started.load(Ordering::SeqCst))
    }

    fn reason(checked: &Checked) -> Option<Reason> {
        checked.outcome.failure.as_ref().map(|failure| failure.reason)
    }

    #[tokio::test(start_paused = true)]
    async fn many_first_callers_share_one_probe() {
        let (prober, probes) = prober(Duration::from_millis(300));
        let begun = Instant::now();
        let answers = join_all((0..1_000).map(|_| prober.check())).await;
        assert!(answers.iter().all(|checked| checked.outcome.reachable));
        assert_eq!(begun.elapsed(), Duration::from_millis(300));
        assert_eq!(probes(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn renews_in_the_background_and_answers_at_once() {
        let (prober, probes) = prober(Duration::from_millis(300));
        prober.check().await;
        for _ in 0..1_000 {
            advance(Duration::from_millis(50)).await;
            let asked = Instant::now();
            let checked = prober.check().await;
            assert_eq!(asked.elapsed(), Duration::ZERO, "only the first caller waits");
            assert!(checked.at.age(Instant::now()) <= SETTINGS.ttl + Duration::from_millis(400));
        }
        // 50 s of asking: one probe each 5 s and 300 ms.
        assert!((9..=11).contains(&probes()), "{} probes", probes());
    }

    #[tokio::test(start_paused = true)]
    async fn falls_silent_when_nobody_asks_and_wakes_again() {
        let (prober, probes) = prober(Duration::from_millis(300));
        prober.check().await;
        sleep(Duration::from_secs(90)).await;
        let silent = probes();
        assert!(silent <= 13, "{silent} probes");
        sleep(Duration::from_secs(3_600)).await;
        assert_eq!(probes(), silent, "renewal ended by itself");

        let asked = Instant::now();
        prober.check().await;
        assert_eq!(asked.elapsed(), Duration::from_millis(300), "the first caller after a quiet minute waits");
        assert_eq!(probes(), silent + 1);
        sleep(Duration::from_secs(6)).await;
        assert_eq!(probes(), silent + 2, "and renewal goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_probe_is_a_timeout_first_and_lands_later() {
        let (prober, probes) = prober(Duration::from_secs(10));
        let asked = Instant::now();
        assert_eq!(reason(&*prober.check().await), Some(Reason::Timeout));
        assert_eq!(asked.elapsed(), SETTINGS.timeout);

        let asked = Instant::now();
        assert_eq!(reason(&*prober.check().await), Some(Reason::Timeout));
        assert_eq!(asked.elapsed(), Duration::ZERO, "the verdict is shared, not waited for again");

        sleep(Duration::from_millis(8_100)).await;
        assert!(prober.check().await.outcome.reachable, "the result landed when it came");
        assert_eq!(probes(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_never_ends_is_dropped_and_tried_again() {
        let (prober, probes) = prober(Duration::MAX);
        for _ in 0..200 {
            assert_eq!(reason(&*prober.check().await), Some(Reason::Timeout));
            sleep(Duration::from_secs(1)).await;
        }
        assert!((3..=4).contains(&probes()), "{} probes", probes());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_takes_nothing_with_it() {
        let (prober, probes) = prober(Duration::from_millis(300));
        assert!(timeout(Duration::from_millis(10), prober.check()).await.is_err());
        sleep(Duration::from_millis(400)).await;
        let asked = Instant::now();
        assert!(prober.check().await.outcome.reachable);
        assert_eq!((asked.elapsed(), probes()), (Duration::ZERO, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_a_verdict_and_stays_bounded() {
        let (prober, probes) = prober(Duration::ZERO);
        for _ in 0..20 {
            assert_eq!(reason(&*prober.check().await), Some(Reason::Internal));
            sleep(Duration::from_millis(500)).await;
        }
        assert!(probes() <= 3, "{} probes in 10 s", probes());
    }

    #[tokio::test(start_paused = true)]
    async fn renewal_ends_with_its_prober() {
        let (prober, probes) = prober(Duration::from_millis(300));
        prober.check().await;
        drop(prober);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(probes(), 1);
    }
}
