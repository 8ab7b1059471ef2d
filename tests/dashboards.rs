//! The dashboards of Grafana are made of dashboards/source and are what Grafana and the exporter understand.
//! `UPDATE_DOCS=1 cargo test --test dashboards` rewrites them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "dashboards/checks.rs"]
mod checks;
#[path = "dashboards/model.rs"]
mod model;
#[path = "dashboards/options.rs"]
mod options;
#[path = "dashboards/panel.rs"]
mod panel;
#[path = "dashboards/promql.rs"]
mod promql;
#[path = "dashboards/source.rs"]
mod source;
mod support;
#[path = "dashboards/thresholds.rs"]
mod thresholds;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::known::Known;
use thresholds::Thresholds;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Names of the files of a directory that end so, the end left out; none where there is no such directory.
fn names(directory: &str, end: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path(directory)).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(end).map(str::to_owned)).collect()
}

fn thresholds() -> Thresholds {
    thresholds::parse(&std::fs::read_to_string(path("alerts/thresholds.yml")).unwrap()).unwrap()
}

/// Every dashboard as its source makes it.
fn made() -> BTreeMap<String, Value> {
    let thresholds = thresholds();
    let make = |name: String| {
        let text = std::fs::read_to_string(path(&format!("dashboards/source/{name}.toml"))).unwrap();
        let made = source::parse(&text).and_then(|source| model::dashboard(&name, &source, &thresholds));
        let made = made.unwrap_or_else(|mistakes| panic!("dashboards/source/{name}.toml: {mistakes}"));
        (name, made)
    };
    names("dashboards/source", ".toml").into_iter().map(make).collect()
}

/// Asserts that a check finds nothing in any dashboard.
fn assert_without_mistakes(check: impl Fn(&str, &Value) -> Vec<String>) {
    let made = made();
    assert!(!made.is_empty());
    let found = made.iter().flat_map(|(name, dashboard)| {
        check(name, dashboard).into_iter().map(move |mistake| format!("dashboards/source/{name}.toml: {mistake}"))
    });
    let found: Vec<_> = found.collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_files_are_what_their_sources_say() {
    let made = made();
    for (name, dashboard) in &made {
        let file = path(&format!("dashboards/{name}.json"));
        let expected = format!("{dashboard:#}\n");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&file, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            found == expected,
            "{name}.json is not what its source says: UPDATE_DOCS=1 cargo test --test dashboards"
        );
    }
    assert_eq!(names("dashboards", ".json"), made.into_keys().collect(), "a file without a source");
}

#[test]
fn every_dashboard_fits_the_model_of_grafana() {
    assert_without_mistakes(|_, dashboard| checks::schema_mistakes(dashboard));
}

#[test]
fn panels_have_their_place_and_their_words() {
    assert_without_mistakes(|_, dashboard| checks::layout_mistakes(dashboard));
}

#[test]
fn queries_ask_for_what_there_is_and_for_the_chosen_sites() {
    let known = Known::read();
    assert_without_mistakes(|name, dashboard| checks::query_mistakes(name, dashboard, &known));
}

#[test]
fn links_lead_to_runbooks_of_alerts_and_to_dashboards() {
    let rules = names("alerts", ".yml").into_iter().map(|name| path(&format!("alerts/{name}.yml")));
    let rules = rules.flat_map(|file| thresholds::alerts(&std::fs::read_to_string(file).unwrap()));
    let runbooks = names("docs/runbooks", ".md");
    let alerts = rules.filter(|alert| runbooks.contains(alert)).collect();
    let dashboards = names("dashboards/source", ".toml");
    assert_without_mistakes(|_, dashboard| checks::link_mistakes(dashboard, &alerts, &dashboards));
}

