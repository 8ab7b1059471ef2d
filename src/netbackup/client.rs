//! The client of one site: finds the version to speak, bounds the number of requests, and offers what collectors ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::attr::Attr;
use super::credential::Credentials;
use super::endpoint::Endpoint;
use super::error::{BuildError, Error};
use super::exchange::{Answer, Exchange, Request};
use super::jobs::{JobRow, Jobs, JobsPage, JobsQuery};
use super::query::Target;
use super::sending::Permits;
use super::storage_units::{StorageUnits, StorageUnitsPage};
use super::stream::Decode;
use super::version::{AfterRefusal, ApiVersion, Negotiation};
use super::walk::{Listing, Walk, walk};
use super::wire::{self, Record, Row};
use crate::clock::unix_ms;
use crate::config::{ApiVersionChoice, Environment, Site, process_environment};
use crate::reason::Reason;
use crate::stats::ApiStats;

/// A whole climb down the ladder, with one word of `/ping` before and one after.
const MOST_VERSIONS: usize = 8;

/// The client of one site. Clones share everything.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) exchange: Exchange,
    pub(super) versions: Negotiation,
    /// One task at a time asks for the version; the others wait for what it finds.
    pub(super) discovery: Mutex<()>,
    /// Whether no collector asks the primary who it is anyway, as that of jobs does at every poll.
    pub(super) introduces: bool,
    /// Until when the primary need not be asked who it is, for the sake of a metric.
    pub(super) introduced: Mutex<Option<Instant>>,
    pub(super) permits: Permits,
    pub(super) request_timeout: Duration,
    /// The primary as a whole refused every version that could be tried, or is too old.
    pub(super) version_refused: AtomicBool,
}

/// What `/ping` said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// The primary's clock, in milliseconds since the epoch.
    pub server_time_ms: i64,
    /// The primary's own API version, where it named one: not what is sent.
    pub api_version: Option<ApiVersion>,
    /// From sending to the answer's headers.
    pub latency: Duration,
}

/// Which bounds a request runs under.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lane {
    /// One of `poll.max_requests`; waiting for that is not part of `request_timeout`.
    Poll,
    /// Beside the polls, until a moment of its own.
    Probe(Instant),
}

/// A JSON request before a version is chosen.
pub(crate) struct Ask<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) target: &'a Target,
    pub(crate) body: Option<&'a str>,
    pub(crate) lane: Lane,
    /// Reads the body of a 200 while it arrives; `None`: it is wanted as text.
    pub(crate) decode: Option<&'a Arc<dyn Decode>>,
}

impl<'a> Ask<'a> {
    /// What a poll reads of `target`, as text.
    pub(crate) fn get(endpoint: Endpoint, target: &'a Target) -> Ask<'a> {
        Ask { endpoint, target, body: None, lane: Lane::Poll, decode: None }
    }
}

impl Client {
    /// The client of `site`, counting into `stats`. Nothing is sent yet.
    ///
    /// # Errors
    /// When a key or certificate file cannot be read or does not hold what it should, or a proxy variable of the environment
    /// is none.
    pub fn new(site: &Site, stats: Arc<ApiStats>) -> Result<Client, BuildError> {
        Client::in_environment(site, stats, &process_environment())
    }

    /// The client of the same primary under another configuration: counts on in the same statistics, and where it signs in
    /// as before (`signs_in_alike`) it has the same key or session, and what is known of them. Nothing changes until it
    /// begins.
    ///
    /// # Errors
    /// As of [`Client::new`].
    pub fn successor(&self, site: &Site, signs_in_alike: bool) -> Result<Client, BuildError> {
        let old = &self.0.exchange;
        let credentials = signs_in_alike.then(|| Arc::clone(&old.credentials));
        Client::build(site, Arc::clone(&old.stats), credentials, &process_environment())
    }

    /// Says in the statistics what is true of this client from now on. `before`: the one that it follows.
    pub fn begin(&self, site: &Site, before: Option<&Client>) {
        let stats = self.stats();
        if let ApiVersionChoice::Fixed(major, minor) = site.api_version {
            stats.set_api_version(&ApiVersion::new(major, minor).to_string());
        }
        stats.set_tls_unverified(site.url.scheme() == "https" && site.tls.insecure_skip_verify);
        stats.set_circuit_open(false);
        if before.is_some_and(|before| !before.signs_in_like(self)) {
            stats.forget_verdict();
        }
    }

    /// Whether there is something to send without signing in or running a program first.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.0.exchange.credentials.is_ready()
    }

    /// Whether both have the same key or session.
    #[must_use]
    pub fn signs_in_like(&self, other: &Client) -> bool {
        Arc::ptr_eq(&self.0.exchange.credentials, &other.0.exchange.credentials)
    }

    /// Says that requests which are cut off from now on are no failures: another client takes over.
    pub fn retire(&self) {
        self.0.exchange.is_retired.store(true, Relaxed);
    }

