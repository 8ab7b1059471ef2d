//! What a site signs in with, and when it is had anew: a key file when it changes, a program's key once it is refused, a
//! session before its token runs out. All of them when the configuration is loaded again.
//!
//! [`file`] and [`command`] say where a secret comes from, [`session`] when to sign in with one; what is sent to sign in
//! is in `login`.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use tokio::time::Instant;
use zeroize::Zeroizing;

use self::command::KeyCommand;
use self::file::SecretFile;
use self::session::Session;
use super::error::{BuildError, Error};
use crate::config::{Credential, Secret, check_key};
use crate::reason::Reason;

mod command;
mod file;
pub(super) mod session;

/// How often a file of a secret is looked at: a change takes effect within 5 s.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How old a verdict of the primary on a key may be before a probe has it renewed.
const REVIEW_EVERY: Duration = Duration::from_secs(60);

/// Refusals of a key in a row after which it is not sent for a while: one endpoint may have its own reasons.
const MANY_REFUSALS: u32 = 3;
/// Shorter than the shortest wait of a poll after a refusal.
const REFUSAL_HOLDS: Duration = Duration::from_secs(50);

/// Shorter text is no secret, and hiding it would only garble what a primary says.
const SHORTEST_HIDDEN: usize = 4;

/// What a site signs in with.
pub(crate) struct Credentials {
    site: Arc<str>,
    source: Source,
    /// The last value that the primary refused.
    refused: Mutex<Option<HeaderValue>>,
    /// How often in a row that was, and when last.
    refusals: Mutex<(u32, Option<Instant>)>,
    /// How often another key or password was taken.
    changes: AtomicU64,
    /// When the primary judged them last, and which change that was.
    judged: Mutex<Option<(u64, Instant)>>,
    /// Told of each change, and of each wish to look again.
    wake: tokio::sync::Notify,
}

enum Source {
    Fixed(Secret),
    File(SecretFile),
    Command(KeyCommand),
    Login(Box<Session>),
}

impl Credentials {
    pub(crate) fn new(site: &Arc<str>, source: &Credential) -> Result<Credentials, BuildError> {
        let source = match source {
            Credential::ApiKey(key) => {
                header(site, key)?;
                Source::Fixed(key.clone())
            }
            Credential::ApiKeyFile(path) => Source::File(SecretFile::new(site, &file::KEY, path)?),
            Credential::ApiKeyCommand(words) => Source::Command(KeyCommand::new(site, words)),
            Credential::Login(login) => Source::Login(Box::new(Session::new(site, login)?)),
        };
        Ok(Credentials {
            site: Arc::clone(site),
            source,
            refused: Mutex::default(),
            refusals: Mutex::default(),
            changes: AtomicU64::new(0),
            judged: Mutex::default(),
            wake: tokio::sync::Notify::new(),
        })
    }

    /// How often another key or password was taken so far.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    /// Waits until there is another credential than the one used when [`Credentials::changes`] was `since`.
    pub(crate) async fn changed(&self, since: u64) {
        loop {
            // Before anything is looked at, so that no call is missed.
            let mut woken = pin!(self.wake.notified());
            woken.as_mut().enable();
            if self.changes() != since {
                return;
            }
            match &self.source {
                Source::Fixed(_) => return std::future::pending().await,
                Source::File(_) | Source::Login(_) => {
                    let _ = tokio::time::timeout(LOOK_EVERY, woken).await;
                    self.look().await;
                }
                // Only when somebody asks for it: a program may be dear.
                Source::Command(command) if command.is_wanted() => drop(self.header().await),
                Source::Command(_) => woken.await,
            }
        }
    }

    /// Files and programs are asked again before the next request, and who waits for a change is woken if there is one.
    pub(crate) fn reread(&self) {
        match &self.source {
            Source::Fixed(_) => return,
            Source::File(file) => file.want(),
            Source::Command(command) => command.want(),
            Source::Login(session) => session.file.want(),
        }
        self.wake.notify_waiters();
    }

