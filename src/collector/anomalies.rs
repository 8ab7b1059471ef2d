//! Anomalies of backups: those that are open, and all by what became of them. Endpoint: `/security/anomalies`, every page.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::series::{Bounded, Once, number, seconds};
use super::tally::count;
use super::whole::{Reading, Source};
use crate::config;
use crate::exposition::{Family, Kind};
use crate::netbackup::lists::anomalies as list;
use crate::netbackup::{Endpoint, Error, Listing};

/// More words than any release knows of a kind.
const MOST_WORDS: usize = 50;
/// Shown where there are none.
const SEVERITIES: [&str; 3] = ["HIGH", "MEDIUM", "LOW"];
const STATUSES: [&str; 4] = ["NOT_REVIEWED", "ANOMALY", "REPORTED_FALSE_POSITIVE", "IGNORED"];
/// The one type that every release has.
const COMMON_TYPE: &str = "JOB_BASED";
/// Nobody has looked at it, or somebody has and it is one. The others are settled: a false positive, or ignored.
const OPEN: [&str; 2] = ["NOT_REVIEWED", "ANOMALY"];

/// All by status.
pub static ANOMALIES: Family = Family {
    name: "netbackup_anomalies",
    kind: Kind::Gauge,
    help: "Anomalies of backups that the primary lists at the last poll, by what became of them; the four known words are 0 where there are none.",
    labels: &["site", "status"],
};

/// Those that are open.
pub static OPEN_ANOMALIES: Family = Family {
    name: "netbackup_anomalies_open",
    kind: Kind::Gauge,
    help: "Anomalies of backups at the last poll that nobody has reviewed (NOT_REVIEWED) or that are confirmed (ANOMALY). 0 for each severity (HIGH, MEDIUM, LOW), each type that the primary lists, and JOB_BASED, where none is open.",
    labels: &["site", "severity", "type", "status"],
};

/// The newest one.
pub static NEWEST: Family = Family {
    name: "netbackup_anomalies_newest_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the newest anomaly of the severity was found, whatever became of it, as of the last poll.",
    labels: &["site", "severity"],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "anomalies",
    title: "Anomalies",
    endpoints: &[Endpoint::Anomalies],
    releases: "all; types other than JOB_BASED since 10.5",
    cardinality: "two series per severity and type in use (18 are known), one per severity and one per status",
    cost: "a request per 100 anomalies, one after the other; not bounded by `timeout`",
    families: &[&ANOMALIES, &NEWEST, &OPEN_ANOMALIES],
};

/// The source.
pub struct Anomalies;

impl Anomalies {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> Anomalies {
        Anomalies
    }
}

impl Source for Anomalies {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let mut once = Once::default();
            let [mut severities, mut types, mut statuses] = [0; 3].map(|_| Bounded::new(MOST_WORDS));
            let mut by_status: BTreeMap<String, u64> = STATUSES.map(|status| (status.to_owned(), 0)).into();
            let mut met = BTreeSet::from([COMMON_TYPE.to_owned()]);
            let mut open: BTreeMap<[String; 3], u64> = BTreeMap::new();
            let mut newest: BTreeMap<String, i64> = BTreeMap::new();
            // One that is found meanwhile moves the others on, and hides none.
            let newest_first = Listing { sort: Some("-createdDateTime"), ..Listing::ALL };
            reading
                .list::<list::Anomalies>(newest_first, |anomaly| {
                    if !once.is_new(&anomaly.id) {
                        return;
                    }
                    count(&mut by_status, statuses.label(&anomaly.status).to_owned(), 1);
                    let anomaly_type = types.label(&anomaly.anomaly_type).to_owned();
                    let severity = severities.label(&anomaly.severity).to_owned();
                    if let Some(created) = anomaly.created {
                        let newest = newest.entry(severity.clone()).or_insert(created);
                        *newest = created.max(*newest);
                    }
                    if OPEN.contains(&&*anomaly.status) {
                        count(&mut open, [severity, anomaly_type.clone(), anomaly.status.clone().into_owned()], 1);
                    }
                    met.insert(anomaly_type);
                })
                .await?;
            reading.reject(once.nameless, once.why());
            // Whatever was open once is closed in time, and an alert on it must end.
            for anomaly_type in &met {
                for labels in
                    SEVERITIES.into_iter().flat_map(|severity| OPEN.map(|status| [severity, anomaly_type, status]))
                {
                    count(&mut open, labels.map(str::to_owned), 0);
                }
            }
            for (status, count) in by_status {
                reading.page.gauge(&ANOMALIES, &[&status], number(count));
            }
            for (labels, count) in open {
                reading.page.gauge(&OPEN_ANOMALIES, &labels.each_ref().map(String::as_str), number(count));
            }
            for (severity, newest) in newest {
                reading.page.gauge(&NEWEST, &[&severity], seconds(newest));
            }
            Ok(())
        }
        .boxed()
    }

    fn is_bounded(&self) -> bool {
        // Nobody removes any: the list is as long as the primary is old.
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::whole::tests::pages_of;

    #[tokio::test]
    async fn every_anomaly_of_every_page_counts() {
        let row = |id: usize| {
            let status = ["NOT_REVIEWED", "ANOMALY", "IGNORED", "REPORTED_FALSE_POSITIVE", "NEW_WORD"];
            serde_json::json!({"type": "anomaly", "id": id.to_string(), "attributes": {
                "anomalyStatus": status[id % 5], "anomalySeverity": "HIGH", "anomalyType": "FILE_BASED",
                "createdDateTime": format!("2025-11-26T22:00:{:02}.000Z", id % 60),
            }})
        };
        let (text, requests) = pages_of("anomalies", "/security/anomalies", (0..250).map(row).collect()).await;
        for expected in [
            r#"netbackup_anomalies{site="paris",status="NEW_WORD"} 50"#,
            r#"netbackup_anomalies_open{site="paris",severity="HIGH",type="FILE_BASED",status="ANOMALY"} 50"#,
            r#"netbackup_anomalies_open{site="paris",severity="HIGH",type="FILE_BASED",status="NOT_REVIEWED"} 50"#,
            // None of these is open, or there.
            r#"netbackup_anomalies_open{site="paris",severity="LOW",type="FILE_BASED",status="NOT_REVIEWED"} 0"#,
            r#"netbackup_anomalies_open{site="paris",severity="HIGH",type="JOB_BASED",status="ANOMALY"} 0"#,
            r#"netbackup_anomalies_newest_timestamp_seconds{site="paris",severity="HIGH"} 1764194459"#,
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert_eq!(requests, 3);
    }

    #[tokio::test]
    async fn no_anomaly_is_a_number() {
        let (text, _) = pages_of("anomalies", "/security/anomalies", Vec::new()).await;
        let shown: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(shown.len(), 4 + 3 * 2, "{text}");
        assert!(shown.iter().all(|line| line.ends_with("} 0")), "{text}");
    }

    #[test]
    fn a_long_list_has_the_time_that_it_takes() {
        use super::super::whole::Source as _;
        assert!(!super::Anomalies.is_bounded());
    }
}
