//! The main job from end to end: the real binary against the simulated primary. What is served equals what the primary
//! holds; a failing source or a dark site leaves the others fresh; data age, expire and come back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use netbackup_exporter::simulator::{Fault, Job, Options, Release, Simulator, Truth};
use support::{Exporter, Samples};

const KEY: &str = "e2e-key-7f3a91";

async fn primary(options: Options) -> Simulator {
    Simulator::start(Options { api_key: KEY.to_owned(), ..options }).await.unwrap()
}

fn site(name: &str, primary: &Simulator, more: &str) -> String {
    format!("[[site]]\nname = \"{name}\"\nurl = \"{}\"\napi_key = \"{KEY}\"\n{more}\n", primary.base_url())
}

const QUICK: &str = "[poll]\njobs_ttl = \"300ms\"\nstorage_ttl = \"300ms\"\n";

fn is_fresh(samples: &Samples, site: &str, collector: &str) -> bool {
    let labels = [("site", site), ("collector", collector)];
    samples.get("netbackup_collector_success", &labels) == Some(1.0)
        && samples.get("netbackup_collector_stale", &labels) == Some(0.0)
}

fn text(value: &Option<netbackup_exporter::simulator::Word>) -> String {
    value.as_deref().unwrap_or_default().to_owned()
}

type Grouped = BTreeMap<Vec<String>, f64>;

fn grouped(samples: &Samples, name: &str) -> Grouped {
    samples.all(name, &[]).map(|(labels, value)| (labels.iter().map(|(_, v)| v.clone()).collect(), value)).collect()
}

fn group<'a>(
    jobs: impl Iterator<Item = &'a Job>,
    key: impl Fn(&Job) -> Vec<String>,
    value: impl Fn(&Job) -> Option<f64>,
) -> Grouped {
    let mut groups = Grouped::new();
    for job in jobs {
        if let Some(value) = value(job) {
            let key = ["paris".to_owned()].into_iter().chain(key(job)).collect();
            *groups.entry(key).or_default() += value;
        }
    }
    groups
}

fn assert_equals_truth(samples: &Samples, truth: &Truth, lookback: Duration) {
    let since = truth.at - i64::try_from(lookback.as_millis()).unwrap();
    let pair = |job: &Job| vec![text(&job.job_type), text(&job.policy_type)];
    let with = |job: &Job, last: String| [pair(job), vec![last]].concat();
    let status = |job: &Job| job.status.map(|status| status.to_string()).unwrap_or_default();
    let open = || truth.jobs.iter().filter(|job| !job.is_done());
    let ended = || truth.jobs.iter().filter(|job| job.is_done() && job.end.is_some_and(|end| end >= since));
    let leaves = || ended().filter(|job| job.child_count == 0);

    assert_eq!(grouped(samples, "netbackup_jobs"), group(open(), |job| with(job, text(&job.state)), |_| Some(1.0)));
    let queued = || open().filter(|job| job.state.as_deref() == Some("QUEUED"));
    let total: f64 = grouped(samples, "netbackup_jobs_queued").values().sum();
    assert_eq!(total, queued().count() as f64);
    assert_eq!(
        grouped(samples, "netbackup_lookback_jobs"),
        group(ended(), |job| with(job, status(job)), |_| Some(1.0))
    );
    #[allow(clippy::cast_precision_loss)]
    let kilobytes = |job: &Job| job.kilobytes.map(|kilobytes| kilobytes as f64 * 1024.0);
    assert_eq!(grouped(samples, "netbackup_lookback_image_bytes"), group(leaves(), pair, kilobytes));
    #[allow(clippy::cast_precision_loss)]
    let files = |job: &Job| job.files.map(|files| files as f64);
    assert_eq!(grouped(samples, "netbackup_lookback_files"), group(leaves(), pair, files));
}

