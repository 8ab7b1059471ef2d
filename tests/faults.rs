//! Everything that a primary can do wrong, each against a site of its own in one exporter: the poll ends in time with a
//! named reason, the last good data stay, nothing else suffers, and all is well soon after the fault has gone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stdout, reason = "what was measured is worth a line")]

#[path = "faults/authority.rs"]
mod authority;
mod support;
#[path = "faults/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use authority::Authority;
use netbackup_exporter::simulator::{Account, Control, Door, Fault, Options, Simulator, Tls};
use support::{Exporter, Samples};
use table::{Expect, Row, TTL, WAIT, Wrong, rows};

const KEY: &str = "faults-key-61d2";
/// How long the faults last at least.
const ILL: Duration = Duration::from_secs(15);
/// How long everything may take to begin, and to show its reason.
const PATIENCE: Duration = Duration::from_secs(30);
/// No scrape takes longer, however busy the machine is with other tests: one that waited for a primary that hangs would
/// wait for ever.
const LONGEST_SCRAPE: Duration = Duration::from_secs(10);
/// The most memory that the exporter may ever have had, in KiB: two bodies of the largest size that is read are in it.
const MOST_MEMORY: u64 = 200 * 1_024;
/// Requests per second of a site that is polled as in `POLL`, at most, and how many may come at once.
const MOST_REQUESTS: (f64, f64) = (5.0, 15.0);

/// As short as many sites in a build for tests can bear.
const POLL: &str = "[poll]\njobs_ttl = \"4s\"\nstorage_ttl = \"4s\"\nrequest_timeout = \"3s\"\ntimeout = \"8s\"\n";

/// A site and its primary.
struct Patient {
    row: Row,
    primary: Simulator,
    is_tls: bool,
}

impl Patient {
    async fn new(row: Row, good: &Tls) -> Patient {
        let is_tls = matches!(
            row.wrong,
            Wrong::Expired
                | Wrong::OtherName
                | Wrong::UnknownAuthority
                | Wrong::KnownClients
                | Wrong::NoTls
                | Wrong::SilentTls
        );
        let options = Options {
            api_key: KEY.to_owned(),
            jobs: 20,
            storage_units: 3,
            odd_rows: false,
            tls: is_tls.then(|| good.clone()),
            ..Options::default()
        };
        let patient = Patient { row, primary: Simulator::start(options).await.unwrap(), is_tls };
        if patient.signs_in() {
            let account = Account { user_name: "svc".into(), password: KEY.into(), ..Account::default() };
            patient.control().set_account(Some(account));
        }
        patient
    }

    fn signs_in(&self) -> bool {
        matches!(self.row.wrong, Wrong::SignIn(_))
    }

    /// `key_file` holds the key, which is the password too.
    fn config(&self, ca_file: &str, key_file: &str) -> String {
        let name = self.row.name;
        let url = match self.row.wrong {
            Wrong::Nowhere => "http://nonexistent.invalid:1556".to_owned(),
            _ => self.primary.base_url(),
        };
        let mut text = format!("[[site]]\nname = \"{name}\"\nurl = \"{url}\"\n");
        if self.signs_in() {
            write!(text, "[site.login]\nusername = \"svc\"\npassword_file = \"{key_file}\"\n").unwrap();
        } else {
            writeln!(text, "api_key = \"{KEY}\"").unwrap();
        }
        if !self.row.poll.is_empty() {
            write!(text, "[site.poll]\n{}\n", self.row.poll).unwrap();
        }
        if self.is_tls {
            write!(text, "[site.tls]\nca_file = \"{ca_file}\"\n").unwrap();
        }
        text
    }

    fn control(&self) -> &Control {
        self.primary.control()
    }

    fn fall_ill(&self, ours: &Authority) {
        let control = self.control();
        control.clear_requests();
        match &self.row.wrong {
            Wrong::Answers(endpoint, fault) => control.set_fault(Some(endpoint), Some(fault.clone())),
            Wrong::Door(door) => control.set_door(*door),
            Wrong::SilentTls => control.set_door(Door::Silent),
            Wrong::Expired => control.set_tls(Some(ours.server("127.0.0.1", 2021))),
            Wrong::OtherName => control.set_tls(Some(ours.server("other.example.com", 2099))),
            Wrong::UnknownAuthority => control.set_tls(Some(Authority::new().server("127.0.0.1", 2099))),
            Wrong::KnownClients => control.set_tls(Some(ours.server_for_known_clients("127.0.0.1"))),
            Wrong::NoTls => control.set_tls(None),
            Wrong::Denied(endpoint) => control.set_rbac(vec![(*endpoint).to_owned()]),
            Wrong::SilentEmptyJobs => control.set_silent_empty_jobs(true),
            Wrong::Clock(offset) => control.set_clock_offset(*offset),
            Wrong::ClockAndAnswers(offset, endpoint, fault) => {
                control.set_clock_offset(*offset);
                control.set_fault(Some(endpoint), Some(fault.clone()));
            }
            Wrong::SignIn(fault) => {
                control.set_fault(Some("/login"), Some(fault.clone()));
                control.revoke_tokens();
            }
            Wrong::Nowhere => {}
        }
    }

