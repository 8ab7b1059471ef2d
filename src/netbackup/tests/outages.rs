//! What the client does while a primary is in trouble: it asks again where that may help, and leaves a dark site alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Response;

use super::faults::{raw, read_head, whole};
use super::primary::{Primary, Seen, client, complaint, counted, json, respond, site, until};
use crate::config::Site;
use crate::netbackup::Client;
use crate::reason::Reason;
use tokio::io::AsyncWriteExt as _;

const COUNT: &str = r#"{"data":{"attributes":{"count":1}}}"#;
const COUNTS: &str = "/admin/jobs-count-requests";

/// A primary whose first answers are these, and whose others are good.
async fn first(answers: impl Fn() -> Response<Body> + Send + Sync + 'static, times: usize) -> Primary {
    let asked = AtomicUsize::new(0);
    Primary::new(move |_: &Seen| if asked.fetch_add(1, SeqCst) < times { answers() } else { json(COUNT) }).await
}

fn retry_after(status: u16, value: &str) -> Response<Body> {
    let mut response = complaint(status, 5);
    response.headers_mut().insert("Retry-After", value.parse().unwrap());
    response
}

#[tokio::test]
async fn what_may_pass_is_asked_again_twice_at_most() {
    type Answer = fn() -> Response<Body>;
    let cases: [(Answer, &str); 5] = [
        (|| respond(502, "text/html", "<html>"), "502"),
        (|| complaint(503, 5), "503"),
        (|| respond(504, "text/html", ""), "504"),
        (|| complaint(429, 5), "429"),
        (|| retry_after(503, "rubbish"), "503"),
    ];
    let checks = cases.map(|(answer, code)| async move {
        let primary = first(answer, 2).await;
        let (client, stats) = primary.client();
        assert_eq!(client.count_jobs(None).await.unwrap(), 1, "{code}");
        assert_eq!((stats.retries(), counted(&stats, COUNTS, code), counted(&stats, COUNTS, "200")), (2, 2, 1));

        let primary = first(answer, usize::MAX).await;
        let (client, stats) = primary.client();
        let error = client.count_jobs(None).await.unwrap_err();
        assert_eq!(error.status().map(|status| status.to_string()).as_deref(), Some(code));
        assert_eq!((stats.retries(), primary.seen().len()), (2, 3));
        assert!(!stats.circuit_open(), "an answer, whatever its status, is no silence");
    });
    futures_util::future::join_all(checks).await;
}

#[tokio::test]
async fn a_short_wait_is_waited_and_a_long_one_ends_the_poll() {
    let primary = first(|| retry_after(429, "1"), 1).await;
    let began = Instant::now();
    assert_eq!(primary.client().0.count_jobs(None).await.unwrap(), 1);
    assert!(began.elapsed() >= Duration::from_secs(1), "not sooner than it was asked for");

    let primary = first(|| retry_after(503, "120"), usize::MAX).await;
    let error = primary.client().0.count_jobs(None).await.unwrap_err();
    assert_eq!((error.reason(), error.retry_after()), (Reason::Throttled, Some(Duration::from_secs(120))));
    assert_eq!(primary.seen().len(), 1);
}

#[tokio::test]
async fn a_reset_is_asked_again() {
    let address = raw(|number, mut stream| async move {
        read_head(&mut stream).await;
        if number == 2 {
            stream.write_all(whole(COUNT).as_bytes()).await.unwrap();
            read_head(&mut stream).await;
        }
    })
    .await;
    let (client, stats) = client(&site(address));
    assert_eq!(client.count_jobs(None).await.unwrap(), 1);
    assert_eq!((stats.retries(), counted(&stats, COUNTS, "connect"), counted(&stats, COUNTS, "200")), (2, 2, 1));
}

