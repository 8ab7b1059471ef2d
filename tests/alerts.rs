//! The alerts are about what the exporter shows: names, labels and label values of rules and rule tests exist in the golden
//! expositions, each alert is proven to fire and to stay quiet, each has a runbook, and each threshold is used.
//! `promtool` runs the rule tests themselves (`scripts/test`). `UPDATE_DOCS=1 cargo test --test alerts` rewrites the list
//! in `docs/alerts.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "alerts/rules.rs"]
mod rules;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use rules::{Case, Rule, cases, rules};
use support::known::Known;
use support::promql::{Selector, grouping_labels, made_labels, selectors};

const THRESHOLD: &str = "netbackup:threshold:";
const DOCS: &str = "http://localhost:11556/docs/";
const BEGIN: &str = "<!-- alerts:begin (generated: see tests/alerts.rs) -->\n";
const END: &str = "<!-- alerts:end -->";
/// What every runbook has, in this order.
const PARTS: [&str; 5] = ["## Meaning", "## Impact", "## First checks", "## In NetBackup", "## False positives"];
/// What Prometheus knows by itself.
const SYNTHETIC: [&str; 1] = ["up"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn alerts() -> Vec<Rule> {
    rules().into_iter().filter(|rule| rule.alerts).collect()
}

fn is_recorded(selector: &Selector) -> bool {
    selector.name.starts_with("netbackup:")
}

/// The expressions by which recorded names come about.
fn recorded() -> BTreeMap<String, String> {
    rules().into_iter().filter(|rule| !rule.alerts).map(|rule| (rule.name, rule.expr)).collect()
}

/// The metrics that an expression reads, those behind recorded names included, thresholds aside.
fn metrics(expr: &str, recorded: &BTreeMap<String, String>) -> BTreeSet<String> {
    let of = |selector: Selector| match recorded.get(&selector.name) {
        _ if selector.name.starts_with(THRESHOLD) => BTreeSet::new(),
        Some(expr) => metrics(expr, recorded),
        None => BTreeSet::from([selector.name]),
    };
    selectors(expr).into_iter().flat_map(of).collect()
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_alert_says_what_the_house_asks_for() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for rule in alerts() {
        let mut lacks = |what: &str| wrong.push(format!("{} ({}): {what}", rule.name, rule.file));
        if !seen.insert(rule.name.clone()) || !rule.name.starts_with("NetBackup") {
            lacks("its name is its own and begins with NetBackup");
        }
        if !["critical", "warning", "info"].contains(&rule.severity.as_str()) {
            lacks("severity is critical, warning or info");
        }
        if rule.annotation("summary").is_empty() || rule.annotation("summary").contains('\n') {
            lacks("summary is one line");
        }
        if rule.annotation("description").len() < 60 {
            lacks("description says what is so and what to look at first");
        }
        if rule.annotation("runbook_url") != format!("{DOCS}runbooks/{}.md", rule.name) {
            lacks("runbook_url is that of its runbook");
        }
    }
    assert!(seen.len() >= 50, "only {} alerts", seen.len());
    assert_none(&wrong);
}

#[test]
fn rules_name_only_what_the_exporter_shows() {
    let (known, recorded) = (Known::read(), recorded());
    let mut wrong = Vec::new();
    for rule in rules() {
        let mut add = |what: String| wrong.push(format!("{} ({}): {what}", rule.name, rule.file));
        let found = selectors(&rule.expr);
        for selector in &found {
            if is_recorded(selector) {
                if !recorded.contains_key(&selector.name) {
                    add(format!("nothing records {}", selector.name));
                }
            } else {
                known.selector_mistakes(selector).into_iter().for_each(&mut add);
            }
        }
        let labels: BTreeSet<String> = metrics(&rule.expr, &recorded)
            .iter()
            .filter_map(|name| known.labels(name))
            .flatten()
            .cloned()
            .chain(made_labels(&rule.expr))
            .collect();
        for label in grouping_labels(&rule.expr).into_iter().filter(|label| !labels.contains(label)) {
            add(format!("no metric of it has the label {label} that it groups or matches by"));
        }
        // What templates ask for.
        for name in rule.annotations.iter().flat_map(|(_, text)| words(text)) {
            if known.labels(&name).is_none() && !recorded.contains_key(&name) {
                add(format!("an annotation names {name}, which does not exist"));
            }
        }
    }
    assert_none(&wrong);
}

/// The metrics of ours that a text names.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || "_:".contains(c)))
        .filter(|word| word.starts_with("netbackup_") || word.starts_with("netbackup:"))
        .filter(|word| *word != "netbackup_exporter" && !word.ends_with('_') && !word.ends_with(':'))
        .map(str::to_owned)
        .collect()
}

