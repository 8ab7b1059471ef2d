//! API keys: when they expire, and which of them is the exporter's own.

use std::collections::BTreeMap;

use tracing::debug;

use super::super::series::{Once, seconds};
use super::super::whole::Reading;
use super::{API_KEY_EXPIRY, API_KEYS, rank};
use crate::netbackup::lists::security::{ApiKey, ApiKeys};
use crate::netbackup::{Client, Endpoint, Error, Listing, Resource};

/// Keys that are shown one by one.
const MOST_KEYS: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    user: String,
    domain: String,
    expires: Option<i64>,
}

/// What was listed.
#[derive(Debug)]
struct List {
    keys: Vec<Key>,
    /// No record was left out.
    is_whole: bool,
}

/// Reads and writes them; `signs_in`: the exporter has no key.
pub(super) async fn read(reading: &mut Reading<'_>, signs_in: bool, now: i64) -> Result<(), Error> {
    let (mut once, mut keys) = (Once::default(), Vec::new());
    let mut take = |key: Resource<'_, ApiKey<'_>>| {
        if once.is_new(&key.id) {
            let (user, domain) = (key.user.clone().into_owned(), key.domain.clone().into_owned());
            keys.push(Key { user, domain, expires: key.expires });
        }
    };
    let listed = reading.client.list::<ApiKeys>(&Listing::ALL, &mut take).await;
    let Some((walk, why)) = reading.part(Endpoint::ApiKeys, listed)? else { return Ok(()) };
    reading.reject(walk.rejected, why);
    reading.reject(once.nameless, once.why());
    let list = List { is_whole: walk.rejected == 0 && once.nameless == 0, keys };
    let caller = if signs_in || list.is_one() { None } else { caller(reading.client).await };
    let keys = &list.keys;
    reading.page.gauge(&API_KEYS, &[], u64::try_from(keys.len()).unwrap_or(u64::MAX));
    let mut dated: Vec<_> = keys
        .iter()
        .zip(list.own(signs_in, caller.as_deref()))
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

impl List {
    /// Whether there is exactly one key, and not one more that could not be read.
    fn is_one(&self) -> bool {
        self.is_whole && self.keys.len() == 1
    }

    /// Which keys are the exporter's own. A key's tag does not tell, but its owner sees it always, and has no second one.
    fn own(&self, signs_in: bool, caller: Option<&str>) -> Vec<&'static str> {
        let is_callers = |key: &Key| caller.is_some_and(|caller| caller.eq_ignore_ascii_case(&key.user));
        let candidates = self.keys.iter().filter(|key| is_callers(key)).count();
        let mark = |key: &Key| match candidates {
            _ if signs_in => OTHER,
            _ if self.is_one() => OWN,
            0 => UNKNOWN,
            _ if !is_callers(key) => OTHER,
            1 => OWN,
            // The name is that of users in several domains.
            _ => UNKNOWN,
        };
        self.keys.iter().map(mark).collect()
    }
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
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::collector::Display;
    use crate::collector::whole::tests::pages_of;
    use crate::config::{Credential, Secret, Site};
    use crate::simulator::{Options, Simulator};
    use crate::stats::ApiStats;

    const DAY: i64 = 86_400_000;

    #[tokio::test]
    async fn every_page_is_read_and_the_own_key_is_always_shown() {
        let primary = Simulator::start(Options::default()).await.unwrap();
        let now = primary.control().now();
        let key = |n: i64, user: &str| {
            let moment = |days: i64| {
                crate::clock::rfc3339(crate::clock::from_unix_ms((now + days * DAY).unsigned_abs()).unwrap())
            };
            // The last 30 have expired.
            let until = moment(if n < 220 { 1 + n } else { 210 - n });
            json!({"type": "apiKeyDetails", "id": format!("T{n}"), "attributes": {
                "userName": user, "userDomain": "example.com", "userDomainType": "ldap", "createdDateTime": moment(-60),
                "expiryDateTime": until, "lastModifiedDateTime": moment(-60), "samlSessionValidated": false,
            }})
        };
        let mut rows: Vec<_> = (0..250).map(|n| key(n, if n == 219 { "svc-monitor" } else { "u" })).collect();
        for (n, row) in rows.iter_mut().enumerate().filter(|(n, _)| *n != 219) {
            row["attributes"]["userName"] = format!("u{n}").into();
        }
        // A row that has moved to the next page while the list was read.
        rows.insert(100, rows[99].clone());
        primary.control().replace("/security/api-keys", Some(rows.into()));
        let credential = Credential::ApiKey(Secret::new(Options::default().api_key));
        let site = Site::new("paris", primary.base_url().parse().unwrap(), credential);
        let client = Client::new(&site, Arc::new(ApiStats::default())).unwrap();
        let shown = async |signs_in: bool| {
            let memo = crate::collector::whole::Memo::default();
            let mut reading = Reading::new(&client, "paris", Display::default(), &memo);
            read(&mut reading, signs_in, now).await.unwrap();
            reading.page.finish().text()
        };
        let text = shown(false).await;
        assert!(text.contains("netbackup_api_keys{site=\"paris\"} 250\n"), "{text}");
        let lines = |text: &str, what: &str| text.lines().filter(|line| line.contains(what)).count();
        assert_eq!((lines(&text, "{site=\"paris\",user="), lines(&text, "own=\"true\"")), (MOST_KEYS, 1));
        assert!(text.contains("user=\"svc-monitor\",domain=\"example.com\",own=\"true\""), "{text}");
        assert!(text.contains("user=\"u198\"") && !text.contains("user=\"u199\""), "what expires next, not what has");
        let counts = primary.control().request_counts();
        assert_eq!((counts["/security/api-keys"], counts["/authorization-context"]), (3, 1));
        assert!(!text.contains("T219"), "a tag is shown nowhere");
        // Whoever signs in with a password has no key, and need not be asked for.
        assert_eq!(lines(&shown(true).await, "own=\"false\""), MOST_KEYS);
        assert_eq!(primary.control().request_counts()["/authorization-context"], 1);
        primary.control().set_rbac(vec!["/security/api-keys".to_owned()]);
        assert_eq!(shown(false).await, "");
    }

    #[tokio::test]
    async fn a_key_beside_one_that_cannot_be_read_need_not_be_the_own_one() {
        let key = |id: &str, user: Option<&str>| {
            let attributes = json!({"userName": user, "expiryDateTime": "2027-01-01T00:00:00.000Z"});
            json!({"type": "apiKeyDetails", "id": id, "attributes": attributes})
        };
        for (other, own) in [(key("T2", None), ""), (key("", Some("svc")), ""), (key("T1", Some("ops")), "true")] {
            let (text, _) = pages_of("security", "/security/api-keys", vec![key("T1", Some("ops")), other]).await;
            assert!(text.contains("netbackup_api_keys{site=\"paris\"} 1\n"), "{text}");
            assert!(text.contains(&format!("user=\"ops\",domain=\"\",own=\"{own}\"}}")), "{own}: {text}");
        }
    }

    fn keys(users: &[&str]) -> Vec<Key> {
        let key = |user: &&str| Key { user: (*user).to_owned(), domain: "example.com".to_owned(), expires: Some(1) };
        users.iter().map(key).collect()
    }

    #[test]
    fn the_own_key_is_marked_where_it_can_be_known() {
        let list = |users: &[&str], is_whole| List { keys: keys(users), is_whole };
        let marks = |users: &[&str], signs_in, caller| list(users, true).own(signs_in, caller).join("/");
        assert_eq!(list(&["ops"], false).own(false, None), [""], "the one that was left out may be it");
        assert_eq!(list(&["ops"], false).own(false, Some("svc")), [""]);
        assert_eq!(list(&["svc"], false).own(false, Some("svc")), ["true"]);
        assert_eq!(marks(&["svc"], false, None), "true", "nobody sees the keys of others only");
        assert_eq!(marks(&["svc"], true, None), "false", "a session is no key");
        assert_eq!(marks(&["ops", "SVC", "x"], false, Some("svc")), "false/true/false");
        assert_eq!(marks(&["ops", "svc"], false, None), "/", "the release does not say who calls");
        assert_eq!(marks(&["ops", "svc"], false, Some("svc@example.com")), "/", "not a name of the list");
        assert_eq!(marks(&["svc", "ops", "svc"], false, Some("svc")), "/false/");
        assert_eq!(marks(&[], false, None), "");
    }
}
