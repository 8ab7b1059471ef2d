//! A feed at work on the model: polls, keeps what changed as the store does, publishes, crashes, starts again, and is
//! held against the truth at every step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{advance, timeout};

use super::super::{Feed, KeptFeed, Settings};
use super::history::{Event, Fault};
use super::ledger::{Key, Ledger, Sums, files_of, kilobytes_of, status_of};
use super::primary::{Model, Script};
use crate::cache::{Generation, Slot};
use crate::collector::PollContext;
use crate::collector::jobs::clients::{Client, Entry, Record};
use crate::config::Clients;
use crate::freshness::Limits;
use crate::netbackup::JobRow;
use crate::reason::Failure;

const DEADLINE: Duration = Duration::from_secs(30);
const SHORTEST_MEMORY_MS: i64 = 30 * 60 * 1000;
/// The exporter's clock when a test begins.
const WALL_MS: i64 = 1_780_000_000_000;

/// One poll of a history.
#[derive(Debug, Clone)]
pub struct Poll {
    /// What happens before the n-th request.
    pub during: Vec<(usize, Event)>,
    pub faults: Vec<(usize, Fault)>,
    /// The store writes everything anew.
    pub compacts: bool,
    pub after: After,
}

impl Poll {
    pub fn quiet() -> Poll {
        Poll { during: Vec::new(), faults: Vec::new(), compacts: false, after: After::Publish }
    }
}

/// How a poll ends.
#[derive(Debug, Clone, Copy)]
pub enum After {
    Publish,
    /// The deadline comes between the collector and the snapshot.
    Deadline,
    CrashBeforeKeeping,
    CrashBeforePublishing,
    /// The process starts again, perhaps with another lookback, and its own clock may have been set meanwhile. Whether
    /// the last complete poll without a change has left a mark may be lost.
    Restart {
        lookback_s: Option<u64>,
        own_step_s: i32,
        is_confirmed: bool,
    },
}

type PairTexts = (String, String);

/// What the last published snapshot says.
#[derive(Debug, Default)]
struct Published {
    pairs: BTreeMap<PairTexts, Sums>,
    statuses: BTreeMap<(String, Option<i32>), u64>,
}

/// What the gauges say of the lookback window, by pair and status and by pair, and of the unfinished jobs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Gauges {
    jobs: BTreeMap<(PairTexts, Option<i32>), u64>,
    amounts: BTreeMap<PairTexts, [u64; 4]>,
    unfinished: Vec<(PairTexts, String, Option<i64>, Option<i64>)>,
}

/// A feed, what it has kept, and what it has shown.
pub struct Bench {
    pub model: Model,
    pub feed: Feed,
    pub settings: Settings,
    context: PollContext,
    /// The exporter's clock minus the time since the test began.
    wall_ms: i64,
    frames: Vec<Vec<u8>>,
    confirmed_ms: Option<i64>,
    kept: Ledger,
    /// The gauges when that was kept, and the lookback window.
    kept_gauges: (Gauges, Duration),
    /// What was known of each client then.
    kept_clients: Vec<(Key, Record)>,
    /// A soak does not crash, and is too long to copy its ledger at each poll.
    pub keeps_ledger: bool,
    /// What was handed over last has been published.
    is_shown: bool,
    published: Published,
}

impl Bench {
    pub fn new(lookback: Duration) -> Bench {
        let settings = Settings {
            site: Arc::from("model"),
            address: String::new(),
            lookback,
            walkers: 3,
            go_names: false,
            clients: Some(Clients::default()),
        };
        let limits = Limits { stale_after: Duration::from_secs(180), expire_after: Duration::from_secs(900) };
        let slot = Slot::new("jobs", Duration::from_secs(60), limits, Generation::default());
        Bench {
            model: Model::new(),
            feed: Feed::new(settings.clone()),
            settings,
            context: PollContext::new(slot),
            wall_ms: WALL_MS,
            frames: Vec::new(),
            confirmed_ms: None,
            kept: Ledger::default(),
            kept_gauges: (Gauges::default(), lookback),
            kept_clients: Vec::new(),
            keeps_ledger: true,
            is_shown: false,
            published: Published::default(),
        }
    }

    fn lookback_ms(&self) -> i64 {
        i64::try_from(self.settings.lookback.as_millis()).unwrap()
    }

