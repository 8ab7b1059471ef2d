//! A panel of Grafana's JSON model.

use serde_json::{Map, Value, json};

use crate::options::{custom, options};
use crate::source::{Bad, Kind, Legend, Mapping, Panel, Query, Step, Steps};
use crate::thresholds::Thresholds;

/// The data source of every panel: whatever is chosen above.
pub fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// One panel at its place.
pub fn panel(panel: &Panel, id: u64, grid: &Value, thresholds: &Thresholds) -> Result<Value, String> {
    let mut made = json!({
        "id": id,
        "type": panel.kind.plugin(),
        "title": panel.title,
        "description": panel.description,
        "datasource": datasource(),
        "gridPos": grid,
        "targets": targets(panel, thresholds)?,
        "fieldConfig": {"defaults": defaults(panel, thresholds)?, "overrides": overrides(panel, thresholds)?},
        "options": options(panel),
        "links": links(panel),
    });
    if panel.kind == Kind::Table {
        made["transformations"] = transformations(panel);
    }
    Ok(made)
}

fn targets(panel: &Panel, thresholds: &Thresholds) -> Result<Vec<Value>, String> {
    let format = match panel.kind {
        Kind::Table => "table",
        Kind::Heatmap => "heatmap",
        _ => "time_series",
    };
    let target = |(query, ref_id): (&Query, char)| {
        let instant = query.instant.unwrap_or(!panel.kind.shows_time());
        Ok(json!({
            "refId": ref_id.to_string(),
            "datasource": datasource(),
            "editorMode": "code",
            "expr": with_numbers(&query.expr, thresholds)?,
            "legendFormat": if query.legend.is_empty() { "__auto" } else { &query.legend },
            "instant": instant,
            "range": !instant,
            "format": format,
        }))
    };
    panel.queries.iter().zip('A'..='Z').map(target).collect()
}

/// The expression on one line, with the number of a threshold wherever `${threshold:name}` stands.
fn with_numbers(expr: &str, thresholds: &Thresholds) -> Result<String, String> {
    let lines: Vec<_> = expr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut made = lines.join(" ");
    while let Some((before, rest)) = made.split_once("${threshold:") {
        let (name, after) = rest.split_once('}').ok_or("a threshold in an expression ends with }")?;
        let number = thresholds.get(name).ok_or_else(|| format!("no threshold of the alerts: {name}"))?;
        made = format!("{before}{number}{after}");
    }
    Ok(made)
}

fn defaults(panel: &Panel, thresholds: &Thresholds) -> Result<Value, String> {
    let steps = steps(&panel.threshold, thresholds)?;
    let has_steps = !panel.threshold.all().is_empty();
    let color = match panel.kind {
        // Each series a colour of its own: a threshold is a line there.
        Kind::Timeseries | Kind::Piechart => json!({"mode": "palette-classic"}),
        _ if has_steps || panel.kind == Kind::StateTimeline => json!({"mode": "thresholds"}),
        Kind::Bargauge | Kind::Gauge => json!({"mode": "fixed", "fixedColor": "blue"}),
        _ => json!({"mode": "fixed", "fixedColor": "text"}),
    };
    let mut made = json!({
        "color": color,
        "custom": custom(panel),
        "mappings": mappings(panel),
        "thresholds": {"mode": "absolute", "steps": steps},
        "unit": panel.unit.as_deref().unwrap_or("short"),
    });
    if panel.kind == Kind::Table {
        // Texts too are cells of a table: the unit is that of the columns with values.
        made["unit"] = json!("none");
        made["thresholds"]["steps"] = json!([{"color": "text", "value": null}]);
    }
    let optional = [
        ("decimals", panel.decimals.map(Value::from)),
        ("min", panel.min.map(Value::from)),
        ("max", panel.max.map(Value::from)),
        ("noValue", panel.no_value.clone().map(Value::from)),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            made[key] = value;
        }
    }
    Ok(made)
}

fn mappings(panel: &Panel) -> Value {
    let result = |(index, (value, mapping)): (usize, (&String, &Mapping))| {
        let result = match mapping {
            Mapping::Text(text) => json!({"index": index, "text": text}),
            Mapping::Colored { text, color } => json!({"index": index, "text": text, "color": color}),
        };
        (value.clone(), result)
    };
    if panel.mappings.is_empty() {
        return json!([]);
    }
    let options: Map<_, _> = panel.mappings.iter().enumerate().map(result).collect();
    json!([{"type": "value", "options": options}])
}

