//! Whole answers: both formats, both encodings, several sites, as time passes and slots publish.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::advance;

use super::deflate::tests::gunzip;
use super::headers::Headers;
use super::view::View;
use super::*;
use crate::cache::{Generation, Slot, Writer};
use crate::clock::Stamp;
use crate::freshness::Limits;
use crate::reason::{Failure, Reason};
use crate::stats::{ApiStats, Code};

pub(super) static JOBS: Family = Family {
    name: "netbackup_jobs",
    kind: Kind::Gauge,
    help: "Unfinished jobs, as polled: \"now\".",
    labels: &["site", "job_type", "state"],
};
pub(super) static FINISHED: Family = Family {
    name: "netbackup_jobs_finished_total",
    kind: Kind::Counter,
    help: "Jobs that were seen to finish, as polled.",
    labels: &["site"],
};
static CAPACITY: Family = Family {
    name: "netbackup_storage_unit_capacity_bytes",
    kind: Kind::Gauge,
    help: "Capacity of the disk pool, as polled.",
    labels: &["site", "storage_unit"],
};

const LIMITS: Limits = Limits { stale_after: Duration::from_secs(30), expire_after: Duration::from_secs(120) };
pub(super) const VARIANTS: [(Format, Encoding); 4] = [
    (Format::Text, Encoding::Identity),
    (Format::Text, Encoding::Gzip),
    (Format::OpenMetrics, Encoding::Identity),
    (Format::OpenMetrics, Encoding::Gzip),
];
pub(super) const OWN: &str = "# HELP process_cpu_seconds_total CPU time.\n# TYPE process_cpu_seconds_total gauge\n\
    process_cpu_seconds_total 1.25\n\n# HELP netbackup_exporter_build_info Build.\n\
    # TYPE netbackup_exporter_build_info gauge\nnetbackup_exporter_build_info{version=\"1\"} 1\n\n";

pub(super) struct House {
    pub(super) exposition: Exposition,
    pub(super) sites: Arc<Vec<Arc<SiteView>>>,
    /// For each site those of `jobs` and `storage`.
    pub(super) writers: Vec<[Writer<Rendered>; 2]>,
}

impl House {
    pub(super) fn new(names: &[&str]) -> House {
        let created = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let generation = Generation::default();
        let slot = |collector| Slot::new(collector, Duration::from_secs(10), LIMITS, generation.clone());
        let view = |name: &&str| {
            let (stats, slots) = (Arc::default(), vec![slot("jobs"), slot("storage")]);
            Arc::new(SiteView { name: Arc::from(*name), stats, slots, created, go_names: false })
        };
        let sites: Vec<_> = names.iter().map(view).collect();
        let writers =
            sites.iter().map(|site| [0, 1].map(|slot| site.slots[slot].writer().unwrap())).collect::<Vec<_>>();
        let exposition = Exposition::new(generation.clone(), Box::new(|| OWN.to_owned()));
        House { exposition, sites: Arc::new(sites), writers }
    }

    fn publish_jobs(&mut self, site: usize, active: f64) {
        let mut page = Page::new(&self.sites[site].name);
        page.gauge(&JOBS, &["RESTORE", "ACTIVE"], active);
        page.gauge(&JOBS, &["BACKUP", "\\\\odd\"\n"], 1.0);
        page.counter(&FINISHED, &[], 7_u64);
        self.writers[site][0].succeed(Arc::new(page.finish()), Stamp::now(), 1, Duration::from_millis(400));
    }

    pub(super) fn publish(&mut self, site: usize, rendered: Rendered) {
        self.writers[site][0].succeed(Arc::new(rendered), Stamp::now(), 0, Duration::from_millis(400));
    }

    fn publish_storage(&mut self, site: usize) {
        let mut page = Page::new(&self.sites[site].name);
        page.gauge(&CAPACITY, &["disk 1"], 1_u64 << 60);
        self.writers[site][1].succeed(Arc::new(page.finish()), Stamp::now(), 0, Duration::from_secs(3));
    }

