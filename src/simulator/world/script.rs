//! The life of a job, drawn whole when it is born: a list of states and when each becomes visible.
//!
//! A life is a pure function of the seed and the id, so the world is the same however often it is looked at.

use std::sync::Arc;

use super::job::{Job, Word};
use super::names::{CLIENTS, FAILURES, KINDS, Kind, QUEUE_REASONS, SCHEDULES};

/// Policies that many clients share.
const SHARED_POLICIES: usize = 100;

/// A job as it stands from `visible` on (milliseconds since the epoch).
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) visible: i64,
    pub(crate) job: Job,
}

/// Draws lives.
#[derive(Debug)]
pub(crate) struct Author {
    seed: u64,
    /// Divides the length of every live phase.
    pace: f64,
    odd_rows: bool,
    clients: Vec<Arc<str>>,
    policies: Vec<Vec<Arc<str>>>,
    /// Of many clients, whatever the kind of the job: each has two of them. Otherwise there are none.
    shared: Vec<Arc<str>>,
    units: Vec<Arc<str>>,
    empty: Arc<str>,
}

impl Author {
    /// `units` are the names of the storage units that jobs write to; `many`: how many clients there are, 0 for the usual ones.
    pub(crate) fn new(seed: u64, pace: f64, odd_rows: bool, many: usize, units: Vec<Arc<str>>) -> Author {
        let names = |stem: &str, count: usize, end: &str, digits: usize| {
            (1..=count).map(|number| Arc::from(format!("{stem}-{number:0digits$}{end}"))).collect::<Vec<Arc<str>>>()
        };
        let clients = match many {
            0 => CLIENTS.iter().map(|name| Arc::from(*name)).collect(),
            _ => names("client", many, ".example.com", 5),
        };
        Author {
            seed,
            pace: if pace.is_finite() && pace > 0.0 { pace } else { 1.0 },
            odd_rows,
            clients,
            shared: if many == 0 { Vec::new() } else { names("policy", SHARED_POLICIES, "", 3) },
            policies: KINDS.iter().map(|kind| kind.policies.iter().map(|name| Arc::from(*name)).collect()).collect(),
            units,
            empty: Arc::from(""),
        }
    }

    /// The dice of one job.
    pub(crate) fn dice(&self, id: i64) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed ^ id.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Draws a kind, by weight.
    pub(crate) fn kind(&self, dice: &mut fastrand::Rng) -> usize {
        let usable = |kind: &Kind| self.odd_rows || !kind.odd;
        let total = KINDS.iter().filter(|kind| usable(kind)).map(|kind| kind.weight).sum::<u32>();
        let mut left = dice.u32(0..total.max(1));
        for (index, kind) in KINDS.iter().enumerate().filter(|(_, kind)| usable(kind)) {
            if left < kind.weight {
                return index;
            }
            left -= kind.weight;
        }
        0
    }

    /// Whether jobs of this kind have children.
    pub(crate) fn is_parent(kind: usize) -> bool {
        KINDS.get(kind).is_some_and(|kind| kind.parent)
    }

    /// A job of this kind that has just been queued.
    pub(crate) fn born(&self, dice: &mut fastrand::Rng, kind: usize, id: i64, parent_id: i64, start: i64) -> Job {
        let Some(what) = KINDS.get(kind) else { return Job::default() };
        let (schedule_type, schedule_name) = pick(dice, &SCHEDULES).copied().unwrap_or_default();
        let number = dice.usize(0..self.clients.len().max(1));
        let client = self.clients.get(number).unwrap_or(&self.empty);
        let has_policy = what.policies.iter().any(|name| !name.is_empty());
        let policy = match self.shared.len() {
            0 => self.policies.get(kind).and_then(|names| pick(dice, names)),
            count => self.shared.get((number * 2 + dice.usize(0..2)) % count).filter(|_| has_policy),
        };
        let policy = policy.unwrap_or(&self.empty);
        Job {
            id,
            parent_id,
            job_type: Some(Word::Borrowed(what.job_type)),
            job_sub_type: Word::Borrowed(what.sub_type),
            policy_type: what.policy_type.map(Word::Borrowed),
            policy_name: Arc::clone(policy),
            schedule_type: Word::Borrowed(schedule_type),
            schedule_name: Word::Borrowed(schedule_name),
            client_name: Arc::clone(client),
            workload: Arc::clone(client),
            storage_unit: Arc::clone(pick(dice, &self.units).unwrap_or(&self.empty)),
            queue_resource: Arc::clone(&self.empty),
            start: Some(start),
            last_update: Some(start),
            ..Job::default()
        }
    }

