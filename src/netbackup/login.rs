//! Signing in and out: `POST /login` and `POST /logout`, and what a 401 to another request leads to.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use super::client::{Ask, Client, Lane};
use super::credential::session::{Need, Session};
use super::endpoint::Endpoint;
use super::error::Error;
use super::exchange::{Answer, Request};
use super::query::Target;
use super::retry::Budget;
use super::version::ApiVersion;
use crate::config::{DomainType, Secret};
use crate::reason::{Failure, Reason};

/// The longest that signing out may hold up a stop.
pub const LONGEST_LOGOUT: Duration = Duration::from_secs(2);

const SECOND_FACTOR: &str = "the account needs a second factor (MFA), which an exporter cannot give: use an API key, or an \
     account without it (below API version 10.0 a one-time password would have to stand behind the password)";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignIn<'a> {
    user_name: &'a str,
    password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_type: Option<&'a str>,
}

impl Client {
    /// Ends the session, where the site signs in with a password: nobody signs in after this. Takes at most two seconds and
    /// cannot fail; a session that the primary is not told of runs out by itself.
    pub async fn logout(&self) {
        let Some(session) = self.0.exchange.credentials.session() else { return };
        session.close();
        let ended = tokio::time::timeout(LONGEST_LOGOUT, async {
            // A sign-in that is under way may yet give a token, which is to end too.
            let _turn = session.turn.lock().await;
            let (Some(version), true) = (self.0.versions.current(), session.has_token()) else { return Ok(()) };
            let target = Target::new(Endpoint::Logout.template(), &[]);
            let (endpoint, version) = (Endpoint::Logout, Some(version));
            let request = Request { endpoint, target: &target, body: None, version, decode: None };
            match self.0.exchange.run(&request, &mut Budget::once(LONGEST_LOGOUT)).await {
                // There is nothing in the answer, not even a type.
                Err(error) if !matches!(error.status(), Some(200..=299)) => Err(error.chain()),
                _ => {
                    tracing::info!(site = %self.0.exchange.site, "signed out");
                    Ok(())
                }
            }
        });
        let error = match ended.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some("no answer in time".to_owned()),
        };
        if let Some(error) = error {
            tracing::info!(site = %self.0.exchange.site, error, "could not sign out; the session runs out by itself");
        }
        session.forget();
    }

    /// Reads the key file, or runs the program of the key, before the next request, and wakes who waits in
    /// [`Client::credential_changed`] if there is another key or password. At once, and without waiting for either.
    pub fn reread_credentials(&self) {
        self.0.exchange.credentials.reread();
    }

    /// Sends a JSON request and returns the body of its 200. After a 401 the credential is had anew, and the request is sent
    /// once more if that made a difference.
    pub(crate) async fn json(&self, ask: &Ask<'_>) -> Result<String, Error> {
        let credentials = &self.0.exchange.credentials;
        let first = Box::pin(self.negotiate(ask)).await;
        let ended = match first {
            Err(error)
                if matches!(ask.lane, Lane::Poll)
                    && self.was_refused(&error)
                    && Box::pin(credentials.is_renewed()).await =>
            {
                Box::pin(self.negotiate(ask)).await
            }
            ended => ended,
        };
        // A token that ran out is no refusal: the next poll signs in again.
        let may_be_the_token = credentials.session().is_some() && matches!(ask.lane, Lane::Probe(_));
        if ended.as_ref().is_err_and(|error| error.reason() == Reason::Auth) && !may_be_the_token {
            self.stats().set_refused(true);
        }
        ended
    }

    /// Signs in where that is needed before a request. A probe never does.
    pub(super) async fn have_session(&self, lane: Lane, version: ApiVersion) -> Result<(), Error> {
        let Some(session) = self.0.exchange.credentials.session() else { return Ok(()) };
        if session.need() == Need::Nothing || matches!(lane, Lane::Probe(_)) {
            return Ok(());
        }
        let _turn = if session.need() == Need::Renewal {
            // While another renews it the old token is still good.
            let Ok(turn) = session.turn.try_lock() else { return Ok(()) };
            turn
        } else {
            session.turn.lock().await
        };
        match session.need() {
            Need::Nothing => Ok(()),
            Need::Closed => Err(self.sign_in_error(Reason::Auth, "not sent, because the exporter stops")),
            Need::SignIn => self.sign_in(session, lane, version).await,
            Need::Renewal => {
                if let Err(error) = self.sign_in(session, lane, version).await {
                    let error = error.chain();
                    tracing::debug!(site = %self.0.exchange.site, error, "the session could not be renewed yet");
                }
                Ok(())
            }
        }
    }

    async fn sign_in(&self, session: &Session, lane: Lane, version: ApiVersion) -> Result<(), Error> {
        let site = &self.0.exchange.site;
        let password = self.0.exchange.credentials.password(session).await;
        let password = password.map_err(|error| {
            self.sign_in_error(Reason::Auth, "not sent, because there is no usable password").with_source(error)
        })?;
        if let Some((left, trouble)) = session.pause() {
            let what = format!(
                "not sent: a sign-in has failed, and another one so soon could lock the account; the next one is made in {} s, \
                 or when the password file changes",
                left.as_secs().saturating_add(1)
            );
            let error = self.sign_in_error(trouble.reason, what).with_answer(Some(left), None);
            return Err(match trouble.status {
                Some(status) => error.with_status(status),
                None => error,
            });
        }
        // A primary that is out of reach must not make the pauses longer, so that it is signed in to as soon as it is back.
        if session.was_silent()
            && let Err(error) = self.ping_in(lane).await
            && error.status().is_none()
        {
            return Err(error);
        }
        session.begin(&password);
        match self.ask_token(session, &password, lane, version).await {
            Ok((token, validity)) if session.signed_in(&token, validity) => {
                self.stats().set_refused(false);
                tracing::info!(%site, validity_seconds = validity, "signed in");
                Ok(())
            }
            Ok(_) => Err(self.sign_in_error(Reason::Decode, "the token cannot be sent in a header").with_status(201)),
            Err(error) => {
                session.failed(&error);
                Err(error)
            }
        }
    }

    async fn ask_token(
        &self,
        session: &Session,
        password: &Secret,
        lane: Lane,
        version: ApiVersion,
    ) -> Result<(Secret, Option<u64>), Error> {
        let login = &session.login;
        let words = SignIn {
            user_name: &login.username,
            password: password.expose(),
            domain_name: login.domain_name.as_deref(),
            domain_type: login.domain_type.map(DomainType::as_str),
        };
        // Whole from the start, escapes included: a buffer that grows leaves copies behind.
        let mut body =
            Zeroizing::new(Vec::with_capacity(password.expose().len().saturating_mul(6).saturating_add(4096)));
        let written = serde_json::to_writer(&mut *body, &words).is_ok();
        let body = std::str::from_utf8(&body).ok().filter(|_| written);
        let unwritten = || self.sign_in_error(Reason::Internal, "the request could not be written");
        let body = Some(body.ok_or_else(unwritten)?);
        let target = Target::new(Endpoint::Login.template(), &[]);
        let (endpoint, target, version) = (Endpoint::Login, &target, Some(version));
        let answer = self.run(lane, Request { endpoint, target, body, version, decode: None }).await;
        match answer {
            Ok(answer) => self.read_token(answer),
            // As far as it can be told from the primary's own words.
            Err(error) if error.reason() == Reason::Auth && speaks_of_second_factor(&error) => {
                Err(error.with_remark(SECOND_FACTOR))
            }
            Err(error) => Err(error),
        }
    }

    fn read_token(&self, answer: Answer) -> Result<(Secret, Option<u64>), Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given<'a> {
            #[serde(borrow)]
            token: Cow<'a, str>,
            #[serde(default)]
            token_type: Option<String>,
            /// Seconds; what is no such number counts as missing.
            #[serde(default)]
            validity: serde_json::Value,
        }
        let body = Zeroizing::new(answer.body);
        let unreadable = |what| self.sign_in_error(Reason::Decode, what).with_status(201);
        // The parser's own words could quote the token.
        let given: Given<'_> = serde_json::from_str(&body).map_err(|_| unreadable("the answer holds no token"))?;
        if given.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("BEARER")) {
            return Err(self.sign_in_error(Reason::Auth, SECOND_FACTOR).with_status(201));
        }
        if given.token.trim().is_empty() {
            return Err(unreadable("the token is empty"));
        }
        Ok((Secret::new(given.token.into_owned()), given.validity.as_u64()))
    }

    /// Why nobody has signed in, as far as anybody tried; `None`: nobody did.
    pub(super) fn session_failure(&self) -> Option<Failure> {
        let trouble = self.0.exchange.credentials.session()?.trouble()?;
        let error = self.sign_in_error(trouble.reason, "the last sign-in failed; probes never sign in");
        Some(match trouble.status {
            Some(status) => error.with_status(status).into(),
            None => error.into(),
        })
    }

    /// Whether the primary refused the key or the token of a request, rather than a sign-in; or the token was dropped before
    /// it could be sent, because that of another request was refused.
    fn was_refused(&self, error: &Error) -> bool {
        let is_gone = error.status().is_none() && self.0.exchange.credentials.session().is_some();
        error.reason() == Reason::Auth
            && error.endpoint() != Endpoint::Login.template()
            && (error.status() == Some(401) || is_gone)
    }

    fn sign_in_error(&self, reason: Reason, what: impl Into<String>) -> Error {
        self.error(Endpoint::Login, reason, what)
    }
}

fn speaks_of_second_factor(error: &Error) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    let is_word = |word: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|found| found == word);
    ["multifactor", "multi-factor", "one-time", "second factor"].iter().any(|words| text.contains(words))
        || ["mfa", "otp", "totp"].iter().any(|word| is_word(word))
}
