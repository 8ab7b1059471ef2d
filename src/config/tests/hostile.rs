//! Foreign bytes: nothing panics, and no error tells a value.

use proptest::prelude::*;

use super::*;

/// Pieces that files are made of, so that most of what is drawn gets past the first character.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("[[site]]\n".to_owned()),
        Just("[site.poll]\n".into()),
        Just("[site]\n".into()),
        Just("[poll]\n".into()),
        Just("[web]\n".into()),
        Just("[web.x.y]\n".into()),
        Just("[[poll]]\n".into()),
        Just("name = \"a\"\n".into()),
        Just("url = \"https://nbu\"\n".into()),
        Just("api_key = \"k\"\n".into()),
        Just("jobs_ttl = ".into()),
        Just("web.max_requests = ".into()),
        Just("stale_after=".into()),
        Just("\n".into()),
        Just("{ a = ".into()),
        Just("[[".into()),
        "[\\[\\]{}=\"'#.,$\\\\ \n\r\t0-9a-zé]{0,6}",
        "\"[0-9]{1,20} ?(ms|s|m|M|d|y)\"\n",
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Every string of a file, so that each can be replaced.
const STRINGS: [&str; 25] = [
    "web.listen_address",
    "web.telemetry_path",
    "health.ttl",
    "health.timeout",
    "state.directory",
    "poll.lookback",
    "poll.timeout",
    "poll.request_timeout",
    "poll.stale_after",
    "poll.expire_after",
    "poll.jobs_ttl",
    "poll.jobs_stale_after",
    "poll.storage_expire_after",
    "site.name",
    "site.url",
    "site.api_key",
    "site.api_key_file",
    "site.api_version",
    "site.login.username",
    "site.login.password_file",
    "site.login.domain_name",
    "site.login.domain_type",
    "site.tls.ca_file",
    "site.tls.client_cert_file",
    "site.tls.server_name",
];

/// A file with `value` (TOML) at `key` and, so that it is refused in any case, a mistake elsewhere.
fn with_value(key: &str, value: &str) -> String {
    let (section, name) = key.rsplit_once('.').unwrap();
    let section = if section == "site" { "[[site]]".to_owned() } else { format!("[{section}]") };
    let site = if section.starts_with("[site.") { "[[site]]\n" } else { "" };
    format!("health.ttl_ = 1\n{site}{section}\n{name} = {value}\n")
}

#[test]
fn no_string_of_any_key_is_told() {
    for key in STRINGS {
        for value in [
            "\"s3ntinelXq9\"",
            "'s3ntinelXq9'",
            "\"\"\"s3ntinelXq9\ns3ntinelXq9\"\"\"",
            "\"${KEY}\"",
            "\"x ${KEY}\"",
            "\"${NONE}s3ntinelXq9\"",
            "\"pa${s3ntinelXq9}word\"",
            "\"${s3ntinelXq9}word\"",
            "\"${KEY}${s3ntinelXq9}\"",
            "\"$${x}${s3ntinelXq9}\"",
            "\"${s3ntinelXq9\"",
            "\"${s3ntinelXq9-}\"",
            "[\"x${s3ntinelXq9}\"]",
            "s3ntinelXq9",
            "\"s3ntinelXq9",
            "'s3ntinelXq9\n",
            "\"s3ntinelXq9\\q\"",
            "[\"s3ntinelXq9\"]",
            "{ s3ntinelXq9 = \"s3ntinelXq9\" }",
            "\"http://s3ntinelXq9\"",
            "\"https://s3ntinelXq9:x\"",
            "\"s3ntinelXq9\"=1",
            "\"\"\"\ns3ntinelXq9 = 1\ns3ntinelXq9.x = 1\n[s3ntinelXq9]\n\"\"",
            "\"a\ns3ntinelXq9 = 1\n[s3ntinelXq9]\n",
            "\"1 s3ntinelXq9\"",
            "\"/s3ntinelXq9\"",
            "\"9.s3ntinelXq9\"",
            "\"s3ntinelXq9\" s3ntinelXq9 = 2",
        ] {
            refused(&with_value(key, value));
        }
    }
}

#[test]
fn deep_and_long_files_end() {
    for text in [
        "[".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{}b = 1", "a.".repeat(100_000)),
        format!("[{}b]", "a.".repeat(100_000)),
        "[[site]]\n".repeat(2_000),
        "x\n".repeat(50_000),
        "=".repeat(100_000),
    ] {
        refused(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn arbitrary_files_never_panic(text in pieces()) {
        let _ = parse(&text);
    }

    #[test]
    fn errors_never_tell_a_value(
        key in prop::sample::select(&STRINGS[..]),
        // Without what would make the sentinel a key (a line of its own, `=`), which is rightly told. The blank before it
        // keeps it from being a host name, which would be looked up, or a whole string that names a variable.
        before in "[ -~é]{0,12}",
        sentinel in prop::sample::select(&[SENTINEL, "${s3ntinelXq9}"][..]),
        quote in prop::sample::select(&["\"", "'", "\"\"\"", "'''", ""][..]),
        after in "[ -<>-~é\n]{0,12}",
    ) {
        let value = format!("{quote}{before} {sentinel}{after}{quote}");
        if let Err(errors) = parse(&with_value(key, &value)) {
            prop_assert!(!errors.to_string().contains(SENTINEL), "{}", errors);
        }
    }
}
