//! `/ping`: finding the version to speak, once for all who wait for it, and the primary's clock.

use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use super::client::{Client, Lane, Ping};
use super::endpoint::Endpoint;
use super::error::Error;
use super::exchange::{Answer, Request};
use super::query::Target;
use super::version::ApiVersion;
use crate::reason::Reason;

const VERSION_HEADER: &str = "x-netbackup-api-version";

/// The year 9999, so that a difference of two times cannot overflow.
const LATEST_MS: i64 = 253_402_300_800_000;

/// What a ping meant for the version.
enum Said {
    /// The version was named, or nobody answered.
    Something,
    /// The primary answers, and names no version: the ladder is tried.
    Nothing,
    /// The primary is older than what can be spoken.
    TooOld(ApiVersion),
}

impl Client {
    /// The version to send; finds it first where there is none yet.
    pub(super) async fn version(&self, lane: Lane) -> Result<ApiVersion, Error> {
        if let Some(version) = self.0.versions.current() {
            return Ok(version);
        }
        let _turn = self.0.discovery.lock().await;
        if let Some(version) = self.0.versions.current() {
            return Ok(version);
        }
        let (answer, said) = self.ask_version(lane).await;
        if let Said::TooOld(version) = said {
            let what = format!(
                "the primary speaks API version {version}, but at least {} is needed (NetBackup 10.2)",
                ApiVersion::OLDEST
            );
            return Err(self.no_version(self.error(Endpoint::Ping, Reason::Version, what)));
        }
        match (self.0.versions.current(), answer) {
            (Some(version), _) => Ok(version),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(self.error(Endpoint::Ping, Reason::Version, "no API version was found")),
        }
    }

    /// After a 406 to `refused`: what the primary says now, where that is another version.
    pub(super) async fn other_version(&self, refused: ApiVersion, lane: Lane) -> Option<ApiVersion> {
        let _turn = self.0.discovery.lock().await;
        let other = || self.0.versions.current().filter(|version| *version != refused);
        if let Some(found_by_another) = other() {
            return Some(found_by_another);
        }
        match self.ask_version(lane).await {
            (_, Said::Nothing) => other().or_else(|| self.0.versions.step_down(refused)),
            _ => other(),
        }
    }

    /// Asks `/ping`, and keeps what it says about the version.
    async fn ask_version(&self, lane: Lane) -> (Result<Answer, Error>, Said) {
        let target = Target::new(Endpoint::Ping.template(), &[]);
        let request = Request { endpoint: Endpoint::Ping, target: &target, body: None, version: None, decode: None };
        let answer = self.run(lane, request).await;
        let said = match &answer {
            Ok(answer) => match named_version(answer) {
                Some(version) if !self.0.versions.said(version) => Said::TooOld(version),
                Some(_) => Said::Something,
                None => {
                    self.0.versions.said_nothing();
                    Said::Nothing
                }
            },
            // It is there, but will not tell. Who asks to slow down is not asked more.
            Err(error) if error.status().is_some() && error.reason() != Reason::Throttled => {
                self.0.versions.said_nothing();
                Said::Nothing
            }
            Err(_) => Said::Something,
        };
        self.note_version();
        (answer, said)
    }

    /// Shows the version that is sent from now on.
    pub(super) fn note_version(&self) {
        if let Some(version) = self.0.versions.current() {
            let version = version.to_string();
            // In one step: several collectors may find it at once.
            if self.stats().set_api_version(&version) {
                tracing::info!(site = %self.0.exchange.site, version, "speaking this API version");
            }
        }
    }

    pub(crate) async fn ping_in(&self, lane: Lane) -> Result<Ping, Error> {
        let (answer, said) = self.ask_version(lane).await;
        if let Said::TooOld(_) = said {
            self.0.version_refused.store(true, Relaxed);
        }
        let answer = answer?;
        let body = answer.body.trim().trim_matches('"').trim();
        let server_time_ms = body.parse().ok().filter(|ms| (0..LATEST_MS).contains(ms)).ok_or_else(|| {
            self.error(Endpoint::Ping, Reason::Decode, "the body is no time in milliseconds").with_status(200)
        })?;
        let middle = answer.sent.checked_add(answer.latency / 2).unwrap_or(answer.sent);
        self.stats().set_clock_offset_ms(server_time_ms.saturating_sub(unix_ms(middle)));
        Ok(Ping { server_time_ms, api_version: named_version(&answer), latency: answer.latency })
    }
}

fn unix_ms(wall: SystemTime) -> i64 {
    let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(LATEST_MS).min(LATEST_MS)
}

fn named_version(answer: &Answer) -> Option<ApiVersion> {
    ApiVersion::parse(answer.headers.get(VERSION_HEADER)?.to_str().ok()?)
}
