//! A primary that misbehaves: each answer that is none ends with its reason, bounded.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::primary::{JSON, NO_JOBS, Primary, client, counted, json, respond, site, until};
use crate::netbackup::{Error, JobsQuery, Walk};
use crate::reason::Reason;
use crate::stats::ApiStats;

const QUERY: JobsQuery = JobsQuery { filter: None, sort: None, limit: 100 };

async fn walk(address: SocketAddr, request_timeout: Duration) -> (Result<Walk, Error>, Arc<ApiStats>) {
    let mut site = site(address);
    site.poll.request_timeout = request_timeout;
    let (client, stats) = client(&site);
    (client.walk_jobs(&QUERY, &mut |_| ()).await, stats)
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

/// A server that does with each connection what `serve` says; the number counts connections from 0.
pub(super) async fn raw<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(usize, TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(number, stream));
            number += 1;
        }
    });
    address
}

pub(super) async fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

pub(super) fn whole(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Primary::new(|_| json(NO_JOBS)).await;
    let location = format!("http://{}/netbackup/admin/jobs", other.address);
    let primary = Primary::new(move |_| {
        Response::builder().status(302).header("Location", &location).body(Body::empty()).unwrap()
    })
    .await;
    let (result, stats) = walk(primary.address, LONG).await;
    let error = result.unwrap_err();
    assert_eq!((error.reason(), error.status()), (Reason::Http, Some(302)));
    assert!(error.to_string().contains("redirects are not followed"), "{error}");
    assert!(other.seen().is_empty(), "the key must not go elsewhere");
    assert!(!stats.judged());
}

#[tokio::test]
async fn html_and_other_types_are_not_read() {
    for (kind, body) in [("text/html", "<html></html>"), ("text/html", NO_JOBS), ("text/plain", NO_JOBS)] {
        let primary = Primary::new(move |_| respond(200, kind, body)).await;
        let (result, stats) = walk(primary.address, LONG).await;
        let error = result.unwrap_err();
        assert_eq!((error.reason(), error.status()), (Reason::Decode, Some(200)), "{error}");
        assert_eq!(counted(&stats, "/admin/jobs", "200"), 1);
    }
    for kind in ["application/json", "Application/VND.netbackup+JSON;version=12.0", "application/json; charset=utf-8"] {
        let primary = Primary::new(move |_| respond(200, kind, NO_JOBS)).await;
        walk(primary.address, LONG).await.0.unwrap();
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_not_read() {
    let primary = Primary::new(|_| json(Body::from(&b"{\"data\":[\"\xff\"]}"[..]))).await;
    let error = walk(primary.address, LONG).await.0.unwrap_err();
    assert_eq!(error.reason(), Reason::Decode);
    assert!(error.to_string().contains("not UTF-8 after 10 bytes"), "{error}");
}

#[tokio::test]
async fn a_body_is_cut_at_the_cap_after_decompression() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..80 {
        packed.write_all(&vec![b' '; 1024 * 1024]).unwrap();
    }
    let bomb = packed.finish().unwrap();
    assert!(bomb.len() < 1024 * 1024);
    let primary = Primary::new(move |_| {
        let mut response = json(Body::from(bomb.clone()));
        response.headers_mut().insert("Content-Encoding", "gzip".parse().unwrap());
        response
    })
    .await;
    let (result, stats) = walk(primary.address, LONG).await;
    assert_eq!(result.unwrap_err().reason(), Reason::TooLarge);
    assert!(stats.received() < 33 * 1024 * 1024);
    assert_eq!(counted(&stats, "/admin/jobs", "200"), 1);
}

#[tokio::test]
async fn a_body_announced_too_large_is_not_read() {
    let address = raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nContent-Length: 99999999999\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let (result, stats) = walk(address, LONG).await;
    assert_eq!(result.unwrap_err().reason(), Reason::TooLarge);
    assert_eq!(stats.received(), 0);
}

#[tokio::test]
async fn compressed_pages_are_read() {
    let primary = Primary::new(|_| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(NO_JOBS.as_bytes()).unwrap();
        let mut response = json(Body::from(packed.finish().unwrap()));
        response.headers_mut().insert("Content-Encoding", "gzip".parse().unwrap());
        response
    })
    .await;
    let (result, stats) = walk(primary.address, LONG).await;
    assert_eq!(result.unwrap().pages, 1);
    assert_eq!(stats.received(), NO_JOBS.len() as u64);
}

#[tokio::test]
async fn truncated_compression_is_a_bad_body() {
    let primary = Primary::new(|_| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(NO_JOBS.as_bytes()).unwrap();
        let mut packed = packed.finish().unwrap();
        packed.truncate(packed.len() / 2);
        let mut response = json(Body::from(packed));
        response.headers_mut().insert("Content-Encoding", "gzip".parse().unwrap());
        response
    })
    .await;
    assert_eq!(walk(primary.address, LONG).await.0.unwrap_err().reason(), Reason::Decode);
}

