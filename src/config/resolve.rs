//! From what was typed to what it means.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::{ConfigErrors, Mistakes, Spot};
use super::raw::Raw;
use super::{Compat, Config, Health, State, clients, site, telemetry, web};

/// What the file means, or everything that is wrong with it. `directory` is where relative paths start.
pub(super) fn resolve(raw: &Raw, directory: &Path, mut mistakes: Mistakes) -> Result<Config, ConfigErrors> {
    let mut web = web::resolve(&raw.web, &mut mistakes);
    let file = raw.web.config_file.given().and_then(|typed| {
        let path = site::path(typed, directory, &mut mistakes)?;
        web::file(&path, &typed.spot, &mut mistakes)
    });
    let default = Health::default();
    let health = Health { ttl: raw.health_ttl.or(default.ttl), timeout: raw.health_timeout.or(default.timeout) };
    let state_directory = raw.state_directory.given();
    let state = State { directory: state_directory.and_then(|typed| site::path(typed, directory, &mut mistakes)) };
    let telemetry = telemetry::resolve(&raw.telemetry, directory, &mut mistakes);
    let compat = Compat { go_exporter_names: raw.go_exporter_names.or(Compat::default().go_exporter_names) };
    let clients = clients::resolve(&raw.clients, &mut mistakes);
    let sites = raw.sites.as_deref().unwrap_or_default();
    if sites.is_empty() && raw.sites.is_some() && !mistakes.has_syntax_errors() {
        let message = "no site: add a [[site]] with name, url and api_key_file for each primary";
        mistakes.error(&Spot::named("site"), message);
    }
    let mut names = BTreeMap::new();
    let mut resolved = Vec::new();
    for raw_site in sites {
        if let Some(name) = raw_site.name.given() {
            if let Some(first) = names.get(name.value.as_str()) {
                mistakes.error(&name.spot, format!("the name of each site is its own; {first} has the same"));
            } else {
                names.insert(name.value.clone(), name.spot.key.clone());
            }
        }
        resolved.extend(site::resolve(raw_site, (&raw.poll, &raw.collectors, &clients), directory, &mut mistakes));
    }
    if !resolved.is_empty() && resolved.iter().all(|site| site.clients.is_none()) {
        clients::warn_about_unused(&raw.clients, &mut mistakes);
    }
    let warnings = web::with_file(mistakes.finish(), file, &mut web)?;
    Ok(Config { web, health, state, telemetry, compat, sites: resolved, warnings })
}
