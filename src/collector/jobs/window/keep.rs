//! What of the window survives a restart: the whole of it, or what has changed since it was last kept.
//!
//! A [`Kept`] holds values, never differences, so that taking one in twice does no harm. That jobs leave the window as
//! time goes by is not kept: it follows from the time.

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::{Unfinished, Window};
use crate::collector::jobs::clients::keep::KeptLedger;
use crate::collector::jobs::counters::KeptCounters;
use crate::collector::jobs::packed::Packed;
use crate::collector::jobs::table::{JobTable, Record};

/// Records of one frame: some 600 KB.
const RECORDS: usize = 20_000;

/// What has changed since the window was last kept.
#[derive(Debug)]
pub struct Changed {
    records: FxHashSet<u64>,
    unfinished: FxHashSet<u64>,
    /// Nothing was ever kept, or what was is no longer true as a whole. Then single changes are not noted: where nothing
    /// is ever kept they would pile up.
    everything: bool,
}

impl Changed {
    /// Nothing has been kept yet.
    pub fn everything() -> Changed {
        Changed { records: FxHashSet::default(), unfinished: FxHashSet::default(), everything: true }
    }

    fn nothing() -> Changed {
        Changed { everything: false, ..Changed::everything() }
    }

    /// How much is remembered.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.records.len() + self.unfinished.len()
    }

    /// A record was put.
    pub fn record(&mut self, id: u64) {
        if !self.everything {
            self.records.insert(id);
        }
    }

    /// A job became unfinished, or is no longer, or is another one.
    pub fn unfinished(&mut self, id: u64) {
        if !self.everything {
            self.unfinished.insert(id);
        }
    }
}

/// The window, or a part of it, as it is kept.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// How far back it remembers, as [`Window::memory_ms`].
    memory_ms: i64,
    baseline_ms: i64,
    counts_from_ms: i64,
    forgotten_before_ms: i64,
    now_ms: i64,
    names: Vec<String>,
    counters: KeptCounters,
    unfinished: Vec<(u64, Unfinished)>,
    /// Jobs that are no longer unfinished.
    ended: Vec<u64>,
    /// Every unfinished job that is no longer listed.
    vanished: Vec<(u64, u32)>,
    /// Every job that runs again after it was forgotten.
    revived: Vec<u64>,
    /// Jobs that changed and were forgotten at once, as their end was set far back.
    forgotten: Vec<u64>,
    records: Vec<Packed>,
    /// The ledger of clients, where there is one. It stands behind the frame, which without it is what it always was.
    #[serde(skip)]
    pub clients: Option<KeptLedger>,
}

impl Window {
    /// Whether anything has changed that must be kept.
    pub fn has_changed(&self) -> bool {
        self.changed.everything
            || !self.changed.records.is_empty()
            || !self.changed.unfinished.is_empty()
            || self.counters.has_changed()
            || self.clients.as_ref().is_some_and(|clients| clients.has_changed())
            || self.names.has_changed()
    }

    /// Whether [`Window::changes`] would not say it all, so that everything must be kept anew.
    pub fn has_changed_as_a_whole(&self) -> bool {
        self.changed.everything
    }

    /// What has changed since it was last kept.
    pub fn changes(&mut self) -> Kept {
        let changed = std::mem::replace(&mut self.changed, Changed::nothing());
        let unfinished = |id: &u64| Some((*id, *self.unfinished.get(id)?));
        let kept = self.in_every_part();
        let clients = self.clients.as_mut().map(|clients| clients.changes());
        Kept {
            clients,
            unfinished: changed.unfinished.iter().filter_map(unfinished).collect(),
            ended: changed.unfinished.iter().filter(|id| !self.unfinished.contains_key(id)).copied().collect(),
            forgotten: changed.records.iter().filter(|id| self.table.get(**id).is_none()).copied().collect(),
            records: changed.records.iter().filter_map(|id| Some(Packed::new(&self.table.get(*id)?))).collect(),
            names: self.names.changes(),
            counters: self.counters.changes(),
            ..kept
        }
    }

