//! What the documents say about metrics and rights is what the code says. `UPDATE_DOCS=1 cargo test --test docs` rewrites them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "docs/permissions.rs"]
mod permissions;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use netbackup_exporter::collector::About;
use netbackup_exporter::config::{COLLECTORS, CollectorSpec};
use netbackup_exporter::exposition::{Family, Kind};
use netbackup_exporter::{collector, exposition, telemetry};
use permissions::Right;

const BEGIN: &str = "<!-- metrics:begin (generated: see tests/docs.rs) -->\n";
const END: &str = "<!-- metrics:end -->";

/// A heading and what stands below it.
struct Section {
    title: &'static str,
    /// Whose metrics they are; `None`: they are there whatever is polled.
    about: Option<&'static About>,
    families: Vec<&'static Family>,
}

fn sections() -> Vec<Section> {
    // The exposition adds one family to the recorder's own: it stands with those.
    let live = exposition::families().into_iter().filter(|family| family.name != "netbackup_exporter_series");
    let (client, freshness): (Vec<_>, Vec<_>) = live
        .partition(|family| family.name.starts_with("netbackup_api_") && family.name != "netbackup_api_version_info");
    let (progress, mut freshness): (Vec<_>, Vec<_>) =
        freshness.into_iter().partition(|family| family.name.starts_with("netbackup_jobs"));
    // Those of no collector alone say how polls of several ended.
    let is_of_one =
        |family: &Family| collector::ALL.iter().any(|about| about.families.iter().any(|f| f.name == family.name));
    freshness.extend(collector::families().filter(|family| !is_of_one(family)));
    let section = |title, families| Section { title, about: None, families };
    let mut sections = vec![section("Freshness", freshness), section("API client", client)];
    for about in collector::ALL {
        let mut families = about.families.to_vec();
        if about.name == "jobs" {
            families.extend(&progress);
        }
        sections.push(Section { title: about.title, about: Some(about), families });
    }
    sections.push(section("Exporter", telemetry::OWN_FAMILIES.iter().collect()));
    for section in &mut sections {
        section.families.sort_by_key(|family| family.name);
    }
    sections
}

fn spec(name: &str) -> &'static CollectorSpec {
    COLLECTORS.iter().find(|spec| spec.name == name).expect("the configuration knows every collector")
}

fn is_on_by_default(name: &str) -> bool {
    spec(name).on_by_default
}

/// What a key must be allowed for a collector, each right once.
fn rights(about: &About) -> Vec<Right> {
    let mut rights: Vec<Right> = Vec::new();
    for right in about.endpoints.iter().filter_map(|endpoint| endpoint.right()).map(Right::read) {
        if !rights.contains(&right) {
            rights.push(right);
        }
    }
    rights
}

impl Section {
    fn heading(&self) -> String {
        self.about.map_or_else(|| self.title.to_owned(), |about| format!("{} (`{}`)", about.title, about.name))
    }

    /// Where the heading is found in a rendered page.
    fn anchor(&self) -> String {
        let kept = self.heading().to_lowercase().replace(|c: char| !(c.is_alphanumeric() || " -_".contains(c)), "");
        kept.replace(' ', "-")
    }
}

/// What is known of a collector beside its metrics.
fn facts(out: &mut String, about: &About) {
    let code = |texts: Vec<&str>| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
    let endpoints = code(about.endpoints.iter().map(|endpoint| endpoint.template()).collect());
    let rights = code(rights(about).iter().map(|right| right.words).collect());
    let (name, spec) = (about.name, spec(about.name));
    let on = if spec.on_by_default { "on by default" } else { "off by default" };
    let ttl = humantime::format_duration(spec.default_ttl);
    write!(out, "\n| | |\n|---|---|\n").unwrap();
    for (key, value) in [
        ("endpoints", endpoints.as_str()),
        ("releases", about.releases),
        ("rights", &rights),
        ("series", about.cardinality),
        ("a poll costs", about.cost),
        ("polled", &format!("{on} (`[collectors] {name}`), every {ttl} (`[poll] {name}_ttl`)")),
    ] {
        if !value.is_empty() {
            writeln!(out, "| {key} | {value} |").unwrap();
        }
    }
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

/// One row per section, so that the table stays short however many metrics there are.
fn readme_table() -> String {
    let mut out = String::from("\n| of | polled | metrics |\n|---|---|---|\n");
    for section in sections() {
        let polled = section.about.map_or(String::new(), |about| {
            let on = if is_on_by_default(about.name) { "" } else { ", off by default" };
            format!("{}{on}", humantime::format_duration(spec(about.name).default_ttl))
        });
        let metrics = section.families.iter().map(|family| {
            let labels: Vec<_> = family.labels.iter().copied().filter(|label| *label != "site").collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(", ")) };
            format!("`{}{labels}`", family.name)
        });
        let metrics: Vec<_> = metrics.collect();
        let (heading, anchor) = (section.heading(), section.anchor());
        writeln!(out, "| [{heading}](docs/metrics.md#{anchor}) | {polled} | {} |", metrics.join(", ")).unwrap();
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
         A Prometheus without `--enable-feature=created-timestamp-zero-ingestion` stores each of them as a series of its own.\n\n\
         Collectors that are off are switched on one by one in `[collectors]`, or all at once by `all = true`. [permissions.md](permissions.md) has a role with the rights that they need.\n",
    );
    for section in sections() {
        write!(out, "\n## {}\n", section.heading()).unwrap();
        if let Some(about) = section.about {
            facts(&mut out, about);
        }
        write!(out, "\n| metric | type | labels | meaning |\n|---|---|---|---|\n").unwrap();
        for family in section.families {
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
fn the_permissions_are_those_that_check_names() {
    assert_same("docs/permissions.md", &permissions::page());
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
    for family in sections().into_iter().flat_map(|section| section.families) {
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
