//! Jobs as the API writes them: rows, queries, queue reasons.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess};

use super::attr::Attr;
use super::endpoint::Endpoint;
use super::paging::Cursor;
use super::walk::{Facts, TypedList};
use super::wire::{self, Item, Page, Record, Row};

/// What to read of the job list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobsQuery {
    /// An OData filter as the API takes it: `lastUpdateTime ge 2025-11-26T22:00:00.000Z`, dates bare, texts quoted.
    pub filter: Option<String>,
    /// One attribute, `-` in front for descending; `None`: the primary's own order.
    pub sort: Option<&'static str>,
    /// Rows per page; kept within 1 and 100, the API's maximum.
    pub limit: u16,
}

/// One page of jobs.
pub type JobsPage<'a> = Page<JobRow<'a>>;

/// One job, as far as it is used. A text that is missing is empty; anything else that is missing, wrong or absurd is
/// `None`. Words of the API are kept as they came, unknown ones too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobRow<'a> {
    /// `jobId`, above 0.
    pub id: u64,
    /// `QUEUED`, `ACTIVE`, `REQUEUED`, `DONE`, `SUSPENDED`, `INCOMPLETE`; never empty.
    pub state: Cow<'a, str>,
    /// Such as `BACKUP`.
    pub job_type: Cow<'a, str>,
    /// Such as `VMWARE`.
    pub policy_type: Cow<'a, str>,
    /// Name of the policy.
    pub policy_name: Cow<'a, str>,
    /// Name of the client.
    pub client_name: Cow<'a, str>,
    /// NetBackup status code; absent until a try has ended.
    pub status: Option<i64>,
    /// `startTime` in milliseconds since the epoch.
    pub start_ms: Option<i64>,
    /// `endTime` in milliseconds since the epoch.
    pub end_ms: Option<i64>,
    /// `lastUpdateTime` in milliseconds since the epoch.
    pub last_update_ms: Option<i64>,
    /// `jobQueueReason`; see [`queue_reason_name`].
    pub queue_reason: Option<i64>,
    /// `kilobytesTransferred`: the size of the image, estimated while the job runs.
    pub kilobytes_transferred: Option<u64>,
    /// `kilobytesDataTransferred`: what went over the wire.
    pub kilobytes_data_transferred: Option<u64>,
    /// `numberOfFiles`.
    pub files: Option<u64>,
    /// `dedupRatio` in thousandths: as NetBackup says it, in percent.
    pub dedup_ratio: Option<i32>,
    /// `childCount`: direct children; above 0 for a job that only orchestrates.
    pub child_count: Option<u64>,
    /// `parentJobId`, above 0; `None` for a root.
    pub parent_id: Option<u64>,
    /// `try`: the current attempt.
    pub r#try: Option<u32>,
}

impl JobRow<'_> {
    /// The same job, free of the page it came with.
    #[must_use]
    pub fn into_owned(self) -> JobRow<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        JobRow {
            state: own(self.state),
            job_type: own(self.job_type),
            policy_type: own(self.policy_type),
            policy_name: own(self.policy_name),
            client_name: own(self.client_name),
            ..self
        }
    }
}

/// Reads one page of the job list from the text of an answer, as the client does; for benches and fuzzing.
///
/// # Errors
/// Why the text is no such page.
pub fn read_jobs_page(body: &str) -> Result<JobsPage<'_>, String> {
    wire::list(body).map(|(page, _)| page)
}

/// Attributes as they stand in the row.
#[derive(Default)]
pub(crate) struct JobAttributes<'a> {
    id: Option<Attr<'a>>,
    state: Option<Attr<'a>>,
    job_type: Option<Attr<'a>>,
    policy_type: Option<Attr<'a>>,
    policy_name: Option<Attr<'a>>,
    client_name: Option<Attr<'a>>,
    status: Option<Attr<'a>>,
    start: Option<Attr<'a>>,
    end: Option<Attr<'a>>,
    last_update: Option<Attr<'a>>,
    queue_reason: Option<Attr<'a>>,
    kilobytes_transferred: Option<Attr<'a>>,
    kilobytes_data_transferred: Option<Attr<'a>>,
    files: Option<Attr<'a>>,
    dedup_ratio: Option<Attr<'a>>,
    child_count: Option<Attr<'a>>,
    parent_id: Option<Attr<'a>>,
    attempt: Option<Attr<'a>>,
}

