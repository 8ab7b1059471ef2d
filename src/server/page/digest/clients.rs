//! Clients whose backups have not succeeded for too long.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::{MOST, since};
use crate::exposition::{Rendered, Sample, unescaped};

/// As the alerts have it: `netbackup:threshold:client_overdue_seconds`.
pub(in crate::server::page) const OVERDUE_SECONDS: u64 = 129_600;

/// What the page says of clients.
pub(in crate::server::page) struct Clients {
    /// Clients that a backup was tried of.
    pub(in crate::server::page) tried: usize,
    /// Those of which a policy succeeded once, and not for too long.
    pub(in crate::server::page) overdue: usize,
    /// Those of which a policy is not known to have succeeded. Since when it tries is not known either.
    pub(in crate::server::page) without: usize,
    /// A line each client and policy: those that are overdue for longest, then those without a success.
    pub(in crate::server::page) worst: Vec<Overdue>,
}

/// A client that a policy should have backed up.
pub(in crate::server::page) struct Overdue {
    pub(in crate::server::page) client: String,
    pub(in crate::server::page) policy: String,
    /// How long ago a backup has succeeded; `None`: none is known.
    pub(in crate::server::page) age: Option<Duration>,
}

impl Clients {
    pub(super) fn read(rendered: &Rendered, primary_now: f64) -> Clients {
        let backups = |family| rendered.read(family).filter(|sample| sample.raw_label("job_type") == "BACKUP");
        let successes: HashMap<(&str, &str), f64> = backups("netbackup_client_last_success_timestamp_seconds")
            .map(|sample| (key(&sample), sample.value))
            .collect();
        let (mut tried, mut overdue, mut without) = (HashSet::new(), HashSet::new(), HashSet::new());
        let mut late: Vec<(f64, &str, &str)> = Vec::new();
        for sample in backups("netbackup_client_last_attempt_timestamp_seconds") {
            let (client, policy) = key(&sample);
            tried.insert(client);
            match successes.get(&(client, policy)).map(|then| primary_now - then) {
                Some(age) if age > Duration::from_secs(OVERDUE_SECONDS).as_secs_f64() => {
                    overdue.insert(client);
                    late.push((age, client, policy));
                }
                Some(_) => {}
                None => {
                    without.insert(client);
                    late.push((NEVER, client, policy));
                }
            }
        }
        late.sort_by(|(x, a, p), (y, b, q)| y.total_cmp(x).then_with(|| (a, p).cmp(&(b, q))));
        late.truncate(MOST);
        let worst = late.into_iter().map(|(age, client, policy)| Overdue {
            client: unescaped(client).into_owned(),
            policy: unescaped(policy).into_owned(),
            age: (age > NEVER).then(|| since(age, 0.0)),
        });
        Clients { tried: tried.len(), overdue: overdue.len(), without: without.len(), worst: worst.collect() }
    }
}

/// Stands for an age where there is none, and sorts behind those that are overdue.
const NEVER: f64 = 0.0;

fn key<'a>(sample: &Sample<'a>) -> (&'a str, &'a str) {
    (sample.raw_label("client"), sample.raw_label("policy"))
}
