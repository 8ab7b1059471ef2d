//! Random histories: whatever happens at the primary, between two requests and to them, counters equal what has been
//! told after every poll, never fall, and once it is quiet the gauges equal what the primary lists.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::bench::{After, Bench, Poll};
use super::history::{Event, event, fault, work};

/// A history, and the primary that it happens to.
#[derive(Clone)]
struct History {
    lookback_s: u64,
    page_rows: usize,
    latency_ms: u64,
    /// The primary's clock minus what the exporter would expect, in seconds.
    offset_s: i64,
    rounds: Vec<Round>,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let History { lookback_s, page_rows, latency_ms, offset_s, rounds } = self;
        write!(f, "lookback_s {lookback_s}, page_rows {page_rows}, latency_ms {latency_ms}, offset_s {offset_s}")?;
        rounds.iter().try_for_each(|round| write!(f, "\n    {round:?}"))
    }
}

/// What happens, then a pause, then a poll.
#[derive(Debug, Clone)]
struct Round {
    events: Vec<Event>,
    pause_s: u64,
    poll: Poll,
}

/// Where clocks are set the window is as long as it is by default: one that is shorter than a step forgets what the
/// step brings back, and then nothing tells whether it was counted.
fn lookback(steps: bool) -> BoxedStrategy<u64> {
    if steps { Just(86_400_u64).boxed() } else { prop_oneof![Just(600_u64), Just(3600), Just(10_800)].boxed() }
}

fn after(steps: bool) -> impl Strategy<Value = After> {
    let own = if steps { prop_oneof![2 => Just(0_i32), 1 => -90_000_i32..90_000].boxed() } else { Just(0).boxed() };
    let lookback = proptest::option::weighted(0.3, lookback(steps));
    let restart = (lookback, own, any::<bool>()).prop_map(|(lookback_s, own_step_s, is_confirmed)| After::Restart {
        lookback_s,
        own_step_s,
        is_confirmed,
    });
    prop_oneof![
        30 => Just(After::Publish),
        1 => Just(After::Deadline),
        1 => Just(After::CrashBeforeKeeping),
        1 => Just(After::CrashBeforePublishing),
        2 => restart,
    ]
}

fn poll(steps: bool) -> impl Strategy<Value = Poll> {
    let during = prop_oneof![3 => Just(Vec::new()), 1 => proptest::collection::vec((0_usize..9, work()), 1..4)];
    let faults = prop_oneof![5 => Just(Vec::new()), 1 => proptest::collection::vec((0_usize..12, fault()), 1..3)];
    (during, faults, proptest::bool::weighted(0.1), after(steps)).prop_map(|(during, faults, compacts, after)| Poll {
        during,
        faults,
        compacts,
        after,
    })
}

fn history(steps: bool) -> impl Strategy<Value = History> {
    let pause = prop_oneof![2 => Just(60_u64), 1 => 5_u64..300];
    let round = (proptest::collection::vec(event(steps), 0..6), pause, poll(steps))
        .prop_map(|(events, pause_s, poll)| Round { events, pause_s, poll });
    let latency = prop_oneof![Just(0_u64), Just(40), Just(1500)];
    let offset = prop_oneof![Just(0_i64), -80_000_i64..80_000];
    (lookback(steps), 10_usize..=100, latency, offset, proptest::collection::vec(round, 1..40)).prop_map(
        |(lookback_s, page_rows, latency_ms, offset_s, rounds)| History {
            lookback_s,
            page_rows,
            latency_ms,
            offset_s,
            rounds,
        },
    )
}

fn run(history: &History) {
    fastrand::seed(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut bench = Bench::new(Duration::from_secs(history.lookback_s));
        {
            let mut world = bench.model.world();
            world.page_rows = history.page_rows;
            world.latency = Duration::from_millis(history.latency_ms);
            world.clock_ms += history.offset_s * 1000;
        }
        for round in &history.rounds {
            for event in &round.events {
                bench.happens(event).await;
            }
            bench.pass(round.pause_s).await;
            bench.poll(&round.poll).await;
        }
        bench.settle().await;
    });
}

/// As many cases as `PROPTEST_CASES` says, of its own choice; else always the same few.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    let config = ProptestConfig { max_shrink_iters: 50_000, failure_persistence: None, ..config };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => ProptestConfig { cases: 128, rng_seed: RngSeed::Fixed(1), ..config },
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_job_counts_once_and_the_gauges_equal_a_recount(history in history(false)) {
        run(&history);
    }

    #[test]
    fn so_they_do_when_clocks_are_set(history in history(true)) {
        run(&history);
    }
}
