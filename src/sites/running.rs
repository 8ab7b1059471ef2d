//! The sites that run, and how a new configuration takes effect: those that are gone stop, those that differ are stopped
//! and go on from where they were, the others are not touched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::prepared::{Built, Known, Planned, Prepared, Settings};
use crate::cache::{Generation, Slot};
use crate::collector::{self, Collector};
use crate::exposition::{Rendered, SiteView};
use crate::health::Prober;
use crate::netbackup::Client;
use crate::poll::{self, PollTask, Restoring};
use crate::server::{SiteEntry, Sites};
use crate::state::Directory;

/// A task that keeps its thread busy cannot be stopped: then its successor does not wait for it any longer.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The sites that run. Dropping it ends their tasks.
pub struct Running {
    generation: Generation,
    state: Option<Directory>,
    /// In the order of the configuration.
    sites: Vec<RunningSite>,
}

struct RunningSite {
    settings: Settings,
    client: Client,
    entry: SiteEntry,
    sources: Vec<Source>,
    tasks: Vec<PollTask>,
}

/// A collector and where it publishes.
struct Source {
    collector: Arc<dyn Collector>,
    slot: Arc<Slot<Rendered>>,
}

/// What taking over a configuration has changed: names of sites.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Not known before.
    pub added: Vec<Arc<str>>,
    /// Restarted.
    pub changed: Vec<Arc<str>>,
    /// Gone.
    pub removed: Vec<Arc<str>>,
}

/// Tells when the collectors that have just started have published what was kept.
pub struct Restored(mpsc::Receiver<()>);

impl Running {
    /// Nothing runs yet. `state`: where collectors keep what must survive a restart, if anywhere.
    #[must_use]
    pub fn new(generation: Generation, state: Option<Directory>) -> Running {
        Running { generation, state, sites: Vec::new() }
    }

    /// How the sites run now.
    #[must_use]
    pub fn known(&self) -> Known {
        Known(self.sites.iter().map(|site| site.settings.clone()).collect())
    }

    /// What the server shows of them.
    #[must_use]
    pub fn sites(&self) -> Sites {
        Sites::new(self.sites.iter().map(|site| site.entry.clone()).collect())
    }

    /// Makes what was prepared run, site by site.
    pub async fn take_over(&mut self, prepared: Prepared) -> (Changes, Restored) {
        let mut before: BTreeMap<Arc<str>, RunningSite> =
            self.sites.drain(..).map(|site| (Arc::clone(&site.settings.site.name), site)).collect();
        let (holder, restoring) = mpsc::channel(1);
        let mut changes = Changes::default();
        for planned in prepared.sites {
            match planned {
                Planned::Unchanged(name) => {
                    let site = before.remove(&name);
                    // The configuration is the same, but what it points to need not be.
                    site.iter().for_each(|site| site.client.reread_credentials());
                    self.sites.extend(site);
                }
                Planned::Built(built) => {
                    let name = Arc::clone(&built.settings.site.name);
                    let old = before.remove(&name);
                    match &old {
                        Some(_) => changes.changed.push(name),
                        None => changes.added.push(name),
                    }
                    let mut site = self.assemble(*built, old).await;
                    site.start(&holder);
                    self.sites.push(site);
                }
            }
        }
        for (name, mut site) in before {
            site.stop().await;
            tokio::spawn(async move { site.client.logout().await });
            changes.removed.push(name);
        }
        (changes, Restored(restoring))
    }

    /// Ends every task and every session. Takes as long as the slowest primary, two seconds at most.
    pub async fn stop(self) {
        join_all(self.sites.into_iter().map(|site| async move {
            drop(site.tasks);
            site.client.logout().await;
        }))
        .await;
    }

    /// Assembles what was prepared and polls every collector once, all side by side. Returns whether all succeeded.
    pub async fn poll_once(&mut self, prepared: Prepared) -> (Sites, bool) {
        for planned in prepared.sites {
            if let Planned::Built(built) = planned {
                let site = self.assemble(*built, None).await;
                self.sites.push(site);
            }
        }
        let polls = self.sites.iter().flat_map(|site| {
            let once = |source: &Source| {
                let (name, timeout) = (Arc::clone(&site.settings.site.name), site.entry.timeout);
                poll::once(name, Arc::clone(&source.collector), Arc::clone(&source.slot), timeout)
            };
            site.sources.iter().map(once)
        });
        let succeeded = join_all(polls).await.into_iter().all(|succeeded| succeeded);
        (self.sites(), succeeded)
    }

    /// A site that does not run yet. It goes on from where `old`, which is stopped, has been.
    async fn assemble(&self, built: Built, mut old: Option<RunningSite>) -> RunningSite {
        let Built { settings, client, stats } = built;
        if let Some(old) = &mut old {
            old.stop().await;
            let client = old.client.clone();
            tokio::spawn(async move { client.logout().await });
        }
        // At another address nothing that was counted or read is known to be about the same primary; whether its jobs
        // are, the jobs collector finds out.
        let same = old.as_ref().filter(|old| old.settings.site.url == settings.site.url);
        if let Some(same) = same {
            stats.go_on_from(&same.entry.view.stats);
        }
        let mut sources = Vec::new();
        for (spec, timing) in &settings.site.collectors {
            let created = settings.created_samples;
            let built = collector::build(spec.name, &settings.site, &client, created, self.state.as_ref());
            let Some(collector) = built else { continue };
            let slot = match same.and_then(|same| same.source(spec.name)) {
                Some(source) => source.slot.successor(timing.ttl, timing.limits),
                None => Slot::new(spec.name, timing.ttl, timing.limits, self.generation.clone()),
            };
            if let Some(memory) = old.as_ref().and_then(|old| old.source(spec.name)?.collector.memory()) {
                collector.inherit(memory).await;
            }
            sources.push(Source { collector, slot });
        }
        let slots = sources.iter().map(|source| Arc::clone(&source.slot)).collect();
        let created = same.map_or_else(SystemTime::now, |same| same.entry.view.created);
        let view = Arc::new(SiteView { name: Arc::clone(&settings.site.name), stats, slots, created });
        let prober = Prober::new(client.clone(), settings.health);
        let entry = SiteEntry { view, prober, timeout: settings.site.poll.timeout };
        RunningSite { settings, client, entry, sources, tasks: Vec::new() }
    }
}

impl RunningSite {
    fn source(&self, collector: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.slot.collector == collector)
    }

    fn start(&mut self, restoring: &Restoring) {
        for source in &self.sources {
            let (name, timeout) = (Arc::clone(&self.settings.site.name), self.entry.timeout);
            let (collector, slot) = (Arc::clone(&source.collector), Arc::clone(&source.slot));
            self.tasks.push(poll::start(name, collector, slot, timeout, restoring.clone()));
        }
    }

    /// Ends the tasks; nothing of the site is written or asked by them any more.
    async fn stop(&mut self) {
        let stopped = join_all(self.tasks.drain(..).map(PollTask::stop));
        if tokio::time::timeout(STOP_PATIENCE, stopped).await.is_err() {
            tracing::error!(site = %self.settings.site.name, "a poll task of the old configuration does not stop");
        }
    }
}

impl Restored {
    /// Waits until every collector that has just started has published what was kept, but not longer than `patience`.
    pub async fn within(mut self, patience: Duration) {
        // Nobody ever sends: it ends when the last task has let go.
        let _ = tokio::time::timeout(patience, self.0.recv()).await;
    }
}
