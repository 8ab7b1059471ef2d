//! Licensing: what is entitled (`/licensing/entitlements`), and front-end capacity in use (`/licensing/capacity`, a row per
//! primary).

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::About;
use super::series::{Bounded, Once, number, seconds};
use super::whole::{Reading, Source};
use crate::config;
use crate::exposition::{Family, Kind, Page};
use crate::netbackup::lists::licensing::{Capacities, Capacity, Entitlement, Entitlements};
use crate::netbackup::{Endpoint, Error, Listing, Resource};
use crate::reason::Reason;

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
    help: "Front-end capacity in use as last gathered by NetBackup (masterConsumptionMB x 1024 x 1024), at the last poll, by the id of the primary in the list; of more than 100 primaries the rest together as other. Absent where nothing has been gathered yet (404).",
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
    help: "What the entitlements at the last poll add up to (licenseCount x countMultiplier), in the unit that their meter counts in; NetBackup does not publish which unit that is.",
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
    endpoints: &[Endpoint::Entitlements, Endpoint::Capacity],
    releases: "all",
    cardinality: "one series per primary (101 at most), two per meter and status, two per product, meter and status",
    cost: "a request per 100 entitlements, and one per primary, whose answer grows with the number of images: one of more than 32 MiB counts as a rejected record, and the entitlements are shown without capacity",
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
            // First, so that nothing of the capacity, which may be large, stands in their way.
            read_entitlements(reading).await?;
            read_capacity(reading).await
        }
        .boxed()
    }
}

async fn read_entitlements(reading: &mut Reading<'_>) -> Result<(), Error> {
    let (mut once, mut sums) = (Once::default(), Sums::default());
    let listed = reading.list::<Entitlements>(Listing::ALL, |row| {
        if once.is_new(&row.id) {
            sums.add(&row);
        }
    });
    if listed.await?.is_some() {
        reading.reject(once.nameless, once.why());
        sums.write(&mut reading.page);
    }
    Ok(())
}

