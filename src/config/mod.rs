//! What the configuration means: typed, checked whole, immutable.
//!
//! A file goes through two steps: `raw` is what was typed, each value with its place; `resolve` is what it means, with
//! defaults put in and everything checked. Both note every mistake and go on, so that all are told at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::freshness::Limits;

mod base_url;
mod clients;
mod credential;
mod duration;
mod environment;
mod error;
mod files;
mod identity;
mod interpolate;
mod listen;
mod raw;
mod reader;
mod resolve;
pub mod secret;
mod site;
mod source;
mod syntax;
mod telemetry;
mod timing;
mod web;
mod web_file;

#[cfg(test)]
mod tests;

pub use clients::Clients;
pub use credential::{Credential, DomainType, Login};
pub(crate) use credential::{check_key, check_password};
pub use duration::read_duration;
pub use environment::process_environment;
pub use error::{ConfigError, ConfigErrors};
pub use identity::FileIdentity;
pub use listen::parse_listen_address;
pub use secret::Secret;
pub use source::ConfigSource;
pub use web::Overrides;
pub use web_file::{CIPHER_SUITES, CURVES, ClientAuth, Pem, RateLimit, TlsServer, WebConfig};

/// A collector as the configuration knows it: the table behind `[collectors]` and the `<collector>_…` keys of `[poll]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectorSpec {
    /// The name: a key of `[collectors]` and the `collector` label.
    pub name: &'static str,
    /// Whether it runs when the configuration does not name it.
    pub on_by_default: bool,
    /// Time between two polls when the configuration does not say.
    pub default_ttl: Duration,
}

/// Every collector there is.
pub const COLLECTORS: [CollectorSpec; 17] = [
    CollectorSpec::new("jobs", true, 60),
    CollectorSpec::new("storage", true, 300),
    CollectorSpec::new("disk_pools", false, 300),
    CollectorSpec::new("storage_servers", false, 600),
    CollectorSpec::new("media_servers", false, 300),
    CollectorSpec::new("tape", false, 600),
    CollectorSpec::new("alerts", false, 300),
    CollectorSpec::new("events", false, 60),
    CollectorSpec::new("malware", false, 900),
    CollectorSpec::new("anomalies", false, 900),
    CollectorSpec::new("security", false, 3600),
    CollectorSpec::new("catalog", false, 3600),
    CollectorSpec::new("slp", false, 1800),
    CollectorSpec::new("slo", false, 3600),
    CollectorSpec::new("licensing", false, 21600),
    CollectorSpec::new("hosts", false, 3600),
    // Behind the jobs that it reads: see `timing`.
    CollectorSpec::new("clients", false, 60),
];

impl CollectorSpec {
    const fn new(name: &'static str, on_by_default: bool, ttl_seconds: u64) -> CollectorSpec {
        CollectorSpec { name, on_by_default, default_ttl: Duration::from_secs(ttl_seconds) }
    }
}

/// A whole, checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The exporter's own port.
    pub web: Web,
    /// How `/health` asks.
    pub health: Health,
    /// What is kept on disk.
    pub state: State,
    /// Where traces of the polls go.
    pub telemetry: Telemetry,
    /// What other exporters' users may go on with.
    pub compat: Compat,
    /// The primaries, in the order of the file; names are unique; at least one.
    pub sites: Vec<Site>,
    /// What is accepted but should be looked at (plain http, `M` read as months, …): logged at start and reload.
    pub warnings: Vec<String>,
}

/// `[web]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Where to listen; at least one.
    pub listen_addresses: Vec<SocketAddr>,
    /// The path of the exposition, starting with `/`.
    pub telemetry_path: String,
    /// Concurrent requests to the telemetry path; 0: no limit.
    pub max_requests: usize,
    /// OpenMetrics `_created` samples.
    pub created_samples: bool,
    /// What `config_file` says; `None`: plain HTTP, and nobody is asked who they are.
    pub file: Option<Arc<WebConfig>>,
    /// `--web.enable-lifecycle`: other hosts may ask for a reload.
    pub lifecycle: bool,
}

/// `[health]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// How long an answer of a primary is shared.
    pub ttl: Duration,
    /// The longest that a probe may take.
    pub timeout: Duration,
}

/// `[state]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Where state is kept; `None`: nowhere.
    pub directory: Option<PathBuf>,
}

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// Where traces are sent by OTLP over HTTP, `/v1/traces` included; `None`: nowhere.
    pub otlp_endpoint: Option<url::Url>,
    /// The share of polls that is traced, 0 to 1.
    pub sample_ratio: f64,
    /// The file that held `headers`.
    pub headers_file: Option<PathBuf>,
    /// Names and values of the headers that are sent along, as `headers_file` held them.
    pub headers: Vec<(String, Secret)>,
}

/// `[compat]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compat {
    /// The metric names of the Go exporter (`nbu_*`) stand beside ours.
    pub go_exporter_names: bool,
}

