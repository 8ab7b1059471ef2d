//! The sites that run, and how a new configuration takes effect: those that are gone stop, those that differ are stopped
//! and go on from where they were, the others are not touched.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::{join, join_all};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::error;

use super::prepared::{Built, Known, Planned, Prepared, Settings};
use crate::cache::{Generation, Slot};
use crate::collector::{self, Collector};
use crate::config::Health;
use crate::exposition::{Rendered, SiteView};
use crate::health::Prober;
use crate::netbackup::Client;
use crate::poll::{self, PollTask, Restoring};
use crate::server::{SiteEntry, Sites};
use crate::state::Directory;

/// What keeps its thread or the disk busy cannot be stopped: nobody waits for it any longer.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// A primary that is asked to end a session has two seconds for that.
const LOGOUT_PATIENCE: Duration = Duration::from_millis(2_500);

/// The sites that run. Dropping it ends their tasks.
pub struct Running {
    generation: Generation,
    state: Option<Directory>,
    /// In the order of the configuration.
    sites: Vec<RunningSite>,
    /// Sessions of sites that are gone or sign in otherwise now, on their way to their end.
    logouts: JoinSet<()>,
}

struct RunningSite {
    settings: Settings,
    health: Health,
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
        Running { generation, state, sites: Vec::new(), logouts: JoinSet::new() }
    }

    /// How the sites run now.
    #[must_use]
    pub fn known(&self) -> Known {
        Known(self.sites.iter().map(|site| (site.settings.clone(), site.client.clone())).collect())
    }

    /// What the server shows of them.
    #[must_use]
    pub fn sites(&self) -> Sites {
        Sites::new(self.sites.iter().map(|site| site.entry.clone()).collect())
    }

    /// Makes what was prepared run, site by site. What it has not come to runs on as it did, should it be dropped.
    pub async fn take_over(&mut self, prepared: Prepared) -> (Changes, Restored) {
        while self.logouts.try_join_next().is_some() {}
        let (holder, restoring) = mpsc::channel(1);
        let mut changes = Changes::default();
        let mut order: Vec<Arc<str>> = Vec::new();
        for planned in prepared.sites {
            match planned {
                Planned::Unchanged(name) => {
                    if let Some(site) = self.sites.iter_mut().find(|site| site.settings.site.name == name) {
                        site.probe_as(prepared.health);
                    }
                    order.push(name);
                }
                Planned::Built(built) => {
                    let name = Arc::clone(&built.settings.site.name);
                    let old = self.take(&name);
                    let named = if old.is_some() { &mut changes.changed } else { &mut changes.added };
                    named.push(Arc::clone(&name));
                    let mut site = self.assemble(*built, prepared.health, old).await;
                    site.start(&holder);
                    self.sites.push(site);
                    order.push(name);
                }
            }
        }
        let is_gone = |site: &RunningSite| !order.contains(&site.settings.site.name);
        while let Some(at) = self.sites.iter().position(is_gone) {
            let mut site = self.sites.remove(at);
            self.log_out(&site.client);
            site.stop().await;
            changes.removed.push(site.settings.site.name);
        }
        self.sites.sort_by_key(|site| order.iter().position(|name| *name == site.settings.site.name));
        (changes, Restored(restoring))
    }

    /// Has keys and passwords read anew: the configuration may be the same, but what it points to need not be.
    pub fn reread_credentials(&self) {
        self.sites.iter().for_each(|site| site.client.reread_credentials());
    }

    /// Ends every task and every session. Takes as long as the slowest primary, two seconds at most.
    pub async fn stop(mut self) {
        let sessions = join_all(self.sites.into_iter().map(|site| async move {
            drop(site.tasks);
            site.client.logout().await;
        }));
        let earlier = async { while self.logouts.join_next().await.is_some() {} };
        let _ = timeout(LOGOUT_PATIENCE, join(sessions, earlier)).await;
    }

    /// Assembles what was prepared and polls every collector once, all side by side. Returns whether all succeeded.
    pub async fn poll_once(&mut self, prepared: Prepared) -> bool {
        for planned in prepared.sites {
            if let Planned::Built(built) = planned {
                let site = self.assemble(*built, prepared.health, None).await;
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
        join_all(polls).await.into_iter().all(|succeeded| succeeded)
    }

    fn take(&mut self, name: &str) -> Option<RunningSite> {
        let at = self.sites.iter().position(|site| &*site.settings.site.name == name)?;
        Some(self.sites.remove(at))
    }

    fn log_out(&mut self, client: &Client) {
        let client = client.clone();
        self.logouts.spawn(async move { client.logout().await });
    }

    /// A site that does not run yet. It goes on from where `old`, which is stopped, has been.
    async fn assemble(&mut self, built: Built, health: Health, mut old: Option<RunningSite>) -> RunningSite {
        let Built { settings, client } = built;
        let (site, name) = (&settings.site, &settings.site.name);
        if let Some(old) = &mut old {
            old.stop().await;
            if !client.signs_in_like(&old.client) {
                self.log_out(&old.client);
            }
        }
        let same = old.as_ref().filter(|old| old.settings.is_same_primary(&settings));
        client.begin(site, same.map(|same| &same.client));
        let mut sources = Vec::new();
        for (spec, timing) in &site.collectors {
            let jobs = sources.iter().find_map(|source: &Source| source.collector.offers());
            let built = collector::build(spec.name, site, &client, settings.display, self.state.as_ref(), jobs);
            let Some(mut collector) = built else { continue };
            let slot = match same.and_then(|same| Some((same, same.source(spec.name)?))) {
                // What a primary asked of those credentials still holds.
                Some((same, source)) => {
                    source.slot.successor(timing.ttl, timing.limits, client.signs_in_like(&same.client))
                }
                None => Slot::new(spec.name, timing.ttl, timing.limits, self.generation.clone()),
            };
            let before = old.as_ref().and_then(|old| old.source(spec.name));
            if let Some((before, memory)) = before.and_then(|before| Some((before, before.collector.memory()?)))
                && timeout(STOP_PATIENCE, collector.inherit(memory)).await.is_err()
            {
                let what = "a poll of the old configuration does not end; is the state directory's disk well? this collector \
                            goes on as it was configured before";
                error!(site = %name, collector = spec.name, what);
                collector = Arc::clone(&before.collector);
            }
            sources.push(Source { collector, slot });
        }
        let slots = sources.iter().map(|source| Arc::clone(&source.slot)).collect();
        let created = same.map_or_else(SystemTime::now, |same| same.entry.view.created);
        let (stats, go_names) = (client.statistics(), settings.display.go_names);
        let view = Arc::new(SiteView { name: Arc::clone(name), stats, slots, created, go_names });
        let entry = SiteEntry { view, prober: Prober::new(client.clone(), health), timeout: site.poll.timeout };
        RunningSite { settings, health, client, entry, sources, tasks: Vec::new() }
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

    /// Probes are made as `health` says from now on.
    fn probe_as(&mut self, health: Health) {
        if self.health != health {
            self.health = health;
            self.entry.prober = Prober::new(self.client.clone(), health);
        }
    }

    /// Ends the tasks; nothing of the site is written or asked by them any more.
    async fn stop(&mut self) {
        self.client.retire();
        let stopped = join_all(self.tasks.drain(..).map(PollTask::stop));
        if timeout(STOP_PATIENCE, stopped).await.is_err() {
            error!(site = %self.settings.site.name, "a poll task of the old configuration does not stop");
        }
    }
}

impl Restored {
    /// Waits until every collector that has just started has published what was kept, but not longer than `patience`.
    pub async fn within(mut self, patience: Duration) {
        // Nobody ever sends: it ends when the last task has let go.
        let _ = timeout(patience, self.0.recv()).await;
    }
}
