//! Protection plans: which there are, and how many assets are subscribed to each. Endpoint: `/servicecatalog/slos`, every
//! page. Rights are given per plan: who may see none is told of none.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::series::Once;
use super::tally::count;
use super::whole::{Reading, Source};
use super::{About, compat};
use crate::config;
use crate::exposition::{Family, Kind};
use crate::netbackup::lists::slos::Slos;
use crate::netbackup::{Endpoint, Error, Listing};

/// Plans.
pub static PLANS: Family = Family {
    name: "netbackup_protection_plans",
    kind: Kind::Gauge,
    help: "Protection plans that the key may see at the last poll, by workload type.",
    labels: &["site", "workload_type"],
};

/// Subscriptions.
pub static SUBSCRIPTIONS: Family = Family {
    name: "netbackup_protection_plan_subscriptions",
    kind: Kind::Gauge,
    help: "Assets that are subscribed to the protection plan at the last poll.",
    labels: &["site", "plan", "workload_type"],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "slo",
    title: "Protection plans",
    endpoints: &[Endpoint::Slos],
    releases: "all",
    cardinality: "one series per plan and one per workload type",
    cost: "a request per 100 plans",
    families: &[&SUBSCRIPTIONS, &PLANS],
};

/// The source.
pub struct Slo;

impl Slo {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> Slo {
        Slo
    }
}

impl Source for Slo {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let mut once = Once::default();
            let mut by_type: BTreeMap<String, u64> = BTreeMap::new();
            let mut subscriptions: BTreeMap<(String, String), u64> = BTreeMap::new();
            let listed = reading.list::<Slos>(Listing::ALL, |plan| {
                if !once.is_new(&plan.id) {
                    return;
                }
                let workload_type = plan.workload_type.clone().into_owned();
                count(&mut by_type, workload_type.clone(), 1);
                if let Some(assets) = plan.subscriptions {
                    // Names need not be unique.
                    count(&mut subscriptions, (plan.name.clone().into_owned(), workload_type), assets);
                }
            });
            if listed.await?.is_none() {
                return Ok(());
            }
            reading.reject(once.nameless, once.why());
            reading.go_gauge(&compat::SLOS, &[], by_type.values().sum::<u64>());
            for (workload_type, plans) in by_type {
                reading.page.gauge(&PLANS, &[&workload_type], plans);
            }
            for ((name, workload_type), count) in subscriptions {
                reading.page.gauge(&SUBSCRIPTIONS, &[&name, &workload_type], count);
            }
            Ok(())
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::whole::tests::pages_of;

    #[tokio::test]
    async fn every_plan_of_every_page_counts_once_and_one_without_id_not_at_all() {
        let row = |id: Option<usize>| {
            let attributes = json!({"name": "gold", "workloadType": "VMWARE", "subscriptionCount": 2});
            json!({"type": "slo", "id": id.map(|id| id.to_string()), "attributes": attributes})
        };
        // The rows behind the first hundred are the last of them: they moved while the first page was read.
        let rows: Vec<_> = (0..100).chain(95..240).map(Some).chain([None, None]).map(row).collect();
        let (text, requests) = pages_of("slo", "/servicecatalog/slos", rows).await;
        assert!(text.contains(r#"netbackup_protection_plans{site="paris",workload_type="VMWARE"} 240"#), "{text}");
        assert!(text.contains(r#"subscriptions{site="paris",plan="gold",workload_type="VMWARE"} 480"#), "{text}");
        assert_eq!(requests, 4, "the last of them is empty");
    }
}