/// Without the labels that name somebody's object: what is told of one may be told of any other.
fn without_names(selector: &Selector) -> Selector {
    let mut selector = selector.clone();
    selector
        .matchers
        .retain(|(label, ..)| !["client", "policy", "disk_pool", "storage_unit"].contains(&label.as_str()));
    selector
}

#[test]
fn rule_tests_are_fed_with_series_of_the_golden_expositions() {
    let (known, recorded) = (Known::read(), recorded());
    let mut wrong = BTreeSet::new();
    for case in cases() {
        for series in &case.series {
            let found = selectors(series);
            let [selector] = &found[..] else {
                wrong.insert(format!("{}: {series} is no series", case.place));
                continue;
            };
            if SYNTHETIC.contains(&selector.name.as_str()) || recorded.contains_key(&selector.name) {
                continue;
            }
            let mistakes = known.selector_mistakes(&without_names(selector));
            wrong.extend(mistakes.into_iter().map(|mistake| format!("{}: {series}: {mistake}", case.place)));
            let has: BTreeSet<&str> = selector.matchers.iter().map(|(label, ..)| label.as_str()).collect();
            let must: BTreeSet<&str> = known.labels(&selector.name).into_iter().flatten().map(String::as_str).collect();
            for label in must.difference(&has).filter(|label| !["job", "instance"].contains(label)) {
                wrong.insert(format!("{}: {series} lacks the label {label}", case.place));
            }
        }
    }
    assert_none(&wrong.into_iter().collect::<Vec<_>>());
}

#[test]
fn every_alert_is_proven_to_fire_and_to_stay_quiet() {
    let (cases, recorded) = (cases(), recorded());
    let mut wrong = Vec::new();
    for rule in alerts() {
        let read = metrics(&rule.expr, &recorded);
        let of_it = cases.iter().filter(|case| case.alert == rule.name);
        let (fires, quiet): (Vec<&Case>, Vec<&Case>) = of_it.partition(|case| !case.expected.is_empty());
        let fed = |case: &Case| -> BTreeSet<String> {
            let names = case.series.iter().flat_map(|series| selectors(series)).map(|selector| selector.name);
            names.filter(|name| read.contains(name)).collect()
        };
        let mut add = |what: String| wrong.push(format!("{} ({}): {what}", rule.name, rule.file));
        if fires.is_empty() {
            add("no test in which it fires".to_owned());
        }
        // Quiet for want of data proves nothing: in a quiet test all is there that a firing one reads, or one test has
        // more series than alerts, of which it names each that must fire.
        let stays_quiet = |fire: &&Case| {
            quiet.iter().any(|quiet| fed(quiet).is_superset(&fed(fire)) && !fed(quiet).is_empty())
                || fed(fire).iter().any(|name| fire.series_of(name) > fire.expected.len())
        };
        if !fires.iter().any(stays_quiet) {
            add("no test in which it stays quiet although what it reads is there".to_owned());
        }
        for (case, expected) in fires.iter().flat_map(|case| case.expected.iter().map(move |expected| (case, expected)))
        {
            if !expected.labels.iter().any(|(label, value)| label == "severity" && *value == rule.severity) {
                add(format!("{}: exp_labels lack its severity", case.place));
            }
            for key in ["summary", "description", "runbook_url"] {
                if !expected.annotations.iter().any(|(name, _)| name == key) {
                    add(format!("{}: exp_annotations lack {key}", case.place));
                }
            }
        }
    }
    let names: BTreeSet<String> = alerts().into_iter().map(|rule| rule.name).collect();
    let unknown = cases.iter().filter(|case| !names.contains(&case.alert));
    wrong.extend(unknown.map(|case| format!("{}: there is no alert {}", case.place, case.alert)));
    assert_none(&wrong);
}

