//! OpenMetrics answers with `_created` samples: nothing but these lines differs, and each stands where it must.

use std::time::{Duration, SystemTime};

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::advance;

use super::tests::{FINISHED, House, JOBS, OWN, VARIANTS, assert_golden, body, has, name_of, samples, three_sites};
use super::{Encoding, Exposition, Family, Format, Kind, Page, Rendered};
use crate::cache::Generation;

static DURATION: Family = Family {
    name: "netbackup_job_duration_seconds",
    kind: Kind::Histogram,
    help: "Duration of jobs, as polled.",
    labels: &["site", "job_type"],
};

fn since(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}

/// Shows the same sites as `house` does, with `_created` samples.
struct Created {
    house: House,
    exposition: Exposition,
}

impl Created {
    /// Of a house in which nothing is published any more.
    fn new(house: House) -> Created {
        let own = Box::new(|| OWN.to_owned());
        let exposition = Exposition::new(Generation::default(), own);
        exposition.set_created(Some(since(1_700_000_060_000)));
        Created { house, exposition }
    }

    fn three_sites() -> Created {
        let mut house = three_sites();
        let mut page = Page::new("new.york").with_created(true);
        page.counter_since(&FINISHED, &[], 8_u64, since(1_699_999_000_250));
        page.histogram_since(&DURATION, &["BACKUP"], &[60.0], &[1, 2], 900.5, since(1_699_999_500_000));
        page.histogram(&DURATION, &["RESTORE"], &[60.0], &[0, 0], 0.0);
        house.publish(2, page.finish());
        Created::new(house)
    }

    fn answer(&self, format: Format, encoding: Encoding) -> String {
        body(&self.exposition.answer(&self.house.sites, format, encoding))
    }

    /// The answers for some sites with and without `_created` samples.
    fn answers_for(&self, sites: std::ops::Range<usize>, format: Format, encoding: Encoding) -> [String; 2] {
        let sites = &self.house.sites[sites];
        [&self.exposition, &self.house.exposition]
            .map(|exposition| body(&exposition.answer_for(sites, format, encoding)))
    }
}

fn is_created(line: &str) -> bool {
    !line.starts_with('#') && name_of(line).ends_with("_created")
}

fn without_created(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !is_created(line)).collect()
}

/// As [`without_created`], with the number of samples that is left.
fn reduced(text: &str) -> String {
    let count = |text: &str| format!("\nnetbackup_exporter_series {}\n", samples(text).len());
    let rest = without_created(text);
    assert!(text.contains(&count(text)), "{} samples", samples(text).len());
    rest.replace(&count(text), &count(&rest))
}

#[tokio::test(start_paused = true)]
async fn the_whole_text_with_created_samples_is_as_written() {
    let created = Created::three_sites();
    advance(Duration::from_millis(1500)).await;
    assert_golden("openmetrics_created.prom", &created.answer(Format::OpenMetrics, Encoding::Identity));
}

#[tokio::test(start_paused = true)]
async fn only_openmetrics_answers_that_are_asked_for_them_hold_created_samples() {
    let created = Created::three_sites();
    for (format, encoding) in VARIANTS {
        let (with, without) = (created.answer(format, encoding), body(&created.house.answer(format, encoding)));
        assert!(!without.lines().any(is_created), "even where a snapshot has them");
        assert_eq!(with.lines().any(is_created), format == Format::OpenMetrics);
        assert_eq!(if format == Format::Text { with.clone() } else { reduced(&with) }, without);
        assert_eq!(with, created.answer(format, Encoding::Identity));
        let [with, without] = created.answers_for(2..3, format, encoding);
        assert_eq!(with.lines().any(is_created), format == Format::OpenMetrics);
        assert_eq!(without_created(&with), without);
    }
    assert_eq!(created.exposition.text(&created.house.sites), created.house.text());
}

#[tokio::test(start_paused = true)]
async fn each_counter_and_histogram_has_one_that_follows_it() {
    let text = Created::three_sites().answer(Format::OpenMetrics, Encoding::Gzip);
    let (mut kind, mut family, mut last, mut created) = ("", "", "", 0);
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("# TYPE ") {
            (family, kind) = header.split_once(' ').unwrap();
        } else if is_created(line) {
            let series = |line: &str| line.rsplit_once(' ').unwrap().0.to_owned();
            let before = match kind {
                "counter" => "_total",
                "histogram" => "_count",
                _ => panic!("{line} of a {kind}"),
            };
            let expected = series(line).replacen(&format!("{family}_created"), &format!("{family}{before}"), 1);
            assert_eq!(series(last), expected, "{line}");
            created += 1;
        }
        last = line;
    }
    let ends = |suffix: &str| samples(&text).iter().filter(|line| name_of(line).ends_with(suffix)).count();
    // Those of the snapshots that nobody gave a beginning: two counters of jobs and a histogram.
    assert_eq!(created + 3, ends("_total") + ends("_count"));
    for line in [
        "netbackup_api_retries_created{site=\"oslo\"} 1700000000.123",
        "netbackup_collector_poll_duration_seconds_created{site=\"oslo\",collector=\"jobs\"} 1700000000.123",
        "process_cpu_seconds_created 1700000060",
        "netbackup_jobs_finished_created{site=\"new.york\"} 1699999000.25",
        "netbackup_job_duration_seconds_created{site=\"new.york\",job_type=\"BACKUP\"} 1699999500",
    ] {
        assert!(has(&text, line), "{line} in\n{text}");
    }
}

/// What a page of a site holds: gauges, counters and histograms with or without a beginning.
type Content = Vec<(String, u8, u32, Option<u32>)>;

fn page(site: &str, content: &Content) -> Rendered {
    let mut page = Page::new(site).with_created(true);
    for (index, (label, kind, value, created)) in content.iter().enumerate() {
        let created = created.map(|seconds| since(u64::from(seconds) * 1_001));
        let value = u64::from(*value);
        match (kind, created) {
            (0, _) => page.gauge(&JOBS, &[label, &index.to_string()], value),
            (1, Some(created)) => page.counter_since(&FINISHED, &[], value, created),
            (1, None) => page.counter(&FINISHED, &[], value),
            (_, Some(created)) => page.histogram_since(&DURATION, &[label], &[60.0], &[value, 1], 0.5, created),
            (_, None) => page.histogram(&DURATION, &[label], &[60.0], &[value, 1], 0.5),
        }
    }
    page.finish()
}

fn contents() -> impl Strategy<Value = Vec<Content>> {
    let label = r#"(_created|_total|[\\"n\n{} ]|\PC){0,4}"#;
    vec(vec((label, 0..3_u8, any::<u32>(), any::<Option<u32>>()), 0..8), 3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn without_the_created_lines_it_is_the_exposition_without_them(contents in contents()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let names = ["paris", "oslo_created", "new.york"];
            let mut house = House::new(&names);
            for (site, content) in contents.iter().enumerate() {
                house.publish(site, page(names[site], content));
            }
            let created = Created::new(house);
            for (format, encoding) in VARIANTS {
                let (with, without) = (created.answer(format, encoding), body(&created.house.answer(format, encoding)));
                assert_eq!(if format == Format::Text { with } else { reduced(&with) }, without);
                let [with, without] = created.answers_for(0..3, format, encoding);
                assert_eq!(without_created(&with), without);
            }
        });
    }
}
