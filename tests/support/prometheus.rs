//! A real Prometheus that scrapes what a test runs, and how a test asks it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::client;

/// Whether a program is installed; says aloud where it is not.
pub fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        let _ = writeln!(std::io::stderr(), "skipped: {program} is not installed");
    }
    found
}

/// The committed rules: every file of alerts/ that is no example of a configuration.
pub fn rule_files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts")).unwrap();
    let names = entries.map(|entry| entry.unwrap().path());
    names
        .filter(|path| path.to_string_lossy().ends_with(".yml") && !path.to_string_lossy().ends_with(".example.yml"))
        .collect()
}

/// A running Prometheus. Killed when dropped.
pub struct Prometheus {
    child: Child,
    port: u16,
    client: reqwest::Client,
    directory: tempfile::TempDir,
}

impl Prometheus {
    /// Scrapes `base`, such as `http://127.0.0.1:40123`, every second, and evaluates the rules of the files.
    pub fn start(base: &str, rules: &[PathBuf]) -> Prometheus {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("prometheus.yml");
        let target = base.strip_prefix("http://").unwrap();
        // JSON is YAML.
        let content = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": rules,
            "scrape_configs": [{"job_name": "netbackup", "static_configs": [{"targets": [target]}]}],
        });
        std::fs::write(&config, content.to_string()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Prometheus { child, port, client: client(), directory }
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// What its API answers: `data`, or the error in words.
    pub async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let answer = self.client.get(format!("http://127.0.0.1:{}/api/v1/{path}?{query}", self.port)).send().await;
        let text = answer.map_err(|error| error.to_string())?.text().await.map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if answer["status"] == "success" { Ok(answer["data"].take()) } else { Err(answer["error"].to_string()) }
    }

    /// The value of an instant query with one result.
    pub async fn value(&self, query: &str) -> Option<f64> {
        let data = self.ask("query", &[("query", query)]).await.ok()?;
        data["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
