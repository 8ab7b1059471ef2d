//! Which API version is spoken, and what a 406 leads to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};

use axum::body::Body;
use axum::http::Response;

use super::primary::{Primary, Seen, client, complaint, json, pong, respond};
use crate::config::{ApiVersionChoice, Site};
use crate::reason::Reason;

fn auto(primary: &Primary) -> Site {
    Site { api_version: ApiVersionChoice::Auto, ..primary.site() }
}

/// A primary that takes versions up to `newest`, and answers `/ping` with `ping`.
async fn primary(newest: u16, ping: impl Fn() -> Response<Body> + Send + Sync + 'static) -> Primary {
    Primary::new(move |seen| if seen.path.ends_with("/ping") { ping() } else { gate(seen, newest) }).await
}

fn gate(seen: &Seen, newest: u16) -> Response<Body> {
    let asked = seen.header("accept").rsplit_once("version=").unwrap().1.split('.').next().unwrap();
    if asked.parse::<u16>().unwrap() > newest {
        return complaint(406, 8952);
    }
    json(r#"{"data":{"attributes":{"count":1}}}"#)
}

fn versions(primary: &Primary) -> Vec<String> {
    let version = |seen: Seen| seen.header("accept").rsplit_once('=').map_or("ping".to_owned(), |(_, v)| v.to_owned());
    primary.seen().into_iter().map(version).collect()
}

#[tokio::test]
async fn ping_names_the_version_once() {
    for (header, sent) in [("12.0", "12.0"), ("14.0", "14.0"), ("16.0", "14.0"), ("13.1", "13.1")] {
        let primary = primary(16, move || pong(Some(header))).await;
        let (client, stats) = client(&auto(&primary));
        client.count_jobs(None).await.unwrap();
        client.count_jobs(None).await.unwrap();
        assert_eq!(versions(&primary), ["ping", sent, sent]);
        assert_eq!(stats.api_version().as_deref(), Some(sent));
    }
}

#[tokio::test]
async fn many_first_requests_ask_once() {
    let primary = primary(14, || pong(Some("12.0"))).await;
    let (client, _) = client(&auto(&primary));
    let requests = (0..8).map(|_| client.count_jobs(None));
    for result in futures_util::future::join_all(requests).await {
        result.unwrap();
    }
    assert_eq!(versions(&primary).iter().filter(|version| *version == "ping").count(), 1);
}

#[tokio::test]
async fn the_ladder_is_used_where_ping_names_nothing() {
    let pings: [fn() -> Response<Body>; 5] = [
        || pong(None),
        || pong(Some("unknown")),
        || complaint(404, 1),
        || complaint(406, 8952),
        || respond(500, "text/html", "<html>"),
    ];
    for ping in pings {
        let primary = primary(12, ping).await;
        let (client, stats) = client(&auto(&primary));
        client.count_jobs(None).await.unwrap();
        client.count_jobs(None).await.unwrap();
        assert_eq!(versions(&primary), ["ping", "14.0", "13.0", "12.0", "12.0"], "the rung is remembered");
        assert_eq!(stats.api_version().as_deref(), Some("12.0"));
    }
}

#[tokio::test]
async fn a_primary_below_the_ladder_is_not_supported() {
    let primary = primary(9, || pong(None)).await;
    let (client, _) = client(&auto(&primary));
    let error = client.count_jobs(None).await.unwrap_err();
    assert_eq!((error.reason(), error.status()), (Reason::Version, Some(406)));
    assert_eq!(versions(&primary), ["ping", "14.0", "13.0", "12.0", "11.0", "10.0"]);
}

#[tokio::test]
async fn a_header_below_what_can_be_spoken_is_said_in_words() {
    let primary = primary(8, || pong(Some("8.0"))).await;
    let (client, stats) = client(&auto(&primary));
    let error = client.count_jobs(None).await.unwrap_err();
    assert_eq!((error.reason(), error.endpoint()), (Reason::Version, "/ping"));
    assert!(error.to_string().contains("API version 8.0"), "{error}");
    assert_eq!(stats.api_version(), None);
    assert_eq!(versions(&primary), ["ping"], "nothing is sent in a version that is known to be refused");
}

#[tokio::test]
async fn no_answer_to_ping_is_no_reason_to_guess() {
    let primary = Primary::new(|_| complaint(429, 1)).await;
    let (client, _) = client(&auto(&primary));
    assert_eq!(client.count_jobs(None).await.unwrap_err().reason(), Reason::Throttled);
    assert_eq!(versions(&primary), ["ping"; 3], "asked again, but nothing else");
}

#[tokio::test]
async fn a_downgrade_is_noticed_by_a_refusal_and_an_upgrade_by_ping() {
    let release = Arc::new(AtomicU16::new(14));
    let now = Arc::clone(&release);
    let primary = Primary::new(move |seen| {
        let newest = now.load(SeqCst);
        if seen.path.ends_with("/ping") { pong(Some(&format!("{newest}.0"))) } else { gate(seen, newest) }
    })
    .await;
    let (client, stats) = client(&auto(&primary));
    client.count_jobs(None).await.unwrap();
    release.store(12, SeqCst);
    client.count_jobs(None).await.unwrap();
    assert_eq!(versions(&primary), ["ping", "14.0", "14.0", "ping", "12.0"]);
    assert_eq!(stats.api_version().as_deref(), Some("12.0"));
    release.store(13, SeqCst);
    client.ping().await.unwrap();
    assert_eq!(stats.api_version().as_deref(), Some("13.0"));
}

#[tokio::test]
async fn a_refusal_that_ping_does_not_explain_is_an_error() {
    let primary = primary(11, || pong(Some("14.0"))).await;
    let (client, _) = client(&auto(&primary));
    for _ in 0..2 {
        assert_eq!(client.count_jobs(None).await.unwrap_err().reason(), Reason::Version);
    }
    assert_eq!(versions(&primary), ["ping", "14.0", "ping", "14.0", "ping"], "each request is refused once");
}

#[tokio::test]
async fn a_fixed_version_is_never_left() {
    let primary = primary(12, || pong(Some("12.0"))).await;
    let (client, _) = primary.client();
    assert_eq!(client.count_jobs(None).await.unwrap_err().reason(), Reason::Version);
    assert_eq!(versions(&primary), ["14.0"]);
}

#[tokio::test]
async fn one_endpoint_that_refuses_does_not_make_the_primary_unsupported() {
    let primary = Primary::new(|seen| match seen.path.as_str() {
        "/netbackup/ping" => pong(Some("14.0")),
        "/netbackup/admin/jobs/7" => json(r#"{"data":{"attributes":{"jobId":7,"state":"DONE"}}}"#),
        _ => complaint(406, 8952),
    })
    .await;
    let (client, _) = client(&auto(&primary));
    assert!(client.count_jobs(None).await.is_err());
    assert!(client.is_version_refused(), "nothing was taken so far");
    client.job(7).await.unwrap();
    assert!(client.count_jobs(None).await.is_err());
    assert!(!client.is_version_refused());
}

#[tokio::test]
async fn a_primary_that_refuses_every_version_is_not_tried_with_all_of_them_again_and_again() {
    let primary = Primary::new(|_| complaint(406, 8952)).await;
    let (client, _) = primary.client();
    let mut before = 0;
    for (call, most) in [(1, 9), (2, 3), (3, 3), (4, 3)] {
        assert_eq!(client.count_jobs(None).await.unwrap_err().reason(), Reason::Version);
        let seen = primary.seen().len();
        assert!(seen - before <= most, "call {call}: {} requests", seen - before);
        before = seen;
    }
}
