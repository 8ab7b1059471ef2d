//! What the documents say about metrics is what the code says. `UPDATE_DOCS=1 cargo test --test docs` rewrites them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use netbackup_exporter::exposition::{Family, Kind};
use netbackup_exporter::{collector, exposition, telemetry};

const BEGIN: &str = "<!-- metrics:begin (generated: see tests/docs.rs) -->\n";
const END: &str = "<!-- metrics:end -->";

fn sections() -> Vec<(&'static str, Vec<&'static Family>)> {
    // The exposition adds one family to the recorder's own: it stands with those.
    let live = exposition::families().into_iter().filter(|family| family.name != "netbackup_exporter_series");
    let (client, freshness): (Vec<_>, Vec<_>) = live
        .partition(|family| family.name.starts_with("netbackup_api_") && family.name != "netbackup_api_version_info");
    let (progress, freshness): (Vec<_>, Vec<_>) =
        freshness.into_iter().partition(|family| family.name.starts_with("netbackup_jobs"));
    let data: Vec<_> = collector::families().chain(progress).collect();
    let (storage, jobs): (Vec<_>, Vec<_>) =
        data.into_iter().partition(|family| family.name.starts_with("netbackup_storage"));
    let own = telemetry::OWN_FAMILIES.iter().collect();
    vec![("Freshness", freshness), ("API client", client), ("Jobs", jobs), ("Storage", storage), ("Exporter", own)]
}

fn kind(family: &Family) -> &'static str {
    match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn readme_table() -> String {
    let mut out = String::new();
    for (title, mut families) in sections() {
        families.sort_by_key(|family| family.name);
        write!(out, "\n### {title}\n\n| metric | type | labels |\n|---|---|---|\n").unwrap();
        for family in families {
            writeln!(out, "| `{}` | {} | {} |", family.name, kind(family), family.labels.join(", ")).unwrap();
        }
    }
    out.push('\n');
    out
}

fn reference() -> String {
    let mut out = String::from(
        "# Metrics\n\nGenerated from the code: `UPDATE_DOCS=1 cargo test --test docs` rewrites this page.\n\n\
         Every metric of a primary has the label `site` first. Values are those of the last poll; `netbackup_collector_age_seconds` says how old they are.\n\
         A value that NetBackup does not report is absent, never 0. Label values are NetBackup's own words; a missing one is the empty string.\n\n\
         With `[web] created_samples = true` OpenMetrics answers hold a `_created` sample beside each counter and histogram: since when it counts. \
         A Prometheus without `--enable-feature=created-timestamp-zero-ingestion` stores each of them as a series of its own.\n",
    );
    for (title, mut families) in sections() {
        families.sort_by_key(|family| family.name);
        write!(out, "\n## {title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n").unwrap();
        for family in families {
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            writeln!(out, "| `{}` | {} | {} | {} |", family.name, kind(family), labels.join(", "), cell(family.help))
                .unwrap();
        }
    }
    out
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn assert_same(name: &str, expected: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path(name), expected).unwrap();
    }
    let found = std::fs::read_to_string(path(name)).unwrap_or_default();
    assert!(found == expected, "{name} does not say what the code says: run UPDATE_DOCS=1 cargo test --test docs");
}

#[test]
fn the_reference_lists_every_metric() {
    assert_same("docs/metrics.md", &reference());
}

#[test]
fn the_readme_lists_every_metric() {
    let readme = std::fs::read_to_string(path("README.md")).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the README marks where the table begins");
    let (_, after) = rest.split_once(END).expect("the README marks where the table ends");
    assert_same("README.md", &format!("{before}{BEGIN}{}{END}{after}", readme_table()));
}

#[test]
fn names_follow_the_rules_of_the_house() {
    let mut names = std::collections::BTreeSet::new();
    for family in sections().into_iter().flat_map(|(_, families)| families) {
        let name = family.name;
        assert!(names.insert(name), "{name} is declared twice");
        assert_eq!(
            family.kind == Kind::Counter,
            name.ends_with("_total"),
            "{name}: `_total` belongs to counters and to them alone"
        );
        assert!(!family.help.contains('\n') && family.help.len() > 10, "{name}: HELP is one line that says something");
        assert!(
            family.labels.iter().all(|label| !["job", "instance", "le", "quantile"].contains(label)),
            "{name}: a reserved label"
        );
        let own = name.starts_with("netbackup_exporter_") || name.starts_with("process_");
        assert!(own || family.help.to_lowercase().contains("poll"), "{name}: HELP says that the value is polled");
        assert_eq!(
            own,
            family.labels.first() != Some(&"site"),
            "{name}: a metric of a primary has the label `site` first"
        );
    }
    assert!(names.len() > 50, "only {} metrics", names.len());
}
