//! A primary that means harm, or something else that listens on its port: whatever it sends, a request ends in its time,
//! takes a bounded amount of memory, and says why.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::faults::{raw, read_head};
use super::primary::{JSON, Primary, client, counted, json, respond, site};
use crate::netbackup::{Client, JobsQuery, Walk};
use crate::reason::Reason;

const QUERY: JobsQuery = JobsQuery { filter: None, sort: None, limit: 100 };
/// What buffers of the system take besides what the client has read.
const BUFFERS: usize = 16 * 1024 * 1024;

/// Sends `head` and then `more` for ever, with a pause between. Returns where, and how many bytes have gone out.
async fn endless(head: String, more: Vec<u8>, pause: Duration) -> (SocketAddr, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let address = raw(move |_, mut stream| {
        let (head, more, count) = (head.clone(), more.clone(), Arc::clone(&count));
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&more).await.is_ok() {
                count.fetch_add(more.len(), SeqCst);
                tokio::time::sleep(pause).await;
            }
        }
    })
    .await;
    (address, sent)
}

/// Walks the jobs with two seconds for a request. Returns the reason, within bounds.
async fn ends(address: SocketAddr) -> Reason {
    let mut site = site(address);
    site.poll.request_timeout = Duration::from_secs(2);
    let (client, stats) = client(&site);
    let began = Instant::now();
    let reason = client.walk_jobs(&QUERY, &mut |_| ()).await.unwrap_err().reason();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(stats.received() < 33 * 1024 * 1024);
    reason
}

#[tokio::test]
async fn a_drip_ends_in_time_wherever_it_drips() {
    let chunked = format!("HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let drip = Duration::from_millis(200);
    for (head, more) in [
        (String::new(), b"H".to_vec()),
        ("HTTP/1.1 200 OK\r\nX-Drip: ".to_owned(), b"a".to_vec()),
        (chunked.clone(), b"1\r\n[\r\n".to_vec()),
        (chunked.replace("200 OK", "500 Oh"), b"1\r\n<\r\n".to_vec()),
    ] {
        let (address, sent) = endless(head.clone(), more.clone(), drip).await;
        let reason = ends(address).await;
        let expected = if head.contains("500") { Reason::Http } else { Reason::Timeout };
        // The first is no HTTP, which shows before the time is over.
        assert!(reason == expected || head.is_empty() && reason == Reason::Decode, "{reason} for {head:?}");
        assert!(sent.load(SeqCst) < 1000);
    }
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let head = "HTTP/1.1 200 OK\r\n";
    for (head, more) in [
        (head.to_owned(), b"X-More: and more\r\n".repeat(1000)),
        (format!("{head}X-Huge: "), vec![b'a'; 64 * 1024]),
        ("HTTP/1.1 200 ".to_owned(), vec![b'O'; 64 * 1024]),
        (String::new(), vec![b'\n'; 64 * 1024]),
    ] {
        let (address, sent) = endless(head.clone(), more, Duration::ZERO).await;
        let reason = ends(address).await;
        assert!(matches!(reason, Reason::Decode | Reason::Timeout), "{reason} for {head:?}");
        assert!(sent.load(SeqCst) < BUFFERS, "{} bytes of {head:?}", sent.load(SeqCst));
    }
}

#[tokio::test]
async fn a_storm_of_provisional_answers_ends_in_time() {
    let more = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n".repeat(100);
    let (address, _) = endless(String::new(), more, Duration::ZERO).await;
    assert_eq!(ends(address).await, Reason::Timeout);
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 64 * 1024], b"\r\n".to_vec()].concat();
    for (status, reason) in [("200 OK", Reason::TooLarge), ("500 Oh", Reason::Http)] {
        for (framing, more) in [("Transfer-Encoding: chunked", &chunk), ("Connection: close", &vec![b' '; 64 * 1024])] {
            let head = format!("HTTP/1.1 {status}\r\nContent-Type: {JSON}\r\n{framing}\r\n\r\n");
            let (address, sent) = endless(head, more.clone(), Duration::ZERO).await;
            let mut site = site(address);
            site.poll.request_timeout = Duration::from_secs(20);
            let error = client(&site).0.walk_jobs(&QUERY, &mut |_| ()).await.unwrap_err();
            assert_eq!(error.reason(), reason, "{status}, {framing}");
            let most = if status.starts_with("200") { 33 * 1024 * 1024 } else { 64 * 1024 };
            assert!(sent.load(SeqCst) < most + BUFFERS, "{} bytes", sent.load(SeqCst));
        }
    }
}

#[tokio::test]
async fn broken_framing_is_a_bad_answer() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Header\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
    ] {
        let address = raw(move |_, mut stream| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(head.as_bytes()).await;
            read_head(&mut stream).await;
        })
        .await;
        assert_eq!(ends(address).await, Reason::Decode, "{head:?}");
    }
}

