//! The deduplication ratios of the jobs in the gauges, for whoever shows them. They are in memory alone: jobs that were
//! read before a restart have none until they are read again.

use rustc_hash::FxHashMap;

use super::Window;
use super::rows::moves_data;
use crate::collector::jobs::table::Record;
use crate::netbackup::JobRow;

/// By job id, in thousandths; `None`: nobody wants them.
#[derive(Debug, Default)]
pub struct Ratios(Option<FxHashMap<u64, i32>>);

impl Ratios {
    /// What a row says of a job in the gauges.
    pub fn note(&mut self, record: &Record, row: &JobRow<'_>) {
        let Some(ratios) = self.0.as_mut().filter(|_| record.in_gauges) else { return };
        match row.dedup_ratio.filter(|_| moves_data(row)) {
            Some(ratio) => ratios.insert(record.id, ratio),
            None => ratios.remove(&record.id),
        };
    }

    /// The job leaves the gauges.
    pub fn forget(&mut self, id: u64) {
        if let Some(ratios) = &mut self.0 {
            ratios.remove(&id);
        }
    }

    /// All jobs are others.
    pub fn clear(&mut self) {
        self.0 = self.0.take().map(|_| FxHashMap::default());
    }
}

impl Window {
    /// Deduplication ratios are wanted from now on.
    #[must_use]
    pub fn with_ratios(mut self, wanted: bool) -> Window {
        self.ratios = Ratios(wanted.then(FxHashMap::default));
        self
    }

    /// The jobs that the gauges contain, with their deduplication ratios in thousandths, in no particular order.
    pub fn in_gauges(&self) -> impl Iterator<Item = (Record, Option<i32>)> {
        let ratio = |record: &Record| self.ratios.0.as_ref()?.get(&record.id).copied();
        self.table.iter().filter(|record| record.in_gauges).map(move |record| (record, ratio(&record)))
    }
}
