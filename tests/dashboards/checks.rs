//! What must be true of every dashboard that is made, in words where it is not.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::dashboards::queries_of;
use crate::support::known::Known;
use crate::support::promql::selectors;

/// The JSON Schema of what Grafana asks of a dashboard.
pub const SCHEMA: &str = include_str!("schema.json");

/// Where a dashboard is not what the schema says.
pub fn schema_mistakes(dashboard: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    validator.iter_errors(dashboard).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Every panel, those of folded rows too.
pub fn panels(dashboard: &Value) -> Vec<&Value> {
    let outer = dashboard["panels"].as_array().into_iter().flatten();
    outer.flat_map(|panel| std::iter::once(panel).chain(panel["panels"].as_array().into_iter().flatten())).collect()
}

/// Panels that overlap or leave the grid, ids that are not unique, panels without a title or a description.
pub fn layout_mistakes(dashboard: &Value) -> Vec<String> {
    let (mut mistakes, mut taken, mut ids, mut titles) =
        (Vec::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in panels(dashboard) {
        let title = panel["title"].as_str().unwrap_or_default();
        let is_row = panel["type"] == "row";
        let of_grid = |key: &str| panel["gridPos"][key].as_u64().unwrap_or_default();
        let (x, y, width, height) = (of_grid("x"), of_grid("y"), of_grid("w"), of_grid("h"));
        if width == 0 || height == 0 || x + width > 24 {
            mistakes.push(format!("{title:?} is not on the grid"));
        }
        let cells: BTreeSet<_> = (y..y + height).flat_map(|y| (x..x + width).map(move |x| (x, y))).collect();
        let is_over_another = !taken.is_disjoint(&cells);
        taken.extend(cells);
        if is_over_another {
            mistakes.push(format!("{title:?} lies over another panel"));
        }
        if !ids.insert(panel["id"].as_u64()) {
            mistakes.push(format!("{title:?} has the id of another panel"));
        }
        if !titles.insert((is_row, title)) {
            mistakes.push(format!("{title:?} is there twice"));
        }
        if title.is_empty() || !is_row && panel["description"].as_str().is_none_or(str::is_empty) {
            mistakes.push(format!("{title:?} needs a title and a description"));
        }
    }
    mistakes
}

/// Queries that name what does not exist, or that look at every site whichever is chosen.
pub fn query_mistakes(name: &str, dashboard: &Value, known: &Known) -> Vec<String> {
    let mut mistakes = Vec::new();
    let queries = queries_of(name, dashboard);
    for query in &queries {
        let about = format!("{}: {}", query.panel, query.expr);
        mistakes.extend(known.mistakes(&query.expr).into_iter().map(|mistake| format!("{about}: {mistake}")));
        for selector in selectors(&query.expr) {
            let has_site = known.labels(&selector.name).is_some_and(|labels| labels.contains("site"));
            // An alert about the exporter itself is of no site.
            let wanted = if selector.name == "ALERTS" { "$site|" } else { "$site" };
            let asks =
                selector.matchers.iter().any(|(label, how, value)| label == "site" && how == "=~" && value == wanted);
            if has_site && !asks {
                mistakes.push(format!("{about}: {} needs site=~\"{wanted}\"", selector.name));
            }
        }
    }
    if !queries.iter().any(|query| query.is_of_panel) {
        mistakes.push("it asks for nothing".to_owned());
    }
    mistakes
}

/// Links to runbooks and dashboards that are not there.
pub fn link_mistakes(dashboard: &Value, alerts: &BTreeSet<String>, dashboards: &BTreeSet<String>) -> Vec<String> {
    let mut mistakes = Vec::new();
    for panel in panels(dashboard) {
        for url in panel["links"].as_array().into_iter().flatten().filter_map(|link| link["url"].as_str()) {
            let runbook = url.strip_prefix("${docs:raw}/runbooks/").and_then(|rest| rest.strip_suffix(".md"));
            let other = url.strip_prefix("/d/netbackup-").and_then(|rest| rest.split('?').next());
            let is_there = match (runbook, other) {
                (Some(alert), _) => alerts.contains(alert),
                (_, Some(name)) => dashboards.contains(name),
                _ => false,
            };
            if !is_there {
                mistakes.push(format!("{}: {url} leads nowhere", panel["title"]));
            }
        }
    }
    mistakes
}
