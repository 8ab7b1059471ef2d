//! `tls_server_config`: certificate, key, who must show a certificate, and what of TLS is spoken.

use std::path::{Path, PathBuf};

use super::super::error::{ConfigError, ConfigErrors, Mistakes, Spot};
use super::super::reader::Typed;
use super::super::secret::Secret;
use super::super::{files, site};
use super::table::Table;

/// Cipher suites by the names that the format has for them. Those of TLS 1.3 may be named and are always on.
pub const CIPHER_SUITES: [&str; 9] = [
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// How many of [`CIPHER_SUITES`] are for TLS 1.2.
const TLS12_SUITES: usize = 6;

/// Curves by the names that the format has for them.
pub const CURVES: [&str; 3] = ["X25519", "CurveP256", "CurveP384"];

/// What the port needs to speak TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsServer {
    /// `cert_file` or `cert`: the chain, the server's own certificate first.
    pub certificate: Pem,
    /// `key_file` or `key`.
    pub key: Pem,
    /// `client_auth_type`.
    pub client_auth: ClientAuth,
    /// `client_ca_file` or `client_ca`; there whenever certificates of clients are verified.
    pub client_ca: Option<Pem>,
    /// `client_allowed_sans`: one of these must stand in the certificate of a client; empty: any will do.
    pub client_allowed_sans: Vec<String>,
    /// Whether TLS 1.2 is spoken, and whether TLS 1.3 is; one of them at least.
    pub versions: (bool, bool),
    /// `cipher_suites`, of TLS 1.2, in order; empty: all.
    pub cipher_suites: Vec<&'static str>,
    /// `prefer_server_cipher_suites`.
    pub prefer_server_cipher_suites: bool,
    /// `curve_preferences`, in order; empty: the library's choice.
    pub curve_preferences: Vec<&'static str>,
}

/// `client_auth_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// `NoClientCert`: none is asked for.
    None,
    /// `RequestClientCert`: asked for, neither needed nor verified.
    Request,
    /// `RequireAnyClientCert`: needed, not verified.
    RequireAny,
    /// `VerifyClientCertIfGiven`: verified where there is one.
    VerifyIfGiven,
    /// `RequireAndVerifyClientCert`.
    RequireAndVerify,
}

/// PEM text of a file, or written in place.
#[derive(Debug, Clone)]
pub struct Pem {
    /// The text.
    pub text: Secret,
    /// The file that it was read from.
    pub file: Option<PathBuf>,
    place: ConfigError,
}

/// The text counts, not where it stands: a comment above it makes no other certificate.
impl PartialEq for Pem {
    fn eq(&self, other: &Pem) -> bool {
        self.text == other.text
    }
}

impl Eq for Pem {}

impl Pem {
    /// A mistake that only shows when this is used, told at its place in the file.
    #[must_use]
    pub fn mistake(&self, message: impl Into<String>) -> ConfigErrors {
        ConfigErrors::of(ConfigError { message: message.into(), ..self.place.clone() })
    }
}

impl ClientAuth {
    /// Whether a certificate that is shown is verified.
    #[must_use]
    pub const fn verifies(self) -> bool {
        matches!(self, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify)
    }

    /// Whether there is no connection without a certificate.
    #[must_use]
    pub const fn requires(self) -> bool {
        matches!(self, ClientAuth::RequireAny | ClientAuth::RequireAndVerify)
    }
}