    /// The value of `Authorization`: the raw key or token, marked so that nothing prints it.
    pub(crate) async fn header(&self) -> Result<HeaderValue, BuildError> {
        let key = match &self.source {
            Source::Fixed(key) => key.clone(),
            Source::File(file) => self.note(file.secret(|key| self.is_refused(key)).await?),
            Source::Command(command) => self.note(command.key(|key| self.is_refused(key)).await?),
            Source::Login(session) => {
                return session.header().ok_or_else(|| BuildError::NotSignedIn { site: Arc::clone(&self.site) });
            }
        };
        header(&self.site, &key)
    }

    /// What a sign-in would send. A password that has changed may be tried at once.
    pub(crate) async fn password(&self, session: &Session) -> Result<Secret, BuildError> {
        let found = session.file.secret(|_| session.has_failed()).await?;
        if found.1 {
            session.reset();
        }
        Ok(self.note(found))
    }

    /// The session, where the site signs in with a password.
    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.source {
            Source::Login(session) => Some(session),
            _ => None,
        }
    }

    /// Whether there is something to send without signing in or running a program first.
    pub(crate) fn is_ready(&self) -> bool {
        match &self.source {
            Source::Fixed(_) | Source::File(_) => true,
            Source::Command(command) => command.current().is_some(),
            Source::Login(session) => session.has_token(),
        }
    }

    /// Takes in what the answer to a request with `sent` says about it.
    pub(crate) fn judge(&self, sent: &HeaderValue, error: Option<&Error>) {
        let accepted = error.is_none_or(|error| error.reason() == Reason::Forbidden);
        let refused = error.is_some_and(|error| error.reason() == Reason::Auth && error.status() == Some(401));
        if refused || accepted {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            let is_same = refused && self.refused().as_ref() == Some(sent);
            *refusals = (if is_same { refusals.0.saturating_add(1) } else { u32::from(refused) }, Some(Instant::now()));
        }
        if refused {
            *self.refused() = Some(sent.clone());
        }
        // What was replaced meanwhile says nothing about what is there now.
        if (accepted || refused) && !self.is_replaced(sent) {
            *self.judged() = Some((self.changes(), Instant::now()));
        }
        if let Source::Login(session) = &self.source {
            if refused {
                session.refused(sent);
            } else if accepted {
                session.accepted(sent);
            }
        } else if accepted && self.refused().as_ref() == Some(sent) {
            *self.refused() = None;
        }
    }

    /// Whether a key was refused so often within the last minute, and never accepted meanwhile, that nothing is to be gained
    /// from sending it again: every collector of a site would, and a primary may lock a key. Sessions look after themselves.
    pub(crate) fn is_hopeless(&self, key: &HeaderValue) -> bool {
        let refusals = *self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let (MANY_REFUSALS.., Some(last)) = refusals else { return false };
        self.session().is_none() && last.elapsed() < REFUSAL_HOLDS && self.refused().as_ref() == Some(key)
    }

    /// Whether a probe is to have a verdict from before renewed: there is another key by now, or nobody has sent the one that
    /// was accepted for a while. One that was refused is not sent again, and sessions are left to who signs in.
    pub(crate) async fn is_verdict_old(&self, is_refused: bool) -> bool {
        if let Source::File(_) = self.source {
            // Where no poll looks at the file nobody else does.
            let _ = self.header().await;
        }
        let mut judged = self.judged();
        let changes = self.changes();
        let is_old = match *judged {
            _ if self.session().is_some() || !self.is_ready() => false,
            Some((change, at)) => change != changes || (!is_refused && at.elapsed() >= REVIEW_EVERY),
            None => false,
        };
        // Whatever comes of it: not at each probe. And what was judged by an error counts from when it is first seen.
        if is_old || judged.is_none() {
            *judged = Some((changes, Instant::now()));
        }
        is_old
    }

    /// After a 401: whether it is worth to send the request once more, because there is another key than the one that was
    /// refused, or because the exporter may sign in again.
    pub(crate) async fn is_renewed(&self) -> bool {
        match &self.source {
            Source::Fixed(_) => false,
            Source::Login(session) => {
                // What another's sign-in that is under way comes to counts.
                let _turn = session.turn.lock().await;
                // While nobody may sign in for another reason than a refusal, that is what is told: the 401 was about the token.
                session.has_token() || session.pause().is_none_or(|(_, trouble)| trouble.reason != Reason::Auth)
            }
            Source::File(_) | Source::Command(_) => match self.header().await {
                Ok(key) => self.refused().as_ref() != Some(&key),
                Err(_) => false,
            },
        }
    }

    /// The same text without the secrets of the site and without what was `sent`, which another may have replaced since: a
    /// primary, or something in between, may repeat what it was sent.
    pub(crate) fn hide(&self, text: String, sent: Option<&HeaderValue>) -> String {
        let mut secrets = match &self.source {
            Source::Fixed(key) => vec![key.clone()],
            Source::File(file) => vec![file.current()],
            Source::Command(command) => Vec::from_iter(command.current()),
            Source::Login(session) => session.secrets(),
        };
        let sent = sent.and_then(|sent| std::str::from_utf8(sent.as_bytes()).ok());
        secrets.extend(sent.map(|sent| Secret::new(sent.to_owned())));
        // A shorter one may be a part of a longer one, whose rest would stay.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        let hidden = secrets.iter().map(Secret::expose).filter(|secret| secret.len() >= SHORTEST_HIDDEN);
        hidden.fold(text, |text, secret| if text.contains(secret) { text.replace(secret, "[hidden]") } else { text })
    }

    /// Reads the file again, whatever is known of it. One that cannot be used is told when it is needed.
    async fn look(&self) {
        match &self.source {
            Source::File(file) => {
                if let Ok(found) = file.secret(|_| true).await {
                    self.note(found);
                }
            }
            Source::Login(session) => {
                if let Ok(found @ (_, true)) = session.file.secret(|_| true).await {
                    session.reset();
                    self.note(found);
                }
            }
            Source::Fixed(_) | Source::Command(_) => {}
        }
    }

    fn note(&self, (secret, is_new): (Secret, bool)) -> Secret {
        if is_new {
            tracing::info!(site = %self.site, "there is another API key or password than before; it is used from now on");
            self.changes.fetch_add(1, Relaxed);
            self.wake.notify_waiters();
        }
        secret
    }

    fn is_replaced(&self, sent: &HeaderValue) -> bool {
        match &self.source {
            Source::File(file) => file.current().expose().as_bytes() != sent.as_bytes(),
            _ => false,
        }
    }

    fn judged(&self) -> MutexGuard<'_, Option<(u64, Instant)>> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_refused(&self, key: &Secret) -> bool {
        self.refused().as_ref().is_some_and(|refused| refused.as_bytes() == key.expose().as_bytes())
    }

    fn refused(&self) -> MutexGuard<'_, Option<HeaderValue>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn header(site: &Arc<str>, key: &Secret) -> Result<HeaderValue, BuildError> {
    check_key(key.expose()).map_err(|problem| BuildError::Secret {
        site: Arc::clone(site),
        what: "API key",
        problem,
    })?;
    let problem = "cannot be sent";
    sendable(key).ok_or_else(|| BuildError::Secret { site: Arc::clone(site), what: "API key", problem })
}

/// A header value that nothing prints, and whose memory is wiped with its last clone.
fn sendable(secret: &Secret) -> Option<HeaderValue> {
    let bytes = Bytes::from_owner(Zeroizing::new(secret.expose().as_bytes().to_vec()));
    let mut value = HeaderValue::from_maybe_shared(bytes).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests;
