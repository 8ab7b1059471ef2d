//! What the ledger of clients is told of a row. Rows with children only orchestrate: theirs are the clients.

use super::Window;
use crate::clock::Stamp;
use crate::collector::jobs::clients::{End, Job, Ledger, View};
use crate::collector::jobs::table::Record;
use crate::netbackup::JobRow;

impl Window {
    /// Whether the ended jobs of the whole window must be told to the ledger once more.
    pub fn wants_recall(&self) -> bool {
        self.clients.as_ref().is_some_and(|clients| clients.wants_all())
    }

    /// A complete poll has left nothing out that the ledger should know.
    pub fn recalled(&mut self) {
        if let Some(clients) = &mut self.clients {
            clients.told_all();
        }
    }

    /// What there is to show of the clients, and which view has been shown.
    pub fn view_of_clients(&mut self, received: Stamp) -> Option<View> {
        self.clients.as_mut().map(|clients| clients.view(received))
    }

    /// Views of the clients up to `generation` have been shown.
    pub fn clients_shown(&mut self, generation: u32) {
        if let Some(clients) = &mut self.clients {
            clients.shown(generation);
        }
    }

    /// The ledger.
    #[cfg(test)]
    pub fn clients(&self) -> Option<&Ledger> {
        self.clients.as_deref()
    }

    /// The window knew that, but the ledger perhaps did not.
    pub(super) fn client_ended_before(&mut self, row: &JobRow<'_>, record: &Record) {
        self.tell(row, |clients, job| clients.ended_before(job, end_of(record)));
    }

    pub(super) fn client_counts(&mut self, row: &JobRow<'_>, record: &Record) {
        self.tell(row, |clients, job| clients.count(job, end_of(record)));
    }

    pub(super) fn client_ended(&mut self, row: &JobRow<'_>, record: &Record) {
        self.tell(row, |clients, job| clients.ended(job, end_of(record)));
    }

    /// What is `known` of a job holds no longer.
    pub(super) fn client_ran_again(&mut self, row: &JobRow<'_>, known: &Record) {
        if known.done {
            self.tell(row, |clients, job| clients.retract(job, end_of(known)));
        }
    }

    fn tell(&mut self, row: &JobRow<'_>, what: impl FnOnce(&mut Ledger, Job<'_>)) {
        let Some(clients) = &mut self.clients else { return };
        if row.child_count.unwrap_or(0) == 0 && !row.client_name.is_empty() {
            what(clients, Job { client: &row.client_name, policy: &row.policy_name, job_type: &row.job_type });
        }
    }
}

fn end_of(record: &Record) -> End {
    End { status: record.status, at_ms: record.has_end.then_some(record.end_ms) }
}
