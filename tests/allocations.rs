//! What a scrape that finds nothing new takes from the heap, everything between the socket and the bytes included. A count,
//! not a time: the same wherever it runs.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test reports by panicking, and says what it has counted"
)]

#[path = "../benches/served.rs"]
mod served;

use netbackup_exporter::server;
use netbackup_exporter::telemetry::Recorder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A target of docs/performance.md: below this.
const MOST: u64 = 30;

/// Sends `request` over a connection that is open already, and takes the whole answer into `answer`.
async fn scrape(connection: &mut TcpStream, request: &[u8], answer: &mut [u8]) {
    connection.write_all(request).await.unwrap();
    connection.read_exact(answer).await.unwrap();
}

#[test]
fn a_scrape_that_finds_nothing_new_allocates_little() {
    // Everything on this thread: its allocations are counted.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let own = Recorder::install().unwrap().own_metrics();
    let (app, _writer) = runtime.block_on(async { served::served(own) });
    let address = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(server::serve(vec![listener], app, std::future::pending()));
        address
    });
    for (method, accept, encoding) in [
        ("GET", "text/plain;version=0.0.4", "identity"),
        ("GET", "text/plain;version=0.0.4", "gzip"),
        ("GET", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2", "gzip"),
        ("HEAD", "text/plain;version=0.0.4", "gzip"),
    ] {
        let request = format!(
            "{method} /metrics HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Prometheus/3.0\r\nAccept: {accept}\r\n\
             Accept-Encoding: {encoding}\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
        );
        let mut connection = runtime.block_on(TcpStream::connect(address)).unwrap();
        // The first answer is assembled, and says how long the next ones are.
        let mut answer = runtime.block_on(async {
            connection.write_all(request.as_bytes()).await.unwrap();
            let mut read = Vec::new();
            let head = loop {
                connection.read_buf(&mut read).await.unwrap();
                if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    break end + 4;
                }
            };
            let text = std::str::from_utf8(&read[..head]).unwrap();
            assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let body: usize = if method == "HEAD" { 0 } else { length.parse().unwrap() };
            let missing = read.len()..head + body;
            read.resize(head + body, 0);
            connection.read_exact(&mut read[missing]).await.unwrap();
            read
        });
        // The fewest of some: once a second the live part is made anew.
        let counts: Vec<u64> = (0..20)
            .map(|_| {
                let scrape = scrape(&mut connection, request.as_bytes(), &mut answer);
                allocation_counter::measure(|| runtime.block_on(scrape)).count_total
            })
            .collect();
        let fewest = *counts.iter().min().unwrap();
        println!("{method}, {accept}, {encoding}: {fewest} allocations ({counts:?})");
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
        assert!(0 < fewest && fewest < MOST, "{method} {accept} {encoding}: {counts:?}");
    }
}
