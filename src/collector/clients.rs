//! Clients: the last success of each, its failures in a row and its finished jobs. Asks nothing of the primary: it shows
//! the ledger that the collector of jobs keeps, as of the last complete poll of that one, and fails as that one does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tracing::warn;

use super::jobs::{Offer, Offers, Outcome, View};
use super::{About, Collector, Display, PollContext, Polled, Seen, blocking, compat};
use crate::clock::from_unix_ms;
use crate::exposition::{Family, Kind, Page};
use crate::netbackup;
use crate::reason::{Failure, Reason};

const KEY: &[&str] = &["site", "client", "policy", "job_type"];
/// Outcomes that are shown from the moment on at which a key is seen; of the others there are mostly no jobs.
const ALWAYS: [Outcome; 2] = [Outcome::Success, Outcome::Failed];

/// Last success.
pub static LAST_SUCCESS: Family = Family {
    name: "netbackup_client_last_success_timestamp_seconds",
    kind: Kind::Gauge,
    help: "End of the last job that succeeded, wholly (status 0) or in part (1), as of the last poll of jobs; absent where none is known. Jobs that only orchestrate others are left out here and in all netbackup_client metrics: their children name the clients.",
    labels: KEY,
};

/// Last attempt.
pub static LAST_ATTEMPT: Family = Family {
    name: "netbackup_client_last_attempt_timestamp_seconds",
    kind: Kind::Gauge,
    help: "End of the last finished job, whatever its outcome, as of the last poll of jobs.",
    labels: KEY,
};

/// Failures in a row.
pub static FAILURES: Family = Family {
    name: "netbackup_client_consecutive_failures",
    kind: Kind::Gauge,
    help: "Jobs that failed and ended after the last success, whole or in part, as of the last poll of jobs; cancelled jobs (150) neither add to them nor end them.",
    labels: KEY,
};

/// Finished jobs.
pub static FINISHED: Family = Family {
    name: "netbackup_client_jobs_finished_total",
    kind: Kind::Counter,
    help: "Jobs of the client that were counted in netbackup_jobs_finished_total, as polled; success and failed stand at 0 from the first job on, other outcomes appear with theirs.",
    labels: &["site", "client", "policy", "job_type", "outcome"],
};

/// How many clients there are.
pub static TRACKED: Family = Family {
    name: "netbackup_clients_tracked",
    kind: Kind::Gauge,
    help: "Clients that the netbackup_client metrics tell of, as of the last poll of jobs; at most clients.max.",
    labels: &["site"],
};

/// What there was no room for.
pub static DROPPED: Family = Family {
    name: "netbackup_clients_dropped_jobs_total",
    kind: Kind::Counter,
    help: "Finished jobs, as polled, that are in no netbackup_client metric because clients.max was reached; those of excluded clients are not among them.",
    labels: &["site"],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "clients",
    title: "Clients",
    endpoints: &[],
    releases: "all",
    cardinality: "five series and more per client, policy and job type; `[clients]` bounds the clients",
    cost: "nothing: it reads what `jobs` has read",
    families: &[&FAILURES, &FINISHED, &LAST_ATTEMPT, &LAST_SUCCESS, &DROPPED, &TRACKED],
};

/// The clients collector of one site.
pub struct Clients {
    site: Arc<str>,
    display: Display,
    jobs: Arc<Offers>,
    /// What was handed over last: when it was received, and which view it was.
    handed_over: Mutex<Option<(Instant, u32)>>,
    fullness_logged: AtomicBool,
}

impl Clients {
    /// A collector that shows what `jobs` hands over.
    #[must_use]
    pub fn new(site: Arc<str>, display: Display, jobs: Arc<Offers>) -> Clients {
        let (handed_over, fullness_logged) = (Mutex::new(None), AtomicBool::new(false));
        Clients { site, display, jobs, handed_over, fullness_logged }
    }

    /// How things stand, as soon as it is as `is_met` says.
    async fn wait_for(&self, is_met: impl Fn(&Offer) -> bool) -> Offer {
        // It lives as long as this, so waiting does not fail; and nothing would be what it offered.
        self.jobs.follow().wait_for(is_met).await.map(|offer| offer.clone()).unwrap_or_default()
    }

