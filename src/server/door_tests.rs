//! The door as clients meet it: who is asked for what, who may ask for a reload, and TLS with all kinds of certificates
//! and of slowness.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connection::Peer;
use super::socket_tests::{PATIENCE, REQUEST, Server, answer, large, rest};
use super::testing::{Fixture, Read, fixture, web};
use super::{Door, ReloadRequest, router};
use crate::config::{ConfigErrors, Web, WebConfig};

const SITES: &[(&str, bool)] = &[("paris", true)];

fn door(text: &str) -> Result<Door, ConfigErrors> {
    Door::new(Some(&WebConfig::parse(text, Path::new("web.yml")).unwrap()))
}

/// An application whose users are alice, with the password "secret", and what `more` says.
fn behind(more: &str) -> Fixture {
    let fixture = fixture(&web(), SITES);
    let hash = bcrypt::hash("secret", 4).unwrap();
    fixture.app.replace_door(door(&format!("basic_auth_users:\n  alice: {hash}\n{more}")).unwrap());
    fixture
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

async fn ask_as(fixture: &Fixture, method: &str, path: &str, pair: &str) -> Read {
    fixture.ask(method, path, &[("authorization", &basic(pair))]).await
}

#[tokio::test]
async fn every_path_asks_who_is_there_except_those_that_watch() {
    let fixture = behind("");
    for path in ["/metrics", "/", "/api/v1/status", "/nothing", "/-/reload", "/metrics?site=paris"] {
        for method in ["GET", "HEAD", "POST"] {
            let read = fixture.ask(method, path, &[]).await;
            assert_eq!(read.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert!(read.header("www-authenticate").unwrap().starts_with("Basic realm="), "{path}");
            assert_eq!(read.text(), if method == "HEAD" { "" } else { "unauthorized\n" });
        }
        assert_eq!(ask_as(&fixture, "GET", path, "alice:wrong").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(ask_as(&fixture, "GET", path, "bob:secret").await.status, StatusCode::UNAUTHORIZED);
        assert_ne!(ask_as(&fixture, "GET", path, "alice:secret").await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(fixture.get("/-/healthy").await.text(), "healthy\n");
    assert_eq!(fixture.get("/-/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn health_tells_a_stranger_the_verdict_and_nothing_else() {
    let fixture = behind("");
    for path in ["/health", "/health?site=paris"] {
        for headers in [&[][..], &[("authorization", "Basic !")], &[("authorization", basic("alice:old").as_str())]] {
            let read = fixture.ask("GET", path, headers).await;
            assert_eq!((read.status, read.text()), (StatusCode::OK, "{\"status\":\"warn\"}"), "{path}");
            assert_eq!(read.header("content-type"), Some("application/health+json"));
        }
        assert_eq!(fixture.ask("HEAD", path, &[]).await.status, StatusCode::OK);
        let read = ask_as(&fixture, "GET", path, "alice:secret").await;
        assert_eq!(read.json()["sites"][0]["site"], "paris");
    }
    assert_eq!(fixture.get("/health?site=rome").await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.ask("POST", "/health", &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn another_door_counts_from_the_next_request_on() {
    let fixture = behind("");
    assert_eq!(ask_as(&fixture, "GET", "/metrics", "alice:secret").await.status, StatusCode::OK);
    let hash = bcrypt::hash("other", 4).unwrap();
    fixture.app.replace_door(door(&format!("basic_auth_users: {{alice: {hash}}}")).unwrap());
    assert_eq!(ask_as(&fixture, "GET", "/metrics", "alice:secret").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask_as(&fixture, "GET", "/metrics", "alice:other").await.status, StatusCode::OK);
    fixture.app.replace_door(Door::default());
    assert_eq!(fixture.get("/metrics").await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_answer_carries_the_configured_headers() {
    let fixture =
        behind("http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: x\n");
    for path in ["/metrics", "/", "/-/healthy", "/health", "/nothing"] {
        for read in [fixture.get(path).await, ask_as(&fixture, "GET", path, "alice:secret").await] {
            assert_eq!(read.header("x-frame-options"), Some("deny"), "{path}");
            assert_eq!(read.header("content-security-policy"), Some("x"), "{path}");
            assert_eq!(read.header("x-content-type-options"), Some("nosniff"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_limit_of_requests_is_answered_with_429() {
    let fixture = behind("rate_limit: {interval: 1h, burst: 2}\n");
    for expected in [401, 401, 429, 429] {
        assert_eq!(fixture.get("/metrics").await.status.as_u16(), expected);
    }
    assert_eq!(fixture.get("/metrics").await.header("retry-after"), Some("1"));
    assert_eq!(fixture.get("/-/healthy").await.status, StatusCode::OK, "who watches must not take it for dead");
}

/// A reload asked for from `address`, by a client with or without a certificate.
async fn reload_from(fixture: &Fixture, address: IpAddr, certified: bool, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = Request::post("/-/reload");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.extension(Peer { address, certified }).body(Body::empty()).unwrap();
    let response = fixture.send(request).await;
    let status = response.status().as_u16();
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_reload_is_not_for_everybody() {
    let open = fixture(&web(), SITES);
    let signed = behind("");
    let lifecycle = fixture(&Web { lifecycle: true, ..web() }, SITES);
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    let other: IpAddr = "192.0.2.7".parse().unwrap();
    let alice = basic("alice:secret");
    let alice = [("authorization", alice.as_str())];
    // 503: it was let in, and there is nobody who would reload.
    for (fixture, address, certified, headers, expected) in [
        (&open, loopback, false, &[][..], 503),
        (&open, mapped, false, &[], 503),
        (&open, "::1".parse().unwrap(), false, &[], 503),
        (&open, other, false, &[], 403),
        (&open, "::ffff:192.0.2.7".parse().unwrap(), false, &[], 403),
        (&open, other, true, &[], 503),
        (&lifecycle, other, false, &[], 503),
        (&signed, other, false, &[], 401),
        (&signed, loopback, false, &[], 401),
        (&signed, other, false, &alice, 503),
        (&open, loopback, false, &[("origin", "http://localhost")], 403),
        (&open, loopback, false, &[("sec-fetch-site", "none")], 403),
        (&lifecycle, other, true, &[("origin", "null")], 403),
    ] {
        let (status, text) = reload_from(fixture, address, certified, headers).await;
        assert_eq!(status, expected, "{address} {certified} {headers:?}: {text}");
    }
    for method in ["GET", "HEAD", "PUT"] {
        let read = open.ask(method, "/-/reload", &[]).await;
        assert_eq!((read.status.as_u16(), read.header("allow")), (405, Some("POST")), "{method}");
    }
    assert_eq!(open.ask("POST", "/-/reload", &[]).await.status, StatusCode::FORBIDDEN, "of unknown origin");
}

#[tokio::test]
async fn a_reload_is_answered_with_what_came_of_it() {
    let fixture = fixture(&web(), SITES);
    let (reloader, mut requests) = mpsc::channel::<ReloadRequest>(1);
    fixture.app.set_reloader(reloader);
    let mistakes = WebConfig::parse("a: 1\nb: 2\n", Path::new("web.yml")).unwrap_err();
    let told = mistakes.to_string();
    let reloading = tokio::spawn(async move {
        requests.recv().await.unwrap().answer.send(Ok(())).unwrap();
        requests.recv().await.unwrap().answer.send(Err(mistakes)).unwrap();
        drop(requests.recv().await);
    });
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    assert_eq!(reload_from(&fixture, loopback, false, &[]).await, (200, "reloaded\n".to_owned()));
    assert_eq!(told.lines().count(), 2);
    assert_eq!(reload_from(&fixture, loopback, false, &[]).await, (400, format!("{told}\n")));
    assert_eq!(reload_from(&fixture, loopback, false, &[]).await.0, 503, "nobody answers");
    reloading.await.unwrap();
    assert_eq!(reload_from(&fixture, loopback, false, &[]).await.0, 503, "nobody is there");
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_takes_too_long_is_not_waited_for() {
    let fixture = fixture(&web(), SITES);
    let (reloader, _requests) = mpsc::channel::<ReloadRequest>(1);
    fixture.app.set_reloader(reloader);
    assert_eq!(reload_from(&fixture, IpAddr::from(Ipv4Addr::LOCALHOST), false, &[]).await.0, 504);
}

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key of `name`, which is at `address` too.
    fn issue(&self, name: &str, address: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress(address.parse().unwrap()));
        params.subject_alt_names.push(SanType::URI(format!("spiffe://example/{name}").try_into().unwrap()));
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// A client that trusts this authority and shows what it is given.
    fn client(&self, identity: Option<&(String, String)>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
            }
        };
        TlsConnector::from(Arc::new(config))
    }
}

fn block(text: &str) -> String {
    format!("|\n    {}\n", text.trim().replace('\n', "\n    "))
}

fn tls_config((certificate, key): &(String, String), more: &str) -> String {
    format!("tls_server_config:\n  cert: {}  key: {}{more}", block(certificate), block(key))
}

fn tls_door(identity: &(String, String), more: &str) -> watch::Receiver<Arc<Door>> {
    watch::channel(Arc::new(door(&tls_config(identity, more)).unwrap())).1
}

async fn connect(server: &Server, client: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    client.connect(ServerName::try_from("localhost").unwrap(), server.connect().await).await
}

/// What a scrape gets over a new connection; in TLS 1.3 a client learns only by reading that it is refused.
async fn scrape(server: &Server, client: &TlsConnector) -> String {
    match connect(server, client).await {
        Err(_) => String::new(),
        Ok(mut stream) => {
            let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(request).await;
            rest(&mut stream).await
        }
    }
}

#[tokio::test]
async fn a_tls_connection_serves_many_requests() {
    let authority = Authority::new();
    let app = fixture(&web(), SITES).app;
    let server = Server::behind(tls_door(&authority.issue("localhost", "127.0.0.1"), ""), router(app), |_| {}).await;
    let mut stream = connect(&server, &authority.client(None)).await.unwrap();
    for _ in 0..3 {
        stream.write_all(REQUEST).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("netbackup_up"), "{text}");
    }
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
}

#[tokio::test]
async fn each_kind_of_client_authentication_lets_in_whom_it_should() {
    let (authority, other) = (Authority::new(), Authority::new());
    let identity = authority.issue("localhost", "127.0.0.1");
    let (known, unknown) = (authority.issue("client", "192.0.2.1"), other.issue("client", "192.0.2.1"));
    let ca = format!("  client_ca: {}", block(&authority.pem()));
    let allowed = |san: &str| format!("{ca}  client_allowed_sans: [other, '{san}']\n");
    let verified = |san: &str| ("RequireAndVerifyClientCert", allowed(san));
    for ((kind, more), expected) in [
        (("NoClientCert", String::new()), [true, true, true]),
        (("RequestClientCert", String::new()), [true, true, true]),
        (("RequireAnyClientCert", String::new()), [false, true, true]),
        (("VerifyClientCertIfGiven", ca.clone()), [true, true, false]),
        (("RequireAndVerifyClientCert", ca.clone()), [false, true, false]),
        (verified("client"), [false, true, false]),
        (verified("192.0.2.1"), [false, true, false]),
        (verified("spiffe://example/client"), [false, true, false]),
        (verified("CLIENT"), [false, false, false]),
        (verified("192.0.2.2"), [false, false, false]),
        (("RequireAnyClientCert", "  client_allowed_sans: [client]\n".to_owned()), [false, true, true]),
        (("RequireAnyClientCert", "  client_allowed_sans: [x]\n".to_owned()), [false, false, false]),
    ] {
        let door = tls_door(&identity, &format!("  client_auth_type: {kind}\n{more}"));
        let server = Server::behind(door, router(fixture(&web(), SITES).app), |_| {}).await;
        for (shown, expected) in [None, Some(&known), Some(&unknown)].into_iter().zip(expected) {
            let text = scrape(&server, &authority.client(shown)).await;
            assert_eq!(text.starts_with("HTTP/1.1 200"), expected, "{kind} {more} {}: {text}", shown.is_some());
        }
    }
}

#[tokio::test]
async fn only_a_verified_certificate_lets_a_stranger_ask_for_a_reload() {
    let authority = Authority::new();
    let (identity, known) = (authority.issue("localhost", "127.0.0.1"), authority.issue("client", "192.0.2.1"));
    let ca = format!("  client_ca: {}", block(&authority.pem()));
    let echo = axum::Router::new().fallback(|request: axum::extract::Request| async move {
        format!("certified {}\n", request.extensions().get::<Peer>().unwrap().certified)
    });
    for (kind, more, shown, expected) in [
        ("RequestClientCert", "", Some(&known), false),
        ("RequireAnyClientCert", "", Some(&known), false),
        ("VerifyClientCertIfGiven", ca.as_str(), None, false),
        ("VerifyClientCertIfGiven", &ca, Some(&known), true),
        ("RequireAndVerifyClientCert", &ca, Some(&known), true),
    ] {
        let door = tls_door(&identity, &format!("  client_auth_type: {kind}\n{more}"));
        let server = Server::behind(door, echo.clone(), |_| {}).await;
        let text = scrape(&server, &authority.client(shown)).await;
        assert!(text.ends_with(&format!("certified {expected}\n")), "{kind}: {text}");
    }
}

#[tokio::test]
async fn versions_suites_and_curves_are_those_that_are_named() {
    let authority = Authority::new();
    let identity = authority.issue("localhost", "127.0.0.1");
    for (more, version, suite) in [
        ("", "TLSv1_3", "TLS13_"),
        ("  max_version: TLS12\n", "TLSv1_2", "TLS_ECDHE_ECDSA_WITH"),
        ("  min_version: TLS13\n", "TLSv1_3", "TLS13_"),
        (
            "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]\n",
            "TLSv1_2",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ),
        ("  curve_preferences: [CurveP384]\n", "TLSv1_3", "TLS13_"),
    ] {
        let server = Server::behind(tls_door(&identity, more), router(fixture(&web(), SITES).app), |_| {}).await;
        let stream = connect(&server, &authority.client(None)).await.unwrap();
        let connection = stream.get_ref().1;
        assert_eq!(format!("{:?}", connection.protocol_version().unwrap()), version, "{more}");
        let spoken = format!("{:?}", connection.negotiated_cipher_suite().unwrap().suite());
        assert!(spoken.starts_with(suite), "{more}: {spoken}");
        if more.contains("CurveP384") {
            assert_eq!(format!("{:?}", connection.negotiated_key_exchange_group().unwrap().name()), "secp384r1");
        }
    }
}

#[test]
fn what_cannot_be_used_is_told_at_its_place() {
    let authority = Authority::new();
    let (one, two) = (authority.issue("localhost", "127.0.0.1"), authority.issue("localhost", "127.0.0.1"));
    let told = |text: &str| door(text).err().expect("accepted").to_string();
    let mixed = told(&tls_config(&(one.0.clone(), two.1), ""));
    assert!(mixed.contains("tls_server_config.key: this key does not belong to the certificate"), "{mixed}");
    let junk = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n".to_owned();
    let key = told(&tls_config(&(one.0.clone(), junk), ""));
    assert!(key.starts_with("web.yml:") && key.contains("tls_server_config.key: "), "{key}");
    let junk = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned();
    let certificate = told(&tls_config(&(junk.clone(), one.1.clone()), ""));
    assert!(certificate.contains("tls_server_config.cert"), "{certificate}");
    let more = format!("  client_auth_type: RequireAndVerifyClientCert\n  client_ca: {}", block(&junk));
    let ca = told(&tls_config(&one, &more));
    assert!(ca.contains("tls_server_config.client_ca: "), "{ca}");
}

#[tokio::test]
async fn plain_http_where_https_is_spoken_is_told_so() {
    let authority = Authority::new();
    let door = tls_door(&authority.issue("localhost", "127.0.0.1"), "");
    let server = Server::behind(door, router(fixture(&web(), SITES).app), |_| {}).await;
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    let text = answer(&mut client).await;
    assert!(text.starts_with("HTTP/1.1 400") && text.ends_with("this port speaks HTTPS\n"), "{text}");
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, "");
}

#[tokio::test]
async fn new_connections_meet_the_new_door() {
    let (first, second) = (Authority::new(), Authority::new());
    let app = fixture(&web(), SITES).app;
    app.replace_door(door(&tls_config(&first.issue("localhost", "127.0.0.1"), "")).unwrap());
    let server = Server::behind(app.door.subscribe(), router(Arc::clone(&app)), |_| {}).await;
    app.replace_door(door(&tls_config(&second.issue("localhost", "127.0.0.1"), "")).unwrap());
    assert!(connect(&server, &first.client(None)).await.is_err());
    assert!(scrape(&server, &second.client(None)).await.contains("200 OK"));
    app.replace_door(Door::default());
    let mut plain = server.connect().await;
    plain.write_all(REQUEST).await.unwrap();
    assert!(answer(&mut plain).await.contains("200 OK"));
}

#[tokio::test]
async fn who_came_in_by_other_tls_has_to_leave() {
    let authority = Authority::new();
    let (identity, known) = (authority.issue("localhost", "127.0.0.1"), authority.issue("client", "192.0.2.1"));
    let ca = |authority: &Authority| block(&authority.pem());
    let strict = |ca: &str| format!("  client_auth_type: RequireAndVerifyClientCert\n  client_ca: {ca}");
    let app = fixture(&web(), SITES).app;
    let exchange = |text: &str| app.replace_door(door(text).unwrap());
    // No time of theirs sends them away before the test gives up.
    let patient = |manners: &mut super::listen::Manners| manners.times.head = 2 * PATIENCE;
    let server = Server::behind(app.door.subscribe(), router(Arc::clone(&app)), patient).await;

    // Each first one is inside when the second is answered.
    let mut silent = server.connect().await;
    let mut plain = server.connect().await;
    plain.write_all(REQUEST).await.unwrap();
    answer(&mut plain).await;
    exchange(&tls_config(&identity, &strict(&ca(&authority))));
    assert_eq!((rest(&mut plain).await, rest(&mut silent).await), (String::new(), String::new()), "without TLS");

    let mut shaking = server.connect().await;
    shaking.write_all(&[0x16, 3, 1, 1, 0, 1]).await.unwrap();
    let mut certified = connect(&server, &authority.client(Some(&known))).await.unwrap();
    certified.write_all(REQUEST).await.unwrap();
    answer(&mut certified).await;
    exchange(&tls_config(&identity, &strict(&ca(&Authority::new()))));
    assert_eq!(rest(&mut certified).await, "", "certified by an authority that no longer counts");
    assert_eq!(rest(&mut shaking).await, "", "amid the handshake");
    assert_eq!(scrape(&server, &authority.client(Some(&known))).await, "");
}

#[tokio::test]
async fn other_users_and_headers_send_nobody_away() {
    let authority = Authority::new();
    let tls = tls_config(&authority.issue("localhost", "127.0.0.1"), "");
    let app = fixture(&web(), SITES).app;
    app.replace_door(door(&tls).unwrap());
    let server = Server::behind(app.door.subscribe(), router(Arc::clone(&app)), |_| {}).await;
    let mut client = connect(&server, &authority.client(None)).await.unwrap();
    let hash = bcrypt::hash("secret", 4).unwrap();
    let users = format!("basic_auth_users: {{alice: {hash}}}\n");
    let headers = "http_server_config: {headers: {X-Frame-Options: deny}}\n";
    // Each moves the lines of what follows, too.
    for (more, status) in [(users.as_str(), "401"), (headers, "200"), ("# a note\n", "200")] {
        app.replace_door(door(&format!("{more}{tls}")).unwrap());
        client.write_all(REQUEST).await.unwrap();
        let text = answer(&mut client).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")) && !text.contains("connection: close"), "{text}");
    }
}

#[tokio::test]
async fn what_is_being_answered_is_answered_before_a_client_leaves() {
    let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, go_on) = (Arc::clone(&entered), Arc::clone(&go_on));
        move || async move {
            entered.notify_one();
            go_on.notified().await;
            "in flight"
        }
    };
    let (exchange, door) = watch::channel(Arc::<Door>::default());
    let server = Server::behind(door, axum::Router::new().fallback(handler), |_| {}).await;
    let mut idle = server.connect().await;
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    entered.notified().await;
    exchange.send_replace(tls_door(&Authority::new().issue("localhost", "127.0.0.1"), "").borrow().clone());
    assert_eq!(rest(&mut idle).await, "");
    go_on.notify_one();
    let text = rest(&mut client).await;
    assert!(text.ends_with("in flight") && text.contains("connection: close"), "{text}");
}

#[tokio::test]
async fn what_was_counted_and_decided_stays_where_it_is_still_asked_for() {
    let limited = "rate_limit: {interval: 1h, burst: 2}\n";
    let fixture = fixture(&web(), SITES);
    for (more, expected) in [("", [200, 200, 429]), ("# a note\n", [429; 3]), ("{}\n", [200; 3])] {
        let text = if more.starts_with('{') { more.to_owned() } else { format!("{more}{limited}") };
        fixture.app.replace_door(door(&text).unwrap());
        for status in expected {
            assert_eq!(fixture.get("/metrics").await.status.as_u16(), status, "{text}");
        }
    }
}

#[tokio::test]
async fn who_does_not_shake_hands_is_sent_away_and_keeps_nobody_out() {
    let authority = Authority::new();
    let door = tls_door(&authority.issue("localhost", "127.0.0.1"), "");
    let mut server = Server::behind(door, router(fixture(&web(), SITES).app), |manners| {
        manners.times.head = Duration::from_millis(400);
        manners.connections = 64;
    })
    .await;
    let mut crowd = Vec::new();
    for n in 0..200 {
        let mut client = server.connect().await;
        if n % 2 == 0 {
            // The beginning of a hello, and then nothing.
            let _ = client.write_all(&[0x16, 3, 1, 1, 0, 1]).await;
        }
        crowd.push(client);
    }
    assert!(scrape(&server, &authority.client(None)).await.contains("200 OK"));
    for client in &mut crowd {
        // An alert may precede the end.
        let mut bytes = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(client, &mut bytes);
        let _ = timeout(PATIENCE, read).await.expect("a half-open handshake holds its connection");
    }
    let _waiting = server.connect().await;
    server.stop();
    timeout(Duration::from_secs(2), &mut server.task).await.expect("a handshake holds up the stop").unwrap();
}

#[tokio::test]
async fn a_tls_client_that_does_not_take_its_answer_is_closed() {
    let authority = Authority::new();
    let small = axum::Router::new().fallback(|| async { vec![b'x'; 40_000] });
    for (router, requests) in [(large(), 1), (small, 2_000)] {
        let door = tls_door(&authority.issue("localhost", "127.0.0.1"), "");
        let mut server =
            Server::behind(door, router, |manners| manners.times.answer = Duration::from_millis(300)).await;
        let mut client = connect(&server, &authority.client(None)).await.unwrap();
        // Asked for again and again without being taken; each fits what TLS buffers.
        let asking = async {
            for _ in 0..requests {
                if client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.is_err() {
                    break;
                }
            }
        };
        let _ = timeout(Duration::from_secs(2), asking).await;
        // The stop would wait for it for 4.5 s: it ends earlier only because the connection does.
        server.stop();
        timeout(Duration::from_secs(2), &mut server.task).await.expect("the connection is still open").unwrap();
    }
}
