//! What only the names of the Go exporter show of the jobs in the gauges: deduplication ratios and clients. They are in
//! memory alone: jobs that were read before a restart have none until they are read again.

use rustc_hash::FxHashMap;

use super::Window;
use super::rows::moves_data;
use crate::collector::jobs::names::{Name, Names};
use crate::collector::jobs::table::Record;
use crate::config;
use crate::netbackup::JobRow;

/// By job id; `None`: nobody wants them.
#[derive(Debug, Default)]
pub struct Extras(Option<Wanted>);

#[derive(Debug, Default)]
struct Wanted {
    /// Of which clients something is wanted; `None`: of none.
    clients: Option<config::Clients>,
    /// Clients, which are not kept with the names of the window.
    names: Names,
    jobs: FxHashMap<u64, Extra>,
}

/// What is known of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extra {
    /// `dedupRatio` in thousandths.
    pub ratio: Option<i32>,
    /// The client; the empty name where it is not wanted.
    client: Name,
}

impl Extras {
    /// What a row says of a job in the gauges.
    pub fn note(&mut self, record: &Record, row: &JobRow<'_>) {
        let Some(wanted) = self.0.as_mut().filter(|_| record.in_gauges) else { return };
        let is_counted = moves_data(row);
        let is_wanted = |clients: &config::Clients| is_counted && clients.wants(&row.client_name);
        let client = match wanted.clients.as_ref().is_some_and(is_wanted) {
            true => wanted.names.intern(&row.client_name),
            false => Name::default(),
        };
        let extra = Extra { ratio: row.dedup_ratio.filter(|_| is_counted), client };
        if extra.ratio.is_some() || client != Name::default() {
            wanted.jobs.insert(record.id, extra);
        } else {
            wanted.jobs.remove(&record.id);
        }
    }

    /// The job leaves the gauges.
    pub fn forget(&mut self, id: u64) {
        if let Some(wanted) = &mut self.0 {
            wanted.jobs.remove(&id);
        }
    }

    /// All jobs are others.
    pub fn clear(&mut self) {
        if let Some(wanted) = &mut self.0 {
            wanted.jobs = FxHashMap::default();
        }
    }
}

impl Window {
    /// Whether extras are wanted from now on, and of which clients (`None`: of none).
    #[must_use]
    pub fn with_extras(mut self, wanted: bool, clients: Option<config::Clients>) -> Window {
        self.extras = Extras(wanted.then(|| Wanted { clients, ..Wanted::default() }));
        self
    }

    /// The jobs that the gauges contain, with what is known of each besides, in no particular order.
    pub fn in_gauges(&self) -> impl Iterator<Item = (Record, Option<Extra>)> {
        let extra = |record: &Record| self.extras.0.as_ref()?.jobs.get(&record.id).copied();
        self.table.iter().filter(|record| record.in_gauges).map(move |record| (record, extra(&record)))
    }

    /// The client of a job; empty where it is not wanted.
    pub fn client_of(&self, extra: Extra) -> &str {
        self.extras.0.as_ref().map_or("", |wanted| wanted.names.text(extra.client))
    }
}