/// One `[[site]]`: one primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The `site` label.
    pub name: Arc<str>,
    /// Base of every request, without a trailing slash, such as `https://nbu.example.com:1556/netbackup`.
    pub url: url::Url,
    /// How the exporter signs in.
    pub credential: Credential,
    /// Which API version to speak.
    pub api_version: ApiVersionChoice,
    /// How TLS is verified.
    pub tls: Tls,
    /// How often and how long.
    pub poll: Poll,
    /// The collectors that run, by name, in the order of [`COLLECTORS`].
    pub collectors: Vec<(CollectorSpec, CollectorTiming)>,
    /// `[clients]`, where the collector of that name is on.
    pub clients: Option<Clients>,
}

/// `api_version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiVersionChoice {
    /// The lower of what the primary says and the newest that the exporter knows.
    Auto,
    /// Fixed, major and minor.
    Fixed(u16, u16),
}

/// `[site.tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// PEM bundle that is trusted instead of the system's roots.
    pub ca_file: Option<PathBuf>,
    /// PEM certificate chain of the client.
    pub client_cert_file: Option<PathBuf>,
    /// PEM key of the client certificate.
    pub client_key_file: Option<PathBuf>,
    /// The name that the certificate must bear, when it is not the host of the URL.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
}

/// `[poll]` merged with `[site.poll]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// Window of the lookback gauges and of the first read.
    pub lookback: Duration,
    /// The longest that one poll may take.
    pub timeout: Duration,
    /// The longest that one request may take, connecting and body included; never above `timeout`.
    pub request_timeout: Duration,
    /// Concurrent requests to this primary.
    pub max_requests: usize,
}

/// When one collector polls and when its data age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectorTiming {
    /// Time between the starts of two polls, before jitter.
    pub ttl: Duration,
    /// When data are stale, when they are withdrawn.
    pub limits: Limits,
}

/// Environment variables by name; a map, so that tests need not touch the process.
pub type Environment = BTreeMap<String, String>;

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every mistake at once, or why the file cannot be read.
    pub fn load(path: &Path, environment: &Environment) -> Result<Config, ConfigErrors> {
        let unreadable = |message: String| {
            let hint =
                "name the file with --config.file, or set NETBACKUP_URL and NETBACKUP_API_KEY to start without one";
            ConfigErrors::one(path.display().to_string(), "", format!("{message}; {hint}"))
        };
        let bytes = files::read(path).map_err(unreadable)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                let mut mistakes = error::Mistakes::in_file(path, text);
                mistakes.readable_by_all(files::is_world_readable(path));
                Config::read(text, path, environment, mistakes)
            }
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).and_then(|bytes| std::str::from_utf8(bytes).ok());
                let good = good.unwrap_or_default();
                let spot = error::Spot { key: String::new(), offset: Some(good.len()) };
                Err(error::Mistakes::in_file(path, good).only(&spot, "not UTF-8 from here on; save the file as UTF-8"))
            }
        }
    }

    /// Checks the text of a file; `path` names it in messages and is where relative paths start.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn parse(text: &str, path: &Path, environment: &Environment) -> Result<Config, ConfigErrors> {
        Config::read(text, path, environment, error::Mistakes::in_file(path, text))
    }

    fn read(
        text: &str,
        path: &Path,
        environment: &Environment,
        mut mistakes: error::Mistakes,
    ) -> Result<Config, ConfigErrors> {
        let raw = raw::read(text, environment, &mut mistakes);
        resolve::resolve(&raw, path.parent().unwrap_or(Path::new("")), mistakes)
    }

    /// The files that it names and that are read again while the exporter runs: a change of one is a change of it.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let web = self.web.file.iter().flat_map(|file| file.files());
        let telemetry = self.telemetry.headers_file.clone();
        web.chain(telemetry).chain(self.sites.iter().flat_map(Site::files).map(Path::to_owned)).collect()
    }

    /// A configuration of these sites with every other default, for programs that start without a file.
    #[must_use]
    pub fn of_sites(sites: Vec<Site>) -> Config {
        let (web, health, state) = (Web::default(), Health::default(), State::default());
        let (telemetry, compat) = (Telemetry::default(), Compat::default());
        Config { web, health, state, telemetry, compat, sites, warnings: Vec::new() }
    }
}

impl Default for Web {
    fn default() -> Web {
        Web {
            listen_addresses: vec![SocketAddr::from(([127, 0, 0, 1], 11556))],
            telemetry_path: "/metrics".into(),
            max_requests: 40,
            created_samples: false,
            file: None,
            lifecycle: false,
        }
    }
}

impl Default for Health {
    fn default() -> Health {
        Health { ttl: Duration::from_secs(5), timeout: Duration::from_secs(2) }
    }
}

impl Default for Telemetry {
    fn default() -> Telemetry {
        Telemetry { otlp_endpoint: None, sample_ratio: 1.0, headers_file: None, headers: Vec::new() }
    }
}

impl Default for Poll {
    fn default() -> Poll {
        Poll {
            lookback: Duration::from_secs(24 * 60 * 60),
            timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(30),
            max_requests: 4,
        }
    }
}
