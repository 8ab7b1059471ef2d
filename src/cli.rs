//! Flags and subcommands, typed. Flags are named as exporters name them and may stand before or after the subcommand.
//!
//! What the configuration can say too is checked by `config`, by the same rules; a mistake in the arguments themselves
//! is clap's own error, which ends the program with 2.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;

use crate::config::{ConfigSource, Environment, Overrides, read_duration};
use crate::simulator::FaultRule;
use crate::telemetry::VERSION_TEXT;
use crate::telemetry::logging::LogFormat;

/// The releases that can be simulated.
const RELEASES: [&str; 6] = ["10.3", "10.4", "10.5", "11.0", "11.1", "11.2"];

/// The command line, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Cli {
    /// What to do.
    pub command: Command,
    /// `--config.file`; `None`: not given.
    pub config_file: Option<PathBuf>,
    /// `--web.listen-address`, in order; empty: as configured.
    pub listen: Vec<String>,
    /// `--web.telemetry-path`.
    pub telemetry_path: Option<String>,
    /// `--web.max-requests`.
    pub max_requests: Option<usize>,
    /// `--web.config.file`.
    pub web_config_file: Option<PathBuf>,
    /// `--web.systemd-socket`: the listeners come from the service manager.
    pub systemd_socket: bool,
    /// `--web.enable-lifecycle`.
    pub lifecycle: bool,
    /// `--log.level`.
    pub log_level: LogLevel,
    /// `--log.format`.
    pub log_format: LogFormat,
    /// `--once`.
    pub once: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Poll and serve.
    Serve,
    /// The simulated primary and the exporter together.
    Demo,
    /// The simulated primary alone.
    Simulate(Box<Simulate>),
    /// Say whether everything is there that data need.
    Check(Check),
}

/// How to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
#[group(skip)]
pub struct Check {
    /// Look at the configuration only, and ask no primary
    #[arg(long)]
    pub offline: bool,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// The least severe level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogLevel {
    /// Only what needs a person.
    Error,
    /// What may soon need one.
    Warn,
    /// Every change of state.
    #[default]
    Info,
    /// Every poll.
    Debug,
    /// Everything.
    Trace,
}

/// The simulated primary.
#[derive(Debug, Clone, PartialEq, Args)]
#[group(skip)]
pub struct Simulate {
    /// Where the simulated primary listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1556")]
    pub listen_address: SocketAddr,
    /// Finished jobs of the past
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = at_most_a_million)]
    pub jobs: usize,
    /// New jobs per minute; 0: nothing changes
    #[arg(long, value_name = "RATE", default_value_t = 30.0, value_parser = rate)]
    pub jobs_per_minute: f64,
    /// NetBackup release whose API is spoken
    #[arg(long, value_name = "RELEASE", default_value = "11.2", value_parser = RELEASES)]
    pub release: String,
    /// The same seed gives the same jobs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Storage units
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = at_most_a_million)]
    pub storage_units: usize,
    /// Clients that jobs are of, each under two policies; 0: twenty with odd names among them
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = at_most_a_million)]
    pub clients: usize,
    /// Tape media
    #[arg(long, value_name = "N", default_value_t = 240, value_parser = at_most_a_million)]
    pub tape_media: usize,
    /// Hosts
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = at_most_a_million)]
    pub hosts: usize,
    /// How long each answer takes, such as 50ms
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = latency)]
    pub latency: Duration,
    /// API key that is accepted
    #[arg(long, value_name = "KEY", default_value = "simulated-api-key")]
    pub api_key: String,
    /// PEM file of the certificate (chain) to serve TLS with
    #[arg(long, value_name = "PATH", requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, value_name = "PATH", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,
    /// What goes wrong, such as /admin/jobs=status:503, repeatable; --help lists the kinds
    #[arg(long = "fault", value_name = "FAULT", long_help = FaultRule::help())]
    pub faults: Vec<FaultRule>,
    /// Paths, by their beginning, that the key has no right to, such as /admin/jobs, repeatable
    #[arg(long, value_name = "ENDPOINT", value_parser = endpoint)]
    pub deny: Vec<String>,
    /// Show the key an empty list of jobs, as a primary does to one without the right
    #[arg(long)]
    pub silent_empty_jobs: bool,
    /// The primary's clock minus this one, such as 90s or -2h
    #[arg(long, value_name = "DURATION", default_value = "0s", allow_hyphen_values = true, value_parser = clock_offset)]
    pub clock_offset: ClockOffset,
}

