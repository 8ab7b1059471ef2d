//! TLS of the exporter's own port, from what the web configuration says.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::clients::{Allowed, Unverified};
use crate::config::{ClientAuth, ConfigErrors, Pem, TlsServer};

/// How the port speaks TLS.
pub(in crate::server) struct Tls {
    /// Who shakes hands.
    pub(in crate::server) acceptor: TlsAcceptor,
    /// Whether a client that shows a certificate is who it says.
    pub(in crate::server) verifies: bool,
    /// What it was made from.
    pub(super) config: TlsServer,
}

impl Tls {
    /// As configured.
    pub(super) fn new(config: &TlsServer) -> Result<Tls, ConfigErrors> {
        let provider = Arc::new(provider(config));
        let versions: Vec<_> =
            [(config.versions.1, &rustls::version::TLS13), (config.versions.0, &rustls::version::TLS12)]
                .into_iter()
                .filter_map(|(spoken, version)| spoken.then_some(version))
                .collect();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|_| config.certificate.mistake("no cipher suite is left for the versions that are spoken"))?;
        let builder = match client_verifier(config, &provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let chain = certificates(&config.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(config.key.text.expose().as_bytes()).map_err(|_| {
            config
                .key
                .mistake("not a private key that can be used: expected PKCS#8, PKCS#1 or SEC1, without a password")
        })?;
        let mut server = builder.with_single_cert(chain, key).map_err(|error| refusal(config, &error))?;
        server.ignore_client_order = config.prefer_server_cipher_suites;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(server));
        Ok(Tls { acceptor, verifies: config.client_auth.verifies(), config: config.clone() })
    }
}

fn provider(config: &TlsServer) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if !config.cipher_suites.is_empty() {
        let named = |name: &&str| {
            let suites = aws_lc_rs::ALL_CIPHER_SUITES.iter();
            suites.copied().find(|suite| suite.suite().as_str() == Some(*name))
        };
        let of_tls13 = provider.cipher_suites.iter().copied().filter(|suite| suite.tls13().is_some());
        provider.cipher_suites = of_tls13.chain(config.cipher_suites.iter().filter_map(named)).collect();
    }
    if !config.curve_preferences.is_empty() {
        provider.kx_groups = config
            .curve_preferences
            .iter()
            .filter_map(|name| match *name {
                "X25519" => Some(kx_group::X25519),
                "CurveP256" => Some(kx_group::SECP256R1),
                "CurveP384" => Some(kx_group::SECP384R1),
                _ => None,
            })
            .collect();
    }
    provider
}

/// Who judges certificates of clients; `None`: they are not asked for.
fn client_verifier(
    config: &TlsServer,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, ConfigErrors> {
    let verifier: Arc<dyn ClientCertVerifier> = match (config.client_auth, &config.client_ca) {
        (ClientAuth::None, _) => return Ok(None),
        (ClientAuth::Request | ClientAuth::RequireAny, _) => {
            Arc::new(Unverified::new(Arc::clone(provider), config.client_auth.requires()))
        }
        // The configuration has seen to it that there is one.
        (ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify, None) => {
            return Err(config
                .certificate
                .mistake("certificates of clients cannot be verified without client_ca_file"));
        }
        (ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify, Some(pem)) => {
            let unusable = |_| pem.mistake("a certificate in it cannot be used as a CA");
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem)? {
                roots.add(certificate).map_err(unusable)?;
            }
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            let builder = if config.client_auth.requires() { builder } else { builder.allow_unauthenticated() };
            builder.build().map_err(|_| pem.mistake("no certificate in it can be used as a CA"))?
        }
    };
    Ok(Some(match config.client_allowed_sans.as_slice() {
        [] => verifier,
        sans => Arc::new(Allowed::new(verifier, sans)),
    }))
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, ConfigErrors> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.text.expose().as_bytes()).collect();
    certificates.map_err(|_| pem.mistake("a certificate in it is damaged"))
}

/// What the library says may quote the certificate.
fn refusal(config: &TlsServer, error: &rustls::Error) -> ConfigErrors {
    match error {
        rustls::Error::InconsistentKeys(_) => config.key.mistake("this key does not belong to the certificate"),
        rustls::Error::InvalidCertificate(_) => config.certificate.mistake("the certificate cannot be used"),
        _ => config.key.mistake("the key cannot be used: expected RSA of 2048 bits or more, ECDSA or Ed25519"),
    }
}
