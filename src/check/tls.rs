//! The TLS step: what the certificates say, and what is held against them.

use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;

use super::report::TLS;
use super::trail::Trail;
use crate::config::Site;
use crate::netbackup::{Broken, Certificate, Distrust, Handshake, handshake};

/// Who sees an expiry only when it has come sees it too late.
const SOON: Duration = Duration::from_secs(30 * DAY);
const DAY: u64 = 24 * 3600;
/// Certificates of big clusters bear many names.
const MOST_NAMES: usize = 8;

/// Makes a handshake and tells what it showed; `false`: requests would fail.
pub(super) async fn examine(site: &Site, stream: TcpStream, trail: &mut Trail) -> bool {
    let Some(seen) = trail.within(TLS, "the end of the handshake", handshake(site, stream)).await else { return false };
    match seen {
        Ok(seen) => judge(site, &seen, SystemTime::now(), trail),
        Err(error) => {
            trail.find(TLS, format!("{:#}", anyhow::Error::from(error)), None);
            false
        }
    }
}

fn judge(site: &Site, seen: &Handshake, now: SystemTime, trail: &mut Trail) -> bool {
    let chain = describe(seen, now);
    if let Some(broken) = &seen.broken {
        let (message, advice) = why_broken(site, broken);
        let message = if seen.chain.is_empty() { message } else { format!("{message}. {chain}") };
        trail.find(TLS, message, Some(advice));
        return false;
    }
    if let Some(distrust) = &seen.distrust {
        let (message, advice) = why_distrusted(site, seen, distrust, now);
        if site.tls.insecure_skip_verify {
            trail.warn(TLS, format!("not verified (insecure_skip_verify): {message}. {chain}"), Some(advice));
            return true;
        }
        trail.find(TLS, format!("{message}. {chain}"), Some(advice));
        return false;
    }
    let soon = certificates(seen).find(|certificate| left(certificate, now) < SOON);
    match soon {
        Some(certificate) => trail.warn(TLS, chain, Some(format!("renew \"{}\" soon", certificate.subject))),
        None if seen.wants_certificate => {
            let advice = "the primary asks for a client certificate: set client_cert_file and client_key_file in \
                          [site.tls], unless the next steps are well";
            trail.warn(TLS, chain, Some(advice.to_owned()));
        }
        None if site.tls.insecure_skip_verify => {
            let advice = "these certificates are trusted: insecure_skip_verify is not needed";
            trail.add(TLS, super::report::Status::Ok, chain, Some(advice.to_owned()));
        }
        None => trail.ok(TLS, chain),
    }
    true
}

fn certificates(seen: &Handshake) -> impl Iterator<Item = &Certificate> {
    seen.chain.iter().flatten()
}

fn left(certificate: &Certificate, now: SystemTime) -> Duration {
    certificate.not_after.duration_since(now).unwrap_or_default()
}

/// Every certificate of the chain, the primary's own first.
fn describe(seen: &Handshake, now: SystemTime) -> String {
    let each = seen.chain.iter().map(|certificate| match certificate {
        Some(certificate) => {
            let names =
                if certificate.names.is_empty() { String::new() } else { format!(" for {}", names(certificate)) };
            let (subject, issuer) = (&certificate.subject, &certificate.issuer);
            format!("\"{subject}\"{names}, issued by \"{issuer}\", {}", time_left(certificate, now))
        }
        None => "a certificate that cannot be read".to_owned(),
    });
    each.collect::<Vec<_>>().join("; ")
}

fn names(certificate: &Certificate) -> String {
    let mut list = certificate.names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    let more = certificate.names.len().saturating_sub(MOST_NAMES);
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    list
}

fn time_left(certificate: &Certificate, now: SystemTime) -> String {
    if let Ok(early) = certificate.not_before.duration_since(now)
        && !early.is_zero()
    {
        return format!("not valid for another {}", days(early));
    }
    match certificate.not_after.duration_since(now) {
        Ok(left) => format!("{} left", days(left)),
        Err(past) => format!("expired {} ago", days(past.duration())),
    }
}

fn days(duration: Duration) -> String {
    match duration.as_secs() / DAY {
        0 => format!("{} h", duration.as_secs() / 3600),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

fn why_distrusted(site: &Site, seen: &Handshake, distrust: &Distrust, now: SystemTime) -> (String, String) {
    let named = |mut which: Box<dyn Iterator<Item = &Certificate> + '_>| {
        which.next().map_or_else(|| "a certificate".to_owned(), |certificate| format!("\"{}\"", certificate.subject))
    };
    let last_issuer = || certificates(seen).last().map(|certificate| certificate.issuer.clone()).unwrap_or_default();
    let host = site.tls.server_name.as_deref().or(site.url.host_str()).unwrap_or_default();
    let (message, advice) = match distrust {
        Distrust::Expired => {
            let which = named(Box::new(certificates(seen).filter(|certificate| certificate.not_after < now)));
            (format!("{which} has expired"), "renew it on the primary, or set the clock of this machine".to_owned())
        }
        Distrust::NotValidYet => {
            let which = named(Box::new(certificates(seen).filter(|certificate| certificate.not_before > now)));
            (format!("{which} is not valid yet"), "set the clocks of the primary and of this machine".to_owned())
        }
        Distrust::WrongName => {
            let borne = certificates(seen).next().map(names).filter(|names| !names.is_empty());
            let borne = borne.unwrap_or_else(|| "no name at all".to_owned());
            let advice = "put a name that it bears into url, or into server_name of [site.tls]";
            (format!("the certificate is not for {host}, but for {borne}"), advice.to_owned())
        }
        Distrust::UnknownIssuer => {
            let issuer = last_issuer();
            let advice = match site.tls.ca_file {
                Some(_) => format!("ca_file must hold the certificate of \"{issuer}\""),
                None => {
                    format!("put the certificate of \"{issuer}\" into a file, and name it as ca_file in [site.tls]")
                }
            };
            (format!("the issuer \"{issuer}\" is not trusted"), advice)
        }
        Distrust::OtherIssuer => {
            let issuer = last_issuer();
            let advice =
                format!("ca_file must hold the certificate that \"{issuer}\" has now: it may have been renewed");
            (format!("it is not signed by the \"{issuer}\" that is trusted, but by another of that name"), advice)
        }
        Distrust::Other(words) => (words.clone(), "renew the certificate on the primary".to_owned()),
    };
    (message, advice)
}

fn why_broken(site: &Site, broken: &Broken) -> (String, String) {
    let address = "check host and port of url: NetBackup listens on 1556";
    match broken {
        Broken::NotTls => ("what answers there is no TLS".to_owned(), address.to_owned()),
        Broken::Closed => ("the connection was closed during the handshake".to_owned(), address.to_owned()),
        Broken::Refused(alert) => {
            let advice = match site.tls.client_cert_file {
                Some(_) => "check that the primary trusts the issuer of client_cert_file",
                None => "it may want a client certificate: set client_cert_file and client_key_file in [site.tls]",
            };
            (format!("the primary ended the handshake ({alert})"), advice.to_owned())
        }
        Broken::Other(words) => (format!("the handshake failed ({words})"), address.to_owned()),
    }
}
