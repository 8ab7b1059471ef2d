//! The session of a site that signs in with a password: its token, when to renew it, and above all when not to sign in.
//! A primary locks an account after a few wrong passwords, so whatever goes wrong is followed by a pause that all
//! collectors of the site share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::super::error::{BuildError, Error};
use super::file::{self, SecretFile};
use super::sendable;
use crate::config::{Login, Secret};
use crate::reason::Reason;

/// After a refused sign-in, doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// After a sign-in without a verdict (no answer in time, an error of the primary), doubled likewise: the password may have
/// been looked at.
const FIRST_SILENT_PAUSE: Duration = Duration::from_secs(15);
const LONGEST_SILENT_PAUSE: Duration = Duration::from_secs(60);

/// After an answer of something that cannot have looked at the password, doubled likewise: the pace of the polls' own
/// attempts.
const FIRST_SHORT_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_SHORT_PAUSE: Duration = Duration::from_secs(5);

/// A session that ends sooner was ended by somebody, such as another who signs in with the same account.
const SHORTEST_SESSION: Duration = Duration::from_secs(60);

/// What a validity is taken for that is missing or absurd, and the bounds of one that is believed.
const USUAL_VALIDITY: Duration = Duration::from_secs(3_600);
const SHORTEST_VALIDITY: Duration = Duration::from_secs(5);
const LONGEST_VALIDITY: Duration = Duration::from_secs(366 * 24 * 3_600);

pub(crate) struct Session {
    pub(crate) login: Login,
    pub(crate) file: SecretFile,
    /// Held by the one sign-in that is under way.
    pub(crate) turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// The exporter stops, or the site is gone: nobody signs in any more.
    is_closed: bool,
    /// Sign-ins in a row that were refused, or whose token was.
    refusals: u32,
    /// Sign-ins in a row without a verdict.
    silences: u32,
    /// Sessions in a row that ended early.
    early_ends: u32,
    /// The password of the last sign-in, which a late answer may repeat when there is another one.
    sent: Option<Secret>,
    /// No sign-in before this, and why.
    pause: Option<(Instant, Trouble)>,
}

struct Token {
    secret: Secret,
    header: HeaderValue,
    since: Instant,
    renew_at: Instant,
    expires_at: Instant,
    /// A request with it was let in.
    is_accepted: bool,
}

/// Why the last sign-in failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) reason: Reason,
    pub(crate) status: Option<u16>,
}

/// What to do before a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The token is good.
    Nothing,
    /// The token is good and soon will not be.
    Renewal,
    /// There is no token.
    SignIn,
    /// The exporter stops.
    Closed,
}

impl Session {
    pub(super) fn new(site: &Arc<str>, login: &Login) -> Result<Session, BuildError> {
        let file = SecretFile::new(site, &file::PASSWORD, &login.password_file)?;
        Ok(Session { login: login.clone(), file, turn: tokio::sync::Mutex::default(), state: Mutex::default() })
    }

    pub(crate) fn need(&self) -> Need {
        let state = self.state();
        let now = Instant::now();
        match state.token.as_ref().filter(|token| now < token.expires_at) {
            Some(token) if state.is_closed || now < token.renew_at => Need::Nothing,
            Some(_) => Need::Renewal,
            None if state.is_closed => Need::Closed,
            None => Need::SignIn,
        }
    }

    /// Whether there is a token that has not run out.
    pub(crate) fn has_token(&self) -> bool {
        self.header().is_some()
    }

    pub(super) fn header(&self) -> Option<HeaderValue> {
        let state = self.state();
        state.token.as_ref().filter(|token| Instant::now() < token.expires_at).map(|token| token.header.clone())
    }

    /// How long nobody may sign in, and why.
    pub(crate) fn pause(&self) -> Option<(Duration, Trouble)> {
        let (until, trouble) = self.state().pause?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some((left, trouble))
    }

