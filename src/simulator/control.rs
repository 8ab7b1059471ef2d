//! The hooks of tests: what the primary holds, what it refuses, how it misbehaves, what it was asked.
//!
//! None of this is reachable over HTTP. Every hook works while the server runs and takes effect with the next request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::sync::watch;

use super::Options;
use super::fault::{Door, Fault};
use super::fault_rule::FaultRule;
use super::journal::{Journal, LoggedRequest};
use super::lists::{Replaced, Sizes};
use super::release::Release;
use super::sessions::Sessions;
use super::tls::Tls;
use super::world::{Job, Truth, World};

/// `masterHostId`, unless a test sets another.
const HOST_ID: &str = "5a1b0c7e-6f0e-4d0c-9a7b-1f2e3d4c5b6a";

/// Everything that can be switched while the server runs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) release: Release,
    /// Overrides the version of the release.
    pub(crate) api_version: Option<String>,
    pub(crate) api_key: String,
    pub(crate) host_id: String,
    pub(crate) denied: Vec<String>,
    /// A part of queries that are refused, as it is encoded.
    pub(crate) refused: Option<String>,
    pub(crate) silent_empty_jobs: bool,
    pub(crate) ping_header: bool,
    pub(crate) epoch_ends: bool,
    pub(crate) latency: Duration,
    pub(crate) clock_offset: i64,
}

impl Settings {
    /// The newest API version that is spoken.
    pub(crate) fn api_version(&self) -> &str {
        self.api_version.as_deref().unwrap_or_else(|| self.release.api_version())
    }

    /// The primary's time, milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(wall.as_millis()).unwrap_or(i64::MAX).saturating_add(self.clock_offset)
    }
}

/// How connections are met. A change ends those that are open.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    pub(crate) door: Door,
    /// `None`: plain HTTP.
    pub(crate) tls: Option<Tls>,
}

/// What the server and the hooks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Mutex<Settings>,
    pub(crate) entrance: watch::Sender<Entrance>,
    world: Mutex<World>,
    /// Of the lists beside jobs and storage units.
    pub(crate) replaced: Mutex<Replaced>,
    pub(crate) start: i64,
    pub(crate) seed: u64,
    pub(crate) sizes: Sizes,
    pub(crate) odd_rows: bool,
    /// By path prefix, the empty one for all; and how many answers it still spoils.
    faults: Mutex<BTreeMap<String, (Fault, Option<usize>)>>,
    pub(crate) journal: Mutex<Journal>,
    pub(crate) sessions: Mutex<Sessions>,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
    pub(crate) connections: AtomicU64,
}

/// The hooks; cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    pub(crate) shared: Arc<Shared>,
}

/// Counts a request as in flight until dropped.
pub(crate) struct InFlight<'a>(&'a Shared);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) fn new(options: &Options) -> Shared {
        let settings = Settings {
            release: options.release,
            api_version: None,
            api_key: options.api_key.clone(),
            host_id: HOST_ID.to_owned(),
            denied: Vec::new(),
            refused: None,
            silent_empty_jobs: false,
            ping_header: true,
            epoch_ends: options.epoch_ends,
            latency: options.latency,
            clock_offset: options.clock_offset,
        };
        let start = settings.now();
        let world = World::new(options, start);
        Shared {
            replaced: Mutex::default(),
            start,
            seed: options.seed,
            sizes: options.sizes,
            odd_rows: options.odd_rows,
            settings: Mutex::new(settings),
            entrance: watch::Sender::new(Entrance { door: Door::Open, tls: options.tls.clone() }),
            world: Mutex::new(world),
            faults: Mutex::default(),
            journal: Mutex::default(),
            sessions: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            max_in_flight: AtomicUsize::new(0),
            connections: AtomicU64::new(0),
        }
    }

    /// The world as of now.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        let now = lock(&self.settings).now();
        let mut world = lock(&self.world);
        world.advance(now);
        world
    }

    pub(crate) fn enter(&self) -> InFlight<'_> {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.max_in_flight.fetch_max(now, Ordering::Relaxed);
        InFlight(self)
    }

    /// The fault of a path: that of the longest prefix.
    pub(crate) fn fault(&self, path: &str) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let prefix = faults.keys().filter(|prefix| path.starts_with(prefix.as_str())).max_by_key(|prefix| prefix.len());
        let prefix = prefix.cloned()?;
        let (fault, left) = faults.get_mut(&prefix)?;
        let fault = fault.clone();
        if let Some(left) = left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                faults.remove(&prefix);
            }
        }
        Some(fault)
    }
}

