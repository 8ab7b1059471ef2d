//! What the domain's security is like, and what of it expires: risk score and settings (`/security/status`), certificates
//! of hosts (`/security/certificates/current`), API keys (`/security/api-keys`) and certificate authorities
//! (`/security/cacert`, which needs no right).

mod api_keys;
mod certificates;

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use self::certificates::Certificates;
use super::About;
use super::series::seconds;
use super::whole::{Reading, Source};
use crate::config::{self, Credential};
use crate::exposition::{Family, Kind, Page};
use crate::netbackup::lists::security::{Authorities, Authority, HostCertificates, Status};
use crate::netbackup::{Endpoint, Error};

/// Certificate authorities that are shown, the soonest to expire first; a domain has one or two.
const MOST_AUTHORITIES: usize = 20;

/// Risk of the domain.
pub static RISK_SCORE: Family = Family {
    name: "netbackup_security_risk_score",
    kind: Kind::Gauge,
    help: "Risk score of the domain's security settings at the last poll, from 0 to 100: higher is riskier (platformRiskScore).",
    labels: &["site"],
};

/// Risk of a setting.
pub static SETTING_RISK_SCORE: Family = Family {
    name: "netbackup_security_setting_risk_score",
    kind: Kind::Gauge,
    help: "Risk score of a security setting at the last poll, from 0 to 100: higher is riskier (currentConfigRiskScore).",
    labels: &["site", "setting"],
};

/// State of a setting.
pub static SETTING_ENABLED: Family = Family {
    name: "netbackup_security_setting_enabled",
    kind: Kind::Gauge,
    help: "Whether a security setting that is on or off, such as mfaEnforced, was on at the last poll (1) or off (0); its risk score tells which is better.",
    labels: &["site", "setting"],
};

/// Certificates of hosts.
pub static CERTIFICATES: Family = Family {
    name: "netbackup_certificates",
    kind: Kind::Gauge,
    help: "Latest NetBackup CA certificates of hosts at the last poll by state (ACTIVE, REVOKED) and type of host (SERVER, CLIENT, UNKNOWN); deleted ones are left out.",
    labels: &["site", "state", "host_type"],
};

/// Those that have expired.
pub static CERTIFICATES_EXPIRED: Family = Family {
    name: "netbackup_certificates_expired",
    kind: Kind::Gauge,
    help: "Certificates among the ACTIVE ones of netbackup_certificates that had expired by the primary's clock at the last poll.",
    labels: &["site", "host_type"],
};

/// The next to expire.
pub static CERTIFICATES_EARLIEST: Family = Family {
    name: "netbackup_certificates_earliest_expiry_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the next of the ACTIVE certificates expires that had not expired at the last poll, in Unix time.",
    labels: &["site", "host_type"],
};

/// Expiry of single ones.
pub static CERTIFICATE_EXPIRY: Family = Family {
    name: "netbackup_certificate_expiry_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the host's ACTIVE certificate expires, in Unix time, at the last poll: of the 20 hosts whose certificates expire next, and of up to 200 servers, expired ones too.",
    labels: &["site", "host", "host_type"],
};

/// API keys.
pub static API_KEYS: Family = Family {
    name: "netbackup_api_keys",
    kind: Kind::Gauge,
    help: "API keys that the credential could see at the last poll, expired ones too.",
    labels: &["site"],
};

/// Their expiry.
pub static API_KEY_EXPIRY: Family = Family {
    name: "netbackup_api_key_expiry_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the user's API key expires, in Unix time, at the last poll: of the 200 that expire next. own: true for the key that the exporter polls with, false for another, empty where that cannot be known.",
    labels: &["site", "user", "domain", "own"],
};

/// Certificate authorities.
pub static CA_EXPIRY: Family = Family {
    name: "netbackup_ca_certificate_expiry_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the certificate of a NetBackup certificate authority expires, in Unix time, at the last poll, by its SHA-256 fingerprint; one that is to be removed is left out.",
    labels: &["site", "subject", "fingerprint"],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "security",
    title: "Security",
    endpoints: &[Endpoint::SecurityStatus, Endpoint::Certificates, Endpoint::ApiKeys, Endpoint::CaCertificates],
    releases: "all; the risk score 10.5 and later",
    cardinality: "two per security setting (11 to 19, at most 100), up to 220 certificates, 200 API keys, 20 certificate authorities, some ten besides",
    cost: "a request per 100 API keys and four others; one lists the certificates of all hosts",
    families: &[
        &API_KEY_EXPIRY,
        &API_KEYS,
        &CA_EXPIRY,
        &CERTIFICATE_EXPIRY,
        &CERTIFICATES,
        &CERTIFICATES_EARLIEST,
        &CERTIFICATES_EXPIRED,
        &RISK_SCORE,
        &SETTING_ENABLED,
        &SETTING_RISK_SCORE,
    ],
};

