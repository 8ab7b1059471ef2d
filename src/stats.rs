//! What the client of one site counts while it works: plain atomics, written by requests, read by the exposition.
//! A scrape never waits for a request, and a request never waits for a scrape.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::reason::Reason;

/// Upper bounds of `netbackup_api_request_duration_seconds`, in seconds.
pub const REQUEST_BUCKETS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const FIRST_STATUS: usize = 100;
const STATUSES: usize = 900;
const CODES: usize = STATUSES + Reason::ALL.len();

/// How one request ended: an HTTP status, or a reason where there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The primary answered with this status.
    Status(u16),
    /// There was no answer.
    NoAnswer(Reason),
}

impl Code {
    fn index(self) -> usize {
        match self {
            Code::Status(status) => usize::from(status).saturating_sub(FIRST_STATUS).min(STATUSES - 1),
            Code::NoAnswer(reason) => STATUSES + reason as usize,
        }
    }

    fn label(index: usize) -> String {
        match index.checked_sub(STATUSES).and_then(|reason| Reason::ALL.get(reason)) {
            Some(reason) => reason.as_str().to_owned(),
            None => (index + FIRST_STATUS).to_string(),
        }
    }
}

/// A histogram that many tasks add to.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; REQUEST_BUCKETS.len() + 1],
    sum_nanos: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: std::array::from_fn(|_| AtomicU64::new(0)), sum_nanos: AtomicU64::new(0) }
    }
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = REQUEST_BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(REQUEST_BUCKETS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Count per bucket (not cumulative, the last one is above every bound) and the sum in seconds.
    #[must_use]
    pub fn read(&self) -> ([u64; REQUEST_BUCKETS.len() + 1], f64) {
        let counts = std::array::from_fn(|i| self.buckets.get(i).map_or(0, |bucket| bucket.load(Relaxed)));
        (counts, Duration::from_nanos(self.sum_nanos.load(Relaxed)).as_secs_f64())
    }
}

struct PerEndpoint {
    template: &'static str,
    codes: Box<[AtomicU64]>,
    duration: Histogram,
}

/// What was counted for one endpoint, as the exposition shows it.
pub struct EndpointReading {
    /// Path template without base, such as `/admin/jobs/{jobId}`.
    pub template: &'static str,
    /// Requests by `code` label, those seen only, in a fixed order.
    pub requests: Vec<(String, u64)>,
    /// Durations of requests.
    pub duration: ([u64; REQUEST_BUCKETS.len() + 1], f64),
}

struct Endpoints([OnceLock<PerEndpoint>; ApiStats::ENDPOINTS]);

impl Default for Endpoints {
    fn default() -> Self {
        Endpoints(std::array::from_fn(|_| OnceLock::new()))
    }
}

/// Counters and gauges of one site's API client. Endpoints are numbered by the client (`slot`), at most [`ApiStats::ENDPOINTS`].
#[derive(Default)]
pub struct ApiStats {
    endpoints: Endpoints,
    /// Of the last request that was answered; 0: none was.
    last_answer_nanos: AtomicU64,
    received_bytes: AtomicU64,
    retries: AtomicU64,
    answered: AtomicBool,
    judged: AtomicBool,
    refused: AtomicBool,
    circuit_open: AtomicBool,
    tls_unverified: AtomicBool,
    clock_offset_ms: AtomicI64,
    clock_known: AtomicBool,
    api_version: ArcSwapOption<String>,
    primary: ArcSwapOption<Primary>,
}

/// Who a primary said it is; what it did not say is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Primary {
    /// `serverName`.
    pub server_name: String,
    /// `nbuVersion`: the release, such as `11.0`.
    pub release: String,
    /// `masterHostId`.
    pub host_id: String,
}

impl ApiStats {
    /// The most endpoints one client may use.
    pub const ENDPOINTS: usize = 48;

    /// Counts one finished request of the endpoint numbered `slot`.
    pub fn request(&self, slot: usize, template: &'static str, code: Code, took: Duration) {
        let Some(cell) = self.endpoints.0.get(slot) else { return };
        let endpoint = cell.get_or_init(|| PerEndpoint {
            template,
            codes: (0..CODES).map(|_| AtomicU64::new(0)).collect(),
            duration: Histogram::default(),
        });
        if let Some(count) = endpoint.codes.get(code.index()) {
            count.fetch_add(1, Relaxed);
        }
        endpoint.duration.observe(took);
        let answered = matches!(code, Code::Status(_));
        if answered {
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.last_answer_nanos.store(nanos.max(1), Relaxed);
        }
        self.answered.store(answered, Relaxed);
    }

    /// Whether the credentials were refused by the last answer that judged them.
    pub fn set_refused(&self, refused: bool) {
        self.refused.store(refused, Relaxed);
        self.judged.store(true, Relaxed);
    }

    /// There are other credentials, which nobody has judged.
    pub fn forget_verdict(&self) {
        self.refused.store(false, Relaxed);
        self.judged.store(false, Relaxed);
    }

    /// Whether any answer has judged the credentials yet: before that, [`ApiStats::refused`] says nothing.
    #[must_use]
    pub fn judged(&self) -> bool {
        self.judged.load(Relaxed)
    }