/// The difference of two clocks in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset(pub i64);

/// The arguments as clap reads them.
#[derive(Debug, Parser)]
#[command(name = "netbackup_exporter", version = VERSION_TEXT, about = "Prometheus exporter for NetBackup")]
struct Arguments {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Subcommands>,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Poll the configured primaries and serve their metrics (the default)
    Serve(Flags),
    /// Check the configuration, and at every primary what the key may do; 0: well, 1: something stops data, 2: bad configuration
    Check {
        #[command(flatten)]
        check: Check,
        #[command(flatten)]
        flags: Flags,
    },
    /// Start a simulated primary and the exporter on loopback, needing no configuration
    Demo(Flags),
    /// Start a simulated primary alone
    Simulate {
        #[command(flatten)]
        simulate: Box<Simulate>,
        #[command(flatten)]
        flags: Flags,
    },
}

/// Not clap's "global" flags: of a list given on both sides of the subcommand these would drop one half.
#[derive(Debug, Args)]
struct Flags {
    /// Configuration file [default: config.toml]
    #[arg(long = "config.file", value_name = "PATH")]
    config_file: Option<PathBuf>,
    /// Address to listen on, repeatable: host:port, [v6]:port or :port (all addresses)
    #[arg(long = "web.listen-address", value_name = "ADDR")]
    listen: Vec<String>,
    /// Path of the metrics
    #[arg(long = "web.telemetry-path", value_name = "PATH")]
    telemetry_path: Option<String>,
    /// Scrapes answered at the same time, 0: no limit
    #[arg(long = "web.max-requests", value_name = "N")]
    max_requests: Option<usize>,
    /// TLS, client certificates and basic auth, in the format of the exporter-toolkit
    #[arg(long = "web.config.file", value_name = "PATH")]
    web_config_file: Option<PathBuf>,
    /// Take the listeners from systemd (socket activation) instead of opening any
    #[arg(long = "web.systemd-socket")]
    systemd_socket: bool,
    /// Let other hosts ask for a reload by POST /-/reload
    #[arg(long = "web.enable-lifecycle")]
    lifecycle: bool,
    /// Least severe level that is logged [default: info; check: error]
    #[arg(long = "log.level", value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// Form of the log lines on stderr [default: logfmt]
    #[arg(long = "log.format", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Poll every enabled collector once, print the metrics on stdout, and end
    #[arg(long)]
    once: bool,
}

/// Reads the arguments, the program's name first.
///
/// # Errors
/// Clap's: a usage error (exit code 2), or the text of `--help` and `--version` (exit code 0).
pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Cli, clap::Error> {
    let Arguments { flags, command } = Arguments::try_parse_from(arguments)?;
    let (command, flags) = match command {
        None => (Command::Serve, flags),
        Some(Subcommands::Serve(inner)) => (Command::Serve, inner.over(flags)),
        Some(Subcommands::Demo(inner)) => (Command::Demo, inner.over(flags)),
        Some(Subcommands::Check { check, flags: inner }) => (Command::Check(check), inner.over(flags)),
        Some(Subcommands::Simulate { simulate, flags: inner }) => (Command::Simulate(simulate), inner.over(flags)),
    };
    if let Some(message) = flags.conflict_with(&command) {
        return Err(Arguments::command().error(ErrorKind::ArgumentConflict, message));
    }
    // Its report says everything.
    let log_level = if matches!(command, Command::Check(_)) { LogLevel::Error } else { LogLevel::default() };
    Ok(Cli {
        command,
        config_file: flags.config_file,
        listen: flags.listen,
        telemetry_path: flags.telemetry_path,
        max_requests: flags.max_requests,
        web_config_file: flags.web_config_file,
        systemd_socket: flags.systemd_socket,
        lifecycle: flags.lifecycle,
        log_level: flags.log_level.unwrap_or(log_level),
        log_format: flags.log_format.unwrap_or_default(),
        once: flags.once,
    })
}