#[tokio::test]
async fn silence_is_a_timeout_before_and_within_the_body() {
    let silent = raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let (result, stats) = walk(silent, SHORT).await;
    let error = result.unwrap_err();
    assert_eq!((error.reason(), error.status()), (Reason::Timeout, None));
    assert_eq!(counted(&stats, "/admin/jobs", "timeout"), 1);
    assert!(!stats.reachable());

    let stalled = raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(&whole(NO_JOBS).as_bytes()[..110]).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let (result, stats) = walk(stalled, SHORT).await;
    let error = result.unwrap_err();
    assert_eq!((error.reason(), error.status()), (Reason::Timeout, Some(200)));
    assert_eq!(counted(&stats, "/admin/jobs", "200"), 1, "an answer counts by its status");
}

#[tokio::test]
async fn a_trickle_ends_at_the_total_limit() {
    let address = raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        for byte in whole(&NO_JOBS.repeat(1000)).bytes() {
            if stream.write_u8(byte).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let error = walk(address, Duration::from_millis(400)).await.0.unwrap_err();
    assert_eq!(error.reason(), Reason::Timeout);
}

#[tokio::test]
async fn a_dropped_request_is_counted_as_a_timeout() {
    let primary = Primary::slow(|_| Box::pin(std::future::pending())).await;
    let (client, stats) = primary.client();
    let waiting = tokio::spawn(async move { client.count_jobs(None).await });
    until(|| !primary.seen().is_empty()).await;
    waiting.abort();
    until(|| counted(&stats, "/admin/jobs-count-requests", "timeout") == 1).await;
}

#[tokio::test]
async fn nobody_listening_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (result, stats) = walk(address, LONG).await;
    let error = result.unwrap_err();
    assert_eq!((error.reason(), error.status()), (Reason::Connect, None));
    assert!(!error.chain().contains("page%5B"), "no URL in a message: {}", error.chain());
    assert_eq!((counted(&stats, "/admin/jobs", "connect"), stats.retries()), (3, 2));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_no_connection() {
    let mut site = site("127.0.0.1:9".parse().unwrap());
    site.url = url::Url::parse("http://no-such-host.invalid:1556/netbackup").unwrap();
    let (client, _) = client(&site);
    assert_eq!(client.count_jobs(None).await.unwrap_err().reason(), Reason::Connect);
}

#[tokio::test]
async fn a_connection_closed_at_once_or_within_the_body_is_no_connection() {
    let closed = raw(|_, mut stream| async move {
        read_head(&mut stream).await;
    })
    .await;
    let (result, stats) = walk(closed, LONG).await;
    assert_eq!(result.unwrap_err().reason(), Reason::Connect);
    assert_eq!((counted(&stats, "/admin/jobs", "connect"), stats.retries()), (3, 2));

    let cut = raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(&whole(NO_JOBS).as_bytes()[..110]).await.unwrap();
    })
    .await;
    let (result, stats) = walk(cut, LONG).await;
    let error = result.unwrap_err();
    assert_eq!((error.reason(), error.status()), (Reason::Connect, Some(200)), "{}", error.chain());
    assert_eq!((counted(&stats, "/admin/jobs", "200"), stats.retries()), (3, 2));
}

#[tokio::test]
async fn what_is_no_http_is_a_bad_answer() {
    let address = raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    })
    .await;
    let (result, stats) = walk(address, LONG).await;
    assert_eq!(result.unwrap_err().reason(), Reason::Decode);
    assert_eq!(counted(&stats, "/admin/jobs", "decode"), 1);
}

#[tokio::test]
async fn a_kept_alive_connection_that_was_closed_is_retried_once() {
    // The first connection answers once and closes when it is asked again; the second answers.
    let address = raw(|number, mut stream| async move {
        let answers = if number == 0 { 1 } else { usize::MAX };
        for _ in 0..answers {
            if !read_head(&mut stream).await {
                return;
            }
            stream.write_all(whole(NO_JOBS).as_bytes()).await.unwrap();
        }
        read_head(&mut stream).await;
    })
    .await;
    let (client, stats) = client(&site(address));
    for _ in 0..2 {
        client.walk_jobs(&QUERY, &mut |_| ()).await.unwrap();
    }
    assert_eq!(stats.retries(), 1);
    assert_eq!(counted(&stats, "/admin/jobs", "200"), 2);
    assert_eq!(counted(&stats, "/admin/jobs", "connect"), 0, "the outcome counts, not the attempt");
}

#[tokio::test]
async fn the_retry_of_a_kept_alive_connection_counts_among_the_others() {
    let address = raw(|number, mut stream| async move {
        if number == 0 {
            read_head(&mut stream).await;
            stream.write_all(whole(NO_JOBS).as_bytes()).await.unwrap();
        }
        read_head(&mut stream).await;
    })
    .await;
    let (client, stats) = client(&site(address));
    client.walk_jobs(&QUERY, &mut |_| ()).await.unwrap();
    assert_eq!(client.walk_jobs(&QUERY, &mut |_| ()).await.unwrap_err().reason(), Reason::Connect);
    assert_eq!((counted(&stats, "/admin/jobs", "connect"), stats.retries()), (2, 2));
}