    /// Turns a queued job into one that ended at `end` and was last written at `stamp`.
    pub(crate) fn ended(&self, dice: &mut fastrand::Rng, mut job: Job, end: i64, stamp: i64) -> Job {
        job.attempt = 1;
        job.try_start = job.start.map(|start| (start + 1_000).min(end));
        finish(&mut job, status(dice), amounts(dice), end, stamp);
        job
    }

    /// The whole life of a job from its queueing on; the active phase lasts `at_least` so many milliseconds
    /// (parents outlive their children).
    pub(crate) fn life(&self, dice: &mut fastrand::Rng, queued: Job, at_least: i64) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut job = queued;
        let mut now = job.start.unwrap_or_default();
        let (kilobytes, data, files) = amounts(dice);
        if dice.u8(0..10) < 7 {
            self.wait(dice, &mut job);
        }
        push(dice, &mut steps, &job, now);
        now += self.span(dice, 1_000, 90_000);
        if dice.u8(0..10) == 0 {
            self.wait(dice, &mut job);
            job.last_update = Some(now);
            push(dice, &mut steps, &job, now);
            now += self.span(dice, 10_000, 240_000);
        }
        let interlude = dice.u8(0..100);
        for attempt in 1..=if interlude < 10 { 2 } else { 1 } {
            // One active phase, in a few strides, each of which touches the row.
            job.attempt = attempt;
            job.try_start = Some(now);
            self.state(&mut job, "ACTIVE", now);
            job.operation = 3;
            push(dice, &mut steps, &job, now);
            let strides = dice.i64(1..5);
            let typical = self.span(dice, 15_000, 120_000);
            let length = if dice.u8(0..20) == 0 { typical * 10 } else { typical }.max(at_least);
            for stride in 1..strides {
                now += length / strides;
                job.percent = stride * 100 / strides;
                job.kilobytes = Some(kilobytes / 100 * job.percent);
                job.kilobytes_data = Some(data / 100 * job.percent);
                job.files = Some(files / 100 * job.percent);
                job.last_update = Some(now);
                push(dice, &mut steps, &job, now);
                let pause = match (interlude, stride) {
                    (10..13, 1) => "SUSPENDED",
                    (13..16, 1) => "INCOMPLETE",
                    _ => continue,
                };
                now += self.span(dice, 500, 600);
                self.state(&mut job, pause, now);
                push(dice, &mut steps, &job, now);
                now += self.span(dice, 30_000, 300_000);
                self.state(&mut job, "ACTIVE", now);
                push(dice, &mut steps, &job, now);
            }
            now += length / strides;
            if interlude < 10 && attempt == 1 {
                // The try has failed: the row waits for the next one and already carries a status.
                self.state(&mut job, "REQUEUED", now);
                job.status = pick(dice, &FAILURES).copied();
                push(dice, &mut steps, &job, now);
                now += self.span(dice, 20_000, 180_000);
            }
        }
        let stamp = stamp_of(dice, now);
        finish(&mut job, status(dice), (kilobytes, data, files), now / 1_000 * 1_000, stamp);
        push(dice, &mut steps, &job, stamp);
        if dice.u8(0..50) == 0 {
            // DONE is not final: something writes the row once more.
            let later = stamp + self.span(dice, 20_000, 120_000);
            job.last_update = Some(later);
            job.files = Some(files + 1);
            push(dice, &mut steps, &job, later);
        }
        steps
    }

    /// A length between two bounds (milliseconds), at the pace of this world.
    pub(crate) fn span(&self, dice: &mut fastrand::Rng, low: i64, high: i64) -> i64 {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "minutes in milliseconds")]
        let scaled = (dice.i64(low..high) as f64 / self.pace) as i64;
        scaled.max(1)
    }

    fn wait(&self, dice: &mut fastrand::Rng, job: &mut Job) {
        job.queue_reason = pick(dice, &QUEUE_REASONS).copied();
        let waits = job.queue_reason.is_some_and(|reason| reason != 0);
        job.queue_resource = Arc::clone(if waits { &job.storage_unit } else { &self.empty });
    }

    fn state(&self, job: &mut Job, state: &'static str, now: i64) {
        job.state = Some(Word::Borrowed(state));
        job.queue_reason = Some(0);
        job.queue_resource = Arc::clone(&self.empty);
        job.last_update = Some(now);
    }
}

