//! What can happen to a primary, and what can go wrong while it is asked.

use proptest::prelude::*;

use super::primary::World;
use crate::netbackup::JobRow;
use crate::reason::Reason;

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
/// What the feed remembers at least; older jobs without a start cannot be told from new ones.
const SHORTEST_MEMORY_MS: i64 = 30 * MINUTE_MS;
/// However far back an end is set, it does not lie further back than this behind a job without a start.
const STARTLESS_MS: i64 = 10 * MINUTE_MS;

/// One thing that happens at the primary. Jobs are named by their position among those that can be meant.
#[derive(Debug, Clone)]
pub enum Event {
    Create {
        kind: u8,
        startless: bool,
        late_s: u16,
        children: Option<u64>,
    },
    /// An unfinished job changes its state.
    Move {
        job: u16,
        state: u8,
        late_s: u16,
    },
    Finish {
        job: u16,
        done: Done,
        late_s: u16,
    },
    /// A DONE row is written again.
    Rewrite {
        job: u16,
        done: Done,
        late_s: u16,
    },
    Resume {
        job: u16,
        late_s: u16,
    },
    DeleteUnfinished(u16),
    DeleteDone(u16),
    /// The primary forgets what ended so many minutes ago.
    Expire(u16),
    Ghost,
    Blind(bool),
    /// Seconds go by.
    Pass(u16),
    /// The primary's clock is set, by so many seconds.
    StepClock(i32),
    /// Another primary takes over the address.
    Replace,
}

/// How a row is written as DONE.
#[derive(Debug, Clone)]
pub struct Done {
    pub status: Option<i64>,
    pub end: End,
    pub stamp: Stamp,
    pub kilobytes: Option<u64>,
    pub files: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub enum End {
    /// So many seconds ago, in whole seconds, but not before the start.
    Ago(u32),
    /// As it was, or none.
    Same,
    Missing,
}

#[derive(Debug, Clone, Copy)]
pub enum Stamp {
    Now,
    /// So many seconds back.
    Old(u16),
    Same,
    Missing,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    Fail(Reason),
    /// It is never answered: the deadline ends the poll, or a crash does.
    Hang,
}

const STATES: [&str; 5] = ["QUEUED", "ACTIVE", "REQUEUED", "SUSPENDED", "INCOMPLETE"];

impl World {
    pub fn apply(&mut self, event: &Event) {
        let now = self.now_ms();
        let second = now - now.rem_euclid(SECOND_MS);
        match *event {
            Event::Create { kind, startless, late_s, children } => {
                self.last_id += 1 + u64::from(kind % 2);
                let row = JobRow {
                    id: self.last_id,
                    state: STATES[usize::from(kind) % 2].into(),
                    job_type: ["BACKUP", "RESTORE"][usize::from(kind / 2) % 2].into(),
                    policy_type: ["VMWARE", "STANDARD", ""][usize::from(kind / 4) % 3].into(),
                    client_name: ["app", "db", ""][usize::from(kind) % 3].into(),
                    policy_name: ["gold", "silver"][usize::from(kind / 2) % 2].into(),
                    start_ms: (!startless).then_some(second),
                    last_update_ms: Some(now),
                    child_count: children,
                    queue_reason: Some(i64::from(kind % 3)),
                    ..JobRow::default()
                };
                self.write(row, ms(late_s));
            }
            Event::Move { job, state, late_s } => {
                let Some(row) = self.pick(job, |row| row.state != "DONE") else { return };
                let state = STATES[usize::from(state) % STATES.len()].into();
                self.write(JobRow { state, last_update_ms: Some(now), ..row }, ms(late_s));
            }
            Event::Finish { job, ref done, late_s } => {
                let Some(row) = self.pick(job, |row| row.state != "DONE") else { return };
                self.finish(row, done, late_s);
            }
            Event::Rewrite { job, ref done, late_s } => {
                let Some(row) = self.pick(job, |row| row.state == "DONE" && is_tellable(row, now)) else { return };
                self.finish(row, done, late_s);
            }
            Event::Resume { job, late_s } => {
                // When one without a start is forgotten, nothing tells its next end from that of a new job.
                let is_meant =
                    |row: &JobRow<'_>| row.state == "DONE" && row.start_ms.is_some() && is_tellable(row, now);
                let Some(row) = self.pick(job, is_meant) else { return };
                let row =
                    JobRow { state: "ACTIVE".into(), status: None, end_ms: None, last_update_ms: Some(now), ..row };
                self.write(row, ms(late_s));
            }
            Event::DeleteUnfinished(job) => {
                let picked = self.pick(job, |row| row.state != "DONE");
                picked.into_iter().for_each(|row| self.delete(row.id));
            }
            Event::DeleteDone(job) => {
                let picked = self.pick(job, |row| row.state == "DONE");
                picked.into_iter().for_each(|row| self.delete(row.id));
            }
            Event::Expire(minutes) => self.expire(now - i64::from(minutes) * MINUTE_MS),
            Event::Ghost => self.ghosts.push(second),
            Event::Blind(blind) => self.blind = blind,
            // The bench lets time pass.
            Event::Pass(_) => {}
            Event::StepClock(seconds) => self.step_clock(i64::from(seconds) * SECOND_MS),
            Event::Replace => self.replace(),
        }
    }

