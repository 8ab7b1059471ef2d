//! What was typed: every key of the file with its place, types checked, nothing decided yet.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::de::DeTable;

use super::error::{Mistakes, Spot};
use super::reader::{Field, Reader, Section, Typed};
use super::syntax;
use super::{COLLECTORS, CollectorSpec, Environment, Secret};

/// The most requests at a time to one primary.
const MOST_POLL_REQUESTS: usize = 64;
/// The most clients that are told of one by one.
const MOST_CLIENTS: usize = 100_000;
/// The most scrapes at a time.
pub(super) const MOST_WEB_REQUESTS: usize = 100_000;

/// The whole file.
pub(super) struct Raw {
    pub(super) web: RawWeb,
    pub(super) health_ttl: Field<Duration>,
    pub(super) health_timeout: Field<Duration>,
    pub(super) state_directory: Field<String>,
    pub(super) telemetry: RawTelemetry,
    pub(super) go_exporter_names: Field<bool>,
    pub(super) clients: RawClients,
    pub(super) poll: RawPoll,
    pub(super) collectors: RawCollectors,
    /// `None`: the list is no list, which has been told.
    pub(super) sites: Option<Vec<RawSite>>,
}

/// `[web]`.
pub(super) struct RawWeb {
    pub(super) listen_address: Field<Vec<Typed<String>>>,
    pub(super) telemetry_path: Field<String>,
    pub(super) config_file: Field<String>,
    pub(super) max_requests: Field<usize>,
    pub(super) created_samples: Field<bool>,
}

/// `[telemetry]`.
pub(super) struct RawTelemetry {
    pub(super) otlp_endpoint: Field<String>,
    pub(super) sample_ratio: Field<f64>,
    pub(super) headers_file: Field<String>,
}

/// `[clients]`.
pub(super) struct RawClients {
    pub(super) max: Field<usize>,
    pub(super) include: Field<Vec<Typed<String>>>,
    pub(super) exclude: Field<Vec<Typed<String>>>,
}

/// `[poll]` or `[site.poll]`.
pub(super) struct RawPoll {
    pub(super) lookback: Field<Duration>,
    pub(super) timeout: Field<Duration>,
    pub(super) request_timeout: Field<Duration>,
    pub(super) stale_after: Field<Duration>,
    pub(super) expire_after: Field<Duration>,
    pub(super) max_requests: Field<usize>,
    /// In the order of [`COLLECTORS`].
    pub(super) timings: [RawTiming; COLLECTORS.len()],
}

/// `<collector>_ttl` and its fellows.
pub(super) struct RawTiming {
    pub(super) ttl: Field<Duration>,
    pub(super) stale_after: Field<Duration>,
    pub(super) expire_after: Field<Duration>,
}

/// `[collectors]` or `[site.collectors]`.
pub(super) struct RawCollectors {
    pub(super) all: Field<bool>,
    /// In the order of [`COLLECTORS`].
    pub(super) each: [Field<bool>; COLLECTORS.len()],
}

/// One `[[site]]`.
pub(super) struct RawSite {
    pub(super) spot: Spot,
    pub(super) name: Field<String>,
    pub(super) url: Field<String>,
    pub(super) api_key: Field<Secret>,
    /// It stands in the file itself.
    pub(super) api_key_is_literal: bool,
    pub(super) api_key_file: Field<String>,
    pub(super) api_key_command: Field<Vec<Typed<String>>>,
    /// `[site.login]`, where it is there.
    pub(super) login: Option<RawLogin>,
    /// That there is no way to sign in, or a bad one, has been told.
    pub(super) credential_told: bool,
    pub(super) api_version: Field<String>,
    pub(super) tls: RawTls,
    pub(super) poll: RawPoll,
    pub(super) collectors: RawCollectors,
}

/// `[site.login]`.
pub(super) struct RawLogin {
    pub(super) spot: Spot,
    pub(super) username: Field<String>,
    pub(super) password_file: Field<String>,
    pub(super) domain_name: Field<String>,
    pub(super) domain_type: Field<String>,
}

/// `[site.tls]`.
pub(super) struct RawTls {
    pub(super) ca_file: Field<String>,
    pub(super) client_cert_file: Field<String>,
    pub(super) client_key_file: Field<String>,
    pub(super) server_name: Field<String>,
    pub(super) insecure_skip_verify: Field<bool>,
}

/// Reads a document. What is wrong is noted, and the rest is still read.
pub(super) fn read(text: &str, environment: &Environment, mistakes: &mut Mistakes) -> Raw {
    let (document, errors) = DeTable::parse_recoverable(text);
    syntax::note(&errors, text.len(), mistakes);
    let mut reader = Reader::new(environment, mistakes);
    let mut root = Section::root(document.get_ref());
    let raw = Raw::read(&mut root, &mut reader);
    root.finish(&mut reader);
    raw
}

/// Every key there is, without its section.
pub(super) fn known_keys() -> BTreeSet<String> {
    let (environment, mut nobody) = (Environment::new(), Mistakes::in_place(""));
    let mut reader = Reader::new(&environment, &mut nobody);
    Raw::read(&mut Section::absent(Spot::named("")), &mut reader);
    RawSite::empty(Spot::named(""), &mut reader);
    reader.known
}

