//! The file of `web.config_file`: TLS, client certificates, users, headers and a limit of requests, in the format that
//! exporters share (the web configuration of the Prometheus exporter-toolkit).
//!
//! What the file means, and everything it names read; nothing of how TLS is spoken.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::{ConfigErrors, Mistakes, Spot};
use super::files;
use super::secret::Secret;

mod http;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod users;
mod yaml;

pub use tls::{CIPHER_SUITES, CURVES, ClientAuth, Pem, TlsServer};

/// A whole, checked file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfig {
    /// Where it was read from.
    pub path: PathBuf,
    /// `tls_server_config`; `None`: the port speaks plain HTTP.
    pub tls: Option<TlsServer>,
    /// `basic_auth_users`: names, each once, and bcrypt hashes; empty: nobody is asked.
    pub users: Vec<(String, Secret)>,
    /// `http_server_config.headers`: put on every answer.
    pub headers: Vec<(&'static str, String)>,
    /// `rate_limit`; `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    /// What is accepted but should be looked at.
    pub warnings: Vec<String>,
}

/// `rate_limit`: a bucket that holds `burst` requests and gets another one each `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Time for one more request; never zero.
    pub interval: Duration,
    /// Requests that may come at once; at least one.
    pub burst: u32,
}

impl WebConfig {
    /// Reads and checks the file and the files that it names. Relative paths start at its directory.
    ///
    /// # Errors
    /// Every mistake at once, or why the file cannot be read.
    pub fn load(path: &Path) -> Result<WebConfig, ConfigErrors> {
        let text = WebConfig::read(path);
        let text = text.map_err(|message| ConfigErrors::one(path.display().to_string(), "", message))?;
        WebConfig::parse(&text, path)
    }

    /// The text of the file.
    pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, String> {
        let bytes = files::read_regular(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| "the file is not UTF-8; save it as UTF-8")?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Checks the text of a file; `path` names it in messages and is where relative paths start.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn parse(text: &str, path: &Path) -> Result<WebConfig, ConfigErrors> {
        let mut mistakes = Mistakes::in_file(path, text);
        let document = match yaml::parse(text) {
            Ok(document) => document,
            Err(broken) => {
                let spot = Spot { key: String::new(), offset: Some(broken.offset) };
                return Err(mistakes.only(&spot, broken.message));
            }
        };
        let directory = path.parent().unwrap_or(Path::new(""));
        let mut root = table::Table::root(document.as_ref(), &mut mistakes);
        let tls = tls::read(root.table("tls_server_config", &mut mistakes), directory, &mut mistakes);
        let headers = http::headers(root.table("http_server_config", &mut mistakes), &mut mistakes);
        let user_table = root.table("basic_auth_users", &mut mistakes);
        let users = users::read(&user_table, &mut mistakes);
        let rate_limit = http::rate_limit(root.table("rate_limit", &mut mistakes), &mut mistakes);
        root.finish(&mut mistakes);
        if tls.is_none() && !users.is_empty() {
            mistakes.warn(user_table.spot(), "without tls_server_config passwords travel in clear");
        }
        let key_in_place = tls.as_ref().is_some_and(|tls| tls.key.file.is_none());
        if (key_in_place || !users.is_empty()) && files::is_world_readable(path) {
            let held = if key_in_place { "a private key" } else { "hashes of passwords" };
            let message = format!("every user of this machine can read the file, which holds {held}; chmod o-r it");
            mistakes.warn(&Spot::named(""), message);
        }
        let warnings = mistakes.finish()?;
        Ok(WebConfig { path: path.to_owned(), tls, users, headers, rate_limit, warnings })
    }

    /// Every file that this was made from: a change of one of them is a change of this.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let tls = self.tls.iter().flat_map(|tls| [Some(&tls.certificate), Some(&tls.key), tls.client_ca.as_ref()]);
        let named = tls.flatten().filter_map(|pem| pem.file.clone());
        std::iter::once(self.path.clone()).chain(named).collect()
    }
}
