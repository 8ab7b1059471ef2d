//! The question of `/health`: is the primary there, does it take the key, does it speak a version that we speak.

use std::time::Duration;

use tokio::time::Instant;

use super::client::{Ask, Client, Lane};
use super::endpoint::Endpoint;
use super::error::Error;
use super::query::Target;
use crate::reason::{Failure, Reason};

/// What a probe found.
#[derive(Debug, Clone)]
pub struct ProbeOutcome {
    /// There was an HTTP answer, an error included.
    pub reachable: bool,
    /// The key is taken, as far as anybody was asked.
    pub authenticated: bool,
    /// A version that both sides speak.
    pub supported: bool,
    /// The version that is sent, once known.
    pub api_version: Option<String>,
    /// How long `/ping` took to its answer's headers.
    pub latency: Option<Duration>,
    /// Why the outcome is not all good; may also tell of a flaw that it survived.
    pub failure: Option<Failure>,
}

impl Client {
    /// Asks the primary beside the polls: neither waits for their permits nor takes one, and ends within `timeout`.
    /// While the credentials are refused they are not sent.
    pub async fn probe(&self, timeout: Duration) -> ProbeOutcome {
        let until = Instant::now() + timeout;
        let (latency, mut failure, too_old) = match self
            .bounded(until, Endpoint::Ping, self.ping_in(Lane::Probe(until)))
            .await
        {
            Ok(ping) => (Some(ping.latency), None, ping.api_version.is_some_and(|version| !self.may_speak(version))),
            Err(error) if error.status().is_none() => return self.unreachable(error.into()),
            // A primary without a usable /ping is judged by what it says to a JSON request.
            Err(error) if matches!(error.status(), Some(400..=428 | 430..=499)) => (None, None, false),
            Err(error) => (None, Some(Failure::from(error)), false),
        };
        if too_old {
            let what = "the primary does not speak an API version that may be sent";
            failure = Some(self.error(Endpoint::Ping, Reason::Version, what).into());
        }
        let authenticated = if self.stats().judged() {
            if !too_old {
                self.have_verdict_renewed(until).await;
            }
            !self.stats().refused()
        } else if too_old {
            false
        } else if !self.0.exchange.credentials.is_ready() {
            // Nobody has signed in yet, and a probe never does: only what a poll has met speaks against it.
            let met = self.session_failure();
            let authenticated = met.is_none();
            failure = failure.or(met);
            authenticated
        } else {
            match Box::pin(self.have_credentials_judged(until)).await {
                Ok(()) => true,
                Err(error) => {
                    let accepted = error.reason() == Reason::Forbidden;
                    failure = failure.or((!accepted).then(|| error.into()));
                    accepted
                }
            }
        };
        if !authenticated && failure.is_none() {
            let what = "the credentials were refused before; probes do not send them until a poll was let in";
            failure = Some(self.error(Endpoint::AuthorizationContext, Reason::Auth, what).into());
        }
        let supported = !too_old && !self.is_version_refused();
        if !supported && failure.is_none() {
            let what = "the primary refused every API version that may be sent";
            failure = Some(self.error(Endpoint::Ping, Reason::Version, what).into());
        }
        ProbeOutcome {
            reachable: true,
            authenticated,
            supported,
            api_version: self.stats().api_version(),
            latency,
            failure,
        }
    }

    /// Waiting for another's discovery, or reading a key file, must not outlast the probe either.
    async fn bounded<T>(
        &self,
        until: Instant,
        endpoint: Endpoint,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout_at(until, work).await {
            Ok(done) => done,
            Err(_) => Err(self.error(endpoint, Reason::Timeout, "no answer within health.timeout")),
        }
    }

    fn unreachable(&self, failure: Failure) -> ProbeOutcome {
        ProbeOutcome {
            reachable: false,
            authenticated: false,
            supported: false,
            api_version: self.stats().api_version(),
            latency: None,
            failure: Some(failure),
        }
    }

    /// Where no poll sends the key nobody else would notice that it is refused, or that there is another one. What is no
    /// verdict leaves the one from before.
    async fn have_verdict_renewed(&self, until: Instant) {
        let is_old = self.0.exchange.credentials.is_verdict_old(self.stats().refused());
        if let Ok(true) = tokio::time::timeout_at(until, is_old).await
            && let Err(error) = Box::pin(self.have_credentials_judged(until)).await
        {
            tracing::debug!(site = %self.0.exchange.site, %error, "a probe had the credentials judged again");
        }
    }

    async fn have_credentials_judged(&self, until: Instant) -> Result<(), Error> {
        let target = Target::new(Endpoint::AuthorizationContext.template(), &[]);
        let ask =
            Ask { lane: Lane::Probe(until), ..Ask::get(Endpoint::AuthorizationContext, &target) };
        match self.bounded(until, Endpoint::AuthorizationContext, self.json(&ask)).await {
            // The release lacks the endpoint, which says nothing about the key.
            Err(error) if error.status() == Some(404) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }
}
