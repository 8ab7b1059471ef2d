//! The whole output of the real binary is a committed file, `tests/golden/once.prom`, which `promtool` reads too.
//! What depends on the clock or on the machine is replaced by fixed values. `UPDATE_GOLDEN=1 cargo test --test golden`
//! rewrites it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use netbackup_exporter::simulator::{Job, Options, Release, Simulator};
use support::{binary, path};

/// A small primary in which every kind of job and unit occurs.
async fn primary() -> Simulator {
    let options =
        Options { jobs: 0, storage_units: 8, release: Release::R11_0, api_key: "golden".into(), ..Options::default() };
    let primary = Simulator::start(options).await.unwrap();
    let control = primary.control();
    control.freeze(true);
    let now = control.now() - control.now().rem_euclid(1000);
    let minutes = |minutes: i64| now - minutes * 60_000;
    let open = |job_type: &'static str, state: &'static str, started: i64| Job {
        job_type: Some(job_type.into()),
        policy_type: Some("VMWARE".into()),
        state: Some(state.into()),
        start: Some(minutes(started)),
        ..Job::default()
    };
    let done = |job_type, status: Option<i64>, started, ended| Job {
        status,
        end: Some(minutes(ended)),
        last_update: Some(minutes(ended)),
        kilobytes: Some(1000),
        kilobytes_data: Some(250),
        files: Some(7),
        ..open(job_type, "DONE", started)
    };
    let jobs = [
        open("BACKUP", "ACTIVE", 30),
        open("BACKUP", "ACTIVE", 90),
        Job { queue_reason: Some(2), ..open("BACKUP", "QUEUED", 5) },
        Job { queue_reason: Some(77), ..open("BACKUP", "QUEUED", 6) },
        Job { queue_reason: Some(0), policy_type: None, ..open("FUTURE_TYPE", "QUEUED", 7) },
        open("RESTORE", "SUSPENDED", 400),
        open("DUPLICATE", "ACTIVE", 12),
        open("REPLICATE", "ACTIVE", 9),
        open("REPLICA_IMPORT", "ACTIVE", 3),
        open("BACKUP", "INCOMPLETE", 700),
        open("odd \"type\" \\\\server\\share\nline", "REQUEUED", 8),
        done("BACKUP", Some(0), 200, 100),
        done("BACKUP", Some(0), 300, 110),
        done("BACKUP", Some(1), 220, 120),
        done("BACKUP", Some(96), 230, 225),
        done("BACKUP", None, 230, 226),
        Job { child_count: 2, ..done("BACKUP", Some(0), 310, 100) },
        Job { kilobytes: None, kilobytes_data: None, files: None, ..done("IMAGEDELETE", Some(0), 20, 10) },
        done("DUPLICATE", Some(150), 600, 500),
        done("DUPLICATE", Some(0), 3000, 2000),
        done("REPLICATE", Some(0), 90, 60),
        done("REPLICA_IMPORT", Some(0), 50, 40),
    ];
    for job in jobs {
        control.insert_job(job);
    }
    primary
}

/// A primary whose jobs are those of two clients: one that is backed up well enough, one that never was.
async fn primary_of_clients() -> Simulator {
    let primary = primary().await;
    let control = primary.control();
    let now = control.now() - control.now().rem_euclid(1000);
    let done = |client: &str, policy: &str, status: Option<i64>, ended: i64| Job {
        job_type: Some("BACKUP".into()),
        policy_type: Some("STANDARD".into()),
        state: Some("DONE".into()),
        client_name: client.into(),
        policy_name: policy.into(),
        status,
        start: Some(now - (ended + 10) * 60_000),
        end: Some(now - ended * 60_000),
        last_update: Some(now - ended * 60_000),
        ..Job::default()
    };
    for job in [
        done("web01", "daily-web", Some(0), 90),
        done("web01", "daily-web", Some(1), 80),
        done("web01", "daily-web", Some(150), 70),
        done("web01", "daily-web", None, 60),
        done("db01", "oracle", Some(6), 50),
        done("db01", "oracle", Some(58), 40),
    ] {
        control.insert_job(job);
    }
    primary
}

