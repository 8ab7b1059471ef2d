//! A NetBackup primary over real HTTP on loopback, built from the published API, for tests, `demo` and `simulate`.
//!
//! It is strict: what a real primary might refuse, it refuses, so that a client which gets along here is safe. It
//! serves `/ping`, `/security/serverinfo`, `/security/servertime`, `/authorization-context`, `/admin/jobs`,
//! `/admin/jobs/{jobId}`, `/admin/jobs-count-requests`, `/storage/storage-units`, `/login`, `/logout` and the lists of
//! `lists` below `/netbackup`. Its jobs live: they queue, run, fail, are tried again, end and expire, each life drawn from the seed. Tests look into it and
//! make it misbehave through [`Control`], which no request reaches.
//!
//! Reading order: [`Options`], `world`, `endpoint`, `jobs`, `lists`, `filter`, `server`, `fault`.

mod attributes;
mod control;
mod cursor;
mod endpoint;
mod fault;
mod fault_rule;
mod filter;
mod jobs;
mod journal;
mod lists;
mod query;
mod release;
mod reply;
mod server;
mod sessions;
mod storage_units;
mod tls;
mod wire;
mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::control::Control;
pub use self::fault::{Door, Fault};
pub use self::fault_rule::{BadFaultRule, FaultRule};
pub use self::journal::LoggedRequest;
pub use self::lists::Sizes;
pub use self::release::{Release, UnknownRelease};
pub use self::sessions::Account;
pub use self::tls::Tls;
pub use self::world::{Job, StorageUnit, Truth, Word};

use self::control::{Shared, lock};

/// What the primary calls itself in links. Nothing answers there.
const PUBLIC_URL: &str = "https://nbuprimary.example.com:1556/netbackup";

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
    /// The release whose API is spoken.
    pub release: Release,
    /// The key that is accepted, raw or as a bearer.
    pub api_key: String,
    /// Finished jobs of the past at the start: nine in ten ended within the last 24 h, the rest before.
    pub jobs: usize,
    /// Jobs that are queued per minute from ten minutes (at pace 1) before the start on; 0: the world stands still.
    pub jobs_per_minute: f64,
    /// How many storage units there are.
    pub storage_units: usize,
    /// Clients that jobs are of, each under two policies; 0: the twenty of `world`, whose names hold what breaks careless
    /// readers.
    pub clients: usize,
    /// How long further lists are.
    pub sizes: Sizes,
    /// The same seed gives the same lives, names and amounts.
    pub seed: u64,
    /// How long each request waits before it is answered.
    pub latency: Duration,
    /// The primary's clock minus the wall clock, in milliseconds.
    pub clock_offset: i64,
    /// Divides the length of what living jobs do: at 1 they run for seconds to half an hour.
    pub pace: f64,
    /// How long after its end a job leaves the list.
    pub retention: Duration,
    /// Whether some values are outside the published enumerations, as those of a newer release would be.
    pub odd_rows: bool,
    /// Whether jobs that have not ended carry the epoch as `endTime`, as those of some real primaries do.
    pub epoch_ends: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            release: Release::default(),
            api_key: "simulated-api-key".to_owned(),
            jobs: 300,
            jobs_per_minute: 0.0,
            storage_units: 12,
            clients: 0,
            sizes: Sizes::default(),
            seed: 1,
            latency: Duration::ZERO,
            clock_offset: 0,
            pace: 1.0,
            // What a primary keeps unless told otherwise.
            retention: Duration::from_secs(78 * 3_600),
            odd_rows: true,
            epoch_ends: false,
        }
    }
}

/// A running primary. Clones are handles of the same one; it stops with [`Simulator::stop`] or with its last handle.
#[derive(Debug, Clone)]
pub struct Simulator {
    address: SocketAddr,
    control: Control,
    stop: Arc<watch::Sender<bool>>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Simulator {
    /// Binds, draws the world, and serves in a task of its own.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(options: Options) -> std::io::Result<Simulator> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        // Drawing a long history takes a while: the other tasks of this thread go on.
        let shared = tokio::task::spawn_blocking(move || Shared::new(&options)).await?;
        let control = Control { shared: Arc::new(shared) };
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(server::serve(listener, control.clone(), stopped));
        Ok(Simulator { address, control, stop: Arc::new(stop), task: Arc::new(Mutex::new(Some(task))) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to configure as `url`, such as `http://127.0.0.1:40123/netbackup`.
    #[must_use]
    pub fn base_url(&self) -> String {
        let scheme = if self.control.shared.entrance.borrow().tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/netbackup", self.address)
    }

    /// The hooks of tests.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Stops listening, lets what is under way end within a second, closes every connection.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let task = lock(&self.task).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

/// Runs until `shutdown` is ready; `started` gets the running primary as soon as it listens.
///
/// # Errors
/// When the address cannot be bound.
pub async fn run(
    options: Options,
    started: impl FnOnce(&Simulator),
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let simulator = Simulator::start(options).await?;
    started(&simulator);
    shutdown.await;
    simulator.stop().await;
    Ok(())
}

#[cfg(test)]
mod tests;
