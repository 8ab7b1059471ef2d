//! A job as the primary holds it, and as the API shows it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::time::{iso, iso_duration, parse_iso};

/// A short text: a word of the API's own, or one that a test made up.
pub type Word = Cow<'static, str>;

/// The media server that every job names.
const MEDIA_SERVER: &str = "nbumedia01.example.com";

/// Attributes that a real row carries too, though nothing here fills them: rows are as long as real ones.
const EMPTY_TEXTS: [&str; 18] = [
    "assetID",
    "instanceDatabaseName",
    "controlHost",
    "jobGroup",
    "backupId",
    "sourceMediaId",
    "sourceStorageUnitName",
    "sourceMediaServerName",
    "destinationMediaId",
    "robotName",
    "vaultName",
    "profileName",
    "dumpHost",
    "currentFile",
    "auditUserName",
    "auditDomainName",
    "restoreBackupIDs",
    // Not declared in the published schema, yet seen: a client must ignore what it does not know.
    "initiatorId",
];

const ZEROS: [&str; 16] = [
    "mainProcessId",
    "streamNumber",
    "copyNumber",
    "priority",
    "retentionLevel",
    "compression",
    "estimatedFiles",
    "kilobytesToTransfer",
    "suspendable",
    "resumable",
    "frozenImage",
    "sessionId",
    "numberOfTapeToEject",
    "submissionType",
    "auditDomainType",
    "acceleratorOptimization",
];

const FIXED_WORDS: [(&str, &str); 5] = [
    ("applicationType", "NONE"),
    ("dataMovement", "STANDARD"),
    ("offHostType", "STANDARD"),
    ("transportType", "LAN"),
    ("dteMode", "OFF"),
];

const RATIOS: [(&str, f64); 3] = [("dedupRatio", 94.5), ("dedupSpaceRatio", 93.0), ("compressionSpaceRatio", 0.0)];

/// A job. The same type holds the world's own jobs, those that a test puts in, and what [`super::Truth`] reports.
/// Times are milliseconds since the epoch, amounts are as the API names them.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// `jobId`.
    pub id: i64,
    /// `parentJobId`, 0 for a root.
    pub parent_id: i64,
    /// `childCount`.
    pub child_count: i64,
    /// `jobType`; `None`: the attribute is missing.
    pub job_type: Option<Word>,
    /// `jobSubType`.
    pub job_sub_type: Word,
    /// `policyType`; `None`: the attribute is missing.
    pub policy_type: Option<Word>,
    /// `policyName`.
    pub policy_name: Arc<str>,
    /// `scheduleType`.
    pub schedule_type: Word,
    /// `scheduleName`.
    pub schedule_name: Word,
    /// `clientName`.
    pub client_name: Arc<str>,
    /// `workloadDisplayName`.
    pub workload: Arc<str>,
    /// `destinationStorageUnitName`.
    pub storage_unit: Arc<str>,
    /// `state`; `None` only where a test put in a row without one.
    pub state: Option<Word>,
    /// `status`; missing until a try has ended.
    pub status: Option<i64>,
    /// `try`, the number of the current attempt.
    pub attempt: i64,
    /// `percentComplete`.
    pub percent: i64,
    /// `kilobytesTransferred`.
    pub kilobytes: Option<i64>,
    /// `kilobytesDataTransferred`.
    pub kilobytes_data: Option<i64>,
    /// `numberOfFiles`.
    pub files: Option<i64>,
    /// `jobQueueReason`.
    pub queue_reason: Option<i64>,
    /// `jobQueueResource`.
    pub queue_resource: Arc<str>,
    /// `currentOperation`.
    pub operation: i64,
    /// `startTime`.
    pub start: Option<i64>,
    /// `endTime`; only for jobs that have ended.
    pub end: Option<i64>,
    /// `activeTryStartTime`.
    pub try_start: Option<i64>,
    /// `lastUpdateTime`.
    pub last_update: Option<i64>,
}

