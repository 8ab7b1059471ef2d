//! A primary in memory. Its clock is the paused clock of the test; what it lists is what has been committed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::history::{Event, Fault};
use super::ledger::Ledger;
use crate::collector::jobs::primary::{Ended, Identity, PAGE, Primary, Query, Visit, ends_the_poll};
use crate::netbackup::{JobRow, JobsPage};
use crate::reason::{Failure, Reason};

/// Where the primary's clock stands when a test begins.
pub const START_MS: i64 = 1_790_000_000_000;

/// A primary that a feed can ask.
pub struct Model {
    world: Mutex<World>,
}

/// Everything that is so at the primary, and what of it has been told.
pub struct World {
    began: Instant,
    /// What the primary's clock said when the test began, as of its present setting.
    pub clock_ms: i64,
    /// What the primary says its name is.
    pub identity: Identity,
    pub jobs: BTreeMap<u64, Job>,
    pub last_id: u64,
    /// Rows that are DONE and no jobs to us: end and stamp.
    pub ghosts: Vec<i64>,
    open: BTreeSet<u64>,
    by_stamp: BTreeSet<(i64, u64)>,
    by_end: BTreeSet<(i64, u64)>,
    /// Jobs with writes that nobody can see yet.
    pending: BTreeSet<u64>,
    /// Rows of a page; the API's maximum is 100.
    pub page_rows: usize,
    pub latency: Duration,
    /// The key may see nothing.
    pub blind: bool,
    /// The key may see no ended job.
    pub hides_ended: bool,
    /// The key may not count, though it may see.
    pub mute: bool,
    /// Why no job can be asked for by its id.
    pub no_job: Option<Reason>,
    /// Pages of ended jobs that begin within these ids cannot be had.
    pub broken: std::ops::Range<u64>,
    /// What goes wrong or happens before the n-th request of a poll.
    pub script: Script,
    pub ledger: Ledger,
    /// The exporter's own clock was set while nobody ran: without the primary's it would know no better.
    pub must_tell_the_time: bool,
    /// The clock has been set.
    pub has_stepped: bool,
    /// The latest that it has ever been when it was set.
    pub latest_ms: i64,
    pub requests: usize,
    pub counts: usize,
    /// Counts of every job: what an empty list is held against.
    pub canaries: usize,
    pub in_flight: usize,
    pub most_in_flight: usize,
}

/// What happens during one poll, by number of the request.
#[derive(Debug, Default)]
pub struct Script {
    pub asked: usize,
    pub during: Vec<(usize, Event)>,
    pub faults: Vec<(usize, Fault)>,
}

/// A job with the writes to it that have not been committed.
#[derive(Debug, Default)]
pub struct Job {
    pub row: Option<JobRow<'static>>,
    /// When each becomes visible, in milliseconds since the test began; ascending.
    pending: VecDeque<(i64, JobRow<'static>)>,
    /// When the last write was made, where it was visible at once under the stamp of its time.
    pub on_time: Option<i64>,
    was_done: bool,
}

impl Job {
    /// The row as it is or will be.
    pub fn latest(&self) -> Option<&JobRow<'static>> {
        self.pending.back().map(|(_, row)| row).or(self.row.as_ref())
    }
}

impl Model {
    pub fn new() -> Model {
        Model {
            world: Mutex::new(World {
                began: Instant::now(),
                clock_ms: START_MS,
                identity: Identity::HostId("first".to_owned()),
                jobs: BTreeMap::new(),
                last_id: 0,
                ghosts: Vec::new(),
                open: BTreeSet::new(),
                by_stamp: BTreeSet::new(),
                by_end: BTreeSet::new(),
                pending: BTreeSet::new(),
                page_rows: usize::from(PAGE),
                latency: Duration::ZERO,
                blind: false,
                hides_ended: false,
                mute: false,
                no_job: None,
                broken: 0..0,
                script: Script::default(),
                ledger: Ledger::default(),
                must_tell_the_time: false,
                has_stepped: false,
                latest_ms: i64::MIN / 2,
                requests: 0,
                counts: 0,
                canaries: 0,
                in_flight: 0,
                most_in_flight: 0,
            }),
        }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// A request arrives: what happens before it happens, and it may fail.
    async fn request(&self) -> Result<InFlight<'_>, Failure> {
        let (latency, guard) = {
            let mut world = self.world();
            world.in_flight += 1;
            world.most_in_flight = world.most_in_flight.max(world.in_flight);
            (world.latency, InFlight { model: self })
        };
        if !latency.is_zero() {
            sleep(latency).await;
        }
        let fault = self.world().arrives();
        match fault {
            None => Ok(guard),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Fail(reason)) => Err(Failure::new(reason, "as the history says")),
        }
    }
}