    /// Why there is no session; `None`: nobody has tried, or there is one.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let state = self.state();
        state.pause.filter(|_| state.token.is_none()).map(|(_, trouble)| trouble)
    }

    /// Whether the last sign-in ended without a verdict.
    pub(crate) fn was_silent(&self) -> bool {
        self.state().silences > 0
    }

    pub(super) fn has_failed(&self) -> bool {
        self.trouble().is_some()
    }

    /// A sign-in with `password` is about to be sent. Should it be dropped on its way, the pause stands.
    pub(crate) fn begin(&self, password: &Secret) {
        self.state().sent = Some(password.clone());
        self.silent(Trouble { reason: Reason::Timeout, status: None });
    }

    /// The primary gave a token. Whether it can be used.
    pub(crate) fn signed_in(&self, token: &Secret, validity: Option<u64>) -> bool {
        let Some(header) = sendable(token) else { return false };
        let validity = validity.filter(|seconds| *seconds > 0).map_or(USUAL_VALIDITY, Duration::from_secs);
        let validity = validity.clamp(SHORTEST_VALIDITY, LONGEST_VALIDITY);
        let now = Instant::now();
        let (renew_at, expires_at) = (now + validity * 4 / 5, now + validity);
        let mut state = self.state();
        let secret = token.clone();
        state.token = Some(Token { secret, header, since: now, renew_at, expires_at, is_accepted: false });
        (state.silences, state.pause) = (0, None);
        true
    }

    /// The sign-in failed. What the primary cannot have judged is no reason to wait.
    pub(crate) fn failed(&self, error: &Error) {
        let trouble = Trouble { reason: error.reason(), status: error.status() };
        let mut state = self.state();
        // Noted by `begin`, as one without a verdict.
        match trouble.reason {
            Reason::Connect | Reason::Tls | Reason::Version | Reason::Circuit => {
                state.silences = state.silences.saturating_sub(1);
                state.pause = None;
            }
            Reason::Auth | Reason::Forbidden => {
                state.silences = 0;
                state.refuse(trouble);
            }
            Reason::Throttled => {
                state.silences = 0;
                let asked = error.retry_after().filter(|asked| *asked <= LONGEST_PAUSE).unwrap_or(FIRST_PAUSE);
                state.pause = Some((Instant::now() + asked, trouble));
            }
            _ if is_unjudged(error) => {
                let pause = doubled(FIRST_SHORT_PAUSE, state.silences.saturating_sub(1), LONGEST_SHORT_PAUSE);
                state.pause = Some((Instant::now() + pause, trouble));
            }
            _ => {
                if let Some((_, noted)) = &mut state.pause {
                    *noted = trouble;
                }
            }
        }
    }

    fn silent(&self, trouble: Trouble) {
        let mut state = self.state();
        let pause = doubled(FIRST_SILENT_PAUSE, state.silences, LONGEST_SILENT_PAUSE);
        state.silences = state.silences.saturating_add(1);
        state.pause = Some((Instant::now() + pause, trouble));
    }

    /// A request with this token was let in.
    pub(super) fn accepted(&self, sent: &HeaderValue) {
        let mut state = self.state();
        let Some(token) = state.token.as_mut().filter(|token| token.header == *sent) else { return };
        token.is_accepted = true;
        if token.since.elapsed() >= SHORTEST_SESSION {
            (state.refusals, state.early_ends) = (0, 0);
        }
    }

    /// A request with this token got a 401. One that was never let in, or a second one in a row that lived only for a
    /// moment, is as good as a refused sign-in.
    pub(super) fn refused(&self, sent: &HeaderValue) {
        let mut state = self.state();
        let Some(token) = state.token.take_if(|token| token.header == *sent) else { return };
        if token.is_accepted {
            let is_early = token.since.elapsed() < SHORTEST_SESSION;
            state.early_ends = if is_early { state.early_ends.saturating_add(1) } else { 0 };
        }
        if !token.is_accepted || state.early_ends > 1 {
            state.refuse(Trouble { reason: Reason::Auth, status: Some(401) });
        }
    }

    /// There is another password: what the old one did counts no more.
    pub(super) fn reset(&self) {
        let mut state = self.state();
        (state.refusals, state.silences, state.early_ends, state.pause) = (0, 0, 0, None);
    }

    /// From now on nobody signs in.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
    }

    /// There is no token any more.
    pub(crate) fn forget(&self) {
        self.state().token = None;
    }

    pub(super) fn secrets(&self) -> Vec<Secret> {
        let state = self.state();
        let token = state.token.as_ref().map(|token| token.secret.clone());
        std::iter::once(self.file.current()).chain(token).chain(state.sent.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refuse(&mut self, trouble: Trouble) {
        let pause = doubled(FIRST_PAUSE, self.refusals, LONGEST_PAUSE);
        self.refusals = self.refusals.saturating_add(1);
        self.pause = Some((Instant::now() + pause, trouble));
    }
}

/// Whether whoever answered cannot have looked at the password. The API's own errors bear a code; without one it is a
/// proxy or a server that has lost the API behind it. Neither redirects nor what is not there sign anybody in.
fn is_unjudged(error: &Error) -> bool {
    match (error.reason(), error.status()) {
        (Reason::Http, Some(300..=399 | 404 | 405)) => true,
        (Reason::Http, Some(_)) => error.error_code().is_none(),
        // A page in HTML. What is wrong with a token comes with a 201.
        (Reason::Decode, status) => status == Some(200),
        _ => false,
    }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(longest)
}
