//! What each kind of panel is told beside its data.

use serde_json::{Value, json};

use crate::panel::legend;
use crate::source::{Kind, Panel};

fn reduced() -> Value {
    json!({"calcs": ["lastNotNull"], "fields": "", "values": false})
}

/// Options of the panel plugin.
pub fn options(panel: &Panel) -> Value {
    let has_threshold = !panel.threshold.all().is_empty();
    match panel.kind {
        Kind::Stat => json!({
            "colorMode": if has_threshold { "background" } else { "value" },
            "graphMode": if panel.queries.iter().any(|query| query.instant == Some(false)) { "area" } else { "none" },
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": reduced(),
            "showPercentChange": false,
            "textMode": "auto",
            "wideLayout": true,
        }),
        Kind::Gauge => json!({
            "minVizHeight": 75,
            "minVizWidth": 75,
            "orientation": "auto",
            "reduceOptions": reduced(),
            "showThresholdLabels": false,
            "showThresholdMarkers": true,
            "sizing": "auto",
        }),
        Kind::Bargauge => json!({
            "displayMode": "basic",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false},
            "maxVizHeight": 300,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "auto",
            "orientation": "horizontal",
            "reduceOptions": reduced(),
            "showUnfilled": true,
            "sizing": "auto",
            "valueMode": "color",
        }),
        Kind::Timeseries => json!({"legend": legend(panel), "tooltip": {"mode": "multi", "sort": "desc"}}),
        Kind::StateTimeline => json!({
            "alignValue": "left",
            "legend": legend(panel),
            "mergeValues": true,
            "rowHeight": 0.9,
            "showValue": "auto",
            "tooltip": {"mode": "single", "sort": "none"},
        }),
        Kind::Piechart => json!({
            "displayLabels": ["percent"],
            "legend": {
                "calcs": [], "displayMode": "table", "placement": "right", "showLegend": true, "values": ["value"],
            },
            "orientation": "auto",
            "pieType": "donut",
            "reduceOptions": reduced(),
            "tooltip": {"mode": "single", "sort": "none"},
        }),
        Kind::Heatmap => heatmap(panel),
        Kind::Table => table(panel),
    }
}

fn heatmap(panel: &Panel) -> Value {
    json!({
        "calculate": false,
        "cellGap": 1,
        "cellValues": {"unit": "short"},
        "color": {
            "exponent": 0.5, "fill": "dark-orange", "mode": "scheme", "reverse": false, "scale": "exponential",
            "scheme": "Oranges", "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": true},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": false, "yHistogram": false},
        "yAxis": {"axisPlacement": "left", "reverse": false, "unit": panel.unit.as_deref().unwrap_or("short")},
    })
}

fn table(panel: &Panel) -> Value {
    let sort = |sort: &String| json!({"displayName": sort.trim_start_matches('-'), "desc": sort.starts_with('-')});
    let sort_by: Vec<_> = panel.sort.iter().map(sort).collect();
    json!({
        "cellHeight": "sm",
        "frameIndex": 0,
        "showHeader": true,
        "sortBy": sort_by,
    })
}

/// Settings of the fields that only this kind of panel knows.
pub fn custom(panel: &Panel) -> Value {
    let shown = json!({"legend": false, "tooltip": false, "viz": false});
    match panel.kind {
        Kind::Timeseries => json!({
            "axisBorderShow": false,
            "axisCenteredZero": false,
            "axisColorMode": "text",
            "axisLabel": "",
            "axisPlacement": "auto",
            "barAlignment": 0,
            "drawStyle": if panel.bars { "bars" } else { "line" },
            "fillOpacity": if panel.bars { 80 } else if panel.stack { 30 } else { 10 },
            "gradientMode": "none",
            "hideFrom": shown,
            "insertNulls": false,
            "lineInterpolation": "linear",
            "lineWidth": 1,
            "pointSize": 5,
            "scaleDistribution": {"type": "linear"},
            "showPoints": "never",
            "spanNulls": false,
            "stacking": {"group": "A", "mode": if panel.stack { "normal" } else { "none" }},
            "thresholdsStyle": {"mode": if panel.threshold.all().is_empty() { "off" } else { "dashed" }},
        }),
        Kind::StateTimeline => json!({"fillOpacity": 70, "hideFrom": shown, "lineWidth": 0}),
        Kind::Heatmap => json!({"hideFrom": shown, "scaleDistribution": {"type": "linear"}}),
        Kind::Piechart => json!({"hideFrom": shown}),
        Kind::Table => json!({"align": "auto", "cellOptions": {"type": "auto"}, "filterable": true, "inspect": false}),
        Kind::Stat | Kind::Gauge | Kind::Bargauge => json!({}),
    }
}
