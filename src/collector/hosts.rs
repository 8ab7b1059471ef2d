//! Hosts: how many there are of each type, release and operating system, how they talk to each other, and which clients are
//! paused. Endpoints: `/config/hosts`, which comes whole in one answer, and `/config/paused-clients`, every page.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::series::{Bounded, flag, number, put, seconds};
use super::tally::count;
use super::whole::{Reading, Source};
use crate::config;
use crate::exposition::{Family, Kind, Page};
use crate::netbackup::lists::hosts::{Host, Hosts as HostList, PausedClients};
use crate::netbackup::{Endpoint, Error, Listing};

/// Names of hosts.
pub static MAPPINGS: Family = Family {
    name: "netbackup_host_mappings",
    kind: Kind::Gauge,
    help: "Names that are mapped to hosts at the last poll. One that is not approved waits for an administrator; one that conflicts belongs to another host too.",
    labels: &["site", "approved", "conflicting"],
};

/// Hosts.
pub static HOSTS: Family = Family {
    name: "netbackup_hosts",
    kind: Kind::Gauge,
    help: "Hosts of the domain at the last poll, by type, NetBackup release and type of operating system.",
    labels: &["site", "host_type", "release", "os"],
};

/// Hosts that are out of service.
pub static DECOMMISSIONED: Family = Family {
    name: "netbackup_hosts_decommissioned",
    kind: Kind::Gauge,
    help: "Those of netbackup_hosts that are decommissioned at the last poll (11.0 and later).",
    labels: &["site", "host_type"],
};

/// Encryption of data in transit.
pub static DTE: Family = Family {
    name: "netbackup_hosts_dte_mode",
    kind: Kind::Gauge,
    help: "Hosts of the domain at the last poll, by their mode of encrypting data in transit (dteClientMode).",
    labels: &["site", "dte_mode"],
};

/// FIPS.
pub static FIPS: Family = Family {
    name: "netbackup_hosts_fips",
    kind: Kind::Gauge,
    help: "Hosts of the domain at the last poll, by whether FIPS is enabled on them (fipsEnabled, 11.0 and later).",
    labels: &["site", "fips"],
};

/// Secure communication.
pub static SECURE: Family = Family {
    name: "netbackup_hosts_secure",
    kind: Kind::Gauge,
    help: "Hosts of the domain at the last poll, by whether they can communicate securely (isSecureEnabled).",
    labels: &["site", "secure"],
};

/// Since when a client is paused.
pub static PAUSED_SINCE: Family = Family {
    name: "netbackup_paused_client_since_timestamp_seconds",
    kind: Kind::Gauge,
    help: "Since when the client is paused, as polled, in Unix time; of the first 1,000 paused clients by name.",
    labels: &["site", "client", "reason"],
};

/// Until when.
pub static PAUSED_UNTIL: Family = Family {
    name: "netbackup_paused_client_until_timestamp_seconds",
    kind: Kind::Gauge,
    help: "Until when the client is paused, as polled, in Unix time, where an end is set; of the first 1,000 paused clients by name.",
    labels: &["site", "client", "reason"],
};

/// Paused clients.
pub static PAUSED: Family = Family {
    name: "netbackup_paused_clients",
    kind: Kind::Gauge,
    help: "Clients whose protection is paused at the last poll, by reason and by who paused them (AUTOMATIC or MANUAL). Those that NetBackup paused for malware (MALWARE, AUTOMATIC) are 0 where there are none.",
    labels: &["site", "reason", "trigger"],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "hosts",
    title: "Hosts and paused clients",
    endpoints: &[Endpoint::Hosts, Endpoint::PausedClients],
    releases: "all",
    cardinality: "one series per host type, release and operating system in use, some ten more, and up to 2 per paused client (the first 1,000)",
    cost: "one request, whose answer holds every host (some 2 KB each), and one per 100 paused clients",
    families: &[&MAPPINGS, &HOSTS, &DECOMMISSIONED, &DTE, &FIPS, &SECURE, &PAUSED_SINCE, &PAUSED_UNTIL, &PAUSED],
};

/// Releases in use at a time are fewer.
const MOST_RELEASES: usize = 48;
/// Types of operating systems are fewer.
const MOST_SYSTEMS: usize = 24;
/// Words of the enumerations are fewer, and so are reasons to pause.
const MOST_WORDS: usize = 16;
/// The paused clients that are shown where there are none: an alert on them must end.
const AT_LEAST: [&str; 2] = ["MALWARE", "AUTOMATIC"];
/// Paused clients that have series of their own.
const MOST_PAUSED: usize = 1_000;

/// The source.
pub struct Hosts;

impl Hosts {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> Hosts {
        Hosts
    }
}

/// Counts by label.
type Counts<const LABELS: usize> = BTreeMap<[String; LABELS], u64>;

