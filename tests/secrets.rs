//! No secret leaves the process in any way but the one it is for: the real binary at its most verbose, in both log
//! formats, along every path on which it handles a key, a password or a token. What it logs, prints, serves and keeps is
//! searched for each of them, whole and in parts, and in the forms that they may take on their way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use netbackup_exporter::simulator::{Account, Fault, Options, Simulator};
use support::{PATIENCE, binary, client};

/// Every character that some form of writing changes is in one of them.
const KEY: &str = "K3yAlphaSentinel/7+q=&OmegaK3y";
const OLD_KEY: &str = "0ldKeyAlphaSentinel%OmegaOldK3y";
const PASSWORD: &str = "Passw0rd \"Alpha\" S\u{e9}ntinel<>\\Omega";
const WRONG_PASSWORD: &str = "Wr0ngPassAlphaSentinelOmegaWrong";
const PROXY_PASSWORD: &str = "Pr0xyPassAlphaSentinelOmega";
/// What every token of the simulated primary begins with.
const TOKEN: &str = "eyJ0eXAiOiJKV1QifQ.simulated-";
const SECRETS: [&str; 6] = [KEY, OLD_KEY, PASSWORD, WRONG_PASSWORD, PROXY_PASSWORD, TOKEN];

const QUICK: &str =
    "[poll]\njobs_ttl = \"500ms\"\nstorage_ttl = \"500ms\"\nrequest_timeout = \"2s\"\ntimeout = \"5s\"\n";

/// The forms of a secret that are searched for, each with its name.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let percent: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = serde_json::to_string(secret).unwrap();
    let hex = secret.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let middle = secret.char_indices().nth(secret.chars().count() / 2).unwrap().0;
    let mut forms = vec![
        ("whole", secret.to_owned()),
        ("first half", secret[..middle].to_owned()),
        ("second half", secret[middle..].to_owned()),
        ("percent-encoded", percent.replace('+', "%20")),
        ("form-encoded", percent),
        ("JSON", json.trim_matches('"').to_owned()),
        ("debug", format!("{secret:?}").trim_matches('"').to_owned()),
        ("bytes", format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned()),
        ("hex", hex),
    ];
    // Wherever it stands in what was encoded: the digits that depend on its neighbours are left out.
    for (shift, name) in [(0, "base64"), (1, "base64 from the second byte"), (2, "base64 from the third byte")] {
        let padded: Vec<u8> = std::iter::repeat_n(0, shift).chain(secret.bytes()).collect();
        let digits = base64(&padded[..padded.len() / 3 * 3]);
        forms.push((name, digits[if shift == 0 { 0 } else { 4 }..].to_owned()));
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let triple = |bytes: &[u8]| {
        let number = bytes.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(digits[number >> shift & 63]))
    };
    bytes.chunks_exact(3).flat_map(triple).collect()
}

/// The first secret in a text, and its form.
fn leak(text: &str) -> Option<String> {
    let found = SECRETS.into_iter().flat_map(|secret| forms(secret).into_iter().map(move |form| (secret, form)));
    let mut found = found.filter(|(_, (_, form))| text.contains(form.as_str()));
    found.next().map(|(secret, (form, _))| format!("{secret} ({form})"))
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    if let Some(leak) = leak(text) {
        panic!("{what} holds {leak}:\n{text}");
    }
}

#[test]
fn every_form_of_every_secret_would_be_found() {
    for secret in SECRETS {
        for (name, form) in forms(secret) {
            assert!(form.len() >= 12, "{secret} {name}");
            assert!(leak(&format!("level=trace key=\"x{form}y\"")).is_some(), "{secret} {name}");
        }
        let basic = format!("user:{secret}..");
        assert!(leak(&base64(&basic.as_bytes()[..basic.len() / 3 * 3])).is_some(), "{secret}");
    }
    assert!(leak("site paris: the API key is empty; sentinel").is_none());
}

/// A running exporter, and everything that it wrote.
struct Run {
    child: Child,
    output: Arc<Mutex<Vec<u8>>>,
    base: String,
    directory: tempfile::TempDir,
}

/// A command whose outputs both end in one place.
fn collected(command: &mut Command) -> (Child, Arc<Mutex<Vec<u8>>>) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = Arc::new(Mutex::new(Vec::new()));
    let streams: [Box<dyn std::io::Read + Send>; 2] =
        [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
    for mut stream in streams {
        let output = Arc::clone(&output);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                output.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
    }
    (child, output)
}

