//! The sites as they run: for each a client, its slots and probes, and one poll task per collector.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use crate::cache::{Generation, Slot};
use crate::collector::{self, Collector};
use crate::config::{self, Config};
use crate::exposition::{Rendered, SiteView};
use crate::health::Prober;
pub use crate::netbackup::BuildError as ClientError;
use crate::netbackup::Client;
use crate::poll::{self, PollTask};
use crate::server::{SiteEntry, Sites};
use crate::state::Directory;
use crate::stats::ApiStats;

/// Every site of a configuration, ready to poll. Nothing has been asked of a primary yet.
pub struct Prepared {
    sites: Vec<PreparedSite>,
}

struct PreparedSite {
    entry: SiteEntry,
    collectors: Vec<Source>,
}

/// A collector and where it publishes.
type Source = (Arc<dyn Collector>, Arc<Slot<Rendered>>);

/// The poll tasks of every site. Dropping it ends them.
pub struct Running {
    _tasks: Vec<PollTask>,
    restoring: mpsc::Receiver<()>,
}

impl Prepared {
    /// Builds clients, slots and collectors. `state`: where they keep what must survive a restart, if anywhere.
    ///
    /// # Errors
    /// Every site whose client cannot be built, such as an unreadable key or certificate file.
    pub fn new(
        config: &Config,
        generation: &Generation,
        state: Option<&Directory>,
    ) -> Result<Prepared, Vec<ClientError>> {
        let (mut sites, mut errors) = (Vec::new(), Vec::new());
        for site in &config.sites {
            match PreparedSite::new(site, config, generation, state) {
                Ok(prepared) => sites.push(prepared),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Prepared { sites }) } else { Err(errors) }
    }

    /// What the server shows of them.
    #[must_use]
    pub fn sites(&self) -> Sites {
        Sites::new(self.sites.iter().map(|site| site.entry.clone()).collect())
    }

    /// Starts a task per collector.
    #[must_use]
    pub fn start(self) -> Running {
        let mut tasks = Vec::new();
        let (holder, restoring) = mpsc::channel(1);
        for site in self.sites {
            for (collector, slot) in site.collectors {
                let (name, timeout) = (Arc::clone(&site.entry.view.name), site.entry.timeout);
                tasks.push(poll::start(name, collector, slot, timeout, holder.clone()));
            }
        }
        Running { _tasks: tasks, restoring }
    }

    /// Polls every collector once, all side by side. Returns whether all succeeded.
    pub async fn poll_once(self) -> bool {
        let polls = self.sites.into_iter().flat_map(|site| {
            let name = Arc::clone(&site.entry.view.name);
            let once = move |(collector, slot)| poll::once(Arc::clone(&name), collector, slot, site.entry.timeout);
            site.collectors.into_iter().map(once)
        });
        futures_util::future::join_all(polls).await.into_iter().all(|succeeded| succeeded)
    }
}

impl Running {
    /// Waits until every collector has published what was kept, but not longer than `patience`.
    pub async fn restored(&mut self, patience: Duration) {
        // Nobody ever sends: it ends when the last task has let go.
        let _ = tokio::time::timeout(patience, self.restoring.recv()).await;
    }
}

impl PreparedSite {
    fn new(
        site: &config::Site,
        config: &Config,
        generation: &Generation,
        state: Option<&Directory>,
    ) -> Result<PreparedSite, ClientError> {
        let stats = Arc::new(ApiStats::default());
        let client = Client::new(site, Arc::clone(&stats))?;
        let (mut slots, mut collectors) = (Vec::new(), Vec::new());
        for (spec, timing) in &site.collectors {
            let slot = Slot::new(spec.name, timing.ttl, timing.limits, generation.clone());
            let created = config.web.created_samples;
            if let Some(collector) = collector::build(spec.name, site, &client, created, state) {
                slots.push(Arc::clone(&slot));
                collectors.push((collector, slot));
            }
        }
        let view = Arc::new(SiteView { name: Arc::clone(&site.name), stats, slots, created: SystemTime::now() });
        let entry = SiteEntry { view, prober: Prober::new(client, config.health), timeout: site.poll.timeout };
        Ok(PreparedSite { entry, collectors })
    }
}
