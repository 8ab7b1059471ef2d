//! The rule tests below `alerts/tests`, read as far as the tests of the alerts ask.

use std::collections::BTreeSet;

use saphyr::Yaml;

use crate::rules::{files, list, pairs, text};
use crate::support::promql::selectors;

/// A question that a test asks of one alert at one moment.
#[derive(Debug)]
pub struct Case {
    /// File and place, for a message.
    pub place: String,
    pub alert: String,
    /// The series that are there, with labels.
    pub series: Vec<String>,
    /// Alerts that must fire; none: it stays quiet.
    pub expected: Vec<Expected>,
}

/// An alert that must fire.
#[derive(Debug)]
pub struct Expected {
    pub labels: Vec<(String, String)>,
    pub annotations: Vec<(String, String)>,
}

impl Case {
    /// How many objects the series of a metric are of: two exporters may tell of the same one.
    pub fn objects_of(&self, name: &str) -> usize {
        let of_it = self.series.iter().flat_map(|series| selectors(series)).filter(|selector| selector.name == name);
        let objects: BTreeSet<_> = of_it
            .map(|mut selector| {
                selector.matchers.retain(|(label, ..)| !["job", "instance"].contains(&label.as_str()));
                selector.matchers.sort();
                selector.matchers
            })
            .collect();
        objects.len()
    }
}

/// Every question of every rule test.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, yaml) in files("alerts/tests") {
        for (number, test) in list(&yaml, "tests").iter().enumerate() {
            let name = text(test, "name").unwrap_or_else(|| format!("test {}", number + 1));
            let series = list(test, "input_series").iter().filter_map(|series| text(series, "series")).collect();
            let series: Vec<String> = series;
            for question in list(test, "alert_rule_test") {
                let expected = |alert: &Yaml<'_>| Expected {
                    labels: pairs(alert, "exp_labels"),
                    annotations: pairs(alert, "exp_annotations"),
                };
                cases.push(Case {
                    place: format!("{file}: {name}"),
                    alert: text(&question, "alertname").expect("a question names its alert"),
                    series: series.clone(),
                    expected: list(&question, "exp_alerts").iter().map(expected).collect(),
                });
            }
        }
    }
    cases
}
