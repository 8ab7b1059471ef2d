//! What the primary holds: jobs that live, and storage units that fill.
//!
//! The world is advanced when somebody looks. Everything that happens has its own time, so the state at a moment is a
//! function of the options and the start alone, however often and whenever it was looked at before.

pub(crate) mod history;
mod job;
pub(crate) mod names;
mod script;
pub(crate) mod storage;
pub(crate) mod time;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

pub use self::job::{Job, Word};
use self::script::{Author, Step};
pub use self::storage::StorageUnit;
use super::Options;

/// How many living jobs a fresh world already has: those that were queued in this time before the start.
const WARM_UP_MS: i64 = 600_000;

/// What the primary holds at one moment, for a test to compare with.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// The moment, in the primary's time, milliseconds since the epoch.
    pub at: i64,
    /// Every visible job that has a number, by ascending id.
    pub jobs: Vec<Job>,
    /// Rows without a number, neither as `jobId` nor as the id of the resource. Only a test puts such rows in.
    pub nameless_jobs: usize,
    /// Every storage unit that has a name, in the order of the list.
    pub storage_units: Vec<StorageUnit>,
}

/// A row of the jobs list: what it means, and what it looks like where a test put it in as JSON.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) job: Option<Job>,
    pub(crate) raw: Option<Value>,
}

