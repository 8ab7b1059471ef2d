//! `site.url`, checked whole: what the client gets is a base that paths can be put behind.

use url::Url;

/// The path that a primary serves its API under, taken when the URL has none.
const DEFAULT_PATH: &str = "/netbackup";

/// Reads the URL of a primary: no trailing slash, `/netbackup` where there is no path.
///
/// # Errors
/// What is wrong, in words that do not repeat the text.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    // The URL standard mends much that only a slip of the hand explains (missing slashes, blanks, backslashes).
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err("a URL holds no blanks, control characters or backslashes".into());
    }
    let authority = authority(text).ok_or("expected a URL that starts with https:// (or http://)")?;
    if authority.contains('@') {
        return Err("user info before the host is not used; give the key as api_key_file".into());
    }
    // Else the parser would take the first part of the path for the host.
    if authority.is_empty() {
        return Err(reason(url::ParseError::EmptyHost).into());
    }
    let mut url = Url::parse(text).map_err(reason)?;
    if url.query().is_some() {
        return Err("a query (`?`) does not belong here".into());
    }
    if url.fragment().is_some() {
        return Err("a fragment (`#`) does not belong here".into());
    }
    if authority.ends_with(':') {
        return Err("the port is missing behind the colon; NetBackup listens on 1556".into());
    }
    if url.port() == Some(0) {
        return Err("port 0 cannot be reached; NetBackup listens on 1556".into());
    }
    let path = match url.path().trim_end_matches('/') {
        "" => DEFAULT_PATH.to_owned(),
        path => path.to_owned(),
    };
    url.set_path(&path);
    Ok(url)
}

/// What stands between `scheme://` and the path, for the two schemes there are.
fn authority(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    known.then(|| rest.split(['/', '?', '#']).next().unwrap_or_default())
}

/// The parser's reasons in our words.
fn reason(error: url::ParseError) -> &'static str {
    match error {
        url::ParseError::EmptyHost => "the host is missing; expected such as https://nbu.example.com:1556/netbackup",
        url::ParseError::InvalidPort => "the port is not a number from 1 to 65535",
        url::ParseError::InvalidIpv4Address | url::ParseError::InvalidIpv6Address => "the host is no valid address",
        _ => "the host is not valid; expected such as https://nbu.example.com:1556/netbackup",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts_and_normalises() {
        for (text, expected) in [
            ("https://nbu.example.com:1556/netbackup", "https://nbu.example.com:1556/netbackup"),
            ("https://nbu.example.com:1556/netbackup/", "https://nbu.example.com:1556/netbackup"),
            ("https://nbu.example.com:1556", "https://nbu.example.com:1556/netbackup"),
            ("https://nbu.example.com/", "https://nbu.example.com/netbackup"),
            ("https://nbu.example.com//", "https://nbu.example.com/netbackup"),
            ("http://127.0.0.1:8080/a/b/", "http://127.0.0.1:8080/a/b"),
            ("HTTPS://NBU_1:1556", "https://nbu_1:1556/netbackup"),
            ("https://[2001:db8::1]:1556", "https://[2001:db8::1]:1556/netbackup"),
        ] {
            assert_eq!(parse(text).unwrap().as_str(), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_base() {
        for (text, word) in [
            ("", "starts with"),
            ("nbu.example.com:1556", "starts with"),
            ("ftp://nbu", "starts with"),
            ("https:nbu", "starts with"),
            ("https:/nbu", "starts with"),
            ("https://", "host"),
            ("https:///netbackup", "host"),
            ("https://:1556/netbackup", "host"),
            ("https://a b/", "blanks"),
            (" https://nbu", "blanks"),
            ("https://nbu\\netbackup", "backslashes"),
            ("https://nbu\n/", "blanks"),
            ("https://user@nbu", "user info"),
            ("https://user:pw@nbu", "user info"),
            ("https://@nbu", "user info"),
            ("https://nbu/netbackup?", "query"),
            ("https://nbu/netbackup?a=1", "query"),
            ("https://nbu/netbackup#", "fragment"),
            ("https://nbu:0", "port"),
            ("https://nbu:", "port is missing"),
            ("https://nbu:/netbackup", "port is missing"),
            ("https://[::1]:/netbackup", "port is missing"),
            ("https://nbu:65536", "port"),
            ("https://nbu:x", "port"),
            ("https://<host>", "host"),
            ("https://[::1", "address"),
            ("https://1.2.3.4.5.999", "address"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_never_ends_in_a_slash(text in "\\PC*|https?://[a-z0-9.:@/?#%\\[\\]]*") {
            if let Ok(url) = parse(&text) {
                prop_assert!(!url.path().ends_with('/') && url.host_str().is_some());
                prop_assert_eq!(parse(url.as_str()), Ok(url.clone()));
            }
        }
    }
}
