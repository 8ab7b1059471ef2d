//! Hosts and paused clients as the API writes them.

use crate::netbackup::attr::Attr;
use crate::netbackup::endpoint::Endpoint;
use crate::netbackup::paging::BareOffset;
use crate::netbackup::record::{Resource, record};
use crate::netbackup::stream::FlatList;
use crate::netbackup::walk::List;

record! {
    /// A host of the domain. Its name is of no use here: hosts are counted.
    pub(crate) struct Host {
        /// `uuid`.
        #[expect(dead_code, reason = "a record without it is left out")]
        uuid: text = "uuid" or "it has no uuid",
        /// `nbuHostType`, such as `CLIENT`.
        host_type: text = "nbuHostType",
        /// `nbuReleaseVersion`, such as `11.0`.
        release: text = "nbuReleaseVersion",
        /// `osType`, such as `Linux`.
        os: text = "osType",
        /// `dteClientMode`: encryption of data in transit.
        dte_mode: text = "dteClientMode",
        /// `isSecureEnabled`.
        secure: flag = "isSecureEnabled",
        /// `fipsEnabled`, since 11.0.
        fips: text = "fipsEnabled",
        /// `decommissionedDateTime`, since 11.0, in a unit that is not published.
        decommissioned: integer = "decommissionedDateTime",
        /// Names under which it is known.
        mappings: [Mapping] = "hostMappings",
    }
}

record! {
    /// A name of a host.
    pub(crate) struct Mapping {
        /// `isApproved`.
        approved: flag = "isApproved",
        /// `isConflicting`.
        conflicting: flag = "isConflicting",
    }
}

/// `/config/hosts`.
pub(crate) enum Hosts {}

impl FlatList for Hosts {
    type Row<'a> = Host<'a>;
    const ENDPOINT: Endpoint = Endpoint::Hosts;
    const ROOT: &'static str = "hosts";
}

record! {
    /// A client whose jobs are paused.
    pub(crate) struct PausedClient {
        /// `displayName`.
        name: text = "displayName",
        /// `clientUniqueIdentifier`, a host id.
        host_id: text = "clientUniqueIdentifier",
        /// `reason`, such as `MALWARE`.
        reason: text = "reason",
        /// `triggerMethod`: `AUTOMATIC` or `MANUAL`.
        trigger: text = "triggerMethod",
        /// `blockedTime`: a text, no form of which is published.
        since: value = "blockedTime",
        /// `blockedUntilTime`, likewise.
        until: value = "blockedUntilTime",
    }
}

impl PausedClient<'_> {
    /// Since when, Unix milliseconds.
    pub(crate) fn since_ms(&self) -> Option<i64> {
        self.since.and_then(time_ms)
    }

    /// Until when, Unix milliseconds.
    pub(crate) fn until_ms(&self) -> Option<i64> {
        self.until.and_then(time_ms)
    }
}

/// RFC 3339, or the digits of a Unix time: of milliseconds, as elsewhere in this API, unless that would be long ago.
fn time_ms(attr: Attr<'_>) -> Option<i64> {
    attr.time_ms().or_else(|| {
        let digits = attr.text()?;
        let number = serde_json::from_str::<Attr<'_>>(&digits).ok()?;
        let in_seconds = || number.integer()?.checked_mul(1000).and_then(sensible_ms);
        number.epoch_ms().or_else(in_seconds)
    })
}

/// The time, where it is one that can be true.
fn sensible_ms(ms: i64) -> Option<i64> {
    serde_json::from_str::<Attr<'_>>(&ms.to_string()).ok()?.epoch_ms()
}

/// `/config/paused-clients`.
pub(crate) enum PausedClients {}

impl List for PausedClients {
    type Shape = BareOffset;
    type Row<'a> = Resource<'a, PausedClient<'a>>;
    const ENDPOINT: Endpoint = Endpoint::PausedClients;
    const LARGEST_PAGE: u16 = 100;
    const MOST_PAGES: u64 = 1_000;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_any_sensible_form() {
        for (text, expected) in [
            ("2025-11-26T22:00:04.123Z", Some(1_764_194_404_123)),
            ("1764194404123", Some(1_764_194_404_123)),
            ("1764194404", Some(1_764_194_404_000)),
            ("0", None),
            ("-1", None),
            ("9223372036854775807", None),
            ("Wed Nov 26 22:00:04 2025", None),
            ("", None),
        ] {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(time_ms(serde_json::from_str(&json).unwrap()), expected, "{text}");
        }
        assert_eq!(time_ms(serde_json::from_str("1764194404123").unwrap()), None, "a text is published");
    }
}