impl Default for Job {
    /// An empty queued job with id 0: a test names what it cares about.
    fn default() -> Job {
        let empty: Arc<str> = Arc::from("");
        Job {
            id: 0,
            parent_id: 0,
            child_count: 0,
            job_type: Some(Word::Borrowed("BACKUP")),
            job_sub_type: Word::Borrowed("SCHEDULED"),
            policy_type: Some(Word::Borrowed("STANDARD")),
            policy_name: Arc::clone(&empty),
            schedule_type: Word::Borrowed("FULL_BACKUP"),
            schedule_name: Word::Borrowed("full"),
            client_name: Arc::clone(&empty),
            workload: Arc::clone(&empty),
            storage_unit: Arc::clone(&empty),
            state: Some(Word::Borrowed("QUEUED")),
            status: None,
            attempt: 0,
            percent: 0,
            kilobytes: Some(0),
            kilobytes_data: Some(0),
            files: Some(0),
            queue_reason: Some(0),
            queue_resource: empty,
            operation: 0,
            start: None,
            end: None,
            try_start: None,
            last_update: None,
        }
    }
}

impl Job {
    /// Whether the state is `DONE`.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state.as_deref() == Some("DONE")
    }

    /// What can be read from a row that a test put in as JSON: each attribute of the right type, the others missing.
    /// `None` where there is no number to know it by.
    pub(crate) fn from_resource(resource: &Value) -> Option<Job> {
        let attribute = |name: &str| resource.get("attributes").and_then(|attributes| attributes.get(name));
        let int = |name: &str| attribute(name).and_then(Value::as_i64);
        let text = |name: &str| attribute(name).and_then(Value::as_str);
        let word = |name: &str| text(name).map(|text| Word::Owned(text.to_owned()));
        let name = |name: &str| Arc::from(text(name).unwrap_or_default());
        let time = |name: &str| text(name).and_then(parse_iso);
        let by_resource = || resource.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        Some(Job {
            id: int("jobId").or_else(by_resource)?,
            parent_id: int("parentJobId").unwrap_or_default(),
            child_count: int("childCount").unwrap_or_default(),
            job_type: word("jobType"),
            job_sub_type: word("jobSubType").unwrap_or_default(),
            policy_type: word("policyType"),
            policy_name: name("policyName"),
            schedule_type: word("scheduleType").unwrap_or_default(),
            schedule_name: word("scheduleName").unwrap_or_default(),
            client_name: name("clientName"),
            workload: name("workloadDisplayName"),
            storage_unit: name("destinationStorageUnitName"),
            state: word("state"),
            status: int("status"),
            attempt: int("try").unwrap_or_default(),
            percent: int("percentComplete").unwrap_or_default(),
            kilobytes: int("kilobytesTransferred"),
            kilobytes_data: int("kilobytesDataTransferred"),
            files: int("numberOfFiles"),
            queue_reason: int("jobQueueReason"),
            queue_resource: name("jobQueueResource"),
            operation: int("currentOperation").unwrap_or_default(),
            start: time("startTime"),
            end: time("endTime"),
            try_start: time("activeTryStartTime"),
            last_update: time("lastUpdateTime"),
        })
    }

    /// Milliseconds from the start to the end, or to `now` while it has not ended: computed when read, so it ages
    /// without `lastUpdateTime` moving.
    pub(crate) fn elapsed(&self, now: i64) -> i64 {
        self.start.map_or(0, |start| self.end.unwrap_or(now).saturating_sub(start)).max(0)
    }

    /// As [`Job::elapsed`], of the current try.
    pub(crate) fn active_elapsed(&self, now: i64) -> i64 {
        self.try_start.map_or(0, |start| self.end.unwrap_or(now).saturating_sub(start)).max(0)
    }

    /// `jobPath`, the ids from the root to this job.
    pub(crate) fn path(&self) -> String {
        if self.parent_id == 0 { self.id.to_string() } else { format!("{}.{}", self.parent_id, self.id) }
    }

    /// Writes the attributes as the API shows them at `now`, as a JSON object. With `epoch_ends`, jobs that have not
    /// ended carry the epoch as `endTime`, as some real primaries do. Text is written at once, without a tree of
    /// values in between: a page of a hundred rows has 7,500 of them.
    pub(crate) fn write_attributes(&self, out: &mut String, now: i64, epoch_ends: bool) {
        let done = self.is_done();
        let active = self.state.as_deref() == Some("ACTIVE");
        let seconds = self.active_elapsed(now) / 1000;
        let numbers: [(&str, Option<i64>); 17] = [
            ("jobId", Some(self.id)),
            ("parentJobId", Some(self.parent_id)),
            ("childCount", Some(self.child_count)),
            ("activeProcessId", Some(if active { self.id % 32_768 } else { 0 })),
            ("transferRate", Some(self.kilobytes.unwrap_or(0).checked_div(seconds).unwrap_or(0))),
            ("percentComplete", Some(self.percent)),
            ("currentOperation", Some(self.operation)),
            ("try", Some(self.attempt)),
            ("restartable", Some(i64::from(done))),
            ("cancellable", Some(i64::from(!done))),
            ("killable", Some(i64::from(!done))),
            ("done", Some(i64::from(done))),
            ("status", self.status),
            ("kilobytesTransferred", self.kilobytes),
            ("kilobytesDataTransferred", self.kilobytes_data),
            ("numberOfFiles", self.files),
            ("jobQueueReason", self.queue_reason),
        ];
        let texts: [(&str, Option<&str>); 17] = [
            ("jobType", self.job_type.as_deref()),
            ("policyType", self.policy_type.as_deref()),
            ("state", self.state.as_deref()),
            ("jobSubType", Some(&self.job_sub_type)),
            ("policyName", Some(&self.policy_name)),
            ("scheduleType", Some(&self.schedule_type)),
            ("scheduleName", Some(&self.schedule_name)),
            ("clientName", Some(&self.client_name)),
            ("workloadDisplayName", Some(&self.workload)),
            ("assetDisplayableName", Some(&self.workload)),
            ("destinationStorageUnitName", Some(&self.storage_unit)),
            ("destinationMediaServerName", Some(if self.storage_unit.is_empty() { "" } else { MEDIA_SERVER })),
            ("jobQueueResource", Some(&self.queue_resource)),
            ("jobOwner", Some("root")),
            ("jobPath", Some(&self.path())),
            ("elapsedTime", Some(&iso_duration(self.elapsed(now)))),
            ("activeElapsedTime", Some(&iso_duration(self.active_elapsed(now)))),
        ];
        let times = [
            ("startTime", self.start),
            ("endTime", self.end.or((epoch_ends && !done).then_some(0))),
            ("activeTryStartTime", self.try_start),
            ("lastUpdateTime", self.last_update),
        ];
        // Members may come in any order; the fixed ones first spare a comma before the first.
        out.push('{');
        out.push_str(&FIXED);
        for (name, number) in numbers {
            if let Some(number) = number {
                let _ = write!(out, ",\"{name}\":{number}");
            }
        }
        for (name, text) in texts {
            if let Some(text) = text {
                let _ = write!(out, ",\"{name}\":");
                push_text(out, text);
            }
        }
        for (name, time) in times {
            if let Some(time) = time {
                let _ = write!(out, ",\"{name}\":\"{}\"", iso(time));
            }
        }
        out.push('}');
    }
}

