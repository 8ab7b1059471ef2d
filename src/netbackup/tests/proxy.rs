//! The way through a proxy: what it is asked for, what it gets to know, and what its refusal is called.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::primary::{NO_JOBS, Primary, json, site};
use super::tls::{Authority, Files, https, serve};
use crate::config::{Environment, Site};
use crate::netbackup::{BuildError, Client, JobsQuery};
use crate::reason::Reason;
use crate::stats::ApiStats;

const TUNNELLED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A proxy that answers CONNECT with `answer`, and passes on to `upstream` what follows a 200.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn new(upstream: SocketAddr, answer: &'static str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(stream, upstream, answer, Arc::clone(&log)));
            }
        });
        Proxy { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn pass_on(mut stream: TcpStream, upstream: SocketAddr, answer: &'static str, log: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let text = String::from_utf8(head.clone()).unwrap();
    let tunnels = text.starts_with("CONNECT ");
    log.lock().unwrap().push(text);
    if tunnels {
        stream.write_all(answer.as_bytes()).await.unwrap();
        if answer != TUNNELLED {
            return;
        }
    }
    let mut upstream = TcpStream::connect(upstream).await.unwrap();
    if !tunnels {
        upstream.write_all(&head).await.unwrap();
    }
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
}

fn environment(variables: &[(&str, String)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn build(site: &Site, environment: &Environment) -> Result<Client, BuildError> {
    Client::in_environment(site, Arc::new(ApiStats::default()), environment)
}

/// A site that only the proxy can find.
async fn hidden(authority: &Authority, files: &Files) -> (Site, SocketAddr) {
    let address = serve(authority, "nbu.invalid", None).await;
    let mut site = https(address, Some(files.write("ca.pem", &authority.pem)));
    site.url.set_host(Some("nbu.invalid")).unwrap();
    (site, address)
}

#[tokio::test]
async fn a_tunnel_is_asked_for_and_tls_is_with_the_primary_itself() {
    let (ours, files) = (Authority::new(), Files::new());
    let (site, address) = hidden(&ours, &files).await;
    let proxy = Proxy::new(address, TUNNELLED).await;
    let variables = environment(&[("https_proxy", format!("http://user:pa%20ss@{}", proxy.address))]);
    build(&site, &variables).unwrap().ping().await.unwrap();
    let heads = proxy.heads();
    assert_eq!(heads.len(), 1);
    assert!(heads[0].starts_with(&format!("CONNECT nbu.invalid:{} HTTP/1.1\r\n", address.port())), "{}", heads[0]);
    // user:pa ss
    assert!(heads[0].to_lowercase().contains("proxy-authorization: basic dxnlcjpwysbzcw==\r\n"), "{}", heads[0]);
    assert!(!heads[0].to_lowercase().contains("\r\nauthorization"), "the proxy never sees the key");

    let stranger = Authority::new();
    let (site, _) = hidden(&stranger, &files).await;
    let error = build(&site, &variables).unwrap().ping().await.unwrap_err();
    assert_eq!(error.reason(), Reason::Tls, "a proxy vouches for nobody: {}", error.chain());
}

#[tokio::test]
async fn a_proxy_that_refuses_is_no_connection() {
    let (ours, files) = (Authority::new(), Files::new());
    let (site, address) = hidden(&ours, &files).await;
    for (answer, words) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy authorization required"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "tunnel error: unsuccessful"),
        ("", "tunnel error"),
        ("rubbish\r\n\r\n", "tunnel error"),
    ] {
        let proxy = Proxy::new(address, answer).await;
        let variables = environment(&[("HTTPS_PROXY", format!("http://user:S3CRET@{}", proxy.address))]);
        let error = build(&site, &variables).unwrap().ping().await.unwrap_err();
        let chain = error.chain();
        assert_eq!((error.reason(), error.status()), (Reason::Connect, None), "{answer}: {chain}");
        assert!(chain.contains(words) && !chain.contains("S3CRET"), "{chain}");
    }
    let nobody = environment(&[("HTTPS_PROXY", "http://127.0.0.1:1".to_owned())]);
    assert_eq!(build(&site, &nobody).unwrap().ping().await.unwrap_err().reason(), Reason::Connect);
}

#[tokio::test]
async fn a_host_that_is_left_out_is_asked_directly() {
    let (ours, files) = (Authority::new(), Files::new());
    let (site, address) = hidden(&ours, &files).await;
    let proxy = Proxy::new(address, TUNNELLED).await;
    let url = format!("http://{}", proxy.address);
    let variables = environment(&[("ALL_PROXY", url.clone()), ("NO_PROXY", "invalid".to_owned())]);
    let error = build(&site, &variables).unwrap().ping().await.unwrap_err();
    assert_eq!(error.reason(), Reason::Connect, "there is no such host");
    let primary = Primary::new(|_| json(NO_JOBS)).await;
    let variables = environment(&[("ALL_PROXY", url.clone()), ("HTTP_PROXY", url)]);
    let query = JobsQuery { filter: None, sort: None, limit: 100 };
    build(&primary.site(), &variables).unwrap().walk_jobs(&query, &mut |_| ()).await.unwrap();
    assert!(proxy.heads().is_empty(), "loopback has no proxy: {:?}", proxy.heads());
}

#[tokio::test]
async fn plain_http_is_passed_on_whole() {
    let primary = Primary::new(|_| json(NO_JOBS)).await;
    let proxy = Proxy::new(primary.address, TUNNELLED).await;
    let mut site = site(primary.address);
    site.url.set_host(Some("nbu.invalid")).unwrap();
    let variables = environment(&[("HTTP_PROXY", proxy.address.to_string())]);
    let query = JobsQuery { filter: None, sort: None, limit: 100 };
    build(&site, &variables).unwrap().walk_jobs(&query, &mut |_| ()).await.unwrap();
    let expected = format!("GET http://nbu.invalid:{}/netbackup/admin/jobs?", primary.address.port());
    assert!(proxy.heads()[0].starts_with(&expected), "{:?}", proxy.heads());
}

#[test]
fn what_cannot_be_used_is_refused_when_the_client_is_built() {
    let mut site = site("127.0.0.1:1556".parse().unwrap());
    site.url = "https://nbu.example.com:1556/netbackup".parse().unwrap();
    let bad = environment(&[("HTTPS_PROXY", "socks5://user:S3CRET@one:1080".to_owned())]);
    let words = build(&site, &bad).err().unwrap().to_string();
    assert!(words.contains("paris: HTTPS_PROXY is no proxy") && !words.contains("S3CRET"), "{words}");

    let good = environment(&[("ALL_PROXY", "http://user:S3CRET@one:3128".to_owned())]);
    assert!(build(&site, &good).is_ok());
    site.tls.server_name = Some("other.example.com".to_owned());
    let words = build(&site, &good).err().unwrap().to_string();
    assert!(words.contains("ALL_PROXY cannot be used together with server_name"), "{words}");
    assert!(!words.contains("S3CRET"), "{words}");
    let left_out = environment(&[("ALL_PROXY", "one".to_owned()), ("NO_PROXY", "nbu.example.com".to_owned())]);
    assert!(build(&site, &left_out).is_ok(), "it is the real host that counts");
}
