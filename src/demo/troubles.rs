//! What goes wrong in the demo: clients without a good backup and jobs that do not end. Chance alone makes only jobs
//! that end within minutes.

use crate::simulator::{Control, Job, Word};

const HOUR_MS: i64 = 3_600_000;

/// A client's nights: how many hours ago its backup ended, and with which status.
type Nights = &'static [(i64, i64)];

/// Client, policy, policy type. Not those of the simulated world, whose jobs would bring the missing success by chance.
type Of = (&'static str, &'static str, &'static str);

const CLIENTS: [(Of, Nights); 3] = [
    // Nobody can connect to it: it has never had a backup.
    (("legacy-07.example.com", "unix-legacy", "STANDARD"), &[(79, 58), (55, 58), (31, 58), (7, 58)]),
    // Its last good backup is more than three days old, and it fails since.
    (("erp-db-02.example.com", "ora-erp", "OBACKUP"), &[(82, 0), (58, 6), (34, 6), (10, 6)]),
    // Nothing has failed: its backup was not even started last night.
    (("branch-03.example.com", "win-branches", "WINDOWS_NT"), &[(88, 0), (64, 0), (40, 0)]),
];

/// Puts them into a world before anybody has looked.
pub(super) fn happen(control: &Control) {
    let now = control.now();
    for (of, nights) in CLIENTS {
        for (hours, status) in nights {
            let end = now - hours * HOUR_MS;
            let kilobytes = if *status == 0 { 48_000_000 } else { 0 };
            control.insert_job(Job {
                state: Some(Word::Borrowed("DONE")),
                status: Some(*status),
                percent: 100,
                kilobytes: Some(kilobytes),
                kilobytes_data: Some(kilobytes / 8),
                files: Some(kilobytes / 1_000),
                end: Some(end),
                last_update: Some(end),
                ..tried(of, end - HOUR_MS / 2)
            });
        }
    }
    let [_, (erp, _), _] = CLIENTS;
    let waits = Job {
        // Drives are in use.
        queue_reason: Some(2),
        queue_resource: "stu-tape-005".into(),
        storage_unit: "stu-tape-005".into(),
        ..queued(erp, now - 3 * HOUR_MS)
    };
    let filer = ("filer-02.example.com", "nas-archive", "NDMP");
    let runs = Job {
        state: Some(Word::Borrowed("ACTIVE")),
        operation: 3,
        percent: 71,
        kilobytes: Some(6_400_000_000),
        kilobytes_data: Some(6_400_000_000),
        ..tried(filer, now - 30 * HOUR_MS)
    };
    let files = ("files-09.example.com", "unix-archive", "STANDARD");
    let stopped =
        Job { state: Some(Word::Borrowed("INCOMPLETE")), status: Some(13), ..tried(files, now - 26 * HOUR_MS) };
    for job in [waits, runs, stopped] {
        control.insert_job(job);
    }
}

fn queued((client, policy, policy_type): Of, start: i64) -> Job {
    Job {
        policy_type: Some(Word::Borrowed(policy_type)),
        policy_name: policy.into(),
        client_name: client.into(),
        workload: client.into(),
        storage_unit: "stu-msdp-000".into(),
        start: Some(start),
        last_update: Some(start),
        ..Job::default()
    }
}

fn tried(of: Of, start: i64) -> Job {
    Job { attempt: 1, try_start: Some(start), ..queued(of, start) }
}
