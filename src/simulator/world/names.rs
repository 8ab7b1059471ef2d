//! What the simulated domain is made of: kinds of jobs, names, status codes, reasons to wait.

/// A kind of job and how often it comes.
pub(crate) struct Kind {
    /// Out of the sum of all weights.
    pub(crate) weight: u32,
    pub(crate) job_type: &'static str,
    pub(crate) sub_type: &'static str,
    /// Missing for jobs that no policy started.
    pub(crate) policy_type: Option<&'static str>,
    pub(crate) policies: &'static [&'static str],
    /// Whether such a job only orchestrates children.
    pub(crate) parent: bool,
    /// Whether it is outside the published enumerations, so that a strict schema refuses it.
    pub(crate) odd: bool,
}

const fn kind(
    weight: u32,
    job_type: &'static str,
    policy_type: Option<&'static str>,
    policies: &'static [&'static str],
) -> Kind {
    Kind { weight, job_type, sub_type: "SCHEDULED", policy_type, policies, parent: false, odd: false }
}

/// Every kind. Weights are per cent in all.
pub(crate) const KINDS: [Kind; 20] = [
    kind(21, "BACKUP", Some("STANDARD"), &["unix-daily", "unix-weekly", "home \\\\filer01\\share"]),
    kind(15, "BACKUP", Some("WINDOWS_NT"), &["win-daily", "win \"branch offices\"", "Büro Zürich"]),
    Kind { parent: true, ..kind(8, "BACKUP", Some("VMWARE"), &["vm-gold", "vm-silver"]) },
    kind(6, "BACKUP", Some("SQL_SERVER"), &["sql-full", "sql-log"]),
    kind(5, "BACKUP", Some("OBACKUP"), &["ora-rman"]),
    kind(3, "BACKUP", Some("NDMP"), &["nas-ndmp"]),
    kind(3, "BACKUP", Some("HYPERV"), &["hyperv-nightly"]),
    kind(3, "BACKUP", Some("CLOUD"), &["cloud-ebs"]),
    kind(2, "DBBACKUP", Some("NBU_CATALOG"), &["catalog"]),
    kind(11, "DUPLICATE", Some("STANDARD"), &["SLP_gold", "SLP_silver"]),
    kind(4, "REPLICATE", Some("VMWARE"), &["SLP_gold"]),
    Kind { sub_type: "IMMEDIATE", ..kind(6, "IMAGEDELETE", None, &[""]) },
    Kind { sub_type: "IMMEDIATE", ..kind(3, "RESTORE", Some("STANDARD"), &[""]) },
    Kind { sub_type: "IMMEDIATE", ..kind(2, "VERIFY", Some("STANDARD"), &[""]) },
    kind(2, "SNAPSHOT", Some("NAS_DATA_PROTECTION"), &["nas-dp"]),
    kind(1, "ARCHIVE", Some("STANDARD"), &["archive\nold projects"]),
    kind(1, "REPLICA_IMPORT", None, &[""]),
    kind(2, "BACKUP", Some("UNIVERSAL_SHARE"), &["ushare-10%"]),
    Kind { odd: true, ..kind(1, "BACKUP", Some("FUTURE_TYPE"), &["future {policy}"]) },
    Kind { odd: true, ..kind(1, "FUTURE <img src=x onerror=alert(1)> JOB", None, &[""]) },
];

/// Clients; the later ones hold what breaks careless writers and parsers.
pub(crate) const CLIENTS: [&str; 20] = [
    "app-db-07.example.com",
    "app-fs-01.example.com",
    "web-03.example.com",
    "mail-01.example.com",
    "erp-12.example.com",
    "files-02.example.com",
    "sap-hana-1.example.com",
    "dc-01.example.com",
    "backup-host-1.example.com",
    "oracle-rac-2.example.com",
    "hv-node-4.example.com",
    "build-09.example.com",
    "\\\\server\\share",
    "quo\"ted",
    "line\nbreak",
    "Zürich-Überwachung-数据-🗄",
    " blank around ",
    "tab\tinside",
    "100% {full}, a=b",
    "trailing\\",
];

/// Status codes of failures; 0, 1 and 150 are drawn apart.
pub(crate) const FAILURES: [i64; 20] =
    [2, 6, 13, 14, 23, 24, 25, 41, 42, 48, 58, 59, 83, 84, 96, 129, 156, 191, 196, 2074];

/// Reasons to wait in the queue; the last is in no table.
pub(crate) const QUEUE_REASONS: [i64; 14] = [0, 0, 0, 1, 2, 3, 5, 7, 12, 15, 22, 25, 30, 77];

/// Schedules: type and name.
pub(crate) const SCHEDULES: [(&str, &str); 3] = [
    ("FULL_BACKUP", "full"),
    ("DIFFERENTIAL_INCREMENTAL_BACKUP", "daily"),
    ("CUMULATIVE_INCREMENTAL_BACKUP", "weekly cumulative"),
];
