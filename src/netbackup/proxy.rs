//! The proxy that the environment names for a site, if any. One site is one host, so it is chosen once.

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::{Host, Url};

use crate::config::Environment;

const FOR_HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const FOR_HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const FOR_NONE: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The variable that decides for a site, and the proxy in it.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) variable: &'static str,
    /// May hold a password.
    pub(crate) url: Url,
}

/// The proxy for `url`. A loopback host never has one. The error is the variable that holds no usable proxy.
pub(crate) fn choose(url: &Url, environment: &Environment) -> Result<Option<Chosen>, &'static str> {
    let names = if url.scheme() == "https" { FOR_HTTPS } else { FOR_HTTP };
    let Some((variable, value)) = first(&names, environment) else { return Ok(None) };
    let excluded = first(&FOR_NONE, environment).is_some_and(|(_, excluded)| is_excluded(url, excluded));
    if excluded || is_loopback(url) {
        return Ok(None);
    }
    let url = read(value).ok_or(variable)?;
    Ok(Some(Chosen { variable, url }))
}

fn first<'e>(names: &[&'static str], environment: &'e Environment) -> Option<(&'static str, &'e str)> {
    let value = |name: &&'static str| Some((*name, environment.get(*name)?.trim()));
    names.iter().filter_map(value).find(|(_, value)| !value.is_empty())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
        None => false,
    }
}

/// Whether the host is one of `excluded`, by the usual rules: names with their subdomains, addresses, networks, `*`.
fn is_excluded(url: &Url, excluded: &str) -> bool {
    let Ok(destination) = url.as_str().parse::<Uri>() else { return false };
    // What it would be intercepted by makes no difference.
    Matcher::builder().all("http://proxy").no(excluded).build().intercept(&destination).is_none()
}

/// A proxy as people write it: without a scheme it is http.
fn read(value: &str) -> Option<Url> {
    let mut url =
        if value.contains("://") { Url::parse(value) } else { Url::parse(&format!("http://{value}")) }.ok()?;
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    (matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.port() != Some(0)).then_some(url)
}

impl Chosen {
    /// Where it is, for the log: no user, no password.
    pub(crate) fn address(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("{host}:{}", self.url.port_or_known_default().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, variables: &[(&str, &str)]) -> Result<Option<String>, &'static str> {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let chosen = choose(&url.parse().unwrap(), &environment)?;
        Ok(chosen.map(|chosen| format!("{} {}", chosen.variable, chosen.address())))
    }

    const SITE: &str = "https://nbu.example.com:1556/netbackup";

    #[test]
    fn the_variable_of_the_scheme_comes_before_the_one_for_all() {
        let variables = [("HTTPS_PROXY", "one:1"), ("HTTP_PROXY", "two:2"), ("ALL_PROXY", "http://three:3")];
        assert_eq!(chosen(SITE, &variables).unwrap().unwrap(), "HTTPS_PROXY one:1");
        assert_eq!(chosen(&SITE.replace("https", "http"), &variables).unwrap().unwrap(), "HTTP_PROXY two:2");
        assert_eq!(chosen(SITE, &variables[1..]).unwrap().unwrap(), "ALL_PROXY three:3");
        assert_eq!(
            chosen(SITE, &[("https_proxy", "one"), ("HTTPS_PROXY", "")]).unwrap().unwrap(),
            "https_proxy one:80"
        );
        assert_eq!(chosen(SITE, &[("HTTP_PROXY", "two:2")]).unwrap(), None);
        assert_eq!(chosen(SITE, &[]).unwrap(), None);
    }

    #[test]
    fn loopback_never_has_one_and_a_bad_variable_does_no_harm_there() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "demo.localhost",
            "[::ffff:127.0.0.1]",
        ] {
            let url = format!("http://{host}:1556/netbackup");
            assert_eq!(chosen(&url, &[("HTTP_PROXY", "not a proxy")]).unwrap(), None, "{host}");
        }
        assert!(chosen("http://128.0.0.1/", &[("HTTP_PROXY", "one")]).unwrap().is_some());
    }

    #[test]
    fn hosts_can_be_left_out() {
        let is_left_out =
            |no: &str, url: &str| chosen(url, &[("ALL_PROXY", "one"), ("no_proxy", no)]).unwrap().is_none();
        for no in ["nbu.example.com", "example.com", ".example.com", "other, EXAMPLE.com ", "*"] {
            assert!(is_left_out(no, SITE), "{no}");
        }
        for no in ["ample.com", "other", "10.0.0.0/8", "", ","] {
            assert!(!is_left_out(no, SITE), "{no}");
        }
        for (no, host) in [("10.0.0.0/8", "10.1.2.3"), ("10.1.2.3", "10.1.2.3"), ("fd00::/8", "[fd00::7]")] {
            assert!(is_left_out(no, &format!("https://{host}:1556/netbackup")), "{no}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_named_by_its_variable() {
        for value in
            ["socks5://one:1080", "http://", "one:99999", "one:0", "http://a b", "ftp://one", "http://user:pa ss@/"]
        {
            assert_eq!(chosen(SITE, &[("https_proxy", value)]), Err("https_proxy"), "{value}");
        }
        assert_eq!(chosen(SITE, &[("https_proxy", "rubbish://"), ("NO_PROXY", "*")]), Ok(None));
    }
}
