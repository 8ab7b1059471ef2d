//! What a scrape that finds nothing new takes from the heap, everything between the socket and the bytes included. A count,
//! not a time: the same wherever it runs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test reports by panicking, and says what it has counted"
)]

#[path = "../benches/served.rs"]
mod served;

use std::ops::Range;

use netbackup_exporter::server;
use netbackup_exporter::telemetry::Recorder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A target of docs/performance.md: below this.
const MOST: u64 = 30;

/// Sends `request`, takes the whole answer into `buffer`, which is large enough, and says where its body begins and ends.
/// Takes nothing from the heap.
async fn scrape(connection: &mut TcpStream, request: &[u8], has_body: bool, buffer: &mut [u8]) -> Range<usize> {
    connection.write_all(request).await.unwrap();
    let mut read = 0;
    let head = loop {
        read += connection.read(&mut buffer[read..]).await.unwrap();
        if let Some(end) = buffer[..read].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = std::str::from_utf8(&buffer[..head]).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let end = head + if has_body { length.parse::<usize>().unwrap() } else { 0 };
    connection.read_exact(&mut buffer[read..end]).await.unwrap();
    head..end
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
        ("GET", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2", "identity"),
        ("GET", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2", "gzip"),
        ("HEAD", "text/plain;version=0.0.4", "gzip"),
    ] {
        let request = format!(
            "{method} /metrics HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Prometheus/3.0\r\nAccept: {accept}\r\n\
             Accept-Encoding: {encoding}\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
        );
        let mut connection = runtime.block_on(TcpStream::connect(address)).unwrap();
        let mut buffer = vec![0; 4 * 1024 * 1024];
        let mut scrape = || runtime.block_on(scrape(&mut connection, request.as_bytes(), method == "GET", &mut buffer));
        // The first answer is assembled.
        assert_eq!(scrape().len() > 10_000, method == "GET");
        let mut counts: Vec<u64> = (0..21)
            .map(|_| {
                allocation_counter::measure(|| {
                    scrape();
                })
                .count_total
            })
            .collect();
        // Once a second the live part is made anew, and a slow machine may need longer than that for a few.
        counts.sort_unstable();
        let median = counts[counts.len() / 2];
        println!("{method}, {accept}, {encoding}: {median} allocations ({counts:?})");
        assert!(0 < median && median < MOST, "{method} {accept} {encoding}: {counts:?}");
    }
}
