//! The `config.toml` that is shipped: it works once filled in, shows every key, and each with its true default.

use super::*;

const SHIPPED: &str = include_str!("../../../config.toml");

fn load(text: &str) -> Config {
    let environment = Environment::from([("NETBACKUP_API_KEY".into(), SENTINEL.into())]);
    Config::parse(text, Path::new("config.toml"), &environment).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The file with those of its commented keys switched on that `is_wanted`.
fn uncommented(is_wanted: impl Fn(&str) -> bool) -> String {
    let is_key = |key: &str| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let key_of = |line: &str| {
        let (key, _) = line.strip_prefix('#')?.split_once(" = ")?;
        is_key(key).then(|| key.to_owned())
    };
    let switch = |line: &str| match key_of(line) {
        Some(key) if is_wanted(&key) => line.trim_start_matches('#').to_owned(),
        _ => line.to_owned(),
    };
    SHIPPED.lines().map(switch).collect::<Vec<_>>().join("\n")
}

#[test]
fn works_once_filled_in_and_changes_no_default() {
    let config = load(SHIPPED);
    let url = url::Url::parse("https://nbu-paris.example.com:1556/netbackup").unwrap();
    let site = by_default("paris", url, Credential::ApiKey(Secret::new(SENTINEL.into())));
    assert_eq!(config.sites, [site]);
    assert_eq!((config.web, config.health, config.state), (Web::default(), Health::default(), State::default()));
    assert_eq!((config.telemetry, config.compat), (Telemetry::default(), Compat::default()));
    assert!(config.warnings.is_empty());
}

#[test]
fn every_default_that_it_shows_is_the_default_of_the_code() {
    // Keys without a default, shown with an example; the lines below [site.poll] and [site.collectors] are examples too.
    let examples = [
        "stale_after",
        "expire_after",
        "directory",
        "otlp_endpoint",
        "headers_file",
        "api_key_file",
        "api_key_command",
        "username",
        "password_file",
        "domain_name",
        "domain_type",
        "ca_file",
        "config_file",
        "client_cert_file",
        "client_key_file",
        "server_name",
    ];
    let text = uncommented(|key| !examples.contains(&key));
    let text = text.split("# [site.poll] and").next().unwrap();
    let (shown, default) = (load(text), load(SHIPPED));
    assert_eq!((shown.web, shown.health, shown.state), (default.web, default.health, default.state));
    assert_eq!((shown.telemetry, shown.compat), (default.telemetry, default.compat));
    assert_eq!(shown.sites, default.sites);
}

#[test]
fn every_key_is_shown() {
    let missing: Vec<String> = raw::known_keys()
        .into_iter()
        .filter(|key| !["password", "site"].contains(&key.as_str()))
        // The ages of one collector stand for those of all.
        .filter(|key| {
            let ages = ["_stale_after", "_expire_after"].iter().find_map(|ages| key.strip_suffix(ages));
            ages.is_none_or(|name| ["jobs", "storage"].contains(&name))
        })
        .filter(|key| {
            let shown = [format!("#{key} = "), format!("{key} = "), format!("[{key}]"), format!(".{key}]")];
            !SHIPPED.lines().any(|line| shown.iter().any(|start| line.starts_with(start) || line.ends_with(start)))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