    pub(super) fn answer(&self, format: Format, encoding: Encoding) -> Answer {
        self.exposition.answer(&self.sites, format, encoding)
    }

    pub(super) fn text(&self) -> String {
        self.exposition.text(&self.sites)
    }
}

pub(super) fn body(answer: &Answer) -> String {
    let bytes = answer.parts.concat();
    String::from_utf8(match answer.encoding {
        Encoding::Identity => bytes,
        Encoding::Gzip => gunzip(&bytes),
    })
    .unwrap()
}

/// What stands before the labels.
pub(super) fn name_of(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap()
}

pub(super) fn samples(text: &str) -> Vec<&str> {
    text.split_terminator('\n').filter(|line| !line.starts_with('#')).collect()
}

pub(super) fn has(text: &str, line: &str) -> bool {
    text.lines().any(|candidate| candidate == line)
}

fn pointers(answer: &Answer) -> [*const u8; 2] {
    answer.parts.each_ref().map(|part| part.as_ptr())
}

/// Three sites in different moods: all well, half dark, never polled.
pub(super) fn three_sites() -> House {
    let mut house = House::new(&["paris", "oslo", "new.york"]);
    house.publish_jobs(0, 3.0);
    house.publish_storage(0);
    house.publish_jobs(1, 4.0);
    house.writers[1][1].fail(Failure::new(Reason::Forbidden, "no"), Duration::from_millis(20));
    house.writers[1][1].skip();
    let stats: &ApiStats = &house.sites[0].stats;
    stats.request(0, "/ping", Code::Status(200), Duration::from_millis(12));
    stats.request(1, "/admin/jobs", Code::Status(200), Duration::from_millis(300));
    stats.request(1, "/admin/jobs", Code::NoAnswer(Reason::Timeout), Duration::from_secs(30));
    stats.set_api_version("12.0");
    stats.set_clock_offset_ms(-1500);
    stats.add_received(123_456);
    stats.add_retry();
    house.sites[0].slots[0].set_progress(0.25);
    house.sites[1].stats.set_circuit_open(true);
    house.sites[2].stats.set_tls_unverified(true);
    house
}

/// Checks `text` against `src/exposition/golden/<name>`; `UPDATE_GOLDEN=1` writes it anew.
pub(super) fn assert_golden(name: &str, text: &str) {
    // The wall clock is the only thing that differs from run to run.
    let stable: String = text
        .split_inclusive('\n')
        .map(|line| match line.rsplit_once("} ") {
            Some((series, _)) if series.contains("_timestamp_seconds{") => format!("{series}}} 1790000000.5\n"),
            _ => line.to_owned(),
        })
        .collect();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/exposition/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &stable).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (number, (is, should)) in stable.lines().zip(golden.lines()).enumerate() {
        assert_eq!(is, should, "line {} of {name}; UPDATE_GOLDEN=1 writes it anew", number + 1);
    }
    assert_eq!(stable.len(), golden.len(), "{name} is longer or shorter");
}

#[tokio::test(start_paused = true)]
async fn the_whole_text_is_as_written() {
    let house = three_sites();
    advance(Duration::from_millis(1500)).await;
    assert_golden("text.prom", &body(&house.answer(Format::Text, Encoding::Identity)));
    assert_golden("openmetrics.prom", &body(&house.answer(Format::OpenMetrics, Encoding::Identity)));
}

#[tokio::test(start_paused = true)]
async fn all_variants_carry_the_same_samples_and_gzip_the_same_text() {
    let house = three_sites();
    let [text, text_gzip, open, open_gzip] = VARIANTS.map(|(format, encoding)| body(&house.answer(format, encoding)));
    assert_eq!(text, text_gzip);
    assert_eq!(open, open_gzip);
    assert_eq!(samples(&text), samples(&open));
    assert!(open.ends_with("\n# EOF\n") && !text.contains("# EOF"));
    assert_eq!(house.text(), text);
}

