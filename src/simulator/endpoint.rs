//! The endpoints that are served, and what one request gets: version gate, credentials, rights, then the answer.

use serde_json::json;

use super::control::{Settings, Shared, lock};
use super::jobs::{self, View};
use super::lists::{Scene, Served};
use super::release::Release;
use super::reply::{Problem, Reply, json_media_type};
use super::sessions;
use super::storage_units;
use super::world::time::iso;

/// A served path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint<'a> {
    Ping,
    ServerInfo,
    ServerTime,
    AuthorizationContext,
    Login,
    Logout,
    Jobs,
    Job(&'a str),
    JobCount,
    StorageUnits,
    Further(Served<'a>),
    Unknown,
}

/// What of a request decides about its answer.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) accept: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) has_cookie: bool,
    pub(crate) body: &'a [u8],
    /// A fault: lists say one of so many `next` in turn, for ever; 0: no fault.
    pub(crate) cursor_loop: usize,
}

impl<'a> Endpoint<'a> {
    /// The endpoint of a path below the base, in this release.
    pub(crate) fn of(path: &'a str, release: Release) -> Endpoint<'a> {
        match path {
            "/ping" => Endpoint::Ping,
            "/security/serverinfo" => Endpoint::ServerInfo,
            "/security/servertime" => Endpoint::ServerTime,
            "/authorization-context" => Endpoint::AuthorizationContext,
            "/login" => Endpoint::Login,
            "/logout" => Endpoint::Logout,
            "/admin/jobs" => Endpoint::Jobs,
            "/admin/jobs-count-requests" => Endpoint::JobCount,
            "/storage/storage-units" => Endpoint::StorageUnits,
            _ => match path.strip_prefix("/admin/jobs/") {
                Some(id) if !id.is_empty() && !id.contains('/') => Endpoint::Job(id),
                _ => Served::of(path, release).map_or(Endpoint::Unknown, Endpoint::Further),
            },
        }
    }

    /// The path with names in the place of ids; `other` for what is not served.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Endpoint::Ping => "/ping",
            Endpoint::ServerInfo => "/security/serverinfo",
            Endpoint::ServerTime => "/security/servertime",
            Endpoint::AuthorizationContext => "/authorization-context",
            Endpoint::Login => "/login",
            Endpoint::Logout => "/logout",
            Endpoint::Jobs => "/admin/jobs",
            Endpoint::Job(_) => "/admin/jobs/{jobId}",
            Endpoint::JobCount => "/admin/jobs-count-requests",
            Endpoint::StorageUnits => "/storage/storage-units",
            Endpoint::Further(served) => served.template(),
            Endpoint::Unknown => "other",
        }
    }

    fn is_open(self) -> bool {
        match self {
            Endpoint::Ping | Endpoint::ServerInfo | Endpoint::ServerTime | Endpoint::Login => true,
            Endpoint::Further(served) => served.is_open(),
            _ => false,
        }
    }

    fn is_jobs(self) -> bool {
        matches!(self, Endpoint::Jobs | Endpoint::Job(_) | Endpoint::JobCount)
    }
}

/// The answer to a call.
pub(crate) fn answer(shared: &Shared, settings: &Settings, call: &Call<'_>) -> Reply {
    let endpoint = Endpoint::of(call.path, settings.release);
    if endpoint == Endpoint::Ping && call.method == "GET" && !call.has_cookie {
        return ping(settings, call);
    }
    let newest = settings.api_version();
    let version = call.accept.and_then(|accept| accepted_version(accept, newest)).filter(|version| {
        // Below 9.0 the jobs list pages in another way, which is not served here.
        !endpoint.is_jobs() || major(version) >= Some(9)
    });
    match respond(shared, settings, call, endpoint, version) {
        Ok(body) if endpoint == Endpoint::Login => {
            let mut reply = Reply::json(201, version.unwrap_or(newest), body);
            // As a real one does. Who sends it back is refused.
            reply.headers.push(("set-cookie".to_owned(), "Authorization=simulated; Secure; HttpOnly".to_owned()));
            reply
        }
        Ok(_) if endpoint == Endpoint::Logout => {
            Reply { status: 200, media_type: String::new(), headers: Vec::new(), body: Vec::new() }
        }
        Ok(body) => Reply::json(200, version.unwrap_or(newest), body),
        Err(problem) => {
            let mut reply = problem.reply(version.unwrap_or(newest));
            if reply.status == 429 {
                reply.headers.push(("retry-after".to_owned(), sessions::RETRY_AFTER_SECONDS.to_string()));
            }
            reply
        }
    }
}

