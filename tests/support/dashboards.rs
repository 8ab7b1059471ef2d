//! The queries of the committed dashboards.

use std::path::Path;

use serde_json::Value;

/// A query of a panel.
#[derive(Debug, Clone)]
pub struct Query {
    /// Name of the dashboard's file, such as `morning`.
    pub dashboard: String,
    /// Title of the panel; of an annotation or a variable, its name.
    pub panel: String,
    /// As it stands there, variables included.
    pub expr: String,
    /// Whether one moment is asked for, not a range.
    pub instant: bool,
    /// Whether it is of a panel, which must always show something; annotations may have nothing to show.
    pub is_of_panel: bool,
}

impl Query {
    /// The expression for a Prometheus that knows no variables: every site, and times that fit some minutes of data.
    pub fn concrete(&self) -> String {
        let values = [
            ("$site", ".*"),
            ("$__rate_interval", "1m"),
            ("$__range_s", "600"),
            ("$__range", "10m"),
            ("$__interval", "15s"),
        ];
        values.iter().fold(self.expr.clone(), |expr, (variable, value)| expr.replace(variable, value))
    }
}

/// Every query of every dashboard, in the order of the files.
pub fn queries() -> Vec<Query> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        found.extend(queries_of(&file.file_stem().unwrap().to_string_lossy(), &dashboard));
    }
    found
}

/// Every query of a dashboard: of its panels, then of its annotations.
pub fn queries_of(name: &str, dashboard: &Value) -> Vec<Query> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    let outer = list(&dashboard["panels"]);
    for panel in outer.iter().chain(outer.iter().flat_map(|row| row["panels"].as_array().into_iter().flatten())) {
        for target in list(&panel["targets"]) {
            let instant = target["instant"] == true;
            let (panel, expr) = (text(&panel["title"]), text(&target["expr"]));
            found.push(Query { dashboard: name.to_owned(), panel, expr, instant, is_of_panel: true });
        }
    }
    for annotation in list(&dashboard["annotations"]["list"]).iter().filter(|annotation| annotation["expr"].is_string())
    {
        let (panel, expr) = (text(&annotation["name"]), text(&annotation["expr"]));
        found.push(Query { dashboard: name.to_owned(), panel, expr, instant: false, is_of_panel: false });
    }
    found
}
