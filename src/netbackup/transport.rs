//! The HTTP connection of one site: TLS, time limits, names, proxy.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Identity};

use super::error::BuildError;
use super::proxy::{self, Chosen};
use crate::config::{Environment, Site};

/// Below the keep-alive time of usual servers, so that a connection is rarely closed under a request.
const POOL_IDLE: Duration = Duration::from_secs(20);
const USER_AGENT: &str = concat!("netbackup_exporter/", env!("CARGO_PKG_VERSION"));

/// A connection pool, and how its requests are addressed.
pub(crate) struct Transport {
    pub(crate) http: reqwest::Client,
    /// Scheme, host, port and base path, without a trailing slash.
    pub(crate) base: String,
    /// The `Host` to send where the URL's host was replaced by `server_name`.
    pub(crate) host: Option<HeaderValue>,
}

/// Resolves every name to the real host: lets TLS verify another name than the one that is connected to.
struct Redirected(url::Host<String>);

impl Resolve for Redirected {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.0.clone();
        Box::pin(async move {
            // Port 0 is replaced by that of the URL.
            let addresses: Vec<SocketAddr> = match host {
                url::Host::Ipv4(ip) => vec![SocketAddr::from((ip, 0))],
                url::Host::Ipv6(ip) => vec![SocketAddr::from((ip, 0))],
                url::Host::Domain(name) => tokio::net::lookup_host((name, 0)).await?.collect(),
            };
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl Transport {
    /// The connection of `site`, through the proxy that `environment` names for it, if any.
    pub(crate) fn new(site: &Site, environment: &Environment) -> Result<Transport, BuildError> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-client-id"), HeaderValue::from_static("netbackup_exporter"));
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // What the library would choose by itself.
            .no_proxy()
            .http1_only()
            .gzip(true)
            .tcp_nodelay(true)
            .connect_timeout(site.poll.request_timeout)
            // Neither is enough alone: a trickle outlives the first, the second does not see a stall early.
            .read_timeout(site.poll.request_timeout)
            .timeout(site.poll.request_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(site.poll.max_requests.saturating_add(1));
        let proxy = proxy(site, environment)?;
        let builder = match &proxy {
            Some((_, proxy)) => builder.proxy(proxy.clone()),
            None => builder,
        };
        let proxy = proxy.map(|(chosen, _)| chosen);
        let (builder, url, host) = if site.url.scheme() == "https" {
            with_tls(builder, site, proxy.as_ref())?
        } else {
            without_tls(builder, site, proxy.as_ref())
        };
        let http = builder.build().map_err(|source| BuildError::Tls {
            site: Arc::clone(&site.name),
            problem: "cannot set up TLS; check [site.tls], or set ca_file where the system has no trusted roots".into(),
            source: Some(source.into()),
        })?;
        Ok(Transport { http, base: url.as_str().trim_end_matches('/').to_owned(), host })
    }
}

type Prepared = (reqwest::ClientBuilder, url::Url, Option<HeaderValue>);

/// The proxy of the environment, as it was read and as the library takes it.
fn proxy(site: &Site, environment: &Environment) -> Result<Option<(Chosen, reqwest::Proxy)>, BuildError> {
    let unusable = |variable| {
        let problem = "is no proxy: http://HOST:PORT is expected, or NO_PROXY with the host of url";
        BuildError::Proxy { site: Arc::clone(&site.name), variable, problem }
    };
    let Some(chosen) = proxy::choose(&site.url, environment).map_err(unusable)? else { return Ok(None) };
    // What the library says of it would hold the value.
    let proxy = reqwest::Proxy::all(chosen.url.clone()).map_err(|_| unusable(chosen.variable))?;
    tracing::info!(site = %site.name, proxy = chosen.address(), variable = chosen.variable, "asked through a proxy");
    Ok(Some((chosen, proxy)))
}

fn without_tls(builder: reqwest::ClientBuilder, site: &Site, proxy: Option<&Chosen>) -> Prepared {
    let builder = if proxy.is_some_and(|proxy| proxy.url.scheme() == "https") {
        builder
    } else {
        // No root is ever asked for; loading the system's would fail on a machine that has none.
        builder.tls_certs_only(std::iter::empty())
    };
    (builder, site.url.clone(), None)
}

fn with_tls(mut builder: reqwest::ClientBuilder, site: &Site, proxy: Option<&Chosen>) -> Result<Prepared, BuildError> {
    let tls = &site.tls;
    let problem = |problem: &str, source: Option<reqwest::Error>| BuildError::Tls {
        site: Arc::clone(&site.name),
        problem: problem.to_owned(),
        source: source.map(Into::into),
    };
    if let Some(path) = &tls.ca_file {
        let certificates = Certificate::from_pem_bundle(&read(site, "ca_file", path)?)
            .map_err(|error| problem("ca_file is not a PEM file of certificates", Some(error)))?;
        // The parser takes any text for an empty bundle.
        if certificates.is_empty() {
            return Err(problem("ca_file holds no certificate in PEM form", None));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let (Some(certificate), Some(key)) = (&tls.client_cert_file, &tls.client_key_file) {
        let mut pem = zeroize::Zeroizing::new(read(site, "client_cert_file", certificate)?);
        pem.push(b'\n');
        pem.extend_from_slice(&zeroize::Zeroizing::new(read(site, "client_key_file", key)?));
        let identity = Identity::from_pem(&pem).map_err(|error| {
            problem("client_cert_file and client_key_file are not a PEM certificate and its key", Some(error))
        })?;
        builder = builder.identity(identity);
    }
    if tls.insecure_skip_verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    let Some(name) = &tls.server_name else { return Ok((builder, site.url.clone(), None)) };
    if let Some(proxy) = proxy {
        // The library would have the proxy connect to that name instead of the host.
        let problem = "cannot be used together with server_name: name the host of url in NO_PROXY, or do without";
        return Err(BuildError::Proxy { site: Arc::clone(&site.name), variable: proxy.variable, problem });
    }
    let bad_name = || problem("server_name is not a DNS name; it must be one that the certificate bears", None);
    let real = site.url.host().ok_or_else(bad_name)?.to_owned();
    let authority = match site.url.port() {
        Some(port) => format!("{real}:{port}"),
        None => real.to_string(),
    };
    let host = HeaderValue::from_str(&authority).map_err(|_| bad_name())?;
    let mut url = site.url.clone();
    url.set_host(Some(name)).map_err(|_| bad_name())?;
    if !matches!(url.host(), Some(url::Host::Domain(_))) {
        return Err(bad_name());
    }
    Ok((builder.dns_resolver(Arc::new(Redirected(real))), url, Some(host)))
}

pub(super) fn read(site: &Site, key: &'static str, path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|source| BuildError::TlsFile {
        site: Arc::clone(&site.name),
        key,
        path: path.to_owned(),
        source,
    })
}