/// Where the configuration comes from, see [`ConfigSource::locate`].
#[must_use]
pub fn locate(cli: &Cli, environment: &Environment) -> ConfigSource {
    ConfigSource::locate(cli.config_file.as_deref(), environment)
}

impl Cli {
    /// The flags that win over the configuration.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            listen: self.listen.clone(),
            telemetry_path: self.telemetry_path.clone(),
            max_requests: self.max_requests,
            config_file: self.web_config_file.clone(),
            lifecycle: self.lifecycle,
        }
    }
}

impl Flags {
    /// These flags where given, else those before the subcommand; lists are put together.
    fn over(self, outer: Flags) -> Flags {
        Flags {
            config_file: self.config_file.or(outer.config_file),
            listen: outer.listen.into_iter().chain(self.listen).collect(),
            telemetry_path: self.telemetry_path.or(outer.telemetry_path),
            max_requests: self.max_requests.or(outer.max_requests),
            web_config_file: self.web_config_file.or(outer.web_config_file),
            systemd_socket: self.systemd_socket || outer.systemd_socket,
            lifecycle: self.lifecycle || outer.lifecycle,
            log_level: self.log_level.or(outer.log_level),
            log_format: self.log_format.or(outer.log_format),
            once: self.once || outer.once,
        }
    }

    /// What is wrong about these flags with `command`: a flag without an effect would be believed to have one.
    fn conflict_with(&self, command: &Command) -> Option<&'static str> {
        let has_web = !self.listen.is_empty()
            || self.telemetry_path.is_some()
            || self.max_requests.is_some()
            || self.web_config_file.is_some();
        match command {
            _ if self.systemd_socket && !self.listen.is_empty() => {
                Some("--web.listen-address has no effect with --web.systemd-socket: keep one of the two")
            }
            Command::Serve => None,
            _ if self.once => Some("--once goes with serve only"),
            Command::Check(_) => None,
            _ if self.config_file.is_some() => Some("--config.file goes with serve and check only"),
            _ if self.systemd_socket => Some("--web.systemd-socket goes with serve only"),
            _ if self.lifecycle => Some("--web.enable-lifecycle goes with serve only"),
            Command::Simulate(_) if has_web => {
                Some("the --web flags do not go with simulate, which has --listen-address")
            }
            Command::Demo | Command::Simulate(_) => None,
        }
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> LevelFilter {
        match level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        }
    }
}

fn at_most_a_million(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|number| *number <= 1_000_000).ok_or("expected a whole number up to 1000000")
}

fn rate(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|rate| (0.0..=100_000.0).contains(rate)).ok_or("expected a number from 0 to 100000")
}

fn latency(text: &str) -> Result<Duration, &'static str> {
    let duration = read_duration(text).filter(|duration| *duration <= Duration::from_secs(3_600));
    duration.ok_or("expected a duration such as 50ms, at most 1h")
}

fn endpoint(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("expected a path such as /admin/jobs") }
}