/// What the hosts come to; none of them is kept.
struct Tally {
    hosts: Counts<3>,
    decommissioned: Counts<1>,
    dte: Counts<1>,
    fips: Counts<1>,
    secure: Counts<1>,
    mappings: Counts<2>,
    host_types: Bounded,
    releases: Bounded,
    systems: Bounded,
    dte_modes: Bounded,
    fips_words: Bounded,
}

impl Default for Tally {
    fn default() -> Tally {
        let words = || Bounded::new(MOST_WORDS);
        Tally {
            hosts: BTreeMap::new(),
            decommissioned: BTreeMap::new(),
            dte: BTreeMap::new(),
            fips: BTreeMap::new(),
            secure: BTreeMap::new(),
            mappings: BTreeMap::new(),
            host_types: words(),
            releases: Bounded::new(MOST_RELEASES),
            systems: Bounded::new(MOST_SYSTEMS),
            dte_modes: words(),
            fips_words: words(),
        }
    }
}

fn write<const LABELS: usize>(page: &mut Page, family: &'static Family, counts: &Counts<LABELS>) {
    for (labels, count) in counts {
        page.gauge(family, &labels.each_ref().map(String::as_str), number(*count));
    }
}

impl Tally {
    fn add(&mut self, host: &Host<'_>) {
        let host_type = self.host_types.label(&host.host_type);
        let labels = [host_type, self.releases.label(&host.release), self.systems.label(&host.os)];
        count(&mut self.hosts, labels.map(str::to_owned), 1);
        if host.decommissioned.is_some_and(|time| time > 0) {
            count(&mut self.decommissioned, [host_type.to_owned()], 1);
        }
        if !host.dte_mode.is_empty() {
            count(&mut self.dte, [self.dte_modes.label(&host.dte_mode).to_owned()], 1);
        }
        if !host.fips.is_empty() {
            count(&mut self.fips, [self.fips_words.label(&host.fips).to_owned()], 1);
        }
        if host.secure.is_some() {
            count(&mut self.secure, [flag(host.secure).to_owned()], 1);
        }
        for mapping in &host.mappings {
            count(&mut self.mappings, [mapping.approved, mapping.conflicting].map(|is| flag(is).to_owned()), 1);
        }
    }

    fn write(&self, page: &mut Page) {
        write(page, &HOSTS, &self.hosts);
        write(page, &DECOMMISSIONED, &self.decommissioned);
        write(page, &DTE, &self.dte);
        write(page, &FIPS, &self.fips);
        write(page, &SECURE, &self.secure);
        write(page, &MAPPINGS, &self.mappings);
    }
}

impl Source for Hosts {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            if let Some(tally) = reading.fold::<HostList, Tally>(|tally, host| tally.add(&host)).await? {
                tally.write(&mut reading.page);
            }
            paused_clients(reading).await
        }
        .boxed()
    }
}

/// What is kept of a paused client.
struct Paused {
    client: String,
    reason: String,
    trigger: String,
    since: Option<i64>,
    until: Option<i64>,
}

async fn paused_clients(reading: &mut Reading<'_>) -> Result<(), Error> {
    // By id, so that a client that moves between two pages while they are read is there once.
    let mut all: BTreeMap<String, Paused> = BTreeMap::new();
    let (mut reasons, mut triggers) = (Bounded::new(MOST_WORDS), Bounded::new(MOST_WORDS));
    let mut nameless = 0_u64;
    let listed = reading
        .list::<PausedClients>(Listing::ALL, |row| {
            let client = if row.name.is_empty() { &row.host_id } else { &row.name };
            let id = if row.id.is_empty() { client } else { &row.id };
            if id.is_empty() {
                nameless = nameless.saturating_add(1);
                return;
            }
            let paused = Paused {
                client: client.clone().into_owned(),
                reason: reasons.label(&row.reason).to_owned(),
                trigger: triggers.label(&row.trigger).to_owned(),
                since: row.since,
                until: row.until,
            };
            all.insert(id.clone().into_owned(), paused);
        })
        .await?;
    if listed.is_none() {
        return Ok(());
    }
    reading.reject(nameless, (nameless > 0).then(|| "a paused client has neither id nor name".to_owned()));
    let mut counts: Counts<2> = BTreeMap::from([(AT_LEAST.map(str::to_owned), 0)]);
    // A client may be paused twice for one reason: then since the first time, until the last.
    let mut clients: BTreeMap<[&str; 2], (Option<i64>, Option<i64>)> = BTreeMap::new();
    for paused in all.values() {
        count(&mut counts, [&paused.reason, &paused.trigger].map(String::clone), 1);
        if !paused.client.is_empty() {
            let (since, until) = clients.entry([&paused.client, &paused.reason]).or_default();
            *since = [*since, paused.since].into_iter().flatten().min();
            *until = [*until, paused.until].into_iter().flatten().max();
        }
    }
    let page = &mut reading.page;
    write(page, &PAUSED, &counts);
    for (labels, (since, until)) in clients.iter().take(MOST_PAUSED) {
        for (family, time) in [(&PAUSED_SINCE, since), (&PAUSED_UNTIL, until)] {
            put(page, family, labels, time.map(seconds));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