fn push(dice: &mut fastrand::Rng, steps: &mut Vec<Step>, job: &Job, now: i64) {
    // Now and then a row is committed seconds after its own stamp; a job's rows never overtake each other.
    let late = if dice.u8(0..25) == 0 { dice.i64(500..20_000) } else { 0 };
    let earliest = steps.last().map_or(now, |step| step.visible + 1);
    steps.push(Step { visible: (now + late).max(earliest), job: job.clone() });
}

/// The stamp of the row that says DONE: mostly a little after the end, now and then on the second, so that jobs that
/// have nothing to do with each other share it.
fn stamp_of(dice: &mut fastrand::Rng, now: i64) -> i64 {
    if dice.u8(0..4) == 0 { (now + 999) / 1_000 * 1_000 } else { now + dice.i64(0..700) }
}

fn finish(job: &mut Job, status: i64, (kilobytes, data, files): (i64, i64, i64), end: i64, stamp: i64) {
    let moved = matches!(status, 0 | 1);
    job.state = Some(Word::Borrowed("DONE"));
    job.status = Some(status);
    job.percent = 100;
    job.operation = 0;
    job.queue_reason = Some(0);
    job.kilobytes = Some(if moved { kilobytes } else { kilobytes / 3 });
    job.kilobytes_data = Some(if moved { data } else { data / 3 });
    job.files = Some(if moved { files } else { files / 3 });
    job.end = Some(end.max(job.start.unwrap_or(end)));
    job.last_update = Some(stamp);
}

fn status(dice: &mut fastrand::Rng) -> i64 {
    match dice.u8(0..100) {
        0..86 => 0,
        86..90 => 1,
        90..92 => 150,
        _ => pick(dice, &FAILURES).copied().unwrap_or(2),
    }
}

/// Kilobytes, kilobytes on the wire, files. One in a hundred passes 2^31 kilobytes.
fn amounts(dice: &mut fastrand::Rng) -> (i64, i64, i64) {
    let kilobytes = match dice.u8(0..100) {
        0 => dice.i64(2_200_000_000..9_000_000_000),
        1..5 => 0,
        _ => dice.i64(1_000..80_000_000),
    };
    (kilobytes, kilobytes / dice.i64(1..30), dice.i64(1..200_000))
}

/// One of them; `None` when there is none.
pub(crate) fn pick<'a, T>(dice: &mut fastrand::Rng, from: &'a [T]) -> Option<&'a T> {
    if from.is_empty() { None } else { from.get(dice.usize(0..from.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_depends_on_seed_and_id_alone_and_ends_done() {
        let author = |seed| Author::new(seed, 1.0, true, 0, vec!["stu".into()]);
        let life = |author: &Author, id| {
            let mut dice = author.dice(id);
            let kind = author.kind(&mut dice);
            let born = author.born(&mut dice, kind, id, 0, 1_000_000);
            author.life(&mut dice, born, 0)
        };
        let states = |id, seed| life(&author(seed), id).into_iter().map(|step| step.job).collect::<Vec<_>>();
        assert_eq!(states(7, 1), states(7, 1));
        assert_ne!(states(7, 1), states(7, 2));
        for id in 1..500 {
            let steps = life(&author(3), id);
            assert!(steps.last().is_some_and(|step| step.job.is_done()), "job {id} never ends");
            assert!(steps.is_sorted_by(|a, b| a.visible < b.visible), "job {id} goes back in time");
            for step in &steps {
                assert!(step.job.last_update <= Some(step.visible), "job {id} is stamped with the future");
                assert_eq!(step.job.end.is_some(), step.job.is_done(), "job {id}");
            }
        }
    }
}
