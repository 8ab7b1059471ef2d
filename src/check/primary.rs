//! What a primary says of itself and of the key.

use std::time::Duration;

use tokio::time::timeout;

use super::report::{CLOCK, CREDENTIALS, VERSION};
use super::trail::Trail;
use crate::config::{ApiVersionChoice, Site};
use crate::netbackup::{ApiVersion, Client, Endpoint, Error};
use crate::reason::Reason;
use crate::stats::ApiStats;

/// Clocks that are further apart mix up what ended when, in seconds.
const CLOCK_TOLERANCE: f64 = 120.0;

/// An endpoint that nobody needs must not take the time of those that are needed.
const PATIENCE: Duration = Duration::from_secs(4);

/// What became of the credentials.
pub(super) enum Judged {
    Accepted,
    Refused,
    /// Nobody judged them yet, and why.
    Open(Unjudged),
}

/// Why nobody judged the credentials.
pub(super) struct Unjudged {
    message: String,
    advice: Option<String>,
    /// The primary does not answer, which is a finding where nobody else can tell.
    is_silent: bool,
}

/// Finds the version to speak, and the primary's clock; `false`: there is no such version, or no answer.
pub(super) async fn find_version(site: &Site, client: &Client, stats: &ApiStats, trail: &mut Trail) -> bool {
    let Some(ping) = trail.within(VERSION, "the answer of /ping", client.ping()).await else { return false };
    match &ping {
        Ok(ping) => {
            judge_clock(stats.clock_offset_seconds(), trail);
            if let Some(version) = ping.api_version.filter(|version| !client.may_speak(*version)) {
                let (message, advice) = unsupported(site, version);
                trail.find(VERSION, message, Some(advice));
                return false;
            }
        }
        Err(error) if error.status().is_none() || error.reason() == Reason::Throttled => {
            trail.find_error(VERSION, error);
            return false;
        }
        // Data come without it too.
        Err(error) => trail.warn(CLOCK, error.finding(), error.advice()),
    }
    let info = trail.within(VERSION, "the answer of /security/serverinfo", client.server_info()).await;
    match info {
        None => false,
        Some(Ok(info)) => {
            let sent = stats.api_version().unwrap_or_default();
            let release = info.release.map(|release| format!(", the primary is NetBackup {release}"));
            trail.ok(VERSION, format!("{sent} is spoken{}", release.unwrap_or_default()));
            true
        }
        Some(Err(error)) => judge_version_error(&error, stats, trail),
    }
}

fn judge_version_error(error: &Error, stats: &ApiStats, trail: &mut Trail) -> bool {
    match (error.reason(), error.status()) {
        (Reason::Version | Reason::Throttled, _) | (_, None) => {
            trail.find_error(VERSION, error);
            false
        }
        // Nobody needs it; whether the lists can be had is asked next.
        _ => {
            let sent = stats.api_version().unwrap_or_default();
            trail.warn(VERSION, format!("{sent} is tried; {}", error.finding()), error.advice());
            true
        }
    }
}

fn unsupported(site: &Site, primary: ApiVersion) -> (String, String) {
    match site.api_version {
        ApiVersionChoice::Fixed(major, minor) if primary >= ApiVersion::OLDEST => (
            format!("api_version is fixed at {major}.{minor}, but the primary speaks {primary} at most"),
            format!("set api_version = \"auto\", or \"{primary}\""),
        ),
        _ => (
            format!("the primary speaks API version {primary}, but at least {} is needed", ApiVersion::OLDEST),
            "upgrade the primary to NetBackup 10.2 or later".to_owned(),
        ),
    }
}

fn judge_clock(offset: Option<f64>, trail: &mut Trail) {
    let Some(offset) = offset else { return trail.skip(CLOCK, "the primary told no time") };
    let side = if offset < 0.0 { "behind" } else { "ahead of" };
    let apart = offset.abs();
    let message = if apart < CLOCK_TOLERANCE {
        format!("{apart:.1} s {side} ours")
    } else {
        let apart = Duration::try_from_secs_f64(apart.trunc()).unwrap_or(Duration::MAX);
        format!("{} {side} ours", humantime::format_duration(apart))
    };
    if apart > CLOCK_TOLERANCE {
        let advice = "set the clock of the primary or of this machine, best by NTP on both";
        trail.find(CLOCK, message, Some(advice.to_owned()));
    } else {
        trail.ok(CLOCK, message);
    }
}

/// Whether it is not the answer of what had to be asked before, such as `/login`.
fn is_its_own(error: &Error) -> bool {
    error.endpoint() == Endpoint::AuthorizationContext.template()
}

/// Has the credentials judged where the release offers that.
pub(super) async fn have_credentials_judged(client: &Client, trail: &mut Trail) -> Judged {
    // A program that prints the key, or a sign-in, is needed for everything else too, and is not begun twice.
    let patience = if client.has_credentials() { PATIENCE.min(trail.left()) } else { trail.left() };
    match timeout(patience, client.caller()).await {
        Ok(Ok(Some(caller))) => {
            let whose = caller.subject.map(|subject| format!(" as {subject}"));
            trail.ok(CREDENTIALS, format!("accepted{}", whose.unwrap_or_default()));
            Judged::Accepted
        }
        Ok(Ok(None)) => Judged::Open(Unjudged {
            message: "this release does not offer /authorization-context".to_owned(),
            advice: None,
            is_silent: false,
        }),
        Ok(Err(error)) if error.reason() == Reason::Auth => {
            trail.find_error(CREDENTIALS, &error);
            Judged::Refused
        }
        // Who is told that a right is missing is known.
        Ok(Err(error)) if error.reason() == Reason::Forbidden && is_its_own(&error) => {
            trail.ok(CREDENTIALS, "accepted");
            Judged::Accepted
        }
        Ok(Err(error)) => {
            let is_silent = error.status().is_none();
            Judged::Open(Unjudged { message: error.finding(), advice: error.advice(), is_silent })
        }
        Err(_) => {
            let seconds = patience.as_secs_f64().round().max(1.0);
            let what = match client.has_credentials() {
                true => "/authorization-context did not answer",
                false => "the program of the key, or the sign-in, did not end",
            };
            let message = format!("timeout: {what} within {seconds} s");
            Judged::Open(Unjudged { message, advice: None, is_silent: true })
        }
    }
}

/// What the answers to the collectors' requests say of the credentials.
pub(super) fn judge_by_answers(why: &Unjudged, stats: &ApiStats, trail: &mut Trail) {
    let Unjudged { message, advice, is_silent } = why;
    match (stats.judged(), stats.refused()) {
        (true, true) => trail.find(CREDENTIALS, "refused by the requests of the collectors", None),
        (true, false) => trail.ok(CREDENTIALS, format!("accepted by the requests of the collectors ({message})")),
        _ if *is_silent => trail.find(CREDENTIALS, message.clone(), advice.clone()),
        _ => trail.warn(CREDENTIALS, format!("nobody judged them: {message}"), advice.clone()),
    }
}
