//! Clients as they are: slow, old, many, half gone. Real sockets and real time; waits are for what must happen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::listen::{Manners, prepared, serve_router};
use super::testing::{fixture, web};
use super::{Door, router};

/// Far more than anything here takes; only a defect reaches it.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Server {
    pub(super) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    pub(super) task: JoinHandle<()>,
}

impl Server {
    async fn start(router: Router, change: impl FnOnce(&mut Manners)) -> Server {
        Server::behind(watch::channel(Arc::default()).1, router, change).await
    }

    pub(super) async fn behind(
        door: watch::Receiver<Arc<Door>>,
        router: Router,
        change: impl FnOnce(&mut Manners),
    ) -> Server {
        let mut manners = Manners::default();
        change(&mut manners);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        Server {
            address,
            stop: Some(stop),
            task: tokio::spawn(serve_router(vec![listener], router, door, shutdown, manners)),
        }
    }

    async fn pages(change: impl FnOnce(&mut Manners)) -> Server {
        Server::start(router(fixture(&web(), &[("paris", true)]).app), change).await
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(super) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

/// Everything until the server closes; an abortive close counts as one.
pub(super) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server never closed");
    String::from_utf8(bytes).unwrap()
}

/// One answer, its length taken from its head.
pub(super) async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let read = async {
        loop {
            let text = String::from_utf8_lossy(&bytes);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() >= length.parse().unwrap() {
                    return;
                }
            }
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "closed amid an answer: {bytes:?}");
        }
    };
    timeout(PATIENCE, read).await.expect("no whole answer");
    String::from_utf8(bytes).unwrap()
}