    fn finish(&mut self, row: JobRow<'static>, done: &Done, late_s: u16) {
        let now = self.now_ms();
        let end_ms = match done.end {
            End::Ago(seconds) => {
                let most = if row.start_ms.is_some() { i64::MAX } else { STARTLESS_MS };
                let end = now - (i64::from(seconds) * SECOND_MS).min(most);
                Some((end - end.rem_euclid(SECOND_MS)).max(row.start_ms.unwrap_or(i64::MIN)))
            }
            End::Same => row.end_ms,
            End::Missing => None,
        };
        let last_update_ms = match done.stamp {
            Stamp::Now => Some(now),
            Stamp::Old(seconds) => Some(now - ms(seconds)),
            Stamp::Same => row.last_update_ms,
            // While a step of the clock is doubted its end may be absurd: without any sign of its own it is forgotten
            // early, and cannot be told from a new job.
            Stamp::Missing if row.start_ms.is_none() && self.has_stepped => Some(now),
            Stamp::Missing => None,
        };
        let row = JobRow {
            state: "DONE".into(),
            status: done.status,
            end_ms,
            last_update_ms,
            kilobytes_transferred: done.kilobytes,
            kilobytes_data_transferred: done.kilobytes.map(|kilobytes| kilobytes / 2),
            files: done.files,
            ..row
        };
        self.write(row, ms(late_s));
    }

    /// The clock is set, but where jobs lie ahead of it then, not back by more than what is remembered: they would be
    /// forgotten before a lasting step is believed, and be met again as new ones.
    fn step_clock(&mut self, step_ms: i64) {
        let now = self.now_ms();
        self.latest_ms = self.latest_ms.max(now);
        let times = |row: &JobRow<'_>| row.end_ms.max(row.last_update_ms);
        let last = self.jobs.values().filter_map(|job| job.latest()).filter_map(times).max();
        let is_far = now + step_ms < self.latest_ms - SHORTEST_MEMORY_MS;
        if !is_far || last.is_none_or(|last| last < now + step_ms) {
            self.clock_ms += step_ms;
            self.has_stepped = true;
        }
    }