    fn memory_ms(&self) -> i64 {
        self.lookback_ms().max(SHORTEST_MEMORY_MS)
    }

    /// Something happens between two polls.
    pub async fn happens(&self, event: &Event) {
        if let Event::Pass(seconds) = event {
            self.pass(u64::from(*seconds)).await;
        }
        let mut world = self.model.world();
        world.apply(event);
        world.commit();
    }

    pub async fn pass(&self, seconds: u64) {
        advance(Duration::from_secs(seconds)).await;
        self.model.world().commit();
    }

    /// Polls once. Returns whether that was complete.
    pub async fn poll(&mut self, poll: &Poll) -> bool {
        if std::mem::take(&mut self.is_shown) {
            self.feed.window.counters_shown();
        }
        self.model.world().script = Script { asked: 0, during: poll.during.clone(), faults: poll.faults.clone() };
        let polled = timeout(DEADLINE, self.feed.poll(&self.model, &self.context)).await;
        self.model.world().script = Script::default();
        let is_complete = matches!(polled, Ok(Ok(_)));
        self.check_counters();
        if is_complete {
            let now_ms = self.feed.watermark.unwrap().walked_at_ms;
            self.model.world().ledger.complete(now_ms, self.memory_ms());
            if !matches!(poll.after, After::CrashBeforeKeeping) {
                self.keep(poll.compacts);
                if matches!(poll.after, After::Publish | After::Restart { .. }) {
                    self.publish();
                }
            }
        }
        match poll.after {
            After::Publish | After::Deadline => {}
            After::CrashBeforeKeeping | After::CrashBeforePublishing => self.restart(),
            After::Restart { lookback_s, own_step_s, is_confirmed } => {
                if let Some(lookback_s) = lookback_s {
                    self.settings.lookback = Duration::from_secs(lookback_s);
                }
                self.wall_ms += i64::from(own_step_s) * 1000;
                self.model.world().must_tell_the_time |= own_step_s != 0;
                self.confirmed_ms = self.confirmed_ms.filter(|_| is_confirmed);
                self.restart();
            }
        }
        is_complete
    }

    /// A poll that keeps and publishes nothing.
    pub async fn feed_poll(&mut self) -> Result<u64, Failure> {
        self.feed.poll(&self.model, &self.context).await
    }

    /// How much has been kept.
    pub fn kept_bytes(&self) -> usize {
        self.frames.iter().map(Vec::len).sum()
    }

    fn own_ms(&self) -> i64 {
        self.wall_ms + self.model.world().elapsed_ms()
    }

