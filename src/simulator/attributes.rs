//! What `/admin/jobs` and `/admin/jobs-count-requests` may filter and sort by, as published.

use super::filter::{Attribute, Kind, Ops};
use super::release::Release;

const STATES: &[&str] = &["QUEUED", "ACTIVE", "REQUEUED", "DONE", "SUSPENDED", "INCOMPLETE"];
const DTE_MODES: &[&str] = &["UNKNOWN", "ON", "OFF"];
#[rustfmt::skip]
const JOB_TYPES: &[&str] = &[
    "BACKUP", "ARCHIVE", "RESTORE", "VERIFY", "DUPLICATE", "IMPORT", "DBBACKUP", "VAULT", "LABEL", "ERASE", "TPREQ",
    "TPCLEAN", "TPFORMAT", "VMPHYSINV", "DQTS", "DBRECOVER", "MCONTENTS", "IMAGEDELETE", "GENERIC", "REPLICATE",
    "REPLICA_IMPORT", "SNAPDUPE", "SNAPREPLICATE", "SNAPIMPORT", "APP_STATE_CAPTURE", "INDEXING", "INDEXCLEANUP",
    "SNAPSHOT", "SNAPINDEX", "ACTIVATE_IR", "DEACTIVATE_IR", "REACTIVATE_IR", "STOP_IR", "INSTANT_RECOVERY",
    "RMAN_CATALOG", "LOCKVM", "DEPLOYMENT", "INSTANT_ACCESS", "CLOUD_SNAPSHOT_REPLICATE", "PREPARING_FOR_BACKUP",
    "INSTANT_SYNC", "TRIAL_BACKUP", "MULTIPLE_STORAGE_METADATA",
];
#[rustfmt::skip]
const POLICY_TYPES: &[&str] = &[
    "STANDARD", "PROXY", "NONSTANDARD", "APOLLO_WBAK", "OBACKUP", "ANY", "INFORMIX", "SYBASE", "SHAREPOINT", "WINDOWS",
    "NETWARE", "BACKTRACK", "AUSPEX_FASTBACK", "WINDOWS_NT", "OS2", "SQL_SERVER", "EXCHANGE", "SAP", "DB2", "NDMP",
    "FLASHBACKUP", "SPLITMIRROR", "AFS", "DFS", "DATASTORE", "LOTUS_NOTES", "NCR_TERADATA", "VAX_VMS", "HP3000_MPE",
    "FBU_WINDOWS", "VAULT", "BE_SQL_SERVER", "BE_EXCHANGE", "MAC", "DS", "NBU_CATALOG", "GENERIC", "CMS_DB",
    "PUREDISK_EXPORT", "ENTERPRISE_VAULT", "VMWARE", "HYPERV", "NBU_SEARCHSERVER", "HYPERSCALE", "BIGDATA", "CLOUD",
    "DEPLOYMENT", "HYPERVISOR", "UNIVERSAL_SHARE", "NAS_DATA_PROTECTION", "KUBERNETES", "MSDP_OBJECT_STORE",
    "EPIC_LARGE_FILE", "NUTANIX_AHV", "OLVM_RHV",
];
// The filter takes the number, the answer has the word.
const APPLICATION_TYPES: &[(i64, &str)] =
    &[(0, "NONE"), (1, "VMWARE"), (2, "HYPERV"), (3, "VXVI"), (4, "HYPERSCALE"), (5, "RHV"), (6, "AHV")];
const DATA_MOVEMENTS: &[(i64, &str)] = &[
    (0, "STANDARD"),
    (1, "INSTANTRECOVERYDISK"),
    (2, "INSTANTRECOVERYDISKANDTAPE"),
    (3, "SYNTHETIC"),
    (4, "DISKSTAGING"),
    (5, "SNAPSHOT"),
    (-99, "UNKNOWN_TYPE"),
];
const OFF_HOST_TYPES: &[(i64, &str)] = &[
    (0, "STANDARD"),
    (1, "ATLCLIENT"),
    (2, "TPC"),
    (3, "MEDIASERVER"),
    (4, "NAS"),
    (5, "NDMP"),
    (-99, "UNRECOGNIZED_VALUE"),
];
const TRANSPORT_TYPES: &[(i64, &str)] = &[(0, "LAN"), (1, "FAT"), (-99, "UNKNOWN_TYPE")];

const fn of(name: &'static str, kind: Kind, ops: Ops) -> Attribute {
    Attribute { name, kind, ops }
}