/// The source.
pub struct Security {
    /// A user signs in with a password: no API key is the exporter's own.
    signs_in: bool,
}

impl Security {
    /// Of one site.
    #[must_use]
    pub fn new(site: &config::Site) -> Security {
        Security { signs_in: matches!(site.credential, Credential::Login(_)) }
    }
}

impl Source for Security {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let now = reading.client.server_now_ms().await?;
            read_status(reading).await?;
            let certificates = reading
                .fold::<HostCertificates, Certificates>(move |found, certificate| found.add(&certificate, now))
                .await?;
            if let Some(certificates) = certificates {
                certificates.write(&mut reading.page);
            }
            api_keys::read(reading, self.signs_in, now).await?;
            let authorities = reading.flat::<Authorities, _>(|certificates| certificates.authorities()).await?;
            write_authorities(&mut reading.page, authorities.unwrap_or_default());
            Ok(())
        }
        .boxed()
    }
}

async fn read_status(reading: &mut Reading<'_>) -> Result<(), Error> {
    let status = reading
        .single::<Status, _>(|status| {
            let settings =
                status.settings().into_iter().map(|(name, setting)| (name, (setting.score, setting.enabled)));
            (status.score, settings.collect::<BTreeMap<_, _>>())
        })
        .await?;
    let Some((score, settings)) = status else { return Ok(()) };
    let page = &mut reading.page;
    if let Some(score) = sane(score) {
        page.gauge(&RISK_SCORE, &[], score);
    }
    for (setting, (score, enabled)) in &settings {
        if let Some(score) = sane(*score) {
            page.gauge(&SETTING_RISK_SCORE, &[setting], score);
        }
        if let Some(enabled) = enabled {
            page.gauge(&SETTING_ENABLED, &[setting], f64::from(*enabled));
        }
    }
    Ok(())
}

/// A score as published; another one is none.
fn sane(score: Option<f64>) -> Option<f64> {
    score.filter(|score| (0.0..=100.0).contains(score))
}

fn write_authorities(page: &mut Page, mut authorities: Vec<Authority>) {
    authorities.sort_by_key(|authority| authority.not_after);
    let known = authorities.iter().filter_map(|authority| Some((authority, authority.not_after?)));
    // Of two under one label the one counts that is the first to expire.
    let mut shown = BTreeMap::new();
    for (authority, not_after) in known.take(MOST_AUTHORITIES) {
        shown.entry([&*authority.subject, &*authority.fingerprint]).or_insert(not_after);
    }
    for (labels, not_after) in shown {
        page.gauge(&CA_EXPIRY, &labels, seconds(not_after));
    }
}

/// What is to be shown first: what expires next, and what has expired last behind all that has not.
fn rank(expires: i64, now: i64) -> (bool, u64) {
    (expires < now, expires.abs_diff(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expires_next_comes_first_and_what_has_expired_last() {
        let mut moments = [900, 990, 1_500, 1_001, 1_000];
        moments.sort_by_key(|expires| rank(*expires, 1_000));
        assert_eq!(moments, [1_000, 1_001, 1_500, 990, 900]);
    }

    #[test]
    fn of_many_authorities_those_are_shown_that_expire_first() {
        let authority = |n: i64| Authority {
            subject: "nbatd".to_owned(),
            fingerprint: format!("{:02X}", n / 2),
            not_after: (n != 7).then_some(1_764_194_404_000 + n),
        };
        let mut page = Page::new("paris");
        write_authorities(&mut page, (0..60).rev().map(authority).collect());
        let text = page.finish().text();
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(samples.len(), 11, "20 certificates, and 9 of them under a label that is there already");
        assert!(samples[0].contains("fingerprint=\"00\"") && samples[0].ends_with(" 1764194404"), "{}", samples[0]);
        assert_eq!((sane(Some(100.0)), sane(Some(-0.5)), sane(Some(100.5))), (Some(100.0), None, None));
    }
}