/// The steps of Grafana: each colour holds from its value on, the first one from below.
pub fn steps(steps: &Steps, thresholds: &Thresholds) -> Result<Value, String> {
    let steps = steps.all();
    let Some(bad) = steps.first().map(|step| step.bad) else {
        return Ok(json!([{"color": "green", "value": null}]));
    };
    if steps.iter().any(|step| step.bad != bad) {
        return Err("colours of one panel get worse in one direction".to_owned());
    }
    let mut numbers = steps.iter().map(|step| number(step, thresholds)).collect::<Result<Vec<_>, _>>()?;
    numbers.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    // What is bad below a number is drawn from the number before it on; above the last one all is well.
    let (mut from, mut made) = (None, Vec::new());
    match bad {
        Bad::Above => {
            made.push(json!({"color": "green", "value": null}));
            made.extend(numbers.iter().map(|(number, color)| json!({"color": color, "value": plain(*number)})));
        }
        Bad::Below => {
            for (number, color) in numbers {
                made.push(json!({"color": color, "value": from.replace(number).map(plain)}));
            }
            made.push(json!({"color": "green", "value": from.map(plain)}));
        }
    }
    Ok(Value::from(made))
}

fn number<'a>(step: &'a Step, thresholds: &Thresholds) -> Result<(f64, &'a str), String> {
    let number = match (&step.name, step.value) {
        (Some(name), None) => *thresholds.get(name).ok_or_else(|| format!("no threshold of the alerts: {name}"))?,
        (None, Some(value)) => value,
        _ => return Err("a threshold has either a name or a value".to_owned()),
    };
    Ok((number, &step.color))
}

/// Whole numbers without a point.
fn plain(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
}

fn override_of(column: &str, properties: Vec<(&str, Value)>) -> Value {
    let properties: Vec<_> = properties.into_iter().map(|(id, value)| json!({"id": id, "value": value})).collect();
    json!({"matcher": {"id": "byName", "options": column}, "properties": properties})
}

fn overrides(panel: &Panel, thresholds: &Thresholds) -> Result<Value, String> {
    let fixed = |(series, color): (&String, &String)| {
        override_of(series, vec![("color", json!({"mode": "fixed", "fixedColor": color}))])
    };
    let mut made: Vec<_> = panel.colors.iter().map(fixed).collect();
    for (name, column) in panel.ordered_columns() {
        let is_value = name.starts_with("Value");
        let mut properties = Vec::new();
        let unit = panel.column_units.get(column).or(panel.unit.as_ref().filter(|_| is_value));
        properties.extend(unit.map(|unit| ("unit", json!(unit))));
        let of_column = panel.column_thresholds.get(column);
        let wanted = of_column.unwrap_or(if is_value { &panel.threshold } else { &Steps::None });
        if !wanted.all().is_empty() {
            properties.push(("thresholds", json!({"mode": "absolute", "steps": steps(wanted, thresholds)?})));
            properties.push(("color", json!({"mode": "thresholds"})));
            properties.push(("custom.cellOptions", json!({"type": "color-text"})));
        }
        if let Some(url) = panel.column_links.get(column) {
            properties.push(("links", json!([{"title": column, "url": url, "targetBlank": true}])));
        }
        if !properties.is_empty() {
            made.push(override_of(column, properties));
        }
    }
    Ok(Value::from(made))
}

/// Which columns there are, in which order and by which name.
fn transformations(panel: &Panel) -> Value {
    let columns = panel.ordered_columns();
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let indexes: Map<_, _> = columns.iter().zip(0..).map(|((name, _), at)| ((*name).to_owned(), json!(at))).collect();
    let renamed: Map<_, _> = columns.iter().map(|(name, shown)| ((*name).to_owned(), json!(shown))).collect();
    let mut made = Vec::new();
    if panel.queries.len() > 1 {
        made.push(json!({"id": "merge", "options": {}}));
    }
    made.push(json!({"id": "filterFieldsByName", "options": {"include": {"names": names}}}));
    made.push(json!({
        "id": "organize",
        "options": {"excludeByName": {}, "includeByName": {}, "indexByName": indexes, "renameByName": renamed},
    }));
    Value::from(made)
}

/// A link as the model of Grafana wants it, of a panel and of a dashboard.
pub fn link(title: &str, url: &str, in_new_tab: bool) -> Value {
    json!({
        "type": "link",
        "title": title,
        "url": url,
        "targetBlank": in_new_tab,
        "asDropdown": false,
        "icon": "external link",
        "includeVars": false,
        "keepTime": false,
        "tags": [],
        "tooltip": "",
    })
}

fn links(panel: &Panel) -> Value {
    let runbook =
        |alert: &String| link(&format!("Runbook: {alert}"), &format!("${{docs:raw}}/runbooks/{alert}.md"), true);
    let other = |name: &String| {
        let url = format!("/d/netbackup-{name}?${{__url_time_range}}&${{datasource:queryparam}}&${{site:queryparam}}");
        link(&format!("Dashboard: {name}"), &url, false)
    };
    panel.runbook.iter().map(runbook).chain(panel.links.iter().map(other)).collect()
}

/// The legend of what is drawn over time.
pub fn legend(panel: &Panel) -> Value {
    let (mode, calcs) = match panel.legend {
        Legend::Table => ("table", json!(["lastNotNull", "max"])),
        Legend::List | Legend::Hidden => ("list", json!([])),
    };
    json!({"displayMode": mode, "placement": "bottom", "showLegend": panel.legend != Legend::Hidden, "calcs": calcs})
}
