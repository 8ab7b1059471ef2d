//! The files below `alerts`, read as far as the tests ask.

use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Yaml};

/// A rule that alerts or records.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Name of its file.
    pub file: String,
    pub name: String,
    pub alerts: bool,
    pub expr: String,
    pub severity: String,
    /// By key, such as `summary`.
    pub annotations: Vec<(String, String)>,
}

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

impl Rule {
    pub fn annotation(&self, key: &str) -> &str {
        self.annotations.iter().find(|(name, _)| name == key).map_or("", |(_, text)| text)
    }
}

impl Case {
    /// How many series of a metric there are.
    pub fn series_of(&self, name: &str) -> usize {
        self.series.iter().filter(|series| series.split('{').next() == Some(name)).count()
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts")
}

/// Every rule of every file, in the order of files and rules.
pub fn rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    for (file, yaml) in files(&root()) {
        for rule in list(&yaml, "groups").iter().flat_map(|group| list(group, "rules")) {
            let alert = text(&rule, "alert");
            rules.push(Rule {
                file: file.clone(),
                name: alert.clone().or_else(|| text(&rule, "record")).expect("a rule alerts or records"),
                alerts: alert.is_some(),
                expr: text(&rule, "expr").expect("a rule has an expression"),
                severity: rule.as_mapping_get("labels").and_then(|labels| text(labels, "severity")).unwrap_or_default(),
                annotations: pairs(&rule, "annotations"),
            });
        }
    }
    rules
}

/// Every question of every rule test.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, yaml) in files(&root().join("tests")) {
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

/// The rule files of a directory; examples of other configurations aside.
fn files(directory: &Path) -> Vec<(String, Yaml<'static>)> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yml") && !name.ends_with(".example.yml"))
        .collect();
    names.sort();
    let read = |name: String| {
        let text = std::fs::read_to_string(directory.join(&name)).unwrap();
        // Borrowed by what is returned; a handful of small files in a test.
        let text: &'static str = Box::leak(text.into_boxed_str());
        let mut documents = Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(documents.len(), 1, "{name} is one document");
        (name, documents.remove(0))
    };
    names.into_iter().map(read).collect()
}

fn list<'a>(yaml: &Yaml<'a>, key: &str) -> Vec<Yaml<'a>> {
    yaml.as_mapping_get(key).and_then(Yaml::as_vec).map_or_else(Vec::new, |list| list.to_vec())
}

fn text(yaml: &Yaml<'_>, key: &str) -> Option<String> {
    scalar(yaml.as_mapping_get(key)?)
}

/// Numbers are read as they would be written: a label is a text whatever it looks like.
fn scalar(value: &Yaml<'_>) -> Option<String> {
    let text = value.as_str().map(str::to_owned);
    text.or_else(|| value.as_integer().map(|number| number.to_string()))
        .or_else(|| value.as_floating_point().map(|number| number.to_string()))
        .or_else(|| value.as_bool().map(|value| value.to_string()))
}

fn pairs(yaml: &Yaml<'_>, key: &str) -> Vec<(String, String)> {
    let Some(mapping) = yaml.as_mapping_get(key).and_then(Yaml::as_mapping) else { return Vec::new() };
    mapping.iter().filter_map(|(key, value)| Some((key.as_str()?.to_owned(), scalar(value)?))).collect()
}
