//! The key: read when the client is built, and read again once the primary has refused it, so that a rotated key file
//! takes effect without a restart.

use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderValue;

use super::error::BuildError;
use crate::config::{Credential, Secret};

/// Far above any key; a wrong path (a log, a device) must not fill the memory.
const LARGEST_KEY_FILE: u64 = 64 * 1024;

/// While the key is refused its file is looked at this often: a new one takes effect within 5 s.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a site signs in with.
pub(crate) struct Credentials {
    site: Arc<str>,
    source: Credential,
    current: Mutex<Secret>,
    refused: AtomicBool,
    /// How often another key was taken.
    changes: AtomicU64,
}

impl Credentials {
    pub(crate) fn new(site: &Arc<str>, source: &Credential) -> Result<Credentials, BuildError> {
        let current = match source {
            Credential::ApiKey(key) => key.clone(),
            Credential::ApiKeyFile(path) => read(site, path)?,
        };
        header(site, &current)?;
        Ok(Credentials {
            site: Arc::clone(site),
            source: source.clone(),
            current: Mutex::new(current),
            refused: AtomicBool::new(false),
            changes: AtomicU64::new(0),
        })
    }

    /// How often another key was taken so far.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    /// Waits until there is another key than the one used when [`Credentials::changes`] was `since`.
    pub(crate) async fn changed(&self, since: u64) {
        let Credential::ApiKeyFile(path) = &self.source else { return std::future::pending().await };
        while self.changes() == since {
            tokio::time::sleep(LOOK_EVERY).await;
            let (site, path) = (Arc::clone(&self.site), path.clone());
            // One that cannot be sent, as while the file is being written, is no key.
            let usable = move || read(&site, &path).ok().filter(|key| header(&site, key).is_ok());
            let found = tokio::task::spawn_blocking(usable).await.ok().flatten();
            if found.is_some_and(|key| key != *self.current.lock().unwrap_or_else(PoisonError::into_inner)) {
                return;
            }
        }
    }

    /// The primary refused the key: the file is read again before the next request.
    pub(crate) fn set_refused(&self) {
        self.refused.store(true, Relaxed);
    }

    /// The value of `Authorization`: the raw key, marked so that nothing prints it.
    pub(crate) async fn header(&self) -> Result<HeaderValue, BuildError> {
        if let Credential::ApiKeyFile(path) = &self.source
            && self.refused.load(Relaxed)
        {
            let (site, path) = (Arc::clone(&self.site), path.clone());
            // A blocking read: the file may lie on a slow mount.
            let key =
                tokio::task::spawn_blocking(move || read(&site, &path)).await.map_err(|_| BuildError::Key {
                    site: Arc::clone(&self.site),
                    problem: "could not be read again, because the process is stopping",
                })??;
            let value = header(&self.site, &key)?;
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            if *current != key {
                tracing::info!(site = %self.site, "the API key file holds another key than before; it is used from now on");
                *current = key;
                self.changes.fetch_add(1, Relaxed);
            }
            self.refused.store(false, Relaxed);
            return Ok(value);
        }
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        header(&self.site, &current)
    }
}

fn read(site: &Arc<str>, path: &Path) -> Result<Secret, BuildError> {
    let fail = |source| BuildError::KeyFile { site: Arc::clone(site), path: path.to_owned(), source };
    let mut text = String::new();
    std::fs::File::open(path).and_then(|file| file.take(LARGEST_KEY_FILE).read_to_string(&mut text)).map_err(fail)?;
    let end = text.strip_suffix('\n').map_or(text.len(), |rest| rest.strip_suffix('\r').unwrap_or(rest).len());
    text.truncate(end);
    Ok(Secret::new(text))
}

fn header(site: &Arc<str>, key: &Secret) -> Result<HeaderValue, BuildError> {
    let fail = |problem| BuildError::Key { site: Arc::clone(site), problem };
    if key.expose().trim().is_empty() {
        return Err(fail("is empty"));
    }
    let mut value = HeaderValue::from_str(key.expose()).map_err(|_| {
        fail("holds a character that cannot be sent (a line break within, or a control character); write it anew")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Arc<str> {
        Arc::from("paris")
    }

    #[test]
    fn a_bad_key_is_refused_without_being_shown() {
        for bad in ["", "  ", "S3CRET\nkey", "S3CRET\u{0}"] {
            let error =
                Credentials::new(&site(), &Credential::ApiKey(Secret::new(bad.to_owned()))).err().unwrap().to_string();
            assert!(error.starts_with("site paris: the API key ") && !error.contains("S3CRET"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_key_file_is_read_again_only_after_a_refusal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, "one\r\n").unwrap();
        let credentials = Credentials::new(&site(), &Credential::ApiKeyFile(path.clone())).unwrap();
        assert_eq!(credentials.header().await.unwrap(), "one");
        std::fs::write(&path, "two\n").unwrap();
        assert_eq!(credentials.header().await.unwrap(), "one");
        credentials.set_refused();
        let value = credentials.header().await.unwrap();
        assert_eq!(value, "two");
        assert!(value.is_sensitive());
        std::fs::remove_file(&path).unwrap();
        credentials.set_refused();
        assert!(matches!(credentials.header().await, Err(BuildError::KeyFile { .. })));
        std::fs::write(&path, "three").unwrap();
        assert_eq!(credentials.header().await.unwrap(), "three", "a failed read is tried again");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Credentials::new(&site(), &Credential::ApiKeyFile("/nonexistent/key".into())).err().unwrap();
        assert!(error.to_string().contains("/nonexistent/key"));
    }
}
