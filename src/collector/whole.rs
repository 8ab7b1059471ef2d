//! A source that is read whole at each poll, from one endpoint or several: what its collector has to say is which
//! endpoints, what a row means, and which metrics that makes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::warn;

use super::series::state_set;
use super::{About, Collector, Display, PollContext, Polled, Seen, finish};
use crate::clock::Stamp;
use crate::exposition::{Family, Kind, Number, Page, Rendered};
use crate::netbackup::{self, Client, Endpoint, Error, Flat, FlatList, List, Listing, Single};
use crate::reason::{Failure, Reason};

/// Whether each endpoint of a collector could be read.
pub static ENDPOINT_STATE: Family = Family {
    name: "netbackup_collector_endpoint_state",
    kind: Kind::Gauge,
    help: "What came of each endpoint of a collector that reads several at its last successful poll: read, denied (a right is missing) or unsupported (this release answers 404); 1 for the one that is true.",
    labels: &["site", "collector", "endpoint", "state"],
};

/// What a collector of whole lists has to say.
pub(super) trait Source: Send + Sync + Sized + 'static {
    /// Its line in the table of all.
    const ABOUT: &'static About;

    /// Reads every endpoint and writes what is there into [`Reading::page`]. An error fails the poll.
    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>>;

    /// Whether a poll must end within `poll.timeout`; a list of thousands of pages goes on as long as pages keep coming.
    fn is_bounded(&self) -> bool {
        true
    }
}

/// What came of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Read,
    Denied,
    Unsupported,
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Part::Read => "read",
            Part::Denied => "denied",
            Part::Unsupported => "unsupported",
        }
    }
}

/// One poll under way.
pub(super) struct Reading<'a> {
    /// Whom to ask.
    pub(super) client: &'a Client,
    /// Where the series go.
    pub(super) page: Page,
    /// What the last successful poll has published, or was published after a restart.
    pub(super) published: Option<Arc<Rendered>>,
    go_names: bool,
    site: &'a str,
    memo: &'a Memo,
    rejected: u64,
    first_rejection: Option<String>,
    parts: Vec<(Endpoint, Part)>,
    denied: Vec<Error>,
    unsupported: Option<Error>,
}

/// What a collector remembers of its polls, whatever it reads.
#[derive(Debug, Default)]
pub(super) struct Memo {
    rejection_logged: AtomicBool,
    /// A bit for each endpoint that has been read once.
    read: AtomicU64,
}

impl Memo {
    fn has_read(&self, endpoint: Endpoint) -> bool {
        // A single object may be gone at any time.
        let is_list = !endpoint.template().contains('{');
        is_list && self.read.load(Ordering::Relaxed) & bit(endpoint) != 0
    }

    fn note_read(&self, endpoint: Endpoint) {
        self.read.fetch_or(bit(endpoint), Ordering::Relaxed);
    }
}

fn bit(endpoint: Endpoint) -> u64 {
    u32::try_from(endpoint.slot()).ok().and_then(|slot| 1_u64.checked_shl(slot)).unwrap_or(0)
}

