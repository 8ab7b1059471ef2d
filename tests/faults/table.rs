//! What goes wrong, and what each collector of the site must say about it.

use std::time::{Duration, SystemTime};

use netbackup_exporter::simulator::{Door, Fault};

/// The interval of every collector, unless a row says otherwise.
pub const TTL: Duration = Duration::from_secs(4);
/// How long a primary that is throttled wants to be left alone.
pub const WAIT: Duration = Duration::from_secs(20);
/// How far the clock of a primary is ahead, in milliseconds.
const AHEAD_MS: i64 = 2_400_000;

/// One site, and what happens to it.
pub struct Row {
    /// The name of the site.
    pub name: &'static str,
    /// What goes wrong.
    pub wrong: Wrong,
    /// What becomes of jobs.
    pub jobs: Expect,
    /// What becomes of storage.
    pub storage: Expect,
    /// `[site.poll]`.
    pub poll: &'static str,
    /// How long after the fault is lifted both must be well again, at the latest.
    pub recovers: Duration,
    /// How long the primary asked to be left alone, if it is to be believed.
    pub rests: Option<Duration>,
}

/// What goes wrong.
pub enum Wrong {
    /// The answers of the paths that start with this.
    Answers(&'static str, Fault),
    /// Every connection.
    Door(Door),
    /// The certificate has expired.
    Expired,
    /// The certificate is another host's.
    OtherName,
    /// The certificate is of an authority that is not trusted.
    UnknownAuthority,
    /// A client certificate is asked for.
    KnownClients,
    /// Plain HTTP is spoken on the port of TLS.
    NoTls,
    /// TLS connections are accepted, and no handshake happens.
    SilentTls,
    /// The key loses the right to the paths that start with this.
    Denied(&'static str),
    /// The key loses the right to jobs, and sees an empty list.
    SilentEmptyJobs,
    /// The primary's clock is set, in milliseconds from the true time.
    Clock(i64),
    /// The primary's clock is set likewise, and the answers of the paths that start with this are wrong.
    ClockAndAnswers(i64, &'static str, Fault),
    /// Every session ends, and nobody can sign in.
    SignIn(Fault),
    /// The host's name does not resolve, from the start.
    Nowhere,
}

/// What becomes of a collector.
#[derive(Clone, Copy)]
pub enum Expect {
    /// Its polls succeed as before.
    Well,
    /// Its polls fail for the first reason, for no other than the further ones, and its data stay.
    Fails(&'static [&'static str]),
}

use Expect::{Fails, Well};

impl Row {
    fn of(name: &'static str, wrong: Wrong, jobs: Expect, storage: Expect) -> Row {
        Row { name, wrong, jobs, storage, poll: "", recovers: TTL + Duration::from_secs(5), rests: None }
    }

    /// A fault of the jobs endpoints.
    fn jobs(name: &'static str, fault: Fault, reason: &'static [&'static str]) -> Row {
        Row::of(name, Wrong::Answers("/admin/jobs", fault), Fails(reason), Well)
    }

    /// A fault of the storage endpoint.
    fn storage(name: &'static str, fault: Fault, reason: &'static [&'static str]) -> Row {
        Row::of(name, Wrong::Answers("/storage", fault), Well, Fails(reason))
    }

    /// A fault of everything.
    fn all(name: &'static str, wrong: Wrong, reason: &'static [&'static str]) -> Row {
        Row::of(name, wrong, Fails(reason), Fails(reason))
    }

    /// The primary asks for a rest that is believed.
    fn resting(self) -> Row {
        Row { recovers: WAIT + Duration::from_secs(5), rests: Some(WAIT), ..self }
    }

    /// Nobody looked at the password, and the longest pause for that is 5 s.
    fn signing_in(self) -> Row {
        Row { recovers: TTL + Duration::from_secs(10), ..self }
    }

    /// What is read is large.
    fn heavy(self) -> Row {
        let poll = "jobs_ttl = \"5s\"\nrequest_timeout = \"30s\"\ntimeout = \"40s\"";
        Row { poll, recovers: Duration::from_secs(10), ..self }
    }
}

fn status(code: u16) -> Fault {
    Fault::Status(code, Vec::new(), String::new())
}

fn retry_after(code: u16, value: String) -> Fault {
    Fault::Status(code, vec![("retry-after".to_owned(), value)], String::new())
}

fn body(text: &str) -> Fault {
    Fault::Body(text.to_owned())
}

/// Every row. Moments of rest are counted from now.
pub fn rows() -> Vec<Row> {
    let until = jiff::Timestamp::try_from(SystemTime::now() + WAIT + Duration::from_secs(1)).unwrap();
    let ahead = until + Duration::from_millis(AHEAD_MS.unsigned_abs());
    let http_date = until.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    vec![
        Row::jobs("status-204", status(204), &["http"]),
        Row::jobs("status-400", status(400), &["http"]),
        Row::jobs("status-403", status(403), &["forbidden"]),
        Row::jobs("status-404", status(404), &["http"]),
        Row::jobs("status-405", status(405), &["http"]),
        Row::jobs("status-406", status(406), &["version"]),
        Row::jobs("status-407", status(407), &["http"]),
        Row::jobs("status-415", status(415), &["http"]),
        Row::jobs("status-500", status(500), &["http"]),
        Row::jobs("status-502", status(502), &["http"]),
        Row::jobs("status-503", status(503), &["http"]),
        Row::jobs("status-504", status(504), &["http"]),
        Row::jobs("redirect", Fault::Redirect("http://127.0.0.1:1/".to_owned()), &["http"]),
        Row::of("denied", Wrong::Denied("/admin"), Fails(&["forbidden"]), Well),
        Row::of("silent-empty-jobs", Wrong::SilentEmptyJobs, Fails(&["forbidden"]), Well),
        Row::jobs("throttled-seconds", retry_after(429, WAIT.as_secs().to_string()), &["throttled"]).resting(),
        Row::jobs("throttled-http-date", retry_after(429, http_date), &["throttled"]).resting(),
        Row::jobs("throttled-iso-date", retry_after(429, format!("{until:.3}")), &["throttled"]).resting(),
        Row::of(
            "throttled-by-another-clock",
            Wrong::ClockAndAnswers(AHEAD_MS, "/admin/jobs", retry_after(429, format!("{ahead:.3}"))),
            Fails(&["throttled"]),
            Well,
        )
        .resting(),
        Row::jobs("throttled-rubbish", retry_after(429, "soon".to_owned()), &["throttled"]),
        Row::jobs("throttled-a-day", retry_after(429, "86400".to_owned()), &["throttled"]),
        Row::jobs("throttled-plain", status(429), &["throttled"]),
        Row::jobs("busy-seconds", retry_after(503, WAIT.as_secs().to_string()), &["throttled"]).resting(),
        Row::jobs("close", Fault::Close, &["connect"]),
        Row::jobs("reset", Fault::Reset, &["connect"]),
        Row::jobs("truncated", Fault::TruncatedBody, &["connect"]),
        Row::all("close-everything", Wrong::Answers("", Fault::Close), &["connect", "circuit"]),
        Row::all("refused", Wrong::Door(Door::Closed), &["connect", "circuit"]),
        Row::all("silent", Wrong::Door(Door::Silent), &["timeout", "connect", "circuit"]),
        Row::jobs("hang", Fault::Hang, &["timeout"]),
        Row::all("hang-everything", Wrong::Answers("", Fault::Hang), &["timeout", "circuit"]),
        Row::jobs("drip", Fault::Drip, &["timeout"]),
        Row::jobs("slow-headers", Fault::SlowHeaders, &["timeout"]),
        Row::jobs("long-length", Fault::LongLength, &["timeout"]),
        Row::jobs("huge-headers", Fault::HugeHeaders, &["decode"]),
        Row::jobs("not-http", Fault::NotHttp, &["decode"]),
        Row::jobs("endless", Fault::EndlessBody, &["too_large"]).heavy(),
        Row::jobs("gzip-bomb", Fault::GzipBomb, &["too_large"]).heavy(),
        Row::jobs("bad-gzip", Fault::BadGzip, &["decode"]),
        Row::jobs("short-length", Fault::ShortLength, &["decode"]),
        Row::jobs("empty", Fault::EmptyBody, &["decode"]),
        Row::jobs("html", Fault::Html, &["decode"]),
        Row::jobs("not-json", Fault::NotJson, &["decode"]),
        Row::jobs("cut-json", Fault::CutJson, &["decode"]),
        Row::jobs("null", body("null"), &["decode"]),
        Row::jobs("array", body("[]"), &["decode"]),
        Row::jobs("text", body("\"x\""), &["decode"]),
        Row::jobs("data-is-an-object", body("{\"data\": {}}"), &["decode"]),
        Row::jobs("rows-of-everything", body("{\"data\": [1, \"a\", null, []]}"), &["decode"]),
        Row::jobs("deep", Fault::DeepNesting, &["decode"]),
        Row::jobs("bad-utf8", Fault::BadUtf8, &["decode"]),
        Row::jobs("wrong-media-type", Fault::WrongMediaType, &["decode"]),
        Row::jobs("repeated-cursor", Fault::RepeatedCursor, &["decode"]),
        Row::jobs("cursor-loop", Fault::CursorLoop, &["decode"]),
        Row::storage("storage-500", status(500), &["http"]),
        Row::storage("storage-html", Fault::Html, &["decode"]),
        Row::storage("storage-reset", Fault::Reset, &["connect"]),
        Row::storage("storage-drip", Fault::Drip, &["timeout"]),
        Row::storage("storage-loop", Fault::CursorLoop, &["decode"]),
        Row::of("storage-denied", Wrong::Denied("/storage"), Well, Fails(&["forbidden"])),
        Row::of("ping-500", Wrong::Answers("/ping", status(500)), Well, Well),
        Row::of("ping-html", Wrong::Answers("/ping", Fault::Html), Well, Well),
        Row::of("clock-an-hour-off", Wrong::Clock(3_600_000), Well, Well),
        Row::all("sign-in-503", Wrong::SignIn(status(503)), &["http"]).signing_in(),
        Row::all("sign-in-404", Wrong::SignIn(status(404)), &["http"]).signing_in(),
        Row::all("sign-in-redirect", Wrong::SignIn(Fault::Redirect("http://127.0.0.1:1/".to_owned())), &["http"])
            .signing_in(),
        Row::all("sign-in-html", Wrong::SignIn(Fault::Html), &["decode"]).signing_in(),
        // The change of the certificate ends what is under way.
        Row::all("tls-expired", Wrong::Expired, &["tls", "connect", "circuit"]),
        Row::all("tls-wrong-name", Wrong::OtherName, &["tls", "connect", "circuit"]),
        Row::all("tls-unknown-authority", Wrong::UnknownAuthority, &["tls", "connect", "circuit"]),
        Row::all("tls-known-clients", Wrong::KnownClients, &["tls", "connect", "circuit"]),
        Row::all("tls-is-plain-http", Wrong::NoTls, &["tls", "connect", "circuit"]),
        Row::all("tls-no-handshake", Wrong::SilentTls, &["timeout", "connect", "circuit"]),
        Row::all("dns", Wrong::Nowhere, &["connect", "circuit"]),
    ]
}
