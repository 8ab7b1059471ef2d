//! What a certificate says of itself. Nothing of it is believed here: verification is the TLS library's.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use super::error::sanitise;

/// A certificate as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The common name, else the whole name of the subject.
    pub subject: String,
    /// DNS names and addresses that it is for.
    pub names: Vec<String>,
    /// The common name, else the whole name of the issuer.
    pub issuer: String,
    /// From when on it is valid.
    pub not_before: SystemTime,
    /// Until when it is valid.
    pub not_after: SystemTime,
}

impl Certificate {
    /// Reads a certificate in DER; `None`: it is none, or one that breaks the rules of its format.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Certificate> {
        let certificate = x509_cert::Certificate::from_der(der).ok()?;
        let signed = certificate.tbs_certificate();
        let validity = signed.validity();
        let moment = |time: Duration| SystemTime::UNIX_EPOCH.checked_add(time);
        let names = match signed.get_extension::<SubjectAltName>() {
            Ok(Some((_, names))) => names.0.iter().filter_map(name).collect(),
            _ => Vec::new(),
        };
        Some(Certificate {
            subject: text(signed.subject()),
            names,
            issuer: text(signed.issuer()),
            not_before: moment(validity.not_before.to_unix_duration())?,
            not_after: moment(validity.not_after.to_unix_duration())?,
        })
    }
}

fn text(name: &Name) -> String {
    match name.common_name() {
        Ok(Some(common)) => sanitise(&common.value()),
        _ => sanitise(&name.to_string()),
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(sanitise(name.as_ref())),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn der() -> Vec<u8> {
        let names = ["nbu.example.com", "10.1.2.3", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names.to_vec()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "nbu\n\u{1b}[31m primary");
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(2051, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_issuer_and_validity_are_read() {
        let certificate = Certificate::read(&der()).unwrap();
        assert_eq!(certificate.names, ["nbu.example.com", "10.1.2.3", "::1"]);
        assert_eq!(certificate.subject, "nbu[31m primary", "nothing that moves a cursor is left");
        assert_eq!(certificate.issuer, certificate.subject);
        let unix = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!((unix(certificate.not_before), unix(certificate.not_after)), (1_704_067_200, 2_556_144_000));
    }

    proptest! {
        #[test]
        fn whatever_a_server_sends_is_no_panic(at in 0_usize..300, with: u8, cut in 0_usize..400, rubbish: Vec<u8>) {
            let _ = Certificate::read(&rubbish);
            let mut der = der();
            if let Some(byte) = der.get_mut(at) {
                *byte = with;
            }
            der.truncate(der.len().saturating_sub(cut / 4));
            let _ = Certificate::read(&der);
        }
    }
}
