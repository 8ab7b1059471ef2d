//! The certificates of hosts, summed up while they arrive: a domain may have tens of thousands.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::super::series::seconds;
use super::super::tally::count;
use super::{CERTIFICATE_EXPIRY, CERTIFICATES, CERTIFICATES_EARLIEST, CERTIFICATES_EXPIRED, rank};
use crate::exposition::Page;
use crate::netbackup::lists::security::HostCertificate;

/// Certificates that are shown one by one because they expire next.
const MOST_SOON: usize = 20;
/// Certificates of servers that are shown in any case.
const MOST_SERVERS: usize = 200;

/// What a number of the API means.
type Word = Cow<'static, str>;

const STATES: [(i64, &str); 2] = [(1, ACTIVE), (2, "REVOKED")];
const ACTIVE: &str = "ACTIVE";
const HOST_TYPES: [(i64, &str); 3] = [(0, "UNKNOWN"), (1, SERVER), (2, "CLIENT")];
const SERVER: &str = "SERVER";

/// The word of a number; a number without one is `CODE_<n>`, and one that makes no sense `other`, so that labels are few.
fn word(code: Option<i64>, words: &[(i64, &'static str)]) -> Word {
    let Some(code) = code else { return Cow::Borrowed("") };
    match words.iter().find(|(known, _)| *known == code) {
        Some((_, word)) => Cow::Borrowed(word),
        None if (0..100).contains(&code) => Cow::Owned(format!("CODE_{code}")),
        None => Cow::Borrowed("other"),
    }
}

/// The sums, and the few that are shown one by one.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    counts: BTreeMap<(Word, Word), u64>,
    /// By type of host, those that have a date at all.
    expired: BTreeMap<Word, u64>,
    earliest: BTreeMap<Word, i64>,
    /// Not expired yet: when they will, host and type.
    soon: BTreeSet<(i64, String, Word)>,
    /// By [`rank`]: when they expire, and host.
    servers: BTreeSet<((bool, u64), i64, String)>,
}

impl Certificates {
    /// `now`: the primary's clock.
    pub(super) fn add(&mut self, certificate: &HostCertificate<'_>, now: i64) {
        if certificate.is_deleted == Some(true) {
            return;
        }
        let (state, host_type) = (word(certificate.state, &STATES), word(certificate.host_type, &HOST_TYPES));
        let is_active = state == ACTIVE;
        count(&mut self.counts, (state, host_type.clone()), 1);
        let Some(until) = certificate.not_after.filter(|_| is_active) else { return };
        let host = || certificate.host.clone().into_owned();
        if host_type == SERVER {
            insert(&mut self.servers, (rank(until, now), until, host()), MOST_SERVERS);
        }
        let expired = self.expired.entry(host_type.clone()).or_default();
        if until < now {
            *expired = expired.saturating_add(1);
            return;
        }
        let earliest = self.earliest.entry(host_type.clone()).or_insert(until);
        *earliest = until.min(*earliest);
        let is_soon = self.soon.len() < MOST_SOON || self.soon.last().is_some_and(|(last, ..)| until <= *last);
        if is_soon {
            insert(&mut self.soon, (until, host(), host_type), MOST_SOON);
        }
    }

    pub(super) fn write(self, page: &mut Page) {
        for ((state, host_type), count) in self.counts {
            page.gauge(&CERTIFICATES, &[&state, &host_type], count);
        }
        for (host_type, count) in self.expired {
            page.gauge(&CERTIFICATES_EXPIRED, &[&host_type], count);
        }
        for (host_type, until) in self.earliest {
            page.gauge(&CERTIFICATES_EARLIEST, &[&host_type], seconds(until));
        }
        // Two hosts may bear one name: then the certificate counts that is the first to expire.
        let mut shown: BTreeMap<(String, Word), i64> = BTreeMap::new();
        let servers = self.servers.into_iter().map(|(_, until, host)| (until, host, Cow::Borrowed(SERVER)));
        for (until, host, host_type) in servers.chain(self.soon) {
            let first = shown.entry((host, host_type)).or_insert(until);
            *first = until.min(*first);
        }
        for ((host, host_type), until) in shown {
            page.gauge(&CERTIFICATE_EXPIRY, &[&host, &host_type], seconds(until));
        }
    }
}

/// Keeps the `most` least.
fn insert<T: Ord>(set: &mut BTreeSet<T>, value: T, most: usize) {
    set.insert(value);
    if set.len() > most {
        set.pop_last();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_764_201_600_000;

    fn certificate(host: &str, state: i64, host_type: i64, until: i64) -> HostCertificate<'_> {
        HostCertificate {
            host: host.into(),
            state: Some(state),
            host_type: Some(host_type),
            not_after: Some(until),
            is_deleted: None,
            borrowed: std::marker::PhantomData,
        }
    }

    fn text(certificates: Certificates) -> String {
        let mut page = Page::new("paris");
        certificates.write(&mut page);
        page.finish()
            .text()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .fold(String::new(), |all, line| all + line + "\n")
    }

    #[test]
    fn of_ten_thousand_hosts_the_next_twenty_are_shown() {
        let mut found = Certificates::default();
        for n in 0..10_000 {
            // Expired ones of hosts long gone must not hide those that are next.
            let until = if n % 2 == 0 { NOW - 1_000 - n } else { NOW + 1_000_000 - n };
            found.add(&certificate(&format!("c{n:05}"), 1, 2, until), NOW);
        }
        let text = text(found);
        let hosts: Vec<_> =
            text.lines().filter_map(|line| line.split("host=\"").nth(1)).map(|rest| &rest[..6]).collect();
        assert_eq!(hosts, (0..20).map(|n| format!("c{:05}", 9_961 + 2 * n)).collect::<Vec<_>>());
        assert!(text.contains("netbackup_certificates_expired{site=\"paris\",host_type=\"CLIENT\"} 5000\n"), "{text}");
        assert!(text.contains("netbackup_certificates{site=\"paris\",state=\"ACTIVE\",host_type=\"CLIENT\"} 10000\n"));
        assert!(
            text.contains("expiry_timestamp_seconds{site=\"paris\",host_type=\"CLIENT\"} 1764202590.001\n"),
            "{text}"
        );
    }

    #[test]
    fn servers_are_shown_with_expired_certificates_too_as_far_as_they_fit() {
        let mut found = Certificates::default();
        found.add(&certificate("dead", 1, 1, NOW - 1), NOW);
        found.add(&certificate("revoked", 2, 1, NOW + 1), NOW);
        found.add(&certificate("twin", 1, 1, NOW + 9_000), NOW);
        found.add(&certificate("twin", 1, 1, NOW + 5_000), NOW);
        let shown = text(found);
        assert!(shown.contains("host=\"dead\",host_type=\"SERVER\"} 1764201599.999\n"), "{shown}");
        assert!(shown.contains("host=\"twin\",host_type=\"SERVER\"} 1764201605\n"), "{shown}");
        assert!(!shown.contains("revoked"), "{shown}");
        let mut found = Certificates::default();
        for n in 0..500 {
            let until = if n % 2 == 0 { NOW - n } else { NOW + n };
            found.add(&certificate(&format!("m{n}"), 1, 1, until), NOW);
        }
        assert_eq!(text(found).lines().filter(|line| line.contains("host=")).count(), MOST_SERVERS);
    }

    #[test]
    fn numbers_without_a_word_make_few_labels() {
        assert_eq!(word(Some(2), &STATES), "REVOKED");
        assert_eq!(word(Some(9), &STATES), "CODE_9");
        assert_eq!((word(Some(-1), &STATES), word(Some(100), &STATES)), ("other".into(), "other".into()));
        assert_eq!(word(None, &STATES), "");
    }
}