fn respond(
    shared: &Shared,
    settings: &Settings,
    call: &Call<'_>,
    endpoint: Endpoint<'_>,
    version: Option<&str>,
) -> Result<String, Problem> {
    if call.has_cookie {
        return Err(Problem::parameter("no cookie was ever set here: who sends one mixes up servers"));
    }
    let is_post = matches!(endpoint, Endpoint::JobCount | Endpoint::Login | Endpoint::Logout);
    let method = if is_post { "POST" } else { "GET" };
    if endpoint == Endpoint::Unknown {
        return Err(Problem::not_found());
    }
    if call.method != method {
        return Err(Problem::method());
    }
    let version = version.ok_or_else(Problem::unacceptable)?;
    let suits = match call.content_type {
        // Signing out has no body.
        None => method == "GET" || endpoint == Endpoint::Logout,
        Some(given) => method == "POST" && given.replace("; ", ";") == json_media_type(version),
    };
    if !suits {
        return Err(Problem::media_type());
    }
    if !endpoint.is_open() {
        let key = call.authorization.map(|value| value.strip_prefix("Bearer ").unwrap_or(value));
        let is_known = |key: &str| key == settings.api_key || shared.is_signed_in(key, settings.now());
        if !key.is_some_and(is_known) {
            return Err(Problem::unauthenticated());
        }
        let silent = settings.silent_empty_jobs && endpoint.is_jobs() && endpoint != Endpoint::Jobs;
        if silent || settings.denied.iter().any(|prefix| call.path.starts_with(prefix.as_str())) {
            return Err(Problem::denied());
        }
    }
    if settings.refused.as_deref().is_some_and(|part| call.query.contains(part)) {
        return Err(Problem::filter("it is refused"));
    }
    let now = settings.now();
    let view = View {
        release: settings.release,
        now,
        epoch_ends: settings.epoch_ends,
        silent: settings.silent_empty_jobs,
        cursor_loop: call.cursor_loop,
    };
    match endpoint {
        Endpoint::Login => lock(&shared.sessions).login(call.body, now),
        Endpoint::Logout => {
            let token = call.authorization.unwrap_or_default();
            lock(&shared.sessions).logout(token.strip_prefix("Bearer ").unwrap_or(token));
            Ok(String::new())
        }
        Endpoint::Jobs => jobs::list(&shared.world(), view, call.query),
        Endpoint::Job(id) => jobs::one(&shared.world(), view, id, call.query),
        Endpoint::JobCount => jobs::count(&shared.world(), view, call.query, call.body),
        Endpoint::StorageUnits => {
            let world = shared.world();
            let units = world.storage().source(world.now());
            storage_units::list(&scene(shared, settings, world.now()), units, call.query, call.cursor_loop)
        }
        Endpoint::Further(served) => {
            let scene = scene(shared, settings, shared.world().now());
            served.answer(&scene, &lock(&shared.replaced), call.query, call.cursor_loop)
        }
        Endpoint::ServerTime => {
            Ok(json!({"serverTime": now, "timeZoneName": "Central European Time", "timeZoneId": "Europe/Zurich"})
                .to_string())
        }
        Endpoint::ServerInfo => Ok(json!({
            "serverName": "nbuprimary.example.com", "nbuVersion": settings.release.name(),
            "masterHostId": settings.host_id, "nbuKeySize": 2048, "externalCaUsage": 1,
            "cacpivEnabled": 0, "cacpivConnectorPort": 0, "ssoEnabled": false, "domainType": "unixpwd",
        })
        .to_string()),
        Endpoint::AuthorizationContext => Ok(json!({
            "subject": "svc-monitor", "issuedAt": iso(now), "expireDate": iso(now.saturating_add(86_400_000)),
            "isAdmin": false, "permissions": [],
        })
        .to_string()),
        Endpoint::Ping | Endpoint::Unknown => Err(Problem::method()),
    }
}