    /// What it counts.
    #[must_use]
    pub fn statistics(&self) -> Arc<ApiStats> {
        Arc::clone(&self.0.exchange.stats)
    }

    /// As [`Client::new`], with the proxy variables of `environment`.
    pub(super) fn in_environment(
        site: &Site,
        stats: Arc<ApiStats>,
        environment: &Environment,
    ) -> Result<Client, BuildError> {
        let client = Client::build(site, stats, None, environment)?;
        client.begin(site, None);
        Ok(client)
    }

    fn build(
        site: &Site,
        stats: Arc<ApiStats>,
        credentials: Option<Arc<Credentials>>,
        environment: &Environment,
    ) -> Result<Client, BuildError> {
        Ok(Client(Arc::new(Inner {
            exchange: Exchange::new(site, stats, credentials, environment)?,
            versions: Negotiation::new(site.api_version),
            discovery: Mutex::new(()),
            introduces: site.collectors.iter().all(|(spec, _)| spec.name != "jobs"),
            introduced: Mutex::new(None),
            permits: Permits::new(site.poll.max_requests),
            request_timeout: site.poll.request_timeout,
            version_refused: AtomicBool::new(false),
        })))
    }

    /// Whether requests go through a proxy that the environment names.
    #[must_use]
    pub fn is_proxied(&self) -> bool {
        self.0.exchange.is_proxied()
    }

    /// Asks for the primary's clock and API version, without credentials. Keeps the clock offset and the version.
    ///
    /// # Errors
    /// When there was no answer, no 200, or no time in it.
    pub async fn ping(&self) -> Result<Ping, Error> {
        self.ping_in(Lane::Poll).await
    }

