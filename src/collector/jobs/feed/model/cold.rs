//! The first read: complete, each row once, few requests, never more at a time than are allowed.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::history::{Fault, fault};
use super::primary::{Model, START_MS};
use crate::collector::jobs::cold::ColdRead;
use crate::netbackup::{JobRow, JobsPage};
use crate::reason::{Failure, Reason};

const HOUR_MS: i64 = 3_600_000;
const PAGE_TIME: Duration = Duration::from_millis(50);

/// A primary with ended jobs of these ids.
fn model(ids: impl Iterator<Item = u64>) -> Model {
    let model = Model::new();
    {
        let mut world = model.world();
        world.latency = PAGE_TIME;
        for id in ids {
            end(&mut world, id);
        }
    }
    model
}

fn end(world: &mut super::primary::World, id: u64) {
    let stamp = START_MS - 1000 - i64::try_from(id % 1000).unwrap();
    let row = JobRow {
        id,
        state: "DONE".into(),
        end_ms: Some(stamp - stamp.rem_euclid(1000)),
        last_update_ms: Some(stamp),
        ..JobRow::default()
    };
    world.last_id = world.last_id.max(id);
    world.write(row, 0);
}

async fn plan(model: &Model) -> Result<ColdRead, Failure> {
    let planned = ColdRead::plan(model, (START_MS - HOUR_MS, None), START_MS, false).await;
    // The few questions of a plan come at once: that they wait for one another is the client's doing.
    model.world().most_in_flight = 0;
    planned
}

/// How often each id has been read.
#[derive(Default)]
struct Read(BTreeMap<u64, u32>);

impl Read {
    async fn on(&mut self, cold: &mut ColdRead, model: &Model, walkers: usize) -> Result<(), Failure> {
        let mut take = |page: &JobsPage<'_>, ratio: f64| {
            assert!((0.0..1.0).contains(&ratio));
            page.rows.iter().for_each(|row| *self.0.entry(row.id).or_default() += 1);
        };
        cold.read(model, walkers, &mut take).await
    }

    fn each_once(&self) -> bool {
        self.0.values().all(|times| *times == 1)
    }
}

/// Reads everything, and holds it against the limits.
async fn read_all(ids: impl Iterator<Item = u64> + Clone, can_count: bool) -> (usize, Duration) {
    let model = model(ids.clone());
    model.world().mute = !can_count;
    let (began, mut read) = (Instant::now(), Read::default());
    let mut cold = plan(&model).await.unwrap();
    read.on(&mut cold, &model, 4).await.unwrap();
    let took = began.elapsed();
    assert!(read.each_once());
    assert!(read.0.keys().copied().eq(ids));
    let world = model.world();
    assert!(world.most_in_flight <= 4);
    (world.requests, took)
}

fn most_requests(jobs: usize) -> usize {
    jobs * 13 / 1000 + 10
}