#[tokio::test]
async fn what_is_served_is_what_the_primary_holds() {
    let primary =
        primary(Options { jobs: 3000, jobs_per_minute: 30.0, storage_units: 151, seed: 42, ..Options::default() })
            .await;
    primary.control().freeze(true);
    let odd = Job {
        job_type: Some("odd \"type\" \\\\server\\share\nünïcode".into()),
        policy_name: "p".into(),
        state: Some("QUEUED".into()),
        queue_reason: Some(5),
        ..Job::default()
    };
    primary.control().insert_job(odd.clone());
    primary.control().insert_job(Job { queue_reason: Some(4711), ..odd.clone() });
    primary.control().insert_job(Job { queue_reason: Some(0), ..odd });
    let exporter = Exporter::start(&site("paris", &primary, ""));
    let samples = exporter
        .until("both collectors fresh", |s| is_fresh(s, "paris", "jobs") && is_fresh(s, "paris", "storage"))
        .await;
    let truth = primary.control().truth();
    assert_equals_truth(&samples, &truth, Duration::from_secs(24 * 3600));

    let odd_type = ("job_type", "odd \"type\" \\\\server\\share\nünïcode");
    for reason in ["MAX_STORAGE_UNIT_JOBS", "CODE_4711", "NONE"] {
        assert_eq!(samples.get("netbackup_jobs_queued", &[odd_type, ("reason", reason)]), Some(1.0), "{reason}");
    }
    assert_eq!(samples.sum("netbackup_jobs_finished_total", &[]), 0.0, "the baseline counts nothing");
    assert_eq!(samples.all("netbackup_jobs_finished_total", &[odd_type]).count(), 5, "every outcome stands at 0");

    assert_eq!(truth.storage_units.len(), 151);
    assert_eq!(samples.all("netbackup_storage_unit_info", &[]).count(), 151);
    for unit in &truth.storage_units {
        let labels = [("storage_unit", &*unit.name), ("category", unit.category.as_str())];
        let value = |name: &str| samples.get(name, &labels);
        #[allow(clippy::cast_precision_loss)]
        let bytes =
            |bytes: Option<i64>| bytes.filter(|bytes| *bytes != i64::MAX && unit.category != "TAPE").map(|b| b as f64);
        assert_eq!(value("netbackup_storage_unit_capacity_bytes"), bytes(unit.total), "{}", unit.name);
        assert_eq!(value("netbackup_storage_unit_used_bytes"), bytes(unit.used), "{}", unit.name);
        assert_eq!(value("netbackup_storage_unit_free_bytes"), bytes(unit.free), "{}", unit.name);
        #[allow(clippy::cast_precision_loss)]
        let number = |number: Option<i64>| number.map(|number| number as f64);
        assert_eq!(value("netbackup_storage_unit_max_concurrent_jobs"), number(unit.max_jobs));
        assert_eq!(value("netbackup_storage_unit_max_concurrent_drives"), number(unit.max_drives));
        let info = samples.all("netbackup_storage_unit_info", &labels).next().unwrap().0;
        let label = |name: &str| info.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!(label("disk_pool"), Some(unit.disk_pool.as_deref().unwrap_or_default()));
        assert_eq!(label("use_worm"), Some(unit.use_worm.map(|b| b.to_string()).unwrap_or_default().as_str()));
    }
    assert_eq!(samples.get("netbackup_up", &[("site", "paris")]), Some(1.0));
    assert_eq!(samples.sum("netbackup_collector_rejected_records_total", &[]), 0.0);
}

