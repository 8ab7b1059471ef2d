//! How fast answers are read: `cargo run --release -p netbackup_exporter_benches --bin decode`. They are those of the
//! simulated primary: a page of 100 jobs with every attribute of the published API, and a list of hosts, which comes whole
//! and is read while it arrives. Of both the fields in use are kept.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a bench prints a figure")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use netbackup_exporter::netbackup::{read_hosts, read_jobs_page};
use netbackup_exporter::simulator::{Options, Simulator, Sizes};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(500);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (jobs, hosts) = runtime.block_on(async {
        let options = Options { jobs: 1000, sizes: Sizes { hosts: 1000, ..Sizes::default() }, ..Options::default() };
        let key = options.api_key.clone();
        let primary = Simulator::start(options).await.unwrap();
        let get = async |path: &str| {
            let request = reqwest::Client::new().get(format!("{}{path}", primary.base_url()));
            let request = request.header("Authorization", &key);
            let request = request.header("Accept", "application/vnd.netbackup+json;version=14.0");
            request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
        };
        (get("/admin/jobs?page%5Blimit%5D=100").await, get("/config/hosts").await)
    });
    measure("jobs", &jobs, |body| {
        // As the client does it: the bytes are checked to be UTF-8 first.
        let text = std::str::from_utf8(body.as_bytes()).unwrap();
        assert_eq!(read_jobs_page(text).unwrap().rows.len(), 100);
    });
    measure("hosts", &hosts, |body| assert!(read_hosts(body) >= 1000));
}

fn measure(name: &str, body: &str, read: impl Fn(&str)) {
    let mut speeds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (begun, mut answers) = (Instant::now(), 0_u32);
            while begun.elapsed() < ROUND {
                read(black_box(body));
                answers += 1;
            }
            f64::from(answers) * body.len() as f64 / begun.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    println!(
        "{name}: {} bytes an answer, {:.0} MB/s (median of {ROUNDS})",
        body.len(),
        speeds.get(ROUNDS / 2).unwrap()
    );
}
