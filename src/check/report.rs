//! What `check` tells, as it is written in JSON (`docs/check.md`): fields are only ever added.

use serde::Serialize;

use crate::config::ConfigError;
use crate::netbackup::BuildError;

/// The host of `url` becomes an address.
pub const NAME: &str = "name_resolution";
/// The port takes a connection.
pub const TCP: &str = "tcp";
/// The certificates are trusted.
pub const TLS: &str = "tls";
/// There is a version that both sides speak.
pub const VERSION: &str = "api_version";
/// The clocks agree.
pub const CLOCK: &str = "clock";
/// The key is taken.
pub const CREDENTIALS: &str = "credentials";

/// The steps of a site, in their order.
pub const STEPS: [&str; 6] = [NAME, TCP, TLS, VERSION, CLOCK, CREDENTIALS];

/// Everything that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The configuration.
    pub config: ConfigReport,
    /// The sites, in the order of the file; none where they were not asked.
    pub sites: Vec<SiteReport>,
    /// How many sites were not asked, because nobody wanted that.
    pub left_out: usize,
}

/// What was found in the configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfigReport {
    /// The file, or `environment`.
    pub source: String,
    /// `error` with mistakes, else `warning` or `ok`.
    pub status: &'static str,
    /// What makes it unusable.
    pub errors: Vec<Mistake>,
    /// What is accepted but should be looked at.
    pub warnings: Vec<String>,
}

/// A mistake of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mistake {
    /// The file; `environment` or `command line` where there is none.
    pub file: String,
    /// From 1.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    /// The key; empty when unknown.
    pub key: String,
    /// What was expected.
    pub message: String,
}

/// What was found at a site.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SiteReport {
    /// Its name.
    pub site: String,
    /// The worst of what follows; what is off does not count.
    pub status: Status,
    /// One entry for each of [`STEPS`].
    pub steps: Vec<Step>,
    /// One entry for each collector there is.
    pub collectors: Vec<CollectorReport>,
    /// For people.
    #[serde(skip)]
    pub url: String,
}

/// A step of a site.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// One of [`STEPS`].
    pub step: &'static str,
    /// How it went.
    pub status: Status,
    /// What was found, in words.
    pub message: String,
    /// What to do about it, where anybody knows.
    pub advice: Option<String>,
}

/// What a collector could see.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CollectorReport {
    /// Its name.
    pub collector: &'static str,
    /// Whether it runs.
    pub enabled: bool,
    /// What the key may see.
    pub status: Access,
    /// The right that is missing, such as `MANAGE/JOBS VIEW`; the first where there are several. With [`Access::Allowed`] only
    /// a part of the source may be read.
    pub permission: Option<&'static str>,
    /// How many objects the key sees, or at least sees.
    pub objects: Option<u64>,
    /// What was found, in words.
    pub message: String,
    /// What to do about it, where anybody knows.
    pub advice: Option<String>,
}

/// How a step went. Ordered: the last is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not tried, because what it rests on failed or is not there.
    Skipped,
    /// As it should be.
    Ok,
    /// Should be looked at; data come all the same.
    Warning,
    /// Stops data.
    Finding,
}

/// What the key may see of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// It sees objects, or may see a part of the source.
    Allowed,
    /// It may see them, and there are none.
    Empty,
    /// A right is missing.
    Denied,
    /// The primary's release does not offer it.
    Unsupported,
    /// No usable answer.
    Failed,
    /// Not asked.
    Skipped,
}

impl Report {
    /// A report of a usable configuration, without its sites.
    #[must_use]
    pub fn new(source: &str, warnings: Vec<String>) -> Report {
        let status = if warnings.is_empty() { "ok" } else { "warning" };
        let config = ConfigReport { source: source.to_owned(), status, errors: Vec::new(), warnings };
        Report { config, sites: Vec::new(), left_out: 0 }
    }

    /// A report of an unusable configuration.
    #[must_use]
    pub fn of_mistakes(source: &str, errors: Vec<Mistake>) -> Report {
        let config = ConfigReport { source: source.to_owned(), status: "error", errors, warnings: Vec::new() };
        Report { config, sites: Vec::new(), left_out: 0 }
    }

    /// The worst that was found: `ok`, `warning`, `finding`, or `error` of the configuration.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match (self.config.status, self.findings(), self.warnings()) {
            ("error", ..) => "error",
            (_, 0, 0) => "ok",
            (_, 0, _) => "warning",
            _ => "finding",
        }
    }

    /// 0: data will come; 1: something stops them; 2: the configuration cannot be used.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.status() {
            "error" => 2,
            "finding" => 1,
            _ => 0,
        }
    }

    /// How many findings there are.
    #[must_use]
    pub fn findings(&self) -> usize {
        self.sites.iter().flat_map(SiteReport::statuses).filter(|status| *status == Status::Finding).count()
    }

    /// How many warnings there are, those of the configuration included.
    #[must_use]
    pub fn warnings(&self) -> usize {
        let statuses = self.sites.iter().flat_map(SiteReport::statuses);
        statuses.filter(|status| *status == Status::Warning).count().saturating_add(self.config.warnings.len())
    }

    /// The report for programs.
    #[must_use]
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Whole<'a> {
            status: &'static str,
            config: &'a ConfigReport,
            sites: &'a [SiteReport],
        }
        let whole = Whole { status: self.status(), config: &self.config, sites: &self.sites };
        serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n"
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self, colour: bool) -> String {
        super::text::render(self, colour)
    }
}

impl SiteReport {
    /// Everything that counts about it.
    fn statuses(&self) -> impl Iterator<Item = Status> + '_ {
        let collectors = self.collectors.iter().map(CollectorReport::weight);
        self.steps.iter().map(|step| step.status).chain(collectors)
    }

    pub(super) fn new(site: &crate::config::Site, steps: Vec<Step>, collectors: Vec<CollectorReport>) -> SiteReport {
        let (site, url) = (site.name.to_string(), site.url.to_string());
        let mut report = SiteReport { site, status: Status::Ok, steps, collectors, url };
        report.status = report.statuses().max().unwrap_or(Status::Ok).max(Status::Ok);
        report
    }
}

impl CollectorReport {
    /// What it means for the data that are asked for.
    #[must_use]
    pub fn weight(&self) -> Status {
        match (self.enabled, self.status) {
            (_, Access::Skipped | Access::Unsupported) | (false, _) => Status::Skipped,
            (true, Access::Allowed) if self.permission.is_some() => Status::Finding,
            (true, Access::Allowed) => Status::Ok,
            (true, Access::Empty) => Status::Warning,
            (true, Access::Denied | Access::Failed) => Status::Finding,
        }
    }
}

impl From<&ConfigError> for Mistake {
    fn from(error: &ConfigError) -> Mistake {
        let ConfigError { file, line, column, key, message } = error.clone();
        Mistake { file, line, column, key, message }
    }
}

impl Mistake {
    pub(super) fn of_client(source: &str, error: BuildError) -> Mistake {
        let message = format!("{:#}", anyhow::Error::from(error));
        Mistake { file: source.to_owned(), line: None, column: None, key: String::new(), message }
    }
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}