/// A request that has not been answered.
struct InFlight<'a> {
    model: &'a Model,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.model.world().in_flight -= 1;
    }
}

/// Where a row stands in a list: what is sorted by, the id, and the number of a ghost or 0.
type Place = (i64, u64, usize);

impl World {
    /// Milliseconds since the test began.
    pub fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    /// The primary's clock.
    pub fn now_ms(&self) -> i64 {
        self.clock_ms + self.elapsed_ms()
    }

    fn arrives(&mut self) -> Option<Fault> {
        let number = self.script.asked;
        self.script.asked += 1;
        self.requests += 1;
        let during = std::mem::take(&mut self.script.during);
        let (due, later): (Vec<_>, Vec<_>) = during.into_iter().partition(|(at, _)| *at <= number);
        self.script.during = later;
        due.iter().for_each(|(_, event)| self.apply(event));
        self.commit();
        self.script.faults.iter().find(|(at, _)| *at == number).map(|(_, fault)| *fault)
    }

    /// Makes visible what is due.
    pub fn commit(&mut self) {
        let elapsed = self.elapsed_ms();
        for id in self.pending.iter().copied().collect::<Vec<_>>() {
            while let Some(job) = self.jobs.get_mut(&id) {
                if job.pending.front().is_none_or(|(at, _)| *at > elapsed) {
                    break;
                }
                let (_, row) = job.pending.pop_front().unwrap();
                self.show(id, Some(row));
            }
            if self.jobs.get(&id).is_none_or(|job| job.pending.is_empty()) {
                self.pending.remove(&id);
            }
        }
    }

    /// A job is written, to be seen `late_ms` from now, and not before what was written earlier.
    pub fn write(&mut self, mut row: JobRow<'static>, mut late_ms: i64) {
        let (id, elapsed, now) = (row.id, self.elapsed_ms(), self.now_ms());
        let job = self.jobs.entry(id).or_default();
        if row.start_ms.is_none() && job.was_done {
            // Without a start it cannot be told from a new job once its former end has been forgotten. So a later write
            // is one that following finds in time.
            (row.last_update_ms, late_ms) = (Some(now), 0);
        }
        job.was_done |= row.state == "DONE";
        let is_on_time = late_ms == 0 && job.pending.is_empty() && row.last_update_ms == Some(now);
        job.on_time = is_on_time.then_some(elapsed);
        let at = job.pending.back().map_or(elapsed, |(at, _)| *at).max(elapsed + late_ms);
        job.pending.push_back((at, row));
        self.pending.insert(id);
        self.commit();
    }

    /// A job is gone, and whatever was written to it.
    pub fn delete(&mut self, id: u64) {
        self.show(id, None);
        self.jobs.remove(&id);
        self.pending.remove(&id);
    }

    /// DONE jobs that ended before `before_ms` are gone.
    pub fn expire(&mut self, before_ms: i64) {
        for (_, id) in self.by_end.range(..(before_ms, 0)).copied().collect::<Vec<_>>() {
            self.delete(id);
        }
        self.ghosts.retain(|end| *end >= before_ms);
    }

    /// Another primary takes over: it has other jobs, some under the same ids.
    pub fn replace(&mut self) {
        self.identity = Identity::HostId(format!("{:?} and another", self.elapsed_ms()));
        for id in self.jobs.keys().copied().collect::<Vec<_>>() {
            self.delete(id);
        }
        self.ghosts.clear();
        self.last_id = 0;
    }

