//! `[poll]` and `[site.poll]` put together. Of two values the more specific one counts: per collector before general
//! within a section, and anything of the site before anything of `[poll]`.

use std::time::Duration;

use super::error::Mistakes;
use super::raw::{RawCollectors, RawPoll, RawTiming};
use super::reader::{Field, Typed};
use super::{COLLECTORS, CollectorSpec, CollectorTiming, Poll};
use crate::freshness::Limits;

const JOBS: &str = "jobs";
const CLIENTS: &str = "clients";
/// `expire_after` is by default not below this: short TTLs do not make data vanish during a short outage.
const SHORTEST_DEFAULT_EXPIRY: Duration = Duration::from_secs(15 * 60);

impl CollectorTiming {
    /// A TTL with the ages that go with it by default: stale after 3 x, expired after 12 x but not below 15 min.
    #[must_use]
    pub fn of_ttl(ttl: Duration) -> CollectorTiming {
        let expire_after = ttl.saturating_mul(12).max(SHORTEST_DEFAULT_EXPIRY);
        CollectorTiming { ttl, limits: Limits { stale_after: ttl.saturating_mul(3), expire_after } }
    }
}

/// How a site polls.
pub(super) fn poll(site: &RawPoll, global: &RawPoll, mistakes: &mut Mistakes) -> Poll {
    let default = Poll::default();
    let timeout = Field::first([&site.timeout, &global.timeout]);
    let request_timeout = Field::first([&site.request_timeout, &global.request_timeout]);
    let poll_timeout = timeout.or(default.timeout);
    if let Field::Given(typed) = request_timeout
        && typed.value > poll_timeout
        && !matches!(timeout, Field::Bad)
    {
        let name = timeout.given().map_or("timeout, which is 2m by default", |typed| &typed.spot.key);
        mistakes.error(&typed.spot, format!("one request may not last longer than a poll: must not be above {name}"));
    }
    Poll {
        lookback: Field::first([&site.lookback, &global.lookback]).or(default.lookback),
        timeout: poll_timeout,
        request_timeout: request_timeout.or(default.request_timeout.min(poll_timeout)),
        max_requests: Field::first([&site.max_requests, &global.max_requests]).or(default.max_requests),
    }
}

/// The collectors of a site that are on, with their timing.
pub(super) fn collectors(
    (site, global): (&RawCollectors, &RawCollectors),
    (site_poll, global_poll): (&RawPoll, &RawPoll),
    mistakes: &mut Mistakes,
) -> Vec<(CollectorSpec, CollectorTiming)> {
    let all = Field::first([&site.all, &global.all]).or(false);
    let switches = site.each.iter().zip(&global.each);
    let timings = site_poll.timings.iter().zip(&global_poll.timings);
    let mut enabled: Vec<(CollectorSpec, CollectorTiming)> = Vec::new();
    for ((spec, (site, global)), (site_timing, global_timing)) in COLLECTORS.into_iter().zip(switches).zip(timings) {
        let switch = Field::first([site, global]);
        if switch.or(all || spec.on_by_default) {
            let jobs = enabled.iter().find(|(on, _)| on.name == JOBS).map(|(_, timing)| timing.ttl);
            let is_ready = spec.name != CLIENTS || behind_jobs(switch, jobs, [site_timing, global_timing], mistakes);
            if is_ready {
                let least = jobs.filter(|_| spec.name == CLIENTS).unwrap_or_default();
                let known = CollectorSpec { default_ttl: spec.default_ttl.max(least), ..spec };
                let timing = timing(known, (site_timing, global_timing), (site_poll, global_poll), mistakes);
                enabled.push((spec, timing));
            }
        }
    }
    enabled
}

/// Whether the collector of clients can run: it asks nothing of a primary, and shows what that of jobs has read, so it
/// needs that one and cannot be newer. `jobs`: the TTL of that one, where it is on.
fn behind_jobs(
    switch: &Field<bool>,
    jobs: Option<Duration>,
    timings: [&RawTiming; 2],
    mistakes: &mut Mistakes,
) -> bool {
    let Some(jobs_ttl) = jobs else {
        // With `all` whatever can be had is meant.
        if let Some(typed) = switch.given() {
            let message = "the collector clients reads the job feed: switch on jobs too, or clients off";
            mistakes.error(&typed.spot, message);
        }
        return false;
    };
    let ttl = Field::first(timings.map(|timing| &timing.ttl));
    if let Some(typed) = ttl.given().filter(|typed| typed.value < jobs_ttl) {
        let message = "must not be below jobs_ttl: the collector clients shows what that of jobs has read";
        mistakes.error(&typed.spot, message);
    }
    true
}

fn timing(
    spec: CollectorSpec,
    (site, global): (&RawTiming, &RawTiming),
    (site_poll, global_poll): (&RawPoll, &RawPoll),
    mistakes: &mut Mistakes,
) -> CollectorTiming {
    let ttl = Field::first([&site.ttl, &global.ttl]);
    let stale_after =
        Field::first([&site.stale_after, &site_poll.stale_after, &global.stale_after, &global_poll.stale_after]);
    let expire_after =
        Field::first([&site.expire_after, &site_poll.expire_after, &global.expire_after, &global_poll.expire_after]);
    let default = CollectorTiming::of_ttl(ttl.or(spec.default_ttl));
    let limits = Limits {
        stale_after: stale_after.or(default.limits.stale_after),
        expire_after: expire_after.or(default.limits.expire_after),
    };
    let timing = CollectorTiming { ttl: default.ttl, limits };
    let is_known = ![ttl, stale_after, expire_after].iter().any(|field| matches!(field, Field::Bad));
    if is_known {
        check(spec, timing, [ttl.given(), stale_after.given(), expire_after.given()], mistakes);
    }
    timing
}

/// Checks `ttl <= stale_after < expire_after`; the defaults alone always hold, so one of the keys is given.
fn check(
    CollectorSpec { name, .. }: CollectorSpec,
    CollectorTiming { ttl, limits }: CollectorTiming,
    [ttl_key, stale_key, expire_key]: [Option<&Typed<Duration>>; 3],
    mistakes: &mut Mistakes,
) {
    let named = |typed: Option<&Typed<Duration>>, default: &str| {
        typed.map_or_else(|| default.replace("NAME", name), |typed| typed.spot.key.clone())
    };
    let ttl_name = named(ttl_key, "the default of NAME_ttl");
    if let Some(stale) = stale_key
        && limits.stale_after < ttl
    {
        mistakes.error(&stale.spot, format!("collector {name}: must not be below {ttl_name}"));
    }
    if limits.stale_after < limits.expire_after {
        return;
    }
    let stale_name = named(stale_key, &format!("stale_after, by default 3 x {ttl_name}"));
    if let Some(expire) = expire_key {
        mistakes.error(&expire.spot, format!("collector {name}: must be above {stale_name}"));
    } else if let Some(stale) = stale_key {
        let message = format!("by default the larger of 12 x {ttl_name} and 15m; give expire_after too");
        mistakes.error(&stale.spot, format!("collector {name}: must be below expire_after, {message}"));
    }
}
