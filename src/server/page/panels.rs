//! What NetBackup says, as the template shows it: texts and lengths.

use super::digest::{Clients, Digest, Fill, Jobs, Night, Part};
use super::level::Level;
use super::words::{bytes, number, percent, span};

/// From here on a disk is marked as full: `netbackup:threshold:storage_used_ratio` of the alerts.
pub(super) const FULL: f64 = 0.9;

/// Below this a night is marked: `netbackup:threshold:backup_success_ratio` of the alerts.
pub(super) const SUCCESS_RATIO: f64 = 0.95;

/// The panels of a site.
pub(super) struct Panels {
    pub(super) jobs: Panel<JobsView>,
    pub(super) night: Panel<NightView>,
    pub(super) storage: Panel<Vec<FillView>>,
    pub(super) clients: Option<Panel<ClientsView>>,
}

/// A panel, or why there is nothing in it.
pub(super) struct Panel<T> {
    pub(super) data: Option<T>,
    /// What to say where there is nothing, or where it is old.
    pub(super) note: Option<String>,
}

pub(super) struct JobsView {
    pub(super) active: String,
    pub(super) queued: String,
    pub(super) oldest_queued: Option<String>,
    /// Other states, such as `SUSPENDED`, and how many.
    pub(super) others: Vec<Named>,
    /// Running ones by job type.
    pub(super) types: Vec<Named>,
    pub(super) reasons: Vec<Named>,
}

/// A name of NetBackup's and a number.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) count: String,
}

pub(super) struct NightView {
    pub(super) window: String,
    pub(super) level: Level,
    /// The share that succeeded, wholly or in part; `None`: no backup ended.
    pub(super) ratio: Option<String>,
    pub(super) total: String,
    pub(super) segments: Vec<Segment>,
    pub(super) codes: Vec<CodeView>,
}

/// A part of a bar.
pub(super) struct Segment {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) count: String,
    /// Where it begins and how long it is, of 1000.
    pub(super) start: f64,
    pub(super) length: f64,
}

pub(super) struct CodeView {
    pub(super) code: String,
    /// Whether it is a number, which has a place in the page of status codes.
    pub(super) is_number: bool,
    pub(super) count: String,
}

pub(super) struct FillView {
    pub(super) name: String,
    pub(super) category: String,
    pub(super) others: usize,
    pub(super) is_full: bool,
    pub(super) percent: String,
    /// How far its bar is filled, of 1000.
    pub(super) filled: f64,
    pub(super) free: String,
    pub(super) capacity: String,
}

pub(super) struct ClientsView {
    pub(super) tried: String,
    pub(super) overdue: String,
    pub(super) has_overdue: bool,
    /// Clients without a known success; `None`: there are none.
    pub(super) without: Option<String>,
    pub(super) worst: Vec<OverdueView>,
    pub(super) limit: String,
}

pub(super) struct OverdueView {
    pub(super) client: String,
    pub(super) policy: String,
    pub(super) age: Option<String>,
}

impl<T> Panel<T> {
    fn new<U>(part: &Part<U>, view: impl FnOnce(&U) -> T) -> Panel<T> {
        let stale = || part.stale().map(|age| format!("Stale: as of {age} ago."));
        Panel { data: part.data().map(view), note: part.absence().or_else(stale) }
    }
}

impl Panels {
    pub(super) fn new(digest: Digest) -> Panels {
        Panels {
            jobs: Panel::new(&digest.jobs, JobsView::new),
            night: Panel::new(&digest.jobs, |jobs| NightView::new(&jobs.night)),
            storage: Panel::new(&digest.storage, |fills| fills.iter().map(FillView::new).collect()),
            clients: digest.clients.as_ref().map(|clients| Panel::new(clients, ClientsView::new)),
        }
    }

    /// Whether a disk is full.
    pub(super) fn has_full(&self) -> bool {
        self.fullest().is_some_and(|fill| fill.is_full)
    }

    /// The fullest disk, for the list of sites.
    pub(super) fn fullest(&self) -> Option<&FillView> {
        self.storage.data.as_ref().and_then(|fills| fills.first())
    }
}

/// The one reason that says that there is none.
fn worded((reason, count): &(String, f64)) -> (String, f64) {
    (if reason == "NONE" { "no reason given".to_owned() } else { reason.clone() }, *count)
}

fn named((name, count): &(String, f64)) -> Named {
    Named { name: name.clone(), count: number(*count) }
}

impl JobsView {
    fn new(jobs: &Jobs) -> JobsView {
        JobsView {
            active: number(jobs.active),
            queued: number(jobs.queued),
            oldest_queued: jobs.oldest_queued.map(span),
            others: jobs.others.iter().map(named).collect(),
            types: jobs.types.iter().map(named).collect(),
            reasons: jobs.reasons.iter().map(|reason| named(&worded(reason))).collect(),
        }
    }
}

impl NightView {
    fn new(night: &Night) -> NightView {
        let total = night.total();
        let succeeded = night.succeeded + night.partial;
        let parts = [
            ("succeeded", "ok", night.succeeded),
            ("in part", "part", night.partial),
            ("failed", "failed", night.failed),
            ("cancelled", "cancelled", night.cancelled),
            ("without a status", "unknown", night.unknown),
        ];
        let mut start = 0.0;
        let segment = |(name, class, count): (&'static str, &'static str, f64)| {
            let length = if total > 0.0 { count / total * 1000.0 } else { 0.0 };
            let segment = Segment { name, class, count: number(count), start, length };
            start += length;
            segment
        };
        let shown = |(name, _, count): &(&str, &str, f64)| *count > 0.0 || matches!(*name, "succeeded" | "failed");
        NightView {
            window: night
                .window
                .map_or_else(|| "the lookback window".to_owned(), |window| format!("the last {}", span(window))),
            level: if total > 0.0 && succeeded / total < SUCCESS_RATIO { Level::Warn } else { Level::Good },
            ratio: (total > 0.0).then(|| percent(succeeded, total)),
            total: number(total),
            segments: parts.into_iter().filter(shown).map(segment).collect(),
            codes: night.codes.iter().map(CodeView::new).collect(),
        }
    }
}

impl CodeView {
    fn new((code, count): &(String, f64)) -> CodeView {
        let is_number = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
        CodeView { code: code.clone(), is_number, count: number(*count) }
    }
}

impl FillView {
    fn new(fill: &Fill) -> FillView {
        let ratio = fill.ratio();
        FillView {
            name: fill.name.clone(),
            category: fill.category.clone(),
            others: fill.others,
            is_full: ratio > FULL,
            percent: percent(fill.used, fill.capacity),
            filled: (ratio * 1000.0).clamp(0.0, 1000.0).round(),
            free: bytes((fill.capacity - fill.used).max(0.0)),
            capacity: bytes(fill.capacity),
        }
    }
}

impl ClientsView {
    fn new(clients: &Clients) -> ClientsView {
        ClientsView {
            tried: number_of(clients.tried),
            overdue: number_of(clients.overdue),
            has_overdue: clients.overdue > 0,
            without: (clients.without > 0).then(|| number_of(clients.without)),
            worst: clients
                .worst
                .iter()
                .map(|late| OverdueView {
                    client: late.client.clone(),
                    policy: late.policy.clone(),
                    age: late.age.map(span),
                })
                .collect(),
            limit: span(std::time::Duration::from_secs(super::digest::OVERDUE_SECONDS)),
        }
    }
}

fn number_of(count: usize) -> String {
    number(count as f64)
}