    async fn show(&self, view: Arc<View>) -> Result<Polled, Failure> {
        if view.is_full && !self.fullness_logged.swap(true, Ordering::Relaxed) {
            warn!(
                site = &*self.site,
                collector = "clients",
                tracked = view.clients.len(),
                "there are more clients than clients.max allows: what comes later is only counted, in \
                 netbackup_clients_dropped_jobs_total; raise clients.max, or choose with clients.include and clients.exclude"
            );
        }
        *self.handed_over() = Some((view.received.mono, view.generation));
        let display = self.display;
        let mut page = Page::new(&self.site).with_created(display.created_samples);
        blocking(move || {
            render(&mut page, &view);
            if display.go_names {
                render_go_names(&mut page, &view);
            }
            Polled { rendered: page.finish(), received: view.received, rejected: 0, denied: None }
        })
        .await
    }

    fn handed_over(&self) -> std::sync::MutexGuard<'_, Option<(Instant, u32)>> {
        self.handed_over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Clients {
    fn restore(&self) -> BoxFuture<'_, Option<Polled>> {
        async move {
            let view = self.wait_for(|offer| offer.is_restored).await.view?;
            self.show(view).await.ok()
        }
        .boxed()
    }

    fn poll<'a>(&'a self, context: &'a PollContext) -> BoxFuture<'a, Result<Polled, Failure>> {
        async move {
            let handed_over = self.handed_over().take();
            if let Some((received, generation)) = handed_over
                && context.published() == Some(received)
            {
                self.jobs.show(generation);
            }
            match self.wait_for(|offer| offer.ended > 0).await {
                Offer { failure: Some(failure), .. } => Err(failure),
                Offer { view: Some(view), .. } => self.show(view).await,
                _ => {
                    let why = "the collector jobs of this site goes on as it was configured before, without clients";
                    Err(Failure::new(Reason::Internal, why))
                }
            }
        }
        .boxed()
    }

    fn examine(&self) -> BoxFuture<'_, Result<Seen, netbackup::Error>> {
        // What the key may see of the jobs, the collector of jobs says.
        std::future::ready(Ok(Seen::default())).boxed()
    }

    fn is_bounded(&self) -> bool {
        // Until the first poll of jobs has ended there is nothing to show, and that one may be long.
        self.jobs.follow().borrow().ended > 0
    }

    // What it waits for after a failure is not another credential, but that the jobs are read again.

    fn credential_changes(&self) -> u64 {
        self.jobs.follow().borrow().complete
    }

    fn credential_changed(&self, since: u64) -> BoxFuture<'_, ()> {
        self.wait_for(move |offer| offer.complete != since).map(|_| ()).boxed()
    }
}

/// Writes what the Go exporter's names show. Its users know a client by its last good backup, whatever the policy.
fn render_go_names(page: &mut Page, view: &View) {
    for (client, known) in view.clients.iter() {
        let successes = known.entries.iter().filter_map(|entry| Some((entry, entry.record.last_success_s?)));
        for (entry, success) in successes.clone() {
            let labels = [&**client, &*entry.policy, &*entry.job_type];
            page.gauge(&compat::CLIENT_LAST_SUCCESS, &labels, u64::from(success));
        }
        let backups = successes.filter(|(entry, _)| &*entry.job_type == "BACKUP");
        if let Some(last) = backups.map(|(_, success)| success).max() {
            page.gauge(&compat::CLIENT_LAST_BACKUP, &[client], u64::from(last));
        }
    }
}

/// Writes every family of the collector.
pub(super) fn render(page: &mut Page, view: &View) {
    let since = |unix_ms: u64| from_unix_ms(unix_ms).unwrap_or(SystemTime::UNIX_EPOCH);
    page.gauge(&TRACKED, &[], view.clients.len() as u64);
    page.counter_since(&DROPPED, &[], view.dropped_jobs, since(view.created_ms));
    for (client, known) in view.clients.iter() {
        for entry in &known.entries {
            let (record, labels) = (&entry.record, [&**client, &*entry.policy, &*entry.job_type]);
            if let Some(success) = record.last_success_s {
                page.gauge(&LAST_SUCCESS, &labels, u64::from(success));
            }
            if let Some(attempt) = record.last_attempt_s {
                page.gauge(&LAST_ATTEMPT, &labels, u64::from(attempt));
            }
            page.gauge(&FAILURES, &labels, record.failures_in_a_row());
            let created = since(record.created_ms);
            for outcome in Outcome::ALL {
                let jobs = record.jobs(outcome);
                if jobs > 0 || ALWAYS.contains(&outcome) {
                    // What nobody has seen yet stands at 0 once, so that its first job is an increase too.
                    let shown = if record.born <= view.shown { jobs } else { 0 };
                    let labels = [labels[0], labels[1], labels[2], outcome.as_str()];
                    page.counter_since(&FINISHED, &labels, shown, created);
                }
            }
        }
    }
}
