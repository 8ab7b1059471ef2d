//! Tests of whole files: what they mean, what is refused and how, and that no value is ever told.

use super::*;

mod hostile;
mod meaning;
mod refused;
mod shipped;

/// What every test secret looks like; it must never be told.
const SENTINEL: &str = "s3ntinelXq9";

fn environment() -> Environment {
    Environment::from([("KEY".into(), format!("{SENTINEL}-from-env"))])
}

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new("config.toml"), &environment())
}

/// A file of one good site, with `more` behind its keys and `before` in front of it.
fn with_site(before: &str, more: &str) -> String {
    format!("{before}\n[[site]]\nname = \"paris\"\nurl = \"https://nbu.example.com\"\napi_key = \"${{KEY}}\"\n{more}\n")
}

fn good(before: &str, more: &str) -> Config {
    parse(&with_site(before, more)).unwrap_or_else(|errors| panic!("{before}\n{more}\n{errors}"))
}

/// What is told about a file that must be refused.
fn refused(text: &str) -> Vec<String> {
    let errors = match parse(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(errors) => errors,
    };
    assert!(!errors.to_string().contains(SENTINEL), "tells a value:\n{errors}");
    errors.iter().map(ToString::to_string).collect()
}

/// The site as it is where no collector is named.
fn by_default(name: &str, url: url::Url, credential: Credential) -> Site {
    let mut site = Site { clients: None, ..Site::new(name, url, credential) };
    site.collectors.retain(|(spec, _)| spec.on_by_default);
    site
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
