//! The environment: as a map, and as a configuration of its own when there is no file.

use std::path::Path;

use super::error::{ConfigErrors, Mistakes, Spot};
use super::raw::{self, RawSite};
use super::reader::{Field, Reader, Typed};
use super::{Config, Environment, Secret, resolve};

/// The site's name when `NETBACKUP_SITE` does not give one.
const DEFAULT_SITE: &str = "netbackup";

/// The environment of this process; variables that are not UTF-8 count as unset.
#[must_use]
pub fn process_environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

impl Config {
    /// A configuration of one site from `NETBACKUP_URL`, `NETBACKUP_API_KEY` or `NETBACKUP_API_KEY_FILE`, and where set
    /// `NETBACKUP_CA_FILE` and `NETBACKUP_SITE` (else the site is called `netbackup`). An empty variable counts as
    /// unset. `None` without `NETBACKUP_URL`.
    #[must_use]
    pub fn from_environment(environment: &Environment) -> Option<Result<Config, ConfigErrors>> {
        let variable = |name: &str| {
            let value = environment.get(name).filter(|value| !value.is_empty());
            value.map_or(Field::Absent, |value| Field::Given(Typed { value: value.clone(), spot: Spot::named(name) }))
        };
        let url = variable("NETBACKUP_URL");
        url.given()?;
        let mut mistakes = Mistakes::in_place("environment");
        let mut whole = raw::read("", environment, &mut mistakes);
        let mut site = RawSite::empty(Spot::named(""), &mut Reader::new(environment, &mut mistakes));
        site.url = url;
        site.name = match variable("NETBACKUP_SITE") {
            Field::Given(typed) => Field::Given(typed),
            _ => Field::Given(Typed { value: DEFAULT_SITE.into(), spot: Spot::named("NETBACKUP_SITE") }),
        };
        site.api_key = variable("NETBACKUP_API_KEY").map(Secret::new);
        site.api_key_file = variable("NETBACKUP_API_KEY_FILE");
        site.tls.ca_file = variable("NETBACKUP_CA_FILE");
        if !site.api_key.is_there() && !site.api_key_file.is_there() {
            let spot = Spot::named("NETBACKUP_API_KEY");
            mistakes.error(&spot, "not set: give the API key in it, or the path of its file in NETBACKUP_API_KEY_FILE");
            site.credential_told = true;
        }
        whole.sites = Some(vec![site]);
        Some(resolve::resolve(&whole, Path::new(""), mistakes))
    }
}