/// Writes a JSON string.
pub(crate) fn push_text(out: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

/// The members that are the same in every row.
static FIXED: LazyLock<String> = LazyLock::new(|| {
    let texts = EMPTY_TEXTS.iter().map(|name| format!("\"{name}\":\"\""));
    let zeros = ZEROS.iter().map(|name| format!("\"{name}\":0"));
    let words = FIXED_WORDS.iter().map(|(name, word)| format!("\"{name}\":\"{word}\""));
    let ratios = RATIOS.iter().map(|(name, ratio)| format!("\"{name}\":{ratio}"));
    texts.chain(zeros).chain(words).chain(ratios).collect::<Vec<_>>().join(",")
});

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_row_is_json_whatever_its_names_hold(text in "\\PC{0,20}|[\"\\\\\u{0}-\u{1f}\u{7f}]{0,20}", number: i64) {
            let job = Job {
                id: number,
                policy_name: text.as_str().into(),
                storage_unit: text.as_str().into(),
                state: Some(text.clone().into()),
                kilobytes: Some(number),
                start: Some(number),
                ..Job::default()
            };
            let mut out = String::new();
            job.write_attributes(&mut out, number, false);
            let value: Value = serde_json::from_str(&out).unwrap();
            proptest::prop_assert_eq!(&value["policyName"], &text);
            proptest::prop_assert_eq!(&value["jobId"], number);
            proptest::prop_assert!(value.get("endTime").is_none());
        }
    }
}