impl Row {
    /// Writes the resource as the API shows it; in lists each has a cursor.
    pub(crate) fn write(&self, out: &mut String, now: i64, epoch_ends: bool, cursor: Option<&str>) {
        if let Some(raw) = &self.raw {
            let mut raw = raw.clone();
            if let (Some(resource), Some(cursor)) = (raw.as_object_mut(), cursor) {
                resource.insert("meta".to_owned(), json!({"page": {"cursor": cursor}}));
            }
            out.push_str(&raw.to_string());
            return;
        }
        let Some(job) = &self.job else { return };
        let (id, base) = (job.id, super::PUBLIC_URL);
        let _ = write!(out, r#"{{"type":"job","id":"{id}","links":{{"self":{{"href":"/admin/jobs/{id}"}},"#);
        let _ = write!(out, r#""file-lists":{{"href":"{base}/admin/jobs/{id}/file-lists"}},"#);
        let _ = write!(out, r#""try-logs":{{"href":"{base}/admin/jobs/{id}/try-logs"}}}},"#);
        if let Some(cursor) = cursor {
            let _ = write!(out, r#""meta":{{"page":{{"cursor":"{cursor}"}}}},"#);
        }
        out.push_str("\"attributes\":");
        job.write_attributes(out, now, epoch_ends);
        out.push('}');
    }
}

/// An ordered key of a row; rows without the value come first.
pub(crate) type Ordered = (Option<i64>, i64);

/// See the module.
#[derive(Debug)]
pub(crate) struct World {
    author: Author,
    now: i64,
    frozen: bool,
    retention: i64,
    rows: BTreeMap<i64, Row>,
    by_start: BTreeSet<Ordered>,
    by_update: BTreeSet<Ordered>,
    unfinished: BTreeSet<i64>,
    /// What happens later: steps of lives and expiries, by time.
    agenda: BinaryHeap<Reverse<(i64, i64, u64)>>,
    lives: BTreeMap<u64, Job>,
    serial: u64,
    /// Jobs that a test has taken over: their scripts stop.
    taken: HashSet<i64>,
    next_id: i64,
    next_nameless: i64,
    next_arrival: i64,
    interval: Option<i64>,
    storage: storage::Storage,
}

impl World {
    /// A world whose history ends at `now` (milliseconds since the epoch).
    pub(crate) fn new(options: &Options, now: i64) -> World {
        let storage = storage::Storage::new(options.storage_units, options.seed, options.odd_rows, now);
        let author = Author::new(options.seed, options.pace, options.odd_rows, options.clients, storage.targets());
        let interval = options.jobs_per_minute.is_finite() && options.jobs_per_minute > 0.0;
        #[expect(clippy::cast_possible_truncation, reason = "a time between two jobs, far below the limit")]
        let interval = interval.then(|| ((60_000.0 / options.jobs_per_minute) as i64).max(1));
        #[expect(clippy::cast_possible_truncation, reason = "ten minutes at most")]
        let warm_up = (WARM_UP_MS as f64 / options.pace.max(1.0)) as i64;
        let mut world = World {
            author,
            now,
            frozen: false,
            retention: i64::try_from(options.retention.as_millis()).unwrap_or(i64::MAX),
            rows: BTreeMap::new(),
            by_start: BTreeSet::new(),
            by_update: BTreeSet::new(),
            unfinished: BTreeSet::new(),
            agenda: BinaryHeap::new(),
            lives: BTreeMap::new(),
            serial: 0,
            taken: HashSet::new(),
            next_id: 800_000,
            next_nameless: i64::MIN,
            next_arrival: now - warm_up,
            interval,
            storage,
        };
        for job in history::draw(&world.author, options.jobs, now, world.retention, &mut world.next_id) {
            world.put(job);
        }
        world.run_to(now);
        world
    }

    /// The time up to which the world has lived.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// Lets everything happen up to `now`, unless frozen. Time never goes back.
    pub(crate) fn advance(&mut self, now: i64) {
        if !self.frozen && now > self.now {
            self.run_to(now);
        }
    }

    /// Stops all change, or lets it catch up.
    pub(crate) fn freeze(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    fn run_to(&mut self, now: i64) {
        loop {
            let event = self.agenda.peek().map(|Reverse((at, ..))| *at).filter(|at| *at <= now);
            if let Some(interval) = self.interval
                && self.next_arrival <= event.unwrap_or(now)
            {
                self.arrive(interval);
                continue;
            }
            if event.is_none() {
                break;
            }
            let Some(Reverse((at, id, serial))) = self.agenda.pop() else { break };
            match self.lives.remove(&serial) {
                Some(_) if self.taken.contains(&id) => {}
                Some(job) => self.put(job),
                None => self.expire(id, at),
            }
        }
        self.now = now;
    }

    /// A job is queued, with its children if it has any; the more there are, the longer until the next.
    fn arrive(&mut self, interval: i64) {
        let start = self.next_arrival / 1_000 * 1_000;
        let mut dice = self.author.dice(self.next_id);
        let id = self.new_id(&mut dice);
        let kind = self.author.kind(&mut dice);
        let mut parent = self.author.born(&mut dice, kind, id, 0, start);
        let mut steps: Vec<Step> = Vec::new();
        let mut count = 0;
        if Author::is_parent(kind) {
            count = dice.i64(2..6);
            // The children share their parent's second: rows with one and the same stamp.
            let appear = (start + self.author.span(&mut dice, 2_000, 20_000)) / 1_000 * 1_000;
            for _ in 0..count {
                let child_id = self.new_id(&mut dice);
                let child = self.author.born(&mut dice, kind, child_id, id, appear.max(start));
                steps.extend(self.author.life(&mut dice, child, 0));
            }
        }
        let last = steps.iter().map(|step| step.visible).max().map_or(0, |last| last - start);
        parent.child_count = 0;
        for mut step in self.author.life(&mut dice, parent, last) {
            // The count is known once the parent runs.
            step.job.child_count = if step.job.attempt > 0 { count } else { 0 };
            steps.push(step);
        }
        for step in steps {
            self.serial += 1;
            self.agenda.push(Reverse((step.visible, step.job.id, self.serial)));
            self.lives.insert(self.serial, step.job);
        }
        let pause = interval.saturating_mul(count + 1);
        self.next_arrival += (pause / 2 + dice.i64(0..=pause)).max(1);
    }

    fn new_id(&mut self, dice: &mut fastrand::Rng) -> i64 {
        let id = self.next_id;
        let step = if dice.u8(0..5) == 0 { dice.i64(2..6) } else { 1 };
        self.next_id = self.next_id.saturating_add(step);
        id
    }

    /// Puts a job in, or replaces it.
    pub(crate) fn put(&mut self, job: Job) {
        if job.is_done()
            && let Some(end) = job.end
        {
            self.serial += 1;
            self.agenda.push(Reverse((end.saturating_add(self.retention), job.id, self.serial)));
        }
        self.store(job.id, Row { job: Some(job), raw: None });
    }

    fn store(&mut self, key: i64, row: Row) {
        self.remove(key);
        let job = row.job.as_ref();
        self.by_start.insert((job.and_then(|job| job.start), key));
        self.by_update.insert((job.and_then(|job| job.last_update), key));
        if !job.is_some_and(Job::is_done) {
            self.unfinished.insert(key);
        }
        self.rows.insert(key, row);
    }

    fn remove(&mut self, key: i64) -> bool {
        let Some(row) = self.rows.remove(&key) else { return false };
        let job = row.job.as_ref();
        self.by_start.remove(&(job.and_then(|job| job.start), key));
        self.by_update.remove(&(job.and_then(|job| job.last_update), key));
        self.unfinished.remove(&key);
        true
    }

    /// A job that ended long ago leaves without a trace, unless it was written anew since.
    fn expire(&mut self, key: i64, now: i64) {
        let job = self.rows.get(&key).and_then(|row| row.job.as_ref());
        let due = job.and_then(|job| job.end).is_some_and(|end| end.saturating_add(self.retention) <= now);
        if due && job.is_some_and(Job::is_done) {
            self.remove(key);
        }
    }

    /// Puts in a job of a test, under a new id where it has none (0); answers the id. `now` is the primary's time,
    /// which goes on while the world is frozen.
    pub(crate) fn insert(&mut self, mut job: Job, now: i64) -> i64 {
        if job.id == 0 {
            job.id = self.next_id;
        }
        self.next_id = self.next_id.max(job.id.saturating_add(1));
        let id = job.id;
        job.start = job.start.or(Some(now));
        job.last_update = job.last_update.or(Some(now));
        self.taken.insert(id);
        self.put(job);
        id
    }

    /// Changes a job; its last update becomes `now` unless the change says otherwise. Whether the job was there.
    pub(crate) fn update(&mut self, id: i64, change: impl FnOnce(&mut Job), now: i64) -> bool {
        let Some(before) = self.rows.get(&id).and_then(|row| row.job.clone()) else { return false };
        let mut job = before.clone();
        change(&mut job);
        if job.last_update == before.last_update {
            job.last_update = Some(now);
        }
        job.id = id;
        self.insert(job, now);
        true
    }

    /// Puts in a row as a test wrote it: a whole resource (it has `attributes` or `type`), or the attributes alone.
    pub(crate) fn upsert_raw(&mut self, value: Value) {
        let whole = !value.is_object() || value.get("attributes").is_some() || value.get("type").is_some();
        let raw = if whole {
            value
        } else {
            let id = value.get("jobId").cloned().unwrap_or(Value::Null);
            let id = id.as_i64().map_or(id, |id| Value::from(id.to_string()));
            json!({"type": "job", "id": id, "links": {}, "attributes": value})
        };
        let job = Job::from_resource(&raw);
        let key = job.as_ref().map_or(self.next_nameless, |job| job.id);
        if job.is_none() {
            self.next_nameless += 1;
        }
        self.taken.insert(key);
        self.store(key, Row { job, raw: Some(raw) });
    }

    /// Takes a job out, as the job manager's own expiry does; whether it was there.
    pub(crate) fn delete(&mut self, id: i64) -> bool {
        self.taken.insert(id);
        self.remove(id)
    }

    /// A row by its key.
    pub(crate) fn row(&self, key: i64) -> Option<&Row> {
        self.rows.get(&key)
    }

    /// Keys and rows in the order of the id; rows without one come first.
    pub(crate) fn rows(&self, keys: RangeInclusive<i64>) -> impl DoubleEndedIterator<Item = (i64, &Row)> {
        self.rows.range(keys).map(|(key, row)| (*key, row))
    }

    /// Keys in the order of the start.
    pub(crate) fn by_start(&self, range: RangeInclusive<Ordered>) -> impl DoubleEndedIterator<Item = i64> {
        self.by_start.range(range).map(|(_, key)| *key)
    }

    /// Keys in the order of the last update.
    pub(crate) fn by_update(&self, range: RangeInclusive<Ordered>) -> impl DoubleEndedIterator<Item = i64> {
        self.by_update.range(range).map(|(_, key)| *key)
    }

    /// Keys of the rows that are not DONE.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = i64> {
        self.unfinished.iter().copied()
    }

    /// The storage units.
    pub(crate) fn storage(&self) -> &storage::Storage {
        &self.storage
    }

    /// The storage units, to change them.
    pub(crate) fn storage_mut(&mut self) -> &mut storage::Storage {
        &mut self.storage
    }

    /// All that the primary holds.
    pub(crate) fn truth(&self) -> Truth {
        Truth {
            at: self.now,
            jobs: self.rows.values().filter_map(|row| row.job.clone()).collect(),
            nameless_jobs: self.rows.values().filter(|row| row.job.is_none()).count(),
            storage_units: self.storage.truth(self.now),
        }
    }
}

#[cfg(test)]
mod tests;