/// What the section means; `None`: it is not there, or a part of it is wrong, which is noted.
pub(super) fn read(mut table: Table<'_>, directory: &Path, mistakes: &mut Mistakes) -> Option<TlsServer> {
    let is_there = !table.is_empty();
    let certificate = pem(&mut table, ("cert_file", "cert"), "CERTIFICATE", directory, mistakes);
    let key = pem(&mut table, ("key_file", "key"), "PRIVATE KEY", directory, mistakes);
    let client_ca = pem(&mut table, ("client_ca_file", "client_ca"), "CERTIFICATE", directory, mistakes);
    let auth_typed = table.text("client_auth_type", mistakes);
    let client_auth = auth_typed.as_ref().map_or(Some(ClientAuth::None), |typed| client_auth(typed, mistakes));
    let sans = table.texts("client_allowed_sans", mistakes);
    let min = version(&mut table, "min_version", mistakes);
    let max = version(&mut table, "max_version", mistakes);
    let suites = table.texts("cipher_suites", mistakes);
    let prefer = table.boolean("prefer_server_cipher_suites", mistakes);
    let curves = table.texts("curve_preferences", mistakes);
    let missing = |given: &Given, keys: &str, what: &str, mistakes: &mut Mistakes| {
        if is_there && matches!(given, Given::No) {
            mistakes.error(&table.spot_of(keys), format!("missing: give {keys}, or {what}"));
        }
    };
    missing(&certificate, "cert_file", "cert with the certificate in it", mistakes);
    missing(&key, "key_file", "key with the private key in it", mistakes);
    let auth_spot = auth_typed.map_or_else(|| table.spot_of("client_auth_type"), |typed| typed.spot);
    if let Some(client_auth) = client_auth {
        check_client_ca(client_auth, &client_ca, &auth_spot, mistakes);
    }
    let (min, max) = (min.unwrap_or((12, auth_spot.clone())), max.map_or(13, |(max, _)| max));
    if min.0 > max {
        mistakes.error(&min.1, "must not be above max_version");
    }
    let versions = (min.0 == 12, max == 13);
    let cipher_suites = suites.map(|suites| cipher_suites(&suites, versions, mistakes)).unwrap_or_default();
    let curve_preferences = curves.map(|curves| named(&curves.value, &CURVES, "curves", mistakes)).unwrap_or_default();
    let client_allowed_sans = sans.map(|sans| allowed_sans(&sans, client_auth, mistakes)).unwrap_or_default();
    table.finish(mistakes);
    Some(TlsServer {
        certificate: certificate.good()?,
        key: key.good()?,
        client_auth: client_auth?,
        client_ca: client_ca.good(),
        client_allowed_sans,
        versions,
        cipher_suites,
        prefer_server_cipher_suites: prefer.is_none_or(|typed| typed.value),
        curve_preferences,
    })
}

/// What became of a pair of keys of which one may be there.
enum Given {
    No,
    /// Told already.
    Bad,
    Good(Pem),
}

impl Given {
    fn good(self) -> Option<Pem> {
        match self {
            Given::Good(pem) => Some(pem),
            Given::No | Given::Bad => None,
        }
    }
}