impl Raw {
    fn read(root: &mut Section<'_>, reader: &mut Reader<'_>) -> Raw {
        let web = RawWeb::read(root.section(reader, "web"), reader);
        let mut health = root.section(reader, "health");
        let health_ttl = health.duration(reader, "ttl");
        let health_timeout = health.duration(reader, "timeout");
        health.finish(reader);
        let mut state = root.section(reader, "state");
        let state_directory = state.string(reader, "directory");
        state.finish(reader);
        let telemetry = RawTelemetry::read(root.section(reader, "telemetry"), reader);
        let mut compat = root.section(reader, "compat");
        let go_exporter_names = compat.boolean(reader, "go_exporter_names");
        compat.finish(reader);
        let clients = RawClients::read(root.section(reader, "clients"), reader);
        let poll = RawPoll::read(root.section(reader, "poll"), reader);
        let collectors = RawCollectors::read(root.section(reader, "collectors"), reader);
        let sites = root.sections(reader, "site");
        let sites = sites.map(|sites| sites.into_iter().map(|site| RawSite::read(site, reader)).collect());
        Raw {
            web,
            health_ttl,
            health_timeout,
            state_directory,
            telemetry,
            go_exporter_names,
            clients,
            poll,
            collectors,
            sites,
        }
    }
}

impl RawWeb {
    fn read(mut web: Section<'_>, reader: &mut Reader<'_>) -> RawWeb {
        let raw = RawWeb {
            listen_address: web.strings(reader, "listen_address"),
            telemetry_path: web.string(reader, "telemetry_path"),
            config_file: web.string(reader, "config_file"),
            max_requests: web.count(reader, "max_requests", 0..=MOST_WEB_REQUESTS),
            created_samples: web.boolean(reader, "created_samples"),
        };
        web.finish(reader);
        raw
    }
}

impl RawTelemetry {
    fn read(mut telemetry: Section<'_>, reader: &mut Reader<'_>) -> RawTelemetry {
        let raw = RawTelemetry {
            otlp_endpoint: telemetry.string(reader, "otlp_endpoint"),
            sample_ratio: telemetry.ratio(reader, "sample_ratio"),
            headers_file: telemetry.string(reader, "headers_file"),
        };
        telemetry.finish(reader);
        raw
    }
}

impl RawClients {
    fn read(mut clients: Section<'_>, reader: &mut Reader<'_>) -> RawClients {
        let raw = RawClients {
            max: clients.count(reader, "max", 1..=MOST_CLIENTS),
            include: clients.strings(reader, "include"),
            exclude: clients.strings(reader, "exclude"),
        };
        clients.finish(reader);
        raw
    }
}

impl RawPoll {
    fn read(mut poll: Section<'_>, reader: &mut Reader<'_>) -> RawPoll {
        let raw = RawPoll {
            lookback: poll.duration(reader, "lookback"),
            timeout: poll.duration(reader, "timeout"),
            request_timeout: poll.duration(reader, "request_timeout"),
            stale_after: poll.duration(reader, "stale_after"),
            expire_after: poll.duration(reader, "expire_after"),
            max_requests: poll.count(reader, "max_requests", 1..=MOST_POLL_REQUESTS),
            timings: COLLECTORS.map(|CollectorSpec { name, .. }| RawTiming {
                ttl: poll.duration(reader, &format!("{name}_ttl")),
                stale_after: poll.duration(reader, &format!("{name}_stale_after")),
                expire_after: poll.duration(reader, &format!("{name}_expire_after")),
            }),
        };
        poll.finish(reader);
        raw
    }
}

impl RawCollectors {
    fn read(mut collectors: Section<'_>, reader: &mut Reader<'_>) -> RawCollectors {
        let raw = RawCollectors {
            all: collectors.boolean(reader, "all"),
            each: COLLECTORS.map(|CollectorSpec { name, .. }| collectors.boolean(reader, name)),
        };
        collectors.finish(reader);
        raw
    }
}

impl RawSite {
    fn read(mut site: Section<'_>, reader: &mut Reader<'_>) -> RawSite {
        let login = site.section(reader, "login");
        let login_is_bad = site.has("login") && !login.is_there();
        let raw = RawSite {
            spot: site.spot().clone(),
            name: site.string(reader, "name"),
            url: site.string(reader, "url"),
            api_key: site.string(reader, "api_key").map(Secret::new),
            api_key_is_literal: site.is_literal("api_key"),
            api_key_file: site.string(reader, "api_key_file"),
            api_key_command: site.list(reader, "api_key_command"),
            login: RawLogin::read(login, reader),
            credential_told: login_is_bad,
            api_version: site.string(reader, "api_version"),
            tls: RawTls::read(site.section(reader, "tls"), reader),
            poll: RawPoll::read(site.section(reader, "poll"), reader),
            collectors: RawCollectors::read(site.section(reader, "collectors"), reader),
        };
        site.finish(reader);
        raw
    }

    /// A site about which nothing was typed, to be filled from the environment.
    pub(super) fn empty(spot: Spot, reader: &mut Reader<'_>) -> RawSite {
        RawSite::read(Section::absent(spot), reader)
    }
}

impl RawLogin {
    fn read(mut login: Section<'_>, reader: &mut Reader<'_>) -> Option<RawLogin> {
        let is_there = login.is_there();
        let raw = RawLogin {
            spot: login.spot().clone(),
            username: login.string(reader, "username"),
            password_file: login.string(reader, "password_file"),
            domain_name: login.string(reader, "domain_name"),
            domain_type: login.string(reader, "domain_type"),
        };
        login.refuse(reader, "password", "no password stands in the configuration: name its file with password_file");
        login.finish(reader);
        is_there.then_some(raw)
    }
}

impl RawTls {
    fn read(mut tls: Section<'_>, reader: &mut Reader<'_>) -> RawTls {
        let raw = RawTls {
            ca_file: tls.string(reader, "ca_file"),
            client_cert_file: tls.string(reader, "client_cert_file"),
            client_key_file: tls.string(reader, "client_key_file"),
            server_name: tls.string(reader, "server_name"),
            insecure_skip_verify: tls.boolean(reader, "insecure_skip_verify"),
        };
        tls.finish(reader);
        raw
    }
}