    /// Reads every page of the job list and hands each to `visit` as it comes.
    ///
    /// # Errors
    /// When a page cannot be had or read; the pages before it have been visited.
    pub async fn walk_jobs(
        &self,
        query: &JobsQuery,
        visit: &mut (dyn FnMut(JobsPage<'_>) + Send),
    ) -> Result<Walk, Error> {
        walk::<Jobs>(self, &listing(query, None), visit).await
    }

    /// Reads the first page of the job list only; [`Walk::more`] tells whether there are others.
    ///
    /// # Errors
    /// When the page cannot be had or read.
    pub async fn jobs_page(
        &self,
        query: &JobsQuery,
        visit: &mut (dyn FnMut(JobsPage<'_>) + Send),
    ) -> Result<Walk, Error> {
        walk::<Jobs>(self, &listing(query, Some(1)), visit).await
    }

    /// Reads one job; `None` when the primary no longer knows it.
    ///
    /// # Errors
    /// When there was no usable answer, or the record has neither id nor state.
    pub async fn job(&self, id: u64) -> Result<Option<JobRow<'static>>, Error> {
        let target = Target::new(Endpoint::Job.template(), &[&id.to_string()]);
        let ask = Ask::get(Endpoint::Job, &target);
        let body = match self.json(&ask).await {
            Ok(body) => body,
            Err(error) if error.status() == Some(404) => return Ok(None),
            Err(error) => return Err(error),
        };
        let job: JobRow<'_> = self.read(Endpoint::Job, wire::single(&body))?;
        Ok(Some(job.into_owned()))
    }

    /// How many jobs match `filter` (all without one). Needs the right for the whole list, and so tells a missing
    /// right from an empty list.
    ///
    /// # Errors
    /// When there was no usable answer.
    pub async fn count_jobs(&self, filter: Option<&str>) -> Result<u64, Error> {
        let attributes = match filter {
            Some(filter) => serde_json::json!({ "filter": filter }),
            None => serde_json::json!({}),
        };
        let body = serde_json::json!({ "data": { "type": "jobCount", "attributes": attributes } }).to_string();
        let target = Target::new(Endpoint::JobsCount.template(), &[]);
        let ask = Ask { body: Some(&body), ..Ask::get(Endpoint::JobsCount, &target) };
        let body = self.json(&ask).await?;
        let count: Counted = self.read(Endpoint::JobsCount, wire::single(&body))?;
        Ok(count.0)
    }

    /// Reads every page of the storage units and hands each to `visit` as it comes.
    ///
    /// # Errors
    /// When a page cannot be had or read; the pages before it have been visited.
    pub async fn walk_storage_units(
        &self,
        visit: &mut (dyn FnMut(StorageUnitsPage<'_>) + Send),
    ) -> Result<Walk, Error> {
        walk::<StorageUnits>(self, &Listing::ALL, visit).await
    }

    /// Reads the first page of the storage units only; [`Walk::more`] tells whether there are others.
    ///
    /// # Errors
    /// When the page cannot be had or read.
    pub async fn storage_units_page(
        &self,
        visit: &mut (dyn FnMut(StorageUnitsPage<'_>) + Send),
    ) -> Result<Walk, Error> {
        walk::<StorageUnits>(self, &Listing { stop_after: Some(1), ..Listing::ALL }, visit).await
    }

    /// How often another key or password was taken so far, to be given to [`Client::credential_changed`].
    #[must_use]
    pub fn credential_changes(&self) -> u64 {
        self.0.exchange.credentials.changes()
    }

    /// Waits until there is another key or password than the one used when [`Client::credential_changes`] was `since`; for ever where
    /// the key stands in the configuration.
    pub async fn credential_changed(&self, since: u64) {
        self.0.exchange.credentials.changed(since).await;
    }

    /// The primary's clock in Unix milliseconds, measured anew. A primary that answers and does not tell its time is taken to
    /// have ours, or the offset that it had.
    ///
    /// # Errors
    /// When there was no answer.
    pub(crate) async fn server_now_ms(&self) -> Result<i64, Error> {
        if let Err(error) = self.ping().await
            && error.status().is_none()
        {
            return Err(error);
        }
        let wall = i64::try_from(unix_ms(SystemTime::now())).unwrap_or(i64::MAX);
        Ok(wall.saturating_add(self.stats().clock_offset_ms().unwrap_or(0)))
    }

    pub(crate) fn stats(&self) -> &ApiStats {
        &self.0.exchange.stats
    }

    /// Whether a primary of `version` can be spoken to.
    pub(crate) fn may_speak(&self, version: ApiVersion) -> bool {
        self.0.versions.suits(version)
    }

    pub(crate) fn is_version_refused(&self) -> bool {
        self.0.version_refused.load(Relaxed)
    }

    pub(crate) fn error(&self, endpoint: Endpoint, reason: Reason, what: impl Into<String>) -> Error {
        self.0.exchange.error(endpoint, reason, what)
    }

    pub(super) fn read<T>(&self, endpoint: Endpoint, read: Result<T, wire::Unreadable>) -> Result<T, Error> {
        read.map_err(|what| self.error(endpoint, Reason::Decode, what).with_status(200))
    }

    /// Sends a JSON request in a version that the primary speaks, and returns the body of its 200.
    pub(super) async fn negotiate(&self, ask: &Ask<'_>) -> Result<String, Error> {
        let versions = &self.0.versions;
        let mut version = self.version(ask.lane).await?;
        let mut asked_again = false;
        // Every version was tried not long ago: from then on one a request, down the ladder and over again.
        let was_refused = self.is_version_refused();
        for _ in 0..MOST_VERSIONS {
            let refused = match self.send(ask, version).await {
                Ok(answer) => {
                    versions.accepted(version);
                    self.0.version_refused.store(false, Relaxed);
                    return Ok(answer.body);
                }
                Err(error) if error.reason() == Reason::Version => error,
                Err(error) => return Err(error),
            };
            let give_up = |error| if versions.is_taken(version) { error } else { self.no_version(error) };
            version = match versions.refused(version) {
                AfterRefusal::Send(_) if was_refused => return Err(give_up(refused)),
                AfterRefusal::Send(next) => next,
                AfterRefusal::AskAgain if !asked_again => {
                    asked_again = true;
                    match self.other_version(version, ask.lane).await {
                        Some(next) => next,
                        None => return Err(give_up(refused)),
                    }
                }
                AfterRefusal::AskAgain | AfterRefusal::GiveUp => return Err(give_up(refused)),
            };
            self.note_version();
        }
        Err(self.no_version(self.error(ask.endpoint, Reason::Version, "no API version was accepted").with_status(406)))
    }

    pub(super) fn no_version(&self, error: Error) -> Error {
        self.0.version_refused.store(true, Relaxed);
        error
    }

    async fn send(&self, ask: &Ask<'_>, version: ApiVersion) -> Result<Answer, Error> {
        let Ask { endpoint, target, body, lane, decode } = *ask;
        if endpoint.facts().needs_auth {
            self.have_session(lane, version).await?;
        }
        self.run(lane, Request { endpoint, target, body, version: Some(version), decode }).await
    }
}

fn listing(query: &JobsQuery, stop_after: Option<u64>) -> Listing<'_> {
    Listing { filter: query.filter.as_deref(), sort: query.sort, limit: query.limit, stop_after }
}

/// The answer of `/admin/jobs-count-requests`.
struct Counted(u64);

#[derive(Default)]
struct CountAttributes<'a>(Option<Attr<'a>>);

impl<'de> Record<'de> for CountAttributes<'de> {
    fn field<A: serde::de::MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "count" => self.0 = Some(map.next_value()?),
            _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
        }
        Ok(())
    }
}

impl<'a> Row<'a> for Counted {
    type Attributes = CountAttributes<'a>;

    fn from_item(item: wire::Item<'a, CountAttributes<'a>>) -> Result<Self, &'static str> {
        let count = item.attributes.and_then(|attributes| attributes.0).and_then(Attr::count);
        count.map(Counted).ok_or("it has no count")
    }
}
