//! The loop under a paused clock, with a collector that does what a script says.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;
use crate::cache::Generation;
use crate::collector::Seen;
use crate::freshness::Limits;
use crate::netbackup;

const TTL: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
enum Step {
    Succeed,
    Fail(Reason, Option<u64>),
    Last(u64),
    /// The release does not offer it.
    Unsupported,
    /// It succeeds, and a part of it may not be read.
    InPart,
    Hang,
    Panic,
}

struct Scripted {
    steps: Mutex<VecDeque<Step>>,
    starts: Mutex<Vec<Instant>>,
    bounded: bool,
    new_credential_after: Mutex<Option<Duration>>,
}

impl Collector for Scripted {
    fn poll<'a>(&'a self, _: &'a PollContext) -> BoxFuture<'a, Result<Polled, Failure>> {
        self.starts.lock().unwrap().push(Instant::now());
        let step = self.steps.lock().unwrap().pop_front().unwrap_or(Step::Succeed);
        async move {
            match step {
                Step::Succeed => {}
                Step::Fail(reason, retry_after) => {
                    let mut failure = Failure::new(reason, "scripted");
                    failure.retry_after = retry_after.map(Duration::from_secs);
                    return Err(failure);
                }
                Step::Last(seconds) => sleep(Duration::from_secs(seconds)).await,
                Step::Unsupported => {
                    let failure = Failure::new(Reason::Http, "scripted");
                    return Err(Failure { status: Some(404), unsupported: true, ..failure });
                }
                Step::InPart => {}
                Step::Hang => std::future::pending().await,
                Step::Panic => panic!("scripted"),
            }
            let is_denied = matches!(step, Step::InPart);
            let denied = is_denied.then(|| Arc::new(Failure::new(Reason::Forbidden, "scripted")));
            Ok(Polled { rendered: Rendered::default(), received: Stamp::now(), rejected: 2, denied })
        }
        .boxed()
    }

    fn examine(&self) -> BoxFuture<'_, Result<Seen, netbackup::Error>> {
        Box::pin(std::future::ready(Ok(Seen::default())))
    }

    fn is_optional(&self) -> bool {
        true
    }

    fn is_bounded(&self) -> bool {
        self.bounded
    }

    fn credential_changed(&self, _: u64) -> BoxFuture<'_, ()> {
        let wait = *self.new_credential_after.lock().unwrap();
        async move {
            match wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        }
        .boxed()
    }
}

struct Running {
    collector: Arc<Scripted>,
    slot: Arc<Slot<Rendered>>,
    task: PollTask,
}

impl Running {
    fn new(steps: &[Step]) -> Running {
        Running::with(steps, true)
    }

    fn with(steps: &[Step], bounded: bool) -> Running {
        let collector = Arc::new(Scripted {
            steps: Mutex::new(steps.iter().copied().collect()),
            starts: Mutex::default(),
            bounded,
            new_credential_after: Mutex::default(),
        });
        let limits = Limits { stale_after: TTL * 3, expire_after: TTL * 12 };
        let slot = Slot::new("fake", TTL, limits, Generation::default());
        let task = start(
            "paris".into(),
            collector.clone() as Arc<dyn Collector>,
            slot.clone(),
            Duration::from_secs(120),
            mpsc::channel(1).0,
        );
        Running { collector, slot, task }
    }