async fn read_capacity(reading: &mut Reading<'_>) -> Result<(), Error> {
    let (mut once, mut primaries) = (Once::default(), BTreeMap::new());
    let mut take = |row: Resource<'_, Capacity<'_>>| {
        if once.is_new(&row.id)
            && let Some(megabytes) = row.megabytes.filter(|megabytes| *megabytes >= 0.0)
        {
            primaries.insert(row.id.clone().into_owned(), megabytes);
        }
    };
    let listed = match reading.client.list::<Capacities>(&Listing::ALL, &mut take).await {
        // It will be as large at the next poll: to fail would be to lose what is entitled for good.
        Err(error) if error.reason() == Reason::TooLarge => {
            reading.reject(1, Some(format!("no capacity is shown: {}", error.finding())));
            return Ok(());
        }
        listed => listed,
    };
    let Some((walk, why)) = reading.part(Endpoint::Capacity, listed)? else { return Ok(()) };
    reading.reject(walk.rejected, why);
    reading.reject(once.nameless, once.why());
    let (mut names, mut sums) = (Bounded::new(MOST_NAMES), BTreeMap::new());
    for (primary, megabytes) in &primaries {
        *sums.entry(names.label(primary)).or_insert(0.0) += megabytes;
    }
    for (primary, megabytes) in sums {
        reading.page.gauge(&FRONT_END, &[primary], megabytes * MEGABYTE);
    }
    Ok(())
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
            *sum.units.get_or_insert(0.0) += number(count) * multiplier;
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
    use crate::collector::{Display, Polled};
    use crate::config::{Credential, Secret, Site};
    use crate::netbackup::Client;
    use crate::reason::Failure;
    use crate::simulator::{Fault, Options, Simulator};
    use crate::stats::ApiStats;

    async fn poll(primary: &Simulator) -> Result<Polled, Failure> {
        let credential = Credential::ApiKey(Secret::new(Options::default().api_key));
        let site = Site::new("paris", primary.base_url().parse().unwrap(), credential);
        let client = Client::new(&site, Arc::new(ApiStats::default())).unwrap();
        let memo = crate::collector::whole::Memo::default();
        let mut reading = Reading::new(&client, "paris", Display::default(), &memo);
        Licensing::new(&site).read(&mut reading).await?;
        reading.polled(&ABOUT).await
    }

    /// What a poll shows, and how many records it leaves out.
    async fn shown(primary: &Simulator) -> (String, u64) {
        let polled = poll(primary).await.unwrap();
        (polled.rendered.text(), polled.rejected)
    }

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
        let text = shown(&primary).await.0;
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
        control.set_fault(Some("/licensing/capacity"), Some(Fault::Status(404, Vec::new(), String::new())));
        let text = shown(&primary).await.0;
        assert!(text.contains("entitlements{") && !text.contains("front_end"), "{text}");
        // Larger than what is read: the same, and it is counted.
        control.set_fault(Some("/licensing/capacity"), Some(Fault::GzipBomb));
        let (text, rejected) = shown(&primary).await;
        assert!(text.contains("entitlements{") && !text.contains("front_end") && rejected == 1, "{text}");
        // What may pass by itself fails the poll, which then is tried again soon.
        control.set_fault(Some("/licensing/capacity"), Some(Fault::Status(500, Vec::new(), String::new())));
        assert!(poll(&primary).await.is_err());
    }

    #[tokio::test]
    async fn what_was_denied_after_its_first_page_is_a_failed_poll() {
        let primary = Simulator::start(Options::default()).await.unwrap();
        let control = primary.control();
        let attributes = json!({"status": "ACTIVE", "licenseMeter": "FETB", "masterConsumptionMB": 1});
        let row = |n: usize| json!({"type": "x", "id": format!("p{n}"), "attributes": attributes});
        for (template, rows) in [("/licensing/entitlements", 100), ("/licensing/capacity", 1)] {
            let rows: Vec<Value> = (0..rows).map(row).collect();
            let meta = json!({"pagination": {"next": 1, "offset": 0, "limit": 1, "count": 2}});
            control.set_fault_times(Some(template), Fault::Body(json!({"data": rows, "meta": meta}).to_string()), 1);
            control.set_rbac(vec![template.to_owned()]);
            control.clear_requests();
            // Who has read a page has the right: what is wrong now may pass, and the last good data stay.
            assert_eq!(poll(&primary).await.unwrap_err().reason, crate::reason::Reason::Forbidden);
            assert_eq!(control.request_counts()[template], 2);
        }
    }

    #[tokio::test]
    async fn primaries_without_end_are_summed_up_and_rows_without_id_left_out() {
        let primary = Simulator::start(Options::default()).await.unwrap();
        let control = primary.control();
        let row = |id: Option<usize>| {
            let attributes = json!({"status": "ACTIVE", "licenseMeter": "FETB", "masterConsumptionMB": 1});
            let id = id.map(|id| format!("p{id:03}"));
            json!({"type": "x", "id": id, "attributes": attributes})
        };
        let rows: Vec<Value> = (0..110).map(Some).chain([None, None]).map(row).collect();
        control.replace("/licensing/capacity", Some(rows.clone().into()));
        control.replace("/licensing/entitlements", Some(rows.into()));
        let (text, rejected) = shown(&primary).await;
        assert_eq!(rejected, 4);
        assert!(
            text.contains("netbackup_licensing_entitlements{site=\"paris\",status=\"ACTIVE\",meter=\"FETB\"} 110\n")
        );
        let of: Vec<&str> =
            text.lines().filter(|line| line.starts_with("netbackup_licensing_front_end_bytes{")).collect();
        assert_eq!(of.len(), 101);
        assert!(
            of.contains(&r#"netbackup_licensing_front_end_bytes{site="paris",primary="other"} 10485760"#),
            "{of:?}"
        );
        assert!(of.contains(&r#"netbackup_licensing_front_end_bytes{site="paris",primary="p099"} 1048576"#), "{of:?}");
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
