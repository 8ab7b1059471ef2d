//! `[web]` checked, and the flags of the command line put over it by the same rules.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{ConfigErrors, Mistakes, Spot};
use super::listen::parse_listen_address;
use super::raw::{MOST_WEB_REQUESTS, RawWeb};
use super::reader::Typed;
use super::{Config, Web, WebConfig};

/// Paths that are taken; the telemetry path must be none of them.
const OTHER_PATHS: [&str; 6] = ["/", "/health", "/-/healthy", "/-/ready", "/-/reload", "/api/v1/status"];
const LONGEST_PATH: usize = 256;

/// What the command line says about `[web]`; it wins over the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--web.listen-address`; empty: as configured.
    pub listen: Vec<String>,
    /// `--web.telemetry-path`.
    pub telemetry_path: Option<String>,
    /// `--web.max-requests`.
    pub max_requests: Option<usize>,
    /// `--web.config.file`.
    pub config_file: Option<PathBuf>,
    /// `--web.enable-lifecycle`.
    pub lifecycle: bool,
}

impl Config {
    /// The configuration with the flags of the command line put over it.
    ///
    /// # Errors
    /// Every flag whose value the file could not have either.
    pub fn with_overrides(mut self, overrides: &Overrides) -> Result<Config, ConfigErrors> {
        let mut mistakes = Mistakes::in_place("command line");
        let typed = |flag: &str, value: &String| Typed { value: value.clone(), spot: Spot::named(flag) };
        if !overrides.listen.is_empty() {
            let listen: Vec<_> = overrides.listen.iter().map(|text| typed("--web.listen-address", text)).collect();
            self.web.listen_addresses = listen_addresses(&listen, &mut mistakes);
        }
        if let Some(path) = &overrides.telemetry_path {
            self.web.telemetry_path = telemetry_path_of(&typed("--web.telemetry-path", path), &mut mistakes);
        }
        if let Some(max_requests) = overrides.max_requests {
            if max_requests > MOST_WEB_REQUESTS {
                let message = format!("expected a whole number from 0 to {MOST_WEB_REQUESTS}");
                mistakes.error(&Spot::named("--web.max-requests"), message);
            }
            self.web.max_requests = max_requests;
        }
        let file = overrides.config_file.as_ref().and_then(|path| {
            // What the file said about another one no longer holds.
            let old = self.web.file.take();
            self.warnings.retain(|warning| !old.iter().any(|old| old.warnings.contains(warning)));
            file(path, &Spot::named("--web.config.file"), &mut mistakes)
        });
        self.web.lifecycle = overrides.lifecycle;
        let warnings = with_file(mistakes.finish(), file, &mut self.web)?;
        self.warnings.extend(warnings);
        Ok(self)
    }
}

/// What `[web]` means.
pub(super) fn resolve(raw: &RawWeb, mistakes: &mut Mistakes) -> Web {
    let default = Web::default();
    let listen_addresses = match raw.listen_address.given() {
        None => default.listen_addresses,
        Some(list) if list.value.is_empty() => {
            mistakes.error(&list.spot, "the list is empty: give at least one address");
            Vec::new()
        }
        Some(list) => listen_addresses(&list.value, mistakes),
    };
    let telemetry_path = raw.telemetry_path.given();
    Web {
        listen_addresses,
        telemetry_path: telemetry_path.map_or(default.telemetry_path, |typed| telemetry_path_of(typed, mistakes)),
        max_requests: raw.max_requests.or(default.max_requests),
        created_samples: raw.created_samples.or(default.created_samples),
        file: None,
        lifecycle: default.lifecycle,
    }
}

/// What a web configuration says; `None`: it cannot be read, which is noted where it is named.
pub(super) fn file(path: &Path, spot: &Spot, mistakes: &mut Mistakes) -> Option<Result<WebConfig, ConfigErrors>> {
    match WebConfig::read(path) {
        Ok(text) => Some(WebConfig::parse(&text, path)),
        Err(message) => {
            mistakes.error(spot, message);
            None
        }
    }
}

/// The warnings of two files, the second of which goes into `web`; or the mistakes of both.
pub(super) fn with_file(
    first: Result<Vec<String>, ConfigErrors>,
    file: Option<Result<WebConfig, ConfigErrors>>,
    web: &mut Web,
) -> Result<Vec<String>, ConfigErrors> {
    match (first, file.transpose()) {
        (Ok(mut warnings), Ok(file)) => {
            warnings.extend(file.iter().flat_map(|file| file.warnings.iter().cloned()));
            if let Some(file) = file {
                web.file = Some(Arc::new(file));
            }
            Ok(warnings)
        }
        (Err(errors), Ok(_)) | (Ok(_), Err(errors)) => Err(errors),
        (Err(first), Err(second)) => Err(first.and(second)),
    }
}

fn listen_addresses(texts: &[Typed<String>], mistakes: &mut Mistakes) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for Typed { value, spot } in texts {
        match parse_listen_address(value) {
            Ok(found) if found.iter().any(|address| addresses.contains(address)) => {
                mistakes.error(spot, "this address is given twice");
            }
            Ok(found) => addresses.extend(found),
            Err(message) => mistakes.error(spot, message),
        }
    }
    addresses
}

/// A path of plain characters only: the router gives braces and stars a meaning of their own.
fn telemetry_path_of(typed: &Typed<String>, mistakes: &mut Mistakes) -> String {
    let path = typed.value.as_str();
    let is_plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b'~'));
    let message = if !path.starts_with('/') {
        "expected a path that starts with /"
    } else if OTHER_PATHS.contains(&path) {
        "another page has this path already"
    } else if !is_plain || path.len() > LONGEST_PATH {
        "expected at most 256 letters, digits, dots, underscores, dashes and slashes; no query"
    } else if path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        "expected a path without empty parts, dots alone or a slash at the end"
    } else {
        return path.to_owned();
    };
    mistakes.error(&typed.spot, message);
    path.to_owned()
}
