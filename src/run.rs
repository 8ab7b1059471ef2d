//! The exporter as a whole: from a checked configuration and bound listeners to a server that stops when it is told.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::cache::Generation;
use crate::config::Config;
use crate::exposition::Exposition;
use crate::server::{self, App};
use crate::sites::{ClientError, Prepared};
use crate::telemetry::{BUILD, Recorder, systemd};

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address}: is the port taken by another program, or another exporter? use --web.listen-address for another one"
)]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// Binds every address, so that a port that is taken is known before anything else begins.
///
/// # Errors
/// The first address that cannot be bound.
pub async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, BindError> {
    let mut listeners = Vec::new();
    for &address in addresses {
        let listener = TcpListener::bind(address).await.map_err(|source| BindError { address, source })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Serves on `listeners` and polls every site until `shutdown` completes; returns within 5 s after that.
///
/// # Errors
/// Every site whose client cannot be built; nothing is served then.
pub async fn run(
    config: &Config,
    listeners: Vec<TcpListener>,
    recorder: &Recorder,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Vec<ClientError>> {
    let generation = Generation::default();
    let prepared = Prepared::new(config, &generation)?;
    let created = config.web.created_samples.then(|| recorder.installed());
    let exposition = Exposition::new(generation.clone(), recorder.own_metrics()).with_created(created);
    let app = App::new(&config.web, prepared.sites(), exposition, generation);
    for listener in &listeners {
        if let Ok(address) = listener.local_addr() {
            info!(%address, version = BUILD.version, revision = BUILD.revision, "listening");
        }
    }
    let polling = prepared.start();
    systemd::ready();
    systemd::status(&format!("polling {} site(s)", config.sites.len()));
    tokio::select! {
        () = server::serve(listeners, std::sync::Arc::clone(&app), shutdown) => {}
        () = watchdog(&app) => {}
    }
    systemd::stopping();
    drop(polling);
    Ok(())
}

/// Polls every collector of every site once. Returns the exposition and whether every poll succeeded.
///
/// # Errors
/// Every site whose client cannot be built.
pub async fn once(config: &Config, recorder: &Recorder) -> Result<(String, bool), Vec<ClientError>> {
    let generation = Generation::default();
    let prepared = Prepared::new(config, &generation)?;
    let views = prepared.sites().views;
    let exposition = Exposition::new(generation, recorder.own_metrics());
    let succeeded = prepared.poll_once().await;
    Ok((exposition.text(&views), succeeded))
}

/// Says what is accepted but should be looked at.
pub fn log_warnings(config: &Config) {
    for warning in &config.warnings {
        warn!("{warning}");
    }
}

/// Feeds the watchdog of the service manager while every task lives. Never ends.
async fn watchdog(app: &App) {
    systemd::watchdog(|| app.healthy()).await;
    std::future::pending::<()>().await;
}
