//! Whole web configurations: what they mean, what is refused and where, and that no value is ever told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// What every test secret looks like; it must never be told.
const SENTINEL: &str = "s3ntinelXq9";
const CERT: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
const HASH: &str = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze";

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [("a.crt", CERT), ("a.key", KEY), ("ca.crt", CERT), ("junk", SENTINEL)] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(directory.path().join("a.key"), private).unwrap();
    }
    directory
}

fn load(text: &str) -> Result<WebConfig, ConfigErrors> {
    load_with(text, 0o600)
}

/// The same where the file has these rights.
fn load_with(text: &str, mode: u32) -> Result<WebConfig, ConfigErrors> {
    let directory = directory();
    let path = directory.path().join("web.yml");
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    WebConfig::load(&path)
}

fn good(text: &str) -> WebConfig {
    load(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// What is told, without the directory of the test.
fn refused(text: &str) -> Vec<String> {
    let errors = load(text).err().unwrap_or_else(|| panic!("accepted:\n{text}"));
    assert!(!errors.to_string().contains(SENTINEL), "tells a value:\n{errors}");
    errors.iter().map(|error| error.to_string().split_once("web.yml").unwrap().1.to_owned()).collect()
}

fn tls(more: &str) -> String {
    format!("tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n{more}")
}

#[test]
fn everything_has_its_meaning() {
    let text = format!(
        "# everything\ntls_server_config:\n  cert_file: a.crt\n  key_file: \"a.key\"\n  client_auth_type: \
         RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  client_allowed_sans:\n    - client.example.com\n    - \
         10.0.0.1\n  min_version: TLS12\n  max_version: TLS13\n  cipher_suites:\n    - TLS_AES_128_GCM_SHA256\n    - \
         TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n  prefer_server_cipher_suites: false\n  curve_preferences: [CurveP256, \
         X25519]\nhttp_server_config:\n  http2: false\n  headers:\n    Content-Security-Policy: \"default-src 'self'\"\n    \
         X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n    X-XSS-Protection: 1; mode=block\n    \
         Strict-Transport-Security: max-age=31536000\nbasic_auth_users:\n  alice: {HASH}\n  'bob b': \
         '{HASH}'\nrate_limit:\n  interval: 100ms\n  burst: 20\n"
    );
    let config = good(&text);
    let tls = config.tls.as_ref().unwrap();
    assert_eq!((tls.certificate.text.expose(), tls.key.text.expose()), (CERT, KEY));
    assert_eq!(tls.client_auth, ClientAuth::RequireAndVerify);
    assert_eq!(tls.client_allowed_sans, ["client.example.com", "10.0.0.1"]);
    assert_eq!((tls.versions, tls.prefer_server_cipher_suites), ((true, true), false));
    assert_eq!(tls.cipher_suites, ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
    assert_eq!(tls.curve_preferences, ["CurveP256", "X25519"]);
    let headers: Vec<_> = config.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(headers.len(), 5);
    assert!(headers.contains(&("X-XSS-Protection", "1; mode=block")));
    let users: Vec<_> = config.users.iter().map(|(name, hash)| (name.as_str(), hash.expose())).collect();
    assert_eq!(users, [("alice", HASH), ("bob b", HASH)]);
    assert_eq!(config.rate_limit, Some(RateLimit { interval: Duration::from_millis(100), burst: 20 }));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let names: Vec<PathBuf> = config.files().iter().map(|path| path.file_name().unwrap().into()).collect();
    assert_eq!(names, ["web.yml", "a.crt", "a.key", "ca.crt"].map(PathBuf::from));
    let shown = format!("{config:?}");
    assert!(!shown.contains("MIIB") && !shown.contains(HASH), "{shown}");
}

#[test]
fn nothing_means_an_open_door() {
    for text in ["", "# nothing\n", "tls_server_config:\nbasic_auth_users:\n", "{}", "tls_server_config: {}\n", "~"] {
        let config = good(text);
        assert!(config.tls.is_none() && config.users.is_empty() && config.headers.is_empty(), "{text}");
        assert_eq!(config.files().len(), 1);
    }
    let config = good(&tls(""));
    let tls = config.tls.unwrap();
    assert_eq!((tls.client_auth, tls.versions), (ClientAuth::None, (true, true)));
    assert!(tls.prefer_server_cipher_suites && tls.cipher_suites.is_empty() && tls.client_ca.is_none());
    assert_eq!(good("rate_limit: {interval: 0, burst: 0}").rate_limit, None);
}

#[test]
fn what_is_written_in_place_is_no_file() {
    let inline = |text: &str| text.replace('\n', "\n    ");
    let text = format!("tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n", inline(CERT), inline(KEY));
    let config = good(&text);
    assert_eq!(config.tls.as_ref().unwrap().key.text.expose().trim(), KEY.trim());
    assert_eq!(config.files().len(), 1);
}

#[test]
fn what_is_accepted_but_weak_is_warned_about() {
    let warned = |text: &str, word: &str| {
        let warnings = good(text).warnings;
        assert!(warnings.iter().any(|warning| warning.contains(word)), "{text}: {warnings:?}");
    };
    warned(&format!("basic_auth_users:\n  a: {HASH}\n"), "in clear");
    warned(&tls("  client_auth_type: RequireAnyClientCert\n"), "not verified");
    warned(&tls("  client_auth_type: RequestClientCert\n"), "not verified");
    warned("http_server_config:\n  http2: true\n", "HTTP/1.1");
    let other = HASH.replace("$10$", "$11$");
    warned(&tls(&format!("basic_auth_users:\n  a: {HASH}\n  b: {other}\n")), "different costs");
}

#[test]
fn each_rule_tells_place_and_key() {
    let wrong = |text: &str, place: &str, word: &str| {
        let told = refused(text);
        assert!(
            told.iter().any(|line| line.starts_with(place) && line.contains(word)),
            "{text}\nexpected {place} … {word}\n{told:#?}"
        );
    };
    for (more, place, word) in [
        ("  cert: s3ntinelXq9\n", ":2:14: tls_server_config.cert_file: ", "cert is given too"),
        ("  client_auth_type: s3ntinelXq9\n", ":4:21: tls_server_config.client_auth_type: ", "expected NoClientCert"),
        (
            "  client_auth_type: VerifyClientCertIfGiven\n",
            ":4:21: tls_server_config.client_auth_type: ",
            "client_ca_file",
        ),
        ("  client_ca_file: ca.crt\n", ":2:3: tls_server_config.client_auth_type: ", "no client is asked"),
        ("  client_ca_file: s3ntinelXq9\n", ":4:19: tls_server_config.client_ca_file: ", "no such file"),
        ("  min_version: TLS11\n", ":4:16: tls_server_config.min_version: ", "broken"),
        ("  min_version: s3ntinelXq9\n", ":4:16: tls_server_config.min_version: ", "TLS12 or TLS13"),
        ("  min_version: TLS13\n  max_version: TLS12\n", ":4:16: tls_server_config.min_version: ", "above"),
        ("  cipher_suites: [s3ntinelXq9]\n", ":4:19: tls_server_config.cipher_suites[0]: ", "not supported"),
        ("  cipher_suites: s3ntinelXq9\n", ":4:18: tls_server_config.cipher_suites: ", "expected a list"),
        (
            "  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n",
            ":5:18: tls_server_config.cipher_suites: ",
            "TLS 1.2",
        ),
        (
            "  curve_preferences:\n  - X25519\n  - CurveP521\n",
            ":6:5: tls_server_config.curve_preferences[1]: ",
            "not supp",
        ),
        ("  prefer_server_cipher_suites: s3ntinelXq9\n", ":4:32: tls_server_config.prefer_server", "true or false"),
        (
            "  client_allowed_sans: [s3ntinelXq9]\n",
            ":4:24: tls_server_config.client_allowed_sans: ",
            "RequireAndVerify",
        ),
        ("  client_allowed_sans: []\n", ":4:24: tls_server_config.client_allowed_sans: ", "empty"),
        ("  client_allowed_sans: [s3ntinelXq9@x]\n", ":4:25: tls_server_config.client_allowed_sans[0]: ", "mail"),
        ("  client_ca_fil: s3ntinelXq9\n", ":4:3: tls_server_config.client_ca_fil: ", "did you mean client_ca_file?"),
        ("  s3ntinelXq9: 1\n", ":4:3: tls_server_config: ", "unknown key; known here: cert"),
        ("  key_file: s3ntinelXq9\n", ":4:3: tls_server_config.key_file: ", "twice"),
        ("s3ntinelXq9: 1\n", ":4:1: unknown key; known here: tls_server_config", ""),
        ("basic_auth_user: 1\n", ":4:1: basic_auth_user: ", "did you mean basic_auth_users?"),
        ("basic_auth_users: s3ntinelXq9\n", ":4:19: basic_auth_users: ", "expected keys with values, one"),
        ("basic_auth_users:\n  a: s3ntinelXq9\n", ":5:6: basic_auth_users[0]: ", "bcrypt hash"),
        ("basic_auth_users:\n  s3ntinelXq9: [1]\n", ":5:16: basic_auth_users[0]: ", "bcrypt hash"),
        ("basic_auth_users:\n  'a:s3ntinelXq9': x\n", ":5:3: basic_auth_users[0]: ", "without colons"),
        (
            "http_server_config:\n  headers:\n    Server: s3ntinelXq9\n",
            ":6:5: http_server_config.headers: ",
            "unknown key",
        ),
        ("http_server_config:\n  headers:\n    X-Frame-Options: s3ntinelXq9\n", ":6:22: http_server", "deny or same"),
        ("http_server_config:\n  headers: {X-XSS-Protection: \"s3ntinelXq9\\n\"}\n", ":5:31: http_server", "one line"),
        ("http_server_config:\n  http2: s3ntinelXq9\n", ":5:10: http_server_config.http2: ", "true or false"),
        ("rate_limit:\n  interval: s3ntinelXq9\n", ":5:13: rate_limit.interval: ", "expected a duration"),
        ("rate_limit:\n  interval: 1s\n", ":5:3: rate_limit.burst: ", "missing or 0"),
        ("rate_limit:\n  interval: 1s\n  burst: -1\n", ":6:10: rate_limit.burst: ", "whole number"),
    ] {
        wrong(&tls(more), place, word);
    }
    for (text, place, word) in [
        ("tls_server_config:\n  min_version: TLS12\n", ":2:3: tls_server_config.cert_file: ", "missing"),
        ("tls_server_config:\n  min_version: TLS12\n", ":2:3: tls_server_config.key_file: ", "missing"),
        ("tls_server_config:\n  cert_file: junk\n  key_file: junk\n", ":2:14: tls_server_config.cert_file: ", "PEM"),
        ("tls_server_config:\n  cert_file: junk\n  key_file: junk\n", ":3:13: tls_server_config.key_file: ", "PEM"),
        ("tls_server_config:\n  cert_file: [s3ntinelXq9]\n", ":2:14: tls_server_config.cert_file: ", "expected a text"),
        ("- s3ntinelXq9\n", ":1:1: ", "expected keys with values"),
        ("s3ntinelXq9\n", ":1:1: ", "expected keys with values"),
        ("a: 's3ntinelXq9\n", ":1:4: ", "not YAML"),
        ("? [s3ntinelXq9]\n: 1\n", ":1:3: ", "a key that is a text"),
    ] {
        wrong(text, place, word);
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let told = refused(
        "tls_server_config:\n  cert_file: none\n  min_version: TLS10\n  x: 1\nbasic_auth_users:\n  a: b\n  a: c\n\
         rate_limit:\n  burst: x\n",
    );
    assert_eq!(told.len(), 7, "{told:#?}");
    let lines: Vec<&str> = told.iter().map(|line| line.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["2", "2", "3", "4", "6", "7", "9"]);
}

#[test]
fn only_hashes_that_can_be_checked_in_time_are_taken() {
    let user = |hash: &str| format!("basic_auth_users:\n  a: '{hash}'\n");
    for version in ["2a", "2b", "2y"] {
        assert_eq!(good(&user(&HASH.replacen("2y", version, 1))).users.len(), 1);
    }
    for (hash, word) in [
        (HASH.replace("$10$", "$17$"), "above 16"),
        (HASH.replace("$10$", "$99$"), "above 16"),
        (HASH.replace("$10$", "$03$"), "below 4"),
        (HASH.replace("2y", "2x"), "begins with"),
        (HASH.replace("2y", "1$"), "begins with"),
        (HASH[..59].to_owned(), "60 characters"),
        (HASH.replace('m', "é"), "60 characters"),
        (HASH.replace('m', "!"), "60 characters"),
        (String::new(), "60 characters"),
    ] {
        let told = refused(&user(&hash));
        assert!(told.len() == 1 && told[0].contains(word), "{hash}: {told:#?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let directory = directory();
    let told = |name: &str| WebConfig::load(&directory.path().join(name)).unwrap_err().to_string();
    assert!(told("none").contains("no such file"));
    assert!(told("").contains("regular file"));
    std::fs::write(directory.path().join("large"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    assert!(told("large").contains("1 MiB"));
    std::fs::write(directory.path().join("latin"), b"# \xe9\n").unwrap();
    assert!(told("latin").contains("UTF-8"));
}

#[test]
fn a_file_that_is_something_else_is_refused_soon() {
    for text in [
        format!("{{{}}}", "x1: y, ".repeat(100_000)),
        "cert_file: x\n".repeat(70_000),
        format!("tls_server_config: {{{}}}", "cert_file: x, ".repeat(70_000)),
        format!("basic_auth_users: {{{}}}", (0..50_000).map(|n| format!("a{n}: x, ")).collect::<String>()),
        tls(&format!("  cipher_suites: [{}]", "x, ".repeat(300_000))),
    ] {
        let told = refused(&text);
        assert!(told.len() <= 2 * 100 + 1, "{}", told.len());
    }
}

proptest! {
    #[test]
    fn never_panics_and_never_tells_a_value(
        key in "[a-z_]{0,12}",
        value in "[-a:\\[\\]{}'\"# \\n]{0,12}",
        at in 0..400_usize,
    ) {
        let good = tls(&format!("  client_auth_type: NoClientCert\nbasic_auth_users:\n  a: {HASH}\n"));
        let at = at.min(good.len());
        let text = format!("{}{key}{value}{SENTINEL}{}", &good[..at], &good[at..]);
        if let Err(errors) = WebConfig::parse(&text, Path::new("web.yml")) {
            prop_assert!(!errors.to_string().contains(SENTINEL), "{text}\n{errors}");
        }
    }
}

#[cfg(unix)]
#[test]
fn secrets_that_every_user_can_read_are_warned_about() {
    let inline =
        format!("tls_server_config:\n  cert_file: a.crt\n  key: |\n    {}\n", KEY.trim().replace('\n', "\n    "));
    let users = tls(&format!("basic_auth_users:\n  alice: {HASH}\n"));
    let headers = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n".to_owned();
    for (text, held) in [(inline, "a private key"), (users, "hashes of passwords"), (tls(""), ""), (headers, "")] {
        for mode in [0o600, 0o640, 0o644] {
            let warnings = load_with(&text, mode).unwrap().warnings;
            let expected = mode == 0o644 && !held.is_empty();
            assert_eq!(warnings.len(), usize::from(expected), "{mode:o} {text} {warnings:?}");
            let word = format!("web.yml: every user of this machine can read the file, which holds {held};");
            assert!(warnings.iter().all(|warning| warning.contains(&word)), "{warnings:?}");
        }
    }
}