impl Control {
    /// All that the primary holds now.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.shared.world().truth()
    }

    /// The primary's time, milliseconds since the epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        lock(&self.shared.settings).now()
    }

    /// Stops all change in the world while time goes on; when it ends, the world catches up at once.
    pub fn freeze(&self, frozen: bool) {
        self.shared.world().freeze(frozen);
    }

    /// Puts a job in or replaces it, and answers its id: a new one where it was 0. A missing start or last update
    /// becomes the primary's time. From then on only the test changes this job.
    pub fn insert_job(&self, job: Job) -> i64 {
        let now = self.now();
        self.shared.world().insert(job, now)
    }

    /// Changes a job; its last update becomes the primary's time unless the change sets another. Whether the job was
    /// there. From then on only the test changes this job.
    pub fn update_job(&self, id: i64, change: impl FnOnce(&mut Job)) -> bool {
        let now = self.now();
        self.shared.world().update(id, change, now)
    }

    /// Puts a row into the jobs list as it stands: a whole resource where it has `attributes` or `type` or is no
    /// object at all, else its attributes. Nothing is checked. It replaces the job of the same number.
    pub fn upsert_raw_job(&self, row: Value) {
        self.shared.world().upsert_raw(row);
    }

    /// Takes a job out without a trace, as the primary's own clean-up does; whether it was there.
    pub fn remove_job(&self, id: i64) -> bool {
        self.shared.world().delete(id)
    }

    /// Puts a storage unit in as it stands, in the place of the one with the same name; see [`Control::upsert_raw_job`].
    pub fn set_raw_storage_unit(&self, unit: Value) {
        self.shared.world().storage_mut().upsert_raw(unit);
    }

    /// Takes a storage unit out; whether it was there.
    pub fn remove_storage_unit(&self, name: &str) -> bool {
        self.shared.world().storage_mut().remove(name)
    }

    /// Puts rows in the place of those of a list beside jobs and storage units, or a whole body in the place of what an
    /// endpoint answers that is no list of `data`; `None`: what it was. `template` is its path below the base.
    pub fn replace(&self, template: &str, rows: Option<Value>) {
        let mut replaced = lock(&self.shared.replaced);
        match rows {
            Some(rows) => drop(replaced.insert(template.to_owned(), rows)),
            None => drop(replaced.remove(template)),
        }
    }

    /// Sets or (with `None`) lifts the fault of all paths that start with `endpoint`, such as `/admin/jobs`; without
    /// one, of all paths. The longest prefix decides.
    pub fn set_fault(&self, endpoint: Option<&str>, fault: Option<Fault>) {
        self.fault(endpoint, fault, None);
    }

    /// As [`Control::set_fault`], for the next `times` requests only.
    pub fn set_fault_times(&self, endpoint: Option<&str>, fault: Fault, times: usize) {
        self.fault(endpoint, Some(fault).filter(|_| times > 0), Some(times));
    }

    fn fault(&self, endpoint: Option<&str>, fault: Option<Fault>, times: Option<usize>) {
        let prefix = endpoint.unwrap_or_default().to_owned();
        let mut faults = lock(&self.shared.faults);
        match fault {
            Some(fault) => drop(faults.insert(prefix, (fault, times))),
            None => drop(faults.remove(&prefix)),
        }
    }

    /// As a fault is written on a command line.
    pub fn apply(&self, rule: &FaultRule) {
        match rule {
            FaultRule::Answers { endpoint, fault, times } => {
                self.fault(endpoint.as_deref(), Some(fault.clone()), *times)
            }
            FaultRule::Connections(door) => self.set_door(*door),
        }
    }

    /// How those who connect are treated from now on; every open connection ends.
    pub fn set_door(&self, door: Door) {
        self.shared.entrance.send_modify(|entrance| entrance.door = door);
    }

    /// The certificate from now on, `None`: plain HTTP; every open connection ends.
    pub fn set_tls(&self, tls: Option<Tls>) {
        self.shared.entrance.send_modify(|entrance| entrance.tls = tls);
    }

    /// Every query that holds `part` is refused (400, as for a filter); `None`: as documented.
    pub fn refuse_queries(&self, part: Option<&str>) {
        lock(&self.shared.settings).refused = part.map(str::to_owned);
    }

    /// The caller lacks the right to jobs: the list is 200 and empty, the count endpoint says 401.
    pub fn set_silent_empty_jobs(&self, silent: bool) {
        lock(&self.shared.settings).silent_empty_jobs = silent;
    }

    /// The one key that is accepted from now on.
    pub fn set_api_key(&self, key: String) {
        lock(&self.shared.settings).api_key = key;
    }

    /// What the primary calls its `masterHostId` from now on, as if another one answered.
    pub fn set_host_id(&self, host_id: &str) {
        lock(&self.shared.settings).host_id = host_id.to_owned();
    }

    /// Paths (by prefix) that the key has no right to: 401 with errorCode 8000.
    pub fn set_rbac(&self, denied: Vec<String>) {
        lock(&self.shared.settings).denied = denied;
    }

    /// The release from now on, as after an upgrade; the data stay.
    pub fn set_release(&self, release: Release) {
        lock(&self.shared.settings).release = release;
    }

    /// The API version, such as `15.0`, in the place of that of the release; `None`: the release's again.
    pub fn set_api_version(&self, version: Option<&str>) {
        lock(&self.shared.settings).api_version = version.map(str::to_owned);
    }

    /// Whether `/ping` says the API version.
    pub fn set_ping_header(&self, present: bool) {
        lock(&self.shared.settings).ping_header = present;
    }

    /// Whether jobs that have not ended carry the epoch as `endTime`.
    pub fn set_epoch_ends(&self, present: bool) {
        lock(&self.shared.settings).epoch_ends = present;
    }

    /// How long each request waits before it is answered.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.shared.settings).latency = latency;
    }

    /// The primary's clock minus the wall clock, in milliseconds. The world never goes back: set back, it stands still.
    pub fn set_clock_offset(&self, milliseconds: i64) {
        lock(&self.shared.settings).clock_offset = milliseconds;
    }

    /// The newest requests since the start or the last [`Control::clear_requests`], oldest first, at most 20,000.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        lock(&self.shared.journal).entries()
    }

    /// How many requests each endpoint has had, by its path below the base; ids are `{jobId}`, and what is not
    /// served counts under `other`.
    #[must_use]
    pub fn request_counts(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.shared.journal).counts()
    }

    /// The most requests that were in flight at once.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.shared.max_in_flight.load(Ordering::Relaxed)
    }

    /// Forgets all requests, their counts and [`Control::max_in_flight`].
    pub fn clear_requests(&self) {
        lock(&self.shared.journal).clear();
        self.shared.max_in_flight.store(self.shared.in_flight.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Requests in flight now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }
}

/// A panic of another test thread must not hide what this one wants to see.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