impl Run {
    /// Starts the exporter with `config`, in which `DIR` is a directory that `prepare` has filled.
    fn start(format: &str, config: &str, environment: &[(&str, &str)], prepare: impl FnOnce(&Path)) -> Run {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        let config = config.replace("DIR", &directory.path().display().to_string());
        let path = directory.path().join("config.toml");
        std::fs::write(&path, format!("[web]\nlisten_address = \"127.0.0.1:0\"\n{QUICK}{config}")).unwrap();
        let mut command = binary();
        command.arg("--config.file").arg(&path).args(["--log.level", "trace", "--log.format", format]);
        let (child, output) = collected(command.envs(environment.iter().copied()));
        let mut run = Run { child, output, base: String::new(), directory };
        let log = run.wait_for("listening");
        let line = log.lines().find(|line| line.contains("listening")).unwrap();
        let port = line.split("127.0.0.1:").nth(1).unwrap().split(|c: char| !c.is_ascii_digit()).next().unwrap();
        run.base = format!("http://127.0.0.1:{port}");
        run
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap()).into_owned()
    }

    fn wait_for(&self, needle: &str) -> String {
        let since = Instant::now();
        loop {
            let output = self.output();
            if output.contains(needle) {
                return output;
            }
            assert!(since.elapsed() < PATIENCE, "{needle:?} was not said: {output}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    async fn get(&self, path: &str) -> String {
        client().get(format!("{}{path}", self.base)).send().await.unwrap().text().await.unwrap()
    }

    /// Waits until a collector has ended a poll with `reason`; `success`: until all have succeeded.
    async fn until(&self, reason: &str) {
        let since = Instant::now();
        loop {
            let metrics = self.get("/metrics").await;
            let holds = |line: &str| match reason {
                "success" => line.starts_with("netbackup_collector_success") && line.ends_with(" 1"),
                _ => {
                    line.starts_with("netbackup_collector_poll_failures_total")
                        && line.contains(&format!("reason=\"{reason}\""))
                        && !line.ends_with(" 0")
                }
            };
            let count = metrics.lines().filter(|line| holds(line)).count();
            if count >= 2 || (reason != "success" && count > 0) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "no {reason}: {metrics}\n{}", self.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything that it serves, asked for as a browser, a scraper and somebody with a wrong address would.
    async fn pages(&self) -> String {
        let mut text = String::new();
        let client = client();
        for path in [
            "/",
            "/metrics",
            "/metrics?site=paris",
            "/metrics?site=nowhere",
            "/health",
            "/health?site=paris",
            "/health?site=nowhere",
            "/-/healthy",
            "/-/ready",
            "/-/reload",
            "/api/v1/status",
            "/nowhere",
        ] {
            for accept in ["*/*", "application/openmetrics-text;version=1.0.0", "application/json"] {
                let request = client.get(format!("{}{path}", self.base)).header("accept", accept);
                let answer = request.send().await.unwrap();
                writeln!(text, "{path} {} {:?}", answer.status(), answer.headers()).unwrap();
                text.push_str(&answer.text().await.unwrap());
            }
        }
        let answer = client.post(format!("{}/-/reload", self.base)).send().await.unwrap();
        writeln!(text, "{:?}", answer.headers()).unwrap();
        text.push_str(&answer.text().await.unwrap());
        text
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Looks at the pages, stops the process, and looks at all that it wrote.
    async fn finish(mut self, what: &str) {
        // The health of a site is asked for twice: the first answer may come before the probe has ended.
        for _ in 0..2 {
            assert_clean(&format!("{what}: a page"), &self.pages().await);
        }
        self.signal("TERM");
        let since = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < PATIENCE, "{what}: it does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
        let output = self.output();
        assert!(output.contains("stopping"), "{what}: {output}");
        assert_clean(&format!("{what}: the log"), &output);
        let state = self.directory.path().join("state");
        for file in walk(&state) {
            let bytes = std::fs::read(&file).unwrap();
            assert_clean(&format!("{what}: {}", file.display()), &String::from_utf8_lossy(&bytes));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

async fn primary() -> Simulator {
    let primary = Simulator::start(Options { api_key: KEY.to_owned(), jobs: 30, ..Options::default() }).await.unwrap();
    primary.control().set_account(Some(account()));
    primary
}

fn account() -> Account {
    Account { user_name: "svc".into(), password: PASSWORD.into(), ..Account::default() }
}

fn site(url: &str, credential: &str) -> String {
    format!("[state]\ndirectory = \"DIR/state\"\n[[site]]\nname = \"paris\"\nurl = \"{url}\"\n{credential}\n")
}

const LOGIN: &str = "[site.login]\nusername = \"svc\"\npassword_file = \"DIR/password\"";

/// Once with each log format, each with a primary of its own.
async fn each_format<F: Future<Output = ()>>(run: impl Fn(&'static str, Simulator) -> F) {
    for format in ["logfmt", "json"] {
        run(format, primary().await).await;
    }
}

fn nothing(_: &Path) {}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_configuration() {
    each_format(async |format, primary| {
        let run = Run::start(format, &site(&primary.base_url(), &format!("api_key = \"{KEY}\"")), &[], nothing);
        run.until("success").await;
        // A reload that fails, with the key in wrong places.
        let path = run.directory.path().join("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{config}api_kee = \"{KEY}\"\n[poll]\n{KEY}\nlookback = \"{KEY}\"")).unwrap();
        run.signal("HUP");
        run.wait_for("configuration has a mistake");
        // And one that is right, with a key that is refused.
        std::fs::write(&path, config.replace(KEY, OLD_KEY)).unwrap();
        run.signal("HUP");
        run.until("auth").await;
        assert!(walk(&run.directory.path().join("state")).len() > 1, "there is state to be looked at");
        run.finish("key in the configuration").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_environment() {
    each_format(async |format, primary| {
        let config = site(&primary.base_url(), "api_key = \"${THE_KEY}\"");
        let run = Run::start(format, &config, &[("THE_KEY", KEY), ("NETBACKUP_API_KEY", KEY)], nothing);
        run.until("success").await;
        run.finish("key in the environment").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_changes_is_refused_and_vanishes() {
    each_format(async |format, primary| {
        let config = site(&primary.base_url(), "api_key_file = \"DIR/key\"");
        let run = Run::start(format, &config, &[], |directory| std::fs::write(directory.join("key"), KEY).unwrap());
        run.until("success").await;
        let key = run.directory.path().join("key");
        // The file alone, without a word to the exporter; the old key is still good, the new one is not.
        std::fs::write(&key, OLD_KEY).unwrap();
        run.until("auth").await;
        // As it was: used within seconds, long before a refused key is tried again.
        let since = Instant::now();
        std::fs::write(&key, format!("{KEY}\n")).unwrap();
        run.until("success").await;
        assert!(since.elapsed() < Duration::from_secs(30));
        std::fs::write(&key, format!("{KEY}\n{OLD_KEY}")).unwrap();
        run.wait_for("what the file held before stays in use");
        std::fs::remove_file(&key).unwrap();
        primary.control().set_api_key("another".into());
        run.wait_for("there is no usable credential");
        run.finish("key file").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_program_prints() {
    each_format(async |format, primary| {
        let script = format!("api_key_command = [\"/bin/sh\", \"-c\", \"echo '{KEY}'; echo '{KEY} {OLD_KEY}' >&2\"]");
        let run = Run::start(format, &site(&primary.base_url(), &script), &[], nothing);
        run.until("success").await;
        run.finish("command").await;
        for failing in ["echo '{}' '{}'; echo '{}' >&2; exit 3", "echo '{}'; echo '{}'", "printf '{}\\\\377'"] {
            let script = failing.replace("{}", KEY);
            let script = format!("api_key_command = [\"/bin/sh\", \"-c\", \"{script}\"]");
            let run = Run::start(format, &site(&primary.base_url(), &script), &[], nothing);
            run.until("auth").await;
            run.finish("failing command").await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session() {
    each_format(async |format, primary| {
        let password = |directory: &Path| std::fs::write(directory.join("password"), PASSWORD).unwrap();
        let control = primary.control();
        let run = Run::start(format, &site(&primary.base_url(), LOGIN), &[], password);
        run.until("success").await;
        assert_eq!(control.login_attempts(), 1, "one for all collectors");
        control.revoke_tokens();
        let since = Instant::now();
        while control.login_attempts() < 2 || control.open_sessions() < 1 {
            assert!(since.elapsed() < PATIENCE, "{}", run.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        run.until("success").await;
        assert!(!run.get("/metrics").await.contains("reason=\"auth\"} 1"), "nobody noticed");
        run.finish("session").await;
        assert_eq!(control.open_sessions(), 0, "it has signed out");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sign_in() {
    each_format(async |format, primary| {
        let control = primary.control();
        control.lock_after(Some(2));
        let wrong = |directory: &Path| std::fs::write(directory.join("password"), WRONG_PASSWORD).unwrap();
        let run = Run::start(format, &site(&primary.base_url(), LOGIN), &[], wrong);
        run.until("auth").await;
        run.signal("HUP");
        // Two polls of each collector, were it not for the pause.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(control.login_attempts(), 1, "nothing makes it try again");
        // The right one is tried at once, and the account was not locked meanwhile.
        std::fs::write(run.directory.path().join("password"), PASSWORD).unwrap();
        run.until("success").await;
        assert_eq!(control.login_attempts(), 2);
        run.finish("refused sign-in").await;

        control.set_account(Some(Account { needs_second_factor: true, ..account() }));
        let right = |directory: &Path| std::fs::write(directory.join("password"), PASSWORD).unwrap();
        let run = Run::start(format, &site(&primary.base_url(), LOGIN), &[], right);
        run.wait_for("second factor (MFA)");
        run.until("auth").await;
        run.finish("second factor").await;

        control.set_account(Some(account()));
        control.limit_logins(Some(0));
        let run = Run::start(format, &site(&primary.base_url(), LOGIN), &[], right);
        run.until("throttled").await;
        run.finish("limited sign-in").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_repeats_what_it_was_sent() {
    each_format(async |format, primary| {
        let control = primary.control();
        let json = ("content-type".to_owned(), "application/json".to_owned());
        let text = |secret: &str| {
            serde_json::json!({
                "errorCode": 1, "errorMessage": format!("bad value {secret}"), "errorDetails": [secret],
                "attributeErrors": {"Authorization": secret, secret: "unknown"},
            })
            .to_string()
        };
        let faults = [
            (Fault::Status(400, vec![json.clone()], text(KEY)), "http"),
            (Fault::Status(401, vec![json.clone()], text(KEY)), "auth"),
            (Fault::Status(200, vec![("content-type".to_owned(), format!("text/{KEY}"))], KEY.to_owned()), "decode"),
            (Fault::Status(200, vec![json.clone()], format!("{{\"data\":\"{KEY}\"}}")), "decode"),
            (
                Fault::Status(429, vec![json.clone(), ("retry-after".to_owned(), KEY.to_owned())], text(KEY)),
                "throttled",
            ),
            (Fault::Redirect(format!("http://127.0.0.1:1/?key={KEY}")), "http"),
        ];
        for (fault, reason) in faults {
            control.set_fault(Some("/storage"), Some(fault.clone()));
            let run = Run::start(format, &site(&primary.base_url(), &format!("api_key = \"{KEY}\"")), &[], nothing);
            run.until(reason).await;
            run.finish(&format!("{fault:?}")).await;
        }
        control.set_fault(Some("/storage"), None);
        control.set_fault(Some("/login"), Some(Fault::Status(401, vec![json], text(PASSWORD))));
        let password = |directory: &Path| std::fs::write(directory.join("password"), PASSWORD).unwrap();
        let run = Run::start(format, &site(&primary.base_url(), LOGIN), &[], password);
        run.until("auth").await;
        run.finish("a sign-in that is repeated").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_not_there() {
    let proxy = format!("http://user:{PROXY_PASSWORD}@127.0.0.1:1");
    let environment = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
        .map(|name| (name, proxy.as_str()));
    each_format(async |format, primary| {
        let tls = primary.base_url().replace("http:", "https:");
        for (url, reason) in [(tls.as_str(), "tls"), ("https://127.0.0.1:1/netbackup", "connect")] {
            let key = format!("api_key = \"{KEY}\"\n[site.tls]\ninsecure_skip_verify = true");
            let run = Run::start(format, &site(url, &key), &environment, nothing);
            run.until(reason).await;
            run.finish(url).await;
        }
    })
    .await;
}

fn output(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_by_itself() {
    each_format(async |format, primary| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        let once = |credential: &str| {
            std::fs::write(directory.path().join("password"), PASSWORD).unwrap();
            std::fs::write(directory.path().join("wrong"), WRONG_PASSWORD).unwrap();
            let config = format!("{QUICK}{}", site(&primary.base_url(), credential));
            std::fs::write(&path, config.replace("DIR", &directory.path().display().to_string())).unwrap();
            let mut command = binary();
            command.arg("--config.file").arg(&path).args(["--once", "--log.level", "trace", "--log.format", format]);
            output(&mut command)
        };
        for (credential, code) in [
            (format!("api_key = \"{KEY}\""), 0),
            (format!("api_key = \"{OLD_KEY}\""), 1),
            (format!("api_key_command = [\"echo\", \"{KEY}\"]"), 0),
            (LOGIN.to_owned(), 0),
            (LOGIN.replace("DIR/password", "DIR/wrong"), 1),
        ] {
            let (found, text) = once(&credential);
            assert_eq!(found, Some(code), "{text}");
            assert_clean("--once", &text);
            assert_eq!(primary.control().open_sessions(), 0, "it has signed out");
        }
        // Without a file.
        let empty = tempfile::tempdir().unwrap();
        let mut command = binary();
        command.current_dir(empty.path()).args(["--once", "--log.level", "trace", "--log.format", format]);
        command.env("NETBACKUP_URL", primary.base_url()).env("NETBACKUP_API_KEY", KEY);
        let (code, text) = output(&mut command);
        assert_eq!(code, Some(0), "{text}");
        assert_clean("the environment alone", &text);
    })
    .await;
}

#[test]
fn a_configuration_that_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(directory.path().join("two"), format!("{KEY}\n{PASSWORD}\n")).unwrap();
    std::fs::write(directory.path().join("bytes"), [KEY.as_bytes(), &[0xff]].concat()).unwrap();
    let url = "https://nbu.example.com";
    let good = site(url, &format!("api_key = \"{KEY}\""));
    let configs = [
        site(&format!("https://user:{KEY}@nbu"), &format!("api_key = \"{KEY}\"")),
        site(&format!("https://nbu?key={KEY}#{OLD_KEY}"), &format!("api_key = \"{KEY}\"")),
        site(url, &format!("api_kee = \"{KEY}\"")),
        site(url, &format!("api_key = {KEY}")),
        site(url, &format!("api_key = \"{KEY}\n")),
        site(url, &format!("api_key = \"{KEY} {KEY}\"")),
        site(url, &format!("api_key = \"${{{KEY}}}\"")),
        site(url, &format!("api_key_file = \"{KEY}\"")),
        site(url, "api_key_file = \"DIR/two\""),
        site(url, "api_key_file = \"DIR/bytes\""),
        site(url, &format!("api_key_command = \"echo {KEY}\"")),
        site(url, &format!("api_key_command = [\"/no/such/program\", \"{KEY}\"]")),
        site(url, &format!("api_key = \"{KEY}\"\napi_key_command = [\"echo\", \"{OLD_KEY}\"]")),
        site(url, &format!("login = '{PASSWORD}'")),
        site(url, &format!("[site.login]\nusername = \"svc\"\npassword = '{PASSWORD}'")),
        site(url, &format!("[site.login]\nusername = \"svc\"\npassword_file = '{PASSWORD}'")),
        site(url, "[site.login]\nusername = \"svc\"\npassword_file = \"DIR/two\""),
        site(url, &format!("[site.login]\nusername = \"svc\"\npassword_file = \"DIR/two\"\ndomain_type = \"{KEY}\"")),
        format!("{good}{KEY}\n"),
        format!("{good}\"{KEY}\" = 1\n"),
        format!("{good}[site.{WRONG_PASSWORD}]\n"),
        format!("[web]\nlisten_address = \"{KEY}\"\ntelemetry_path = \"{KEY}\"\n{good}"),
        format!("[poll]\njobs_ttl = \"{KEY}\"\n{good}"),
    ];
    for (number, config) in configs.iter().enumerate() {
        std::fs::write(&path, config.replace("DIR", &directory.path().display().to_string())).unwrap();
        for format in ["logfmt", "json"] {
            let mut command = binary();
            command.arg("--config.file").arg(&path).args(["--log.level", "trace", "--log.format", format]);
            let (code, text) = output(&mut command);
            assert_eq!(code, Some(2), "{number}: {config}\n{text}");
            assert_clean(&format!("configuration {number}"), &text);
        }
    }
}