#[test]
fn every_threshold_is_used_and_stands_where_thresholds_stand() {
    let rules = rules();
    let (thresholds, others): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule.name.starts_with(THRESHOLD));
    assert!(!thresholds.is_empty());
    let used: BTreeSet<String> =
        others.iter().flat_map(|rule| selectors(&rule.expr)).map(|selector| selector.name).collect();
    let mut wrong = Vec::new();
    for rule in thresholds {
        if !used.contains(&rule.name) {
            wrong.push(format!("no rule uses {}", rule.name));
        }
        if rule.file != "thresholds.yml" {
            wrong.push(format!("{} stands in {}, not in thresholds.yml", rule.name, rule.file));
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let (known, recorded) = (Known::read(), recorded());
    let mut wrong = Vec::new();
    let mut pages: BTreeSet<String> = std::fs::read_dir(path("docs/runbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "status-codes.md")
        .collect();
    for rule in alerts() {
        let name = format!("{}.md", rule.name);
        let text = std::fs::read_to_string(path("docs/runbooks").join(&name)).unwrap_or_default();
        let mut add = |what: String| wrong.push(format!("docs/runbooks/{name}: {what}"));
        if !pages.remove(&name) {
            add("is missing".to_owned());
            continue;
        }
        if text.lines().next() != Some(&format!("# {}", rule.name)) {
            add("its first line is the alert's name".to_owned());
        }
        let severity = text.lines().skip(1).find(|line| !line.is_empty()).unwrap_or_default().to_lowercase();
        if !severity.contains(&rule.severity) {
            add(format!("its second line says that it is {}", rule.severity));
        }
        let places: Vec<Option<usize>> = PARTS.iter().map(|part| text.find(&format!("\n{part}\n"))).collect();
        if places.iter().any(Option::is_none) || !places.is_sorted() {
            add(format!("it has the parts {}", PARTS.join(", ")));
        }
        for threshold in selectors(&rule.expr).into_iter().filter(|selector| selector.name.starts_with(THRESHOLD)) {
            if !text.contains(&threshold.name) {
                add(format!("it names its threshold {}", threshold.name));
            }
        }
        for word in words(&text).into_iter().filter(|word| known.labels(word).is_none() && !recorded.contains_key(word))
        {
            // A histogram goes by its own name too.
            if known.labels(&format!("{word}_bucket")).is_none() {
                add(format!("it names {word}, which does not exist"));
            }
        }
    }
    wrong.extend(pages.into_iter().map(|page| format!("docs/runbooks/{page} is of no alert")));
    assert_none(&wrong);
}

/// One table for each file of rules.
fn list() -> String {
    let mut out = String::new();
    let mut file = String::new();
    for rule in alerts() {
        if rule.file != file {
            write!(out, "\n### `alerts/{}`\n\n| alert | severity | when |\n|---|---|---|\n", rule.file).unwrap();
            file.clone_from(&rule.file);
        }
        let runbook =
            std::fs::read_to_string(path("docs/runbooks").join(format!("{}.md", rule.name))).unwrap_or_default();
        let when = runbook.lines().skip(1).find(|line| !line.is_empty()).unwrap_or_default();
        writeln!(out, "| [{0}](runbooks/{0}.md) | {1} | {2} |", rule.name, rule.severity, when.replace('|', "\\|"))
            .unwrap();
    }
    out.push('\n');
    out
}

#[test]
fn the_page_lists_every_alert() {
    let page = std::fs::read_to_string(path("docs/alerts.md")).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page marks where the list begins");
    let (_, after) = rest.split_once(END).expect("the page marks where the list ends");
    let expected = format!("{before}{BEGIN}{}{END}{after}", list());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path("docs/alerts.md"), &expected).unwrap();
    }
    let found = std::fs::read_to_string(path("docs/alerts.md")).unwrap();
    assert!(found == expected, "docs/alerts.md lists other alerts: run UPDATE_DOCS=1 cargo test --test alerts");
}
