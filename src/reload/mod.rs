//! A new configuration takes effect: on SIGHUP, on `POST /-/reload`, and when a file that it is made from changes. It is
//! read and checked whole first; one with a mistake changes nothing. Then site by site, so that what did not change is
//! not touched.

use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::{error, info, warn};

use self::watch::Watch;
use crate::config::{Config, ConfigErrors, ConfigSource, Environment, Overrides, Web};
use crate::run;
use crate::server::{App, Door, ReloadRequest};
use crate::sites::{Changes, Known, Prepared, Running as Sites};
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
    /// The listeners are those of the configuration, not of the service manager.
    pub listens: bool,
}

/// A configuration that was read and checked whole.
struct Checked {
    config: Config,
    prepared: Prepared,
    /// `None`: the one that runs is right.
    door: Option<Door>,
}

/// What a reload changes.
pub struct Running<'a> {
    /// What is served.
    pub app: &'a App,
    /// What is polled.
    pub sites: &'a mut Sites,
    /// Since when the exporter's own metrics count.
    pub counted_since: SystemTime,
}

/// After a mistake the files are read again this often: the one that is mended need not be one that was known.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(3);

impl Typed {
    /// Reads and checks it. Blocks on files.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        self.source.load(&self.environment, &self.overrides)
    }

    /// Whether it can be read more than once: a pipe cannot.
    fn is_lasting(&self) -> bool {
        match &self.source {
            ConfigSource::File(path) => std::fs::metadata(path).map_or(true, |found| found.is_file()),
            ConfigSource::Environment => true,
        }
    }

    /// The files that a change of is a change of the configuration.
    fn files(&self, config: &Config) -> Vec<std::path::PathBuf> {
        let own = match &self.source {
            ConfigSource::File(path) => Some(path.clone()),
            ConfigSource::Environment => None,
        };
        own.into_iter().chain(config.files()).collect()
    }

    /// Reads and checks it, and builds what it asks for beyond what is `known` and `running`. Blocks on files.
    fn check(&self, running: &Web, known: &Known) -> Result<Checked, ConfigErrors> {
        let config = self.load()?;
        let door = match running.file == config.web.file {
            true => None,
            false => Some(Door::new(config.web.file.as_deref())?),
        };
        // What only shows when a client is built: a key or a certificate that cannot be used.
        let prepared = Prepared::new(&config, known)
            .map_err(|errors| ConfigErrors::new(&self.source.to_string(), errors.iter().map(ToString::to_string)))?;
        Ok(Checked { config, prepared, door })
    }
}

/// Lets every new configuration take effect, beginning with `config`, which runs. Never ends.
pub async fn follow(mut causes: Causes, mut config: Config, mut running: Running<'_>) {
    let (reloader, mut requests) = mpsc::channel::<ReloadRequest>(1);
    running.app.set_reloader(reloader);
    let started = config.clone();
    // Where it came through a pipe only SIGHUP and POST read it again.
    let is_lasting = causes.typed.is_lasting();
    let mut watch = Watch::new(causes.typed.files(&config)).await;
    let mut mistakes: Option<ConfigErrors> = None;
    // Files may have changed between the moment they were read and the one from which they are watched.
    let mut is_unsure = is_lasting;
    loop {
        let mut answer: Option<oneshot::Sender<_>> = None;
        tokio::select! {
            biased;
            () = std::future::ready(()), if is_unsure => {}
            Some(()) = causes.hangups.recv() => info!("SIGHUP: reading the configuration again"),
            Some(request) = requests.recv() => {
                info!("POST /-/reload: reading the configuration again");
                answer = Some(request.answer);
            }
            () = watch.changed(), if is_lasting => info!("a file of the configuration has changed: reading it again"),
            () = sleep(TRY_AGAIN_AFTER), if is_lasting && mistakes.is_some() => if !watch.is_at_rest().await {
                continue;
            }
        }
        let is_quiet = std::mem::take(&mut is_unsure);
        // Looked at before they are read, so that what changes meanwhile is read again.
        watch.look().await;
        let outcome = reload(&causes.typed, &mut config, &mut running, is_quiet).await;
        recorder::config_loaded(outcome.is_ok());
        running.app.refresh();
        if outcome.is_ok() {
            for part in needs_restart(&started, &config, causes.listens) {
                warn!(
                    part,
                    "the configuration differs from what runs where only a restart of the exporter changes that"
                );
            }
            let files = causes.typed.files(&config);
            is_unsure = is_lasting && !watch.watches(&files);
            watch = Watch::new(files).await.seen(&watch);
        }
        let found = outcome.as_ref().err();
        if found != mistakes.as_ref() || answer.is_some() {
            for mistake in found.iter().flat_map(|found| found.iter()) {
                error!(%mistake, "the new configuration has a mistake; the one that runs stays");
            }
        }
        mistakes = found.cloned();
        if let Some(answer) = answer {
            // Who asked may have gone.
            let _ = answer.send(outcome);
        }
    }
}

/// `is_quiet`: nobody has said that anything has changed.
async fn reload(
    typed: &Typed,
    config: &mut Config,
    running: &mut Running<'_>,
    is_quiet: bool,
) -> Result<(), ConfigErrors> {
    let (reading, web, known) = (typed.clone(), config.web.clone(), running.sites.known());
    // Reading files may hang with the disk they are on; answers and polls must not.
    let checked = tokio::task::spawn_blocking(move || reading.check(&web, &known)).await;
    let defect =
        |_| ConfigErrors::new(&typed.source.to_string(), ["reading it panicked: a defect of the exporter".into()]);
    let Checked { config: new, prepared, door } = checked.map_err(defect)??;
    if !is_quiet || new.warnings != config.warnings {
        run::log_warnings(&new);
    }
    if let Some(door) = door {
        running.app.replace_door(door);
    }
    if new.web != config.web {
        running.app.configure(&new.web, running.counted_since);
    }
    let (changes, _) = running.sites.take_over(prepared).await;
    running.app.replace_sites(running.sites.sites());
    if !is_quiet {
        running.sites.reread_credentials();
    }
    systemd::status(&format!("polling {} site(s)", new.sites.len()));
    if !is_quiet || changes != Changes::default() {
        let Changes { added, changed, removed } = &changes;
        let (added, changed, removed) = (added.join(","), changed.join(","), removed.join(","));
        info!(added, changed, removed, "the configuration is the one that runs");
    }
    *config = new;
    Ok(())
}

/// What differs from the configuration that the exporter has started with, and cannot change while it runs.
fn needs_restart(started: &Config, new: &Config, listens: bool) -> Vec<&'static str> {
    let parts = [
        ("[web] listen_address", !listens || started.web.listen_addresses == new.web.listen_addresses),
        ("[state] directory", started.state == new.state),
        ("[telemetry]", started.telemetry == new.telemetry),
    ];
    parts.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Credential, Secret, Site};

    #[test]
    fn what_needs_a_restart_is_named_without_values() {
        let site = Site::new("paris", "https://a".parse().unwrap(), Credential::ApiKey(Secret::new("k".into())));
        let running = Config::of_sites(vec![site]);
        assert!(needs_restart(&running, &running.clone(), true).is_empty());
        let mut new = running.clone();
        new.web.listen_addresses = vec!["127.0.0.1:1".parse().unwrap()];
        new.state.directory = Some("/elsewhere".into());
        new.web.max_requests = 1;
        assert_eq!(needs_restart(&running, &new, true), ["[web] listen_address", "[state] directory"]);
        assert_eq!(needs_restart(&running, &new, false), ["[state] directory"]);
    }
}
