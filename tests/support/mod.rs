//! The real binary as a test runs it, and the exposition as a test reads it.
#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

pub mod dashboards;
pub mod known;
pub mod prometheus;
pub mod promql;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The longest that any predicate is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running exporter. Killed when dropped.
pub struct Exporter {
    child: Child,
    /// Such as `http://127.0.0.1:40123`.
    pub base: String,
    log: Arc<Mutex<Vec<String>>>,
    _directory: tempfile::TempDir,
}

impl Exporter {
    /// Starts the binary with a configuration whose `[web]` section is written here (loopback, any free port).
    pub fn start(config: &str) -> Exporter {
        Exporter::with(config, "", &[], &[])
    }

    /// As [`Exporter::start`], with further `[web]` keys, arguments and environment.
    pub fn with(config: &str, web: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Exporter {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, format!("[web]\nlisten_address = \"127.0.0.1:0\"\n{web}\n{config}")).unwrap();
        let mut command = binary();
        command.arg("--config.file").arg(&path).args(arguments).envs(environment.iter().copied());
        Exporter::spawn(command, directory)
    }

    /// Starts any command of the binary that listens and says so.
    pub fn spawn(mut command: Command, directory: tempfile::TempDir) -> Exporter {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| lines.lock().unwrap().push(line))
        });
        let mut exporter = Exporter { child, base: String::new(), log, _directory: directory };
        let line = exporter.wait_for_log("msg=listening");
        let address = line
            .split_whitespace()
            .find_map(|field| field.strip_prefix("address="))
            .expect("the line names the address");
        exporter.base = format!("http://{address}");
        exporter
    }

    /// Everything that was logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line that contains `needle`.
    pub fn wait_for_log(&self, needle: &str) -> String {
        let since = Instant::now();
        loop {
            if let Some(line) = self.log.lock().unwrap().iter().find(|line| line.contains(needle)) {
                return line.clone();
            }
            assert!(since.elapsed() < PATIENCE, "{needle:?} was not logged: {:#?}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self, most: Duration) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(since.elapsed() < most, "still running after {most:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// GET with status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = client().get(format!("{}{path}", self.base)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// GET of a JSON document.
    pub async fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(&self.get(path).await.1).unwrap()
    }

    /// The exposition now.
    pub async fn scrape(&self) -> Samples {
        let (status, body) = self.get("/metrics").await;
        assert_eq!(status, 200);
        Samples::parse(&body)
    }

    /// Scrapes until the predicate holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&Samples) -> bool) -> Samples {
        let since = Instant::now();
        loop {
            let samples = self.scrape().await;
            if holds(&samples) {
                return samples;
            }
            assert!(since.elapsed() < PATIENCE, "waited in vain: {what}\n{samples}\nlog: {:#?}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, with an environment of its own.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netbackup_exporter"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// A client that asks for plain text.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

/// A file beside the tests.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Label names and values in the order of the exposition.
pub type Labels = Vec<(String, String)>;

/// An exposition, read strictly: escapes, label syntax, one value.
#[derive(Debug, Default)]
pub struct Samples {
    /// Value by name and labels.
    pub values: BTreeMap<(String, Labels), f64>,
}

impl Samples {
    /// Reads text 0.0.4 or OpenMetrics.
    pub fn parse(text: &str) -> Samples {
        let mut values = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (name, labels, value) = parse_line(line).unwrap_or_else(|| panic!("not a sample: {line:?}"));
            assert!(values.insert((name, labels), value).is_none(), "twice: {line}");
        }
        Samples { values }
    }

    /// The one value of a name whose labels contain all the given ones; `None`: there is none.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut found = self.all(name, labels);
        let value = found.next().map(|(_, value)| value);
        assert!(found.next().is_none(), "{name}{labels:?} is not one series");
        value
    }

    /// Every series of a name whose labels contain all the given ones.
    pub fn all<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = (&'a Labels, f64)> {
        let wanted =
            move |found: &Labels| labels.iter().all(|(key, value)| found.iter().any(|(k, v)| k == key && v == value));
        self.values
            .iter()
            .filter(move |((found, labels), _)| found == name && wanted(labels))
            .map(|((_, labels), value)| (labels, *value))
    }

    /// Sum over every series of a name whose labels contain all the given ones.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).map(|(_, value)| value).sum()
    }

    /// Value of a label of every series of a name.
    pub fn label_values(&self, name: &str, label: &str) -> Vec<String> {
        let value = |labels: &Labels| labels.iter().find(|(key, _)| key == label).map(|(_, value)| value.clone());
        self.all(name, &[]).filter_map(|(labels, _)| value(labels)).collect()
    }
}

impl std::fmt::Display for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for ((name, labels), value) in &self.values {
            writeln!(f, "{name}{labels:?} {value}")?;
        }
        Ok(())
    }
}

fn parse_line(line: &str) -> Option<(String, Labels, f64)> {
    let name_end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))?;
    let (name, rest) = line.split_at(name_end);
    let mut labels = Vec::new();
    let rest = match rest.strip_prefix('{') {
        None => rest,
        Some(mut rest) => loop {
            if let Some(after) = rest.strip_prefix('}') {
                break after;
            }
            let (key, after) = rest.split_once("=\"")?;
            let mut value = String::new();
            let mut chars = after.char_indices();
            let end = loop {
                match chars.next()? {
                    (end, '"') => break end,
                    (_, '\\') => value.push(match chars.next()?.1 {
                        'n' => '\n',
                        c @ ('"' | '\\') => c,
                        _ => return None,
                    }),
                    (_, c) => value.push(c),
                }
            };
            labels.push((key.trim_start_matches(',').to_owned(), value));
            rest = &after[end + 1..];
        },
    };
    let value = rest.strip_prefix(' ')?;
    Some((name.to_owned(), labels, value.parse().ok()?))
}