    /// The whole window, in parts of bounded size.
    ///
    /// # Errors
    /// What `take` says.
    pub fn everything<E>(&mut self, mut take: impl FnMut(Kept) -> Result<(), E>) -> Result<(), E> {
        self.changed = Changed::nothing();
        let mut clients = self.clients.as_mut().map(|clients| clients.everything()).into_iter().flatten();
        let head = Kept {
            clients: clients.next(),
            unfinished: self.unfinished.iter().map(|(id, job)| (*id, *job)).collect(),
            names: self.names.everything(),
            counters: self.counters.everything(),
            ..self.in_every_part()
        };
        take(head)?;
        for part in clients {
            take(Kept { clients: Some(part), ..self.in_every_part() })?;
        }
        let mut records = self.table.iter().map(|record| Packed::new(&record)).peekable();
        while records.peek().is_some() {
            let part = records.by_ref().take(RECORDS).collect();
            take(Kept { records: part, ..self.in_every_part() })?;
        }
        Ok(())
    }

    /// Takes in what was kept, in the order in which it was; [`Window::restored`] ends it.
    pub fn restore(&mut self, kept: Kept) {
        self.names.restore(&kept.names);
        self.counters.restore(kept.counters);
        if let Some(clients) = &mut self.clients {
            clients.restore(kept.clients);
        }
        self.unfinished.extend(kept.unfinished);
        for id in kept.ended {
            self.unfinished.remove(&id);
        }
        self.vanished = kept.vanished.into_iter().collect();
        self.revived = kept.revived.into_iter().collect();
        for id in kept.forgotten {
            if let Some(known) = self.table.remove(id) {
                self.leave_gauges(&known);
            }
        }
        for packed in kept.records {
            let record = packed.unpack();
            if let Some(known) = self.table.get(record.id) {
                self.leave_gauges(&known);
            }
            let record = Record { in_gauges: record.is_listed(), ..record };
            if record.in_gauges {
                self.lookback.add(&record);
            }
            self.table.put(&record);
        }
        (self.baseline_ms, self.counts_from_ms) = (kept.baseline_ms, kept.counts_from_ms);
        self.forgotten_before_ms = kept.forgotten_before_ms;
        self.now_ms = kept.now_ms;
        self.restored_memory_ms = kept.memory_ms;
    }

    /// Everything that was kept has been taken in. Returns the ends before which nothing is remembered that this window
    /// should remember, because it has been made longer since.
    pub fn restored(&mut self) -> Option<i64> {
        let now_ms = self.now_ms;
        let known_from_ms = now_ms.saturating_sub(self.restored_memory_ms);
        // That jobs were forgotten is not kept: where this window is longer, they would come back as they were long ago.
        self.expire_all(known_from_ms, known_from_ms);
        self.settle(now_ms, now_ms);
        let fewer_clients = self.clients.as_mut().is_some_and(|clients| clients.restored(now_ms));
        let is_another_window = self.restored_memory_ms != self.memory_ms || fewer_clients;
        self.changed = if is_another_window { Changed::everything() } else { Changed::nothing() };
        (self.remembers_from(now_ms) < known_from_ms).then_some(known_from_ms)
    }

    /// Another primary answers: its jobs are others, whatever their ids. The counters go on.
    pub fn forget_jobs(&mut self) {
        self.table = JobTable::default();
        self.lookback = super::Lookback::default();
        self.extras.clear();
        self.unfinished = FxHashMap::default();
        self.vanished = FxHashMap::default();
        self.revived = FxHashSet::default();
        (self.baseline_ms, self.counts_from_ms) = (i64::MIN, i64::MAX);
        self.forgotten_before_ms = i64::MIN;
        self.changed = Changed::everything();
    }

    /// What every part holds whole.
    fn in_every_part(&self) -> Kept {
        Kept {
            memory_ms: self.memory_ms,
            baseline_ms: self.baseline_ms,
            counts_from_ms: self.counts_from_ms,
            forgotten_before_ms: self.forgotten_before_ms,
            now_ms: self.now_ms,
            vanished: self.vanished.iter().map(|(id, polls)| (*id, *polls)).collect(),
            revived: self.revived.iter().copied().collect(),
            counters: self.counters.no_changes(),
            clients: self.clients.as_ref().map(|clients| clients.no_changes()),
            ..Kept::default()
        }
    }
}