    fn pick(&self, number: u16, is_meant: impl Fn(&JobRow<'static>) -> bool) -> Option<JobRow<'static>> {
        let rows: Vec<_> = self.jobs.values().filter_map(|job| job.latest()).filter(|row| is_meant(row)).collect();
        rows.get(usize::from(number) % rows.len().max(1)).map(|row| (*row).clone())
    }
}

/// A job without a start that ended so long ago that it may be forgotten cannot be told from a new one.
fn is_tellable(row: &JobRow<'_>, now: i64) -> bool {
    let last = row.end_ms.unwrap_or(i64::MIN).max(row.last_update_ms.unwrap_or(i64::MIN));
    row.start_ms.is_some() || last > now - SHORTEST_MEMORY_MS / 2
}

fn ms(seconds: u16) -> i64 {
    i64::from(seconds) * SECOND_MS
}

/// Seconds from the stamp of a write to its being seen.
fn late() -> impl Strategy<Value = u16> {
    prop_oneof![6 => Just(0_u16), 1 => 1_u16..120, 1 => 1_u16..=840]
}

fn status() -> impl Strategy<Value = Option<i64>> {
    let code = prop_oneof![Just(0_i64), Just(1), Just(150), Just(96), Just(i64::MAX)];
    prop_oneof![9 => code.prop_map(Some), 1 => Just(None)]
}

fn done(end: impl Strategy<Value = End>, stamp: impl Strategy<Value = Stamp>) -> impl Strategy<Value = Done> {
    let amount = || prop_oneof![6 => (0_u64..1000).prop_map(Some), 1 => Just(None), 1 => Just(Some(1 << 43)), 1 => Just(Some(u64::MAX))];
    (status(), end, stamp, amount(), amount()).prop_map(|(status, end, stamp, kilobytes, files)| Done {
        status,
        end,
        stamp,
        kilobytes,
        files,
    })
}

fn finish() -> impl Strategy<Value = Event> {
    let end =
        prop_oneof![8 => (0_u32..5).prop_map(End::Ago), 2 => (0_u32..7200).prop_map(End::Ago), 1 => Just(End::Missing)];
    let stamp = prop_oneof![12 => Just(Stamp::Now), 1 => (0_u16..7200).prop_map(Stamp::Old), 1 => Just(Stamp::Missing)];
    (0_u16..12, done(end, stamp), late()).prop_map(|(job, done, late_s)| Event::Finish { job, done, late_s })
}

fn rewrite() -> impl Strategy<Value = Event> {
    let end = prop_oneof![4 => Just(End::Same), 3 => (0_u32..7200).prop_map(End::Ago), 1 => Just(End::Missing)];
    let stamp = prop_oneof![
        4 => Just(Stamp::Now), 2 => (0_u16..7200).prop_map(Stamp::Old), 2 => Just(Stamp::Same), 1 => Just(Stamp::Missing)
    ];
    (0_u16..12, done(end, stamp), late()).prop_map(|(job, done, late_s)| Event::Rewrite { job, done, late_s })
}

/// What happens to jobs.
pub fn work() -> impl Strategy<Value = Event> {
    let job = || 0_u16..12;
    let children = prop_oneof![4 => Just(None), 1 => Just(Some(0)), 1 => (1_u64..4).prop_map(Some)];
    let create = (any::<u8>(), proptest::bool::weighted(0.1), late(), children);
    prop_oneof![
        8 => create.prop_map(|(kind, startless, late_s, children)| Event::Create { kind, startless, late_s, children }),
        2 => (job(), any::<u8>(), late()).prop_map(|(job, state, late_s)| Event::Move { job, state, late_s }),
        8 => finish(),
        3 => rewrite(),
        2 => (job(), late()).prop_map(|(job, late_s)| Event::Resume { job, late_s }),
        1 => job().prop_map(Event::DeleteUnfinished),
        2 => job().prop_map(Event::DeleteDone),
        1 => (1_u16..120).prop_map(Event::Expire),
        1 => Just(Event::Ghost),
    ]
}

/// What happens between two polls.
pub fn event(steps: bool) -> BoxedStrategy<Event> {
    let step = prop_oneof![2 => -600_i32..=600, 1 => -5400_i32..=5400];
    let step = if steps { step.prop_map(Event::StepClock).boxed() } else { Just(Event::Pass(1)).boxed() };
    prop_oneof![
        40 => work(),
        6 => (1_u16..60).prop_map(Event::Pass),
        2 => (60_u16..1200).prop_map(Event::Pass),
        1 => (1200_u16..18000).prop_map(Event::Pass),
        2 => step,
        1 => any::<bool>().prop_map(Event::Blind),
        1 => proptest::bool::weighted(0.2).prop_map(|is| if is { Event::Replace } else { Event::Pass(1) }),
    ]
    .boxed()
}

/// What becomes of a request that is not answered.
pub fn fault() -> impl Strategy<Value = Fault> {
    let reason = prop_oneof![
        Just(Reason::Http),
        Just(Reason::Timeout),
        Just(Reason::Connect),
        Just(Reason::Throttled),
        Just(Reason::Forbidden)
    ];
    prop_oneof![3 => reason.prop_map(Fault::Fail), 1 => Just(Fault::Hang)]
}
