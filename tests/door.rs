//! The exporter's own door with clients as they are: the real binary, curl, and a crowd.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test reports by panicking")]
#![expect(
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test reports by panicking, and a skipped one has to say so"
)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use support::{Exporter, PATIENCE, binary};

/// A site that nobody answers for: the door is what is tested.
const SITE: &str = "[[site]]\nname = \"paris\"\nurl = \"https://127.0.0.1:9\"\napi_key = \"k3yThatNobodyTells\"\n";
const PASSWORD: &str = "pa55wordThatNobodyTells";

/// Files of a door: an authority, a certificate of the server, one of a client, and a web configuration.
struct Files {
    directory: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Files {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes who has the name of its issuer for its own issuer.
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Files { directory: tempfile::tempdir().unwrap(), authority };
        files.write("ca.crt", &files.authority.pem());
        files.issue("server");
        files.issue("client");
        files
    }

    fn issue(&self, name: &str) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names.push(SanType::IpAddress("127.0.0.1".parse().unwrap()));
        let key = KeyPair::generate().unwrap();
        self.write(&format!("{name}.crt"), &params.signed_by(&key, &self.authority).unwrap().pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Files for curl; `None`, which is said: curl is not installed.
    fn for_curl() -> Option<Files> {
        if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: curl is not installed");
            return None;
        }
        Some(Files::new())
    }

    /// The exporter behind a web configuration; relative paths in it start at these files.
    fn start(&self, web: &str) -> Exporter {
        self.write("web.yml", web);
        let web = self.path("web.yml").display().to_string();
        Exporter::with(SITE, "", &["--web.config.file", &web, "--log.level", "trace"], &[])
    }

    /// The time is a guard against hanging only; how long scrapes take is measured by `benches/crowd.sh`.
    fn curl(&self, arguments: &[&str]) -> Answer {
        let mut command = Command::new("curl");
        command.args(["-sS", "-i", "--max-time", "60", "--noproxy", "*"]).args(arguments);
        Answer::of(&command.current_dir(self.directory.path()).output().unwrap())
    }
}

/// What curl got.
#[derive(Debug)]
#[expect(dead_code, reason = "what curl complains about is shown where a test fails")]
struct Answer {
    code: i32,
    text: String,
    error: String,
}

impl Answer {
    fn of(output: &Output) -> Answer {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Answer { code: output.status.code().unwrap(), text: text(&output.stdout), error: text(&output.stderr) }
    }

    /// The HTTP status of the last answer; 0: there was none.
    fn status(&self) -> u16 {
        let line = self.text.lines().rfind(|line| line.starts_with("HTTP/1."));
        line.map_or(0, |line| line[9..12].parse().unwrap())
    }
}

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// Where the exporter is, by another scheme.
fn https(exporter: &Exporter, path: &str) -> String {
    format!("{}{path}", exporter.base.replacen("http:", "https:", 1))
}

#[test]
fn curl_scrapes_over_tls() {
    let Some(files) = Files::for_curl() else { return };
    let exporter = files.start(TLS);
    let metrics = https(&exporter, "/metrics");
    let answer = files.curl(&["--cacert", "ca.crt", "--compressed", &metrics]);
    assert!(answer.status() == 200 && answer.text.contains("netbackup_up{site=\"paris\"}"), "{answer:?}");
    // One connection for both: what curl says of the second is that it opened none.
    let twice = files.curl(&["--cacert", "ca.crt", "-w", "connects %{num_connects}\n", &metrics, &metrics]);
    assert!(twice.text.contains("connects 1\n") && twice.text.ends_with("connects 0\n"), "{twice:?}");
    for version in ["--tls-max", "--tlsv1.3"] {
        let arguments: &[&str] = if version == "--tls-max" { &["--tls-max", "1.2"] } else { &["--tlsv1.3"] };
        let answer = files.curl(&[arguments, &["--cacert", "ca.crt", &metrics]].concat());
        assert_eq!(answer.status(), 200, "{arguments:?}: {answer:?}");
    }
    assert_eq!(files.curl(&["--cacert", "ca.crt", "--http2", &metrics]).status(), 200);
    assert_eq!(files.curl(&[&metrics]).code, 60, "a server that nobody vouches for");
    let plain = files.curl(&[&format!("{}/metrics", exporter.base)]);
    assert!(plain.status() == 400 && plain.text.ends_with("this port speaks HTTPS\n"), "{plain:?}");
    assert!(exporter.wait_for_log("msg=listening").contains("tls=true"));
}

