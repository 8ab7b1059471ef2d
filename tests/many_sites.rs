//! Twenty sites with every collector in one process; each can be scraped alone, and the series are counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::fmt::Write as _;

use netbackup_exporter::config::COLLECTORS;
use netbackup_exporter::simulator::{Options, Simulator};
use support::Exporter;

const SITES: usize = 20;

fn samples_in(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_sites_are_polled_and_scraped_together_or_one_by_one() {
    let primary = Simulator::start(Options::default()).await.unwrap();
    // Two scrapes are compared: nothing changes between them.
    primary.control().freeze(true);
    let mut config = String::from("[poll]\n");
    for spec in &COLLECTORS {
        writeln!(config, "{}_ttl = \"1h\"", spec.name).unwrap();
    }
    config.push_str("[collectors]\nall = true\n");
    for site in 0..SITES {
        write!(
            config,
            "[[site]]\nname = \"site{site:02}\"\nurl = \"{}\"\napi_key = \"simulated-api-key\"\n",
            primary.base_url()
        )
        .unwrap();
    }
    let exporter = Exporter::start(&config);
    let wanted = SITES * COLLECTORS.len();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let samples = exporter
        .until("every collector of every site", |s| s.sum("netbackup_collector_success", &[]) == wanted as f64)
        .await;
    assert_eq!(samples.sum("netbackup_collector_poll_failures_total", &[]), 0.0);

    let (_, whole) = exporter.get("/metrics").await;
    let count = support::Samples::parse(&whole).get("netbackup_exporter_series", &[]).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    let lines = samples_in(&whole) as f64;
    assert_eq!(count, lines, "netbackup_exporter_series counts what is there");
    let (status, one) = exporter.get("/metrics?site=site07").await;
    assert_eq!(status, 200);
    let of_it = |line: &&str| !line.starts_with('#') && line.contains("{site=\"site07\"");
    assert_eq!(one.lines().filter(of_it).count(), samples_in(&one), "nothing of another site, nothing of the exporter");
    assert_eq!(samples_in(&one), whole.lines().filter(of_it).count());
    assert_eq!(exporter.get("/metrics?site=site20").await.0, 404);
}