/// What `filter` of `GET /admin/jobs` knows.
#[rustfmt::skip]
const LIST: [Attribute; 52] = [
    of("jobId", Kind::Int, Ops::Order), of("parentJobId", Kind::Int, Ops::Order),
    of("startTime", Kind::Time, Ops::Order), of("endTime", Kind::Time, Ops::Order),
    of("lastUpdateTime", Kind::Time, Ops::Order), of("activeTryStartTime", Kind::Time, Ops::Order),
    of("status", Kind::Int, Ops::Order), of("try", Kind::Int, Ops::Order), of("priority", Kind::Int, Ops::Order),
    of("copyNumber", Kind::Int, Ops::Order), of("percentComplete", Kind::Int, Ops::Order),
    of("transferRate", Kind::Int, Ops::Order), of("kilobytesTransferred", Kind::Int, Ops::Order),
    of("numberOfFiles", Kind::Int, Ops::Order), of("dedupRatio", Kind::Float, Ops::Order),
    of("acceleratorOptimization", Kind::Float, Ops::Order), of("activeProcessId", Kind::Int, Ops::Order),
    of("sessionId", Kind::Int, Ops::Order), of("numberOfTapeToEject", Kind::Int, Ops::Order),
    of("elapsedTime", Kind::Duration, Ops::Order), of("activeElapsedTime", Kind::Duration, Ops::Order),
    of("state", Kind::Enum(STATES), Ops::EqNe), of("jobType", Kind::Enum(JOB_TYPES), Ops::EqNe),
    of("policyType", Kind::Enum(POLICY_TYPES), Ops::EqNe), of("offHostType", Kind::Code(OFF_HOST_TYPES), Ops::EqNe),
    of("currentOperation", Kind::Int, Ops::EqNe), of("qReasonCode", Kind::Int, Ops::EqNe),
    of("clientName", Kind::Text, Ops::Search), of("scheduleName", Kind::Text, Ops::Search),
    of("destinationMediaServerName", Kind::Text, Ops::Search), of("sourceMediaServerName", Kind::Text, Ops::Search),
    of("restoreBackupIDs", Kind::Text, Ops::Search), of("assetDisplayableName", Kind::Text, Ops::Search),
    of("workloadDisplayName", Kind::Text, Ops::Search), of("jobPath", Kind::Text, Ops::Search),
    of("policyName", Kind::Text, Ops::SearchOnly),
    of("assetID", Kind::Text, Ops::Eq), of("backupId", Kind::Text, Ops::Eq),
    of("destinationStorageUnitName", Kind::Text, Ops::Eq), of("destinationMediaId", Kind::Text, Ops::Eq),
    of("dteMode", Kind::Enum(DTE_MODES), Ops::Eq), of("jobOwner", Kind::Text, Ops::Eq),
    of("instanceDatabaseName", Kind::Text, Ops::Eq), of("profileName", Kind::Text, Ops::Eq),
    of("robotName", Kind::Text, Ops::Eq), of("vaultName", Kind::Text, Ops::Eq), of("dumpHost", Kind::Text, Ops::Eq),
    of("currentFile", Kind::Text, Ops::Eq), of("qResource", Kind::Text, Ops::Eq),
    of("applicationType", Kind::Code(APPLICATION_TYPES), Ops::Eq),
    of("dataMovement", Kind::Code(DATA_MOVEMENTS), Ops::Eq), of("transportType", Kind::Code(TRANSPORT_TYPES), Ops::Eq),
];

/// What the count endpoint knows; notably not `lastUpdateTime`.
#[rustfmt::skip]
const COUNT: [&str; 19] = [
    "jobId", "parentJobId", "clientName", "startTime", "endTime", "state", "status", "jobType", "policyName",
    "policyType", "restoreBackupIDs", "assetID", "assetDisplayableName", "workloadDisplayName",
    "destinationStorageUnitName", "destinationMediaId", "applicationType", "dteMode", "jobPath",
];

/// Names for `sort` that all releases know.
#[rustfmt::skip]
const SORT: [&str; 77] = [
    "acceleratorOptimization", "activeElapsedTime", "activeProcessId", "activeTryStartTime", "applicationType",
    "assetDisplayableName", "assetID", "assetNamespace", "auditDomainName", "auditDomainType", "auditUserName",
    "backupId", "childCount", "clientName", "compression", "compressionSpaceRatio", "controlHost", "copyNumber",
    "currentFile", "currentOperation", "dataMovement", "dedupRatio", "dedupSpaceRatio", "destinationMediaId",
    "destinationMediaServerName", "destinationStorageUnitName", "dteMode", "dumpHost", "elapsedTime", "endTime",
    "estimatedFiles", "frozenImage", "instanceDatabaseName", "jobGroup", "jobId", "jobOwner", "jobPath", "jobSubType",
    "jobType", "killable", "kilobytesDataTransferred", "kilobytesToTransfer", "kilobytesTransferred",
    "lastUpdateTime", "mainProcessId", "numberOfFiles", "numberOfTapeToEject", "offHostType", "parentJobId",
    "percentComplete", "policyName", "policyType", "priority", "profileName", "qReasonCode", "qResource",
    "restartable", "restoreBackupIDs", "resumable", "retention", "robotName", "scheduleName", "scheduleType",
    "sessionId", "sourceMediaId", "sourceMediaServerName", "sourceStorageUnitName", "startTime", "state", "status",
    "streamNumber", "submissionType", "suspendable", "transferRate", "transportType", "vaultName",
    "workloadDisplayName",
];

/// What the jobs list filters by in this release.
pub(crate) fn list(release: Release) -> impl Iterator<Item = Attribute> + Clone {
    LIST.into_iter().filter(move |attribute| attribute.name != "backupId" || release >= Release::R10_5)
}

/// What the count endpoint filters by.
pub(crate) fn count(release: Release) -> impl Iterator<Item = Attribute> + Clone {
    list(release).filter(|attribute| COUNT.contains(&attribute.name))
}

/// Whether the jobs list sorts by this name in this release.
pub(crate) fn sortable(release: Release, name: &str) -> bool {
    let newest = release >= Release::R11_2;
    match name {
        "tryField" | "cursorValue" => !newest,
        "try" | "providerGeneratedId" => newest,
        _ => SORT.contains(&name),
    }
}

/// What the storage-units list filters by here: the part of the published table that this simulator serves.
pub(crate) const STORAGE: [Attribute; 5] = [
    of("name", Kind::Text, Ops::All),
    of("storageServerType", Kind::Text, Ops::All),
    of("storageCategory", Kind::Text, Ops::EqSearch),
    of("storageType", Kind::Text, Ops::EqSearch),
    of("storageSubType", Kind::Text, Ops::EqSearch),
];