#[tokio::test]
async fn a_request_that_pauses_holds_no_permit() {
    let primary = first(|| retry_after(429, "2"), 1).await;
    let mut site = primary.site();
    site.poll.max_requests = 1;
    let (client, stats) = client(&site);
    let other = client.clone();
    let pausing = tokio::spawn(async move { other.count_jobs(None).await });
    until(|| counted(&stats, COUNTS, "429") == 1).await;
    assert_eq!(client.count_jobs(None).await.unwrap(), 1);
    assert_eq!(stats.retries(), 0, "the first one still pauses");
    assert_eq!(pausing.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_probe_asks_once() {
    let primary = first(|| complaint(503, 5), usize::MAX).await;
    let (client, stats) = primary.client();
    client.probe(Duration::from_secs(10)).await;
    assert_eq!((stats.retries(), primary.paths().len()), (0, 2), "{:?}", primary.paths());
}

/// A primary that closes every connection until `is_up`.
async fn dark(is_up: &Arc<AtomicBool>) -> Site {
    let is_up = Arc::clone(is_up);
    let address: SocketAddr = raw(move |_, mut stream| {
        let is_up = Arc::clone(&is_up);
        async move {
            while is_up.load(SeqCst) && read_head(&mut stream).await {
                stream.write_all(whole(COUNT).as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let mut site = site(address);
    // Too short for a pause, so that each call is one attempt.
    site.poll.request_timeout = Duration::from_millis(300);
    site
}

async fn open(client: &Client) {
    for _ in 0..5 {
        assert!(!client.stats().circuit_open());
        let reason = client.count_jobs(None).await.unwrap_err().reason();
        assert!(matches!(reason, Reason::Connect | Reason::Timeout), "{reason}");
    }
    // The next one asks by /ping whether it is the primary.
    assert_eq!(client.count_jobs(None).await.unwrap_err().reason(), Reason::Circuit);
    assert!(client.stats().circuit_open() && !client.stats().up());
}

async fn recovers(client: &Client) {
    let began = Instant::now();
    while client.count_jobs(None).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_dark_site_is_left_alone_until_a_ping_is_answered() {
    let is_up = Arc::new(AtomicBool::new(false));
    let (client, stats) = client(&dark(&is_up).await);
    open(&client).await;
    let asked = counted(&stats, COUNTS, "connect");
    let mut last = String::new();
    for _ in 0..100 {
        let error = client.count_jobs(None).await.unwrap_err();
        assert_eq!((error.reason(), error.endpoint(), error.status()), (Reason::Circuit, COUNTS, None));
        last = error.to_string();
    }
    assert!(last.contains("the last failure was connect") && last.contains("no answer since 20"), "{last}");
    assert_eq!(counted(&stats, COUNTS, "connect"), asked, "nothing was sent");
    until(|| {
        let client = client.clone();
        futures_util::FutureExt::now_or_never(async move { client.count_jobs(None).await });
        counted(&stats, "/ping", "connect") + counted(&stats, "/ping", "timeout") > 0
    })
    .await;
    assert!(stats.circuit_open(), "a ping without an answer changes nothing");
    is_up.store(true, SeqCst);
    recovers(&client).await;
    assert!(!stats.circuit_open() && stats.up());
}

#[tokio::test]
async fn a_health_probe_that_is_answered_closes_it_at_once() {
    let is_up = Arc::new(AtomicBool::new(false));
    let (client, stats) = client(&dark(&is_up).await);
    for _ in 0..10 {
        assert!(!client.probe(Duration::from_millis(50)).await.reachable);
    }
    assert!(!stats.circuit_open(), "a probe has too little time to tell");
    open(&client).await;
    is_up.store(true, SeqCst);
    client.probe(Duration::from_secs(10)).await;
    assert!(!stats.circuit_open());
    recovers(&client).await;
}

#[tokio::test]
async fn a_ping_that_hangs_does_not_hide_that_the_next_one_is_answered() {
    let (asked, hangs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (a, h) = (Arc::clone(&asked), Arc::clone(&hangs));
    let address = raw(move |_, mut stream| {
        let (asked, hangs) = (Arc::clone(&a), Arc::clone(&h));
        async move {
            while read_head(&mut stream).await && hangs.load(SeqCst) {
                if asked.fetch_add(1, SeqCst) == 0 {
                    std::future::pending::<()>().await;
                }
                stream.write_all(whole(COUNT).as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let mut site = site(address);
    site.poll.request_timeout = Duration::from_secs(20);
    let (client, stats) = client(&site);
    while !stats.circuit_open() {
        client.count_jobs(None).await.unwrap_err();
    }
    hangs.store(true, SeqCst);
    let began = Instant::now();
    while client.count_jobs(None).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(asked.load(SeqCst) >= 3, "one that hangs, one that is answered, and the request");
    assert!(began.elapsed() < Duration::from_secs(15), "the first ping is not waited for");
}

#[tokio::test]
async fn an_open_circuit_lets_two_pings_through_at_most() {
    let primary = Primary::slow(|_| Box::pin(std::future::pending())).await;
    let mut site = primary.site();
    (site.poll.max_requests, site.poll.request_timeout) = (1, Duration::from_secs(600));
    let (client, stats) = client(&site);
    while !stats.circuit_open() {
        client.0.exchange.circuit.failed(tokio::time::Instant::now(), true, Reason::Timeout);
    }
    let mut polls = Vec::new();
    for _ in 0..18 {
        let client = client.clone();
        polls.push(tokio::spawn(async move { client.count_jobs(None).await }));
        tokio::time::sleep(Duration::from_millis(20)).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::time::resume();
    }
    polls.iter().for_each(tokio::task::JoinHandle::abort);
    let pings = primary.paths();
    assert!(pings.iter().all(|path| path.ends_with("/ping")), "{pings:?}");
    assert!((2..=4).contains(&pings.len()), "{} in 18 s, each waited for 10 s", pings.len());
}

#[tokio::test]
async fn what_the_deadline_of_a_poll_cuts_off_counts_as_silence() {
    let primary = Primary::slow(|_| Box::pin(std::future::pending())).await;
    let (client, stats) = primary.client();
    // The sixth is the /ping that tells whether it is the primary.
    for asked in 1..=6 {
        assert!(!stats.circuit_open());
        let poll = tokio::spawn({
            let client = client.clone();
            async move { client.count_jobs(None).await }
        });
        until(|| primary.seen().len() == asked).await;
        poll.abort();
        until(|| counted(&stats, COUNTS, "timeout") == asked.min(5) as u64).await;
    }
    until(|| stats.circuit_open()).await;
    assert!(primary.paths().last().unwrap().ends_with("/ping"));
}

#[tokio::test]
async fn a_request_that_waits_for_a_permit_is_not_sent_when_the_circuit_opens() {
    let address = raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let mut site = site(address);
    (site.poll.max_requests, site.poll.request_timeout) = (1, Duration::from_millis(100));
    let (client, stats) = client(&site);
    let requests = (0..20).map(|_| client.count_jobs(None));
    let reasons: Vec<_> =
        futures_util::future::join_all(requests).await.into_iter().map(|r| r.unwrap_err().reason()).collect();
    let count = |reason| reasons.iter().filter(|found| **found == reason).count();
    assert_eq!((count(Reason::Timeout), count(Reason::Circuit)), (5, 15), "{reasons:?}");
    assert_eq!(counted(&stats, COUNTS, "timeout"), 5);
}
