//! Ended jobs by id: a slab behind a hash table of slot numbers, about 55 bytes a job.

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;

use super::names::Name;

/// What is remembered of a job that has been seen DONE, so that it is counted once and leaves the window in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// `jobId`.
    pub id: u64,
    /// `endTime` in Unix milliseconds; where the primary gives none, the last sign of the job, and [`Record::has_end`]
    /// is false.
    pub end_ms: i64,
    /// `kilobytesTransferred`, 0 where not reported.
    pub kilobytes: u64,
    /// `numberOfFiles`, 0 where not reported.
    pub files: u64,
    /// `status`.
    pub status: Option<i32>,
    /// `jobType`.
    pub job_type: Name,
    /// `policyType`.
    pub policy_type: Name,
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
}

/// The jobs of the window by id.
#[derive(Debug, Default)]
pub struct JobTable {
    index: HashTable<u32>,
    slots: Vec<Record>,
}

// Job ids are numbers of the primary's own making, given in ascending order: a fast hash is safe for them.
fn hash(id: u64) -> u64 {
    FxBuildHasher.hash_one(id)
}

impl JobTable {
    /// Number of jobs.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The job, if it is known.
    pub fn get(&self, id: u64) -> Option<&Record> {
        self.slots.get(self.slot_of(id)?)
    }

    /// The job, to be changed; its id must stay.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Record> {
        let slot = self.slot_of(id)?;
        self.slots.get_mut(slot)
    }

    /// Adds a job that is not there yet. Beyond 2^32 jobs nothing is added.
    pub fn insert(&mut self, record: Record) {
        let Ok(slot) = u32::try_from(self.slots.len()) else { return };
        self.slots.push(record);
        let slots = &self.slots;
        self.index.insert_unique(hash(record.id), slot, |slot| slots.get(*slot as usize).map_or(0, |r| hash(r.id)));
    }

    /// Forgets a job.
    pub fn remove(&mut self, id: u64) -> Option<Record> {
        let slots = &self.slots;
        let found =
            self.index.find_entry(hash(id), |slot| slots.get(*slot as usize).is_some_and(|r| r.id == id)).ok()?;
        let (slot, _) = found.remove();
        // The last job takes the freed place, so that the slab has no holes.
        let last = self.slots.len().checked_sub(1)?;
        if let (Some(moved), Ok(from)) = (self.slots.get(last).map(|record| record.id), u32::try_from(last))
            && from != slot
            && let Some(entry) = self.index.find_mut(hash(moved), |candidate| *candidate == from)
        {
            *entry = slot;
        }
        let removed = (slot as usize <= last).then(|| self.slots.swap_remove(slot as usize));
        // After a peak the memory goes back.
        if self.slots.capacity() > 1024 && self.slots.len() < self.slots.capacity() / 4 {
            self.slots.shrink_to(self.slots.len().saturating_mul(2));
            let slots = &self.slots;
            self.index.shrink_to(slots.len(), |slot| slots.get(*slot as usize).map_or(0, |r| hash(r.id)));
        }
        removed
    }

    fn slot_of(&self, id: u64) -> Option<usize> {
        let slots = &self.slots;
        let found =
            self.index.find(hash(id), |slot| slots.get(*slot as usize).is_some_and(|record| record.id == id))?;
        Some(*found as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn record(id: u64, files: u64) -> Record {
        Record {
            id,
            end_ms: 0,
            kilobytes: 0,
            files,
            status: None,
            job_type: Name::default(),
            policy_type: Name::default(),
            has_end: true,
            has_kilobytes: false,
            has_files: true,
            done: true,
            in_gauges: false,
        }
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(steps in proptest::collection::vec((0_u64..50, any::<bool>(), any::<u64>()), 0..600)) {
            let (mut table, mut model) = (JobTable::default(), BTreeMap::new());
            for (id, insert, files) in steps {
                if insert {
                    match table.get_mut(id) {
                        Some(known) => known.files = files,
                        None => table.insert(record(id, files)),
                    }
                    model.insert(id, files);
                } else {
                    prop_assert_eq!(table.remove(id).map(|r| r.files), model.remove(&id));
                }
                prop_assert_eq!(table.len(), model.len());
            }
            for id in 0..50 {
                prop_assert_eq!(table.get(id).map(|r| r.files), model.get(&id).copied());
            }
        }
    }

    #[test]
    fn a_record_is_small() {
        assert!(size_of::<Record>() <= 56, "{}", size_of::<Record>());
    }
}