#[tokio::test(start_paused = true)]
async fn each_family_stands_once_and_whole() {
    let house = three_sites();
    let text = house.text();
    let mut seen: Vec<&str> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            Some((name, _)) => {
                assert!(!seen.contains(&name), "{name} stands twice");
                seen.push(name);
            }
            None if line.starts_with('#') => {}
            None => {
                let name = name_of(line);
                let family = seen.last().unwrap();
                let suffix = name.strip_prefix(family);
                assert!(matches!(suffix, Some("" | "_bucket" | "_sum" | "_count")), "{line} under {family}");
            }
        }
    }
    let jobs: Vec<_> = text.lines().filter(|line| line.starts_with("netbackup_jobs{")).collect();
    assert_eq!(jobs.len(), 4, "two of each site that has been polled");
    assert!(jobs[0].contains("site=\"paris\"") && jobs[2].contains("site=\"oslo\""), "in the order of the sites");
    let live = seen.iter().position(|name| *name == "netbackup_api_circuit_open").unwrap();
    let own = seen.iter().position(|name| *name == "netbackup_exporter_build_info").unwrap();
    assert!(seen[..live].is_sorted() && seen[live..own].is_sorted() && seen[own..].is_sorted(), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn the_number_of_series_is_that_of_the_lines() {
    let text = three_sites().text();
    assert!(has(&text, &format!("netbackup_exporter_series {}", samples(&text).len())));
}

#[tokio::test(start_paused = true)]
async fn before_any_poll_everything_that_is_known_is_there() {
    let house = House::new(&["paris"]);
    let text = house.text();
    for line in [
        "netbackup_up{site=\"paris\"} 0",
        "netbackup_collector_success{site=\"paris\",collector=\"storage\"} 0",
        "netbackup_collector_stale{site=\"paris\",collector=\"storage\"} 1",
        "netbackup_collector_ttl_seconds{site=\"paris\",collector=\"storage\"} 10",
        "netbackup_collector_permission_denied{site=\"paris\",collector=\"storage\"} 0",
        "netbackup_collector_polls_total{site=\"paris\",collector=\"storage\"} 0",
        "netbackup_collector_poll_duration_seconds_bucket{site=\"paris\",collector=\"jobs\",le=\"60.0\"} 0",
        "netbackup_collector_poll_duration_seconds_count{site=\"paris\",collector=\"jobs\"} 0",
        "netbackup_api_circuit_open{site=\"paris\"} 0",
    ] {
        assert!(has(&text, line), "{line} in\n{text}");
    }
    for reason in Reason::ALL {
        let labels = format!("site=\"paris\",collector=\"jobs\",reason=\"{reason}\"");
        assert!(has(&text, &format!("netbackup_collector_poll_failures_total{{{labels}}} 0")), "{reason}");
    }
    for absent in ["api_version_info", "clock_offset", "last_attempt", "last_success", "age_seconds", "read_ratio"] {
        assert!(!text.contains(absent), "{absent} is not known yet");
    }
}

#[tokio::test(start_paused = true)]
async fn stale_data_stay_marked_and_expired_data_leave_without_a_publish() {
    let mut house = House::new(&["paris"]);
    house.publish_jobs(0, 3.0);
    let (series, stale) = ("netbackup_jobs{site=\"paris\",job_type=\"RESTORE\",state=\"ACTIVE\"} 3", |value| {
        format!("netbackup_collector_stale{{site=\"paris\",collector=\"jobs\"}} {value}")
    });
    let text = house.text();
    assert!(has(&text, series) && has(&text, &stale(0)));
    advance(LIMITS.stale_after + Duration::from_secs(1)).await;
    let text = house.text();
    assert!(has(&text, series) && has(&text, &stale(1)));
    advance(LIMITS.expire_after - LIMITS.stale_after).await;
    for (format, encoding) in VARIANTS {
        let text = body(&house.answer(format, encoding));
        assert!(!text.contains("netbackup_jobs{"), "{text}");
        assert!(has(&text, &stale(1)));
        assert!(has(&text, "netbackup_collector_age_seconds{site=\"paris\",collector=\"jobs\"} 121"));
    }
    house.publish_jobs(0, 5.0);
    assert!(house.text().contains("state=\"ACTIVE\"} 5\n"), "and come back with the next success");
}

#[tokio::test(start_paused = true)]
async fn ready_bytes_are_used_again_until_something_changes() {
    let mut house = three_sites();
    for (format, encoding) in VARIANTS {
        let first = house.answer(format, encoding);
        assert_eq!(pointers(&first), pointers(&house.answer(format, encoding)), "nothing has changed");
        advance(Duration::from_millis(1001)).await;
        let later = house.answer(format, encoding);
        assert_eq!(first.parts[0].as_ptr(), later.parts[0].as_ptr(), "a second has passed: the same data");
        assert_ne!(first.parts[1].as_ptr(), later.parts[1].as_ptr(), "but another age");

        house.publish_jobs(0, 9.0);
        let published = house.answer(format, encoding);
        assert_ne!(later.parts[0].as_ptr(), published.parts[0].as_ptr());
        assert!(body(&published).contains("site=\"paris\",job_type=\"RESTORE\",state=\"ACTIVE\"} 9\n"));

        let failures = |answer: &Answer| {
            let text = body(answer);
            let line = text.lines().find(|line| line.contains("poll_failures_total") && line.contains("\"decode\""));
            line.unwrap().rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
        };
        let before = failures(&published);
        house.writers[0][0].fail(Failure::new(Reason::Decode, "x"), Duration::ZERO);
        assert_eq!(failures(&house.answer(format, encoding)), before + 1, "an attempt has ended: seen at once");
    }
    let same_names = Arc::new(house.sites.to_vec());
    let [a, b] =
        [&house.sites, &same_names].map(|sites| house.exposition.answer(sites, Format::Text, Encoding::Identity));
    assert_ne!(a.parts[0].as_ptr(), b.parts[0].as_ptr(), "other sites, other bytes");
}

#[tokio::test(start_paused = true)]
async fn one_site_can_be_asked_for_without_the_exporters_own() {
    let house = three_sites();
    for (format, encoding) in VARIANTS {
        let all = body(&house.answer(format, encoding));
        let one = body(&house.exposition.answer_for(&house.sites[1..2], format, encoding));
        let of_site: Vec<_> = samples(&all).into_iter().filter(|line| line.contains("site=\"oslo\"")).collect();
        assert_eq!(samples(&one), of_site);
    }
    let none = body(&house.exposition.answer_for(&[], Format::OpenMetrics, Encoding::Gzip));
    assert_eq!(none, "# EOF\n");
}

#[tokio::test(start_paused = true)]
async fn without_sites_there_are_the_exporters_own() {
    let house = House::new(&[]);
    for (format, encoding) in VARIANTS {
        let text = body(&house.answer(format, encoding));
        assert_eq!(samples(&text).len(), 3, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_view_shows_one_moment_whatever_is_published_meanwhile() {
    let mut house = House::new(&["paris"]);
    house.publish_jobs(0, 3.0);
    let now = tokio::time::Instant::now();
    let view = View::new(0, Arc::clone(&house.sites), None, now);
    house.publish_jobs(0, 4.0);
    for (format, encoding) in VARIANTS {
        let text = body(&view.answer(&Headers::default(), None, format, encoding, now));
        assert!(has(&text, "netbackup_jobs{site=\"paris\",job_type=\"RESTORE\",state=\"ACTIVE\"} 3"));
        assert!(has(&text, "netbackup_collector_polls_total{site=\"paris\",collector=\"jobs\"} 1"));
    }
}

/// The data series holds the number of the poll that made it, so data and freshness lines can be compared.
#[test]
fn data_never_stand_beside_the_freshness_lines_of_other_data() {
    let mut house = House::new(&["paris"]);
    let (exposition, sites) = (&house.exposition, Arc::clone(&house.sites));
    let writer = &mut house.writers[0][0];
    let pages: Vec<_> = (1..=3_000_u64)
        .map(|poll| {
            let mut page = Page::new("paris");
            page.counter(&FINISHED, &[], poll);
            Arc::new(page.finish())
        })
        .collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = [Format::Text, Format::OpenMetrics]
            .into_iter()
            .map(|format| {
                let (sites, done) = (&sites, &done);
                scope.spawn(move || {
                    let (mut distinct, mut last) = (0_u32, 0);
                    while !done.load(Ordering::Acquire) || distinct == 0 {
                        let text = body(&exposition.answer(sites, format, Encoding::Identity));
                        let value = |start: &str| {
                            let line = text.lines().find(|line| line.starts_with(start))?;
                            line.rsplit_once(' ')?.1.parse::<u64>().ok()
                        };
                        let polls =
                            value("netbackup_collector_polls_total{site=\"paris\",collector=\"jobs\"}").unwrap();
                        assert_eq!(value("netbackup_jobs_finished_total").unwrap_or(0), polls);
                        assert!(polls >= last, "an answer went back from {last} to {polls}");
                        distinct += u32::from(polls > last);
                        last = polls;
                    }
                    distinct
                })
            })
            .collect();
        for page in pages {
            writer.succeed(page, Stamp::now(), 0, Duration::ZERO);
            std::thread::yield_now();
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            assert!(reader.join().unwrap() > 0, "the reader saw no publish");
        }
    });
}

#[tokio::test(start_paused = true)]
async fn promtool_finds_nothing() {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        #[expect(clippy::print_stderr, reason = "whoever runs the tests must see what was not tested")]
        {
            eprintln!("skipped: promtool is not installed");
        }
        return;
    };
    child.stdin.take().unwrap().write_all(three_sites().text().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn live_families_are_ordered_and_well_named() {
    let families = families();
    assert!(families.iter().map(|family| family.name).is_sorted());
    for family in families {
        assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
        assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{}", family.name);
        assert!(family.name == "netbackup_exporter_series" || family.labels[0] == "site", "{}", family.name);
    }
}

/// What the recorder of the `metrics` crate really writes, not what this module thinks it does.
#[tokio::test(start_paused = true)]
async fn the_real_recorder_is_read() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        metrics::describe_gauge!("process_cpu_seconds_total", "CPU \"time\".");
        metrics::gauge!("process_cpu_seconds_total").set(2.5);
        metrics::describe_counter!("netbackup_exporter_http_requests_total", "Requests.");
        metrics::counter!("netbackup_exporter_http_requests_total", "handler" => "/metrics", "code" => "200")
            .increment(3);
        metrics::counter!("netbackup_exporter_http_requests_total", "handler" => "/", "code" => "200").increment(1);
    });
    let exposition = Exposition::new(Generation::default(), Box::new(move || handle.render()));
    let answer = exposition.answer(&Arc::default(), Format::OpenMetrics, Encoding::Gzip);
    assert_eq!(
        body(&answer),
        "\
# HELP netbackup_exporter_http_requests Requests.
# TYPE netbackup_exporter_http_requests counter
netbackup_exporter_http_requests_total{handler=\"/\",code=\"200\"} 1
netbackup_exporter_http_requests_total{handler=\"/metrics\",code=\"200\"} 3
# HELP netbackup_exporter_series Number of samples in the whole exposition that holds this one.
# TYPE netbackup_exporter_series gauge
netbackup_exporter_series 4
# HELP process_cpu_seconds CPU \\\"time\\\".
# TYPE process_cpu_seconds counter
process_cpu_seconds_total 2.5
# EOF
"
    );
}
