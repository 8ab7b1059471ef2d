//! Licensing: front-end capacity in use (`/licensing/capacity`, a row per primary), and what is entitled
//! (`/licensing/entitlements`).

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::whole::{Bounded, Reading, Source, seconds};
use crate::config;
use crate::exposition::{Family, Kind, Page};
use crate::netbackup::lists::licensing::{Capacities, Entitlement, Entitlements};
use crate::netbackup::{Endpoint, Error, Listing};

/// NetBackup's megabyte.
const MEGABYTE: f64 = 1024.0 * 1024.0;
/// Primaries, and names of products, that are told apart.
const MOST_NAMES: usize = 100;
/// States, and meters, that are told apart: a few are published.
const MOST_WORDS: usize = 20;

/// Capacity in use.
pub static FRONT_END: Family = Family {
    name: "netbackup_licensing_front_end_bytes",
    kind: Kind::Gauge,
    help: "Front-end capacity in use as last gathered by NetBackup (masterConsumptionMB x 1024 x 1024), at the last poll, by the id of the primary in the list.",
    labels: &["site", "primary"],
};

/// Licences.
pub static ENTITLEMENTS: Family = Family {
    name: "netbackup_licensing_entitlements",
    kind: Kind::Gauge,
    help: "Entitlements at the last poll by status (ACTIVE, EXPIRED) and licence meter.",
    labels: &["site", "status", "meter"],
};

/// What they entitle to.
pub static ENTITLED: Family = Family {
    name: "netbackup_licensing_entitled_units",
    kind: Kind::Gauge,
    help: "What the entitlements at the last poll add up to (licenseCount x countMultiplier), in what their meter counts: front-end terabytes for FETB, else machines or processors.",
    labels: &["site", "status", "meter"],
};

/// When they end.
pub static ENTITLEMENT_END: Family = Family {
    name: "netbackup_licensing_entitlement_end_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the first of the product's entitlements ends (endDate), in Unix time, at the last poll; none for what never ends.",
    labels: &["site", "product", "meter", "status"],
};

/// When support ends.
pub static SERVICE_END: Family = Family {
    name: "netbackup_licensing_service_end_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the first support contract of the product's entitlements ends (serviceExpiration), in Unix time, at the last poll.",
    labels: &["site", "product", "meter", "status"],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "licensing",
    title: "Licensing",
    endpoints: &[Endpoint::Capacity, Endpoint::Entitlements],
    releases: "all",
    cardinality: "one series per primary, two per meter and status, two per product, meter and status",
    cost: "a request per primary, whose answer grows with the number of images, and one per 100 entitlements",
    families: &[&ENTITLED, &ENTITLEMENT_END, &ENTITLEMENTS, &FRONT_END, &SERVICE_END],
};

/// The source.
pub struct Licensing;

impl Licensing {
    /// Of one site.
    #[must_use]
    pub fn new(_: &config::Site) -> Licensing {
        Licensing
    }
}

impl Source for Licensing {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let mut primaries: BTreeMap<String, f64> = BTreeMap::new();
            reading
                .list::<Capacities>(Listing::ALL, |row| {
                    if let Some(megabytes) = row.megabytes.filter(|megabytes| *megabytes >= 0.0) {
                        primaries.insert(row.id.clone().into_owned(), megabytes);
                    }
                })
                .await?;
            for (primary, megabytes) in primaries.iter().take(MOST_NAMES) {
                reading.page.gauge(&FRONT_END, &[primary], megabytes * MEGABYTE);
            }
            let (mut ids, mut sums) = (BTreeSet::new(), Sums::default());
            reading
                .list::<Entitlements>(Listing::ALL, |row| {
                    // One that moves between two pages while they are read is there once.
                    if row.id.is_empty() || ids.insert(row.id.clone().into_owned()) {
                        sums.add(&row);
                    }
                })
                .await?;
            sums.write(&mut reading.page);
            Ok(())
        }
        .boxed()
    }
}

/// What the licences of a status and a meter come to.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Sum {
    licences: u64,
    /// Of those that say it.
    units: Option<f64>,
}