#[tokio::test(start_paused = true)]
async fn even_ids_are_read_in_a_third_of_the_time_with_few_requests_more() {
    for gap in [1, 7] {
        let (requests, took) = read_all((1..=20_000).map(|id| id * gap), true).await;
        assert!(requests <= most_requests(20_000), "{requests}");
        assert!(took <= PAGE_TIME * 200 / 3, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn so_are_two_dense_clusters_far_apart() {
    let far = 4_000_000_000;
    for (low, high) in [(10_000, 10_000), (19_000, 1000), (500, 19_500)] {
        let (requests, took) = read_all((1..=low).chain(far..far + high), true).await;
        assert!(requests <= most_requests(20_000), "{requests} for {low} and {high}");
        assert!(took <= PAGE_TIME * 200 / 2, "{took:?} for {low} and {high}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_count_reads_as_completely() {
    let (requests, took) = read_all(1..=20_000, false).await;
    assert!(requests <= most_requests(20_000), "{requests}");
    assert!(took <= PAGE_TIME * 200 / 3, "{took:?}");
    // Nothing tells where the jobs are: only that all are read once, and that it ends.
    read_all((1..=3000).chain(4_000_000_000..4_000_003_000), false).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_and_a_single_job_cost_next_to_nothing() {
    assert!(read_all(std::iter::empty(), true).await.0 <= 3);
    assert!(read_all(std::iter::once(7), true).await.0 <= 4);
}

#[tokio::test(start_paused = true)]
async fn a_read_goes_on_where_a_range_failed_and_reads_nothing_twice() {
    let model = model(1..=20_000);
    model.world().broken = 12_000..13_000;
    let mut read = Read::default();
    let mut cold = plan(&model).await.unwrap();
    let failure = read.on(&mut cold, &model, 4).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Http);
    let before = read.0.len();
    // The others have been read to their end.
    assert!((1..12_000).all(|id| read.0.contains_key(&id)), "only what is broken is left");
    {
        let mut world = model.world();
        (world.broken, world.requests) = (0..0, 0);
    }
    read.on(&mut cold, &model, 4).await.unwrap();
    assert!(read.each_once());
    assert_eq!(read.0.len(), 20_000);
    assert!(model.world().requests <= most_requests(20_000 - before), "{}", model.world().requests);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_rejected_rows_is_passed() {
    for (ghosts, jobs) in [(100, 0), (250, 0), (100, 3000), (250, 3000)] {
        let model = model(1..=jobs);
        model.world().ghosts = vec![START_MS - 1000; ghosts];
        let mut read = Read::default();
        let mut cold = plan(&model).await.unwrap();
        read.on(&mut cold, &model, 4).await.unwrap();
        assert_eq!(read.0.len() as u64, jobs, "{ghosts} ghosts");
    }
}

/// What happens before the n-th request.
#[derive(Debug, Clone, Copy)]
enum Event {
    Delete(u16),
    Begin,
}

proptest! {
    /// Jobs are deleted and new ones end while it reads, and requests fail. What is there all the time is read once.
    #[test]
    fn ranges_are_disjoint_and_complete(
        gaps in proptest::collection::vec(prop_oneof![8 => 1_u64..3, 1 => 1_u64..100_000], 0..2500),
        walkers in 1_usize..6,
        mute: bool,
        events in proptest::collection::vec((0_usize..40, prop_oneof![any::<u16>().prop_map(Event::Delete), Just(Event::Begin)]), 0..20),
        faults in proptest::collection::vec((2_usize..60, fault()), 0..6),
    ) {
        fastrand::seed(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut last = 0;
            let ids: Vec<u64> = gaps.iter().map(|gap| { last += gap; last }).collect();
            let model = model(ids.iter().copied());
            model.world().mute = mute;
            let mut read = Read::default();
            let mut cold = plan(&model).await.unwrap();
            let mut deleted = std::collections::BTreeSet::new();
            model.world().script.faults = faults;
            // A poll that fails is followed by another one; the script runs on, so it ends.
            let mut tries = 0;
            let mut events = events;
            loop {
                tries += 1;
                assert!(tries < 100);
                let asked = model.world().script.asked;
                let now: Vec<_> = events.extract_if(.., |(at, _)| *at <= asked).collect();
                for (_, event) in now {
                    let mut world = model.world();
                    match event {
                        Event::Begin => {
                            let id = world.last_id + 1;
                            end(&mut world, id);
                        }
                        Event::Delete(number) if !ids.is_empty() => {
                            let id = ids[usize::from(number) % ids.len()];
                            world.delete(id);
                            deleted.insert(id);
                        }
                        Event::Delete(_) => {}
                    }
                }
                let next = events.iter().map(|(at, _)| *at).min().filter(|_| !ids.is_empty());
                // The read is cut off where something is to happen, and goes on afterwards.
                let time = next.map_or(Duration::from_secs(600), |next| PAGE_TIME * u32::try_from(next - asked).unwrap() / 4);
                let done = tokio::time::timeout(time, read.on(&mut cold, &model, walkers)).await;
                if matches!(done, Ok(Ok(()))) {
                    break;
                }
                // What is never answered has to be asked again.
                let asked = model.world().script.asked;
                model.world().script.faults.retain(|(at, fault)| *at > asked || !matches!(fault, Fault::Hang));
                if next.is_some_and(|next| asked < next) {
                    events.iter_mut().for_each(|(at, _)| *at = (*at).min(asked));
                }
            }
            assert!(read.each_once());
            assert!(ids.iter().all(|id| deleted.contains(id) || read.0.contains_key(id)));
            assert!(model.world().most_in_flight <= walkers);
        });
    }
}
