//! One `[[site]]` checked: name, URL, credential, TLS, and what of `[poll]` and `[collectors]` holds for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Mistakes, Spot};
use super::raw::{RawCollectors, RawPoll, RawSite, RawTls};
use super::reader::{Field, Typed};
use super::{ApiVersionChoice, COLLECTORS, Clients, CollectorSpec, CollectorTiming, Credential, Poll, Site, Tls};
use super::{base_url, credential, files, timing};

/// The API versions that can be fixed.
const API_VERSIONS: std::ops::RangeInclusive<(u16, u16)> = (9, 0)..=(14, 0);
const LONGEST_NAME: usize = 64;

impl Site {
    /// A site with every default, for programs that start without a file.
    #[must_use]
    pub fn new(name: &str, url: url::Url, credential: Credential) -> Site {
        Site {
            name: Arc::from(name),
            url,
            credential,
            api_version: ApiVersionChoice::Auto,
            tls: Tls::default(),
            poll: Poll::default(),
            collectors: Site::collectors_where(|spec| spec.on_by_default),
            clients: None,
        }
    }

    /// The same site with every collector on.
    #[must_use]
    pub fn with_all_collectors(self) -> Site {
        Site { collectors: Site::collectors_where(|_| true), clients: Some(Clients::default()), ..self }
    }

    fn collectors_where(on: impl Fn(&CollectorSpec) -> bool) -> Vec<(CollectorSpec, CollectorTiming)> {
        let on = COLLECTORS.into_iter().filter(on);
        on.map(|spec| (spec, CollectorTiming::of_ttl(spec.default_ttl))).collect()
    }
}

impl Site {
    /// The files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let secret = match &self.credential {
            Credential::ApiKeyFile(path) => Some(path),
            Credential::Login(login) => Some(&login.password_file),
            Credential::ApiKey(_) | Credential::ApiKeyCommand(_) => None,
        };
        let Tls { ca_file, client_cert_file, client_key_file, .. } = &self.tls;
        let tls = [ca_file, client_cert_file, client_key_file];
        secret.into_iter().chain(tls.into_iter().flatten()).map(PathBuf::as_path)
    }
}

/// What a site means; `None` when a part without a default is missing or wrong, which is noted.
pub(super) fn resolve(
    raw: &RawSite,
    (poll, collectors, clients): (&RawPoll, &RawCollectors, &Clients),
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Option<Site> {
    let name = required(&raw.name, "name", raw, mistakes).and_then(|typed| checked(typed, check_name, mistakes));
    let url = required(&raw.url, "url", raw, mistakes).and_then(|typed| checked(typed, base_url::parse, mistakes));
    if let (Some(typed), Some("http")) = (raw.url.given(), url.as_ref().map(url::Url::scheme)) {
        mistakes.warn(&typed.spot, format!("with http the {} travels in clear; use https", secret(raw)));
        warn_about_unused_tls(&raw.tls, mistakes);
    }
    let credential = credential::resolve(raw, directory, mistakes);
    let api_version = raw.api_version.given().map(|typed| checked(typed, parse_api_version, mistakes));
    let tls = tls(&raw.tls, secret(raw), directory, mistakes);
    let poll_settings = timing::poll(&raw.poll, poll, mistakes);
    let enabled = timing::collectors((&raw.collectors, collectors), (&raw.poll, poll), mistakes);
    if enabled.is_empty() {
        mistakes.warn(&raw.spot, "every collector is off: nothing but the health of this site is shown");
    }
    let clients = enabled.iter().any(|(spec, _)| spec.name == "clients").then(|| clients.clone());
    Some(Site {
        name: name?,
        url: url?,
        credential: credential?,
        api_version: api_version.unwrap_or(Some(ApiVersionChoice::Auto))?,
        tls,
        poll: poll_settings,
        collectors: enabled,
        clients,
    })
}

/// The path as the file meant it: a relative one starts at the directory of that file.
pub(super) fn path(typed: &Typed<String>, directory: &Path, mistakes: &mut Mistakes) -> Option<PathBuf> {
    if typed.value.is_empty() || typed.value.contains('\0') {
        mistakes.error(&typed.spot, "expected a path");
        return None;
    }
    Some(directory.join(&typed.value))
}

/// Runs a check that knows nothing of places.
pub(super) fn checked<T>(
    typed: &Typed<String>,
    check: fn(&str) -> Result<T, String>,
    mistakes: &mut Mistakes,
) -> Option<T> {
    check(&typed.value).map_err(|message| mistakes.error(&typed.spot, message)).ok()
}

fn required<'f>(
    field: &'f Field<String>,
    key: &str,
    site: &RawSite,
    mistakes: &mut Mistakes,
) -> Option<&'f Typed<String>> {
    if !field.is_there() && !mistakes.has_syntax_errors() {
        let spot = Spot { key: format!("{}.{key}", site.spot.key), offset: site.spot.offset };
        mistakes.error(&spot, format!("missing: a site needs a {key}"));
    }
    field.given()
}

