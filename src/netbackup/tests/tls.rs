//! Whom the client trusts: certificate authorities, names, client certificates.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::primary::{client, site};
use crate::config::Site;
use crate::netbackup::{BuildError, Client};
use crate::reason::Reason;
use crate::stats::ApiStats;

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Authority { issuer: Issuer::new(params, key), der, pem }
    }

    /// Certificate and key for `name`, both as DER and as PEM.
    fn issue(&self, name: &str) -> (CertificateDer<'static>, KeyPair, String) {
        self.issue_for(name, 1975..4096)
    }

    /// The same, valid from the beginning of one year to that of another.
    fn issue_for(&self, name: &str, years: Range<i32>) -> (CertificateDer<'static>, KeyPair, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(years.start, 1, 1), date_time_ymd(years.end, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key, certificate.pem())
    }
}

/// Answers every request over TLS with a time and the `Host` it was asked for in the version header's place.
pub(super) async fn serve(authority: &Authority, name: &str, clients: Option<&Authority>) -> SocketAddr {
    serve_with(authority.issue(name), clients).await
}

async fn serve_with(
    (certificate, key, _): (CertificateDer<'static>, KeyPair, String),
    clients: Option<&Authority>,
) -> SocketAddr {
    let provider = Arc::new(default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate], key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap().to_lowercase();
                let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
                let named = stream.get_ref().1.server_name().unwrap_or_default().to_owned();
                // The answer tells what was seen: 1 when the host is the real address, 2 when SNI bore a name.
                let seen = u64::from(host == address.to_string()) + 2 * u64::from(named == "nbu.example.com");
                let body = format!("176420160000{seen}");
                let answer =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

pub(super) struct Files(TempDir);

impl Files {
    pub(super) fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

pub(super) fn https(address: SocketAddr, ca_file: Option<PathBuf>) -> Site {
    let mut site = site(address);
    site.url.set_scheme("https").unwrap();
    site.tls.ca_file = ca_file;
    site
}

async fn ping(site: &Site) -> Result<i64, Reason> {
    let (client, _) = client(site);
    client.ping().await.map(|ping| ping.server_time_ms).map_err(|error| error.reason())
}

#[tokio::test]
async fn only_the_given_authority_is_trusted() {
    let (ours, other, files) = (Authority::new(), Authority::new(), Files::new());
    let address = serve(&ours, "127.0.0.1", None).await;
    let good = files.write("ca.pem", &format!("# bundle\n{}{}", other.pem, ours.pem));
    assert_eq!(ping(&https(address, Some(good))).await, Ok(1_764_201_600_001));
    let wrong = https(address, Some(files.write("other.pem", &other.pem)));
    assert_eq!(ping(&wrong).await, Err(Reason::Tls));
    let (client, stats) = client(&wrong);
    let error = client.ping().await.unwrap_err();
    assert!(error.chain().contains("invalid peer certificate"), "{}", error.chain());
    assert!(!stats.reachable());
    assert_eq!(super::primary::counted(&stats, "/ping", "tls"), 1);
}

#[tokio::test]
async fn the_name_must_match_unless_another_is_given() {
    let (ours, files) = (Authority::new(), Files::new());
    let address = serve(&ours, "nbu.example.com", None).await;
    let mut site = https(address, Some(files.write("ca.pem", &ours.pem)));
    assert_eq!(ping(&site).await, Err(Reason::Tls));
    site.tls.server_name = Some("nbu.example.com".to_owned());
    assert_eq!(ping(&site).await, Ok(1_764_201_600_003), "the real Host, and the given name in SNI");
    site.tls.server_name = Some("other.example.com".to_owned());
    assert_eq!(ping(&site).await, Err(Reason::Tls));
    site.url.set_host(Some("localhost")).unwrap();
    site.tls.server_name = Some("nbu.example.com".to_owned());
    assert_eq!(ping(&site).await, Ok(1_764_201_600_002), "a name is resolved as well as an address");
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused() {
    let (ours, files) = (Authority::new(), Files::new());
    let ca = files.write("ca.pem", &ours.pem);
    for (years, words) in [(2000..2001, "expired"), (3000..3001, "not valid yet")] {
        let address = serve_with(ours.issue_for("127.0.0.1", years), None).await;
        let (client, stats) = client(&https(address, Some(ca.clone())));
        let error = client.ping().await.unwrap_err();
        assert_eq!(error.reason(), Reason::Tls);
        assert!(error.chain().contains(words), "{}", error.chain());
        assert_eq!(stats.retries(), 0, "it does not pass by itself");
    }
}

#[tokio::test]
async fn verification_can_be_switched_off_and_that_shows() {
    let ours = Authority::new();
    let address = serve(&ours, "elsewhere.example.com", None).await;
    let mut site = https(address, None);
    site.tls.insecure_skip_verify = true;
    let (client, stats) = client(&site);
    client.ping().await.unwrap();
    assert!(stats.tls_unverified());
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    let (ours, clients, files) = (Authority::new(), Authority::new(), Files::new());
    let address = serve(&ours, "127.0.0.1", Some(&clients)).await;
    let mut site = https(address, Some(files.write("ca.pem", &ours.pem)));
    assert_eq!(ping(&site).await, Err(Reason::Tls), "the server asks for one");
    let (_, key, pem) = clients.issue("exporter");
    site.tls.client_cert_file = Some(files.write("cert.pem", &pem));
    site.tls.client_key_file = Some(files.write("key.pem", &key.serialize_pem()));
    assert!(ping(&site).await.is_ok());
}

#[tokio::test]
async fn plain_text_where_tls_is_expected_is_a_tls_failure() {
    let (ours, files) = (Authority::new(), Files::new());
    let primary = super::primary::Primary::new(|_| super::primary::pong(None)).await;
    let ca = files.write("ca.pem", &ours.pem);
    assert_eq!(ping(&https(primary.address, Some(ca.clone()))).await, Err(Reason::Tls));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closing = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Reads first, so that the end of the stream and not a reset is what the client sees.
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    assert_eq!(ping(&https(closing, Some(ca.clone()))).await, Err(Reason::Tls));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut silent = https(listener.local_addr().unwrap(), Some(ca));
    silent.poll.request_timeout = Duration::from_millis(200);
    assert_eq!(ping(&silent).await, Err(Reason::Timeout), "a handshake that never ends is a time-out");
}

fn refused(site: &Site) -> String {
    let error: BuildError = Client::new(site, Arc::new(ApiStats::default())).err().expect("it was built");
    error.to_string()
}

#[test]
fn bad_files_are_refused_when_the_client_is_built() {
    let (ours, files) = (Authority::new(), Files::new());
    let address = "127.0.0.1:1".parse().unwrap();
    let ca = files.write("ca.pem", &ours.pem);
    for (text, words) in [("", "holds no certificate"), ("rubbish", "holds no certificate")] {
        assert!(refused(&https(address, Some(files.write("bad.pem", text)))).contains(words));
    }
    assert!(refused(&https(address, Some("/nonexistent/ca.pem".into()))).contains("/nonexistent/ca.pem"));
    let mut site = https(address, Some(ca));
    site.tls.client_cert_file = Some(files.write("cert.pem", &ours.pem));
    site.tls.client_key_file = Some(files.write("key.pem", "S3CRET"));
    let words = refused(&site);
    assert!(words.contains("client_key_file") && !words.contains("S3CRET"), "{words}");
    site.tls.client_cert_file = None;
    for name in ["127.0.0.1", "[::1]", "", "a b"] {
        site.tls.server_name = Some(name.to_owned());
        assert!(refused(&site).contains("server_name"), "{name:?}");
    }
}

#[test]
fn plain_http_needs_no_trusted_roots() {
    const CHILD: &str = "NETBACKUP_EXPORTER_TEST_WITHOUT_ROOTS";
    if std::env::var_os(CHILD).is_some() {
        let address = "127.0.0.1:1".parse().unwrap();
        assert!(refused(&https(address, None)).contains("set ca_file"), "there are no roots here");
        assert!(Client::new(&site(address), Arc::new(ApiStats::default())).is_ok());
        return;
    }
    // In a process of its own, because the roots come from the environment.
    let files = Files::new();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "netbackup::tests::tls::plain_http_needs_no_trusted_roots"])
        .env(CHILD, "1")
        .env("SSL_CERT_FILE", files.write("none.pem", ""))
        .env("SSL_CERT_DIR", files.0.path().join("none"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
