//! Tape under the names of the Go exporter.

use std::collections::BTreeMap;

use super::Snapshot;
use crate::collector::compat;
use crate::collector::tally::count;
use crate::collector::whole::Reading;

pub(super) fn write(snapshot: &Snapshot, reading: &mut Reading<'_>) {
    if !reading.go_names() {
        return;
    }
    let mut drives: BTreeMap<[&str; 3], u64> = BTreeMap::new();
    for (name, drive) in snapshot.drives.iter().flatten() {
        count(&mut drives, [&drive.drive_type, &drive.robot_type, &drive.status], 1);
        let info = [name, &drive.media_server, &drive.drive_type, &drive.robot_number, &drive.status];
        reading.go_gauge(&compat::TAPE_DRIVE_INFO, &info.map(String::as_str), 1.0);
    }
    for (labels, drives) in drives {
        reading.go_gauge(&compat::TAPE_DRIVES, &labels, drives);
    }
    let mut media: BTreeMap<[&str; 3], u64> = BTreeMap::new();
    for (group, tally) in snapshot.media.iter().flat_map(|read| &read.media.groups) {
        count(&mut media, [&group.pool, &group.media_type, &group.robot_type], tally.media);
    }
    for (labels, media) in media {
        reading.go_gauge(&compat::TAPE_MEDIA, &labels, media);
    }
    if let Some(hosts) = snapshot.device_hosts {
        reading.go_gauge(&compat::TAPE_ROBOT_HOSTS, &[], u64::try_from(hosts).unwrap_or(u64::MAX));
    }
    for (name, pool) in snapshot.pools.iter().flatten() {
        if let Some(partially_full) = pool.partially_full {
            reading.go_gauge(&compat::TAPE_POOL_PARTIALLY_FULL, &[name, &pool.pool_type], partially_full);
        }
    }
}
