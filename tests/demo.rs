//! The demo shows every family there is, with data that live, and in a real Prometheus every panel of every dashboard
//! has data. One demo serves both; the second is skipped, aloud, where Prometheus is missing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use netbackup_exporter::collector::{self, About};
use serde_json::Value;
use support::dashboards::{self, Query};
use support::prometheus::{Prometheus, installed, rule_files};
use support::{Exporter, binary};

/// Time for every collector to poll some times at the demo's TTLs, and for the slowest lists to change.
const PATIENCE: Duration = Duration::from_secs(180);

/// The samples of each collector, by its name.
fn by_collector(text: &str) -> BTreeMap<&'static str, Vec<String>> {
    let of = |about: &'static About| {
        let names: Vec<&str> = about.families.iter().map(|family| family.name).collect();
        let name = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
        let base = |name: &str| {
            let suffixes = ["_bucket", "_sum", "_count"];
            suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned()
        };
        let is_its = |line: &&str| names.contains(&name(line).as_str()) || names.contains(&base(&name(line)).as_str());
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter(is_its);
        (about.name, lines.map(str::to_owned).collect())
    };
    collector::ALL.into_iter().map(of).collect()
}

#[tokio::test]
async fn the_demo_shows_all_there_is() {
    let mut command = binary();
    command.args(["demo", "--web.listen-address", "127.0.0.1:0"]);
    let exporter = Exporter::spawn(command, tempfile::tempdir().unwrap());
    tokio::join!(every_family_shows_and_every_collector_lives(&exporter), every_panel_has_data(&exporter));
}

async fn every_family_shows_and_every_collector_lives(exporter: &Exporter) {
    let started = Instant::now();
    let missing = |text: &str| -> Vec<&'static str> {
        let shows = |name: &str| {
            text.lines()
                .any(|line| line.strip_prefix("# TYPE ").is_some_and(|rest| rest.starts_with(&format!("{name} "))))
        };
        collector::families().map(|family| family.name).filter(|name| !shows(name)).collect()
    };
    let mut text = exporter.get("/metrics").await.1;
    while !missing(&text).is_empty() {
        assert!(started.elapsed() < PATIENCE, "the demo does not show {:#?}", missing(&text));
        tokio::time::sleep(Duration::from_millis(500)).await;
        text = exporter.get("/metrics").await.1;
    }
    let first = by_collector(&text);
    loop {
        let now = by_collector(&exporter.get("/metrics").await.1);
        let still: Vec<_> =
            first.iter().filter(|(name, lines)| now.get(*name) == Some(*lines)).map(|(name, _)| *name).collect();
        if still.is_empty() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "nothing changes in {still:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let samples = exporter.scrape().await;
    assert_eq!(samples.sum("netbackup_collector_poll_failures_total", &[]), 0.0);
    assert_eq!(samples.sum("netbackup_collector_rejected_records_total", &[]), 0.0);
    let read = samples.all("netbackup_collector_endpoint_state", &[("state", "read")]);
    assert!(read.into_iter().all(|(_, value)| value == 1.0), "an endpoint is not served");
}

async fn every_panel_has_data(exporter: &Exporter) {
    if !installed("prometheus") {
        return;
    }
    let (started, since) = (Instant::now(), SystemTime::now());
    let prometheus = Prometheus::start(&exporter.base, &rule_files());
    let mut queries = dashboards::queries();
    assert!(queries.iter().filter(|query| query.is_of_panel).count() > 100);
    while !queries.is_empty() {
        let mut missing = Vec::new();
        for query in queries {
            if let Some(reason) = mistake(&prometheus, &query, since).await {
                missing.push((query, reason));
            }
        }
        let refused = missing.iter().filter(|(_, reason)| reason.contains("parse error"));
        assert_eq!(refused.map(said).collect::<Vec<_>>(), [""; 0]);
        assert!(
            started.elapsed() < PATIENCE,
            "{}\n{}",
            missing.iter().map(said).collect::<Vec<_>>().join("\n"),
            prometheus.log()
        );
        queries = missing.into_iter().map(|(query, _)| query).collect();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let sites = prometheus.ask("label/site/values", &[("match[]", "netbackup_up")]).await;
    assert_eq!(sites, Ok(serde_json::json!(["demo"])), "the variable has nothing to choose from");
    loop {
        let answer = prometheus.ask("rules", &[]).await.unwrap();
        let groups = answer["groups"].as_array().unwrap();
        let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
        assert!(rules.len() > 20, "{}", prometheus.log());
        let ill: Vec<_> = rules.into_iter().filter(|rule| rule["health"] != "ok").collect();
        if ill.is_empty() {
            break;
        }
        assert!(started.elapsed() < PATIENCE && ill.iter().all(|rule| rule["health"] == "unknown"), "{ill:#?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// A query that shows nothing, and why.
fn said((query, reason): &(Query, String)) -> String {
    format!("{}, {:?}: {reason}: {}", query.dashboard, query.panel, query.concrete())
}

/// Why a panel shows nothing by this query; `None`: it shows something. Annotations may have nothing to show.
async fn mistake(prometheus: &Prometheus, query: &Query, since: SystemTime) -> Option<String> {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64().to_string();
    let expr = query.concrete();
    let answer = if query.instant {
        prometheus.ask("query", &[("query", &expr)]).await
    } else {
        let times = (seconds(since), seconds(SystemTime::now()));
        let asked = [("query", expr.as_str()), ("start", &times.0), ("end", &times.1), ("step", "2")];
        prometheus.ask("query_range", &asked).await
    };
    let found = match answer {
        Ok(found) => found,
        Err(reason) => return Some(reason),
    };
    let mut series = found["result"].as_array().unwrap().iter();
    // One value, or several: each is a time and a text.
    let is_number = |value: &Value| value[1] != "NaN";
    let shows = series.any(|series| {
        is_number(&series["value"]) && series["value"].is_array()
            || series["values"].as_array().is_some_and(|values| values.iter().any(is_number))
    });
    (query.is_of_panel && !shows).then(|| "no data".to_owned())
}
