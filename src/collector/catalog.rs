//! The catalog: images of the last `lookback` by what malware scans and anomaly detection say of them (`/catalog/images`,
//! every page of that window), and when the catalog itself was last backed up (`/admin/jobs`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::series::{Bounded, Once, seconds};
use super::tally::count;
use super::whole::{Reading, Source};
use super::{About, compat};
use crate::clock::{from_unix_ms, rfc3339};
use crate::config;
use crate::exposition::{Family, Kind, Rendered};
use crate::netbackup::lists::images::{Image, Images};
use crate::netbackup::{Endpoint, Error, JobRow, JobsPage, JobsQuery, Listing};

/// States of a kind that are told apart: seven are published.
const MOST_STATES: usize = 20;
/// Policy types that are told apart: some fifty are published.
const MOST_TYPES: usize = 100;

/// Images.
pub static IMAGES: Family = Family {
    name: "netbackup_catalog_images",
    kind: Kind::Gauge,
    help: "Images whose backup began within netbackup_catalog_window_seconds before the last poll, by malware status (malwareStatus; before 11.0 malwareScanResult) and anomaly status (empty before 10.5).",
    labels: &["site", "malware_status", "anomaly_status"],
};

/// Their size.
pub static IMAGE_BYTES: Family = Family {
    name: "netbackup_catalog_image_bytes",
    kind: Kind::Gauge,
    help: "Size of the images of netbackup_catalog_images at the last poll (kbytes x 1024), by policy type in the words of the catalog, such as MS-Windows.",
    labels: &["site", "policy_type"],
};

/// The window.
pub static WINDOW: Family = Family {
    name: "netbackup_catalog_window_seconds",
    kind: Kind::Gauge,
    help: "How far the catalog metrics looked back from the last poll: the configured lookback.",
    labels: &["site"],
};

/// The last good backup of the catalog.
pub static LAST_SUCCESS: Family = Family {
    name: "netbackup_catalog_backup_last_success_timestamp_seconds",
    kind: Kind::Gauge,
    help: "End of the newest backup of the catalog (policy type NBU_CATALOG) with status 0 that the primary has listed at any poll, in Unix time. Without a state directory a restart of the exporter forgets one that is listed no more.",
    labels: &["site"],
};

/// The last one of any outcome.
pub static LAST_ATTEMPT: Family = Family {
    name: "netbackup_catalog_backup_last_attempt_timestamp_seconds",
    kind: Kind::Gauge,
    help: "End of the newest backup of the catalog (policy type NBU_CATALOG) of any status that the primary has listed at any poll, in Unix time. Without a state directory a restart of the exporter forgets one that is listed no more.",
    labels: &["site"],
};

/// See [`About`].
pub static ABOUT: About = About {
    name: "catalog",
    title: "Catalog",
    endpoints: &[Endpoint::Images, Endpoint::Jobs, Endpoint::JobsCount],
    releases: "all; anomaly status 10.5 and later",
    cardinality: "one series per pair of malware and anomaly status that occurs, one per policy type, three besides",
    cost: "a request per 100 images of the lookback, and one or two for the jobs that back up the catalog",
    families: &[&LAST_ATTEMPT, &LAST_SUCCESS, &IMAGE_BYTES, &IMAGES, &WINDOW],
};

/// The source.
pub struct Catalog {
    window: Duration,
    /// The newest backups that were ever listed: a primary deletes jobs after some days, the last good backup among them,
    /// and an alert on its age must not end with that.
    known: Mutex<Backups>,
}

impl Catalog {
    /// Of one site.
    #[must_use]
    pub fn new(site: &config::Site) -> Catalog {
        Catalog { window: site.poll.lookback, known: Mutex::default() }
    }
}

impl Source for Catalog {
    const ABOUT: &'static About = &ABOUT;

    fn read<'a>(&'a self, reading: &'a mut Reading<'_>) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            self.read_backups(reading).await?;
            let now = reading.client.server_now_ms().await?;
            let (filter, mut tally) = (window(now, self.window), Tally::default());
            let listing = Listing { filter: Some(&filter), ..Listing::ALL };
            if reading.list::<Images>(listing, |image| tally.add(&image.id, &image)).await?.is_some() {
                reading.reject(tally.once.nameless, tally.once.why());
                reading.page.gauge(&WINDOW, &[], self.window.as_secs_f64());
                tally.write(reading);
            }
            Ok(())
        }
        .boxed()
    }

    fn is_bounded(&self) -> bool {
        false
    }
}

/// Both bounds: each of them has a default of its own.
fn window(now: i64, length: Duration) -> String {
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let literal = |unix_ms: i64| {
        let moment = u64::try_from(unix_ms).ok().and_then(from_unix_ms);
        rfc3339(moment.unwrap_or(std::time::SystemTime::UNIX_EPOCH))
    };
    format!("backupTime ge {} and backupTime le {}", literal(now.saturating_sub(length)), literal(now))
}