#[tokio::test]
async fn every_job_that_finishes_is_counted_once() {
    let primary = primary(Options { jobs: 500, ..Options::default() }).await;
    let exporter = Exporter::start(&(QUICK.to_owned() + &site("paris", &primary, "")));
    exporter.until("the baseline", |s| is_fresh(s, "paris", "jobs")).await;
    let control = primary.control();
    let now = control.now();
    let second = |ms: i64| ms - ms.rem_euclid(1000);
    let running = Job { state: Some("ACTIVE".into()), start: Some(second(now) - 600_000), ..Job::default() };
    let long = control.insert_job(Job { job_type: Some("RESTORE".into()), ..running.clone() });
    exporter
        .until("the running job", |s| {
            s.get("netbackup_jobs", &[("job_type", "RESTORE"), ("state", "ACTIVE")]) == Some(1.0)
        })
        .await;
    let finish = |job: Job, status: i64| {
        let now = control.now();
        control.insert_job(Job {
            state: Some("DONE".into()),
            status: Some(status),
            end: Some(second(now)),
            last_update: Some(now),
            kilobytes: Some(10),
            kilobytes_data: Some(7),
            files: Some(3),
            ..job
        })
    };
    finish(Job { id: long, job_type: Some("RESTORE".into()), ..running.clone() }, 0);
    // Seen for the first time when it is over; ties of stamp; a parent of two children.
    for status in [0, 1, 150, 96, 96] {
        finish(Job { job_type: Some("DUPLICATE".into()), ..running.clone() }, status);
    }
    finish(Job { job_type: Some("DUPLICATE".into()), child_count: 2, ..running.clone() }, 0);
    let samples = exporter.until("all seven", |s| s.sum("netbackup_jobs_finished_total", &[]) >= 7.0).await;
    let count = |job_type, outcome| {
        samples.get(
            "netbackup_jobs_finished_total",
            &[("job_type", job_type), ("policy_type", "STANDARD"), ("outcome", outcome)],
        )
    };
    assert_eq!(count("RESTORE", "success"), Some(1.0));
    let outcomes =
        ["success", "partial", "cancelled", "failed", "unknown"].map(|outcome| count("DUPLICATE", outcome).unwrap());
    assert_eq!(outcomes, [2.0, 1.0, 1.0, 2.0, 0.0]);
    assert_eq!(
        samples.get("netbackup_jobs_finished_status_total", &[("job_type", "DUPLICATE"), ("status", "96")]),
        Some(2.0)
    );
    let labels = [("job_type", "DUPLICATE")];
    assert_eq!(
        samples.get("netbackup_jobs_image_bytes_total", &labels),
        Some(5.0 * 10.0 * 1024.0),
        "the parent's bytes are its children's"
    );
    assert_eq!(samples.get("netbackup_jobs_transferred_bytes_total", &labels), Some(5.0 * 7.0 * 1024.0));
    assert_eq!(samples.get("netbackup_jobs_files_total", &labels), Some(15.0));
    assert_eq!(samples.get("netbackup_job_duration_seconds_count", &labels), Some(6.0));
    assert_eq!(
        samples.get("netbackup_job_duration_seconds_bucket", &[("job_type", "DUPLICATE"), ("le", "300.0")]),
        Some(0.0)
    );
    assert_eq!(
        samples.get("netbackup_job_duration_seconds_bucket", &[("job_type", "DUPLICATE"), ("le", "900.0")]),
        Some(6.0)
    );
    // Several polls later, through every overlap, nothing has been counted twice.
    let polls = samples.get("netbackup_collector_polls_total", &[("collector", "jobs")]).unwrap();
    let later = exporter
        .until("five more polls", |s| {
            s.get("netbackup_collector_polls_total", &[("collector", "jobs")]).unwrap() >= polls + 5.0
        })
        .await;
    assert_eq!(later.sum("netbackup_jobs_finished_total", &[]), 7.0);
}

