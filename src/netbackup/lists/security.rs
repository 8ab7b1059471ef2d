//! Risk score, certificates, API keys as the API writes them.

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::de::{IgnoredAny, MapAccess};

use crate::clock::unix_ms;
use crate::netbackup::attr::Attr;
use crate::netbackup::certificate::Certificate;
use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::FullOffset;
use crate::netbackup::record::{Resource, record};
use crate::netbackup::single::{Flat, Single};
use crate::netbackup::stream::FlatList;
use crate::netbackup::walk::List;
use crate::netbackup::wire::Record;

/// Releases add settings: 11.2 has nineteen.
const MOST_SETTINGS: usize = 100;
const LONGEST_SETTING: usize = 100;

record! {
    /// How risky the domain is set up.
    pub(crate) struct SecurityStatus {
        /// 0 to 100.
        score: float = "platformRiskScore",
        settings: value = "securitySettingsDetail",
    }
}

record! {
    /// A setting that the score is made of.
    pub(crate) struct Setting {
        /// 0 to 100.
        score: float = "currentConfigRiskScore",
        /// Of those settings that are on or off; the others hold a number or a word.
        enabled: flag = "currentConfigState",
    }
}

/// Settings by name: a release may add any.
#[derive(Default)]
struct Settings<'a>(Vec<(String, Attr<'a>)>);

impl<'de> Record<'de> for Settings<'de> {
    fn field<M: MapAccess<'de>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error> {
        if key.len() > LONGEST_SETTING || self.0.len() >= MOST_SETTINGS {
            map.next_value::<IgnoredAny>()?;
        } else {
            self.0.push((key.to_owned(), map.next_value()?));
        }
        Ok(())
    }
}

impl<'a> SecurityStatus<'a> {
    /// Each setting with its name.
    pub(crate) fn settings(&self) -> Vec<(String, Setting<'a>)> {
        let settings = self.settings.and_then(Attr::object::<Settings<'a>>).unwrap_or_default();
        settings.0.into_iter().filter_map(|(name, setting)| Some((name, setting.record()?))).collect()
    }
}

/// `/security/status`.
pub(crate) enum Status {}

impl Single for Status {
    type Row<'a> = Resource<'a, SecurityStatus<'a>>;
    const ENDPOINT: Endpoint = Endpoint::SecurityStatus;
}

record! {
    /// The latest certificate that the primary's CA has issued to a host.
    pub(crate) struct HostCertificate {
        /// The host's name.
        host: text = "hostName" or "it has no hostName",
        /// 1 active, 2 revoked.
        state: integer = "state",
        /// 0 unknown, 1 server, 2 client.
        host_type: integer = "hostType",
        /// Until when it is valid.
        not_after: epoch = "notAfter",
        /// Since 11.0.
        is_deleted: flag = "isCertDeleted",
    }
}

/// `/security/certificates/current`.
pub(crate) enum HostCertificates {}

impl FlatList for HostCertificates {
    type Row<'a> = HostCertificate<'a>;
    const ENDPOINT: Endpoint = Endpoint::Certificates;
    const ROOT: &'static str = "certificateList";
}

record! {
    /// An API key. Its tag, which may give away some of the key, is used to tell rows apart and for nothing else.
    pub(crate) struct ApiKey {
        /// Whose key it is.
        user: text = "userName" or "it has no userName",
        /// The domain of that account.
        domain: text = "userDomain",
        /// Until when it is valid.
        expires: time = "expiryDateTime",
    }
}

/// `/security/api-keys`.
pub(crate) enum ApiKeys {}

impl List for ApiKeys {
    type Shape = FullOffset;
    type Row<'a> = Resource<'a, ApiKey<'a>>;
    const ENDPOINT: Endpoint = Endpoint::ApiKeys;
    const LARGEST_PAGE: u16 = 100;
    const MOST_PAGES: u64 = 1_000;
}

record! {
    /// The certificates of the primary's certificate authorities. What is asked for in an older version comes in an older form.
    pub(crate) struct CaCertificates {
        current: [CaCertificate] = "caCertificateData",
        older: texts = "cacert",
    }
}

record! {
    /// One of them.
    pub(crate) struct CaCertificate {
        pem: text = "caCert",
        /// `ADD`, or `REMOVE` for one that is on its way out.
        action: text = "caCertAction",
        details: {CaDetails} = "caCertDetails",
    }
}

record! {
    /// What is said of it.
    pub(crate) struct CaDetails {
        not_after: time = "notAfter",
    }
}

/// `/security/cacert`.
pub(crate) enum Authorities {}

impl Flat for Authorities {
    type Row<'a> = CaCertificates<'a>;
    const ENDPOINT: Endpoint = Endpoint::CaCertificates;
}

/// A certificate authority that hosts trust, or are to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    /// The common name, else the whole name of the subject; empty where the certificate cannot be read.
    pub(crate) subject: String,
    /// SHA-256 of the certificate, as NetBackup and openssl write it.
    pub(crate) fingerprint: String,
    /// Until when it is valid, Unix milliseconds.
    pub(crate) not_after: Option<i64>,
}