/// What the images of a window come to. Rows are counted, not asked for by status: the filter does not know every status.
#[derive(Debug)]
struct Tally {
    /// By malware and anomaly status.
    images: BTreeMap<[String; 2], u64>,
    /// By policy type, of those images that say it.
    bytes: BTreeMap<String, u64>,
    labels: [Bounded; 3],
    once: Once,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            images: BTreeMap::new(),
            bytes: BTreeMap::new(),
            labels: [MOST_STATES, MOST_STATES, MOST_TYPES].map(Bounded::new),
            once: Once::default(),
        }
    }
}

impl Tally {
    fn add(&mut self, id: &str, image: &Image<'_>) {
        if !self.once.is_new(id) {
            return;
        }
        let [malware_labels, anomaly_labels, type_labels] = &mut self.labels;
        let malware = if image.malware_status.is_empty() { &image.malware_scan_result } else { &image.malware_status };
        let status = [malware_labels.label(malware), anomaly_labels.label(&image.anomaly_status)].map(str::to_owned);
        count(&mut self.images, status, 1);
        if let Some(kilobytes) = image.kilobytes {
            let policy_type = type_labels.label(&image.policy_type).to_owned();
            count(&mut self.bytes, policy_type, kilobytes.saturating_mul(1024));
        }
    }

    fn write(self, reading: &mut Reading<'_>) {
        for ([malware, anomaly], count) in self.images {
            reading.page.gauge(&IMAGES, &[&malware, &anomaly], count);
            reading.go_gauge(&compat::CATALOG_IMAGES, &[&malware, &anomaly], count);
        }
        for (policy_type, bytes) in self.bytes {
            reading.page.gauge(&IMAGE_BYTES, &[&policy_type], bytes);
        }
    }
}

/// The newest ends of backups of the catalog, Unix milliseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Backups {
    attempt: Option<i64>,
    success: Option<i64>,
}

impl Backups {
    /// Those of a page that was rendered before.
    fn of(published: &Rendered) -> Backups {
        #[expect(clippy::cast_possible_truncation, reason = "a time, in the milliseconds that it was made of")]
        let end = |family| published.value(family).map(|seconds| (seconds * 1000.0).round() as i64);
        Backups { attempt: end(&LAST_ATTEMPT), success: end(&LAST_SUCCESS) }
    }

    fn newest(self, other: Backups) -> Backups {
        Backups { attempt: self.attempt.max(other.attempt), success: self.success.max(other.success) }
    }

    /// Of jobs of such a policy only those that write a backup count, not copies and clean-up, and of those only the one
    /// that stands for all: a part may succeed where the whole fails.
    fn add(&mut self, job: &JobRow<'_>) {
        let is_backup = matches!(&*job.job_type, "DBBACKUP" | "BACKUP") && job.parent_id.is_none();
        let Some(end) = job.end_ms.filter(|_| is_backup) else { return };
        self.attempt = self.attempt.max(Some(end));
        if job.status == Some(0) {
            self.success = self.success.max(Some(end));
        }
    }
}

impl Catalog {
    /// Adds what was found, and says what is known.
    fn remember(&self, found: Backups) -> Backups {
        // Two times are right after a panic too.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.newest(found);
        *known
    }

    /// Where the key may not see jobs the list may be empty instead of denied: then nothing is added.
    async fn read_backups(&self, reading: &mut Reading<'_>) -> Result<(), Error> {
        if let Some(published) = &reading.published {
            self.remember(Backups::of(published));
        }
        let (client, mut backups) = (reading.client, Backups::default());
        // Successes are asked for apart only where there are too many newer failures to see one.
        for and_status in ["", " and status eq 0"] {
            let filter = format!("policyType eq 'NBU_CATALOG' and state eq 'DONE'{and_status}");
            let query = JobsQuery { filter: Some(filter), sort: Some("-endTime"), limit: 100 };
            let mut why = None;
            let mut take = |page: JobsPage<'_>| {
                page.rows.iter().for_each(|job| backups.add(job));
                why = page.first_rejection;
            };
            let listed = client.jobs_page(&query, &mut take).await;
            let Some(walk) = reading.part(Endpoint::Jobs, listed)? else { return Ok(()) };
            reading.reject(walk.rejected, why);
            // A key that may not see jobs may be shown an empty list instead of being told.
            if walk.rows == 0 && and_status.is_empty() {
                let counted = client.count_jobs(None).await;
                if reading.part(Endpoint::JobsCount, counted)?.is_none() {
                    return Ok(());
                }
            }
            if backups.success.is_some() || !walk.more {
                break;
            }
        }
        let known = self.remember(backups);
        for (family, end) in [(&LAST_ATTEMPT, known.attempt), (&LAST_SUCCESS, known.success)] {
            if let Some(end) = end {
                reading.page.gauge(family, &[], seconds(end));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
