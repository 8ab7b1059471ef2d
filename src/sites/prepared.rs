//! What a configuration asks for beyond what runs. Every client is built here, so that a bad key or certificate is known
//! before anything changes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::ClientError;
use crate::collector::Display;
use crate::config::{self, Config, Health, Site};
use crate::netbackup::Client;
use crate::stats::ApiStats;

/// Every site of a configuration: left as it runs, or ready to be put in its place. Nothing has been asked of a primary.
pub struct Prepared {
    pub(super) sites: Vec<Planned>,
    pub(super) health: Health,
}

pub(super) enum Planned {
    /// It runs already, just so.
    Unchanged(Arc<str>),
    /// It is new, or differs from the one of its name that runs.
    Built(Box<Built>),
}

pub(super) struct Built {
    pub(super) settings: Settings,
    pub(super) client: Client,
}

/// Everything that decides how one site is polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) site: Site,
    pub(super) display: Display,
    /// Of the contents of the files of `[site.tls]`, which are read when a client is built and at no other time.
    tls: Option<u64>,
}

/// How the sites run now.
#[derive(Default, Clone)]
pub struct Known(pub(super) Vec<(Settings, Client)>);

impl Prepared {
    /// Builds the clients of the sites that are not `known` to run like this. Blocks on files.
    ///
    /// # Errors
    /// Every site whose client cannot be built, such as an unreadable key or certificate file.
    pub fn new(config: &Config, known: &Known) -> Result<Prepared, Vec<ClientError>> {
        let (mut sites, mut errors) = (Vec::new(), Vec::new());
        for site in &config.sites {
            let settings = Settings::new(site, config);
            let before = known.0.iter().find(|(before, _)| before.site.name == site.name);
            let client = match before {
                Some((before, _)) if *before == settings => {
                    sites.push(Planned::Unchanged(Arc::clone(&site.name)));
                    continue;
                }
                Some((before, client)) if before.is_same_primary(&settings) => {
                    client.successor(site, before.site.credential == site.credential)
                }
                _ => Client::new(site, Arc::new(ApiStats::default())),
            };
            match client {
                Ok(client) => sites.push(Planned::Built(Box::new(Built { settings, client }))),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Prepared { sites, health: config.health }) } else { Err(errors) }
    }
}

impl Settings {
    fn new(site: &Site, config: &Config) -> Settings {
        let (created_samples, go_names) = (config.web.created_samples, config.compat.go_exporter_names);
        Settings { site: site.clone(), display: Display { created_samples, go_names }, tls: tls_files(&site.tls) }
    }

    /// At another address nothing that was counted or read is known to be about the same primary; whether its jobs are,
    /// the jobs collector finds out.
    pub(super) fn is_same_primary(&self, other: &Settings) -> bool {
        self.site.url == other.site.url
    }
}

/// Tells one content of the files from another; `None`: there are no files.
fn tls_files(tls: &config::Tls) -> Option<u64> {
    let files = [&tls.ca_file, &tls.client_cert_file, &tls.client_key_file];
    let mut hasher = DefaultHasher::new();
    let mut named = files.into_iter().flatten().peekable();
    named.peek()?;
    for path in named {
        // What cannot be read makes the client fail, which says so.
        std::fs::read(path).map(zeroize::Zeroizing::new).ok().as_deref().hash(&mut hasher);
    }
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_certificate_in_the_same_file_is_another_site() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let tls = config::Tls { ca_file: Some(path.clone()), ..config::Tls::default() };
        let mut seen = Vec::new();
        for content in ["one", "two", "one"] {
            std::fs::write(&path, content).unwrap();
            seen.push(tls_files(&tls));
        }
        std::fs::remove_file(&path).unwrap();
        seen.push(tls_files(&tls));
        assert_eq!(seen[0], seen[2]);
        assert!(seen[0] != seen[1] && seen[3] != seen[0] && seen.iter().all(Option::is_some));
        assert_eq!(tls_files(&config::Tls::default()), None);
    }
}
