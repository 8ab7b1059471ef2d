//! How fast a page of the job list is read: `cargo run --release -p netbackup_exporter_benches --bin decode`. The page is the simulated primary's, 100 rows
//! with every attribute of the published API; of those the fields in use are kept.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a bench prints a figure")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use netbackup_exporter::netbackup::read_jobs_page;
use netbackup_exporter::simulator::{Options, Simulator};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(500);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let body = runtime.block_on(async {
        let options = Options { jobs: 1000, ..Options::default() };
        let key = options.api_key.clone();
        let primary = Simulator::start(options).await.unwrap();
        let url = format!("{}/admin/jobs?page%5Blimit%5D=100", primary.base_url());
        let request = reqwest::Client::new().get(url).header("Authorization", key);
        request.header("Accept", "application/vnd.netbackup+json;version=14.0").send().await.unwrap().text().await
    });
    let body = body.unwrap();
    assert_eq!(read_jobs_page(&body).unwrap().rows.len(), 100);
    let mut speeds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (begun, mut pages) = (Instant::now(), 0_u32);
            while begun.elapsed() < ROUND {
                // As the client does it: the bytes are checked to be UTF-8 first.
                let text = std::str::from_utf8(black_box(body.as_bytes())).unwrap();
                black_box(read_jobs_page(text).unwrap());
                pages += 1;
            }
            f64::from(pages) * body.len() as f64 / begun.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    println!("decode: {} bytes a page, {:.0} MB/s (median of {ROUNDS})", body.len(), speeds.get(ROUNDS / 2).unwrap());
}