fn check_name(name: &str) -> Result<Arc<str>, String> {
    let is_good = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if is_good && (1..=LONGEST_NAME).contains(&name.len()) {
        Ok(Arc::from(name))
    } else {
        Err("expected 1 to 64 letters, digits, dots, underscores or dashes".into())
    }
}

fn parse_api_version(text: &str) -> Result<ApiVersionChoice, String> {
    if text == "auto" {
        return Ok(ApiVersionChoice::Auto);
    }
    let number = |text: &str| text.parse().ok().filter(|n: &u16| n.to_string() == text);
    let version = text.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    let version = version.filter(|version| API_VERSIONS.contains(version));
    version
        .map(|(major, minor)| ApiVersionChoice::Fixed(major, minor))
        .ok_or_else(|| "expected \"auto\", or a version from \"9.0\" to \"14.0\" in quotes".into())
}

/// What the site signs in with, in words.
fn secret(raw: &RawSite) -> &'static str {
    if raw.login.is_some() { "password" } else { "API key" }
}

fn tls(raw: &RawTls, secret: &str, directory: &Path, mistakes: &mut Mistakes) -> Tls {
    match (&raw.client_cert_file, &raw.client_key_file) {
        (Field::Given(typed), Field::Absent) => mistakes.error(&typed.spot, "client_key_file is missing beside it"),
        (Field::Absent, Field::Given(typed)) => mistakes.error(&typed.spot, "client_cert_file is missing beside it"),
        _ => {}
    }
    if let Some(typed) = raw.server_name.given()
        && !is_server_name(&typed.value)
    {
        let message = "expected a DNS name that the certificate bears, not an address, without scheme and port";
        mistakes.error(&typed.spot, message);
    }
    if let Some(typed) = raw.insecure_skip_verify.given()
        && typed.value
    {
        let message =
            format!("certificates are not verified: anybody on the way can read the {secret}; use ca_file instead");
        mistakes.warn(&typed.spot, message);
    }
    let client_key_file = pem(&raw.client_key_file, "PRIVATE KEY", directory, mistakes);
    if let (Some(path), Some(typed)) = (&client_key_file, raw.client_key_file.given()) {
        warn_if_world_readable(path, typed, mistakes);
    }
    Tls {
        ca_file: pem(&raw.ca_file, "CERTIFICATE", directory, mistakes),
        client_cert_file: pem(&raw.client_cert_file, "CERTIFICATE", directory, mistakes),
        client_key_file,
        server_name: raw.server_name.given().map(|typed| typed.value.clone()),
        insecure_skip_verify: raw.insecure_skip_verify.or(false),
    }
}

/// Whether the client can put the name in place of the host of the URL. What a URL reads as an address (`10.1` and `0x7f`
/// too) is none: a primary is reached by the name in its certificate only where that is a DNS name.
fn is_server_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_domain = || matches!(url::Host::parse(name), Ok(url::Host::Domain(_)));
    name.len() <= 253 && name.split('.').all(is_label) && is_domain()
}

fn warn_about_unused_tls(tls: &RawTls, mistakes: &mut Mistakes) {
    let texts = [&tls.ca_file, &tls.client_cert_file, &tls.client_key_file, &tls.server_name];
    let spots = texts.into_iter().filter_map(|field| field.given().map(|typed| &typed.spot));
    for spot in spots.chain(tls.insecure_skip_verify.given().map(|typed| &typed.spot)) {
        mistakes.warn(spot, "has no effect: the url is http");
    }
}

/// A file that must hold PEM.
fn pem(field: &Field<String>, label: &str, directory: &Path, mistakes: &mut Mistakes) -> Option<PathBuf> {
    let typed = field.given()?;
    let path = path(typed, directory, mistakes)?;
    let bytes = file(&path, typed, mistakes)?;
    files::check_pem(&bytes, label).map_err(|message| mistakes.error(&typed.spot, message)).ok()?;
    Some(path)
}

pub(super) fn file(path: &Path, typed: &Typed<String>, mistakes: &mut Mistakes) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    files::read_regular(path).map_err(|message| mistakes.error(&typed.spot, message)).ok()
}

/// A secret that anybody can read is none.
pub(super) fn warn_if_world_readable(path: &Path, typed: &Typed<String>, mistakes: &mut Mistakes) {
    if files::is_world_readable(path) {
        mistakes.warn(&typed.spot, "every user of this machine can read the file; chmod o-r it");
    }
}
