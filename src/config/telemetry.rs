//! `[telemetry]` checked: where traces go, how many, and with which headers.

use std::path::{Path, PathBuf};

use url::Url;

use super::error::Mistakes;
use super::raw::RawTelemetry;
use super::reader::Typed;
use super::{Secret, Telemetry, files, site};

/// What the protocol puts behind the address of a receiver.
const TRACES_PATH: &str = "/v1/traces";

/// What `[telemetry]` means; a relative path starts at `directory`.
pub(super) fn resolve(raw: &RawTelemetry, directory: &Path, mistakes: &mut Mistakes) -> Telemetry {
    let otlp_endpoint = raw.otlp_endpoint.given().and_then(|typed| {
        let url = endpoint(&typed.value);
        if url.is_none() {
            let expected = "expected the address of an OTLP receiver for HTTP, such as http://localhost:4318: \
                            http or https, a host, no user info, no query";
            mistakes.error(&typed.spot, expected);
        } else if !cfg!(feature = "otlp") {
            mistakes.warn(&typed.spot, "this exporter was built without OTLP (cargo feature otlp): no traces are sent");
        }
        url
    });
    let headers = raw.headers_file.given().and_then(|typed| headers(typed, directory, mistakes));
    if !raw.otlp_endpoint.is_there() {
        let idle =
            [raw.sample_ratio.given().map(|typed| &typed.spot), raw.headers_file.given().map(|typed| &typed.spot)];
        for spot in idle.into_iter().flatten() {
            mistakes.warn(spot, "has no effect without otlp_endpoint");
        }
    }
    if let (Some(url), Some(typed)) = (&otlp_endpoint, raw.headers_file.given())
        && url.scheme() == "http"
        && !is_loopback(url)
    {
        mistakes.warn(&typed.spot, "with an http otlp_endpoint these headers travel in clear; use https");
    }
    let (headers_file, headers) = headers.unzip();
    let (sample_ratio, headers) = (raw.sample_ratio.or(Telemetry::default().sample_ratio), headers.unwrap_or_default());
    Telemetry { otlp_endpoint, sample_ratio, headers_file, headers }
}

/// The URL that traces are sent to.
fn endpoint(text: &str) -> Option<Url> {
    // The URL standard mends much that only a slip of the hand explains (missing slashes, blanks, backslashes).
    let (_, rest) = text.split_once("://")?;
    if rest.starts_with('/') || text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '@')) {
        return None;
    }
    let mut url = Url::parse(text).ok()?;
    let is_good = matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| !host.is_empty())
        && url.query().is_none()
        && url.fragment().is_none()
        && url.port() != Some(0);
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix(TRACES_PATH).unwrap_or(path);
    let path = format!("{path}{TRACES_PATH}");
    url.set_path(&path);
    is_good.then_some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn headers(
    typed: &Typed<String>,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Option<(PathBuf, Vec<(String, Secret)>)> {
    let path = site::path(typed, directory, mistakes)?;
    let headers = files::read_regular(&path).and_then(|bytes| read_headers(&bytes));
    let headers = headers.map_err(|message| mistakes.error(&typed.spot, message)).ok()?;
    site::warn_if_world_readable(&path, typed, mistakes);
    Some((path, headers))
}

/// Reads `Name: value` a line. A mistake is told by its number: the line may hold a key.
fn read_headers(bytes: &[u8]) -> Result<Vec<(String, Secret)>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the file is not UTF-8")?;
    let mut headers = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let header = line.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        let (name, value) = header
            .filter(|(name, value)| is_header_name(name) && !value.is_empty() && value.bytes().all(is_printable))
            .ok_or_else(|| format!("line {} of the file is not a header, written Name: value in ASCII", at + 1))?;
        headers.push((name.to_owned(), Secret::new(value.to_owned())));
    }
    if headers.is_empty() { Err("the file holds no header, written Name: value".into()) } else { Ok(headers) }
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_protocol_is_added_once() {
        for (text, expected) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/v1/traces", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/v1/traces/", "http://localhost:4318/v1/traces"),
            ("https://otlp.example.com/otlp", "https://otlp.example.com/otlp/v1/traces"),
            ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        ] {
            assert_eq!(endpoint(text).unwrap().as_str(), expected, "{text}");
        }
        for text in [
            "",
            "localhost:4318",
            "grpc://localhost:4317",
            "http:/localhost",
            "http:///localhost",
            "http://",
            "http://user:secret@host",
            "http://host?key=secret",
            "http://host#a",
            "http://ho st",
            "http://host:0",
        ] {
            assert!(endpoint(text).is_none(), "{text}");
        }
    }

    #[test]
    fn headers_are_lines_and_a_bad_one_is_told_by_number() {
        let read = |text: &str| read_headers(text.as_bytes());
        let headers = read("Authorization: Basic a:b==\r\n\nX-Scope-OrgID:  7 \n").unwrap();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(headers, [("Authorization", "Basic a:b=="), ("X-Scope-OrgID", "7")]);
        for (text, word) in [
            ("", "no header"),
            ("\n \n", "no header"),
            ("A: b\nsecret", "line 2"),
            ("A B: c", "line 1"),
            (": secret", "line 1"),
            ("A:", "line 1"),
            ("A: b\u{7f}", "line 1"),
            ("A: ä", "line 1"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word) && !error.contains("secret"), "{text:?}: {error}");
        }
        assert!(read_headers(b"A: \xff").is_err());
    }

    #[test]
    fn only_loopback_is_no_network() {
        for (text, expected) in [
            ("http://127.0.0.1", true),
            ("http://[::1]", true),
            ("http://localhost", true),
            ("http://collector", false),
        ] {
            assert_eq!(is_loopback(&endpoint(text).unwrap()), expected, "{text}");
        }
    }
}
