//! What `/health` says: the verdict on each primary and on the whole, from a shared probe and the freshness of the
//! data. The verdict is pure; asking a primary, and how often, is the [`Prober`]'s.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::clock::rfc3339;
use crate::exposition::SiteView;
use crate::freshness::Freshness;
use crate::netbackup::ProbeOutcome;

mod prober;

pub use prober::{Checked, Probe, Prober};

/// The verdict, as `application/health+json` words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Pass,
    /// It answers, but something needs a look.
    Warn,
    /// It does not do its work.
    Fail,
}

/// The whole answer of `/health`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The verdict on the sites together.
    pub status: Status,
    /// Version of the exporter.
    pub version: &'static str,
    /// One entry per site, in the order of the configuration.
    pub sites: Vec<SiteReport>,
}

/// What `/health` says of one site.
#[derive(Debug, Serialize)]
pub struct SiteReport {
    /// The `site` label.
    pub site: String,
    /// The verdict on the site.
    pub status: Status,
    /// The primary answered.
    pub reachable: bool,
    /// It accepts the credentials.
    pub authenticated: bool,
    /// The API version that is spoken, once known.
    pub api_version: Option<String>,
    /// How long the primary took to answer, in seconds.
    pub latency_seconds: Option<f64>,
    /// When the probe ended (RFC 3339).
    pub checked_at: String,
    /// Why the probe failed: reason, endpoint template and status only.
    pub error: Option<String>,
    /// One entry per enabled collector.
    pub collectors: Vec<CollectorReport>,
}

/// What `/health` says of one collector.
#[derive(Debug, Serialize)]
pub struct CollectorReport {
    /// Name of the collector.
    pub collector: &'static str,
    /// `fresh`, `stale`, `expired` or `never`.
    pub state: &'static str,
    /// Age of the data in seconds; absent data have none.
    pub age_seconds: Option<f64>,
    /// Why the last attempt failed, or which part of it was denied; `None` after a success.
    pub last_error: Option<String>,
}

impl SiteReport {
    /// Judges one site by its last probe and by the data that it has at `now`.
    #[must_use]
    pub fn new(view: &SiteView, checked: &Checked, now: Instant) -> SiteReport {
        let outcome = &checked.outcome;
        let mut trouble = false;
        let mut collectors = Vec::with_capacity(view.slots.len());
        for slot in &view.slots {
            let state = slot.load();
            let freshness = slot.freshness(&state, now);
            // What the release does not offer is as good as switched off.
            trouble |= !state.unsupported && (freshness != Freshness::Fresh || state.permission_denied());
            collectors.push(CollectorReport {
                collector: slot.collector,
                state: freshness.as_str(),
                age_seconds: state.age(now).as_ref().map(Duration::as_secs_f64),
                last_error: state.complaint().map(|failure| failure.public_message()),
            });
        }
        SiteReport {
            site: view.name.to_string(),
            status: site_status(outcome, trouble),
            reachable: outcome.reachable,
            authenticated: outcome.authenticated,
            api_version: outcome.api_version.clone(),
            latency_seconds: outcome.latency.as_ref().map(Duration::as_secs_f64),
            checked_at: rfc3339(checked.at.wall),
            error: outcome.failure.as_ref().map(|failure| failure.public_message()),
            collectors,
        }
    }
}

impl Report {
    /// The verdict on all of `sites`.
    #[must_use]
    pub fn new(version: &'static str, sites: Vec<SiteReport>) -> Report {
        Report { status: whole_status(sites.iter().map(|site| site.status)), version, sites }
    }
}

/// The verdict on a site: `trouble` says that a collector is stale, expired, has never succeeded or lacks a right.
#[must_use]
pub fn site_status(outcome: &ProbeOutcome, trouble: bool) -> Status {
    match (outcome.reachable && outcome.authenticated && outcome.supported, trouble) {
        (true, false) => Status::Pass,
        (true, true) => Status::Warn,
        (false, _) => Status::Fail,
    }
}

