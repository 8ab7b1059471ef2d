//! What the window of a site means under the names of the Go exporter: ended jobs of the window, unfinished ones by
//! state and reason, and the durations of all that were counted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::counters::{DURATION_BUCKETS, Pair};
use super::lookback::Group;
use super::names::Name;
use super::render::{KILOBYTE, since, status_label, thousandths};
use super::window::Window;
use crate::collector::compat;
use crate::collector::tally::count as add_to;
use crate::exposition::Page;

/// Writes every family of the jobs.
pub fn render(page: &mut Page, window: &Window) {
    jobs(page, window);
    states(page, window);
    amounts(page, window);
    durations(page, window);
}

fn jobs(page: &mut Page, window: &Window) {
    let names = window.names();
    let mut statuses: BTreeMap<(Name, Option<i32>), u64> = BTreeMap::new();
    for (group, count) in &window.lookback().jobs {
        let (job_type, policy_type) = (names.text(group.pair.job_type), names.text(group.pair.policy_type));
        page.gauge(&compat::JOBS, &[job_type, policy_type, &status_label(group.status)], *count);
        // Its users divide by the sum: where nothing succeeded they must find a 0, not nothing.
        statuses.entry((group.pair.job_type, Some(0))).or_default();
        add_to(&mut statuses, (group.pair.job_type, group.status), *count);
    }
    for ((job_type, status), count) in statuses {
        page.gauge(&compat::STATUS, &[names.text(job_type), &status_label(status)], count);
    }
}

fn states(page: &mut Page, window: &Window) {
    let names = window.names();
    let mut states: BTreeMap<(Name, &str), u64> = BTreeMap::new();
    let mut queued: BTreeMap<(Name, Option<i64>), u64> = BTreeMap::new();
    for (group, count) in &window.lookback().jobs {
        add_to(&mut states, (group.pair.job_type, "DONE"), *count);
    }
    for job in window.unfinished() {
        let (job_type, state) = (job.pair.job_type, names.text(job.state));
        *states.entry((job_type, state)).or_default() += 1;
        if state == "QUEUED" {
            *queued.entry((job_type, job.queue_reason)).or_default() += 1;
        }
    }
    for ((job_type, state), count) in states {
        page.gauge(&compat::JOBS_STATE, &[names.text(job_type), state], count);
    }
    for ((job_type, reason), count) in queued {
        // The number itself: its users look it up.
        let reason = reason.map(|reason| reason.to_string()).unwrap_or_default();
        page.gauge(&compat::JOBS_QUEUED, &[names.text(job_type), &reason], count);
    }
}

/// Ratios in thousandths, and how many there are.
#[derive(Default)]
struct Ratios {
    sum: i64,
    jobs: u32,
}

fn amounts(page: &mut Page, window: &Window) {
    let names = window.names();
    let mut kilobytes: BTreeMap<Group, u64> = BTreeMap::new();
    let mut ratios: BTreeMap<Pair, Ratios> = BTreeMap::new();
    let mut clients: BTreeMap<(&str, Name, Option<i32>), u64> = BTreeMap::new();
    for (job, extra) in window.in_gauges() {
        let pair = Pair { job_type: job.job_type, policy_type: job.policy_type };
        if job.has_kilobytes {
            add_to(&mut kilobytes, Group { pair, status: job.status }, job.kilobytes);
        }
        let Some(extra) = extra else { continue };
        let client = window.client_of(extra);
        if !client.is_empty() {
            add_to(&mut clients, (client, job.job_type, job.status), 1);
        }
        if let Some(ratio) = extra.ratio {
            let of_pair = ratios.entry(pair).or_default();
            of_pair.sum = of_pair.sum.saturating_add(i64::from(ratio));
            of_pair.jobs = of_pair.jobs.saturating_add(1);
        }
    }
    for ((client, job_type, status), count) in clients {
        page.gauge(&compat::CLIENT_JOBS, &[client, names.text(job_type), &status_label(status)], count);
    }
    for (Group { pair, status }, kilobytes) in kilobytes {
        let labels = [names.text(pair.job_type), names.text(pair.policy_type), &status_label(status)];
        page.gauge(&compat::JOBS_BYTES, &labels, kilobytes.saturating_mul(KILOBYTE));
    }
    for (pair, ratios) in ratios {
        let labels = [names.text(pair.job_type), names.text(pair.policy_type)];
        page.gauge(&compat::JOBS_DEDUP_RATIO, &labels, thousandths(ratios.sum) / f64::from(ratios.jobs));
    }
    for (pair, amounts) in &window.lookback().amounts {
        if amounts.with_files > 0 {
            let labels = [names.text(pair.job_type), names.text(pair.policy_type)];
            page.gauge(&compat::JOBS_FILES, &labels, amounts.files);
        }
    }
}