#[test]
fn curl_needs_a_certificate_where_one_is_asked_for() {
    let Some(files) = Files::for_curl() else { return };
    let exporter =
        files.start(&format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"));
    let metrics = https(&exporter, "/metrics");
    let with = files.curl(&["--cacert", "ca.crt", "--cert", "client.crt", "--key", "client.key", &metrics]);
    assert_eq!(with.status(), 200, "{with:?}");
    let without = files.curl(&["--cacert", "ca.crt", &metrics]);
    assert!(without.code != 0 && without.status() == 0, "{without:?}");
    let strangers = Files::new();
    let stranger = files.curl(&[
        "--cacert",
        "ca.crt",
        "--cert",
        strangers.path("client.crt").to_str().unwrap(),
        "--key",
        strangers.path("client.key").to_str().unwrap(),
        &metrics,
    ]);
    assert!(stranger.code != 0 && stranger.status() == 0, "{stranger:?}");
}

#[test]
fn curl_signs_in_and_nothing_tells_the_password() {
    let Some(files) = Files::for_curl() else { return };
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    let headers = "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n";
    let exporter = files.start(&format!("{TLS}basic_auth_users:\n  alice: {hash}\n{headers}"));
    let ask = |arguments: &[&str], path: &str| {
        files.curl(&[&["--cacert", "ca.crt"], arguments, &[https(&exporter, path).as_str()]].concat())
    };
    let (alice, wrong) = (format!("alice:{PASSWORD}"), format!("alice:{PASSWORD}x"));
    for path in ["/metrics", "/", "/api/v1/status", "/nothing"] {
        let stranger = ask(&[], path);
        assert_eq!(stranger.status(), 401, "{stranger:?}");
        assert!(stranger.text.contains("www-authenticate: Basic realm="), "{stranger:?}");
        assert_eq!(ask(&["-u", &wrong], path).status(), 401);
        assert_ne!(ask(&["-u", &alice], path).status(), 401);
        assert!(stranger.text.contains("x-frame-options: sameorigin"), "{stranger:?}");
    }
    assert!(ask(&["-u", &alice], "/metrics").text.contains("netbackup_up"));
    assert_eq!(ask(&[], "/-/healthy").status(), 200);
    let health = ask(&[], "/health");
    assert!(health.status() == 503 && health.text.ends_with("{\"status\":\"fail\"}"), "{health:?}");
    assert_eq!(ask(&["-I"], "/health?site=paris").status(), 503);
    assert!(ask(&["-u", &alice], "/health").text.contains("\"site\":\"paris\""));
    assert_eq!(ask(&["-u", &alice], "/-/reload").status(), 405);
    assert_eq!(ask(&["-u", &alice, "-X", "POST", "-H", "Origin: null"], "/-/reload").status(), 403);
    assert_eq!(ask(&["-X", "POST"], "/-/reload").status(), 401);
    let log = exporter.log().join("\n");
    for secret in [PASSWORD, hash.as_str(), "k3yThatNobodyTells", "YWxpY2U6"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// Runs the binary to its end.
fn ends(command: &mut Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_bad_door_keeps_the_exporter_from_starting_and_every_mistake_is_told() {
    let files = Files::new();
    files.write("web.yml", "tls_server_config:\n  cert_file: none.crt\n  key_file: server.key\nbasic_auth_user: {}\n");
    files.write("config.toml", "[web]\nconfig_file = \"web.yml\"\nmax_requests = -1\n[[site]]\nname = \"a\"\n");
    let run = |path: &Path, more: &[&str]| ends(binary().arg("--config.file").arg(path).args(more));
    let web = files.path("web.yml").display().to_string();
    let (code, told) = run(&files.path("config.toml"), &[]);
    assert_eq!(code, Some(2), "{told}");
    for place in [
        "config.toml:3:16: web.max_requests",
        "site[0].url",
        "web.yml:2:14: tls_server_config.cert_file",
        "web.yml:4:1: basic_auth_user",
    ] {
        assert!(told.contains(place), "{place}\n{told}");
    }
    files.write("config.toml", SITE);
    let (code, told) = run(&files.path("config.toml"), &["--web.config.file", &web]);
    assert!(code == Some(2) && told.contains("web.yml:2:14: "), "{told}");
    // A key of somebody else shows only when both are put together.
    files.write("web.yml", "tls_server_config:\n  cert_file: server.crt\n  key_file: client.key\n");
    let (code, told) = run(&files.path("config.toml"), &["--web.config.file", &web]);
    assert!(code == Some(2) && told.contains("web.yml:3:13: tls_server_config.key_file: this key does not"), "{told}");
    let (code, told) = run(&files.path("config.toml"), &["--web.config.file", "none.yml"]);
    assert!(code == Some(2) && told.contains("command line: --web.config.file: there is no such file"), "{told}");
}

#[test]
fn listeners_of_the_service_manager_are_used() {
    let Some(files) = Files::for_curl() else { return };
    files.write("config.toml", SITE);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = binary();
    command.arg("--config.file").arg(files.path("config.toml")).arg("--web.systemd-socket");
    let (code, told) = ends(&mut command);
    assert!(code == Some(1) && told.contains("LISTEN_FDS"), "{told}");
    // The descriptors of a service manager begin at 3; here the one there is stands in for standard input.
    command.env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "0");
    let mut child = command.stdin(OwnedFd::from(listener)).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.into_iter().find(|line| line.contains("msg=listening"));
    let answer = files.curl(&[&format!("http://{address}/metrics")]);
    let _ = child.kill();
    let _ = child.wait();
    assert!(line.is_some_and(|line| line.contains(&address.to_string())));
    assert_eq!(answer.status(), 200, "{answer:?}");
}

/// Open connections that this test and the system have room for.
fn crowd_size() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let most: usize = line.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX);
    most.saturating_sub(500).min(10_000)
}

/// Resident memory in bytes.
fn resident(exporter: &Exporter) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", exporter.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// Scrapes over a new connection.
fn scrape(files: &Files, url: &str, arguments: &[&str]) {
    let answer = files.curl(&[&["--cacert", "ca.crt"], arguments, &[url]].concat());
    assert_eq!(answer.status(), 200, "{answer:?}");
}

/// A crowd that holds whatever it can, a few of each kind: nothing sent, half a head, a head that is far too large, half
/// a hello of TLS, many requests at once whose answers are not taken.
fn crowd(exporter: &Exporter, size: usize) -> Vec<TcpStream> {
    let address = exporter.base.strip_prefix("http://").unwrap();
    let large = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(15_000));
    let many = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(10);
    let kinds: [&[u8]; 5] = [b"", b"GET /metr", large.as_bytes(), &[0x16, 3, 1, 2, 0, 1], many.as_bytes()];
    let mut crowd = Vec::with_capacity(size);
    for n in 0..size {
        let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("connection {n}: {error}"));
        stream.set_nonblocking(true).unwrap();
        // It may be sent away at once.
        let _ = stream.write(kinds[n % kinds.len()]);
        crowd.push(stream);
    }
    crowd
}