/// Durations of jobs are the primary's, and always the same.
fn is_of_jobs(name: &str) -> bool {
    name.starts_with("netbackup_job_") || name.starts_with("nbu_job_")
}

/// The exposition with everything that depends on the clock or the machine made the same.
fn settled(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let fixed = |value: &str| format!("{series} {value}");
        lines.push(match name {
            _ if line.starts_with('#') => line.to_owned(),
            "netbackup_exporter_build_info" => {
                format!("{name}{{version=\"0.0.0\",revision=\"unknown\",rustversion=\"0.0.0\"}} 1")
            }
            _ if name.ends_with("_timestamp_seconds") => fixed("1790000000.5"),
            "netbackup_collector_age_seconds" => fixed("0.25"),
            "nbu_response_time_ms" => fixed("0.5"),
            "netbackup_server_clock_offset_seconds" => fixed("0.001"),
            "netbackup_api_received_bytes_total" => fixed("4096"),
            _ if name.ends_with("_duration_seconds_sum") && !is_of_jobs(name) => fixed("0.5"),
            // Whether the collectors share one /ping or make one each is a matter of microseconds.
            _ if series.contains("endpoint=\"/ping\"") => fixed("1"),
            // As if each had taken 0.3 s; the count is the number of requests and stays.
            _ if name.ends_with("_duration_seconds_bucket") && !is_of_jobs(name) => {
                let bound = series.split("le=\"").nth(1).unwrap().trim_end_matches("\"}");
                let below = bound != "+Inf" && bound.parse::<f64>().unwrap() < 0.3;
                format!("{series} {}", if below { "0" } else { "COUNT" })
            }
            _ if name.starts_with("process_") => fixed("1"),
            _ => line.to_owned(),
        });
    }
    // Buckets at and above 0.3 hold the count, which comes after them.
    let mut count = String::new();
    for line in lines.iter_mut().rev() {
        if line.contains("_duration_seconds_count{") {
            count = line.rsplit_once(' ').unwrap().1.to_owned();
        }
        *line = line.replace("COUNT", &count);
    }
    lines.join("\n") + "\n"
}

/// What `--once` prints of the primary with these sections besides the site.
async fn once(primary: Simulator, sections: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.toml");
    std::fs::write(
        &config,
        format!("{sections}[[site]]\nname = \"paris\"\nurl = \"{}\"\napi_key = \"golden\"\n", primary.base_url()),
    )
    .unwrap();
    let output =
        tokio::task::spawn_blocking(move || binary().arg("--config.file").arg(config).arg("--once").output().unwrap())
            .await
            .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    settled(std::str::from_utf8(&output.stdout).unwrap())
}

fn assert_golden(name: &str, found: &str) {
    let golden = path(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, found).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of {}; UPDATE_GOLDEN=1 rewrites it", number + 1, golden.display());
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

#[tokio::test]
async fn the_whole_output_is_the_golden_file() {
    assert_golden("golden/once.prom", &once(primary().await, "").await);
}

#[tokio::test]
async fn the_names_of_the_go_exporter_are_added_and_change_nothing_else() {
    let with_names = once(primary().await, "[compat]\ngo_exporter_names = true\n").await;
    let is_theirs = |line: &&str| line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ").starts_with("nbu_");
    let (theirs, ours): (Vec<_>, Vec<_>) = with_names.lines().partition(is_theirs);
    assert_golden("golden/compat.prom", &(theirs.join("\n") + "\n"));
    let counts_all = |line: &&str| !line.starts_with("netbackup_exporter_series ");
    let without = std::fs::read_to_string(path("golden/once.prom")).unwrap();
    assert!(ours.into_iter().filter(counts_all).eq(without.lines().filter(counts_all)), "ours stay as they are");
}

#[tokio::test]
async fn clients_are_told_of_one_by_one() {
    let text = once(primary_of_clients().await, "[collectors]\nclients = true\n").await;
    let is_theirs = |line: &&str| {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        name.starts_with("netbackup_client_") || name.starts_with("netbackup_clients_")
    };
    let theirs: String = text.lines().filter(is_theirs).flat_map(|line| [line, "\n"]).collect();
    assert_golden("golden/clients.prom", &theirs);
}
