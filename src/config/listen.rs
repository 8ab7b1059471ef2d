//! Where to listen: `host:port`, `[v6]:port` or `:port` (all addresses).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// The IPv6 addresses of the machine, one a line.
const V6_ADDRESSES: &str = "/proc/net/if_inet6";
/// Whether `[::]` takes IPv4 connections too is a setting of the kernel.
const V6_ONLY_SETTING: &str = "/proc/sys/net/ipv6/bindv6only";

const EXPECTED: &str = "expected host:port, [v6]:port or :port, such as 127.0.0.1:11556";

const UNRESOLVED: &str =
    "the host name cannot be resolved now; an address needs no name service when the exporter starts";

/// The addresses that `text` means; a name is looked up, once, and may mean several. `:port` is `[::]`, which takes IPv4
/// as well, or `0.0.0.0` where the machine has no IPv6 address, or both where the kernel keeps the two apart. Opens
/// nothing: whether an address can be bound is known when it is.
///
/// # Errors
/// What was expected, or that the name does not resolve; never the text.
pub fn parse_listen_address(text: &str) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("the port is missing or no number; {EXPECTED}"));
    }
    let port: u16 = port.parse().map_err(|_| format!("the port is above 65535; {EXPECTED}"))?;
    if host.is_empty() {
        return Ok(all_addresses(has_v6(), v6_only(), port));
    }
    if host.contains(':') {
        return Err(format!("an IPv6 address stands in brackets; {EXPECTED}"));
    }
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        return Err(EXPECTED.into());
    }
    let addresses = (host, port).to_socket_addrs().map_err(|_| UNRESOLVED)?;
    let addresses = usable(addresses.collect(), has_v6());
    if addresses.is_empty() { Err(UNRESOLVED.into()) } else { Ok(addresses) }
}

/// Each address once. `localhost` may still be `::1` too where IPv6 is switched off: such are left out as long as one
/// remains.
fn usable(mut addresses: Vec<SocketAddr>, has_v6: bool) -> Vec<SocketAddr> {
    addresses.sort_unstable();
    addresses.dedup();
    if !has_v6 && addresses.iter().any(SocketAddr::is_ipv4) {
        addresses.retain(SocketAddr::is_ipv4);
    }
    addresses
}

fn all_addresses(has_v6: bool, v6_only: bool, port: u16) -> Vec<SocketAddr> {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match (has_v6, v6_only) {
        (false, _) => vec![v4],
        (true, false) => vec![v6],
        (true, true) => vec![v4, v6],
    }
}

fn has_v6() -> bool {
    std::fs::read_to_string(V6_ADDRESSES).is_ok_and(|addresses| !addresses.is_empty())
}

fn v6_only() -> bool {
    std::fs::read_to_string(V6_ONLY_SETTING).is_ok_and(|text| text.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_addresses() {
        for text in ["127.0.0.1:11556", "0.0.0.0:0", "[::1]:9", "[::]:65535"] {
            assert_eq!(parse_listen_address(text), Ok(vec![text.parse().unwrap()]), "{text}");
        }
    }

    #[test]
    fn a_name_resolves_to_loopback() {
        let addresses = parse_listen_address("localhost:11556").unwrap();
        assert!(!addresses.is_empty() && addresses.iter().all(|a| a.ip().is_loopback() && a.port() == 11556));
    }

    #[test]
    fn addresses_of_a_name_are_told_once_and_without_those_that_the_machine_lacks() {
        let of = |texts: &[&str], has_v6| {
            let addresses = usable(texts.iter().map(|text| text.parse().unwrap()).collect(), has_v6);
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let both = ["[::1]:7", "127.0.0.1:7", "[::1]:7"];
        assert_eq!(of(&both, true), ["127.0.0.1:7", "[::1]:7"]);
        assert_eq!(of(&both, false), ["127.0.0.1:7"]);
        assert_eq!(of(&["[::1]:7"], false), ["[::1]:7"]);
        // Whether the machine has an address that a name means is found out by listening on it.
        assert_eq!(of(&["127.0.0.1:7", "192.0.2.1:7"], true), ["127.0.0.1:7", "192.0.2.1:7"]);
        assert!(of(&[], true).is_empty());
    }

    #[test]
    fn a_port_alone_means_every_address() {
        let addresses = parse_listen_address(":11556").unwrap();
        assert!(!addresses.is_empty() && addresses.iter().all(|a| a.ip().is_unspecified() && a.port() == 11556));
        let texts = |has_v6, only| all_addresses(has_v6, only, 7).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(false, false), ["0.0.0.0:7"]);
        assert_eq!(texts(true, false), ["[::]:7"]);
        assert_eq!(texts(true, true), ["0.0.0.0:7", "[::]:7"]);
    }

    #[test]
    fn refuses_what_is_no_address() {
        for (text, word) in [
            ("", "expected"),
            ("11556", "expected"),
            ("localhost", "expected"),
            ("localhost:", "port is missing"),
            ("localhost:http", "no number"),
            ("localhost:+1", "no number"),
            (":65536", "above 65535"),
            ("::1:80", "brackets"),
            ("[::1]", "no number"),
            ("[::x]:1", "brackets"),
            ("http://localhost:1", "brackets"),
            ("a b:1", "expected"),
            ("no-such-host.invalid:1", "cannot be resolved now"),
        ] {
            let error = parse_listen_address(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    proptest! {
        // The host part holds a character that no name has, so that nothing is looked up.
        #[test]
        fn never_panics(text in "[\\PC]{0,8}[!/ ]:[0-9]{0,6}|:[0-9]{0,6}|\\[[0-9a-f:%]*\\]:[0-9]{0,6}") {
            let _ = parse_listen_address(&text);
        }
    }
}