impl CaCertificates<'_> {
    /// Those that are not to be removed.
    pub(crate) fn authorities(&self) -> Vec<Authority> {
        let current = self.current.iter().filter(|certificate| certificate.action != "REMOVE");
        let current = current
            .map(|certificate| (&*certificate.pem, certificate.details.as_ref().and_then(|details| details.not_after)));
        current.chain(self.older.iter().map(|pem| (&**pem, None))).map(|(pem, until)| authority(pem, until)).collect()
    }
}

fn authority(pem: &str, not_after: Option<i64>) -> Authority {
    let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else {
        return Authority { subject: String::new(), fingerprint: String::new(), not_after };
    };
    let read = Certificate::read(&der);
    let inside = read.as_ref().and_then(|certificate| i64::try_from(unix_ms(certificate.not_after)).ok());
    let octets: Vec<String> = digest(&SHA256, &der).as_ref().iter().map(|octet| format!("{octet:02X}")).collect();
    Authority {
        subject: read.map(|certificate| certificate.subject).unwrap_or_default(),
        fingerprint: octets.join(":"),
        not_after: not_after.or(inside),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};
    use serde_json::json;

    use super::*;
    use crate::netbackup::wire;

    #[test]
    fn settings_are_whatever_the_release_has() {
        let text = json!({"data": {"id": "x", "attributes": {"platformRiskScore": 12.5, "securitySettingsDetail": {
            "mfaEnforced": {"currentConfigState": false, "currentConfigRiskScore": 100},
            "dteGlobalMode": {"currentConfigState": "ENFORCED", "currentConfigRiskScore": 0.5},
            ("x".repeat(101)): {"currentConfigState": true},
            "brandNew": {"currentConfigState": 1, "currentConfigRiskScore": "high"},
            "none": null,
        }}}})
        .to_string();
        let status: Resource<'_, SecurityStatus<'_>> = wire::entry(&text).unwrap();
        assert_eq!(status.score, Some(12.5));
        let mut settings: Vec<_> =
            status.settings().into_iter().map(|(name, setting)| (name, setting.score, setting.enabled)).collect();
        settings.sort_by(|a, b| a.0.cmp(&b.0));
        let expected =
            [("brandNew", None, None), ("dteGlobalMode", Some(0.5), None), ("mfaEnforced", Some(100.0), Some(false))]
                .map(|(name, score, enabled)| (name.to_owned(), score, enabled));
        assert_eq!(settings, expected);
        let many: serde_json::Map<_, _> = (0..300).map(|n| (format!("setting{n}"), json!({}))).collect();
        let text = json!({"data": {"id": "x", "attributes": {"securitySettingsDetail": many}}}).to_string();
        let status: Resource<'_, SecurityStatus<'_>> = wire::entry(&text).unwrap();
        assert_eq!(status.settings().len(), MOST_SETTINGS);
    }

    fn pem(name: &str) -> String {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = rcgen::date_time_ymd(2044, 5, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    fn authorities(text: &str) -> Vec<Authority> {
        wire::flat::<CaCertificates<'_>>(text).unwrap().authorities()
    }

    #[test]
    fn an_authority_on_its_way_out_does_not_count() {
        let details = json!({"notAfter": "2044-05-02T00:00:00.000Z"});
        let text = json!({"caCertificateData": [
            {"caCert": pem("one"), "caCertAction": "ADD", "caCertDetails": details},
            {"caCert": pem("gone"), "caCertAction": "REMOVE", "caCertDetails": details},
            {"caCert": pem("two"), "caCertAction": "ADD", "caCertDetails": {}},
            {"caCert": "rubbish", "caCertAction": "ADD", "caCertDetails": details},
        ]})
        .to_string();
        let found = authorities(&text);
        let said: Vec<_> = found.iter().map(|authority| (&*authority.subject, authority.not_after)).collect();
        assert_eq!(
            said,
            [("one", Some(2_345_760_000_000)), ("two", Some(2_345_673_600_000)), ("", Some(2_345_760_000_000))],
            "what the API says comes before what the certificate says"
        );
        let length = |index: usize| found[index].fingerprint.len();
        assert_eq!((length(0), length(2)), (95, 0));
        assert_ne!(found[0].fingerprint, found[1].fingerprint);
    }

    #[test]
    fn the_older_form_is_read_as_well() {
        let text = json!({"webRootCert": pem("web"), "cacert": [pem("old one")]}).to_string();
        let found = authorities(&text);
        assert_eq!((found.len(), &*found[0].subject, found[0].not_after), (1, "old one", Some(2_345_673_600_000)));
    }
}
