//! The numbers that the alerts compare with, as alerts/thresholds.yml has them for every site.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, Yaml};

const PREFIX: &str = "netbackup:threshold:";
const GENERAL: &str = "group by (site) (netbackup_up) * ";

/// Number by name, the prefix of the records left out.
pub type Thresholds = BTreeMap<String, f64>;

/// Reads the text of alerts/thresholds.yml. A value for one site may stand beside the general one.
pub fn parse(text: &str) -> Result<Thresholds, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let mut found = Thresholds::new();
    for rule in rules(&documents) {
        let name = rule.as_mapping_get("record").and_then(Yaml::as_str).and_then(|name| name.strip_prefix(PREFIX));
        let expr = rule.as_mapping_get("expr").and_then(Yaml::as_str);
        let (Some(name), Some(expr)) = (name, expr) else { return Err(format!("not a threshold: {rule:?}")) };
        let (_, rest) =
            expr.split_once(GENERAL).ok_or_else(|| format!("{name} has no value for every site: {expr}"))?;
        let number = rest.split(|c: char| c.is_whitespace() || c == ')').next().unwrap_or_default();
        let number = number.parse().map_err(|_| format!("{name} is no number: {number:?}"))?;
        if found.insert(name.to_owned(), number).is_some() {
            return Err(format!("{name} is there twice"));
        }
    }
    Ok(found)
}

/// Names of the alerts in the text of a file of rules.
pub fn alerts(text: &str) -> Vec<String> {
    let documents = Yaml::load_from_str(text).unwrap();
    let name = |rule: &Yaml| rule.as_mapping_get("alert").and_then(Yaml::as_str).map(str::to_owned);
    rules(&documents).filter_map(name).collect()
}

fn rules<'a>(documents: &'a [Yaml<'a>]) -> impl Iterator<Item = &'a Yaml<'a>> {
    let list =
        |node: &'a Yaml<'a>, key: &str| node.as_mapping_get(key).and_then(Yaml::as_sequence).into_iter().flatten();
    documents.iter().flat_map(move |document| list(document, "groups")).flat_map(move |group| list(group, "rules"))
}