    fn show(&mut self, id: u64, row: Option<JobRow<'static>>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if let Some(old) = std::mem::replace(&mut job.row, row) {
            self.open.remove(&id);
            old.last_update_ms.map(|stamp| self.by_stamp.remove(&(stamp, id)));
            old.end_ms.map(|end| self.by_end.remove(&(end, id)));
        }
        let Some(row) = &job.row else { return };
        row.last_update_ms.map(|stamp| self.by_stamp.insert((stamp, id)));
        if row.state == "DONE" {
            row.end_ms.map(|end| self.by_end.insert((end, id)));
        } else {
            self.open.insert(id);
        }
    }

    /// The jobs that are listed.
    pub fn listed(&self) -> impl Iterator<Item = &JobRow<'static>> {
        self.jobs.values().filter_map(|job| job.row.as_ref())
    }

    fn row(&self, id: u64) -> Option<JobRow<'static>> {
        self.jobs.get(&id)?.row.clone()
    }

    /// The places of a query behind a place, in order: one more than a page at least, where there are so many.
    fn places(&self, query: &Query, after: Option<Place>, most: usize) -> Vec<Place> {
        let is_about_ended = matches!(query, Query::Ended(_) | Query::EndedFirst(_) | Query::EndedLastId(_));
        if self.blind || self.hides_ended && is_about_ended {
            return Vec::new();
        }
        let ghosts = self.ghosts.iter().enumerate();
        let ghost = |sort: i64, number: usize| (sort, 0, number + 1);
        let mut places: Vec<Place> = match query {
            Query::Any => self.listed().map(|row| (0, row.id, 0)).collect(),
            Query::NewestChange => {
                let newest = self.by_stamp.iter().rev().take(most + 1).map(|(stamp, id)| (-stamp, *id, 0));
                let stampless = self.listed().filter(|row| row.last_update_ms.is_none());
                newest.chain(stampless.map(|row| (i64::MAX, row.id, 0))).collect()
            }
            Query::Changed(from, to) => {
                let first = after.map_or((*from, 0), |(stamp, id, _)| (stamp, id));
                let rows = self.by_stamp.range(first..(*to, 0).max(first)).take(most + 2);
                let within = ghosts.filter(|(_, end)| (*from..*to).contains(*end));
                rows.map(|(stamp, id)| (*stamp, *id, 0)).chain(within.map(|(n, end)| ghost(*end, n))).collect()
            }
            Query::Unfinished => {
                let first = after.map_or(0, |(_, id, _)| id);
                self.open.range(first..).take(most + 2).map(|id| (0, *id, 0)).collect()
            }
            Query::Ended(ended) | Query::EndedLastId(ended) | Query::EndedFirst(ended) => {
                let sort = |row: &JobRow<'_>| match query {
                    Query::EndedLastId(_) => -i64::try_from(row.id).unwrap(),
                    Query::EndedFirst(_) => row.end_ms.unwrap(),
                    _ => 0,
                };
                // By id they come in their order where no end bounds them.
                let enough = matches!(query, Query::Ended(_)) && ended.to_ms.is_none() && after.is_none();
                let enough = if enough { most + 1 } else { usize::MAX };
                let rows = self.ended(ended).take(enough).map(|row| (sort(row), row.id, 0));
                let ghosts = self.ghosts_within(ended).filter_map(|(n, end)| match query {
                    Query::EndedLastId(_) => None,
                    Query::EndedFirst(_) => Some(ghost(end, n)),
                    _ => Some(ghost(0, n)),
                });
                rows.chain(ghosts).collect()
            }
        };
        places.retain(|place| after.is_none_or(|after| *place > after));
        places.sort_unstable();
        places
    }

    fn ghosts_within(&self, ended: &Ended) -> impl Iterator<Item = (usize, i64)> {
        let Ended { from_ms, to_ms, after, .. } = *ended;
        let within = move |end: i64| after == 0 && end >= from_ms && to_ms.is_none_or(|to| end < to);
        self.ghosts.iter().copied().enumerate().filter(move |(_, end)| within(*end))
    }

    fn ended<'a>(&'a self, ended: &Ended) -> Box<dyn Iterator<Item = &'a JobRow<'static>> + 'a> {
        let Ended { from_ms, to_ms, after, below, status } = *ended;
        let to = to_ms.unwrap_or(i64::MAX).max(from_ms);
        let ids = after.saturating_add(1)..below.unwrap_or(u64::MAX).max(after.saturating_add(1));
        let is_meant = move |row: &&JobRow<'static>| {
            row.state == "DONE" && row.end_ms.is_some_and(|end| (from_ms..to).contains(&end))
        };
        let has_status =
            move |row: &&JobRow<'static>| status.is_none_or(|status| row.status == Some(i64::from(status)));
        if to_ms.is_some() {
            let rows = self.by_end.range((from_ms, 0)..(to, 0)).filter(move |(_, id)| ids.contains(id));
            return Box::new(rows.filter_map(|(_, id)| self.jobs.get(id)?.row.as_ref()).filter(has_status));
        }
        Box::new(self.jobs.range(ids).filter_map(|(_, job)| job.row.as_ref()).filter(is_meant).filter(has_status))
    }

    /// One page, told to `visit`. Returns the last place, and whether there are more.
    fn tell(
        &mut self,
        query: &Query,
        after: Option<Place>,
        most: usize,
        visit: &mut Visit<'_>,
    ) -> (Option<Place>, bool) {
        let most = most.min(self.page_rows);
        let mut places = self.places(query, after, most);
        let more = places.len() > most;
        places.truncate(most);
        let rejected = places.iter().filter(|(_, _, ghost)| *ghost > 0).count() as u64;
        let rows: Vec<JobRow<'static>> = places.iter().filter_map(|(_, id, _)| self.row(*id)).collect();
        // A page of one row is a question about that row, and reads no jobs.
        if most > 1 {
            rows.iter().for_each(|row| self.ledger.saw(row, query));
        }
        let first_rejection = (rejected > 0).then(|| "it is a ghost".to_owned());
        visit(JobsPage { rows, rejected, first_rejection });
        (places.last().copied(), more)
    }

    fn counted(&self, ended: Option<&Ended>) -> u64 {
        let Some(ended) = ended else { return (self.listed().count() + self.ghosts.len()) as u64 };
        (self.ended(ended).count() + self.ghosts_within(ended).count()) as u64
    }
}

