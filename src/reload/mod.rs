//! A new configuration takes effect: on SIGHUP, on `POST /-/reload`, and when a file that it is made from changes. It is
//! read and checked whole first; one with a mistake changes nothing. Then site by site, so that what did not change is
//! not touched.

use std::sync::Arc;

use tokio::signal::unix::Signal;
use tracing::{debug, error, info, warn};

use self::watch::Watch;
use crate::config::{Config, ConfigErrors, ConfigSource, Environment, Overrides};
use crate::run;
use crate::server::App;
use crate::sites::{Changes, Known, Prepared, Running};
use crate::telemetry::{recorder, systemd};

mod watch;

/// Everything a configuration is made from, to be read again.
#[derive(Debug, Clone)]
pub struct Typed {
    /// The file, or the environment.
    pub source: ConfigSource,
    /// The environment of the process.
    pub environment: Environment,
    /// The flags that win over it.
    pub overrides: Overrides,
}

/// What makes the exporter read its configuration again.
pub struct Causes {
    /// What it reads.
    pub typed: Typed,
    /// SIGHUP.
    pub hangups: Signal,
}

/// A configuration that was read and checked whole.
struct Checked {
    config: Config,
    prepared: Prepared,
}

impl Typed {
    /// Reads and checks it. Blocks on files.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        self.source.load(&self.environment, &self.overrides)
    }

    /// The files that a change of is a change of the configuration.
    fn files(&self, config: &Config) -> Vec<std::path::PathBuf> {
        let own = match &self.source {
            ConfigSource::File(path) => Some(path.clone()),
            ConfigSource::Environment => None,
        };
        own.into_iter().chain(config.files()).collect()
    }

    /// Reads and checks it, and builds what it asks for beyond what is `known`. Blocks on files.
    fn check(&self, known: &Known) -> Result<Checked, ConfigErrors> {
        let config = self.load()?;
        // What only shows when a client is built: a key or a certificate that cannot be used.
        let prepared = Prepared::new(&config, known)
            .map_err(|errors| ConfigErrors::new(&self.source.to_string(), errors.iter().map(ToString::to_string)))?;
        Ok(Checked { config, prepared })
    }
}

/// Lets every new configuration take effect, beginning with `config`, which runs. Never ends.
pub async fn follow(mut causes: Causes, mut config: Config, app: &App, running: &mut Running) {
    let mut watch = Watch::new(causes.typed.files(&config)).await;
    loop {
        tokio::select! {
            Some(()) = causes.hangups.recv() => info!("SIGHUP: reading the configuration again"),
            () = watch.changed() => info!("a file of the configuration has changed: reading it again"),
        }
        // Looked at before they are read, so that what changes meanwhile is read again.
        watch.look().await;
        let outcome = reload(&causes.typed, &mut config, app, running).await;
        match &outcome {
            Ok(()) => watch = Watch::new(causes.typed.files(&config)).await.seen(&watch),
            Err(mistakes) => {
                for mistake in mistakes.iter() {
                    error!(%mistake, "the new configuration has a mistake; the one that runs stays");
                }
            }
        }
        recorder::config_loaded(outcome.is_ok());
    }
}

async fn reload(typed: &Typed, config: &mut Config, app: &App, running: &mut Running) -> Result<(), ConfigErrors> {
    let (reading, known) = (typed.clone(), running.known());
    // Reading files may hang with the disk they are on; answers and polls must not.
    let checked = tokio::task::spawn_blocking(move || reading.check(&known)).await;
    let defect =
        |_| ConfigErrors::new(&typed.source.to_string(), ["reading it panicked: a defect of the exporter".into()]);
    let Checked { config: new, prepared } = checked.map_err(defect)??;
    run::log_warnings(&new);
    for section in needs_restart(config, &new) {
        warn!(section, "the configuration has changed where only a restart of the exporter makes it take effect");
    }
    let (changes, _) = running.take_over(prepared).await;
    if changes != Changes::default() {
        app.replace_sites(running.sites());
    }
    systemd::status(&format!("polling {} site(s)", new.sites.len()));
    log(&changes);
    *config = new;
    Ok(())
}

/// What cannot change while the exporter runs, and differs.
fn needs_restart(running: &Config, new: &Config) -> Vec<&'static str> {
    let parts = [
        ("[web] listen_address", running.web.listen_addresses == new.web.listen_addresses),
        ("[state] directory", running.state == new.state),
        ("[telemetry]", running.telemetry == new.telemetry),
    ];
    parts.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

fn log(changes: &Changes) {
    let names = |sites: &[Arc<str>]| sites.join(",");
    let Changes { added, changed, removed } = changes;
    if *changes == Changes::default() {
        debug!("every site runs as configured");
    }
    info!(
        added = names(added),
        changed = names(changed),
        removed = names(removed),
        "the configuration is the one that runs"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Credential, Secret, Site};

    #[test]
    fn what_needs_a_restart_is_named_without_values() {
        let site = Site::new("paris", "https://a".parse().unwrap(), Credential::ApiKey(Secret::new("k".into())));
        let running = Config::of_sites(vec![site]);
        assert!(needs_restart(&running, &running.clone()).is_empty());
        let mut new = running.clone();
        new.web.listen_addresses = vec!["127.0.0.1:1".parse().unwrap()];
        new.state.directory = Some("/elsewhere".into());
        new.web.max_requests = 1;
        assert_eq!(needs_restart(&running, &new), ["[web] listen_address", "[state] directory"]);
    }
}