    /// As the store does: what changed is added, or everything is written anew.
    fn keep(&mut self, compacts: bool) {
        let received_ms = self.own_ms();
        let received = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(received_ms).unwrap());
        if !self.feed.has_changed() {
            self.confirmed_ms = Some(received_ms);
            return;
        }
        if compacts || self.frames.is_empty() || self.feed.has_changed_as_a_whole() {
            let mut frames = Vec::new();
            let kept: Result<(), postcard::Error> = self.feed.everything(received, |kept| {
                frames.push(kept.to_bytes()?);
                Ok(())
            });
            kept.unwrap();
            self.frames = frames;
        } else {
            self.frames.push(self.feed.changes(received).to_bytes().unwrap());
        }
        assert!(!self.feed.has_changed());
        self.confirmed_ms = None;
        if self.keeps_ledger {
            self.kept = self.model.world().ledger.clone();
            self.kept_gauges = (self.gauges(), self.settings.lookback);
            self.kept_clients = self.clients();
        }
    }

    /// The process is gone, and another one starts from what was kept.
    fn restart(&mut self) {
        self.feed = Feed::new(self.settings.clone());
        self.is_shown = false;
        self.model.world().ledger = self.kept.clone();
        for frame in &self.frames {
            self.feed.restore(KeptFeed::from_bytes(frame).unwrap());
        }
        if self.frames.is_empty() {
            assert!(self.published.pairs.is_empty(), "published, but not kept");
            return;
        }
        // The feed asks the real clock how long nobody ran.
        let real = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let ahead = i64::try_from(real.as_millis()).unwrap() - self.own_ms();
        let shifted = |own_ms: i64| u64::try_from(own_ms + ahead).unwrap();
        self.feed.restored_ms = shifted(i64::try_from(self.feed.restored_ms).unwrap());
        let confirmed = self.confirmed_ms.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(shifted(ms)));
        assert!(self.feed.restored(confirmed).is_some());
        // A clock that was set back a little shows jobs again that have been forgotten, but not by what was kept.
        if self.settings.lookback == self.kept_gauges.1 && !self.model.world().has_stepped {
            assert_eq!(self.gauges(), self.kept_gauges.0, "gauges, and what was kept of them");
        }
        if !self.kept_clients.is_empty() {
            assert_eq!(self.clients(), self.kept_clients, "what is known of each client, and what was kept of it");
        }
        self.model.world().ledger.restored(self.memory_ms());
        self.check_counters();
        self.publish();
    }

    fn counters(&self) -> Published {
        let names = self.feed.window.names();
        let text = |name| names.text(name).to_owned();
        let counters = self.feed.window.counters();
        let sums = counters.to_show().map(|(pair, c)| ((text(pair.job_type), text(pair.policy_type)), sums_of(&c)));
        let statuses = counters.statuses.iter().map(|((job_type, status), c)| ((text(*job_type), *status), c.jobs));
        Published { pairs: sums.collect(), statuses: statuses.collect() }
    }

    /// What is published next is never less, and a pair begins at 0.
    fn publish(&mut self) {
        let next = self.counters();
        for (pair, now) in &next.pairs {
            let zero = Sums::default();
            match self.published.pairs.get(pair) {
                Some(before) => assert!(is_at_least(now, before), "{pair:?} fell from {before:?} to {now:?}"),
                None => assert_eq!(*now, zero, "{pair:?} does not begin at 0"),
            }
        }
        for (status, before) in &self.published.statuses {
            assert!(next.statuses.get(status) >= Some(before), "{status:?} fell");
        }
        assert!(self.published.pairs.keys().all(|pair| next.pairs.contains_key(pair)), "a pair is gone");
        self.published = next;
        self.is_shown = true;
    }

    /// Every counter equals what has been told.
    pub fn check_counters(&self) {
        let names = self.feed.window.names();
        let text = |name| names.text(name).to_owned();
        let counters = self.feed.window.counters();
        let pairs = counters.pairs.iter().filter(|(_, counters)| counters.outcomes.iter().any(|jobs| *jobs > 0));
        let pairs: BTreeMap<PairTexts, Sums> =
            pairs.map(|(pair, c)| ((text(pair.job_type), text(pair.policy_type)), sums_of(c))).collect();
        let statuses: BTreeMap<_, _> =
            counters.statuses.iter().map(|((job_type, status), c)| ((text(*job_type), *status), c.jobs)).collect();
        let world = self.model.world();
        assert_eq!(pairs, world.ledger.pairs, "counters, and what should have been counted");
        assert_eq!(statuses, world.ledger.statuses, "counters by status, and what should have been counted");
        if self.settings.clients.is_some() {
            let of = |(key, record): (Key, Record)| {
                record.statuses.into_iter().map(move |(status, jobs)| ((key.clone(), status), u64::from(jobs)))
            };
            let clients: BTreeMap<_, _> = self.clients().into_iter().flat_map(of).collect();
            assert_eq!(clients, world.ledger.clients, "counters by client, and what should have been counted");
        }
    }

    /// What is known of each client.
    pub fn clients(&self) -> Vec<(Key, Record)> {
        let all = self.feed.window.clients().into_iter().flat_map(|ledger| ledger.all());
        let of = |(name, client): (&Arc<str>, &Arc<Client>)| {
            let key = |entry: &Entry| (name.to_string(), entry.policy.to_string(), entry.job_type.to_string());
            client.entries.iter().map(|entry| (key(entry), entry.record.clone())).collect::<Vec<_>>()
        };
        all.flat_map(of).collect()
    }

    /// The process starts again, with a ledger of clients or without one. What was counted before is not in a new one.
    pub fn restart_with_clients(&mut self, clients: Option<Clients>) {
        self.kept.clients.clear();
        self.kept_clients.clear();
        self.settings.clients = clients;
        self.restart();
    }

    /// The process starts again and goes on with its ledger of clients.
    pub fn restart_with_clients_kept(&mut self) {
        self.restart();
    }

    /// Nothing happens any more; after a while everything must be as the primary has it.
    pub async fn settle(&mut self) {
        self.model.world().blind = false;
        // What has been written becomes visible, and a clock that was set back comes to where it was.
        for _ in 0..20 {
            self.pass(6 * 60).await;
            self.poll(&Poll::quiet()).await;
        }
        for _ in 0..30 {
            self.pass(60).await;
            assert!(self.poll(&Poll::quiet()).await, "a quiet poll is complete");
        }
        self.check();
    }

    /// Gauges and counters equal what the primary lists and what it has told.
    pub fn check(&self) {
        self.check_counters();
        let world = self.model.world();
        let now_ms = self.feed.watermark.unwrap().walked_at_ms;
        let (then, at) = (world.ledger.reading_ms, world.elapsed_ms() - world.ledger.read_at_ms);
        assert_eq!((now_ms, world.now_ms()), (then, then + at), "the clock that is believed");
        let listed = Gauges::of(world.listed(), now_ms - self.lookback_ms());
        assert_eq!(self.gauges(), listed, "gauges, and what the primary lists");
        for (id, job) in &world.jobs {
            let Some(row) = &job.row else { continue };
            let is_running = row.state != "DONE";
            assert!(is_running || !world.ledger.running.contains(id), "nobody was told that {row:?} has ended");
            let since = world.ledger.baseline_at.unwrap();
            let is_shown = row.end_ms.is_some_and(|end| end >= now_ms - self.lookback_ms());
            let is_due = is_shown || job.on_time.is_some_and(|at| at > since && !world.has_stepped);
            assert!(is_running || !is_due || world.ledger.done.contains(id), "{row:?} was not found");
        }
    }

    /// What the gauges say.
    fn gauges(&self) -> Gauges {
        let names = self.feed.window.names();
        let text = |name| names.text(name).to_owned();
        let lookback = self.feed.window.lookback();
        let jobs = lookback
            .jobs
            .iter()
            .map(|(group, n)| (((text(group.pair.job_type), text(group.pair.policy_type)), group.status), *n));
        let amounts = lookback.amounts.iter().map(|(pair, a)| {
            let amounts = [a.kilobytes, a.with_kilobytes, a.files, a.with_files];
            ((text(pair.job_type), text(pair.policy_type)), amounts)
        });
        let unfinished = self.feed.window.unfinished().map(|job| {
            let pair = (text(job.pair.job_type), text(job.pair.policy_type));
            (pair, text(job.state), job.start_ms, job.queue_reason)
        });
        let mut unfinished: Vec<_> = unfinished.collect();
        unfinished.sort();
        Gauges { jobs: jobs.collect(), amounts: amounts.collect(), unfinished }
    }
}