    fn get_well(&self, good: &Tls) {
        let control = self.control();
        match &self.row.wrong {
            Wrong::Answers(endpoint, _) => control.set_fault(Some(endpoint), None),
            Wrong::Door(_) | Wrong::SilentTls => control.set_door(Door::Open),
            Wrong::Expired | Wrong::OtherName | Wrong::UnknownAuthority | Wrong::KnownClients | Wrong::NoTls => {
                control.set_tls(Some(good.clone()));
            }
            Wrong::Denied(_) => control.set_rbac(Vec::new()),
            Wrong::SilentEmptyJobs => control.set_silent_empty_jobs(false),
            Wrong::Clock(_) => control.set_clock_offset(0),
            Wrong::ClockAndAnswers(_, endpoint, _) => {
                control.set_clock_offset(0);
                control.set_fault(Some(endpoint), None);
            }
            Wrong::SignIn(_) => control.set_fault(Some("/login"), None),
            Wrong::Nowhere => {}
        }
    }

    fn collectors(&self) -> [(&'static str, Expect); 2] {
        [("jobs", self.row.jobs), ("storage", self.row.storage)]
    }

    fn is_ever_well(&self) -> bool {
        !matches!(self.row.wrong, Wrong::Nowhere)
    }
}

/// What one scrape says, by site; only what is looked at here is read.
struct Board(BTreeMap<String, Samples>);

const LOOKED_AT: [&str; 10] = [
    "netbackup_api_circuit_open{",
    "netbackup_collector_success{",
    "netbackup_collector_age_seconds{",
    "netbackup_collector_polls_total{",
    "netbackup_collector_poll_failures_total{",
    "netbackup_collector_poll_duration_seconds_",
    "netbackup_collector_permission_denied{",
    "netbackup_lookback_jobs{",
    "netbackup_storage_unit_info{",
    "netbackup_server_clock_offset_seconds{",
];

impl Board {
    fn read(text: &str) -> Board {
        let mut sites: BTreeMap<String, String> = BTreeMap::new();
        for line in text.lines().filter(|line| LOOKED_AT.iter().any(|name| line.starts_with(name))) {
            let (_, rest) = line.split_once("site=\"").unwrap();
            let text = sites.entry(rest.split('"').next().unwrap().to_owned()).or_default();
            text.push_str(line);
            text.push('\n');
        }
        Board(sites.into_iter().map(|(site, text)| (site, Samples::parse(&text))).collect())
    }

    fn get(&self, site: &str, collector: &str, name: &str) -> Option<f64> {
        self.0[site].get(&format!("netbackup_collector_{name}"), &[("collector", collector)])
    }

    fn is_well(&self, site: &str, collector: &str) -> bool {
        self.get(site, collector, "success") == Some(1.0)
    }

    /// Failures by reason, those that there are.
    fn failures(&self, site: &str, collector: &str) -> BTreeMap<String, f64> {
        let all = self.0[site].all("netbackup_collector_poll_failures_total", &[]);
        let of = |labels: &support::Labels, name: &str| labels.iter().find(|(key, _)| key == name).unwrap().1.clone();
        all.filter(|(labels, count)| *count > 0.0 && of(labels, "collector") == collector)
            .map(|(labels, count)| (of(labels, "reason"), count))
            .collect()
    }

    /// How much the last snapshots hold.
    fn data(&self, site: &str) -> (f64, usize) {
        let samples = &self.0[site];
        (samples.sum("netbackup_lookback_jobs", &[]), samples.all("netbackup_storage_unit_info", &[]).count())
    }
}

/// The exporter as Prometheus sees it, and how long its answers took while its sites were ill.
struct Watch {
    exporter: Exporter,
    client: reqwest::Client,
    took: Vec<Duration>,
}

impl Watch {
    /// What is said of some sites. Of all it is megabytes, which a build for tests takes its time to write.
    async fn scrape(&mut self, sites: &[&str]) -> Board {
        let query: Vec<_> = sites.iter().map(|site| format!("site={site}")).collect();
        let url = format!("{}/metrics?{}", self.exporter.base, query.join("&"));
        let answer = match self.client.get(url).send().await {
            Ok(answer) => answer,
            Err(error) => panic!("{error:?}\n{:#?}", self.exporter.log().iter().rev().take(20).collect::<Vec<_>>()),
        };
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        Board::read(&text)
    }