fn clock_offset(text: &str) -> Result<ClockOffset, &'static str> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let duration = read_duration(text).filter(|duration| *duration <= Duration::from_secs(366 * 86_400));
    let milliseconds = duration.and_then(|duration| i64::try_from(duration.as_millis()).ok());
    milliseconds.map(|ms| ClockOffset(sign * ms)).ok_or("expected a duration such as 90s or -2h, at most 366d")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Door, Fault, Sizes};

    fn cli(arguments: &str) -> Result<Cli, clap::Error> {
        parse(std::iter::once("netbackup_exporter").chain(arguments.split_whitespace()))
    }

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn nothing_given_means_serve_with_defaults() {
        let expected = Cli {
            command: Command::Serve,
            config_file: None,
            listen: Vec::new(),
            telemetry_path: None,
            max_requests: None,
            web_config_file: None,
            systemd_socket: false,
            lifecycle: false,
            log_level: LogLevel::Info,
            log_format: LogFormat::Logfmt,
            once: false,
        };
        assert_eq!(cli("").unwrap(), expected);
        assert_eq!(cli("serve").unwrap(), expected);
        assert_eq!(expected.overrides(), Overrides::default());
    }

    #[test]
    fn flags_mean_the_same_before_and_after_the_subcommand() {
        let flags = "--config.file c.toml --web.listen-address :1 --web.listen-address=[::1]:2 --web.telemetry-path /m \
                     --web.max-requests 7 --web.config.file w.yml --web.enable-lifecycle --log.level debug \
                     --log.format json --once";
        let before = cli(&format!("{flags} serve")).unwrap();
        assert_eq!(before, cli(&format!("serve {flags}")).unwrap());
        assert_eq!(before, cli(flags).unwrap());
        assert_eq!(before.config_file.as_deref(), Some(std::path::Path::new("c.toml")));
        assert_eq!(before.listen, [":1", "[::1]:2"]);
        assert_eq!((before.telemetry_path.as_deref(), before.max_requests), (Some("/m"), Some(7)));
        assert_eq!(before.web_config_file.as_deref(), Some(std::path::Path::new("w.yml")));
        assert!(before.lifecycle && !before.systemd_socket && before.overrides().lifecycle);
        let socket = cli("serve --web.systemd-socket").unwrap();
        assert!(socket.systemd_socket && socket == cli("--web.systemd-socket").unwrap());
        assert_eq!((before.log_level, before.log_format, before.once), (LogLevel::Debug, LogFormat::Json, true));
    }

    #[test]
    fn flags_on_both_sides_are_put_together() {
        let both =
            cli("--log.level warn --web.listen-address a:1 serve --web.listen-address b:2 --log.level error").unwrap();
        assert_eq!(both.listen, ["a:1", "b:2"]);
        assert_eq!(both.log_level, LogLevel::Error);
    }

    #[test]
    fn check_has_flags_of_its_own_and_is_quiet() {
        let check = cli("check").unwrap();
        assert_eq!((check.command, check.log_level), (Command::Check(Check::default()), LogLevel::Error));
        let check = cli("--config.file c.toml check --offline --json --log.level debug").unwrap();
        assert_eq!(check.command, Command::Check(Check { offline: true, json: true }));
        assert_eq!(check.log_level, LogLevel::Debug);
    }

    #[test]
    fn simulate_has_flags_of_its_own() {
        let Command::Simulate(default) = cli("simulate").unwrap().command else { panic!("not simulate") };
        assert_eq!(default.release, "11.2");
        assert_eq!(Sizes { tape_media: default.tape_media, hosts: default.hosts }, Sizes::default());
        let given = "simulate --listen-address 127.0.0.1:0 --jobs 5 --jobs-per-minute 1.5 --release 10.3 --seed 9 \
                     --storage-units 151 --clients 6 --tape-media 7 --hosts 8 --latency 50ms --api-key k --log.level debug --fault /admin/jobs=hangx2 \
                     --fault refuse --deny /storage --silent-empty-jobs --clock-offset -2h --tls-cert-file c \
                     --tls-key-file k";
        let Command::Simulate(simulate) = cli(given).unwrap().command else { panic!("not simulate") };
        let expected = Simulate {
            listen_address: SocketAddr::from(([127, 0, 0, 1], 0)),
            jobs: 5,
            jobs_per_minute: 1.5,
            release: "10.3".into(),
            seed: 9,
            storage_units: 151,
            clients: 6,
            tape_media: 7,
            hosts: 8,
            latency: Duration::from_millis(50),
            api_key: "k".into(),
            tls_cert_file: Some("c".into()),
            tls_key_file: Some("k".into()),
            faults: vec![
                FaultRule::Answers { endpoint: Some("/admin/jobs".into()), fault: Fault::Hang, times: Some(2) },
                FaultRule::Connections(Door::Closed),
            ],
            deny: vec!["/storage".into()],
            silent_empty_jobs: true,
            clock_offset: ClockOffset(-7_200_000),
        };
        assert_eq!(*simulate, expected);
        assert_eq!(cli("demo").unwrap().command, Command::Demo);
    }

    #[test]
    fn demo_has_a_port_and_everything_logs() {
        let flags = "--web.listen-address :1 --web.telemetry-path /m --web.max-requests 7 --log.level debug";
        let demo = cli(&format!("demo {flags}")).unwrap();
        assert_eq!((demo.overrides().max_requests, demo.log_level), (Some(7), LogLevel::Debug));
        assert_eq!(cli("simulate --log.format json").unwrap().log_format, LogFormat::Json);
    }

    #[test]
    fn usage_errors_end_with_2() {
        for arguments in [
            "--web.config.file",
            "--web.systemd-socket --web.listen-address :1",
            "--web.systemd-socket demo",
            "simulate --web.systemd-socket",
            "demo --web.enable-lifecycle",
            "simulate --web.enable-lifecycle",
            "simulate --web.config.file web.yml",
            "--nonsense",
            "nonsense",
            "check --once",
            "--offline",
            "check --offline=yes",
            "demo --json",
            "serve --jobs 5",
            "--config.file",
            "--web.max-requests many",
            "--web.max-requests=-1",
            "--log.level loud",
            "--log.format xml",
            "--once=yes",
            "--once demo",
            "simulate --once",
            "simulate --config.file c.toml",
            "--config.file c.toml simulate",
            "simulate --web.listen-address :1",
            "--web.listen-address nonsense simulate",
            "simulate --web.telemetry-path /m",
            "simulate --web.max-requests 1",
            "demo --config.file c.toml",
            "--config.file c.toml demo",
            "simulate --release 9.1",
            "simulate --jobs 1000001",
            "simulate --tape-media 1000001",
            "simulate --hosts=-1",
            "simulate --clients many",
            "simulate --jobs-per-minute NaN",
            "simulate --jobs-per-minute=-1",
            "simulate --latency 2h",
            "simulate --latency 5",
            "simulate --listen-address localhost",
            "simulate --fault explode",
            "simulate --fault /admin=refuse",
            "simulate --deny admin",
            "simulate --clock-offset soon",
            "simulate --clock-offset=--2h",
            "simulate --clock-offset 367d",
            "simulate --tls-cert-file c",
            "simulate --tls-key-file k",
            "--once --once",
        ] {
            assert_eq!(cli(arguments).map_err(|error| error.exit_code()), Err(2), "{arguments}");
        }
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for arguments in ["--help", "--version", "serve --help", "help", "simulate --help"] {
            assert_eq!(cli(arguments).map_err(|error| error.exit_code()), Err(0), "{arguments}");
        }
        let version = cli("--version").unwrap_err().to_string();
        assert!(
            version.starts_with("netbackup_exporter 0.") && version.contains("revision ") && version.contains("rustc ")
        );
        let help = cli("simulate --help").unwrap_err().to_string();
        assert!(help.contains("gzip-bomb: ") && help.contains("status:CODE"), "{help}");
        let error = cli("simulate --fault explode").unwrap_err().to_string();
        assert!(error.contains("gzip-bomb") && error.contains("status:CODE"), "{error}");
        let help = cli("--help").unwrap_err().to_string();
        for flag in
            ["--config.file", "--web.listen-address", "--log.level", "--log.format", "--once", "demo", "simulate"]
        {
            assert!(help.contains(flag), "{flag}");
        }
    }

    #[test]
    fn a_named_file_is_where_the_configuration_comes_from() {
        let source = locate(&cli("--config.file /x/y.toml").unwrap(), &Environment::new());
        assert_eq!(source, ConfigSource::File("/x/y.toml".into()));
    }
}
