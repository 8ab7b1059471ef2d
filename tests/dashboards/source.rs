//! What a file in dashboards/source says: dashboards/README.md documents each key.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// Units of Grafana that the dashboards may use.
const UNITS: [&str; 24] = [
    "short",
    "none",
    "string",
    "percent",
    "percentunit",
    "bytes",
    "decbytes",
    "Bps",
    "binBps",
    "s",
    "ms",
    "dtdurations",
    "dthms",
    "d",
    "h",
    "dateTimeAsIso",
    "dateTimeAsIsoNoDateIfToday",
    "dateTimeAsLocal",
    "dateTimeFromNow",
    "ops",
    "reqps",
    "locale",
    "bool",
    "bool_yes_no",
];
const COLORS: [&str; 8] = ["green", "yellow", "orange", "red", "blue", "purple", "gray", "text"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    pub title: String,
    pub description: String,
    /// Beginning of the time range.
    #[serde(default = "a_day")]
    pub from: String,
    #[serde(rename = "row")]
    pub rows: Vec<Row>,
}

fn a_day() -> String {
    "now-24h".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub title: String,
    #[serde(default)]
    pub collapsed: bool,
    #[serde(rename = "panel")]
    pub panels: Vec<Panel>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Stat,
    Gauge,
    Timeseries,
    Bargauge,
    Table,
    Heatmap,
    StateTimeline,
    Piechart,
}

impl Kind {
    /// Grafana's name of the panel plugin.
    pub fn plugin(self) -> &'static str {
        match self {
            Kind::Stat => "stat",
            Kind::Gauge => "gauge",
            Kind::Timeseries => "timeseries",
            Kind::Bargauge => "bargauge",
            Kind::Table => "table",
            Kind::Heatmap => "heatmap",
            Kind::StateTimeline => "state-timeline",
            Kind::Piechart => "piechart",
        }
    }

    /// Whether it shows what happened over time, not what is so now. The latter asks for one moment: the last value of
    /// a range would show what is long gone.
    pub fn shows_time(self) -> bool {
        matches!(self, Kind::Timeseries | Kind::Heatmap | Kind::StateTimeline)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    pub title: String,
    pub description: String,
    pub kind: Kind,
    pub width: u64,
    pub height: Option<u64>,
    pub unit: Option<String>,
    pub decimals: Option<u64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    #[serde(default)]
    pub threshold: Steps,
    /// Name of an alert.
    pub runbook: Option<String>,
    /// Names of other dashboards.
    #[serde(default)]
    pub links: Vec<String>,
    #[serde(default)]
    pub stack: bool,
    #[serde(default)]
    pub bars: bool,
    #[serde(default)]
    pub legend: Legend,
    #[serde(default)]
    pub colors: BTreeMap<String, String>,
    #[serde(default)]
    pub mappings: BTreeMap<String, Mapping>,
    pub no_value: Option<String>,
    #[serde(default)]
    pub columns: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub column_units: BTreeMap<String, String>,
    #[serde(default)]
    pub column_links: BTreeMap<String, String>,
    #[serde(default)]
    pub column_thresholds: BTreeMap<String, Steps>,
    pub sort: Option<String>,
    #[serde(rename = "query")]
    pub queries: Vec<Query>,
}

impl Panel {
    /// Names of the columns in Grafana and as they are shown, in the order in which they are written.
    pub fn ordered_columns(&self) -> Vec<(&str, &str)> {
        let mut columns: Vec<_> = self.columns.iter().collect();
        columns.sort_by_key(|(_, shown)| shown.span().start);
        columns.into_iter().map(|(name, shown)| (name.as_str(), shown.as_ref().as_str())).collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    pub expr: String,
    #[serde(default)]
    pub legend: String,
    pub instant: Option<bool>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Legend {
    #[default]
    List,
    Table,
    Hidden,
}

/// What a value is called, and perhaps its colour.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Mapping {
    Text(String),
    Colored { text: String, color: String },
}

/// Where colours change: one number or several.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum Steps {
    #[default]
    None,
    One(Step),
    Many(Vec<Step>),
}

impl Steps {
    pub fn all(&self) -> &[Step] {
        match self {
            Steps::None => &[],
            Steps::One(step) => std::slice::from_ref(step),
            Steps::Many(steps) => steps,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Name of a threshold of the alerts, or a value of its own.
    pub name: Option<String>,
    pub value: Option<f64>,
    pub bad: Bad,
    #[serde(default = "red")]
    pub color: String,
}

fn red() -> String {
    "red".to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bad {
    Above,
    Below,
}

/// Reads a source; what it must not say is told in words.
pub fn parse(text: &str) -> Result<Dashboard, String> {
    let dashboard: Dashboard = toml::from_str(text).map_err(|error| error.to_string())?;
    let panels = dashboard.rows.iter().flat_map(|row| &row.panels);
    let mistakes: Vec<_> = panels
        .flat_map(|panel| mistakes(panel).into_iter().map(|mistake| format!("{}: {mistake}", panel.title)))
        .collect();
    if mistakes.is_empty() { Ok(dashboard) } else { Err(mistakes.join("\n")) }
}

fn mistakes(panel: &Panel) -> Vec<String> {
    let mut found = Vec::new();
    for unit in panel.unit.iter().chain(panel.column_units.values()) {
        if !UNITS.contains(&unit.as_str()) {
            found.push(format!("no unit of Grafana that is in use here: {unit}"));
        }
    }
    let steps = panel.column_thresholds.values().chain([&panel.threshold]).flat_map(Steps::all);
    let mapped = panel.mappings.values().filter_map(|mapping| match mapping {
        Mapping::Colored { color, .. } => Some(color),
        Mapping::Text(_) => None,
    });
    for color in steps.map(|step| &step.color).chain(panel.colors.values()).chain(mapped) {
        if !COLORS.contains(&color.as_str()) {
            found.push(format!("no colour that is in use here: {color}"));
        }
    }
    if (panel.kind == Kind::Table) == panel.columns.is_empty() {
        found.push("a table, and it alone, says which columns it shows".to_owned());
    }
    let shown: Vec<_> = panel.ordered_columns().into_iter().map(|(_, shown)| shown).collect();
    let sort = panel.sort.iter().map(|sort| sort.trim_start_matches('-').to_owned());
    let named = panel.column_units.keys().chain(panel.column_links.keys()).chain(panel.column_thresholds.keys());
    for column in named.cloned().chain(sort) {
        if !shown.contains(&column.as_str()) {
            found.push(format!("no column that is shown: {column}"));
        }
    }
    found
}
