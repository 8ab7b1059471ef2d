//! What is made of snapshots, from lines as the collectors write them.

use super::*;
use crate::collector;
use crate::exposition::{Family, Page};
use crate::server::page::panels::{FULL, SUCCESS_RATIO};
use crate::server::page::verdict::CLOCK_OFFSET_SECONDS;

fn family(name: &str) -> &'static Family {
    collector::families().find(|family| family.name == name).unwrap_or_else(|| panic!("no collector has {name}"))
}

/// A snapshot of samples: family, labels after `site`, value.
fn snapshot(samples: &[(&str, &[&str], f64)]) -> Rendered {
    let mut page = Page::new("paris");
    samples.iter().for_each(|(name, labels, value)| page.gauge(family(name), labels, *value));
    let rendered = page.finish();
    assert_eq!(rendered.series(), samples.len(), "each sample is what its family takes");
    rendered
}

const NOW: f64 = 1_800_000_000.0;

#[test]
fn jobs_are_told_by_state_type_reason_and_outcome() {
    let jobs = Jobs::read(
        &snapshot(&[
            ("netbackup_jobs", &["BACKUP", "VMWARE", "ACTIVE"], 2.0),
            ("netbackup_jobs", &["BACKUP", "STANDARD", "ACTIVE"], 3.0),
            ("netbackup_jobs", &["RESTORE", "STANDARD", "ACTIVE"], 1.0),
            ("netbackup_jobs", &["BACKUP", "VMWARE", "QUEUED"], 4.0),
            ("netbackup_jobs", &["DUPLICATE", "", "SUSPENDED"], 1.0),
            ("netbackup_jobs_queued", &["BACKUP", "DRIVES_IN_USE"], 1.0),
            ("netbackup_jobs_queued", &["DUPLICATE", "DRIVES_IN_USE"], 1.0),
            ("netbackup_jobs_queued", &["BACKUP", "odd \"\\\n"], 3.0),
            ("netbackup_jobs_oldest_start_timestamp_seconds", &["BACKUP", "ACTIVE"], NOW - 9_000.0),
            ("netbackup_jobs_oldest_start_timestamp_seconds", &["BACKUP", "QUEUED"], NOW - 90.0),
            ("netbackup_jobs_oldest_start_timestamp_seconds", &["DUPLICATE", "QUEUED"], NOW - 600.0),
            ("netbackup_lookback_seconds", &[], 86_400.0),
            ("netbackup_lookback_jobs", &["BACKUP", "VMWARE", "0"], 90.0),
            ("netbackup_lookback_jobs", &["BACKUP", "STANDARD", "1"], 5.0),
            ("netbackup_lookback_jobs", &["BACKUP", "STANDARD", "150"], 1.0),
            ("netbackup_lookback_jobs", &["BACKUP", "STANDARD", ""], 1.0),
            ("netbackup_lookback_jobs", &["BACKUP", "STANDARD", "96"], 1.0),
            ("netbackup_lookback_jobs", &["BACKUP", "VMWARE", "6"], 1.0),
            ("netbackup_lookback_jobs", &["BACKUP", "STANDARD", "6"], 1.0),
            ("netbackup_lookback_jobs", &["DUPLICATE", "STANDARD", "13"], 50.0),
        ]),
        NOW,
    );
    let text = |list: &[(String, f64)]| list.iter().map(|(name, count)| format!("{name}={count}")).collect::<Vec<_>>();
    assert_eq!((jobs.active, jobs.queued), (6.0, 4.0));
    assert_eq!(text(&jobs.others), ["SUSPENDED=1"]);
    assert_eq!(text(&jobs.types), ["BACKUP=5", "RESTORE=1"]);
    assert_eq!(text(&jobs.reasons), ["odd \"\\\n=3", "DRIVES_IN_USE=2"]);
    assert_eq!(jobs.oldest_queued, Some(Duration::from_secs(600)));
    let Night { window, succeeded, partial, failed, cancelled, unknown, ref codes } = jobs.night;
    assert_eq!(window, Some(Duration::from_secs(86_400)));
    assert_eq!((succeeded, partial, failed, cancelled, unknown), (90.0, 5.0, 3.0, 1.0, 1.0));
    assert_eq!(text(codes), ["6=2", "96=1"], "of backups only");
    assert_eq!(jobs.night.total(), 100.0);

    let none = Jobs::read(&Rendered::default(), NOW);
    assert_eq!((none.active, none.oldest_queued, none.night.total()), (0.0, None, 0.0));
}

