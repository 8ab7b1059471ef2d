//! TLS for the simulated primary.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// A certificate with its key, ready to be shown; cheap to clone.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// A certificate chain and its key, both PEM. With `client_ca`, PEM too, only clients with a certificate of that
    /// authority are let in.
    ///
    /// # Errors
    /// When one of them is not what it should be, or the key does not belong to the certificate.
    pub fn from_pem(certificates: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> io::Result<Tls> {
        let wrong = |what: &str, why: &dyn fmt::Display| io::Error::other(format!("{what}: {why}"));
        let chain = read_certificates(certificates).map_err(|error| wrong("certificate", &error))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong("key", &error))?;
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in read_certificates(pem).map_err(|error| wrong("client CA", &error))? {
                    roots.add(certificate).map_err(|error| wrong("client CA", &error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| wrong("client CA", &error))?)
            }
        };
        let config = builder.with_single_cert(chain, key).map_err(|error| wrong("certificate and key", &error))?;
        Ok(Tls(TlsAcceptor::from(Arc::new(config))))
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.0
    }
}

/// Says nothing of the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// At least one: the parser takes any text for an empty file.
fn read_certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = read.map_err(io::Error::other)?;
    if certificates.is_empty() { Err(io::Error::other("there is none in PEM form")) } else { Ok(certificates) }
}
