//! SIGHUP: the configuration is read and checked again, and what is wrong or would change is said. Nothing that runs
//! changes: a restart makes it take effect.

use tracing::{error, info, warn};

use crate::cache::Generation;
use crate::config::{Config, ConfigErrors, ConfigSource, Environment, Overrides};
use crate::run;
use crate::sites::Prepared;
use crate::telemetry::recorder;

/// Everything a configuration is made from, to be read again.
pub struct Typed {
    /// The file, or the environment.
    pub source: ConfigSource,
    /// The environment of the process.
    pub environment: Environment,
    /// The flags that win over it.
    pub overrides: Overrides,
}

impl Typed {
    /// Reads and checks it.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        self.source.load(&self.environment, &self.overrides)
    }
}

/// Reads the configuration again, says what is wrong or would change, and sets the reload gauges: successful only if
/// what runs is what is configured. Blocks on files.
pub fn check_again(running: &Config, typed: &Typed) {
    let config = match typed.load() {
        Ok(config) => config,
        Err(mistakes) => {
            recorder::config_loaded(false);
            for mistake in mistakes.iter() {
                error!(%mistake, "the configuration has a mistake; the one that runs stays");
            }
            return;
        }
    };
    run::log_warnings(&config);
    // What only shows when a client is built: a key or a certificate that cannot be used.
    if let Err(errors) = Prepared::new(&config, &Generation::default(), None) {
        recorder::config_loaded(false);
        for mistake in errors {
            error!(%mistake, "the configuration has a mistake; the one that runs stays");
        }
        return;
    }
    let changes = changes(running, &config);
    recorder::config_loaded(changes.is_empty());
    for change in &changes {
        warn!(change, "the configuration has changed; restart the exporter to make it take effect");
    }
    if changes.is_empty() {
        info!("the configuration is correct and is the one that runs");
    }
}

/// What a restart would change, without any value.
fn changes(running: &Config, config: &Config) -> Vec<String> {
    let sections = [
        ("[web]", running.web == config.web),
        ("[health]", running.health == config.health),
        ("[state]", running.state == config.state),
        ("[telemetry]", running.telemetry == config.telemetry),
    ];
    let sections = sections.into_iter().filter(|(_, same)| !same).map(|(name, _)| format!("{name} differs"));
    let known = |sites: &Config, name: &str| sites.sites.iter().any(|site| &*site.name == name);
    let gone = running
        .sites
        .iter()
        .filter(|site| !known(config, &site.name))
        .map(|site| format!("site {} is gone", site.name));
    let others = config.sites.iter().filter(|site| !running.sites.contains(site)).map(|site| {
        if known(running, &site.name) {
            format!("site {} differs", site.name)
        } else {
            format!("site {} is new", site.name)
        }
    });
    sections.chain(gone).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Credential, Secret, Site};

    fn site(name: &str, url: &str) -> Site {
        Site::new(name, url.parse().unwrap(), Credential::ApiKey(Secret::new("k".into())))
    }

    #[test]
    fn changes_are_named_without_values() {
        let running = Config::of_sites(vec![site("paris", "https://a"), site("oslo", "https://b")]);
        assert!(changes(&running, &running.clone()).is_empty());
        let mut config = Config::of_sites(vec![site("paris", "https://secret-host"), site("rome", "https://c")]);
        config.web.max_requests = 1;
        assert_eq!(
            changes(&running, &config),
            ["[web] differs", "site oslo is gone", "site paris differs", "site rome is new"]
        );
    }
}