pub(super) const REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_connection_serves_many_requests_with_an_exact_length() {
    let server = Server::pages(|_| {}).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.write_all(REQUEST).await.unwrap();
        let answer = answer(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("content-length: "), "{answer}");
        assert!(!answer.contains("transfer-encoding") && answer.contains("date: "), "{answer}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::pages(|_| {}).await;
    let mut client = server.connect().await;
    client
        .write_all(b"GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\nGET /nothing HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let text = rest(&mut client).await;
    let codes: Vec<&str> = text.match_indices("HTTP/1.1 ").map(|(at, _)| &text[at + 9..at + 12]).collect();
    assert_eq!(codes, ["200", "404", "200"], "{text}");
}

#[tokio::test]
async fn an_old_client_that_closes_its_side_gets_its_answer() {
    let server = Server::pages(|_| {}).await;
    let mut client = server.connect().await;
    client.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    let text = rest(&mut client).await;
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n") && text.contains("netbackup_up"), "{text}");
}

#[tokio::test]
async fn a_slow_sender_is_closed_while_others_are_served() {
    let server = Server::pages(|manners| manners.times.head = Duration::from_millis(200)).await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    let begun = Instant::now();
    let dripping = async {
        // One byte at a time never ends the head; each write but the last few succeeds.
        for byte in b"GET /metrics HTTP/1.1\r\nx: ".iter().chain([b'y'; 10_000].iter()) {
            if slow.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        begun.elapsed()
    };
    let scraping = async {
        let mut client = server.connect().await;
        client.write_all(REQUEST).await.unwrap();
        answer(&mut client).await
    };
    let (dripped, scraped) = timeout(PATIENCE, async { tokio::join!(dripping, scraping) }).await.unwrap();
    assert!(scraped.contains("200 OK"));
    assert!(dripped >= Duration::from_millis(200) && dripped < PATIENCE / 2, "{dripped:?}");
    assert_eq!(rest(&mut silent).await, "", "who says nothing is closed too");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let server = Server::pages(|manners| {
        manners.times.head = Duration::from_millis(150);
        manners.times.idle = Duration::from_millis(1_500);
    })
    .await;
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    answer(&mut client).await;
    sleep(Duration::from_millis(600)).await;
    client.write_all(REQUEST).await.unwrap();
    answer(&mut client).await;

    // The time for a head holds for the second request too, and no further byte prolongs it.
    let begun = Instant::now();
    let (mut receiving, mut sending) = client.split();
    let dripping = async {
        while sending.write_all(b"G").await.is_ok() {
            sleep(Duration::from_millis(30)).await;
        }
    };
    let closed = async { receiving.read(&mut [0; 16]).await.unwrap_or(0) };
    tokio::select! {
        () = dripping => {}
        read = closed => assert_eq!(read, 0),
        () = sleep(PATIENCE) => panic!("a drip holds the connection"),
    }
    assert!(begun.elapsed() < Duration::from_millis(1_200), "closed by the head's time, not by the idle time");
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let server = Server::pages(|manners| manners.times.idle = Duration::from_millis(200)).await;
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    answer(&mut client).await;
    assert_eq!(rest(&mut client).await, "");
}

/// 32 MiB: more than the system buffers.
pub(super) fn large() -> Router {
    Router::new().route("/", get(|| async { vec![b'x'; 32 << 20] }))
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_closed() {
    let mut server = Server::start(large(), |manners| manners.times.answer = Duration::from_millis(300)).await;
    let mut client = server.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    client.readable().await.unwrap();
    // The stop would wait for it for 4.5 s: it ends earlier only because the connection does.
    server.stop();
    timeout(Duration::from_secs(2), &mut server.task).await.expect("the connection is still open").unwrap();
    assert!(rest(&mut client).await.len() < 32 << 20);
}

#[tokio::test]
async fn huge_heads_and_rubbish_are_refused() {
    let server = Server::pages(|_| {}).await;
    let huge = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(500));
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(64 * 1024));
    for (request, expected) in
        [(huge.as_str(), "431"), (&many, "431"), (&long, "4"), ("\x16\x03\x01 hello\r\n\r\n", "400")]
    {
        let mut client = server.connect().await;
        let _ = client.write_all(request.as_bytes()).await;
        let text = rest(&mut client).await;
        assert!(text.is_empty() || text.starts_with(&format!("HTTP/1.1 {expected}")), "{text}");
    }
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    assert!(answer(&mut client).await.contains("200 OK"));
}

#[tokio::test]
async fn a_body_that_nobody_asked_for_is_not_read() {
    let server = Server::pages(|_| {}).await;
    let mut client = server.connect().await;
    client.write_all(b"POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\nabc").await.unwrap();
    let text = rest(&mut client).await;
    assert!(text.starts_with("HTTP/1.1 405"), "{text}");
}

#[tokio::test]
async fn a_crowd_does_not_keep_a_scrape_out() {
    let server = Server::pages(|manners| manners.connections = 8).await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        let mut client = server.connect().await;
        let _ = client.write_all(b"GET /me").await;
        crowd.push(client);
    }
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    assert!(answer(&mut client).await.contains("200 OK"));
    // The scrape was answered after all of the crowd had come in: 8 seats, one of them its own.
    for client in crowd.iter_mut().take(90) {
        assert_eq!(rest(client).await, "", "the oldest have left");
    }
}

#[tokio::test]
async fn who_asks_keeps_its_seat() {
    let server = Server::pages(|manners| manners.connections = 2).await;
    let mut clients = [server.connect().await, server.connect().await];
    for asking in [0, 1, 0] {
        clients[asking].write_all(REQUEST).await.unwrap();
        answer(&mut clients[asking]).await;
    }
    let mut third = server.connect().await;
    third.write_all(REQUEST).await.unwrap();
    answer(&mut third).await;
    assert_eq!(rest(&mut clients[1]).await, "", "its last request is the oldest");
    clients[0].write_all(REQUEST).await.unwrap();
    answer(&mut clients[0]).await;
}

#[tokio::test]
async fn stopping_answers_what_is_in_flight_and_nothing_else() {
    let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, go_on) = (Arc::clone(&entered), Arc::clone(&go_on));
        move || async move {
            entered.notify_one();
            go_on.notified().await;
            "in flight"
        }
    };
    let mut server =
        Server::start(Router::new().route("/slow", get(handler)).route("/", get(|| async { "" })), |_| {}).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    answer(&mut idle).await;
    let mut fresh = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    entered.notified().await;

    server.stop();
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed at once");
    assert_eq!(rest(&mut fresh).await, "", "and one that has not asked yet");
    timeout(PATIENCE, async { while TcpStream::connect(server.address).await.is_ok() {} })
        .await
        .expect("still accepting");
    assert!(!server.task.is_finished());
    go_on.notify_one();
    let text = rest(&mut busy).await;
    assert!(text.ends_with("in flight") && text.contains("connection: close"), "{text}");
    timeout(Duration::from_secs(2), &mut server.task).await.expect("did not stop").unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let mut server = Server::start(large(), |manners| manners.grace = Duration::from_millis(300)).await;
    let mut client = server.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    client.readable().await.unwrap();
    let begun = Instant::now();
    server.stop();
    timeout(PATIENCE, &mut server.task).await.expect("did not stop").unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn every_listener_is_served() {
    let listeners = [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let app = fixture(&web(), &[("paris", true)]).app;
    let server = tokio::spawn(super::serve(listeners.into(), app, std::future::pending()));
    for address in addresses {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut client).await.contains("200 OK"));
    }
    server.abort();
}

#[tokio::test]
async fn accepted_connections_send_without_delay() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    assert!(!stream.nodelay().unwrap());
    assert!(prepared(stream).nodelay().unwrap());
}
