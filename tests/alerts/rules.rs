//! The rules below `alerts`, read as far as tests ask.

use std::path::PathBuf;

use saphyr::{LoadableYamlNode, Yaml};

use crate::support::prometheus::rule_files;

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

impl Rule {
    pub fn annotation(&self, key: &str) -> &str {
        self.annotations.iter().find(|(name, _)| name == key).map_or("", |(_, text)| text)
    }
}

/// Every rule of every file, in the order of files and rules.
pub fn rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    for (file, yaml) in files("alerts") {
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

/// The rule files of a directory by their names.
pub fn files(directory: &str) -> Vec<(String, Yaml<'static>)> {
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Borrowed by what is returned; a handful of small files in a test.
        let text: &'static str = Box::leak(std::fs::read_to_string(&path).unwrap().into_boxed_str());
        let mut documents = Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(documents.len(), 1, "{name} is one document");
        (name, documents.remove(0))
    };
    rule_files(directory).into_iter().map(read).collect()
}

pub fn list<'a>(yaml: &Yaml<'a>, key: &str) -> Vec<Yaml<'a>> {
    yaml.as_mapping_get(key).and_then(Yaml::as_vec).map_or_else(Vec::new, |list| list.to_vec())
}

pub fn text(yaml: &Yaml<'_>, key: &str) -> Option<String> {
    scalar(yaml.as_mapping_get(key)?)
}

/// Numbers are read as they would be written: a label is a text whatever it looks like.
fn scalar(value: &Yaml<'_>) -> Option<String> {
    let text = value.as_str().map(str::to_owned);
    text.or_else(|| value.as_integer().map(|number| number.to_string()))
        .or_else(|| value.as_floating_point().map(|number| number.to_string()))
        .or_else(|| value.as_bool().map(|value| value.to_string()))
}

pub fn pairs(yaml: &Yaml<'_>, key: &str) -> Vec<(String, String)> {
    let Some(mapping) = yaml.as_mapping_get(key).and_then(Yaml::as_mapping) else { return Vec::new() };
    mapping.iter().filter_map(|(key, value)| Some((key.as_str()?.to_owned(), scalar(value)?))).collect()
}