fn durations(page: &mut Page, window: &Window) {
    let names = window.names();
    for (pair, counters) in window.counters().to_show() {
        let labels = [names.text(pair.job_type), names.text(pair.policy_type)];
        let buckets = its_buckets(&counters.durations);
        let sum = Duration::from_millis(counters.duration_ms).as_secs_f64();
        let created = since(counters.created_ms);
        let bounds = &compat::DURATION_BUCKETS;
        page.histogram_since(&compat::JOB_DURATION, &labels, bounds, &buckets, sum, created);
    }
}

/// Its bounds are a selection of ours, so each of our buckets lies in one of its.
fn its_buckets(ours: &[u64; DURATION_BUCKETS.len() + 1]) -> [u64; compat::DURATION_BUCKETS.len() + 1] {
    let mut its = [0_u64; compat::DURATION_BUCKETS.len() + 1];
    for (bound, count) in DURATION_BUCKETS.iter().chain(&[f64::INFINITY]).zip(ours) {
        let bucket = compat::DURATION_BUCKETS.iter().position(|its| bound <= its).unwrap_or(its.len() - 1);
        if let Some(its) = its.get_mut(bucket) {
            *its = its.saturating_add(*count);
        }
    }
    its
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::jobs::window::Reading;
    use crate::config;
    use crate::netbackup::JobRow;

    const HOUR: i64 = 3_600_000;
    const NOW: i64 = 1_790_000_000_000;

    fn done(id: u64, status: Option<i64>, dedup_ratio: Option<i32>) -> JobRow<'static> {
        JobRow {
            id,
            state: "DONE".into(),
            job_type: "BACKUP".into(),
            policy_type: "VMWARE".into(),
            client_name: "db01".into(),
            status,
            start_ms: Some(NOW - HOUR),
            end_ms: Some(NOW + 1000),
            last_update_ms: Some(NOW + 1000),
            kilobytes_transferred: Some(100),
            files: Some(3),
            dedup_ratio,
            ..JobRow::default()
        }
    }

    fn window(wanted: bool) -> Window {
        let mut window =
            Window::new(Duration::from_secs(24 * 3600)).with_extras(wanted, wanted.then(config::Clients::default));
        window.set_baseline(NOW);
        window
    }

    fn text(window: &mut Window) -> String {
        window.counters_shown();
        let mut page = Page::new("paris");
        render(&mut page, window);
        page.finish().text().lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
    }

    fn value(text: &str, start: &str) -> Option<f64> {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(start));
        let value = lines.next()?.rsplit_once(' ')?.1.parse().ok();
        assert_eq!(lines.next(), None, "{start} is one series");
        value
    }

    #[test]
    fn the_buckets_are_a_selection_of_ours() {
        assert!(compat::DURATION_BUCKETS.iter().all(|bound| DURATION_BUCKETS.contains(bound)));
        assert_eq!(its_buckets(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), [1, 2, 3, 4, 5, 6, 7, 8, 19, 23]);
    }

    #[test]
    fn amounts_follow_the_jobs_of_the_window_and_their_changes() {
        let mut window = window(true);
        let parent = JobRow { child_count: Some(2), ..done(4, Some(0), Some(10_000)) };
        for row in [done(1, Some(0), Some(94_500)), done(2, Some(0), Some(90_000)), done(3, None, None), parent] {
            window.observe(&row, Reading::Follow);
        }
        let found = text(&mut window);
        assert_eq!(value(&found, "nbu_jobs_dedup_ratio{"), Some(92.25), "two report one that counts\n{found}");
        let count = |text: &str, status| {
            let series = format!("{{site=\"paris\",action=\"BACKUP\",policy_type=\"VMWARE\",status=\"{status}\"}}");
            [value(text, &format!("nbu_jobs_count{series}")), value(text, &format!("nbu_jobs_bytes{series}"))]
        };
        assert_eq!(
            [count(&found, "0"), count(&found, "")],
            [[Some(3.0), Some(204_800.0)], [Some(1.0), Some(102_400.0)]]
        );
        assert_eq!(value(&found, "nbu_jobs_files_count{"), Some(9.0));
        let of_client = "nbu_client_jobs_count{site=\"paris\",client=\"db01\",action=\"BACKUP\",status=\"0\"}";
        assert_eq!(value(&found, of_client), Some(2.0), "the parent only orchestrates");
        assert_eq!(value(&found, "nbu_status_count{site=\"paris\",action=\"BACKUP\",status=\"0\"}"), Some(3.0));
        assert_eq!(value(&found, "nbu_jobs_state_count{site=\"paris\",action=\"BACKUP\",state=\"DONE\"}"), Some(4.0));
        assert_eq!(value(&found, "nbu_job_duration_seconds_count{"), Some(4.0));
        assert_eq!(
            value(
                &found,
                "nbu_job_duration_seconds_bucket{site=\"paris\",action=\"BACKUP\",policy_type=\"VMWARE\",le=\"3600.0\"}"
            ),
            Some(0.0)
        );

        window.observe(&done(1, Some(96), Some(50_000)), Reading::Follow);
        window.mark_gone(2);
        window.observe(&JobRow { job_type: "RESTORE".into(), ..done(5, Some(5), None) }, Reading::Follow);
        let found = text(&mut window);
        assert_eq!(value(&found, "nbu_jobs_dedup_ratio{"), Some(50.0), "{found}");
        assert_eq!(value(&found, "nbu_status_count{site=\"paris\",action=\"RESTORE\",status=\"0\"}"), Some(0.0));
        assert_eq!([count(&found, "0")[0], count(&found, "96")[0]], [Some(1.0), Some(1.0)]);

        window.settle(NOW + 48 * HOUR, NOW + 48 * HOUR);
        let found = text(&mut window);
        let left: Vec<_> = found.lines().filter(|line| !line.starts_with("nbu_job_duration_seconds")).collect();
        assert!(left.is_empty(), "{left:?}");
        let took = "nbu_job_duration_seconds_count{site=\"paris\",action=\"BACKUP\"";
        assert_eq!(value(&found, took), Some(4.0), "it only rises");
    }

    #[test]
    fn ratios_come_back_when_a_job_is_read_again_and_cost_nothing_where_nobody_wants_them() {
        let read = done(1, Some(0), Some(94_500));
        let mut kept = window(true);
        kept.observe(&read, Reading::Follow);
        let mut restarted = window(true);
        kept.everything(|part| {
            restarted.restore(part);
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(value(&text(&mut restarted), "nbu_jobs_dedup_ratio{"), None, "no file holds it");
        assert_eq!(value(&text(&mut restarted), "nbu_jobs_count{"), Some(1.0));
        restarted.observe(&read, Reading::Follow);
        assert_eq!(value(&text(&mut restarted), "nbu_jobs_dedup_ratio{"), Some(94.5));

        let mut unwanted = window(false);
        unwanted.observe(&read, Reading::Follow);
        assert!(unwanted.in_gauges().all(|(_, ratio)| ratio.is_none()));
    }

    #[test]
    fn queued_jobs_have_the_number_of_their_reason() {
        let mut window = window(false);
        let open = |id, state: &'static str, queue_reason| JobRow {
            state: state.into(),
            status: None,
            end_ms: None,
            queue_reason,
            ..done(id, None, None)
        };
        let rows = [
            open(1, "QUEUED", Some(2)),
            open(2, "QUEUED", Some(2)),
            open(3, "QUEUED", None),
            open(4, "ACTIVE", Some(0)),
        ];
        let list = rows.iter().map(|row| (row.id, window.unfinished_of(row))).collect();
        window.replace_unfinished(list);
        let found = text(&mut window);
        let queued = |reason| {
            value(&found, &format!("nbu_jobs_queued_count{{site=\"paris\",action=\"BACKUP\",reason=\"{reason}\"}}"))
        };
        assert_eq!([queued("2"), queued(""), queued("0")], [Some(2.0), Some(1.0), None]);
        assert_eq!(value(&found, "nbu_jobs_state_count{site=\"paris\",action=\"BACKUP\",state=\"ACTIVE\"}"), Some(1.0));
        assert!(!found.contains("nbu_jobs_count"), "what has not ended has no status");
    }
}
