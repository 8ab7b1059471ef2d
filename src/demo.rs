//! `demo`: a simulated primary and the exporter on loopback, with data that live. `simulate`: the primary alone.

mod troubles;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::net::TcpListener;
use tracing::info;

use crate::cli::Simulate;
use crate::config::{CollectorTiming, Config, Credential, Overrides, Secret, Site};
use crate::run;
use crate::server::Door;
use crate::simulator::{self, Options, Simulator, Sizes, Tls};
use crate::telemetry::Recorder;

const API_KEY: &str = "demo-api-key";
/// Short, so that a person who looks sees things move.
const JOBS_TTL: Duration = Duration::from_secs(5);
const OTHER_TTL: Duration = Duration::from_secs(15);
/// Long enough to know of a client that its last good backup was days ago.
const LOOKBACK: Duration = Duration::from_secs(4 * 86_400);

/// Runs both until `shutdown` completes. `say` gets the lines for the person who started it.
///
/// # Errors
/// No port can be had.
pub async fn run(
    overrides: &Overrides,
    recorder: &Recorder,
    say: impl Fn(&str),
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    // Before anything starts: a flag may be wrong.
    let flags = Config::of_sites(Vec::new()).with_overrides(overrides)?;
    let options = Options {
        api_key: API_KEY.to_owned(),
        jobs_per_minute: 40.0,
        pace: 15.0,
        odd_rows: false,
        retention: LOOKBACK + Duration::from_secs(86_400),
        ..Options::default()
    };
    let primary = Simulator::start(options).await.context("cannot start the simulated primary on loopback")?;
    troubles::happen(primary.control());
    let config = Config { web: flags.web, ..configuration(&primary)? };
    let door = Door::new(config.web.file.as_deref())?;
    let scheme = if config.web.file.as_ref().is_some_and(|file| file.tls.is_some()) { "https" } else { "http" };
    let listeners = listen(&config, overrides).await?;
    for listener in &listeners {
        let base = format!("{scheme}://{}", listener.local_addr()?);
        say(&format!("status page  {base}/"));
        say(&format!("metrics      {base}{}", config.web.telemetry_path));
        say(&format!("health       {base}/health"));
        say(&format!("status JSON  {base}/api/v1/status"));
    }
    say(&format!("NetBackup    {} (simulated, key {API_KEY})", primary.base_url()));
    say("Ctrl-C stops it.");
    let ended = run::run(config, listeners, recorder, None, door, None, shutdown).await;
    primary.stop().await;
    ended.map_err(|errors| anyhow!("{errors:?}"))
}

/// Runs the simulated primary alone until `shutdown` completes.
///
/// # Errors
/// The address cannot be bound, or the certificate not be used.
pub async fn simulate(simulate: &Simulate, say: impl Fn(&str), shutdown: impl Future<Output = ()>) -> Result<()> {
    let Simulate { listen_address: listen, api_key: key, .. } = simulate;
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let tls = match (&simulate.tls_cert_file, &simulate.tls_key_file) {
        (Some(certificate), Some(key)) => {
            let files = format!("{} and {}", certificate.display(), key.display());
            let tls = Tls::from_pem(&read(certificate)?, &read(key)?, None);
            Some(tls.with_context(|| format!("cannot serve TLS with {files}"))?)
        }
        _ => None,
    };
    let options = Options {
        listen: *listen,
        release: simulate.release.parse()?,
        api_key: key.clone(),
        jobs: simulate.jobs,
        jobs_per_minute: simulate.jobs_per_minute,
        storage_units: simulate.storage_units,
        clients: simulate.clients,
        sizes: Sizes { tape_media: simulate.tape_media, hosts: simulate.hosts },
        seed: simulate.seed,
        latency: simulate.latency,
        clock_offset: simulate.clock_offset.0,
        tls,
        ..Options::default()
    };
    let started = |primary: &Simulator| {
        let control = primary.control();
        simulate.faults.iter().for_each(|rule| control.apply(rule));
        control.set_rbac(simulate.deny.clone());
        control.set_silent_empty_jobs(simulate.silent_empty_jobs);
        say(&format!("NetBackup    {} (simulated, key {key})", primary.base_url()));
        info!(address = %primary.address(), "listening");
    };
    simulator::run(options, started, shutdown).await.with_context(|| format!("cannot listen on {listen}"))
}

fn configuration(primary: &Simulator) -> Result<Config> {
    let mut site = Site::new("demo", primary.base_url().parse()?, Credential::ApiKey(Secret::new(API_KEY.to_owned())))
        .with_all_collectors();
    site.poll.lookback = LOOKBACK;
    for (spec, timing) in &mut site.collectors {
        let ttl = if matches!(spec.name, "jobs" | "clients") { JOBS_TTL } else { OTHER_TTL };
        *timing = CollectorTiming::of_ttl(ttl);
    }
    Ok(Config::of_sites(vec![site]))
}

/// The usual port, or a free one when that is taken; what the command line names is taken as it is.
async fn listen(config: &Config, overrides: &Overrides) -> Result<Vec<TcpListener>> {
    match run::bind(&config.web.listen_addresses).await {
        Ok(listeners) => Ok(listeners),
        Err(error) if !overrides.listen.is_empty() => Err(error.into()),
        Err(_) => Ok(run::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).await?),
    }
}
