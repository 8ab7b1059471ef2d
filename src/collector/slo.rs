//! Protection plans: which there are, and how many assets are subscribed to each. Endpoint: `/servicecatalog/slos`, every
//! page. Rights are given per plan: who may see none is told of none.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::whole::{Reading, Source, number};
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
            // By id, so that a plan that moves between two pages while they are read is there once.
            let mut plans: BTreeMap<String, (String, String, Option<u64>)> = BTreeMap::new();
            reading
                .list::<Slos>(Listing::ALL, |plan| {
                    let labels = (plan.name.clone().into_owned(), plan.workload_type.clone().into_owned());
                    plans.insert(plan.id.clone().into_owned(), (labels.0, labels.1, plan.subscriptions));
                })
                .await?;
            reading.go_gauge(&compat::SLOS, &[], plans.len() as u64);
            let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
            let mut subscriptions: BTreeMap<(&str, &str), u64> = BTreeMap::new();
            for (name, workload_type, count) in plans.values() {
                let plans = by_type.entry(workload_type).or_default();
                *plans = plans.saturating_add(1);
                if let Some(count) = count {
                    // Names need not be unique.
                    let sum = subscriptions.entry((name, workload_type)).or_default();
                    *sum = sum.saturating_add(*count);
                }
            }
            for (workload_type, plans) in by_type {
                reading.page.gauge(&PLANS, &[workload_type], number(plans));
            }
            for ((name, workload_type), count) in subscriptions {
                reading.page.gauge(&SUBSCRIPTIONS, &[name, workload_type], number(count));
            }
            Ok(())
        }
        .boxed()
    }
}
