//! Which metrics, labels and label values there are: docs/metrics.md and the golden expositions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::promql::{Selector, grouping_labels, made_labels, selectors};

/// Labels that are not the exporter's, or whose values are anybody's.
const FREE: [&str; 3] = ["site", "job", "instance"];

/// What the exporter can be asked for.
#[derive(Debug, Default)]
pub struct Known {
    labels: BTreeMap<String, BTreeSet<String>>,
    values: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Known {
    /// Reads the reference and every golden file of our own names.
    pub fn read() -> Known {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut known = Known::default();
        known.add_reference(&std::fs::read_to_string(root.join("docs/metrics.md")).unwrap());
        for directory in ["tests/golden", "src/exposition/golden"] {
            for file in files(&root.join(directory)) {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.ends_with(".prom") && !name.contains("compat") {
                    known.add_samples(&std::fs::read_to_string(file).unwrap());
                }
            }
        }
        // The goldens hold the collectors that they are made with.
        for name in netbackup_exporter::config::COLLECTORS.iter().map(|spec| spec.name) {
            let of_collector = known.labels.iter().filter(|(_, labels)| labels.contains("collector"));
            for metric in of_collector.map(|(metric, _)| metric.clone()).collect::<Vec<_>>() {
                known.add_value(&metric, "collector", name);
            }
        }
        known
    }

    /// What Prometheus adds itself.
    fn add_reference(&mut self, text: &str) {
        for (name, labels) in [("up", ""), ("ALERTS", "alertname alertstate severity site")] {
            self.add(name, labels.split_whitespace().map(str::to_owned).collect());
        }
        for state in ["firing", "pending"] {
            self.add_value("ALERTS", "alertstate", state);
        }
        for severity in ["critical", "warning", "info"] {
            self.add_value("ALERTS", "severity", severity);
        }
        for row in text.lines().filter_map(|line| line.strip_prefix("| `")) {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let [name, kind, labels, ..] = cells[..] else { continue };
            let name = name.trim_end_matches('`');
            let labels: BTreeSet<String> = labels
                .split(',')
                .map(|label| label.trim().trim_matches('`').to_owned())
                .filter(|l| !l.is_empty())
                .collect();
            if kind == "histogram" {
                self.add(&format!("{name}_sum"), labels.clone());
                self.add(&format!("{name}_count"), labels.clone());
                self.add(&format!("{name}_bucket"), labels.into_iter().chain(["le".to_owned()]).collect());
            } else {
                self.add(name, labels);
            }
        }
    }

    fn add(&mut self, name: &str, mut labels: BTreeSet<String>) {
        labels.extend(["job".to_owned(), "instance".to_owned()]);
        self.labels.insert(name.to_owned(), labels);
    }

    fn add_value(&mut self, name: &str, label: &str, value: &str) {
        self.values.entry((name.to_owned(), label.to_owned())).or_default().insert(value.to_owned());
    }

    fn add_samples(&mut self, text: &str) {
        for ((name, labels), _) in super::Samples::parse(text).values {
            for (label, value) in labels {
                self.add_value(&name, &label, &value);
            }
        }
    }

    /// The labels of a metric (of a histogram by the names of its samples), `job` and `instance` included.
    pub fn labels(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.labels.get(name)
    }

    /// What an expression names that does not exist, in words.
    pub fn mistakes(&self, expr: &str) -> Vec<String> {
        let (selectors, made) = (selectors(expr), made_labels(expr));
        let mut mistakes: Vec<_> = selectors.iter().flat_map(|selector| self.selector_mistakes(selector)).collect();
        if selectors.is_empty() {
            mistakes.push("it selects nothing".to_owned());
        }
        for label in grouping_labels(expr) {
            let of_any = selectors.iter().any(|s| self.labels(&s.name).is_some_and(|labels| labels.contains(&label)));
            if !of_any && !made.contains(&label) {
                mistakes.push(format!("no metric of it has the label {label} that it groups or matches by"));
            }
        }
        mistakes
    }

    /// What a selector names that does not exist, in words.
    pub fn selector_mistakes(&self, selector: &Selector) -> Vec<String> {
        let Some(labels) = self.labels(&selector.name) else {
            return vec![format!("there is no metric {:?}", selector.name)];
        };
        let mut mistakes = Vec::new();
        let name = &selector.name;
        for (label, operator, value) in &selector.matchers {
            let is_free = FREE.contains(&label.as_str()) || name == "ALERTS" && label == "alertname";
            if !labels.contains(label) {
                mistakes.push(format!("{name} has no label {label}"));
            } else if !is_free {
                let known = self.values_of(name, label);
                for value in unknown(operator, value, &known) {
                    mistakes.push(format!("{name} never has {label}={value:?}, but {known:?}"));
                }
            }
        }
        mistakes
    }

    /// Values that a label of a metric has in the goldens; where they have no series of the metric, of any metric.
    fn values_of(&self, name: &str, label: &str) -> BTreeSet<String> {
        if let Some(values) = self.values.get(&(name.to_owned(), label.to_owned())) {
            return values.clone();
        }
        self.values.iter().filter(|((_, key), _)| key == label).flat_map(|(_, values)| values.clone()).collect()
    }
}

/// The parts of a matcher's value that match no known value; of a pattern that is a choice, each is looked at.
fn unknown(operator: &str, value: &str, known: &BTreeSet<String>) -> Vec<String> {
    let is_pattern = operator.ends_with('~');
    let parts: Vec<_> = if is_pattern && !value.contains('(') { value.split('|').collect() } else { vec![value] };
    let matches = |part: &str| {
        let pattern = regex_lite::Regex::new(&format!("^(?:{part})$"));
        known
            .iter()
            .any(|known| if is_pattern { pattern.as_ref().is_ok_and(|p| p.is_match(known)) } else { known == part })
    };
    // Nothing: the label is missing, which any may be.
    parts.into_iter().filter(|part| !part.is_empty() && !matches(part)).map(str::to_owned).collect()
}

/// Every file of a directory and of those in it.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