impl<'a> Reading<'a> {
    pub(super) fn new(client: &'a Client, site: &'a str, display: Display, memo: &'a Memo) -> Reading<'a> {
        Reading {
            client,
            page: Page::new(site),
            published: None,
            go_names: display.go_names,
            site,
            memo,
            rejected: 0,
            first_rejection: None,
            parts: Vec::new(),
            denied: Vec::new(),
            unsupported: None,
        }
    }

    /// Hands each row of the list `L` to `take`. `None`: this part of the collector is denied, or not offered by the
    /// release.
    pub(super) async fn list<L: List>(
        &mut self,
        listing: Listing<'_>,
        mut take: impl FnMut(L::Row<'_>) + Send,
    ) -> Result<Option<()>, Error> {
        let listed = self.client.list::<L>(&listing, &mut take).await;
        Ok(self.part(L::ENDPOINT, listed)?.map(|(walk, why)| self.reject(walk.rejected, why)))
    }

    /// Folds each record of a list that comes whole. `None` as of [`Reading::list`].
    pub(super) async fn fold<L: FlatList, A: Default + Send + 'static>(
        &mut self,
        fold: impl Fn(&mut A, L::Row<'_>) + Send + Sync + 'static,
    ) -> Result<Option<A>, Error> {
        let folded = self.client.fold_flat::<L, A>(fold).await;
        Ok(self.part(L::ENDPOINT, folded)?.map(|folded| {
            self.reject(folded.rejected, folded.first_rejection);
            folded.made
        }))
    }

    /// Reads one resource. `None` as of [`Reading::list`].
    pub(super) async fn single<S: Single, T>(
        &mut self,
        take: impl FnOnce(S::Row<'_>) -> T + Send,
    ) -> Result<Option<T>, Error> {
        let single = self.client.single::<S, T>(&[], take).await;
        self.part(S::ENDPOINT, single)
    }

    /// Reads one object. `None` as of [`Reading::list`].
    pub(super) async fn flat<F: Flat, T>(
        &mut self,
        take: impl FnOnce(F::Row<'_>) -> T + Send,
    ) -> Result<Option<T>, Error> {
        let flat = self.client.flat::<F, T>(take).await;
        self.part(F::ENDPOINT, flat)
    }

    /// Whether the names of the Go exporter are asked for ([`super::compat`]): what only they show need not be counted
    /// otherwise.
    pub(super) fn go_names(&self) -> bool {
        self.go_names
    }

    /// Adds a sample under a name of the Go exporter, where those are asked for.
    pub(super) fn go_gauge(&mut self, family: &'static Family, labels: &[&str], value: impl Into<Number>) {
        if self.go_names {
            self.page.gauge(family, labels, value);
        }
    }

    /// Counts records that were left out; `why`: of the first one.
    pub(super) fn reject(&mut self, count: u64, why: Option<String>) {
        self.rejected = self.rejected.saturating_add(count);
        self.first_rejection = self.first_rejection.take().or(why);
    }

    /// Takes a want of rights, or of the endpoint, for what it is: a part that is not there.
    pub(super) fn part<T>(&mut self, endpoint: Endpoint, asked: Result<T, Error>) -> Result<Option<T>, Error> {
        let (part, value) = match asked {
            Ok(value) => {
                self.memo.note_read(endpoint);
                (Part::Read, Some(value))
            }
            Err(error) if error.reason() == Reason::Forbidden && error.is_refusal_of(endpoint) => {
                self.denied.push(error);
                (Part::Denied, None)
            }
            // What was there before cannot be missing in the release.
            Err(error)
                if error.status() == Some(404) && error.is_refusal_of(endpoint) && !self.memo.has_read(endpoint) =>
            {
                self.unsupported.get_or_insert(error);
                (Part::Unsupported, None)
            }
            Err(error) => return Err(error),
        };
        match self.parts.iter_mut().find(|(known, _)| *known == endpoint) {
            // Asked twice, for two parts of one list: it is there only if both were.
            Some((_, before)) => *before = if *before == Part::Read { part } else { *before },
            None => self.parts.push((endpoint, part)),
        }
        Ok(value)
    }

    /// What has been read, once all of it has; an error where nothing could be.
    pub(super) async fn polled(mut self, about: &About) -> Result<Polled, Failure> {
        let (received, site) = (Stamp::now(), self.site);
        let denied = denial(std::mem::take(&mut self.denied));
        if !self.parts.iter().any(|(_, part)| *part == Part::Read) {
            let unsupported = self.unsupported.take().map(|error| Failure { unsupported: true, ..error.into() });
            let nothing = || Failure::new(Reason::Internal, "nothing was asked for: a defect of the exporter");
            return Err(denied.or(unsupported).unwrap_or_else(nothing));
        }
        let logged = &self.memo.rejection_logged;
        if let Some(why) = self.first_rejection.take().filter(|_| !logged.swap(true, Ordering::Relaxed)) {
            let what =
                "a record was left out; further ones are only counted, in netbackup_collector_rejected_records_total";
            warn!(site, collector = about.name, why, "{what}");
        }
        if about.endpoints.len() > 1 {
            for (endpoint, part) in &self.parts {
                let labels = [about.name, endpoint.template()];
                state_set(&mut self.page, &ENDPOINT_STATE, &labels, &["read", "denied", "unsupported"], part.as_str());
            }
        }
        let denied = denied.map(Arc::new);
        Ok(Polled { rendered: finish(self.page).await?, received, rejected: self.rejected, denied })
    }
}

/// All refusals for want of a right as one: who grants rights wants to know every one that is missing.
fn denial(errors: Vec<Error>) -> Option<Failure> {
    let mut errors = errors.into_iter().map(Failure::from);
    let mut first = errors.next()?;
    for other in errors {
        first.rights.extend(other.rights.iter().filter(|right| !first.rights.contains(right)).collect::<Vec<_>>());
        first.detail.push_str("; ");
        first.detail.push_str(&other.detail);
    }
    Some(first)
}

/// The collector of a [`Source`].
pub(super) struct Whole<S> {
    source: S,
    site: Arc<str>,
    client: Client,
    display: Display,
    memo: Memo,
}

impl<S: Source> Whole<S> {
    pub(super) fn new(source: S, site: Arc<str>, client: Client, display: Display) -> Whole<S> {
        Whole { source, site, client, display, memo: Memo::default() }
    }
}

impl<S: Source> Collector for Whole<S> {
    fn poll<'a>(&'a self, context: &'a PollContext) -> BoxFuture<'a, Result<Polled, Failure>> {
        async move {
            self.client.introduce().await;
            let mut reading = Reading::new(&self.client, &self.site, self.display, &self.memo);
            reading.published = context.snapshot();
            self.source.read(&mut reading).await?;
            reading.polled(S::ABOUT).await
        }
        .boxed()
    }

    fn examine(&self) -> BoxFuture<'_, Result<Seen, netbackup::Error>> {
        glance_at(&self.client, S::ABOUT.endpoints).boxed()
    }

    fn is_optional(&self) -> bool {
        true
    }

    fn is_bounded(&self) -> bool {
        self.source.is_bounded()
    }

    fn credential_changes(&self) -> u64 {
        self.client.credential_changes()
    }

    fn credential_changed(&self, since: u64) -> BoxFuture<'_, ()> {
        self.client.credential_changed(since).boxed()
    }
}

/// Asks for one object of each endpoint that lists any. Where a right is missing that is an error, which knows of every other
/// one and of what could be read; and so is a release that has none of them.
pub(super) async fn glance_at(client: &Client, endpoints: &[Endpoint]) -> Result<Seen, netbackup::Error> {
    let (mut seen, mut read) = (netbackup::Glance::default(), 0_u32);
    let (mut denied, mut unsupported) = (Vec::new(), None);
    // Single objects have the right of their list, and jobs are looked at by counting them.
    let is_looked_at = |endpoint: &&Endpoint| !endpoint.template().contains('{') && **endpoint != Endpoint::JobsCount;
    for endpoint in endpoints.iter().filter(is_looked_at) {
        // What had to be asked before it, such as /login, says nothing of it. Jobs are counted with the same right.
        let is_its_own = |error: &Error| {
            error.endpoint() == endpoint.template()
                || error.right().is_some_and(|right| endpoint.right() == Some(right))
        };
        match client.glance(*endpoint).await {
            Ok(glance) => {
                read = read.saturating_add(1);
                seen.objects = seen.objects.saturating_add(glance.objects);
                seen.more |= glance.more;
            }
            Err(error) if error.reason() == Reason::Forbidden && is_its_own(&error) => denied.push(error),
            Err(error) if error.status() == Some(404) && is_its_own(&error) => unsupported = Some(error),
            Err(error) => return Err(error),
        }
    }
    let mut denied = denied.into_iter();
    if let Some(first) = denied.next() {
        let others = denied.filter_map(|error| error.right());
        return Err(first.beside(others, (read > 0).then_some(seen)));
    }
    let (objects, more) = (seen.objects, seen.more);
    match unsupported {
        Some(error) if read == 0 => Err(error),
        Some(_) => Ok(Seen { objects, more, note: Some("this release does not offer all of it") }),
        None => Ok(Seen { objects, more, note: None }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a collector shows where its endpoint lists `rows`, and how many requests for them that took.
    pub(in crate::collector) async fn pages_of(
        name: &str,
        template: &'static str,
        rows: Vec<serde_json::Value>,
    ) -> (String, u64) {
        use crate::config::{CollectorTiming, Credential, Secret, Site};
        use crate::simulator::{Options, Simulator};
        let primary = Simulator::start(Options { jobs: 0, ..Options::default() }).await.unwrap();
        primary.control().replace(template, Some(rows.into()));
        let key = Credential::ApiKey(Secret::new(Options::default().api_key));
        let site = Site::new("paris", primary.base_url().parse().unwrap(), key).with_all_collectors();
        let client = Client::new(&site, Arc::default()).unwrap();
        let timing = CollectorTiming::of_ttl(std::time::Duration::from_secs(60));
        let slot = crate::cache::Slot::new("any", timing.ttl, timing.limits, crate::cache::Generation::default());
        let collector = super::super::build(name, &site, &client, Display::default(), None, None).unwrap();
        let polled = collector.poll(&PollContext::new(slot)).await.unwrap();
        let requests = primary.control().request_counts().get(template).copied().unwrap_or(0);
        primary.stop().await;
        (polled.rendered.text(), requests)
    }
}