/// What licences are told apart by: product, meter, status.
type Group = [String; 3];

/// What the licences come to.
#[derive(Debug, Default)]
struct Sums {
    /// By status and meter.
    sums: BTreeMap<[String; 2], Sum>,
    /// The first end of each, Unix milliseconds.
    ends: BTreeMap<Group, i64>,
    service_ends: BTreeMap<Group, i64>,
}

impl Sums {
    fn add(&mut self, licence: &Entitlement<'_>) {
        let own = |text: &str| text.to_owned();
        let sum = self.sums.entry([own(&licence.status), own(&licence.meter)]).or_default();
        sum.licences = sum.licences.saturating_add(1);
        if let (Some(count), Some(multiplier)) = (licence.count, licence.multiplier) {
            *sum.units.get_or_insert(0.0) += super::whole::number(count) * multiplier;
        }
        for (ends, end) in [(&mut self.ends, licence.end), (&mut self.service_ends, licence.service_end)] {
            let Some(end) = end else { continue };
            let first = ends.entry([own(&licence.product), own(&licence.meter), own(&licence.status)]).or_insert(end);
            *first = end.min(*first);
        }
    }

    fn write(self, page: &mut Page) {
        let mut bounds = [MOST_NAMES, MOST_WORDS, MOST_WORDS].map(Bounded::new);
        let [products, meters, states] = &mut bounds;
        let mut sums: BTreeMap<[&str; 2], Sum> = BTreeMap::new();
        for ([status, meter], sum) in &self.sums {
            let all = sums.entry([states.label(status), meters.label(meter)]).or_default();
            all.licences = all.licences.saturating_add(sum.licences);
            all.units = sum.units.map(|units| all.units.unwrap_or(0.0) + units).or(all.units);
        }
        for (labels, sum) in &sums {
            page.gauge(&ENTITLEMENTS, labels, sum.licences);
            if let Some(units) = sum.units {
                page.gauge(&ENTITLED, labels, units);
            }
        }
        for (family, ends) in [(&ENTITLEMENT_END, &self.ends), (&SERVICE_END, &self.service_ends)] {
            let mut all: Vec<_> = ends.iter().map(|(group, end)| (*end, group)).collect();
            // What ends first has a name of its own.
            all.sort();
            let mut shown: BTreeMap<[&str; 3], i64> = BTreeMap::new();
            for (end, [product, meter, status]) in all {
                shown.entry([products.label(product), meters.label(meter), states.label(status)]).or_insert(end);
            }
            for (labels, end) in shown {
                page.gauge(family, &labels, seconds(end));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::collector::Display;
    use crate::config::{Credential, Secret, Site};
    use crate::netbackup::Client;
    use crate::simulator::{Options, Simulator};
    use crate::stats::ApiStats;

    #[tokio::test]
    async fn every_page_is_read_a_primary_at_a_time() {
        let primary = Simulator::start(Options::default()).await.unwrap();
        let control = primary.control();
        let row = |n: usize| {
            let attributes =
                json!({"status": "ACTIVE", "licenseMeter": "FETB", "licenseCount": 2, "countMultiplier": 0.5});
            json!({"type": "entitlementDetails", "id": format!("A{n}"), "attributes": attributes})
        };
        let mut rows: Vec<Value> = (0..250).map(row).collect();
        rows.insert(200, row(199));
        control.replace("/licensing/entitlements", Some(rows.into()));
        let capacity = |n: usize| json!({"type": "x", "id": format!("p{n}"), "attributes": {"masterConsumptionMB": n}});
        control.replace("/licensing/capacity", Some((0..4).map(capacity).collect()));
        let credential = Credential::ApiKey(Secret::new(Options::default().api_key));
        let site = Site::new("paris", primary.base_url().parse().unwrap(), credential);
        let client = Client::new(&site, Arc::new(ApiStats::default())).unwrap();
        let memo = crate::collector::whole::Memo::default();
        let mut reading = Reading::new(&client, "paris", Display::default(), &memo);
        Licensing::new(&site).read(&mut reading).await.unwrap();
        let text = reading.page.finish().text();
        for line in [
            "netbackup_licensing_entitlements{site=\"paris\",status=\"ACTIVE\",meter=\"FETB\"} 250\n",
            "netbackup_licensing_entitled_units{site=\"paris\",status=\"ACTIVE\",meter=\"FETB\"} 250\n",
            "netbackup_licensing_front_end_bytes{site=\"paris\",primary=\"p3\"} 3145728\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        let counts = control.request_counts();
        assert_eq!((counts["/licensing/entitlements"], counts["/licensing/capacity"]), (3, 4));
        // Nothing gathered yet: what is entitled is known all the same.
        control.set_fault(
            Some("/licensing/capacity"),
            Some(crate::simulator::Fault::Status(404, Vec::new(), String::new())),
        );
        let memo = crate::collector::whole::Memo::default();
        let mut reading = Reading::new(&client, "paris", Display::default(), &memo);
        Licensing::new(&site).read(&mut reading).await.unwrap();
        let text = reading.page.finish().text();
        assert!(text.contains("entitlements{") && !text.contains("front_end"), "{text}");
    }

    fn licence<'a>(status: &'a str, product: &'a str, end: i64) -> Entitlement<'a> {
        Entitlement {
            status: status.into(),
            meter: "FETB".into(),
            product: product.into(),
            count: Some(3),
            multiplier: Some(0.5),
            end: Some(end),
            service_end: None,
            borrowed: std::marker::PhantomData,
        }
    }

    fn samples(sums: Sums) -> Vec<String> {
        let mut page = Page::new("paris");
        sums.write(&mut page);
        page.finish().text().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn what_has_expired_hides_nothing_and_what_says_no_count_adds_none() {
        let mut sums = Sums::default();
        sums.add(&licence("ACTIVE", "base", 1_798_761_600_000));
        sums.add(&licence("ACTIVE", "base", 1_798_675_200_000));
        sums.add(&licence("EXPIRED", "base", 1_704_067_200_000));
        sums.add(&Entitlement { multiplier: None, ..licence("EXPIRED", "base", 1_704_153_600_000) });
        sums.add(&Entitlement { count: None, meter: "CPU".into(), end: None, ..licence("ACTIVE", "base", 0) });
        assert_eq!(
            samples(sums),
            [
                r#"netbackup_licensing_entitled_units{site="paris",status="ACTIVE",meter="FETB"} 3"#,
                r#"netbackup_licensing_entitled_units{site="paris",status="EXPIRED",meter="FETB"} 1.5"#,
                r#"netbackup_licensing_entitlement_end_timestamp_seconds{site="paris",product="base",meter="FETB",status="ACTIVE"} 1798675200"#,
                r#"netbackup_licensing_entitlement_end_timestamp_seconds{site="paris",product="base",meter="FETB",status="EXPIRED"} 1704067200"#,
                r#"netbackup_licensing_entitlements{site="paris",status="ACTIVE",meter="CPU"} 1"#,
                r#"netbackup_licensing_entitlements{site="paris",status="ACTIVE",meter="FETB"} 2"#,
                r#"netbackup_licensing_entitlements{site="paris",status="EXPIRED",meter="FETB"} 2"#,
            ]
        );
    }

    #[test]
    fn names_without_end_make_series_with_one() {
        let mut sums = Sums::default();
        for n in 0..1_000_i64 {
            sums.add(&licence(&format!("S{n}"), &format!("p{n}"), 1_798_675_200_000 - n));
        }
        let samples = samples(sums);
        // One more each: the others together.
        let of = |family: &str| samples.iter().filter(|line| line.starts_with(family)).count();
        assert_eq!(of("netbackup_licensing_entitlements{"), MOST_WORDS + 1);
        assert!(of("netbackup_licensing_entitlement_end") <= 2 * (MOST_NAMES + 1), "{}", samples.len());
        assert!(samples.iter().any(|line| line.contains("product=\"p999\"")), "the first to end is named");
    }
}
