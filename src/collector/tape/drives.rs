//! Drives: what is kept of each, and the series that they make.

use std::collections::{BTreeMap, BTreeSet};

use super::families::{ALERT, DRIVE_PATHS, DRIVE_STATUS, DRIVES, HOST_PATHS, INFO, LAST_CLEANING, NEEDS_CLEANING};
use super::robot_number;
use crate::collector::series::{flag, number, put, seconds, state_set};
use crate::collector::tally::count;
use crate::exposition::Page;
use crate::netbackup::lists::tape;

const STATUSES: [&str; 4] = ["DRIVE_STATUS_UP", "DRIVE_STATUS_DOWN", "DRIVE_STATUS_MIXED", "DRIVE_STATUS_DISABLED"];

/// Drives by name.
pub(super) type Drives = BTreeMap<String, Drive>;

/// A drive; a text that NetBackup does not report is empty.
#[derive(Debug, Default)]
pub(super) struct Drive {
    pub(super) drive_type: String,
    pub(super) robot_type: String,
    pub(super) robot_number: String,
    pub(super) status: String,
    pub(super) control: String,
    /// The media server; `<multiple>` where there are several.
    pub(super) media_server: String,
    serial_number: String,
    shared: Option<bool>,
    needs_cleaning: Option<bool>,
    /// Unix milliseconds.
    last_cleaning: Option<i64>,
    alerts: BTreeSet<String>,
    /// How many there are, by media server and status.
    paths: BTreeMap<(String, String), u64>,
}

impl From<&tape::Drive<'_>> for Drive {
    fn from(drive: &tape::Drive<'_>) -> Drive {
        // The published words end in a comma, by mistake.
        let alerts = [&drive.first_alert, &drive.second_alert].map(|alert| alert.trim_end_matches(',').to_owned());
        let mut paths = BTreeMap::new();
        for path in &drive.paths {
            count(&mut paths, (path.device_host.clone().into_owned(), path.status.clone().into_owned()), 1);
        }
        let comment = drive.cleaning_comment.and_then(crate::netbackup::Attr::text);
        Drive {
            drive_type: drive.drive_type.clone().into_owned(),
            robot_type: drive.robot_type.clone().into_owned(),
            robot_number: robot_number(drive.robot_number),
            status: drive.status.clone().into_owned(),
            control: drive.control.clone().into_owned(),
            media_server: drive.device_host.clone().into_owned(),
            serial_number: drive.serial_number.clone().into_owned(),
            shared: drive.shared,
            needs_cleaning: comment.map(|comment| comment.contains("NEEDS CLEANING")),
            last_cleaning: drive.last_cleaning,
            alerts: alerts.into_iter().filter(|alert| !alert.is_empty()).collect(),
            paths,
        }
    }
}

/// The series of all drives.
pub(super) fn write(drives: &Drives, page: &mut Page) {
    let mut by_kind: BTreeMap<[&str; 5], u64> = BTreeMap::new();
    let mut by_host: BTreeMap<[&str; 2], u64> = BTreeMap::new();
    for (name, drive) in drives {
        let Drive { drive_type, robot_type, robot_number, status, control, media_server, serial_number, .. } = drive;
        count(&mut by_kind, [drive_type, robot_type, robot_number, status, control], 1);
        let shared = flag(drive.shared);
        page.gauge(&INFO, &[name, drive_type, robot_type, robot_number, media_server, serial_number, shared], 1.0);
        if !status.is_empty() {
            state_set(page, &DRIVE_STATUS, &[name], &STATUSES, status);
        }
        let mut by_status: BTreeMap<&str, u64> = BTreeMap::new();
        for ((host, status), paths) in &drive.paths {
            count(&mut by_status, status, *paths);
            count(&mut by_host, [host, status], *paths);
        }
        for (status, paths) in by_status {
            page.gauge(&DRIVE_PATHS, &[name, status], number(paths));
        }
        put(page, &NEEDS_CLEANING, &[name], drive.needs_cleaning.map(f64::from));
        put(page, &LAST_CLEANING, &[name], drive.last_cleaning.map(seconds));
        for alert in &drive.alerts {
            page.gauge(&ALERT, &[name, alert], 1.0);
        }
    }
    for (labels, drives) in by_kind {
        page.gauge(&DRIVES, &labels, number(drives));
    }
    for (labels, paths) in by_host {
        page.gauge(&HOST_PATHS, &labels, number(paths));
    }
}