/// What the rows of lists are made of at `now`.
fn scene(shared: &Shared, settings: &Settings, now: i64) -> Scene {
    let Shared { start, seed, sizes, odd_rows, .. } = *shared;
    Scene { release: settings.release, now, start, seed, sizes, odd_rows }
}

/// `/ping` speaks plain text, in errors too.
fn ping(settings: &Settings, call: &Call<'_>) -> Reply {
    let newest = settings.api_version();
    if call.content_type.is_some() {
        return Problem::media_type().reply(newest);
    }
    let mut version = None;
    for part in call.accept.unwrap_or("*/*").split(',') {
        let range = part.split(";q=").next().unwrap_or(part).trim();
        let plain = range.strip_prefix("text/vnd.netbackup+plain").map(|rest| rest.trim_start_matches(';').trim());
        version = version.or(match (range, plain) {
            ("*/*" | "text/plain" | "text/*", _) | (_, Some("")) => Some(newest),
            (_, Some(rest)) => rest.strip_prefix("version=").and_then(|version| supported(version, newest)),
            _ => None,
        });
    }
    let Some(version) = version else {
        return Reply::text(406, newest, "The requested media type cannot be produced.");
    };
    if !call.query.is_empty() {
        return Problem::parameter("no parameter is known here").reply(newest);
    }
    let mut reply = Reply::text(200, version, &settings.now().to_string());
    if settings.ping_header {
        reply.headers.push(("x-netbackup-api-version".to_owned(), newest.to_owned()));
    }
    reply
}

/// The version of an `Accept` header that holds exactly the one media type, where this server speaks it.
fn accepted_version<'a>(accept: &'a str, newest: &str) -> Option<&'a str> {
    let rest = accept.trim().strip_prefix("application/vnd.netbackup+json;")?;
    supported(rest.trim_start().strip_prefix("version=")?, newest)
}

/// The version, where it is one that was ever published and is not above `newest`.
fn supported<'a>(version: &'a str, newest: &str) -> Option<&'a str> {
    let published = version == newest || version.ends_with(".0");
    (published && (Some(1)..=major(newest)).contains(&major(version))).then_some(version)
}

fn major(version: &str) -> Option<u32> {
    let (major, minor) = version.split_once('.')?;
    let digits = !major.is_empty() && !minor.is_empty() && [major, minor].concat().bytes().all(|b| b.is_ascii_digit());
    if digits { major.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_published_versions_up_to_the_own_are_spoken() {
        for (accept, newest, version) in [
            ("application/vnd.netbackup+json;version=13.0", "14.0", Some("13.0")),
            ("application/vnd.netbackup+json; version=14.0", "14.0", Some("14.0")),
            ("application/vnd.netbackup+json;version=15.0", "14.0", None),
            ("application/vnd.netbackup+json;version=13.5", "14.0", None),
            ("application/vnd.netbackup+json;version=0.0", "14.0", None),
            ("application/vnd.netbackup+json;version=14", "14.0", None),
            ("application/vnd.netbackup+json;version=", "14.0", None),
            ("application/vnd.netbackup+json", "14.0", None),
            ("application/json", "14.0", None),
            ("*/*", "14.0", None),
            ("application/vnd.netbackup+json;version=13.0, */*", "14.0", None),
        ] {
            assert_eq!(accepted_version(accept, newest), version, "{accept}");
        }
    }
}