/// The verdict on the whole: pass when all pass, fail when all fail, else warn. Without a site there is nothing to
/// fail.
#[must_use]
pub fn whole_status(sites: impl Iterator<Item = Status>) -> Status {
    sites.reduce(|whole, site| if whole == site { whole } else { Status::Warn }).unwrap_or(Status::Pass)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cache::{Generation, Slot};
    use crate::clock::Stamp;
    use crate::exposition::Rendered;
    use crate::freshness::Limits;
    use crate::reason::{Failure, Reason};
    use crate::stats::ApiStats;

    fn outcome(reachable: bool, authenticated: bool, supported: bool) -> ProbeOutcome {
        let latency = Some(Duration::from_millis(12));
        ProbeOutcome { reachable, authenticated, supported, api_version: Some("14.0".into()), latency, failure: None }
    }

    #[test]
    fn a_site_passes_only_when_all_three_hold() {
        for bits in 0..8_u8 {
            let outcome = outcome(bits & 1 > 0, bits & 2 > 0, bits & 4 > 0);
            let expected = if bits == 7 { (Status::Pass, Status::Warn) } else { (Status::Fail, Status::Fail) };
            assert_eq!((site_status(&outcome, false), site_status(&outcome, true)), expected, "{bits:03b}");
        }
    }

    #[test]
    fn the_whole_is_mixed_unless_all_agree() {
        use Status::{Fail, Pass, Warn};
        let whole = |sites: &[Status]| whole_status(sites.iter().copied());
        assert_eq!(whole(&[Pass, Pass]), Pass);
        assert_eq!(whole(&[Fail, Fail]), Fail);
        assert_eq!(whole(&[Warn, Warn]), Warn);
        for mixed in
            [[Pass, Fail, Pass], [Fail, Fail, Pass], [Pass, Warn, Pass], [Fail, Warn, Fail], [Pass, Pass, Fail]]
        {
            assert_eq!(whole(&mixed), Warn, "{mixed:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reachable_site_warns_for_old_missing_or_denied_data() {
        let limits = Limits { stale_after: Duration::from_secs(3), expire_after: Duration::from_secs(12) };
        let slot = Slot::<Rendered>::new("jobs", Duration::from_secs(1), limits, Generation::default());
        let mut writer = slot.writer().unwrap();
        let (stats, created) = (Arc::new(ApiStats::default()), std::time::SystemTime::now());
        let view = SiteView { name: "paris".into(), stats, slots: vec![slot], created, go_names: false };
        let checked = Checked { outcome: outcome(true, true, true), at: Stamp::now() };
        let report = || SiteReport::new(&view, &checked, Instant::now());

        assert_eq!((report().status, report().collectors[0].state), (Status::Warn, "never"));
        assert_eq!(report().collectors[0].age_seconds, None);

        writer.succeed(Arc::new(Rendered::default()), Stamp::now(), 0, Duration::ZERO);
        assert_eq!((report().status, report().collectors[0].state), (Status::Pass, "fresh"));

        writer.fail(Failure::new(Reason::Connect, "tcp connect to 10.1.2.3 refused"), Duration::ZERO);
        assert_eq!(report().status, Status::Pass, "one failure leaves fresh data fresh");
        assert_eq!(report().collectors[0].last_error.as_deref(), Some("connect"), "no address on a page");

        writer.fail(Failure::new(Reason::Forbidden, "no right"), Duration::ZERO);
        assert_eq!(report().status, Status::Warn, "denied");

        writer.succeed(Arc::new(Rendered::default()), Stamp::now(), 0, Duration::ZERO);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!((report().status, report().collectors[0].state), (Status::Warn, "stale"));
        assert_eq!(report().collectors[0].age_seconds, Some(4.0));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!((report().status, report().collectors[0].state), (Status::Warn, "expired"));
    }
}
