//! A TLS handshake looked at closely: which certificates came, and what is held against them. Trust is that of the
//! requests: the same roots, the same name, the same certificate of our own.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::certificate::Certificate;
use super::error::{BuildError, find_cause};
use super::transport::read;
use crate::config::Site;

/// What a handshake showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Handshake {
    /// What the primary presented, its own certificate first; `None` where one cannot be read.
    pub chain: Vec<Option<Certificate>>,
    /// What is held against the chain, also where `insecure_skip_verify` lets it pass.
    pub distrust: Option<Distrust>,
    /// The primary asked for a certificate of ours, and there is none.
    pub wants_certificate: bool,
    /// Why the handshake came to no end, distrust aside.
    pub broken: Option<Broken>,
}

/// What is held against a chain of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distrust {
    /// One of them is past its time.
    Expired,
    /// The time of one of them has not come.
    NotValidYet,
    /// They lead to nobody who is trusted.
    UnknownIssuer,
    /// An authority of that name is trusted, but it is another one.
    OtherIssuer,
    /// It is for other names.
    WrongName,
    /// In the words of the TLS library.
    Other(String),
}

/// How a handshake broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// What came is no TLS.
    NotTls,
    /// The primary closed the connection.
    Closed,
    /// The primary ended it, it may be for want of a certificate of ours.
    Refused(String),
    /// In the words of the TLS library.
    Other(String),
}

/// Verifies as requests do, and keeps what it saw.
#[derive(Debug)]
struct Recorder {
    /// `None`: there is nobody to trust, and nobody asked to.
    real: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
    skips: bool,
    seen: Mutex<Handshake>,
}

/// Has no certificate, and keeps whether it was asked for one.
#[derive(Debug, Default)]
struct Nobody(AtomicBool);

impl ResolvesClientCert for Nobody {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Makes a handshake over `stream` as the requests of `site` do, and closes the connection.
///
/// # Errors
/// When a file of `[site.tls]` cannot be used.
pub async fn handshake(site: &Site, stream: TcpStream) -> Result<Handshake, BuildError> {
    let problem = |problem: &str, source: Option<rustls::Error>| BuildError::Tls {
        site: Arc::clone(&site.name),
        problem: problem.to_owned(),
        source: source.map(Into::into),
    };
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    let real = verifier(site, &provider).map_err(|error| problem("nobody to trust can be found", Some(error)));
    let skips = site.tls.insecure_skip_verify;
    let real = if skips { real.ok() } else { Some(real?) };
    let recorder = Arc::new(Recorder { real, provider: Arc::clone(&provider), skips, seen: Mutex::default() });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| problem("TLS cannot be set up", Some(error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>);
    let nobody = Arc::new(Nobody::default());
    let mut config = match (&site.tls.client_cert_file, &site.tls.client_key_file) {
        (Some(certificate), Some(key)) => {
            let words = "client_cert_file and client_key_file are not a PEM certificate and its key";
            let chain =
                certificates(&read(site, "client_cert_file", certificate)?).ok_or_else(|| problem(words, None))?;
            let key = zeroize::Zeroizing::new(read(site, "client_key_file", key)?);
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| problem(words, None))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| problem(words, Some(error)))?
        }
        _ => builder.with_client_cert_resolver(Arc::clone(&nobody) as Arc<dyn ResolvesClientCert>),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = match (&site.tls.server_name, site.url.host()) {
        (Some(name), _) => ServerName::try_from(name.clone()).ok(),
        (None, Some(url::Host::Ipv4(address))) => Some(std::net::IpAddr::from(address).into()),
        (None, Some(url::Host::Ipv6(address))) => Some(std::net::IpAddr::from(address).into()),
        (None, Some(url::Host::Domain(name))) => ServerName::try_from(name.to_owned()).ok(),
        (None, None) => None,
    };
    let name = name.ok_or_else(|| problem("the host of url is no name that a certificate can bear", None))?;
    let ended = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let mut seen = recorder.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    seen.wants_certificate = nobody.0.load(Relaxed);
    if let (Err(error), true) = (&ended, seen.distrust.is_none() || skips) {
        seen.broken = Some(broken(error));
    }
    Ok(seen)
}

fn verifier(site: &Site, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    let Some(path) = &site.tls.ca_file else {
        let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(provider))?;
        return Ok(Arc::new(verifier));
    };
    let unusable = |why: &str| rustls::Error::General(format!("ca_file {why}"));
    let bundle = read(site, "ca_file", path).map_err(|_| unusable("cannot be read"))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&bundle).ok_or_else(|| unusable("is not a PEM file of certificates"))? {
        roots.add(certificate)?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(verifier.map_err(|error| unusable(&error.to_string()))?)
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok().filter(|found| !found.is_empty())
}

fn broken(error: &io::Error) -> Broken {
    match find_cause::<rustls::Error>(error) {
        Some(rustls::Error::InvalidMessage(_)) => Broken::NotTls,
        Some(rustls::Error::AlertReceived(alert)) => Broken::Refused(alert_words(*alert)),
        Some(error) => Broken::Other(error.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Broken::Closed,
        None => Broken::Other(error.to_string()),
    }
}

fn alert_words(alert: AlertDescription) -> String {
    alert.as_str().map_or_else(|| format!("alert {}", u8::from(alert)), str::to_owned)
}

impl From<&rustls::Error> for Distrust {
    fn from(error: &rustls::Error) -> Distrust {
        let rustls::Error::InvalidCertificate(error) = error else { return Distrust::Other(error.to_string()) };
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Distrust::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Distrust::NotValidYet,
            CertificateError::UnknownIssuer => Distrust::UnknownIssuer,
            CertificateError::BadSignature => Distrust::OtherIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Distrust::WrongName,
            other => Distrust::Other(other.to_string()),
        }
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = match &self.real {
            Some(real) => real.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let presented = std::iter::once(end_entity).chain(intermediates);
        seen.chain = presented.map(|certificate| Certificate::read(certificate)).collect();
        seen.distrust = verdict.as_ref().err().map(Distrust::from);
        if self.skips { Ok(ServerCertVerified::assertion()) } else { verdict }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.real {
            Some(real) if !self.skips => real.verify_tls12_signature(message, certificate, signature),
            _ => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.real {
            Some(real) if !self.skips => real.verify_tls13_signature(message, certificate, signature),
            _ => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
