//! The main program: arguments, logging, configuration, listeners, exit code. The only place that exits.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use netbackup_exporter::cli::{self, Cli, Command};
use netbackup_exporter::config::{Config, ConfigErrors, process_environment};
use netbackup_exporter::reload::{Causes, Typed};
use netbackup_exporter::server::Door;
use netbackup_exporter::telemetry::{Recorder, Traces, logging, signals};
use netbackup_exporter::{check, demo, run};
use tokio::net::TcpListener;
use tracing::{error, info};

/// A usage or configuration error: starting again does not help.
const BAD_CONFIGURATION: u8 = 2;

/// Listeners that were open before the start; `None`: none were asked for.
type Inherited = Option<Vec<std::net::TcpListener>>;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` come this way too, as successes on stdout.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(BAD_CONFIGURATION) } else { ExitCode::SUCCESS };
        }
    };
    let Ok(traces) = logging::init(cli.log_level.into(), cli.log_format) else { return ExitCode::FAILURE };
    hide_panic_messages();
    let inherited = match cli.systemd_socket.then(run::inherit).transpose() {
        Ok(inherited) => inherited,
        Err(error) => return cannot_start(error.into()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4))
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(start(cli, traces, inherited));
            // A name look-up in flight cannot be called off, and may last longer than a stop may.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            error!(%error, "cannot start the runtime");
            ExitCode::FAILURE
        }
    }
}

async fn start(cli: Cli, traces: Traces, inherited: Inherited) -> ExitCode {
    // Taken over first: a signal during the start must not end the process in any other way than later ones.
    let (shutdown, hangups) = match (signals::shutdown_signal(), signals::hangups()) {
        (Ok(shutdown), Ok(hangups)) => (shutdown, hangups),
        (Err(error), _) | (_, Err(error)) => {
            error!(%error, "cannot take over signals");
            return ExitCode::FAILURE;
        }
    };
    let shutdown = async {
        let signal = shutdown.await;
        info!(signal, "stopping");
    };
    let recorder = match Recorder::install() {
        Ok(recorder) => recorder,
        Err(error) => {
            error!(%error, "cannot install the metrics recorder");
            return ExitCode::FAILURE;
        }
    };
    let overrides = cli.overrides();
    let ended = match &cli.command {
        Command::Demo => demo::run(&overrides, &recorder, say, shutdown).await,
        Command::Simulate(simulate) => demo::simulate(simulate, say, shutdown).await,
        Command::Check(options) => {
            return check(&cli, *options, shutdown).await;
        }
        Command::Serve => {
            let environment = process_environment();
            let source = cli::locate(&cli, &environment);
            let typed = Typed { source, environment, overrides };
            let config = match typed.load() {
                Ok(config) => config,
                Err(mistakes) => return refuse_configuration(&mistakes),
            };
            let traces = traces.start(&config.telemetry);
            let code = match cli.once {
                true => once(&config, &recorder, shutdown).await,
                false => serve(config, typed, inherited, &recorder, hangups, shutdown).await,
            };
            traces.stop().await;
            return code;
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref() {
            Some(mistakes) => refuse_configuration(mistakes),
            None => {
                error!(error = format!("{error:#}"), "failed");
                ExitCode::FAILURE
            }
        },
    }
}

async fn serve(
    config: Config,
    typed: Typed,
    inherited: Inherited,
    recorder: &Recorder,
    hangups: tokio::signal::unix::Signal,
    shutdown: impl Future<Output = ()>,
) -> ExitCode {
    info!(source = %typed.source, sites = config.sites.len(), "configuration read");
    run::log_warnings(&config);
    let door = match Door::new(config.web.file.as_deref()) {
        Ok(door) => door,
        Err(mistakes) => return refuse_configuration(&mistakes),
    };
    let state = match run::open_state(&config) {
        Ok(state) => state,
        Err(error) => return cannot_start(error.into()),
    };
    let listens = inherited.is_none();
    let listeners = match inherited {
        Some(inherited) => {
            inherited.into_iter().map(TcpListener::from_std).collect::<Result<_, _>>().map_err(Into::into)
        }
        None => run::bind(&config.web.listen_addresses).await.map_err(anyhow::Error::from),
    };
    let listeners: Vec<TcpListener> = match listeners {
        Ok(listeners) => listeners,
        Err(error) => return cannot_start(error),
    };
    let reload = Some(Causes { typed, hangups, listens });
    let ended = run::run(config, listeners, recorder, state, door, reload, shutdown).await;
    match ended {
        Ok(()) => {
            info!("stopped");
            ExitCode::SUCCESS
        }
        Err(errors) => refuse(&errors),
    }
}

async fn once(config: &Config, recorder: &Recorder, shutdown: impl Future<Output = ()>) -> ExitCode {
    run::log_warnings(config);
    match run::once(config, recorder, shutdown).await {
        Ok(None) => ExitCode::FAILURE,
        Ok(Some((text, succeeded))) => {
            let written = std::io::stdout().write_all(text.as_bytes());
            if succeeded && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(errors) => refuse(&errors),
    }
}

async fn check(cli: &Cli, options: cli::Check, shutdown: impl Future<Output = ()>) -> ExitCode {
    let environment = process_environment();
    let source = cli::locate(cli, &environment);
    let loaded = source.load(&environment, &cli.overrides());
    let watched = std::io::stderr().is_terminal() && !options.json && !options.offline;
    if watched {
        let _ = write!(std::io::stderr(), "asking every site, {} s at most ...", check::LIMIT.as_secs());
    }
    let report = check::run(loaded, &source.to_string(), options.offline, shutdown).await;
    if watched {
        let _ = write!(std::io::stderr(), "\r\u{1b}[K");
    }
    let Some(report) = report else { return ExitCode::FAILURE };
    let wants_colour = environment.get("NO_COLOR").is_none_or(String::is_empty)
        && environment.get("TERM").is_none_or(|terminal| terminal != "dumb");
    let colour = std::io::stdout().is_terminal() && wants_colour;
    let text = if options.json { report.json() } else { report.text(colour) };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(report.exit_code()),
        Err(_) => ExitCode::FAILURE,
    }
}

/// A failure of the system, which may be gone at the next start.
fn cannot_start(error: anyhow::Error) -> ExitCode {
    error!(error = format!("{error:#}"), "cannot start");
    ExitCode::FAILURE
}

fn refuse_configuration(mistakes: &ConfigErrors) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{mistakes}");
    ExitCode::from(BAD_CONFIGURATION)
}

fn refuse(errors: &[netbackup_exporter::sites::ClientError]) -> ExitCode {
    for error in errors {
        error!(%error, "cannot start");
    }
    ExitCode::from(BAD_CONFIGURATION)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// What a panic says may quote what a primary sent: only its place is logged.
fn hide_panic_messages() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(place, "a defect of the exporter, please report it: panic");
    }));
}
