//! How time takes jobs out of the gauges and the memory, and how a clock that is set back brings them in again.

use super::Window;
use crate::collector::jobs::table::{Record, stretch_of};

impl Window {
    /// Ends a poll at `now_ms` by the primary's clock: what is too old leaves the gauges, and the memory where it is too old
    /// at `earliest_ms` too.
    pub fn settle(&mut self, now_ms: i64, earliest_ms: i64) {
        let gauges_from = now_ms.saturating_sub(self.lookback_ms);
        let memory_from = self.remembers_from(earliest_ms);
        let left_before = std::mem::replace(&mut self.gauges_from_ms, gauges_from);
        if gauges_from < left_before {
            self.come_back(gauges_from, left_before);
        }
        self.expire_all(gauges_from, memory_from);
        if let Some(clients) = &mut self.clients {
            clients.settle(earliest_ms);
        }
        self.counts_from_ms = self.counts_from_ms.max(memory_from);
        self.forgotten_before_ms = self.forgotten_before_ms.max(memory_from);
    }

    /// Takes what ended before `gauges_from` out of the gauges, and out of the memory what ended before `memory_from`,
    /// which is not later. That is a matter of time alone, so it is not kept.
    pub(super) fn expire_all(&mut self, gauges_from: i64, memory_from: i64) {
        for stretch in self.table.stretches_up_to(stretch_of(gauges_from)) {
            let is_due = |record: &Record| record.end_ms < gauges_from;
            for record in self.table.in_stretch(stretch).filter(is_due).collect::<Vec<_>>() {
                self.expire(record, gauges_from, memory_from);
            }
        }
    }

    fn expire(&mut self, record: Record, gauges_from: i64, memory_from: i64) {
        if record.in_gauges && record.end_ms < gauges_from {
            self.leave_gauges(&record);
            self.table.put(&Record { in_gauges: false, ..record });
        }
        // A job that runs again stays known until it has ended for good.
        let is_running =
            !record.done && (self.unfinished.contains_key(&record.id) || self.vanished.contains_key(&record.id));
        if record.end_ms < memory_from && !is_running {
            self.table.remove(record.id);
        }
    }

    /// The clock was set back: what left the gauges meanwhile has its time before it again.
    fn come_back(&mut self, from_ms: i64, to_ms: i64) {
        let is_back =
            |record: &Record| record.is_listed() && !record.in_gauges && (from_ms..to_ms).contains(&record.end_ms);
        for stretch in self.table.stretches_up_to(stretch_of(to_ms)) {
            if stretch < stretch_of(from_ms) {
                continue;
            }
            for record in self.table.in_stretch(stretch).filter(is_back).collect::<Vec<_>>() {
                self.lookback.add(&record);
                self.table.put(&Record { in_gauges: true, ..record });
            }
        }
    }
}