#[test]
fn a_disk_counts_once_however_many_units_lie_on_it() {
    let info = |pool| ["MSDP", pool, "DISK", "DiskPool", "PureDisk", "false", "", "", "", ""];
    let unit = |name: &'static str, pool: &'static str| [&[name][..], &info(pool)].concat();
    let [a, b, c] = [unit("a", "P:one"), unit("b", "P:one"), unit("c", "")];
    let units = snapshot(&[
        ("netbackup_storage_unit_info", &a, 1.0),
        ("netbackup_storage_unit_info", &b, 1.0),
        ("netbackup_storage_unit_info", &c, 1.0),
        ("netbackup_storage_unit_used_bytes", &["a", "MSDP"], 50.0),
        ("netbackup_storage_unit_used_bytes", &["b", "MSDP"], 50.0),
        ("netbackup_storage_unit_used_bytes", &["c", "BASIC_DISK"], 9.0),
        ("netbackup_storage_unit_used_bytes", &["cloud", "CLOUD"], 9.0),
        ("netbackup_storage_unit_capacity_bytes", &["a", "MSDP"], 100.0),
        ("netbackup_storage_unit_capacity_bytes", &["b", "MSDP"], 100.0),
        ("netbackup_storage_unit_capacity_bytes", &["c", "BASIC_DISK"], 10.0),
        ("netbackup_storage_unit_capacity_bytes", &["empty", "BASIC_DISK"], 0.0),
        ("netbackup_storage_unit_used_bytes", &["empty", "BASIC_DISK"], 0.0),
    ]);
    let pools = snapshot(&[
        ("netbackup_disk_pool_info", &["P:one", "MSDP", "one", "PureDisk", "", ""], 1.0),
        ("netbackup_disk_pool_info", &["P:two", "MSDP", "two", "PureDisk", "", ""], 1.0),
        ("netbackup_disk_pool_used_bytes", &["P:one", "MSDP"], 50.0),
        ("netbackup_disk_pool_used_bytes", &["P:two", "MSDP"], 7.0),
        ("netbackup_disk_pool_usable_bytes", &["P:one", "MSDP"], 100.0),
        ("netbackup_disk_pool_usable_bytes", &["P:two", "MSDP"], 10.0),
    ]);
    let names = |units, pools| -> Vec<String> {
        let fills = storage::fullest(units, pools);
        fills.iter().map(|fill| format!("{} +{} {:.0}%", fill.name, fill.others, fill.ratio() * 100.0)).collect()
    };
    assert_eq!(names(Some(&units), None), ["c +0 90%", "a +1 50%"]);
    assert_eq!(names(None, Some(&pools)), ["two +0 70%", "one +0 50%"]);
    assert_eq!(names(Some(&units), Some(&pools)), ["c +0 90%", "two +0 70%", "a +1 50%"]);
}

#[test]
fn clients_are_overdue_by_policy() {
    const SUCCESS: &str = "netbackup_client_last_success_timestamp_seconds";
    const ATTEMPT: &str = "netbackup_client_last_attempt_timestamp_seconds";
    let clients = Clients::read(
        &snapshot(&[
            (ATTEMPT, &["web01", "daily", "BACKUP"], NOW),
            (ATTEMPT, &["web01", "weekly", "BACKUP"], NOW),
            (ATTEMPT, &["db01", "oracle", "BACKUP"], NOW),
            (ATTEMPT, &["new", "daily", "BACKUP"], NOW),
            (ATTEMPT, &["fs01", "", "RESTORE"], NOW),
            (SUCCESS, &["web01", "daily", "BACKUP"], NOW - 3_600.0),
            (SUCCESS, &["web01", "weekly", "BACKUP"], NOW - 200_000.0),
            (SUCCESS, &["db01", "oracle", "BACKUP"], NOW - 129_600.0),
            (SUCCESS, &["new", "daily", "RESTORE"], NOW),
        ]),
        NOW,
    );
    assert_eq!((clients.tried, clients.overdue, clients.without), (3, 1, 1));
    let worst: Vec<_> = clients.worst.iter().map(|late| (&*late.client, &*late.policy, late.age)).collect();
    let age = Some(Duration::from_secs(200_000));
    assert_eq!(worst, [("web01", "weekly", age), ("new", "daily", None)]);
}

/// Every family and label that is read exists: a name that nobody writes would show nothing, and look well.
#[test]
fn what_is_read_is_what_collectors_write() {
    for source in [include_str!("jobs.rs"), include_str!("storage.rs"), include_str!("clients.rs")] {
        for name in source.split('"').filter(|text| text.starts_with("netbackup_")) {
            family(name);
        }
    }
}

#[test]
fn limits_are_those_of_the_alerts() {
    let thresholds = include_str!("../../../../alerts/thresholds.yml");
    for (name, value) in [
        ("clock_offset_seconds", CLOCK_OFFSET_SECONDS),
        ("backup_success_ratio", SUCCESS_RATIO),
        ("storage_used_ratio", FULL),
        ("client_overdue_seconds", OVERDUE_SECONDS as f64),
    ] {
        let rule = format!("netbackup:threshold:{name}\n        expr: group by (site) (netbackup_up) * {value}\n");
        assert!(thresholds.contains(&rule), "{rule}");
    }
}