    /// Lets the paused clock run until `polls` attempts have ended.
    async fn after(&self, polls: u64) {
        while self.slot.load().polls < polls {
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn gaps(&self) -> Vec<f64> {
        let starts = self.collector.starts.lock().unwrap();
        starts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn polls_at_once_and_then_every_ttl_give_or_take_a_tenth() {
    let running = Running::new(&[]);
    running.after(6).await;
    let state = running.slot.load();
    assert!(state.success && state.last_failure.is_none());
    assert_eq!((state.polls, state.skipped, state.rejected), (6, 0, 12));
    let gaps = running.gaps();
    assert!(gaps.iter().all(|gap| (54.0..=66.1).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| (gap - 60.0).abs() > 0.01), "no jitter in {gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_release_does_not_offer_is_no_failure_until_it_has_been_read_once() {
    let running = Running::new(&[Step::Unsupported, Step::Unsupported, Step::Succeed, Step::Unsupported]);
    running.after(2).await;
    let state = running.slot.load_full();
    assert!(state.unsupported && !state.success && !state.permission_denied() && state.last_failure.is_none());
    assert_eq!(state.failures.iter().sum::<u64>(), 0);
    running.after(3).await;
    assert!(running.slot.load().success && !running.slot.load().unsupported);
    running.after(4).await;
    let state = running.slot.load_full();
    assert!(!state.unsupported && state.snapshot.is_some());
    assert_eq!(state.failures[Reason::Http as usize], 1);
    assert!(running.gaps()[..2].iter().all(|gap| *gap >= 54.0), "asked again at the TTL: {:?}", running.gaps());
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_denied_spoils_nothing_and_is_said_until_it_is_granted() {
    let running = Running::new(&[Step::InPart, Step::InPart, Step::Succeed]);
    running.after(2).await;
    let state = running.slot.load_full();
    assert!(state.success && state.permission_denied() && state.snapshot.is_some());
    assert_eq!((state.failures.iter().sum::<u64>(), state.last_failure.is_none()), (0, true));
    running.after(3).await;
    assert!(!running.slot.load().permission_denied());
}

#[tokio::test(start_paused = true)]
async fn backs_off_from_one_second_and_never_beyond_the_ttl() {
    let running = Running::new(&[Step::Fail(Reason::Connect, None); 10]);
    running.after(10).await;
    let gaps = running.gaps();
    for (count, gap) in gaps.iter().enumerate() {
        let expected = f64::from(1_u32 << count.min(8)).min(60.0);
        assert!(*gap >= expected * 0.75 - 0.1 && *gap <= (expected * 1.25).min(60.0) + 0.1, "{count}: {gaps:?}");
    }
    let state = running.slot.load();
    assert_eq!(state.consecutive_failures, 10);
    assert_eq!(state.failures[Reason::Connect as usize], 10);
}

#[tokio::test(start_paused = true)]
async fn last_good_data_stay_through_failures_and_recovery_resets_the_count() {
    let running = Running::new(&[Step::Succeed, Step::Fail(Reason::Http, None), Step::Fail(Reason::Decode, None)]);
    running.after(3).await;
    let failed = running.slot.load_full();
    assert!(!failed.success && failed.snapshot.is_some());
    assert_eq!(failed.last_failure.as_ref().map(|failure| failure.reason), Some(Reason::Decode));
    running.after(4).await;
    let state = running.slot.load();
    assert!(state.success && state.last_failure.is_none());
    assert_eq!(state.consecutive_failures, 0);
    assert!(state.snapshot.as_ref().unwrap().received.mono > failed.snapshot.as_ref().unwrap().received.mono);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_poll_ends_at_its_deadline_and_left_out_starts_are_counted() {
    let running = Running::new(&[Step::Hang]);
    running.after(1).await;
    let state = running.slot.load();
    assert_eq!(state.failures[Reason::Timeout as usize], 1);
    assert_eq!(state.skipped, 1, "one regular start lay within the 120 s");
    assert!((state.duration_sum - 120.0).abs() < 0.2);
}

#[tokio::test(start_paused = true)]
async fn an_unbounded_poll_outlasts_the_deadline() {
    let running = Running::with(&[Step::Last(1000)], false);
    running.after(1).await;
    let state = running.slot.load();
    assert!(state.success);
    assert_eq!(state.skipped, 16, "16 regular starts lay within 1000 s");
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_is_followed_at_the_next_regular_start() {
    let running = Running::new(&[Step::Last(100), Step::Succeed]);
    running.after(2).await;
    let gaps = running.gaps();
    assert!((gaps[0] - 120.0).abs() < 0.1, "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_counted_and_the_task_started_again() {
    let running = Running::new(&[Step::Succeed, Step::Panic, Step::Succeed]);
    running.after(2).await;
    let died = running.slot.load_full();
    assert_eq!(died.failures[Reason::Internal as usize], 1);
    assert!(died.snapshot.is_some(), "the last good data stay");
    running.after(3).await;
    let state = running.slot.load();
    assert!(state.success);
    assert_eq!(state.restarts, 1);
    assert!(running.slot.is_healthy(Instant::now(), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_dead_task_is_unhealthy_until_it_lives_again() {
    let running = Running::new(&[Step::Panic]);
    running.after(1).await;
    assert!(!running.slot.is_healthy(Instant::now(), Duration::from_secs(60)));
    running.after(2).await;
    assert!(running.slot.is_healthy(Instant::now(), Duration::from_secs(60)));
}

#[tokio::test(start_paused = true)]
async fn the_promise_covers_sleep_and_poll_however_slow_the_primary_is() {
    for bounded in [true, false] {
        let running = Running::with(&[Step::Succeed, Step::Last(110), Step::Succeed], bounded);
        running.after(1).await;
        while running.slot.load().polls < 3 {
            sleep(Duration::from_millis(500)).await;
            assert!(running.slot.is_healthy(Instant::now(), Duration::from_secs(1)), "bounded {bounded}");
        }
    }
    let lost = Running::with(&[Step::Hang], true);
    sleep(TTL).await;
    lost.slot.promise(Instant::now() - TTL / 2);
    assert!(!lost.slot.is_healthy(Instant::now(), Duration::from_secs(1)), "a broken promise is seen");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_task_ends_it() {
    let running = Running::new(&[]);
    running.after(1).await;
    let (collector, slot) = (running.collector.clone(), running.slot.clone());
    drop(running);
    sleep(TTL * 5).await;
    assert_eq!(collector.starts.lock().unwrap().len(), 1);
    assert!(slot.writer().is_some(), "the slot is free again");
}

#[test]
fn waits_follow_the_reason_and_retry_after() {
    let wait = |reason, asked: Option<u64>, count| {
        let mut failure = Failure::new(reason, "");
        failure.retry_after = asked.map(Duration::from_secs);
        wait_after(&failure, count, TTL).as_secs_f64()
    };
    for _ in 0..100 {
        assert!((60.0..=66.0).contains(&wait(Reason::Auth, None, 1)), "refused credentials are not hammered");
        assert!((54.0..=60.0).contains(&wait(Reason::Forbidden, None, 1)));
        assert!((300.0..301.0).contains(&wait(Reason::Throttled, Some(300), 1)), "longer than the TTL is honoured");
        assert!(wait(Reason::Throttled, Some(7200), 1) <= 1.25, "more than an hour is not believed");
        assert!(wait(Reason::Connect, None, 40) <= 60.0, "a large count does not overflow");
    }
    assert!(backoff(1, Duration::from_millis(100)) <= Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_new_credential_ends_the_wait_that_the_old_one_has_earned() {
    let running = Running::new(&[Step::Fail(Reason::Auth, None), Step::Succeed, Step::Fail(Reason::Http, None)]);
    *running.collector.new_credential_after.lock().unwrap() = Some(Duration::from_secs(5));
    running.after(4).await;
    let gaps = running.gaps();
    assert!((gaps[0] - 5.0).abs() < 0.1, "{gaps:?}");
    assert!(gaps[1] > 50.0, "a success waits for its TTL: {gaps:?}");
    assert!(gaps[2] < 1.3, "other failures have their own wait: {gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn once_polls_once() {
    let running = Running::new(&[]);
    drop(running);
    let collector = Arc::new(Scripted {
        steps: Mutex::new([Step::Fail(Reason::Auth, None)].into_iter().collect()),
        starts: Mutex::default(),
        bounded: true,
        new_credential_after: Mutex::default(),
    });
    let limits = Limits { stale_after: TTL * 3, expire_after: TTL * 12 };
    let slot = Slot::new("fake", TTL, limits, Generation::default());
    assert!(!once("paris".into(), collector.clone(), slot.clone(), TTL).await);
    assert!(once("paris".into(), collector, slot, TTL).await);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_oversleeps_is_seen_ended_and_started_again() {
    let running = Running::new(&[]);
    running.after(2).await;
    sleep(STUCK_AFTER - TTL + Duration::from_secs(10)).await;
    // As if it should have been awake since the beginning: its timer, a minute away, stands for one that never goes off.
    running.slot.promise(running.slot.created());
    assert!(!running.slot.is_healthy(Instant::now(), Duration::from_secs(60)), "/-/healthy says so first");
    sleep(LOOK_EVERY * 2).await;
    assert_eq!((running.slot.load().restarts, running.slot.load().polls), (1, 3), "started again, and polled at once");
    assert!(running.slot.is_healthy(Instant::now(), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_task_writes_no_more() {
    let Running { collector, slot, task } = Running::new(&[Step::Succeed, Step::Last(30)]);
    while collector.starts.lock().unwrap().len() < 2 {
        sleep(Duration::from_millis(50)).await;
    }
    task.stop().await;
    assert!(slot.writer().is_some(), "nobody writes the slot");
    sleep(TTL * 3).await;
    assert_eq!((slot.load().polls, collector.starts.lock().unwrap().len()), (1, 2));
    let next = slot.successor(TTL / 2, slot.limits, false);
    assert_eq!((next.load().polls, next.ttl), (1, TTL / 2));
    assert!(next.load().snapshot.is_some() && next.load().next_attempt.is_none());
}
