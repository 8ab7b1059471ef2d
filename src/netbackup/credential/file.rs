//! A file that holds one secret: looked at every 2 s while it is in use, so that a rotated key needs neither a restart nor
//! a reload. What was read before stays in use while the file cannot be.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::super::error::BuildError;
use super::LOOK_EVERY;
use crate::config::{FileIdentity, Secret, check_key, check_password};

/// Far above any key; a wrong path (a log, a device) must not fill the memory.
const LARGEST: u64 = 64 * 1024;

/// A file on a mount that hangs holds up no request that has a secret.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a file holds.
pub(super) struct Kind {
    /// The key of the configuration.
    key: &'static str,
    /// What is in it.
    what: &'static str,
    /// What is wrong with a secret, if anything.
    check: fn(&str) -> Result<(), &'static str>,
}

/// `api_key_file`.
pub(super) const KEY: Kind = Kind { key: "api_key_file", what: "API key", check: check_key };

/// `password_file`.
pub(super) const PASSWORD: Kind = Kind { key: "password_file", what: "password", check: check_password };

pub(crate) struct SecretFile {
    site: Arc<str>,
    kind: &'static Kind,
    path: PathBuf,
    /// Held by the one look that is under way.
    turn: Arc<tokio::sync::Mutex<()>>,
    kept: Mutex<Kept>,
}

struct Kept {
    secret: Secret,
    /// Of the file when it was read; `None`: to be read whatever it is.
    identity: Option<FileIdentity>,
    looked: Instant,
    wanted: bool,
    /// A flaw has been told, and is not told again until the file is good.
    told: bool,
}

impl SecretFile {
    pub(super) fn new(site: &Arc<str>, kind: &'static Kind, path: &Path) -> Result<SecretFile, BuildError> {
        let file = SecretFile {
            site: Arc::clone(site),
            kind,
            path: path.to_owned(),
            turn: Arc::default(),
            kept: Mutex::new(Kept {
                secret: Secret::new(String::new()),
                identity: None,
                looked: Instant::now(),
                wanted: false,
                told: false,
            }),
        };
        let found = read(path, None).map_err(|source| file.unreadable(source))?;
        file.take(found)?;
        Ok(file)
    }

    /// The secret as it was last read.
    pub(super) fn current(&self) -> Secret {
        self.kept().secret.clone()
    }

    /// The next [`SecretFile::secret`] looks at the file.
    pub(super) fn want(&self) {
        self.kept().wanted = true;
    }

    /// The secret, and whether it is another one than before. `is_useless`: whether the one from before need not be kept
    /// where the file cannot be used, because the primary does not take it.
    pub(super) async fn secret(&self, is_useless: impl Fn(&Secret) -> bool) -> Result<(Secret, bool), BuildError> {
        let current = self.current();
        let must = is_useless(&current);
        let due = must || {
            let kept = self.kept();
            kept.wanted || kept.looked.elapsed() >= LOOK_EVERY
        };
        if !due {
            return Ok((current, false));
        }
        let turn = if must {
            Arc::clone(&self.turn).lock_owned().await
        } else {
            match Arc::clone(&self.turn).try_lock_owned() {
                Ok(turn) => turn,
                // Another is looking.
                Err(_) => return Ok((current, false)),
            }
        };
        let known = {
            let mut kept = self.kept();
            (kept.looked, kept.wanted) = (Instant::now(), false);
            kept.identity.filter(|_| !must)
        };
        let path = self.path.clone();
        // Blocking, and the turn goes along: a look that hangs is not joined by others.
        let look = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            read(&path, known)
        });
        let found = if must {
            look.await
        } else {
            match tokio::time::timeout(PATIENCE, look).await {
                Ok(found) => found,
                Err(_) => return Ok((current, false)),
            }
        };
        let found = found.unwrap_or_else(|_| Err(io::Error::other("the process is stopping")));
        match found.map_err(|source| self.unreadable(source)).and_then(|found| self.take(found)) {
            Ok(is_new) => Ok((self.current(), is_new)),
            Err(error) if must => Err(error),
            Err(error) => {
                let told = std::mem::replace(&mut self.kept().told, true);
                if !told {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::warn!(site = %self.site, error, "what the file held before stays in use");
                }
                Ok((current, false))
            }
        }
    }

    /// Keeps what was found; whether it is another secret than before.
    fn take(&self, found: Option<(FileIdentity, Secret)>) -> Result<bool, BuildError> {
        let Some((identity, secret)) = found else { return Ok(false) };
        (self.kind.check)(secret.expose()).map_err(|problem| BuildError::Secret {
            site: Arc::clone(&self.site),
            what: self.kind.what,
            problem,
        })?;
        let mut kept = self.kept();
        (kept.identity, kept.told) = (Some(identity), false);
        let is_new = kept.secret != secret;
        kept.secret = secret;
        Ok(is_new)
    }

    fn unreadable(&self, source: io::Error) -> BuildError {
        BuildError::SecretFile { site: Arc::clone(&self.site), key: self.kind.key, path: self.path.clone(), source }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The secret without its last newline; `None`: the file is the one that is `known`.
fn read(path: &Path, known: Option<FileIdentity>) -> io::Result<Option<(FileIdentity, Secret)>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("this is not a regular file"));
    }
    // Before reading: a change in between is found by the next look.
    let identity = FileIdentity::of(&metadata);
    if Some(identity) == known {
        return Ok(None);
    }
    // Whole from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len().min(LARGEST)).unwrap_or(0) + 64));
    std::fs::File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| io::Error::other("it is not UTF-8"))?;
    Ok(Some((identity, Secret::new(without_newline(text).to_owned()))))
}

/// One trailing newline is dropped: editors and `echo` leave one.
pub(super) fn without_newline(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |rest| rest.strip_suffix('\r').unwrap_or(rest))
}