fn side<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if ends_the_poll(failure.reason) => Err(failure),
        Err(_) => Ok(None),
    }
}

impl Primary for Model {
    async fn clock(&self) -> Result<Option<i64>, Failure> {
        let answer = side(self.request().await.map(|_| ()))?;
        let mut world = self.world();
        // Without a reading, a row or its own clock stands in; this model says nothing about the latter.
        let now = world.now_ms();
        let must_tell = std::mem::take(&mut world.must_tell_the_time) || world.by_stamp.is_empty();
        let reading = answer.map(|()| now).or_else(|| must_tell.then_some(now));
        let elapsed = world.elapsed_ms();
        world.ledger.clock_was_read(reading.unwrap_or(now), reading.is_some(), elapsed);
        Ok(reading)
    }

    async fn identity(&self) -> Result<Option<Identity>, Failure> {
        let answer = side(self.request().await.map(|_| ()))?;
        let mut world = self.world();
        let identity = world.identity.clone();
        answer.is_some().then(|| world.ledger.met(&identity));
        Ok(answer.map(|()| identity))
    }

    async fn walk(&self, query: &Query, visit: &mut Visit<'_>) -> Result<(), Failure> {
        let mut after = None;
        self.world().ledger.walks(query);
        loop {
            let _guard = self.request().await?;
            let mut world = self.world();
            let (last, more) = world.tell(query, after, usize::from(PAGE), visit);
            if !more {
                world.ledger.walked(query);
                return Ok(());
            }
            after = last;
        }
    }

    async fn page(&self, query: &Query, limit: u16, visit: &mut Visit<'_>) -> Result<bool, Failure> {
        let _guard = self.request().await?;
        let mut world = self.world();
        if *query == Query::NewestChange {
            let newest = world.by_stamp.last().map(|(stamp, _)| *stamp);
            world.ledger.begins(newest);
        }
        if matches!(query, Query::Ended(ended) if world.broken.contains(&ended.after)) {
            return Err(Failure::new(Reason::Http, "this page is broken"));
        }
        let (_, more) = world.tell(query, None, usize::from(limit), visit);
        Ok(more)
    }

    async fn count(&self, ended: Option<&Ended>) -> Result<u64, Failure> {
        let _guard = self.request().await?;
        let mut world = self.world();
        world.counts += 1;
        world.canaries += usize::from(ended.is_none());
        if world.blind || world.mute || world.hides_ended {
            return Err(Failure::new(Reason::Forbidden, "the key may not count"));
        }
        Ok(world.counted(ended))
    }

    async fn job(&self, id: u64) -> Result<Option<JobRow<'static>>, Failure> {
        let _guard = self.request().await?;
        let mut world = self.world();
        if world.blind {
            return Err(Failure::new(Reason::Forbidden, "the key may not see it"));
        }
        if let Some(reason) = world.no_job {
            return Err(Failure::new(reason, "as the test says"));
        }
        let row = world.row(id);
        world.ledger.asked(id, row.as_ref());
        Ok(row)
    }

    fn clock_offset(&self) -> Option<f64> {
        let own = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let own_ms = i64::try_from(own.as_millis()).unwrap();
        #[expect(clippy::cast_precision_loss, reason = "some years in milliseconds")]
        Some((self.world().now_ms() - own_ms) as f64 / 1000.0)
    }
}