    /// Whether the last judged credentials were refused.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.refused.load(Relaxed)
    }

    /// Adds bytes of received bodies, after decompression.
    pub fn add_received(&self, bytes: u64) {
        self.received_bytes.fetch_add(bytes, Relaxed);
    }

    /// Bytes received so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received_bytes.load(Relaxed)
    }

    /// How long the last request took that was answered; `None`: none was.
    #[must_use]
    pub fn last_answer_took(&self) -> Option<Duration> {
        Some(self.last_answer_nanos.load(Relaxed)).filter(|nanos| *nanos > 0).map(Duration::from_nanos)
    }

    /// Counts a request that was sent again.
    pub fn add_retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    /// Requests sent again so far.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    /// `netbackup_up`: the last request or probe had an answer and the credentials are not refused.
    #[must_use]
    pub fn up(&self) -> bool {
        self.answered.load(Relaxed) && !self.refused.load(Relaxed)
    }

    /// Whether the last request had an HTTP answer.
    #[must_use]
    pub fn reachable(&self) -> bool {
        self.answered.load(Relaxed)
    }

    /// Opens or closes the circuit.
    pub fn set_circuit_open(&self, open: bool) {
        self.circuit_open.store(open, Relaxed);
    }

    /// Whether the circuit is open.
    #[must_use]
    pub fn circuit_open(&self) -> bool {
        self.circuit_open.load(Relaxed)
    }

    /// Says that certificates of this site are not verified.
    pub fn set_tls_unverified(&self, unverified: bool) {
        self.tls_unverified.store(unverified, Relaxed);
    }

    /// Whether certificates of this site are not verified.
    #[must_use]
    pub fn tls_unverified(&self) -> bool {
        self.tls_unverified.load(Relaxed)
    }

    /// The primary's clock minus ours, in milliseconds.
    pub fn set_clock_offset_ms(&self, offset: i64) {
        self.clock_offset_ms.store(offset, Relaxed);
        self.clock_known.store(true, Relaxed);
    }

    /// The primary's clock minus ours in milliseconds, once known.
    #[must_use]
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.clock_known.load(Relaxed).then(|| self.clock_offset_ms.load(Relaxed))
    }

    /// The same in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a clock offset fit a float exactly")]
    pub fn clock_offset_seconds(&self) -> Option<f64> {
        self.clock_offset_ms().map(|offset| offset as f64 / 1000.0)
    }

    /// The API version that is sent; whether it is another one than before, which of several who say the same at once
    /// only the first is told.
    pub fn set_api_version(&self, version: &str) -> bool {
        let before = self.api_version.swap(Some(std::sync::Arc::new(version.to_owned())));
        before.is_none_or(|before| *before != version)
    }

    /// The API version that is sent, once known.
    #[must_use]
    pub fn api_version(&self) -> Option<String> {
        self.api_version.load().as_deref().cloned()
    }

    /// Who the primary said it is.
    pub fn set_primary(&self, primary: Primary) {
        self.primary.store(Some(std::sync::Arc::new(primary)));
    }

    /// Who the primary said it is, once known.
    #[must_use]
    pub fn primary(&self) -> Option<std::sync::Arc<Primary>> {
        self.primary.load_full()
    }

    /// Readings of every endpoint used so far, in the client's order.
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointReading> {
        let read = |endpoint: &PerEndpoint| EndpointReading {
            template: endpoint.template,
            requests: endpoint
                .codes
                .iter()
                .enumerate()
                .map(|(index, count)| (index, count.load(Relaxed)))
                .filter(|(_, count)| *count > 0)
                .map(|(index, count)| (Code::label(index), count))
                .collect(),
            duration: endpoint.duration.read(),
        };
        self.endpoints.0.iter().filter_map(OnceLock::get).map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kept_apart_and_named() {
        let stats = ApiStats::default();
        for code in [Code::Status(200), Code::Status(200), Code::Status(999), Code::NoAnswer(Reason::Timeout)] {
            stats.request(3, "/admin/jobs", code, Duration::from_millis(30));
        }
        let endpoints = stats.endpoints();
        assert_eq!(endpoints.len(), 1);
        assert_eq!(endpoints[0].requests, [("200".to_owned(), 2), ("999".to_owned(), 1), ("timeout".to_owned(), 1)]);
        assert_eq!(endpoints[0].duration.0[2], 4, "30 ms lie below 0.05");
        assert!((endpoints[0].duration.1 - 0.12).abs() < 1e-9);
    }

    #[test]
    fn another_api_version_is_news_to_one_only() {
        let stats = ApiStats::default();
        for version in ["13.0", "14.0"] {
            let told = std::thread::scope(|scope| {
                let tell = || scope.spawn(|| stats.set_api_version(version));
                [tell(), tell(), tell(), tell()].map(|telling| telling.join().unwrap())
            });
            assert_eq!(told.iter().filter(|told| **told).count(), 1, "{told:?}");
            assert_eq!(stats.api_version().as_deref(), Some(version));
        }
    }

    #[test]
    fn credentials_are_unjudged_until_an_answer_says_so() {
        let stats = ApiStats::default();
        assert!(!stats.judged());
        stats.set_refused(false);
        assert!(stats.judged() && !stats.refused());
    }

    #[test]
    fn up_needs_an_answer_and_accepted_credentials() {
        let stats = ApiStats::default();
        assert!(!stats.up());
        stats.request(0, "/ping", Code::Status(500), Duration::ZERO);
        assert!(stats.up(), "an error is an answer");
        stats.set_refused(true);
        stats.request(0, "/ping", Code::Status(200), Duration::ZERO);
        assert!(!stats.up(), "an answer to /ping says nothing about the credentials");
        stats.set_refused(false);
        stats.request(0, "/ping", Code::NoAnswer(Reason::Connect), Duration::ZERO);
        assert!(!stats.up());
    }
}
