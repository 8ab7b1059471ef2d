//! API keys: when they expire, and which of them is the exporter's own.

use std::collections::{BTreeMap, BTreeSet};

use tracing::debug;

use super::super::whole::{Reading, seconds};
use super::{API_KEY_EXPIRY, API_KEYS, rank};
use crate::netbackup::lists::security::ApiKeys;
use crate::netbackup::{Client, Error, Listing};

/// Keys that are shown one by one.
const MOST_KEYS: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    user: String,
    domain: String,
    expires: Option<i64>,
}

/// Reads and writes them; `signs_in`: the exporter has no key.
pub(super) async fn read(reading: &mut Reading<'_>, signs_in: bool, now: i64) -> Result<(), Error> {
    let (mut tags, mut keys) = (BTreeSet::new(), Vec::new());
    let listed = reading.list::<ApiKeys>(Listing::ALL, |key| {
        // A key that moves between two pages while they are read is there once.
        if key.id.is_empty() || tags.insert(key.id.clone().into_owned()) {
            let (user, domain) = (key.user.clone().into_owned(), key.domain.clone().into_owned());
            keys.push(Key { user, domain, expires: key.expires });
        }
    });
    if listed.await?.is_none() {
        return Ok(());
    }
    let caller = if signs_in || keys.len() < 2 { None } else { caller(reading.client).await };
    reading.page.gauge(&API_KEYS, &[], u64::try_from(keys.len()).unwrap_or(u64::MAX));
    let mut dated: Vec<_> = keys
        .iter()
        .zip(own(&keys, signs_in, caller.as_deref()))
        .filter_map(|(key, own)| Some((key, own, key.expires?)))
        .collect();
    dated.sort_by_key(|(_, own, expires)| (*own != OWN, rank(*expires, now)));
    // A user has one key at a time. Where there are two for one name, the one counts that is the first to expire.
    let mut shown = BTreeMap::new();
    for (key, own, expires) in dated.into_iter().take(MOST_KEYS) {
        let first = shown.entry([&*key.user, &*key.domain, own]).or_insert(expires);
        *first = expires.min(*first);
    }
    for (labels, expires) in shown {
        reading.page.gauge(&API_KEY_EXPIRY, &labels, seconds(expires));
    }
    Ok(())
}

const OWN: &str = "true";
const OTHER: &str = "false";
const UNKNOWN: &str = "";

/// Which keys are the exporter's own. A key's tag does not tell, but its owner sees it always, and has no second one.
fn own(keys: &[Key], signs_in: bool, caller: Option<&str>) -> Vec<&'static str> {
    let is_callers = |key: &Key| caller.is_some_and(|caller| caller.eq_ignore_ascii_case(&key.user));
    let candidates = keys.iter().filter(|key| is_callers(key)).count();
    let mark = |key: &Key| match (keys.len(), candidates) {
        _ if signs_in => OTHER,
        (1, _) => OWN,
        (_, 0) => UNKNOWN,
        _ if !is_callers(key) => OTHER,
        (_, 1) => OWN,
        // The name is that of users in several domains.
        _ => UNKNOWN,
    };
    keys.iter().map(mark).collect()
}

/// Who the primary takes the exporter for. What cannot be had is unknown: the key's expiry is shown without it.
async fn caller(client: &Client) -> Option<String> {
    match client.caller().await {
        Ok(caller) => caller?.subject,
        Err(error) => {
            debug!(%error, "the primary does not say whose API key is used");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(users: &[&str]) -> Vec<Key> {
        let key = |user: &&str| Key { user: (*user).to_owned(), domain: "example.com".to_owned(), expires: Some(1) };
        users.iter().map(key).collect()
    }

    #[test]
    fn the_own_key_is_marked_where_it_can_be_known() {
        let marks = |users: &[&str], signs_in, caller| own(&keys(users), signs_in, caller).join("/");
        assert_eq!(marks(&["svc"], false, None), "true", "nobody sees the keys of others only");
        assert_eq!(marks(&["svc"], true, None), "false", "a session is no key");
        assert_eq!(marks(&["ops", "SVC", "x"], false, Some("svc")), "false/true/false");
        assert_eq!(marks(&["ops", "svc"], false, None), "/", "the release does not say who calls");
        assert_eq!(marks(&["ops", "svc"], false, Some("svc@example.com")), "/", "not a name of the list");
        assert_eq!(marks(&["svc", "ops", "svc"], false, Some("svc")), "/false/");
        assert_eq!(marks(&[], false, None), "");
    }
}
