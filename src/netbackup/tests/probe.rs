//! The probe behind `/health`: three verdicts, bounded, without hammering a refused key.

use std::time::Duration;

use super::primary::{Primary, client, complaint, json, pong, respond, site};
use crate::config::ApiVersionChoice;
use crate::reason::Reason;

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_good_primary_is_all_good_and_its_verdict_is_kept() {
    let primary = Primary::new(|seen| match seen.path.as_str() {
        "/netbackup/ping" => pong(Some("12.0")),
        _ => json(r#"{"subject":"svc-monitor"}"#),
    })
    .await;
    let mut site = primary.site();
    site.api_version = ApiVersionChoice::Auto;
    let (client, stats) = client(&site);
    for _ in 0..2 {
        let outcome = client.probe(LIMIT).await;
        assert!(outcome.reachable && outcome.authenticated && outcome.supported, "{outcome:?}");
        assert_eq!(outcome.api_version.as_deref(), Some("12.0"));
        assert!(outcome.latency.is_some() && outcome.failure.is_none());
    }
    assert!(stats.clock_offset_seconds().is_some());
    assert_eq!(primary.paths(), ["/netbackup/ping", "/netbackup/authorization-context", "/netbackup/ping"]);
}

#[tokio::test]
async fn refused_credentials_are_not_sent_again() {
    let primary = Primary::new(|seen| match seen.path.as_str() {
        "/netbackup/ping" => pong(Some("14.0")),
        _ => complaint(401, 9001),
    })
    .await;
    let (client, stats) = primary.client();
    for _ in 0..3 {
        let outcome = client.probe(LIMIT).await;
        assert!(outcome.reachable && !outcome.authenticated && outcome.supported);
        assert_eq!(outcome.failure.unwrap().reason, Reason::Auth);
    }
    assert!(stats.refused());
    let with_key = primary.seen().iter().filter(|seen| seen.headers.contains_key("authorization")).count();
    assert_eq!(with_key, 1);
}

#[tokio::test]
async fn where_nobody_polls_probes_notice_a_refused_key_and_another_one() {
    let primary = Primary::new(|seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/netbackup/ping", _) => pong(Some("14.0")),
        (_, "good") => json("{}"),
        _ => complaint(401, 9001),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, "good").unwrap();
    let mut site = primary.site();
    site.credential = crate::config::Credential::ApiKeyFile(key.clone());
    let (client, _) = client(&site);
    let sent = || primary.seen().iter().filter(|seen| seen.headers.contains_key("authorization")).count();
    let pass = async |seconds| {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    };
    for _ in 0..3 {
        assert!(client.probe(LIMIT).await.authenticated);
    }
    assert_eq!(sent(), 1, "a verdict is good for a minute");
    pass(61).await;
    assert!(client.probe(LIMIT).await.authenticated);
    assert_eq!(sent(), 2);
    std::fs::write(&key, "bad").unwrap();
    pass(3).await;
    assert!(!client.probe(LIMIT).await.authenticated, "another one is judged at once");
    let refused = sent();
    for _ in 0..3 {
        pass(61).await;
        assert!(!client.probe(LIMIT).await.authenticated);
    }
    assert_eq!(sent(), refused, "and a refused one is not sent again");
    std::fs::write(&key, "good").unwrap();
    assert!(client.probe(LIMIT).await.authenticated, "until there is another one");
}

#[tokio::test]
async fn what_only_says_no_right_or_no_endpoint_says_nothing_against_the_key() {
    for (status, code, judged) in [(401, 8000, true), (403, 1, true), (404, 1, false)] {
        let primary = Primary::new(move |seen| match seen.path.as_str() {
            "/netbackup/ping" => pong(Some("14.0")),
            _ => complaint(status, code),
        })
        .await;
        let (client, stats) = primary.client();
        let outcome = client.probe(LIMIT).await;
        assert!(outcome.authenticated && outcome.failure.is_none(), "{status}: {outcome:?}");
        assert_eq!(stats.judged(), judged, "{status}");
    }
}

#[tokio::test]
async fn the_polls_verdict_is_taken() {
    let primary = Primary::new(|_| pong(Some("14.0"))).await;
    let (client, stats) = primary.client();
    stats.set_refused(true);
    let outcome = client.probe(LIMIT).await;
    assert!(outcome.reachable && !outcome.authenticated);
    assert_eq!(outcome.failure.unwrap().reason, Reason::Auth);
    stats.set_refused(false);
    assert!(client.probe(LIMIT).await.authenticated);
    assert_eq!(primary.paths(), ["/netbackup/ping", "/netbackup/ping"]);
}

#[tokio::test]
async fn a_primary_without_ping_is_judged_by_its_answers() {
    let primary = Primary::new(|seen| match seen.path.as_str() {
        "/netbackup/ping" => complaint(404, 1),
        _ => json("{}"),
    })
    .await;
    let mut site = primary.site();
    site.api_version = ApiVersionChoice::Auto;
    let (client, _) = client(&site);
    let outcome = client.probe(LIMIT).await;
    assert!(outcome.reachable && outcome.authenticated && outcome.supported, "{outcome:?}");
    assert_eq!(
        (outcome.api_version.as_deref(), outcome.latency, outcome.failure.is_none()),
        (Some("14.0"), None, true)
    );
}

#[tokio::test]
async fn an_unsupported_version_is_said() {
    for (choice, header) in [(ApiVersionChoice::Auto, "8.0"), (ApiVersionChoice::Fixed(14, 0), "12.0")] {
        let primary = Primary::new(move |seen| match seen.path.as_str() {
            "/netbackup/ping" => pong(Some(header)),
            _ => complaint(406, 8952),
        })
        .await;
        let mut site = primary.site();
        site.api_version = choice;
        let (client, _) = client(&site);
        let outcome = client.probe(LIMIT).await;
        assert!(outcome.reachable && !outcome.supported, "{outcome:?}");
        assert_eq!(outcome.failure.unwrap().reason, Reason::Version);
        assert_eq!(primary.paths(), ["/netbackup/ping"]);
    }
}

#[tokio::test]
async fn errors_of_the_primary_are_an_answer_but_no_proof() {
    let primary = Primary::new(|_| respond(500, "text/html", "<html>")).await;
    let (client, stats) = primary.client();
    let outcome = client.probe(LIMIT).await;
    assert!(outcome.reachable && !outcome.authenticated);
    assert_eq!(outcome.failure.unwrap().status, Some(500));
    assert!(stats.reachable() && !stats.judged());
}

#[tokio::test]
async fn credentials_that_nobody_judges_in_time_leave_the_primary_reachable() {
    let primary = Primary::slow(|seen| {
        Box::pin(async move {
            if !seen.path.ends_with("/ping") {
                std::future::pending::<()>().await;
            }
            pong(Some("14.0"))
        })
    })
    .await;
    let (client, _) = primary.client();
    let outcome = client.probe(Duration::from_millis(500)).await;
    assert!(outcome.reachable && outcome.supported && !outcome.authenticated, "{outcome:?}");
    assert_eq!(outcome.failure.unwrap().reason, Reason::Timeout);
}

#[tokio::test]
async fn a_probe_ends_in_its_own_time() {
    let primary = Primary::slow(|_| Box::pin(std::future::pending())).await;
    let (client, stats) = primary.client();
    let outcome = tokio::time::timeout(LIMIT, client.probe(Duration::from_millis(100))).await.unwrap();
    assert!(!outcome.reachable && !outcome.authenticated);
    assert_eq!(outcome.failure.unwrap().reason, Reason::Timeout);
    assert!(!stats.reachable());

    let (client, _) = super::primary::client(&site("127.0.0.1:1".parse().unwrap()));
    assert_eq!(client.probe(LIMIT).await.failure.unwrap().reason, Reason::Connect);
}
