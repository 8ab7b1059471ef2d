//! The way to a primary: its name, its port, its certificates.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::Instant;

use super::report::{NAME, TCP, TLS};
use super::tls;
use super::trail::Trail;
use crate::config::Site;

/// More addresses than a primary has.
const MOST_ADDRESSES: usize = 8;

/// Goes the way; `false`: it does not lead there.
pub(super) async fn examine(site: &Site, is_proxied: bool, trail: &mut Trail) -> bool {
    if is_proxied {
        let why = "left to the proxy that the environment names (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY)";
        [NAME, TCP, TLS].into_iter().for_each(|step| trail.skip(step, why));
        return true;
    }
    let Some(addresses) = resolve(site, trail).await else { return false };
    let Some(stream) = connect(&addresses, trail).await else { return false };
    if site.url.scheme() == "http" {
        trail.skip(TLS, "the url is http: nothing is encrypted");
        return true;
    }
    tls::examine(site, stream, trail).await
}

async fn resolve(site: &Site, trail: &mut Trail) -> Option<Vec<SocketAddr>> {
    let port = site.url.port_or_known_default().unwrap_or_default();
    let name = match site.url.host()? {
        url::Host::Ipv4(address) => {
            trail.ok(NAME, format!("{address} is an address"));
            return Some(vec![SocketAddr::from((address, port))]);
        }
        url::Host::Ipv6(address) => {
            trail.ok(NAME, format!("{address} is an address"));
            return Some(vec![SocketAddr::from((address, port))]);
        }
        url::Host::Domain(name) => name,
    };
    let found = trail.within(NAME, &format!("an address of {name}"), lookup_host((name, port))).await?;
    let advice = || Some("check the host of url, and the name service of this machine".to_owned());
    let mut addresses: Vec<SocketAddr> = match found {
        Ok(found) => found.collect(),
        Err(error) => {
            trail.find(NAME, format!("{name}: {error}"), advice());
            return None;
        }
    };
    addresses.dedup();
    addresses.truncate(MOST_ADDRESSES);
    if addresses.is_empty() {
        trail.find(NAME, format!("{name} has no address"), advice());
        return None;
    }
    let list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    trail.ok(NAME, format!("{name} is {}", list.join(", ")));
    Some(addresses)
}

/// The first connection that comes about.
async fn connect(addresses: &[SocketAddr], trail: &mut Trail) -> Option<TcpStream> {
    let started = Instant::now();
    let any = async {
        let mut tries: FuturesUnordered<_> = addresses.iter().map(|address| open(*address)).collect();
        let mut failures = Vec::new();
        while let Some((address, tried)) = tries.next().await {
            match tried {
                Ok(stream) => return Ok((address, stream)),
                Err(error) => failures.push((address, error)),
            }
        }
        Err(failures)
    };
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    match trail.within(TCP, &format!("a connection to {}", list.join(" or ")), any).await? {
        Ok((address, stream)) => {
            trail.ok(TCP, format!("connected to {address} in {}", milliseconds(started.elapsed())));
            Some(stream)
        }
        Err(failures) => {
            let is_refused = failures.iter().any(|(_, error)| error.kind() == io::ErrorKind::ConnectionRefused);
            let advice = if is_refused {
                "nothing listens there: check that the primary runs, and the port of url (NetBackup listens on 1556)"
            } else {
                "check the route and the firewalls between here and the primary"
            };
            let words: Vec<String> = failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
            trail.find(TCP, words.join("; "), Some(advice.to_owned()));
            None
        }
    }
}

async fn open(address: SocketAddr) -> (SocketAddr, io::Result<TcpStream>) {
    (address, TcpStream::connect(address).await)
}

fn milliseconds(took: Duration) -> String {
    match took.as_millis() {
        0 => "less than 1 ms".to_owned(),
        took => format!("{took} ms"),
    }
}