const SMALL: &str = r#"
title = "T"
description = "D"
[[row]]
title = "R"
[[row.panel]]
title = "P"
description = "D"
kind = "stat"
width = 20
threshold = { name = "known", bad = "above" }
runbook = "NetBackupDown"
links = ["jobs"]
[[row.panel.query]]
expr = 'sum(netbackup_jobs{site=~"$site", state="QUEUED"})'
[[row.panel]]
title = "Q"
description = "D"
kind = "table"
width = 6
columns = { site = "Site", Value = "Jobs", b = "B" }
[[row.panel.query]]
expr = 'sum by (site) (netbackup_jobs{site=~"$site"})'
"#;

fn known_thresholds() -> Thresholds {
    Thresholds::from([("known".to_owned(), 0.5), ("other".to_owned(), 7.0)])
}

fn small(from: &str, to: &str) -> Result<Value, String> {
    assert!(SMALL.contains(from), "{from}");
    source::parse(&SMALL.replacen(from, to, 1)).and_then(|source| model::dashboard("t", &source, &known_thresholds()))
}

#[test]
fn a_source_says_only_what_is_known() {
    small("", "").unwrap();
    for (from, to, reason) in [
        (r#"kind = "stat""#, r#"kind = "graph""#, "unknown variant `graph`"),
        ("width = 20", "width = 20\nwidht = 3", "unknown field `widht`"),
        ("width = 20", "width = 20\nunit = \"parsec\"", "no unit of Grafana"),
        ("width = 20", "width = 20\ncolors = { A = \"mauve\" }", "no colour"),
        ("width = 20", "width = 20\ncolumns = { site = \"Site\" }", "a table, and it alone"),
        ("width = 6", "width = 6\nsort = \"-site\"", "no column that is shown: site"),
        (r#"name = "known""#, r#"name = "unheard""#, "no threshold of the alerts: unheard"),
        (r#"name = "known""#, r#"name = "known", value = 1"#, "either a name or a value"),
        ("sum(", "${threshold:unheard} < sum(", "no threshold of the alerts: unheard"),
        (r#"bad = "above""#, r#"bad = "beyond""#, "did not match any variant"),
    ] {
        let refused = small(from, to).unwrap_err();
        assert!(refused.contains(reason), "{to}: {refused}");
    }
}

#[test]
fn colours_change_at_the_numbers_of_the_alerts() {
    let steps = |threshold: &str| {
        let made =
            small(r#"threshold = { name = "known", bad = "above" }"#, &format!("threshold = {threshold}")).unwrap();
        made["panels"][1]["fieldConfig"]["defaults"]["thresholds"]["steps"].clone()
    };
    assert_eq!(
        steps(r#"{ name = "known", bad = "above" }"#),
        json!([{"color": "green", "value": null}, {"color": "red", "value": 0.5}])
    );
    assert_eq!(
        steps(r#"[{ name = "other", bad = "above" }, { value = 3, bad = "above", color = "orange" }]"#),
        json!([{"color": "green", "value": null}, {"color": "orange", "value": 3}, {"color": "red", "value": 7}])
    );
    assert_eq!(
        steps(r#"[{ name = "other", bad = "below", color = "orange" }, { name = "known", bad = "below" }]"#),
        json!([{"color": "red", "value": null}, {"color": "orange", "value": 0.5}, {"color": "green", "value": 7}])
    );
}

#[test]
fn the_number_for_every_site_is_read() {
    let rule =
        |expr: &str| format!("groups:\n- name: g\n  rules:\n  - record: netbackup:threshold:x\n    expr: {expr}\n");
    let general = "group by (site) (netbackup_up) * 1.5e3";
    let special = format!("(group by (site) (netbackup_up{{site=\"paris\"}}) * 300) or ({general})");
    for expr in [general.to_owned(), special] {
        assert_eq!(thresholds::parse(&rule(&expr)).unwrap(), Thresholds::from([("x".to_owned(), 1500.0)]), "{expr}");
    }
    let made = small("sum(", "${threshold:known} < sum(").unwrap();
    let expr = made["panels"][1]["targets"][0]["expr"].as_str().unwrap();
    assert!(expr.starts_with("0.5 < sum("), "{expr}");
    thresholds::parse(&rule("group by (site) (netbackup_up{site=\"paris\"}) * 300")).unwrap_err();
    assert!(thresholds().len() > 20);
}

#[test]
fn panels_flow_and_tables_keep_the_order_of_their_columns() {
    let made = small("", "").unwrap();
    let grids: Vec<_> = made["panels"].as_array().unwrap().iter().map(|panel| panel["gridPos"].clone()).collect();
    let grid = |x: u64, y: u64, w: u64, h: u64| json!({"x": x, "y": y, "w": w, "h": h});
    assert_eq!(grids, [grid(0, 0, 24, 1), grid(0, 1, 20, 4), grid(0, 5, 6, 8)]);
    let organized = &made["panels"][2]["transformations"][1]["options"];
    assert_eq!(organized["indexByName"], json!({"site": 0, "Value": 1, "b": 2}));
}

#[test]
fn the_checks_can_fail() {
    let known = Known::read();
    let made = small("", "").unwrap();
    let there = |name: &str| BTreeSet::from([name.to_owned()]);
    assert_eq!(checks::schema_mistakes(&made), [""; 0]);
    assert_eq!(checks::layout_mistakes(&made), [""; 0]);
    assert_eq!(checks::query_mistakes("t", &made, &known), [""; 0]);
    assert_eq!(checks::link_mistakes(&made, &there("NetBackupDown"), &there("jobs")), [""; 0]);
    assert_eq!(checks::link_mistakes(&made, &there("NetBackupUp"), &there("slp")).len(), 2);

    let with = |pointer: &str, value: Value| {
        let mut changed = made.clone();
        *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        changed
    };
    for (pointer, value, mistakes) in [
        ("/panels/2/gridPos/y", json!(4), 1),
        ("/panels/2/gridPos/x", json!(20), 1),
        ("/panels/2/id", json!(2), 1),
        ("/panels/2/title", json!("P"), 1),
        ("/panels/1/description", json!(""), 1),
    ] {
        assert_eq!(checks::layout_mistakes(&with(pointer, value)).len(), mistakes, "{pointer}");
    }
    for expr in [
        r#"sum(netbackup_job{site=~"$site"})"#,
        r#"sum(netbackup_jobs{site=~"$site", status="1"})"#,
        r#"sum(netbackup_jobs{site=~"$site", state="QUEUD"})"#,
        r#"sum(netbackup_jobs{site=~"$site", state=~"QUEUED|ACTIV"})"#,
        r#"sum by (client) (netbackup_jobs{site=~"$site"})"#,
        r#"sum(netbackup_jobs{state="QUEUED"})"#,
        r#"sum(netbackup_jobs{site="$site"})"#,
        "1",
    ] {
        let changed = with("/panels/1/targets/0/expr", json!(expr));
        assert_eq!(checks::query_mistakes("t", &changed, &known).len(), 1, "{expr}");
    }
    for (pointer, value) in [
        ("/schemaVersion", json!("39")),
        ("/uid", json!("a uid of a length that Grafana refuses to take")),
        ("/templating/list/1/type", json!("choice")),
        ("/annotations/list/0/iconColor", json!(7)),
        ("/panels/0/panels", json!(null)),
        ("/panels/1/gridPos/w", json!(25)),
        ("/panels/1/type", json!("singlestat")),
        ("/panels/1/targets/0/refId", json!(1)),
        ("/panels/1/fieldConfig/defaults/thresholds/steps/0/value", json!("0")),
        ("/panels/1/options/colorMode", json!("loud")),
        ("/panels/2/transformations/0/id", json!(null)),
        ("/links/0/type", json!("dashboard")),
    ] {
        assert_ne!(checks::schema_mistakes(&with(pointer, value)), [""; 0], "{pointer}");
    }
}