fn survives_a_crowd(web: &str) {
    let Some(files) = Files::for_curl() else { return };
    let exporter = files.start(web);
    let tls = !web.is_empty();
    let url = if tls { https(&exporter, "/metrics") } else { format!("{}/metrics", exporter.base) };
    scrape(&files, &url, &[]);
    let before = resident(&exporter);
    let crowd = crowd(&exporter, crowd_size());
    (0..20).for_each(|_| scrape(&files, &url, &[]));
    let grown = resident(&exporter).saturating_sub(before);
    assert!(grown < 96 * 1024 * 1024, "{grown} bytes more");
    drop(crowd);
    let since = Instant::now();
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", exporter.pid())).unwrap().count();
    while descriptors() > 100 {
        assert!(since.elapsed() < PATIENCE, "{} descriptors are left", descriptors());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(files.curl(&["--cacert", "ca.crt", &url.replace("/metrics", "/-/healthy")]).status(), 200);
}

#[test]
fn a_crowd_keeps_no_scrape_out() {
    survives_a_crowd("");
}

#[test]
fn a_crowd_before_tls_keeps_no_scrape_out() {
    survives_a_crowd(TLS);
}

#[test]
fn a_flood_of_wrong_passwords_does_not_hold_up_who_is_known() {
    let Some(files) = Files::for_curl() else { return };
    let hash = bcrypt::hash(PASSWORD, 10).unwrap();
    let exporter = files.start(&format!("basic_auth_users:\n  alice: {hash}\n"));
    let url = format!("{}/metrics", exporter.base);
    let alice = format!("alice:{PASSWORD}");
    scrape(&files, &url, &["-u", &alice]);
    let address = exporter.base.strip_prefix("http://").unwrap();
    let mut flood: Vec<TcpStream> = (0..100)
        .map(|n| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let pair = format!("Authorization: Basic {}\r\n", base64_of(&format!("alice:{n}")));
            write!(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\n{pair}connection: close\r\n\r\n").unwrap();
            stream
        })
        .collect();
    (0..10).for_each(|_| scrape(&files, &url, &["-u", &alice]));
    let mut codes = std::collections::BTreeMap::<String, usize>::new();
    for stream in &mut flood {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        *codes.entry(text[9..12].to_owned()).or_default() += 1;
        let _ = stream.shutdown(Shutdown::Both);
    }
    assert!(codes.keys().all(|code| code == "401" || code == "503"), "{codes:?}");
}

fn base64_of(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
