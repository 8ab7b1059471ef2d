//! Answers of each release, and what each collector makes of them: `tests/fixtures/<endpoint>/<release>.json` (made by hand
//! after the published schemas, which they validate against) becomes exactly
//! `tests/golden/fixtures/<collector>/<release>.prom`. `UPDATE_GOLDEN=1 cargo test --test fixtures` rewrites those.
//!
//! The directory of an endpoint is its path with `_` for `/`; that of a single resource holds rows, of which each is served
//! under its id. The primary's clock stands at [`NOW`]; rows are served by the simulated primary, which filters and pages
//! them as that release does.

#![expect(clippy::print_stderr, reason = "a skipped test has to say so")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests: a panic is a failed test"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use jsonschema::Draft;
use netbackup_exporter::cache::{Generation, Slot};
use netbackup_exporter::collector::{self, Display, PollContext};
use netbackup_exporter::config::{CollectorTiming, Credential, Secret, Site};
use netbackup_exporter::netbackup::Client;
use netbackup_exporter::simulator::{Job, Options, Release, Simulator};
use netbackup_exporter::stats::ApiStats;
use serde_json::Value;
use support::path;

/// 2025-11-27T00:00:00Z: a moment after everything that the fixtures tell of.
const NOW: i64 = 1_764_201_600_000;

/// Fixtures by endpoint, then by release.
type Fixtures = BTreeMap<String, BTreeMap<String, Value>>;

fn fixtures() -> Fixtures {
    let mut all = Fixtures::new();
    for directory in std::fs::read_dir(path("fixtures")).unwrap().map(Result::unwrap) {
        let template = format!("/{}", directory.file_name().to_str().unwrap().replace('_', "/"));
        for file in std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().path()) {
            let release = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&file).unwrap();
            let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            all.entry(template.clone()).or_default().insert(release, body);
        }
    }
    all
}

fn releases() -> impl Iterator<Item = Release> {
    [Release::R10_3, Release::R10_5, Release::R11_0, Release::R11_2].into_iter()
}

/// What collector `name` shows of the fixtures of a release; `None`: the release has none for it.
async fn shown(
    name: &str,
    endpoints: &[&str],
    release: Release,
    fixtures: &Fixtures,
    go_names: bool,
) -> Option<String> {
    let bodies: Vec<(&str, &Value)> = endpoints
        .iter()
        .filter_map(|template| Some((*template, fixtures.get(*template)?.get(release.name())?)))
        .collect();
    if bodies.is_empty() {
        return None;
    }
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let clock_offset = NOW - i64::try_from(wall.as_millis()).unwrap();
    let options = Options { release, clock_offset, jobs: 0, odd_rows: false, ..Options::default() };
    let primary = Simulator::start(options).await.unwrap();
    for (template, body) in bodies {
        // A list is paged by the simulator; what is none is served as it is.
        let is_list = body.get("data").is_some_and(Value::is_array);
        primary.control().replace(template, Some(if is_list { body["data"].clone() } else { body.clone() }));
    }
    // The oldest release has none, so that there the count of jobs is asked for too.
    if name == "catalog" && release != Release::R10_3 {
        primary.control().insert_job(catalog_backup());
    }
    let key = Credential::ApiKey(Secret::new(Options::default().api_key));
    let site = Site::new("paris", primary.base_url().parse().unwrap(), key).with_all_collectors();
    let client = Client::new(&site, Arc::new(ApiStats::default())).unwrap();
    let collector =
        collector::build(name, &site, &client, Display { go_names, ..Display::default() }, None, None).unwrap();
    let timing = CollectorTiming::of_ttl(std::time::Duration::from_secs(60));
    let context = PollContext::new(Slot::new("any", timing.ttl, timing.limits, Generation::default()));
    let polled =
        collector.poll(&context).await.unwrap_or_else(|failure| panic!("{name} {release}: {}", failure.detail));
    let text = polled.rendered.text();
    primary.stop().await;
    Some(format!("# {} records left out\n{}", polled.rejected, without_readings(&text)))
}

/// The only job: jobs have no fixtures, but the last backup of the catalog is read from them.
fn catalog_backup() -> Job {
    Job {
        job_type: Some("DBBACKUP".into()),
        policy_type: Some("NBU_CATALOG".into()),
        state: Some("DONE".into()),
        status: Some(0),
        start: Some(NOW - 7_200_000),
        end: Some(NOW - 3_600_000),
        ..Job::default()
    }
}

