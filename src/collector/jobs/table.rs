//! Ended jobs by id and by the time of their end: a slab of 48-byte records behind a hash table of slot numbers. The
//! records of one stretch of time are chained through the slab itself, so that what is due is found without a scan.
//! Together at most 60 bytes a job.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::names::Name;
use super::packed::Packed;

/// Ended jobs are chained by their end in stretches of this width.
pub const STRETCH_MS: i64 = 5 * 60 * 1000;
/// The end of a chain.
const NOWHERE: u32 = u32::MAX;

/// What is remembered of a job that has been seen DONE, so that it is counted once and leaves the window in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// `jobId`.
    pub id: u64,
    /// `endTime` in Unix milliseconds; where the primary gives none, the last sign of the job, and [`Record::has_end`]
    /// is false. Not below 0.
    pub end_ms: i64,
    /// `kilobytesTransferred`, 0 where not reported; below 2^43.
    pub kilobytes: u64,
    /// `numberOfFiles`, 0 where not reported; below 2^48.
    pub files: u64,
    /// `status`.
    pub status: Option<i32>,
    /// `jobType`.
    pub job_type: Name,
    /// `policyType`.
    pub policy_type: Name,
    /// The low bits of `lastUpdateTime`: enough to tell a row that has been seen from one that has changed.
    pub stamp: u16,
    /// Whether [`Record::end_ms`] is the job's own end.
    pub has_end: bool,
    /// Whether the primary reported [`Record::kilobytes`] for a job that moves data itself.
    pub has_kilobytes: bool,
    /// Whether the primary reported [`Record::files`] for a job that moves data itself.
    pub has_files: bool,
    /// Whether the job is still DONE; a resumed one is not.
    pub done: bool,
    /// Whether the gauges contain it.
    pub in_gauges: bool,
    /// Whether the primary no longer lists it. It stays known, so that it is not counted again should it come back.
    pub gone: bool,
}

impl Record {
    /// Whether the primary lists it as an ended job with an end of its own, as far as is known.
    pub fn is_listed(&self) -> bool {
        self.done && self.has_end && !self.gone
    }

    fn stretch(&self) -> i64 {
        stretch_of(self.end_ms)
    }
}

/// Which stretch of time a moment lies in.
pub fn stretch_of(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(STRETCH_MS)
}

/// The jobs of one stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chain {
    first: u32,
    jobs: u32,
    /// Of these, how many are [`Record::is_listed`], by [`Kind`].
    listed: [u32; Kind::ALL.len()],
}

/// Which of the listed jobs are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All.
    Any,
    /// Those with status 0.
    Successful,
    /// Those with status 1.
    Partial,
}

impl Kind {
    /// Every kind, in the order of [`Chain::listed`].
    const ALL: [Kind; 3] = [Kind::Any, Kind::Successful, Kind::Partial];

    /// The status of jobs of this kind; `None`: whatever it is.
    pub fn status(self) -> Option<i32> {
        match self {
            Kind::Any => None,
            Kind::Successful => Some(0),
            Kind::Partial => Some(1),
        }
    }

    fn holds(self, record: &Record) -> bool {
        record.is_listed() && (self == Kind::Any || record.status == self.status())
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    packed: Packed,
    previous: u32,
    next: u32,
}

/// The jobs of the window.
#[derive(Debug, Default)]
pub struct JobTable {
    index: HashTable<u32>,
    places: Vec<Place>,
    chains: BTreeMap<i64, Chain>,
}

// Job ids are numbers of the primary's own making, given in ascending order: a fast hash is safe for them.
fn hash(id: u64) -> u64 {
    FxBuildHasher.hash_one(id)
}

impl JobTable {
    /// Number of jobs.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The job, if it is known.
    pub fn get(&self, id: u64) -> Option<Record> {
        Some(self.place(self.find(id)?)?.packed.unpack())
    }

    /// Adds a job, or replaces what is known of it. Beyond 2^32 jobs nothing is added.
    pub fn put(&mut self, record: &Record) {
        let at = match self.find(record.id) {
            Some(at) => {
                let Some(known) = self.place(at).map(|place| place.packed.unpack()) else { return };
                if known.stretch() == record.stretch() {
                    if let Some(chain) = self.chains.get_mut(&record.stretch()) {
                        chain.count(Some(&known), Some(record));
                    }
                    if let Some(place) = self.place_mut(at) {
                        place.packed = Packed::new(record);
                    }
                    return;
                }
                self.unchain(at, &known);
                if let Some(place) = self.place_mut(at) {
                    place.packed = Packed::new(record);
                }
                at
            }
            None => {
                let Some(at) = u32::try_from(self.places.len()).ok().filter(|at| *at != NOWHERE) else { return };
                self.places.push(Place { packed: Packed::new(record), previous: NOWHERE, next: NOWHERE });
                let places = &self.places;
                self.index.insert_unique(hash(record.id), at, |at| hash_at(places, *at));
                at
            }
        };
        self.chain(at, record);
    }

    /// Forgets a job.
    pub fn remove(&mut self, id: u64) -> Option<Record> {
        let at = self.find(id)?;
        let record = self.place(at)?.packed.unpack();
        self.unchain(at, &record);
        let places = &self.places;
        self.index.find_entry(hash(id), |candidate| *candidate == at).ok()?.remove();
        // The last job takes the freed place, so that the slab has no holes.
        let last = u32::try_from(places.len().checked_sub(1)?).ok()?;
        if last != at {
            self.rename(last, at);
        }
        self.places.swap_remove(at as usize);
        self.give_memory_back();
        Some(record)
    }