#[tokio::test]
async fn no_status_is_without_a_reason() {
    let status = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&status);
    let primary = Primary::new(move |_| respond(u16::try_from(now.load(SeqCst)).unwrap(), "text/html", "<html>")).await;
    let (client, stats) = primary.client();
    // `outages` has those that are asked again.
    let is_asked_again = |code: &usize| matches!(code, 429 | 502..=504);
    for code in (201..=208).chain(300..=308).chain(400..=599).filter(|code| !is_asked_again(code)) {
        status.store(code, SeqCst);
        let error = client.count_jobs(None).await.unwrap_err();
        let expected = match code {
            401 => Reason::Auth,
            403 => Reason::Forbidden,
            406 => Reason::Version,
            _ => Reason::Http,
        };
        assert_eq!((error.reason(), error.status().map(usize::from)), (expected, Some(code)));
        assert!(!stats.circuit_open(), "{code}");
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_hard_is_no_connection() {
    let address = raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(ends(address).await, Reason::Connect);
}

async fn answer(body: String) -> (Client, Primary) {
    let primary = Primary::new(move |_| json(body.clone())).await;
    (primary.client().0, primary)
}

#[tokio::test]
async fn whatever_json_says_it_is_a_bad_page_or_left_out() {
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(10_000), "]".repeat(10_000));
    let maps = format!("{}1{}", "{\"data\":".repeat(10_000), "}".repeat(10_000));
    let page = |data: &str| format!(r#"{{"data":{data},"meta":{{"pagination":{{"limit":100}}}}}}"#);
    let bad = [
        "null".to_owned(),
        "true".to_owned(),
        "0".to_owned(),
        "\"\"".to_owned(),
        "[".repeat(10_000),
        "{\"data\":".repeat(10_000),
        deep(""),
        maps,
        page("null"),
        page("{}"),
        page("\"rows\""),
        r#"{"data":[],"meta":null}"#.to_owned(),
        r#"{"data":[],"meta":[]}"#.to_owned(),
        r#"{"data":[],"meta":{"pagination":[]}}"#.to_owned(),
        r#"{"data":[],"meta":{"pagination":{"next":{"a":1}}}}"#.to_owned(),
        format!(r#"{{"data":[],"meta":{{"pagination":{{"next":{}}}}}}}"#, deep("1")),
        page(&format!("[{}{{}}]", "{},".repeat(1_000_000))),
    ];
    for body in bad {
        let shown = body.chars().take(60).collect::<String>();
        let (client, primary) = answer(body).await;
        let error = client.walk_jobs(&QUERY, &mut |_| ()).await.unwrap_err();
        assert_eq!((error.reason(), error.status()), (Reason::Decode, Some(200)), "{shown}: {error}");
        assert_eq!(primary.seen().len(), 1, "{shown}");
    }
    let long = "x".repeat(1024 * 1024);
    let left_out = [
        "null".to_owned(),
        "[[]]".to_owned(),
        deep(""),
        r#"{"attributes":null}"#.to_owned(),
        format!(r#"{{"attributes":{}}}"#, deep("")),
        format!(r#"{{"attributes":{{"jobId":{},"state":"DONE"}}}}"#, deep("1")),
        format!(r#"{{"attributes":{{"jobId":1,"state":"{long}"}}}}"#),
    ];
    for row in left_out {
        let shown = row.chars().take(60).collect::<String>();
        let (client, _primary) = answer(page(&format!("[{row}]"))).await;
        let walk = client.walk_jobs(&QUERY, &mut |_| ()).await.unwrap();
        assert_eq!(walk, Walk { pages: 1, rows: 0, rejected: 1, more: false }, "{shown}");
    }
}

#[tokio::test]
async fn a_ring_of_cursors_ends_where_it_closes() {
    for ring in [1, 2, 3, 50] {
        let primary = Primary::new(move |seen| {
            let at: usize = seen.parameter("page[after]").map_or(0, |cursor| cursor[1..].parse().unwrap());
            json(format!(r#"{{"data":[],"meta":{{"pagination":{{"next":"c{}"}}}}}}"#, at % ring + 1))
        })
        .await;
        let error = primary.client().0.walk_jobs(&QUERY, &mut |_| ()).await.unwrap_err();
        assert_eq!(error.reason(), Reason::Decode);
        assert_eq!(primary.seen().len(), ring + 1, "once around");
    }
}

#[tokio::test]
async fn retry_after_is_understood_in_every_form_and_rubbish_does_no_harm() {
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    let from_now = |seconds| jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    let http = |stamp: jiff::Timestamp| stamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let cases = [
        ("7200".to_owned(), hours(2)),
        (http(from_now(7200)), hours(2)),
        (from_now(7200).to_string(), hours(2)),
        // Clocks that differ make of a date what they like: too far away for anybody to believe, or in the past.
        ("Thu, 31 Dec 9998 23:59:59 GMT".to_owned(), hours(24 * 365)),
        ("18446744073709551615".to_owned(), hours(24 * 365)),
        (http(from_now(-7200)), None),
        ("-1".to_owned(), None),
        ("soon".to_owned(), None),
        (String::new(), None),
    ];
    let checks = cases.map(|(value, asked)| async move {
        let header = value.clone();
        let primary = Primary::new(move |_| {
            let mut response = respond(503, "text/html", "");
            response.headers_mut().insert("Retry-After", header.parse().unwrap());
            response
        })
        .await;
        let error = primary.client().0.count_jobs(None).await.unwrap_err();
        // What asks for no time is asked again.
        assert_eq!(primary.seen().len(), if asked.is_some() { 1 } else { 3 }, "{value}");
        assert_eq!((error.reason(), error.status()), (Reason::Throttled, Some(503)), "{value}");
        match asked {
            None => assert_eq!(error.retry_after(), None, "{value}"),
            Some(asked) => {
                let wait = error.retry_after().unwrap();
                assert!(wait.saturating_add(Duration::from_secs(60)) > asked, "{value}: {wait:?}");
            }
        }
    });
    futures_util::future::join_all(checks).await;
}

#[tokio::test]
async fn a_clock_that_is_far_off_is_told_and_nothing_else() {
    for (said, is_late) in [("0", false), ("1", false), ("253402300799999", true)] {
        let primary = Primary::new(move |_| respond(200, "text/plain", said)).await;
        let (client, stats) = primary.client();
        client.ping().await.unwrap();
        let offset = stats.clock_offset_seconds().unwrap();
        assert!(if is_late { offset > 1e11 } else { offset < -1e9 }, "{said}: {offset}");
        assert_eq!(counted(&stats, "/ping", "200"), 1);
    }
}
