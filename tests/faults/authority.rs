//! Certificates of a test's own authority.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::path::{Path, PathBuf};

use netbackup_exporter::simulator::Tls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// A new one, unknown to everybody.
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// What a server named `name` shows; valid until the end of the given year.
    pub fn server(&self, name: &str, until: i32) -> Tls {
        let (certificate, key) = self.issue(name, until);
        Tls::from_pem(certificate.as_bytes(), key.as_bytes(), None).unwrap()
    }

    /// The same, for a server that lets in only clients with a certificate of this authority.
    pub fn server_for_known_clients(&self, name: &str) -> Tls {
        let (certificate, key) = self.issue(name, 2099);
        Tls::from_pem(certificate.as_bytes(), key.as_bytes(), Some(self.pem.as_bytes())).unwrap()
    }

    /// As [`Authority::server`], but as PEM: certificate and key.
    pub fn issue(&self, name: &str, until: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// The certificate of the authority as a file in `directory`.
    pub fn file(&self, directory: &Path) -> PathBuf {
        let path = directory.join("ca.pem");
        std::fs::write(&path, &self.pem).unwrap();
        path
    }
}
