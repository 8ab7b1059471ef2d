//! What NetBackup says, from the snapshots that are served: a few numbers of each site. Made when the page is asked for and
//! never else; each family is read once, and of a long list only the first few are kept.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::words::span;
use crate::cache::State;
use crate::clock::unix_seconds;
use crate::exposition::{Rendered, Sample, SiteView};

mod clients;
mod jobs;
mod storage;

pub(super) use clients::{Clients, OVERDUE_SECONDS};
pub(super) use jobs::{Jobs, Night};
pub(super) use storage::Fill;

/// Rows of a list on the page; what is left out is in the metrics.
const MOST: usize = 5;
/// Different names that are looked at.
const MOST_NAMES: usize = 2000;

/// What the collectors behind a panel have.
pub(super) enum Part<T> {
    /// They are not polled.
    Off,
    /// Nothing was read yet.
    Never,
    /// What was read is too old to be shown.
    Expired { age: String },
    /// What is served; where it is stale, how old it is.
    Known { data: T, stale: Option<String> },
}

/// A site on one screen.
pub(super) struct Digest {
    pub(super) jobs: Part<Jobs>,
    pub(super) storage: Part<Vec<Fill>>,
    /// `None`: they are not polled, which is nothing to know.
    pub(super) clients: Option<Part<Clients>>,
}

impl Digest {
    pub(super) fn read(view: &SiteView, states: &[Arc<State<Rendered>>], now: Instant) -> Digest {
        let primary_now = unix_seconds(std::time::SystemTime::now()) + view.stats.clock_offset_seconds().unwrap_or(0.0);
        let part = |collector: &str| part(view, states, collector, now);
        let clients = match part("clients") {
            Part::Off => None,
            clients => Some(clients.map(|rendered| Clients::read(&rendered, primary_now))),
        };
        Digest {
            jobs: part("jobs").map(|rendered| Jobs::read(&rendered, primary_now)),
            storage: storage(part("storage"), part("disk_pools")),
            clients,
        }
    }
}

impl<T> Part<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Part<U> {
        match self {
            Part::Off => Part::Off,
            Part::Never => Part::Never,
            Part::Expired { age } => Part::Expired { age },
            Part::Known { data, stale } => Part::Known { data: change(data), stale },
        }
    }

    pub(super) fn data(&self) -> Option<&T> {
        match self {
            Part::Known { data, .. } => Some(data),
            _ => None,
        }
    }

    /// Why there is nothing to show; `None`: there is.
    pub(super) fn absence(&self) -> Option<String> {
        match self {
            Part::Off => Some("Not polled.".to_owned()),
            Part::Never => Some("Not read yet.".to_owned()),
            Part::Expired { age } => Some(format!("Last read {age} ago: too old to be shown.")),
            Part::Known { .. } => None,
        }
    }

    /// The age of what is shown, where it is stale.
    pub(super) fn stale(&self) -> Option<&str> {
        match self {
            Part::Known { stale, .. } => stale.as_deref(),
            _ => None,
        }
    }
}

/// The snapshot of one collector, if it is served.
fn part(view: &SiteView, states: &[Arc<State<Rendered>>], collector: &str, now: Instant) -> Part<Arc<Rendered>> {
    let Some((slot, state)) = view.slots.iter().zip(states).find(|(slot, _)| slot.collector == collector) else {
        return Part::Off;
    };
    if state.unsupported {
        return Part::Off;
    }
    let Some(snapshot) = &state.snapshot else { return Part::Never };
    let (freshness, age) = (slot.freshness(state, now), snapshot.received.age(now));
    if !freshness.serves_data() {
        return Part::Expired { age: span(age) };
    }
    let stale = (age > slot.limits.stale_after).then(|| span(age));
    Part::Known { data: Arc::clone(&snapshot.payload), stale }
}

/// Storage units and disk pools tell of the same disks: what one lacks, the other may know.
fn storage(units: Part<Arc<Rendered>>, pools: Part<Arc<Rendered>>) -> Part<Vec<Fill>> {
    match (units, pools) {
        (Part::Known { data: units, stale }, Part::Known { data: pools, stale: pools_stale }) => {
            Part::Known { data: storage::fullest(Some(&units), Some(&pools)), stale: stale.or(pools_stale) }
        }
        (Part::Known { data, stale }, _) => Part::Known { data: storage::fullest(Some(&data), None), stale },
        (_, Part::Known { data, stale }) => Part::Known { data: storage::fullest(None, Some(&data)), stale },
        (Part::Off, other) | (other, _) => other.map(|_| Vec::new()),
    }
}

/// The sum of `samples` by one label, the `most` largest in their order.
fn largest_by<'a>(samples: impl Iterator<Item = Sample<'a>>, label: &str, most: usize) -> Vec<(String, f64)> {
    let mut sums: Vec<(&str, f64)> = Vec::new();
    for sample in samples.filter(|sample| sample.value > 0.0) {
        let name = sample.raw_label(label);
        match sums.iter().position(|(other, _)| *other == name).and_then(|at| sums.get_mut(at)) {
            Some((_, sum)) => *sum += sample.value,
            // NetBackup has some hundreds of reasons and codes; a list without end must not cost a page.
            None => sums.push((name, sample.value)),
        }
        if sums.len() == MOST_NAMES {
            break;
        }
    }
    sums.sort_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| a.cmp(b)));
    sums.truncate(most);
    sums.into_iter().map(|(name, sum)| (crate::exposition::unescaped(name).into_owned(), sum)).collect()
}

/// How long ago something was, by the primary's clock.
fn since(primary_now: f64, then: f64) -> Duration {
    Duration::try_from_secs_f64(primary_now - then).unwrap_or_default()
}

#[cfg(test)]
mod tests;