/// PEM blocks of `label` from the file that the first key names, or from the second key.
fn pem(
    table: &mut Table<'_>,
    (file_key, text_key): (&str, &str),
    label: &str,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Given {
    let inline = table.text(text_key, mistakes);
    let (typed, file, text) = match (table.text(file_key, mistakes), inline) {
        (None, None) => return Given::No,
        (Some(typed), Some(_)) => {
            mistakes.error(&typed.spot, format!("{text_key} is given too: keep one of the two"));
            return Given::Bad;
        }
        (None, Some(typed)) => {
            let text = Ok(Secret::new(typed.value.to_owned()));
            (typed, None, text)
        }
        (Some(typed), None) => {
            let owned = Typed { value: typed.value.to_owned(), spot: typed.spot.clone() };
            let Some(path) = site::path(&owned, directory, mistakes) else { return Given::Bad };
            if label == "PRIVATE KEY" && files::is_world_readable(&path) {
                mistakes.warn(&typed.spot, "every user of this machine can read the key; take the right from others");
            }
            let text = files::read_regular(&path).and_then(|bytes| {
                let text = std::str::from_utf8(&bytes).map_err(|_| format!("expected a PEM file of {label}"))?;
                Ok(Secret::new(text.to_owned()))
            });
            (typed, Some(path), text)
        }
    };
    let checked = text.and_then(|text| files::check_pem(text.expose().as_bytes(), label).map(|()| text));
    match checked {
        Ok(text) => Given::Good(Pem { text, file, place: mistakes.place(&typed.spot, String::new()) }),
        Err(message) => {
            mistakes.error(&typed.spot, message);
            Given::Bad
        }
    }
}

fn client_auth(typed: &Typed<&str>, mistakes: &mut Mistakes) -> Option<ClientAuth> {
    Some(match typed.value {
        "NoClientCert" => ClientAuth::None,
        "RequestClientCert" => ClientAuth::Request,
        // The second name is an old one of the format.
        "RequireAnyClientCert" | "RequireClientCert" => ClientAuth::RequireAny,
        "VerifyClientCertIfGiven" => ClientAuth::VerifyIfGiven,
        "RequireAndVerifyClientCert" => ClientAuth::RequireAndVerify,
        _ => {
            let message = "expected NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven or \
                           RequireAndVerifyClientCert";
            mistakes.error(&typed.spot, message);
            return None;
        }
    })
}

fn check_client_ca(client_auth: ClientAuth, client_ca: &Given, spot: &Spot, mistakes: &mut Mistakes) {
    match (client_auth, client_ca) {
        (ClientAuth::None, Given::Good(_)) => {
            let message =
                "a client CA is given but no client is asked for a certificate: set RequireAndVerifyClientCert";
            mistakes.error(spot, message);
        }
        (ClientAuth::Request | ClientAuth::RequireAny, _) => {
            mistakes.warn(spot, "certificates of clients are not verified: only RequireAndVerifyClientCert keeps out");
        }
        (client_auth, Given::No) if client_auth.verifies() => {
            mistakes.error(spot, "certificates of clients cannot be verified without client_ca_file");
        }
        _ => {}
    }
}

fn version(table: &mut Table<'_>, key: &str, mistakes: &mut Mistakes) -> Option<(u8, Spot)> {
    let typed = table.text(key, mistakes)?;
    let message = match typed.value {
        "TLS12" => return Some((12, typed.spot)),
        "TLS13" => return Some((13, typed.spot)),
        "TLS10" | "TLS11" => "TLS 1.0 and 1.1 are broken and not spoken here: use TLS12 or TLS13",
        _ => "expected TLS12 or TLS13",
    };
    mistakes.error(&typed.spot, message);
    None
}

fn cipher_suites(
    typed: &Typed<Vec<Typed<&str>>>,
    versions: (bool, bool),
    mistakes: &mut Mistakes,
) -> Vec<&'static str> {
    let all = named(&typed.value, &CIPHER_SUITES, "cipher suites", mistakes);
    let tls12: Vec<_> =
        all.iter().copied().filter(|name| CIPHER_SUITES.iter().take(TLS12_SUITES).any(|n| n == name)).collect();
    if tls12.is_empty() && versions == (true, false) && all.len() == typed.value.len() {
        mistakes.error(&typed.spot, "none of these is for TLS 1.2, which alone is spoken (max_version)");
    }
    tls12
}

/// Those of `known` that are named, in the order in which they are.
fn named(typed: &[Typed<&str>], known: &[&'static str], what: &str, mistakes: &mut Mistakes) -> Vec<&'static str> {
    let mut found = Vec::new();
    for Typed { value, spot } in typed {
        match known.iter().find(|known| known == &value) {
            Some(name) => found.push(*name),
            None => mistakes.error(spot, format!("not supported; {what} are {}", known.join(", "))),
        }
    }
    found
}

fn allowed_sans(
    sans: &Typed<Vec<Typed<&str>>>,
    client_auth: Option<ClientAuth>,
    mistakes: &mut Mistakes,
) -> Vec<String> {
    if sans.value.is_empty() {
        mistakes.error(&sans.spot, "the list is empty: nobody could connect");
    }
    if client_auth.is_some_and(|client_auth| !client_auth.requires()) {
        let message = "needs client_auth_type RequireAndVerifyClientCert or RequireAnyClientCert: else a client without \
                       a certificate comes in";
        mistakes.error(&sans.spot, message);
    }
    for Typed { value, spot } in &sans.value {
        if value.contains('@') && !value.contains(':') {
            mistakes.error(spot, "a mail address cannot be compared here: name a DNS name, an IP address or a URI");
        }
    }
    sans.value.iter().map(|san| san.value.to_owned()).collect()
}