    /// The jobs that ended in a stretch, in no particular order.
    pub fn in_stretch(&self, stretch: i64) -> impl Iterator<Item = Record> {
        let first = self.chains.get(&stretch).map(|chain| chain.first);
        let places = std::iter::successors(first.and_then(|at| self.place(at)), |place| self.place(place.next));
        places.map(|place| place.packed.unpack())
    }

    /// The stretches up to and including `last` that hold a job.
    pub fn stretches_up_to(&self, last: i64) -> Vec<i64> {
        self.chains.range(..=last).map(|(stretch, _)| *stretch).collect()
    }

    /// The listed jobs of a kind of each stretch within `stretches` that holds any job, ascending; of these, those that
    /// ended before `before_ms`.
    pub fn listed(&self, stretches: Range<i64>, before_ms: i64, kind: Kind) -> impl Iterator<Item = (i64, u64)> {
        let range = if stretches.start < stretches.end { stretches } else { 0..0 };
        let is_before = move |record: &Record| kind.holds(record) && record.end_ms < before_ms;
        self.chains.range(range).map(move |(stretch, chain)| {
            // Only the last one can be cut.
            let is_whole = stretch.saturating_add(1).saturating_mul(STRETCH_MS) <= before_ms;
            let jobs = if is_whole {
                u64::from(chain.listed.get(kind as usize).copied().unwrap_or(0))
            } else {
                self.in_stretch(*stretch).filter(is_before).count() as u64
            };
            (*stretch, jobs)
        })
    }

    /// Every job, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Record> {
        self.places.iter().map(|place| place.packed.unpack())
    }

    /// Bytes of memory held for the jobs.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
            + self.index.allocation_size()
            + self.chains.len() * (size_of::<i64>() + size_of::<Chain>()) * 2
    }

    fn find(&self, id: u64) -> Option<u32> {
        let is_it = |at: &u32| self.place(*at).is_some_and(|place| place.packed.id() == id);
        self.index.find(hash(id), is_it).copied()
    }

    fn place(&self, at: u32) -> Option<&Place> {
        self.places.get(at as usize)
    }

    fn place_mut(&mut self, at: u32) -> Option<&mut Place> {
        self.places.get_mut(at as usize)
    }

    /// Puts the job at `at` at the head of the chain of its stretch.
    fn chain(&mut self, at: u32, record: &Record) {
        let empty = Chain { first: NOWHERE, jobs: 0, listed: Default::default() };
        let chain = self.chains.entry(record.stretch()).or_insert(empty);
        let next = std::mem::replace(&mut chain.first, at);
        chain.jobs = chain.jobs.saturating_add(1);
        chain.count(None, Some(record));
        if let Some(place) = self.place_mut(at) {
            (place.previous, place.next) = (NOWHERE, next);
        }
        if let Some(next) = self.place_mut(next) {
            next.previous = at;
        }
    }

    fn unchain(&mut self, at: u32, record: &Record) {
        let Some((previous, next)) = self.place(at).map(|place| (place.previous, place.next)) else { return };
        self.link(record.stretch(), previous, next);
        let Some(chain) = self.chains.get_mut(&record.stretch()) else { return };
        chain.jobs = chain.jobs.saturating_sub(1);
        chain.count(Some(record), None);
        if chain.jobs == 0 {
            self.chains.remove(&record.stretch());
        }
    }

    /// Makes `next` follow `previous` in a chain; no `previous`: it is the first.
    fn link(&mut self, stretch: i64, previous: u32, next: u32) {
        match self.place_mut(previous) {
            Some(previous) => previous.next = next,
            None => {
                if let Some(chain) = self.chains.get_mut(&stretch) {
                    chain.first = next;
                }
            }
        }
        if let Some(next) = self.place_mut(next) {
            next.previous = previous;
        }
    }

    /// The job at `from` is about to move to `to`: index and chain follow.
    fn rename(&mut self, from: u32, to: u32) {
        let Some(place) = self.place(from).copied() else { return };
        if let Some(entry) = self.index.find_mut(hash(place.packed.id()), |candidate| *candidate == from) {
            *entry = to;
        }
        let stretch = place.packed.unpack().stretch();
        self.link(stretch, place.previous, to);
        if let Some(next) = self.place_mut(place.next) {
            next.previous = to;
        }
    }

    /// After a peak the memory goes back.
    fn give_memory_back(&mut self) {
        if self.places.capacity() > 1024 && self.places.len() < self.places.capacity() / 4 {
            self.places.shrink_to(self.places.len().saturating_mul(2));
            let places = &self.places;
            self.index.shrink_to(places.len(), |at| hash_at(places, *at));
        }
    }
}

fn hash_at(places: &[Place], at: u32) -> u64 {
    places.get(at as usize).map_or(0, |place| hash(place.packed.id()))
}

impl Chain {
    /// A job of the chain has changed, come or gone.
    fn count(&mut self, before: Option<&Record>, after: Option<&Record>) {
        for (kind, listed) in Kind::ALL.iter().zip(&mut self.listed) {
            let holds = |record: Option<&Record>| u32::from(record.is_some_and(|record| kind.holds(record)));
            *listed = listed.saturating_add(holds(after)).saturating_sub(holds(before));
        }
    }
}

#[cfg(test)]
mod tests;
