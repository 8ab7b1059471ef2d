//! Alerts: how many there are, and when the newest of each severity was made. Endpoint: `/manage/alerts`, every page. How
//! long the primary keeps alerts is not published: the numbers are of what it lists.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::series::{Bounded, Once, number, seconds};
use super::tally::count;
use super::whole::{Reading, Source};
use super::{About, compat};
use crate::config;
use crate::exposition::{Family, Kind, Page};
use crate::netbackup::lists::alerts as list;
use crate::netbackup::{Endpoint, Error, Listing};

/// More words than any release knows of a kind.
const MOST_WORDS: usize = 50;
/// Shown where there are none, in the one category and the general context.
const SEVERITIES: [&str; 3] = ["ERROR", "WARNING", "INFO"];
const COMMON: [&str; 2] = ["JOB", "GENERAL"];

/// Alerts.
pub static ALERTS: Family = Family {
    name: "netbackup_alerts",
    kind: Kind::Gauge,
    help: "Alerts that the primary lists at the last poll, as far back as it keeps them. 0 for each severity (ERROR, WARNING, INFO) of category JOB and context GENERAL where there are none.",
    labels: &["site", "severity", "category", "context"],
};

/// The newest one.
pub static NEWEST: Family = Family {
    name: "netbackup_alerts_newest_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the newest alert of the severity was made, as of the last poll.",
    labels: &["site", "severity"],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "alerts",
    title: "Alerts",
    endpoints: &[Endpoint::Alerts],
    releases: "all",
    cardinality: "one series per severity, category and context in use (15 are known), and one per severity",
    cost: "a request per 100 alerts, one after the other; not bounded by `timeout`",
    families: &[&ALERTS, &NEWEST],
};

/// Alerts by what they are.
#[derive(Debug, Default)]
struct Tally {
    /// By severity, category and context.
    alerts: BTreeMap<(String, String, String), u64>,
    /// The newest by severity, Unix milliseconds.
    newest: BTreeMap<String, i64>,
}

/// The source.
pub struct Alerts;

impl Alerts {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> Alerts {
        Alerts
    }
}

impl Source for Alerts {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let (mut once, mut tally) = (Once::default(), Tally::default());
            let [mut severities, mut categories, mut contexts] = [0; 3].map(|_| Bounded::new(MOST_WORDS));
            // Newest first by default: one that is made meanwhile moves the others on, and hides none.
            reading
                .list::<list::Alerts>(Listing::ALL, |alert| {
                    if !once.is_new(&alert.id) {
                        return;
                    }
                    let severity = severities.label(&alert.severity).to_owned();
                    if let Some(created) = alert.created {
                        let newest = tally.newest.entry(severity.clone()).or_insert(created);
                        *newest = created.max(*newest);
                    }
                    let (category, context) = (categories.label(&alert.category), contexts.label(&alert.context));
                    count(&mut tally.alerts, (severity, category.to_owned(), context.to_owned()), 1);
                })
                .await?;
            reading.reject(once.nameless, once.why());
            // As the Go exporter shows them: what there is.
            tally.render_go_names(reading);
            tally.expect_all();
            tally.render(&mut reading.page);
            Ok(())
        }
        .boxed()
    }

    fn is_bounded(&self) -> bool {
        // The list may be as long as the primary is old.
        false
    }
}

impl Tally {
    /// An alert of Prometheus on these must end.
    fn expect_all(&mut self) {
        for severity in SEVERITIES {
            let [category, context] = COMMON.map(str::to_owned);
            count(&mut self.alerts, (severity.to_owned(), category, context), 0);
        }
    }

    fn render_go_names(&self, reading: &mut Reading<'_>) {
        let mut alerts: BTreeMap<[&str; 2], u64> = BTreeMap::new();
        for ((severity, category, _), number) in &self.alerts {
            count(&mut alerts, [severity, category], *number);
        }
        for (labels, count) in alerts {
            reading.go_gauge(&compat::ALERTS, &labels, count);
        }
    }

    fn render(&self, page: &mut Page) {
        for ((severity, category, context), count) in &self.alerts {
            page.gauge(&ALERTS, &[severity, category, context], number(*count));
        }
        for (severity, newest) in &self.newest {
            page.gauge(&NEWEST, &[severity], seconds(*newest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::whole::tests::pages_of;

    #[tokio::test]
    async fn every_alert_of_every_page_counts_once() {
        let row = |id: usize| {
            serde_json::json!({"type": "alert", "id": id.to_string(), "attributes": {
                "severity": if id.is_multiple_of(2) { "ERROR" } else { "INFO" }, "category": "JOB", "context": "GENERAL",
            }})
        };
        // The rows behind the first hundred are the last of them: they moved while the first page was read.
        let rows: Vec<_> = (0..100).chain(95..280).map(row).collect();
        let (text, requests) = pages_of("alerts", "/manage/alerts", rows).await;
        assert!(text.contains(r#"{site="paris",severity="ERROR",category="JOB",context="GENERAL"} 140"#), "{text}");
        assert!(text.contains(r#"{site="paris",severity="INFO",category="JOB",context="GENERAL"} 140"#), "{text}");
        assert!(!text.contains("newest"), "{text}");
        assert_eq!(requests, 3);
    }

    #[tokio::test]
    async fn no_alert_is_a_number() {
        let (text, _) = pages_of("alerts", "/manage/alerts", Vec::new()).await;
        for severity in ["ERROR", "WARNING", "INFO"] {
            let line = format!(
                "netbackup_alerts{{site=\"paris\",severity=\"{severity}\",category=\"JOB\",context=\"GENERAL\"}} 0\n"
            );
            assert!(text.contains(&line), "{text}");
        }
        assert_eq!(text.matches("netbackup_alerts{").count(), 3);
    }
}