#[tokio::test]
async fn a_living_primary_is_followed_exactly() {
    let primary =
        primary(Options { jobs: 300, jobs_per_minute: 1200.0, pace: 200.0, seed: 7, ..Options::default() }).await;
    let exporter = Exporter::start(&(QUICK.to_owned() + &site("paris", &primary, "")));
    exporter.until("the baseline", |s| is_fresh(s, "paris", "jobs")).await;
    exporter.until("a hundred finished jobs", |s| s.sum("netbackup_jobs_finished_total", &[]) >= 100.0).await;
    primary.control().freeze(true);
    let truth = primary.control().truth();
    let ended = truth
        .jobs
        .iter()
        .filter(|job| job.is_done() && job.end.is_some_and(|end| end >= truth.at - 24 * 3_600_000))
        .count();
    #[allow(clippy::cast_precision_loss)]
    let samples = exporter.until("every ended job", |s| s.sum("netbackup_lookback_jobs", &[]) == ended as f64).await;
    // Time goes on while the world stands still, and nothing near the edge of the window may confuse the comparison.
    let truth = primary.control().truth();
    let edge = truth.at - 24 * 3_600_000;
    if !truth.jobs.iter().any(|job| job.end.is_some_and(|end| (end - edge).abs() < 30_000)) {
        assert_equals_truth(&samples, &truth, Duration::from_secs(24 * 3600));
    }
    let polls = |s: &Samples| s.get("netbackup_collector_polls_total", &[("collector", "jobs")]).unwrap();
    let before = polls(&samples);
    let counted = samples.sum("netbackup_jobs_finished_total", &[]);
    let later = exporter.until("more polls", |s| polls(s) >= before + 3.0).await;
    assert_eq!(later.sum("netbackup_jobs_finished_total", &[]), counted);
    assert_eq!(later.sum("netbackup_collector_poll_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn one_failing_source_and_a_dark_site_leave_the_others_fresh() {
    let (paris, berlin, dark) =
        (primary(Options::default()).await, primary(Options::default()).await, primary(Options::default()).await);
    let poll = "[poll]\njobs_ttl = \"300ms\"\nstorage_ttl = \"300ms\"\nstale_after = \"3s\"\nexpire_after = \"6s\"\ntimeout = \"2s\"\n";
    let exporter = Exporter::start(
        &(poll.to_owned() + &site("paris", &paris, "") + &site("berlin", &berlin, "") + &site("dark", &dark, "")),
    );
    exporter
        .until("all fresh", |s| {
            ["paris", "berlin", "dark"].iter().all(|site| is_fresh(s, site, "jobs") && is_fresh(s, site, "storage"))
        })
        .await;
    paris.control().set_fault(Some("/admin/jobs"), Some(Fault::Status(500, vec![], "boom".into())));
    dark.control().set_fault(None, Some(Fault::Hang));
    let stale = |s: &Samples, site: &str, collector: &str| {
        s.get("netbackup_collector_stale", &[("site", site), ("collector", collector)]) == Some(1.0)
    };
    let samples = exporter
        .until("paris' jobs and the dark site stale", |s| {
            stale(s, "paris", "jobs") && stale(s, "dark", "jobs") && stale(s, "dark", "storage")
        })
        .await;
    for (site, collector) in [("paris", "storage"), ("berlin", "jobs"), ("berlin", "storage")] {
        assert!(is_fresh(&samples, site, collector), "{site} {collector}");
    }
    let failures = |s: &Samples, site, collector, reason| {
        s.get(
            "netbackup_collector_poll_failures_total",
            &[("site", site), ("collector", collector), ("reason", reason)],
        )
        .unwrap()
    };
    assert!(failures(&samples, "paris", "jobs", "http") >= 1.0);
    assert_eq!(samples.get("netbackup_up", &[("site", "berlin")]), Some(1.0));

    let samples = exporter
        .until("expired", |s| {
            s.all("netbackup_lookback_jobs", &[("site", "paris")]).count() == 0
                && s.all("netbackup_storage_unit_info", &[("site", "dark")]).count() == 0
        })
        .await;
    assert!(samples.all("netbackup_lookback_jobs", &[("site", "berlin")]).count() > 0);
    assert!(samples.all("netbackup_storage_unit_info", &[("site", "paris")]).count() > 0);
    assert!(
        samples.get("netbackup_collector_age_seconds", &[("site", "paris"), ("collector", "jobs")]).unwrap() >= 2.0
    );
    assert_eq!(samples.get("netbackup_collector_success", &[("site", "paris"), ("collector", "jobs")]), Some(0.0));
    exporter
        .until("the dark site is down", |s| {
            s.get("netbackup_up", &[("site", "dark")]) == Some(0.0) && failures(s, "dark", "jobs", "timeout") >= 1.0
        })
        .await;

    let status = exporter.json("/api/v1/status").await;
    let jobs = &status["sites"][0]["collectors"][0];
    assert_eq!((jobs["collector"].as_str(), jobs["state"].as_str()), (Some("jobs"), Some("expired")));
    assert_eq!(jobs["error"]["reason"], "http");
    let (code, health) = exporter.get("/health").await;
    assert_eq!(code, 200, "some sites answer: {health}");

    paris.control().set_fault(Some("/admin/jobs"), None);
    dark.control().set_fault(None, None);
    exporter
        .until("all recovered", |s| {
            ["paris", "berlin", "dark"].iter().all(|site| is_fresh(s, site, "jobs") && is_fresh(s, site, "storage"))
        })
        .await;
    assert!(exporter.log().iter().any(|line| line.contains("has recovered")));
}

#[tokio::test]
async fn each_release_is_spoken_to_in_its_own_version() {
    let releases = [
        (Release::R10_3, "10.0"),
        (Release::R10_4, "11.0"),
        (Release::R10_5, "12.0"),
        (Release::R11_0, "13.0"),
        (Release::R11_2, "14.0"),
    ];
    for ping_header in [true, false] {
        let mut config = String::new();
        let mut primaries = Vec::new();
        for (release, version) in releases {
            let primary = primary(Options { release, jobs: 20, ..Options::default() }).await;
            primary.control().set_ping_header(ping_header);
            config += &site(&format!("v{version}"), &primary, "");
            primaries.push(primary);
        }
        let newer = primary(Options { jobs: 20, ..Options::default() }).await;
        newer.control().set_api_version(Some("15.0"));
        config += &site("newer", &newer, "");
        let exporter = Exporter::start(&config);
        let sites: Vec<String> =
            releases.iter().map(|(_, version)| format!("v{version}")).chain(["newer".into()]).collect();
        let samples = exporter
            .until("all fresh", |s| sites.iter().all(|site| is_fresh(s, site, "jobs") && is_fresh(s, site, "storage")))
            .await;
        for (_, version) in releases {
            assert_eq!(
                samples.get("netbackup_api_version_info", &[("site", &format!("v{version}")), ("version", version)]),
                Some(1.0)
            );
        }
        assert_eq!(samples.get("netbackup_api_version_info", &[("site", "newer"), ("version", "14.0")]), Some(1.0));
    }
}

#[tokio::test]
async fn an_upgrade_under_way_is_followed() {
    let primary = primary(Options { release: Release::R11_2, jobs: 20, ..Options::default() }).await;
    let exporter = Exporter::start(&(QUICK.to_owned() + &site("paris", &primary, "")));
    exporter.until("fresh", |s| is_fresh(s, "paris", "jobs")).await;
    primary.control().set_release(Release::R10_5);
    exporter
        .until("the older version", |s| {
            s.get("netbackup_api_version_info", &[("version", "12.0")]) == Some(1.0)
                && is_fresh(s, "paris", "jobs")
                && is_fresh(s, "paris", "storage")
        })
        .await;
}

#[tokio::test]
async fn a_downgrade_to_a_primary_that_names_no_version_is_followed() {
    let primary = primary(Options { release: Release::R11_0, jobs: 20, ..Options::default() }).await;
    let exporter = Exporter::start(&(QUICK.to_owned() + &site("paris", &primary, "")));
    exporter.until("fresh", |s| is_fresh(s, "paris", "jobs") && is_fresh(s, "paris", "storage")).await;
    primary.control().set_ping_header(false);
    primary.control().set_release(Release::R10_3);
    exporter
        .until("the older version", |s| {
            s.get("netbackup_api_version_info", &[("version", "10.0")]) == Some(1.0)
                && is_fresh(s, "paris", "jobs")
                && is_fresh(s, "paris", "storage")
        })
        .await;
}

#[tokio::test]
async fn odd_records_are_left_out_counted_and_logged_once() {
    let primary = primary(Options { jobs: 150, storage_units: 3, ..Options::default() }).await;
    let control = primary.control();
    control.freeze(true);
    for (id, attributes) in [
        serde_json::json!({"jobId": 900_001, "jobType": "BACKUP"}),
        serde_json::json!({"jobId": "not a number", "state": "ACTIVE"}),
        serde_json::json!({"jobId": 900_003, "state": 7}),
    ]
    .into_iter()
    .enumerate()
    {
        control.upsert_raw_job(
            serde_json::json!({"type": "job", "id": format!("{}", 900_001 + id), "attributes": attributes}),
        );
    }
    control.upsert_raw_job(serde_json::json!({"jobId": 900_010, "state": "ACTIVE", "jobType": "ODD", "policyType": ["x"], "startTime": "yesterday", "numberOfFiles": "many", "priority": {"deep": [1]}}));
    control.set_raw_storage_unit(
        serde_json::json!({"type": "storageUnit", "id": "nameless", "attributes": {"storageCategory": "MSDP"}}),
    );
    let exporter = Exporter::start(&(QUICK.to_owned() + &site("paris", &primary, "")));
    let samples =
        exporter.until("both fresh", |s| is_fresh(s, "paris", "jobs") && is_fresh(s, "paris", "storage")).await;
    assert_eq!(
        samples.get("netbackup_jobs", &[("job_type", "ODD"), ("policy_type", ""), ("state", "ACTIVE")]),
        Some(1.0)
    );
    let rejected = |s: &Samples, collector| {
        s.get("netbackup_collector_rejected_records_total", &[("collector", collector)]).unwrap()
    };
    assert!(rejected(&samples, "jobs") >= 1.0 && rejected(&samples, "storage") >= 1.0);
    exporter.until("more polls", |s| rejected(s, "jobs") >= 4.0 && rejected(s, "storage") >= 3.0).await;
    let logged = exporter.log().into_iter().filter(|line| line.contains("was left out")).count();
    assert_eq!(logged, 2, "once for each collector: {:#?}", exporter.log());
}

#[tokio::test]
async fn a_refused_key_and_a_missing_right_are_told_apart() {
    let (refused, denied, silent) =
        (primary(Options::default()).await, primary(Options::default()).await, primary(Options::default()).await);
    refused.control().set_api_key("another".into());
    denied.control().set_rbac(vec!["/storage".into()]);
    silent.control().set_silent_empty_jobs(true);
    let exporter = Exporter::start(
        &(QUICK.to_owned()
            + &site("refused", &refused, "")
            + &site("denied", &denied, "")
            + &site("silent", &silent, "")),
    );
    let failed = |s: &Samples, site, collector, reason| {
        s.get(
            "netbackup_collector_poll_failures_total",
            &[("site", site), ("collector", collector), ("reason", reason)],
        )
        .unwrap()
            >= 1.0
    };
    let samples = exporter
        .until("three verdicts", |s| {
            failed(s, "refused", "jobs", "auth")
                && failed(s, "denied", "storage", "forbidden")
                && failed(s, "silent", "jobs", "forbidden")
                && is_fresh(s, "denied", "jobs")
                && is_fresh(s, "silent", "storage")
        })
        .await;
    let denied_metric = |site, collector| {
        samples.get("netbackup_collector_permission_denied", &[("site", site), ("collector", collector)]).unwrap()
    };
    assert_eq!(
        (
            denied_metric("denied", "storage"),
            denied_metric("denied", "jobs"),
            denied_metric("refused", "jobs"),
            denied_metric("silent", "jobs")
        ),
        (1.0, 0.0, 0.0, 1.0)
    );
    let up = |site| samples.get("netbackup_up", &[("site", site)]).unwrap();
    assert_eq!((up("refused"), up("denied"), up("silent")), (0.0, 1.0, 1.0));
    assert!(
        exporter.log().iter().any(|line| line.contains("STORAGE/STORAGE-UNITS VIEW")),
        "the missing right is named: {:#?}",
        exporter.log()
    );
    let asked = refused.control().requests().into_iter().filter(|request| request.authorization).count();
    assert!(asked <= 6, "refused credentials are not hammered: {asked} requests");
    silent.control().set_silent_empty_jobs(false);
    exporter
        .until("rights granted", |s| {
            is_fresh(s, "silent", "jobs") && s.sum("netbackup_lookback_jobs", &[("site", "silent")]) > 0.0
        })
        .await;
}

#[tokio::test]
async fn a_new_key_in_the_file_takes_effect_while_the_old_one_is_refused() {
    let primary = primary(Options { jobs: 20, ..Options::default() }).await;
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    let file = format!("api_key_file = {:?}", key.display().to_string());
    let config = QUICK.to_owned() + &site("paris", &primary, "").replace(&format!("api_key = \"{KEY}\""), &file);
    let exporter = Exporter::start(&config);
    let fresh = |s: &Samples| is_fresh(s, "paris", "jobs") && is_fresh(s, "paris", "storage");
    exporter.until("fresh", fresh).await;
    primary.control().set_api_key("rotated".into());
    let refused = [("reason", "auth")];
    exporter.until("both refused", |s| s.sum("netbackup_collector_poll_failures_total", &refused) >= 2.0).await;
    std::fs::write(&key, "rotated\n").unwrap();
    let since = std::time::Instant::now();
    exporter.until("fresh again", fresh).await;
    assert!(since.elapsed() < Duration::from_secs(30), "long before the minute that a refused key waits");
}

#[tokio::test]
async fn the_primary_is_asked_politely() {
    let primary =
        primary(Options { jobs: 2000, storage_units: 600, latency: Duration::from_millis(20), ..Options::default() })
            .await;
    let exporter = Exporter::start(&(QUICK.to_owned() + &site("paris", &primary, "[site.poll]\nmax_requests = 2\n")));
    exporter.until("fresh", |s| is_fresh(s, "paris", "jobs") && is_fresh(s, "paris", "storage")).await;
    let requests = primary.control().requests();
    assert!(primary.control().max_in_flight() <= 2);
    let connections: std::collections::BTreeSet<u64> = requests.iter().map(|request| request.connection).collect();
    assert!(connections.len() <= 4, "connections are used again: {connections:?}");
    for request in &requests {
        assert!(
            request.user_agent.as_deref().is_some_and(|agent| agent.starts_with("netbackup_exporter/")),
            "{request:?}"
        );
        assert!(request.client_id.as_deref().is_some_and(|id| !id.is_empty()), "{request:?}");
        let is_open = ["/ping", "/security/serverinfo"].contains(&request.path.as_str());
        assert_eq!(request.authorization, !is_open, "the key goes only where it is needed: {request:?}");
        assert_eq!(request.content_type.is_some(), request.method == "POST", "{request:?}");
    }
    let polls = |s: &Samples| s.get("netbackup_collector_polls_total", &[("collector", "jobs")]).unwrap();
    let before = polls(&exporter.scrape().await);
    primary.control().clear_requests();
    let after = exporter.until("five more polls", |s| polls(s) >= before + 5.0).await;
    #[allow(clippy::cast_precision_loss)]
    let jobs_requests = primary
        .control()
        .request_counts()
        .iter()
        .filter(|(path, _)| !path.starts_with("/storage"))
        .map(|(_, count)| *count)
        .sum::<u64>() as f64;
    let per_poll = jobs_requests / (polls(&after) - before + 1.0);
    assert!(per_poll <= 6.0, "{per_poll} requests a poll where nothing changed");
}

#[tokio::test]
async fn a_vanished_job_is_asked_for_and_forgotten() {
    let primary = primary(Options { jobs: 10, ..Options::default() }).await;
    let control = primary.control();
    let id = control.insert_job(Job { job_type: Some("VAULT".into()), state: Some("ACTIVE".into()), ..Job::default() });
    let exporter = Exporter::start(&(QUICK.to_owned() + &site("paris", &primary, "")));
    exporter
        .until("the job", |s| s.get("netbackup_jobs", &[("job_type", "VAULT"), ("state", "ACTIVE")]) == Some(1.0))
        .await;
    assert!(control.remove_job(id));
    let samples =
        exporter.until("no such job", |s| s.all("netbackup_jobs", &[("job_type", "VAULT")]).count() == 0).await;
    let polls = |s: &Samples| s.get("netbackup_collector_polls_total", &[("collector", "jobs")]).unwrap();
    let before = polls(&samples);
    let samples = exporter.until("more polls", |s| polls(s) >= before + 4.0).await;
    assert_eq!(control.request_counts().get("/admin/jobs/{jobId}"), Some(&1), "asked for once");
    assert_eq!(samples.sum("netbackup_jobs_finished_total", &[]), 0.0);
}