impl Gauges {
    /// What the gauges must say of what is listed.
    fn of<'a>(rows: impl Iterator<Item = &'a JobRow<'static>>, from_ms: i64) -> Gauges {
        let mut gauges = Gauges::default();
        for row in rows {
            let pair = (row.job_type.to_string(), row.policy_type.to_string());
            if row.state != "DONE" {
                gauges.unfinished.push((pair, row.state.to_string(), row.start_ms, row.queue_reason));
                continue;
            }
            if row.end_ms.is_none_or(|end| end < from_ms) {
                continue;
            }
            *gauges.jobs.entry((pair.clone(), status_of(row))).or_insert(0) += 1;
            let (kilobytes, files) = (kilobytes_of(row), files_of(row));
            if kilobytes.is_some() || files.is_some() {
                let [kb, with_kb, sum, with] = gauges.amounts.entry(pair).or_default();
                *kb += kilobytes.unwrap_or(0);
                *with_kb += u64::from(kilobytes.is_some());
                *sum += files.unwrap_or(0);
                *with += u64::from(files.is_some());
            }
        }
        gauges.unfinished.sort();
        gauges
    }
}

fn sums_of(counters: &crate::collector::jobs::counters::PairCounters) -> Sums {
    Sums {
        outcomes: counters.outcomes,
        kilobytes: counters.image_kilobytes,
        transferred: counters.transferred_kilobytes,
        files: counters.files,
        durations: counters.durations,
        duration_ms: counters.duration_ms,
    }
}

fn is_at_least(now: &Sums, before: &Sums) -> bool {
    let all = |sums: &Sums| {
        let amounts = [sums.kilobytes, sums.transferred, sums.files, sums.duration_ms];
        sums.outcomes.into_iter().chain(sums.durations).chain(amounts).collect::<Vec<_>>()
    };
    all(now).iter().zip(all(before)).all(|(now, before)| *now >= before)
}
