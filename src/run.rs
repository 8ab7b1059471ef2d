//! The exporter as a whole: from a checked configuration and bound listeners to a server that stops when it is told.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join;
use tokio::net::TcpListener;
use tracing::{error, info, warn};

use crate::cache::Generation;
use crate::config::Config;
use crate::exposition::Exposition;
use crate::reload::{self, Causes};
use crate::server::{self, App, Door};
use crate::sites::{ClientError, Known, Prepared, Running};
use crate::state::{Directory, OpenError};
use crate::telemetry::{BUILD, Recorder, recorder, systemd};

/// A state directory that takes longer to read than this holds up no answer.
const RESTORE_PATIENCE: Duration = Duration::from_secs(2);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address}: is the port taken by another program, or another exporter? use --web.listen-address for another one"
)]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// The service manager has given no listener that can be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// Not started by a socket.
    #[error(
        "--web.systemd-socket: the service manager has passed no listener (LISTEN_FDS): start the .socket unit, or leave the flag out"
    )]
    None,
    /// Something else than a listener of TCP.
    #[error(
        "--web.systemd-socket: a listener that the service manager has passed cannot be used: is it ListenStream= with a port?"
    )]
    Unusable(#[source] io::Error),
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

/// The listeners that the service manager has opened (`--web.systemd-socket`). To be called once, before there is any
/// other thread: what names them is taken out of the environment.
///
/// # Errors
/// There are none, or one is no TCP socket.
pub fn inherit() -> Result<Vec<std::net::TcpListener>, InheritError> {
    let mut given = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for at in 0..given.len() {
        if let Some(listener) = given.take_tcp_listener(at).map_err(InheritError::Unusable)? {
            listener.set_nonblocking(true).map_err(InheritError::Unusable)?;
            listeners.push(listener);
        }
    }
    if listeners.is_empty() { Err(InheritError::None) } else { Ok(listeners) }
}

/// Opens the state directory, where one is configured. One that cannot be used is said, and nothing is kept then.
///
/// # Errors
/// Another process uses the directory: two would write over each other.
pub fn open_state(config: &Config) -> Result<Option<Directory>, OpenError> {
    let Some(path) = &config.state.directory else { return Ok(None) };
    match Directory::open(path) {
        Ok(directory) => Ok(Some(directory)),
        Err(error @ OpenError::InUse { .. }) => Err(error),
        Err(error) => {
            recorder::state_save_failed();
            let error = format!("{:#}", anyhow::Error::from(error));
            error!(error, "nothing is kept on disk: counters begin at 0 at the next start");
            Ok(None)
        }
    }
}

/// Serves on `listeners` and polls every site until `shutdown` completes; returns within 5 s after that. `state`: where
/// is kept what must survive a restart, if anywhere. `door`: what clients must speak and show. `reload`: what makes another
/// configuration take effect, if anything.
///
/// # Errors
/// Every site whose client cannot be built; nothing is served then.
pub async fn run(
    config: Config,
    listeners: Vec<TcpListener>,
    recorder: &Recorder,
    state: Option<Directory>,
    door: Door,
    reload: Option<Causes>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Vec<ClientError>> {
    let generation = Generation::default();
    let prepared = Prepared::new(&config, &Known::default())?;
    let mut running = Running::new(generation.clone(), state);
    let (_, restored) = running.take_over(prepared).await;
    let counted_since = recorder.installed();
    let exposition = Exposition::new(generation.clone(), recorder.own_metrics());
    let app = App::new(&config.web, running.sites(), exposition, generation);
    app.configure(&config.web, counted_since);
    let tls = config.web.file.as_ref().is_some_and(|file| file.tls.is_some());
    app.replace_door(door);
    for listener in &listeners {
        if let Ok(address) = listener.local_addr() {
            info!(%address, tls, version = BUILD.version, revision = BUILD.revision, "listening");
        }
    }
    // Connections wait in the listeners' queues meanwhile, so that the first answer has the data that were kept.
    restored.within(RESTORE_PATIENCE).await;
    systemd::ready();
    systemd::status(&format!("polling {} site(s)", config.sites.len()));
    let shutdown = shutdown.shared();
    let polling = async {
        tokio::select! {
            () = shutdown.clone() => {}
            () = watchdog(&app) => {}
            () = follow(reload, config, reload::Running { app: &app, sites: &mut running, counted_since }) => {}
        }
        systemd::stopping();
        running.stop().await;
    };
    // Sessions end while the last answers are given.
    join(server::serve(listeners, Arc::clone(&app), shutdown.clone()), polling).await;
    Ok(())
}

/// Polls every collector of every site once, and ends their sessions, also where `shutdown` completes before that. Returns
/// the exposition and whether every poll succeeded; `None`: it was told to stop.
///
/// # Errors
/// Every site whose client cannot be built.
pub async fn once(
    config: &Config,
    recorder: &Recorder,
    shutdown: impl Future<Output = ()>,
) -> Result<Option<(String, bool)>, Vec<ClientError>> {
    let generation = Generation::default();
    let prepared = Prepared::new(config, &Known::default())?;
    let exposition = Exposition::new(generation.clone(), recorder.own_metrics());
    let mut running = Running::new(generation, None);
    let succeeded = tokio::select! {
        succeeded = running.poll_once(prepared) => Some(succeeded),
        () = shutdown => None,
    };
    let polled = succeeded.map(|succeeded| (exposition.text(&running.sites().views), succeeded));
    running.stop().await;
    Ok(polled)
}

/// Says what is accepted but should be looked at.
pub fn log_warnings(config: &Config) {
    for warning in &config.warnings {
        warn!("{warning}");
    }
}

/// Lets other configurations take effect. Never ends.
async fn follow(reload: Option<Causes>, config: Config, running: reload::Running<'_>) {
    if let Some(causes) = reload {
        reload::follow(causes, config, running).await;
    }
    std::future::pending::<()>().await;
}

/// Feeds the watchdog of the service manager while every task lives. Never ends.
async fn watchdog(app: &App) {
    systemd::watchdog(|| app.healthy()).await;
    std::future::pending::<()>().await;
}