impl<'de> Record<'de> for JobAttributes<'de> {
    fn field<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let field = match key {
            "jobId" => &mut self.id,
            "state" => &mut self.state,
            "jobType" => &mut self.job_type,
            "policyType" => &mut self.policy_type,
            "policyName" => &mut self.policy_name,
            "clientName" => &mut self.client_name,
            "status" => &mut self.status,
            "startTime" => &mut self.start,
            "endTime" => &mut self.end,
            "lastUpdateTime" => &mut self.last_update,
            "jobQueueReason" => &mut self.queue_reason,
            "kilobytesTransferred" => &mut self.kilobytes_transferred,
            "kilobytesDataTransferred" => &mut self.kilobytes_data_transferred,
            "numberOfFiles" => &mut self.files,
            "dedupRatio" => &mut self.dedup_ratio,
            "childCount" => &mut self.child_count,
            "parentJobId" => &mut self.parent_id,
            "try" => &mut self.attempt,
            _ => {
                map.next_value::<IgnoredAny>()?;
                return Ok(());
            }
        };
        *field = Some(map.next_value()?);
        Ok(())
    }
}

impl<'a> Row<'a> for JobRow<'a> {
    type Attributes = JobAttributes<'a>;

    fn from_item(item: Item<'a, JobAttributes<'a>>) -> Result<Self, &'static str> {
        let job = item.attributes.ok_or("it has no attributes")?;
        let text = |attr: Option<Attr<'a>>| attr.and_then(Attr::text).unwrap_or_default();
        let time = |attr: Option<Attr<'a>>| attr.and_then(Attr::time_ms);
        let count = |attr: Option<Attr<'a>>| attr.and_then(Attr::count);
        let state = text(job.state);
        if state.is_empty() {
            return Err("it has no state");
        }
        Ok(JobRow {
            id: count(job.id).filter(|id| *id > 0).ok_or("its jobId is no whole number above 0")?,
            state,
            job_type: text(job.job_type),
            policy_type: text(job.policy_type),
            policy_name: text(job.policy_name),
            client_name: text(job.client_name),
            status: job.status.and_then(Attr::integer),
            start_ms: time(job.start),
            end_ms: time(job.end),
            last_update_ms: time(job.last_update),
            queue_reason: job.queue_reason.and_then(Attr::integer),
            kilobytes_transferred: count(job.kilobytes_transferred),
            kilobytes_data_transferred: count(job.kilobytes_data_transferred),
            files: count(job.files),
            dedup_ratio: job.dedup_ratio.and_then(Attr::thousandths),
            child_count: count(job.child_count),
            parent_id: count(job.parent_id).filter(|id| *id > 0),
            r#try: count(job.attempt).and_then(|attempt| u32::try_from(attempt).ok()),
        })
    }
}

/// `/admin/jobs`.
pub(crate) enum Jobs {}

impl TypedList for Jobs {
    type Shape = Cursor;
    type Row<'a> = JobRow<'a>;
    // At most two million jobs.
    const FACTS: Facts = Facts { endpoint: Endpoint::Jobs, largest_page: 100, most_pages: 20_000 };
}

const QUEUE_REASONS: [&str; 32] = [
    "NONE",
    "MEDIA_IN_USE",
    "DRIVES_IN_USE",
    "MEDIA_SERVER_OFFLINE",
    "ROBOT_DOWN",
    "MAX_STORAGE_UNIT_JOBS",
    "MEDIA_REQUEST_DELAY",
    "LOCAL_DRIVES_DOWN",
    "MEDIA_IN_DRIVE_IN_USE",
    "PHYSICAL_DRIVE_UNAVAILABLE",
    "CLEANING_MEDIA_UNAVAILABLE",
    "DRIVE_SCAN_HOST_OFFLINE",
    "DISK_MEDIA_SERVER_OFFLINE",
    "NO_MASTER_MEDIA_CONNECTIVITY",
    "MEDIA_SERVER_NON_ACTIVE_MODE",
    "STORAGEUNIT_JOB_COUNTS_THROTTLED",
    "JOB_HISTORY_DRIVES_IN_USE",
    "DISK_VOLUME_UNAVAILABLE",
    "MAX_CONCURRENT_VOLUME_READERS",
    "DISK_GROUP_UNAVAILABLE",
    "FAT_PIPE_IN_USE",
    "DISK_VOLUME_UNMOUNTING",
    "DISK_VOLUME_IN_USE",
    "MAX_PARTIAL_MEDIA",
    "LOGICAL_RESOURCE",
    "DRIVES_IN_STORAGE_UNIT_IN_USE",
    "STOP_DRIVE_SCAN",
    "DISK_VOLUME_MOUNTING",
    "MOUNT_FILE_EXISTS",
    "PENDING_ACTION",
    "DISK_VOLUME_STREAM_LIMIT",
    "MEDIA_SERVER_JOBS_THROTTLED",
];

/// A queue reason in the API's words: 0 is `NONE`, one without a name is `CODE_<n>`.
#[must_use]
pub fn queue_reason_name(code: i64) -> Cow<'static, str> {
    let name = usize::try_from(code).ok().and_then(|code| QUEUE_REASONS.get(code));
    name.map_or_else(|| Cow::Owned(format!("CODE_{code}")), |name| Cow::Borrowed(*name))
}