    /// Looks at one site that hangs, for as long: an answer must not wait for a primary.
    async fn look_on(&mut self, until: Instant) {
        while Instant::now() < until {
            let asked = Instant::now();
            self.scrape(&["hang-everything"]).await;
            self.took.push(asked.elapsed());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Scrapes the sites of all that `complain` has something to say of, until that is none.
    async fn until_silent<'a>(
        &mut self,
        patients: &'a [Patient],
        patience: Duration,
        mut complain: impl FnMut(&'a Patient, &Board) -> Vec<String>,
    ) {
        let since = Instant::now();
        let mut left: Vec<_> = patients.iter().collect();
        loop {
            let names: Vec<_> = left.iter().map(|patient| patient.row.name).collect();
            let board = self.scrape(&names).await;
            let mut complaints = Vec::new();
            left.retain(|patient| {
                let of_it = complain(patient, &board);
                complaints.extend(of_it.iter().map(|complaint| format!("{}: {complaint}", patient.row.name)));
                !of_it.is_empty()
            });
            if left.is_empty() {
                return;
            }
            let (log, took) = (self.exporter.log(), since.elapsed());
            let log: Vec<_> = log.iter().rev().take(60).collect();
            assert!(took < patience, "after {took:?}: {complaints:#?}\n{log:#?}");
            self.look_on(Instant::now() + Duration::from_millis(250)).await;
        }
    }

    /// The most memory it ever had, in KiB.
    fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.exporter.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// What is wrong with how the illness shows.
fn symptoms(patient: &Patient, before: &Board, board: &Board, ill_for: Duration) -> Vec<String> {
    let (site, mut found) = (patient.row.name, Vec::new());
    let mut expect = |what: String, holds: bool| {
        if !holds {
            found.push(what);
        }
    };
    for (collector, expected) in patient.collectors() {
        let mut failures = board.failures(site, collector);
        // Who was never well has failed from the start.
        let earlier = if patient.is_ever_well() { before.failures(site, collector) } else { BTreeMap::new() };
        for (reason, count) in earlier {
            *failures.get_mut(&reason).unwrap() -= count;
        }
        failures.retain(|_, count| *count > 0.0);
        let success = board.get(site, collector, "success");
        let age = board.get(site, collector, "age_seconds");
        match expected {
            Expect::Well => {
                expect(format!("{collector} should not fail: {failures:?}"), failures.is_empty());
                expect(format!("{collector} should succeed"), success == Some(1.0));
                expect(format!("{collector} should stay young: {age:?}"), age.is_some_and(|age| age < 20.0));
            }
            Expect::Fails(reasons) => {
                let first = reasons[0];
                let is_foreign = |reason: &String| !reasons.contains(&reason.as_str());
                expect(format!("{collector} should fail with {first}: {failures:?}"), failures.contains_key(first));
                expect(format!("{collector} fails otherwise: {failures:?}"), !failures.keys().any(is_foreign));
                expect(format!("{collector} should not succeed"), success == Some(0.0));
                if patient.is_ever_well() {
                    let grown = ill_for.as_secs_f64() - 3.0;
                    expect(
                        format!("{collector} should have aged {grown} s: {age:?}"),
                        age.is_some_and(|age| age > grown),
                    );
                }
                let denied = board.get(site, collector, "permission_denied");
                expect(
                    format!("{collector} denied: {denied:?}"),
                    denied == Some(f64::from(u8::from(first == "forbidden"))),
                );
            }
        }
        // The deadline of a poll is 8 s; of the rows with large bodies 40 s.
        let ended = board.0[site].get("netbackup_collector_poll_duration_seconds_count", &[("collector", collector)]);
        let soon = if patient.row.poll.is_empty() { "10.0" } else { "60.0" };
        let labels = [("collector", collector), ("le", soon)];
        let ended_soon = board.0[site].get("netbackup_collector_poll_duration_seconds_bucket", &labels);
        expect(format!("{collector} should end its polls in time"), ended.is_some() && ended == ended_soon);
    }
    if patient.is_ever_well() {
        let (had, has) = (before.data(site), board.data(site));
        expect(format!("the data should stay: {had:?}, now {has:?}"), had == has);
    }
    if let Wrong::Clock(offset) | Wrong::ClockAndAnswers(offset, ..) = patient.row.wrong {
        let shown = board.0[site].get("netbackup_server_clock_offset_seconds", &[]);
        let distance = shown.map_or(f64::MAX, |shown| (shown - offset as f64 / 1_000.0).abs());
        expect(format!("the clock offset should show: {shown:?}"), distance < 2.0);
    }
    if patient.row.rests.is_some() {
        let polls = |board: &Board| board.get(site, "jobs", "polls_total").unwrap();
        let asked = polls(board) - polls(before);
        expect(format!("it should be left alone, and was asked {asked} times"), asked <= 2.0);
    }
    // Where nobody answers at all the circuit opens; where anything is answered it does not.
    let is_dark = patient
        .collectors()
        .iter()
        .all(|(_, expected)| matches!(expected, Expect::Fails(reasons) if reasons.contains(&"circuit")));
    let open = board.0[site].get("netbackup_api_circuit_open", &[]);
    expect(format!("the circuit should be open: {is_dark}, is {open:?}"), open == Some(f64::from(u8::from(is_dark))));
    let (rate, burst) = MOST_REQUESTS;
    let requests: u64 = patient.control().request_counts().values().sum();
    let most = burst + rate * ill_for.as_secs_f64();
    expect(format!("{requests} requests in {ill_for:?}"), (requests as f64) < most);
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_has_its_name_harms_nothing_else_and_is_got_over() {
    let directory = tempfile::tempdir().unwrap();
    let ours = Authority::new();
    let (good, ca_file) = (ours.server("127.0.0.1", 2099), ours.file(directory.path()));
    let key_file = directory.path().join("key");
    std::fs::write(&key_file, KEY).unwrap();
    let mut patients = Vec::new();
    for row in rows() {
        patients.push(Patient::new(row, &good).await);
    }
    let sites: String =
        patients.iter().map(|patient| patient.config(ca_file.to_str().unwrap(), key_file.to_str().unwrap())).collect();
    let exporter = Exporter::start(&format!("{POLL}{sites}"));
    let client = reqwest::Client::builder().no_proxy().gzip(false).timeout(PATIENCE).build().unwrap();
    let mut watch = Watch { exporter, client, took: Vec::new() };

    let names: Vec<_> = patients.iter().map(|patient| patient.row.name).collect();
    let is_well = |patient: &Patient, board: &Board| {
        let each = patient.collectors().iter().all(|(collector, _)| board.is_well(patient.row.name, collector));
        each || !patient.is_ever_well()
    };
    let begins = |patient: &Patient, board: &Board| {
        if is_well(patient, board) { Vec::new() } else { vec!["it should have begun".to_owned()] }
    };
    watch.until_silent(&patients, PATIENCE, begins).await;

    let before = watch.scrape(&names).await;
    watch.took.clear();
    let fell_ill = Instant::now();
    // The moments of the first table have begun to pass while the sites began.
    for (patient, row) in patients.iter_mut().zip(rows()) {
        patient.row = row;
        patient.fall_ill(&ours);
    }
    watch.look_on(fell_ill + ILL).await;
    let shows = |patient: &Patient, board: &Board| symptoms(patient, &before, board, fell_ill.elapsed());
    watch.until_silent(&patients, PATIENCE, shows).await;

    let lifted = Instant::now();
    patients.iter().for_each(|patient| patient.get_well(&good));
    let mut recovered: BTreeMap<&str, Duration> = BTreeMap::new();
    let recovers = |patient: &Patient, board: &Board| {
        let name = patient.row.name;
        if !is_well(patient, board) {
            return vec![format!("it should be well again: {:?}", board.failures(name, "jobs"))];
        }
        recovered.insert(name, lifted.elapsed());
        Vec::new()
    };
    watch.until_silent(&patients, WAIT + Duration::from_secs(10), recovers).await;
    for patient in patients.iter().filter(|patient| patient.is_ever_well()) {
        let Row { name, recovers, rests, .. } = patient.row;
        let took = recovered[name];
        assert!(took <= recovers, "{name} took {took:?} to recover");
        let asked_again = fell_ill.elapsed() - lifted.elapsed() + took;
        assert!(
            rests.is_none_or(|rests| asked_again + Duration::from_secs(1) >= rests),
            "{name}: after {asked_again:?}"
        );
    }
    watch.took.sort();
    let (took, peak) = (&watch.took, watch.peak_memory());
    let (usual, slowest) = (took[took.len() * 9 / 10], took[took.len() - 1]);
    println!("scrapes {usual:?}, slowest {slowest:?}, peak memory {peak} KiB, recovered {recovered:#?}");
    assert!(slowest < LONGEST_SCRAPE, "scrapes took {usual:?}, the slowest {slowest:?}");
    assert!(peak < MOST_MEMORY, "{peak} KiB");
}

/// A refusal is believed for a minute, and another key ends that wait.
#[tokio::test]
async fn refused_credentials_are_tried_again_after_a_minute_or_with_another_key() {
    let directory = tempfile::tempdir().unwrap();
    let key_file = directory.path().join("key");
    std::fs::write(&key_file, KEY).unwrap();
    let primary = async || {
        let options = Options { api_key: KEY.to_owned(), jobs: 20, ..Options::default() };
        Simulator::start(options).await.unwrap()
    };
    let (refusing, rotating) = (primary().await, primary().await);
    let config = format!(
        "{POLL}[[site]]\nname = \"refusing\"\nurl = \"{}\"\napi_key = \"{KEY}\"\n[[site]]\nname = \"rotating\"\nurl = \"{}\"\napi_key_file = \"{}\"\n",
        refusing.base_url(),
        rotating.base_url(),
        key_file.display()
    );
    let exporter = Exporter::start(&config);
    let well = |samples: &Samples, site| samples.sum("netbackup_collector_success", &[("site", site)]) == 2.0;
    exporter.until("both begin", |samples| well(samples, "refusing") && well(samples, "rotating")).await;

    refusing.control().set_fault(None, Some(Fault::Status(401, Vec::new(), String::new())));
    rotating.control().set_api_key("another-key".to_owned());
    let refused = |samples: &Samples, site| {
        let failures = samples.sum("netbackup_collector_poll_failures_total", &[("site", site)]);
        failures == 2.0
            && samples.sum("netbackup_collector_poll_failures_total", &[("site", site), ("reason", "auth")]) == 2.0
    };
    let since = Instant::now();
    exporter.until("both are refused", |samples| refused(samples, "refusing") && refused(samples, "rotating")).await;
    refusing.control().set_fault(None, None);
    refusing.control().clear_requests();

    let rotated = Instant::now();
    std::fs::write(&key_file, "another-key").unwrap();
    exporter.until("the other key is used", |samples| well(samples, "rotating")).await;
    assert!(rotated.elapsed() < TTL + Duration::from_secs(5), "{:?}", rotated.elapsed());

    let most = Duration::from_secs(75);
    tokio::time::timeout(most, async {
        while !well(&exporter.scrape().await, "refusing") {
            let asked: u64 = refusing.control().request_counts().values().sum();
            assert!(
                since.elapsed() > Duration::from_secs(60) || asked == 0,
                "asked {:?} after the refusal",
                since.elapsed()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await
    .expect("tried again about a minute after the refusal");
}

/// The flags of `simulate`, in a process of its own.
#[tokio::test]
async fn the_simulated_primary_misbehaves_as_the_command_line_says() {
    let directory = tempfile::tempdir().unwrap();
    let ours = Authority::new();
    let ca = std::fs::read(ours.file(directory.path())).unwrap();
    let (certificate, key) = ours.issue("127.0.0.1", 2099);
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut command = support::binary();
    command.args(["simulate", "--listen-address", "127.0.0.1:0", "--jobs", "5", "--api-key", KEY]);
    command.arg("--tls-cert-file").arg(file("cert.pem", &certificate));
    command.arg("--tls-key-file").arg(file("key.pem", &key));
    command.args(["--fault", "/ping=status:429,retry-after:120x1", "--fault", "/security=body:null"]);
    command.args(["--deny", "/storage", "--silent-empty-jobs", "--clock-offset", "-2h"]);
    let primary = Exporter::spawn(command, tempfile::tempdir().unwrap());
    let root = reqwest::Certificate::from_pem(&ca).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
    let base = primary.base.replace("http://", "https://");
    let ask = async |path: &str| {
        let request = client.get(format!("{base}/netbackup{path}")).header("authorization", KEY);
        let json = "application/vnd.netbackup+json;version=12.0";
        let answer = request.header("accept", if path == "/ping" { "*/*" } else { json }).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
    };
    let (status, headers, _) = ask("/ping").await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (429, "120"));
    let (status, _, time) = ask("/ping").await;
    let behind = jiff::Timestamp::now().as_millisecond() - time.parse::<i64>().unwrap();
    assert!(status == 200 && (7_199_000..7_260_000).contains(&behind), "{status}, {behind} ms behind");
    assert_eq!(ask("/security/serverinfo").await.2, "null");
    let (status, _, body) = ask("/storage/storage-units").await;
    assert!(status == 401 && body.contains("8000"), "{status}: {body}");
    let (status, _, body) = ask("/admin/jobs").await;
    assert!(status == 200 && body.contains("\"data\":[]"), "{status}: {body}");
}