/// The same without the time at which media were read: it is that of this test.
fn without_readings(text: &str) -> String {
    let timeless = |line: &str| match line.split_once(' ') {
        Some((series, _)) if series.starts_with("netbackup_tape_media_last_read_timestamp_seconds{") => {
            format!("{series} 1\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(timeless).collect()
}

/// Notes where `found` is not what the golden file holds; nothing at all needs no file.
fn compare(name: &str, found: &str, wrong: &mut Vec<String>) {
    let golden = path("golden/fixtures").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !found.is_empty() {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        std::fs::write(&golden, found).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    if found != expected {
        wrong.push(format!("{} is another; UPDATE_GOLDEN=1 rewrites it:\n{found}", golden.display()));
    }
}

#[tokio::test]
async fn every_answer_becomes_exactly_this() {
    let fixtures = fixtures();
    let (mut used, mut wrong) = (BTreeSet::new(), Vec::new());
    for about in collector::ALL.into_iter().filter(|about| !["jobs", "storage", "clients"].contains(&about.name)) {
        let endpoints: Vec<&str> =
            about.endpoints.iter().map(|endpoint| endpoint.template()).filter(|path| *path != "/admin/jobs").collect();
        used.extend(endpoints.iter().map(|template| (*template).to_owned()));
        let mut shown_at_all = false;
        for release in releases() {
            let Some(found) = shown(about.name, &endpoints, release, &fixtures, false).await else { continue };
            shown_at_all = true;
            compare(&format!("{}/{release}.prom", about.name), &found, &mut wrong);
            // And what the names of the Go exporter add to it.
            let with_names = shown(about.name, &endpoints, release, &fixtures, true).await.unwrap();
            let is_theirs = |line: &&str| line.contains(" nbu_") || line.starts_with("nbu_");
            let (theirs, ours): (Vec<_>, Vec<_>) = with_names.lines().partition(is_theirs);
            assert!(ours.into_iter().eq(found.lines()), "{} stays as it is", about.name);
            let theirs: String = theirs.into_iter().flat_map(|line| [line, "\n"]).collect();
            compare(&format!("{}/{release}.compat.prom", about.name), &theirs, &mut wrong);
        }
        if !shown_at_all {
            wrong.push(format!("no release has a fixture for {}", about.name));
        }
    }
    let unknown: Vec<_> = fixtures.keys().filter(|template| !used.contains(*template)).collect();
    assert!(unknown.is_empty(), "no collector reads {unknown:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn description(release: &str) -> Option<Value> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/openapi");
    let named = std::env::var_os("NETBACKUP_OPENAPI_DIR").map(PathBuf::from);
    let file = named.unwrap_or(default).join(format!("netbackup-{release}.json"));
    Some(serde_json::from_str(&std::fs::read_to_string(file).ok()?).unwrap())
}

/// Not every release has every file: then its neighbour's says what is true.
const NEIGHBOURS: [(&str, [&str; 3]); 4] = [
    ("10.3", ["10.3", "10.3", "10.3"]),
    ("10.5", ["10.5", "10.5", "10.5"]),
    ("11.0", ["11.0", "10.5", "11.2"]),
    ("11.2", ["11.2", "11.0", "10.5"]),
];

#[test]
fn every_fixture_is_what_the_release_may_answer() {
    for (template, bodies) in fixtures() {
        for (release, body) in bodies {
            let (_, neighbours) = NEIGHBOURS.iter().find(|(name, _)| *name == release).unwrap();
            let descriptions: Vec<Value> = neighbours.iter().filter_map(|release| description(release)).collect();
            if descriptions.is_empty() {
                eprintln!("skipped: the published descriptions are not there");
                return;
            }
            // A single resource is what the list has of it.
            let listed = template.split("/{").next().unwrap();
            let published = descriptions.iter().find_map(|whole| {
                let content = whole["paths"].get(listed)?["get"]["responses"]["200"]["content"].as_object()?;
                let schema = content.values().next()?["schema"].clone();
                Some(serde_json::json!({"allOf": [schema], "components": whole["components"]}))
            });
            // Nothing is published about /security/cacert.
            let Some(published) = published else {
                assert_eq!(template, "/security/cacert", "{release} does not have it");
                continue;
            };
            let schema = jsonschema::options().with_draft(Draft::Draft4).should_validate_formats(true);
            let schema = schema.build(&published).unwrap();
            let wrong: Vec<String> = schema
                .iter_errors(&body)
                .take(5)
                .map(|error| format!("{error} at {}", error.instance_path()))
                .collect();
            assert!(wrong.is_empty(), "{template} {release}: {wrong:#?}");
        }
    }
}
