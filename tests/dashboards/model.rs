//! A dashboard of Grafana's JSON model.

use serde_json::{Value, json};

use crate::panel::{datasource, link, panel};
use crate::source::{Dashboard, Kind, Panel};
use crate::thresholds::Thresholds;

/// Where the documents are read: the exporter itself serves them. A constant of each dashboard, which one edit changes.
pub const DOCS: &str = "http://localhost:11556/docs";
/// Of Grafana 10.4 and 11.0: a newer one brings it up to date when it is loaded, an older one has nothing to miss.
const SCHEMA_VERSION: u64 = 39;
/// The grid of Grafana.
const WIDTH: u64 = 24;

/// The whole file.
pub fn dashboard(name: &str, source: &Dashboard, thresholds: &Thresholds) -> Result<Value, String> {
    Ok(json!({
        "id": null,
        "uid": format!("netbackup-{name}"),
        "title": format!("NetBackup / {}", source.title),
        "description": source.description,
        "tags": ["netbackup"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "liveNow": false,
        "refresh": "1m",
        "time": {"from": source.from, "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "weekStart": "",
        "templating": {"list": variables()},
        "annotations": {"list": annotations()},
        "links": links(),
        "panels": panels(source, thresholds)?,
    }))
}

/// Panels flow from left to right; what does not fit begins a new line, below the highest of the last.
fn panels(source: &Dashboard, thresholds: &Thresholds) -> Result<Vec<Value>, String> {
    let (mut made, mut id, mut y) = (Vec::new(), 0, 0);
    for row in &source.rows {
        id += 1;
        let mut head = json!({
            "id": id,
            "type": "row",
            "title": row.title,
            "collapsed": row.collapsed,
            "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y},
            "panels": [],
        });
        y += 1;
        let (mut x, mut highest, mut inner) = (0, 0, Vec::new());
        for source in &row.panels {
            if x + source.width > WIDTH {
                (x, y, highest) = (0, y + highest, 0);
            }
            let height = height(source);
            id += 1;
            let grid = json!({"h": height, "w": source.width, "x": x, "y": y});
            inner.push(panel(source, id, &grid, thresholds).map_err(|error| format!("{}: {error}", source.title))?);
            x += source.width;
            highest = highest.max(height);
        }
        y += highest;
        // The panels of a row that is folded stand in it, else behind it.
        let behind = if row.collapsed { Vec::new() } else { std::mem::take(&mut inner) };
        head["panels"] = Value::from(inner);
        made.push(head);
        made.extend(behind);
    }
    Ok(made)
}

fn height(panel: &Panel) -> u64 {
    panel.height.unwrap_or(if panel.kind == Kind::Stat { 4 } else { 8 })
}

fn variables() -> Value {
    json!([
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "current": {"selected": false, "text": "default", "value": "default"},
            "hide": 0,
            "includeAll": false,
            "multi": false,
            "options": [],
            "refresh": 1,
            "regex": "",
            "skipUrlSync": false,
        },
        {
            "name": "site",
            "label": "Site",
            "type": "query",
            "datasource": datasource(),
            "definition": "label_values(netbackup_up, site)",
            "query": {
                "qryType": 1,
                "query": "label_values(netbackup_up, site)",
                "refId": "PrometheusVariableQueryEditor-VariableQuery",
            },
            "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
            "allValue": ".*",
            "hide": 0,
            "includeAll": true,
            "multi": true,
            "options": [],
            "refresh": 2,
            "regex": "",
            "skipUrlSync": false,
            "sort": 1,
        },
        {
            "name": "docs",
            "label": "Documents",
            "type": "constant",
            "query": DOCS,
            "current": {"selected": true, "text": DOCS, "value": DOCS},
            "hide": 2,
            "options": [{"selected": true, "text": DOCS, "value": DOCS}],
            "skipUrlSync": true,
        },
    ])
}

fn annotations() -> Value {
    // Grafana draws an annotation where its query yields 1.
    let annotation = |name: &str, color: &str, title: &str, text: &str, expr: &str| {
        json!({
            "name": name,
            "datasource": datasource(),
            "enable": true,
            "hide": false,
            "iconColor": color,
            "expr": expr,
            "step": "60s",
            "tagKeys": "severity",
            "target": {"refId": "Anno", "expr": expr, "interval": "60s"},
            "titleFormat": title,
            "textFormat": text,
            "useValueForTime": false,
        })
    };
    json!([
        {
            "name": "Annotations & Alerts",
            "builtIn": 1,
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
            "enable": true,
            "hide": true,
            "iconColor": "rgba(0, 211, 255, 1)",
            "target": {"limit": 100, "matchAny": false, "tags": [], "type": "dashboard"},
            "type": "dashboard",
        },
        annotation(
            "Critical alerts",
            "red",
            "{{alertname}}",
            "{{site}}",
            "max by (alertname, site, severity) \
             (ALERTS{alertname=~\"NetBackup.*\", alertstate=\"firing\", severity=\"critical\", site=~\"$site|\"})",
        ),
        annotation(
            "Restarts of the exporter",
            "blue",
            "The exporter was restarted",
            "{{instance}}",
            "max by (instance) (time() - process_start_time_seconds < bool 120 and on (job, instance) \
             netbackup_exporter_build_info) == 1",
        ),
    ])
}

fn links() -> Value {
    json!([
        {
            "type": "dashboards",
            "title": "NetBackup",
            "tags": ["netbackup"],
            "asDropdown": true,
            "icon": "external link",
            "includeVars": true,
            "keepTime": true,
            "targetBlank": false,
            "tooltip": "The other dashboards of NetBackup",
            "url": "",
        },
        link("Alerts and runbooks", "${docs:raw}/alerts.md", true),
    ])
}
