//! What is sent: headers, paths, queries, credentials, and never more than allowed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::primary::{Primary, complaint, counted, json, pong, respond, until};
use crate::config::{ApiVersionChoice, Credential};
use crate::netbackup::{Client, Error, JobsPage, JobsQuery};
use crate::reason::{Failure, Reason};
use crate::stats::ApiStats;

async fn count(client: &Client) -> Result<u64, Error> {
    client.count_jobs(None).await
}

#[tokio::test]
async fn headers_are_sent_as_the_api_wants_them() {
    let primary = Primary::new(|seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/netbackup/ping") => pong(Some("14.0")),
        ("POST", "/netbackup/admin/jobs-count-requests") => json(r#"{"data":{"attributes":{"count":4213}}}"#),
        ("GET", "/netbackup/admin/jobs/7") => json(r#"{"data":{"attributes":{"jobId":7,"state":"DONE"}}}"#),
        _ => complaint(404, 1),
    })
    .await;
    let (client, _) = primary.client();
    client.ping().await.unwrap();
    assert_eq!(client.count_jobs(Some("state ne 'DONE'")).await.unwrap(), 4213);
    assert_eq!(client.job(7).await.unwrap().unwrap().id, 7);
    assert!(client.job(8).await.unwrap().is_none(), "404 means that it is gone");

    let seen = primary.seen();
    let (ping, post, get) = (&seen[0], &seen[1], &seen[2]);
    assert_eq!(ping.header("accept"), "text/plain");
    assert!(!ping.headers.contains_key("authorization"), "the key goes only where it is needed");
    for seen in [post, get] {
        assert_eq!(seen.header("accept"), "application/vnd.netbackup+json;version=14.0");
        assert_eq!(seen.header("authorization"), "S3CRET");
    }
    assert_eq!(post.header("content-type"), "application/vnd.netbackup+json;version=14.0");
    assert_eq!(post.body, r#"{"data":{"attributes":{"filter":"state ne 'DONE'"},"type":"jobCount"}}"#);
    let mut ids = std::collections::BTreeSet::new();
    for seen in &seen {
        assert_eq!(seen.header("user-agent"), concat!("netbackup_exporter/", env!("CARGO_PKG_VERSION")));
        assert_eq!(seen.header("x-client-id"), "netbackup_exporter");
        assert_eq!(seen.header("accept-encoding"), "gzip");
        assert!(!seen.headers.contains_key("cookie") && !seen.headers.contains_key("referer"));
        assert!(seen.method == "POST" || !seen.headers.contains_key("content-type"), "415 on a GET");
        assert_eq!(seen.header("x-request-id").len(), 32);
        ids.insert(seen.header("x-request-id").to_owned());
    }
    assert_eq!(ids.len(), seen.len(), "request ids are unique");
}

#[tokio::test]
async fn ping_gives_clock_version_and_latency() {
    let primary = Primary::new(|_| pong(Some("12.0"))).await;
    let (client, stats) = primary.client();
    assert_eq!(stats.clock_offset_seconds(), None);
    let ping = client.ping().await.unwrap();
    assert_eq!(ping.server_time_ms, 1_764_201_600_123);
    assert_eq!(ping.api_version.map(|version| version.to_string()).as_deref(), Some("12.0"));
    let now = crate::clock::Stamp::now().unix_seconds();
    let expected = 1_764_201_600.123 - now;
    assert!((stats.clock_offset_seconds().unwrap() - expected).abs() < 10.0);
}

#[tokio::test]
async fn ping_without_a_time_is_no_answer() {
    for body in ["<html>", "", "-5", "99999999999999999999", "1764201600123.5"] {
        let primary = Primary::new(move |_| respond(200, "text/plain", body)).await;
        let (client, stats) = primary.client();
        assert_eq!(client.ping().await.unwrap_err().reason(), Reason::Decode, "{body}");
        assert_eq!(stats.clock_offset_seconds(), None);
    }
    let primary = Primary::new(|_| respond(200, "application/json", "\"1764201600123\"\n")).await;
    assert_eq!(primary.client().0.ping().await.unwrap().server_time_ms, 1_764_201_600_123);
}

#[tokio::test]
async fn every_status_has_its_reason() {
    let retry_after = |status, value: &'static str| {
        let mut response = complaint(status, 5);
        response.headers_mut().insert("Retry-After", value.parse().unwrap());
        response
    };
    type Case = (Box<dyn Fn() -> axum::response::Response + Send + Sync>, Reason, Option<i64>, Option<u64>);
    let cases: Vec<Case> = vec![
        (Box::new(|| complaint(401, 8000)), Reason::Forbidden, Some(8000), None),
        (Box::new(|| complaint(401, 9001)), Reason::Auth, Some(9001), None),
        (Box::new(|| respond(401, "text/html", "<html>8000</html>")), Reason::Auth, None, None),
        (Box::new(|| complaint(403, 1)), Reason::Forbidden, Some(1), None),
        (Box::new(|| complaint(404, 1)), Reason::Http, Some(1), None),
        (Box::new(|| complaint(406, 8952)), Reason::Version, Some(8952), None),
        (Box::new(move || retry_after(429, "7")), Reason::Throttled, Some(5), Some(7)),
        (Box::new(move || retry_after(429, "soon")), Reason::Throttled, Some(5), None),
        (Box::new(move || retry_after(503, "9")), Reason::Throttled, Some(5), Some(9)),
        (Box::new(|| complaint(503, 5)), Reason::Http, Some(5), None),
        (Box::new(|| complaint(500, 5)), Reason::Http, Some(5), None),
        (Box::new(|| respond(204, "application/json", "")), Reason::Http, None, None),
    ];
    for (answer, reason, code, wait) in cases {
        let status = answer().status().as_u16();
        let primary = Primary::new(move |_| answer()).await;
        let (client, stats) = primary.client();
        let error = count(&client).await.unwrap_err();
        assert_eq!((error.reason(), error.status(), error.error_code()), (reason, Some(status), code), "{error}");
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), wait, "{error}");
        assert_eq!(error.endpoint(), "/admin/jobs-count-requests");
        // What may pass is asked again: `outages` tells more of that.
        let times = if matches!((status, wait), (429 | 503, None)) { 3 } else { 1 };
        assert_eq!(counted(&stats, "/admin/jobs-count-requests", &status.to_string()), times);
        assert!(stats.reachable());
        assert_eq!(primary.seen().len() as u64, times, "{error}");
    }
}

#[tokio::test]
async fn a_failure_tells_the_log_what_to_do_and_pages_nothing() {
    let primary = Primary::new(|_| {
        let body = "{\"errorCode\":8000,\"errorMessage\":\"User does\\nnot have\\u001b permission(s)\",\"attributeErrors\":{\"filter\":\"bad\"}}";
        respond(401, "application/json", body)
    })
    .await;
    let (client, _) = primary.client();
    let failure = Failure::from(count(&client).await.unwrap_err());
    assert_eq!(
        failure.detail,
        "POST /admin/jobs-count-requests of site paris: HTTP status 401, errorCode 8000, \"User doesnot have \
         permission(s); filter: bad\"; grant MANAGE/JOBS VIEW to the role of the key's user"
    );
    assert_eq!(
        failure.public_message(),
        "forbidden on /admin/jobs-count-requests: HTTP status 401; missing right: MANAGE/JOBS VIEW"
    );
    assert!(!failure.detail.contains("S3CRET"));
}

#[tokio::test]
async fn credentials_are_judged_by_the_answers_that_saw_them() {
    // Status and errorCode, whether credentials are judged by it, and whether they are refused then.
    for (status, code, judged, refused) in [
        (200, 0, true, false),
        (400, 9401, true, false),
        (401, 8000, true, false),
        (401, 9001, true, true),
        (403, 1, true, false),
        (404, 1, true, false),
        (406, 8952, false, false),
        (302, 0, false, false),
        (429, 0, false, false),
        (500, 0, false, false),
        (503, 0, false, false),
    ] {
        let primary = Primary::new(move |seen| match (seen.path.as_str(), status) {
            ("/netbackup/ping", _) => pong(None),
            (_, 200) => json(r#"{"data":{"attributes":{"count":1}}}"#),
            _ => complaint(status, code),
        })
        .await;
        let (client, stats) = primary.client();
        client.ping().await.unwrap();
        assert!(!stats.judged(), "/ping never sees the key");
        let _ = count(&client).await;
        assert_eq!((stats.judged(), stats.refused()), (judged, refused), "status {status}, code {code}");
    }
}

#[tokio::test]
async fn a_login_page_is_no_proof_that_the_key_is_taken() {
    let primary = Primary::new(|_| respond(200, "text/html", "<html>sign in</html>")).await;
    let (client, stats) = primary.client();
    assert_eq!(count(&client).await.unwrap_err().reason(), Reason::Decode);
    assert!(!stats.judged());
}

#[tokio::test]
async fn a_rotated_key_file_is_used_after_a_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, "old\n").unwrap();
    let primary = Primary::new(|seen| match seen.header("authorization") {
        "new" => json(r#"{"data":{"attributes":{"count":1}}}"#),
        _ => complaint(401, 9001),
    })
    .await;
    let mut site = primary.site();
    site.credential = Credential::ApiKeyFile(path.clone());
    let (client, stats) = super::primary::client(&site);
    assert_eq!(count(&client).await.unwrap_err().reason(), Reason::Auth);
    assert!(stats.refused() && !stats.up());
    assert_eq!(primary.seen().len(), 1, "the same key is not sent twice");
    std::fs::write(&path, "new\n").unwrap();
    assert_eq!(count(&client).await.unwrap(), 1);
    assert!(!stats.refused() && stats.up());

    // Not looked at yet, so the old key is sent once more, and the new one after it.
    let (client, _) = super::primary::client(&site);
    std::fs::write(&path, "wrong").unwrap();
    assert_eq!(count(&client).await.unwrap(), 1, "a key that works is kept");
    let (client, stats) = super::primary::client(&site);
    std::fs::write(&path, "new").unwrap();
    assert_eq!(count(&client).await.unwrap(), 1, "and one that does not is replaced within the request");
    assert!(!stats.refused());
}

#[tokio::test]
async fn no_more_requests_than_allowed_run_at_once_and_probes_pass_by() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (r, m, g) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate));
    let primary = Primary::slow(move |seen| {
        let (running, most, gate) = (Arc::clone(&r), Arc::clone(&m), Arc::clone(&g));
        Box::pin(async move {
            if seen.path.ends_with("/ping") {
                return pong(Some("14.0"));
            }
            most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            gate.acquire().await.unwrap().forget();
            running.fetch_sub(1, SeqCst);
            json(r#"{"data":{"attributes":{"count":1}}}"#)
        })
    })
    .await;
    let mut site = primary.site();
    site.poll.max_requests = 2;
    let (client, stats) = super::primary::client(&site);
    let requests: Vec<_> = (0..6)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.count_jobs(None).await })
        })
        .collect();
    until(|| running.load(SeqCst) == 2).await;
    stats.set_refused(false);
    let outcome = client.probe(std::time::Duration::from_secs(10)).await;
    assert!(outcome.reachable && outcome.authenticated, "{outcome:?}");
    assert_eq!(running.load(SeqCst), 2);
    gate.add_permits(6);
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap(), 1);
    }
    assert_eq!(most.load(SeqCst), 2);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let primary = Primary::new(|_| json(r#"{"data":{"attributes":{"count":1}}}"#)).await;
    let (client, _) = primary.client();
    for _ in 0..3 {
        count(&client).await.unwrap();
    }
    // The retry test covers the pool's dangers; here only that bodies and bytes are counted once each.
    let stats: &ApiStats = client.stats();
    assert_eq!(stats.received(), 3 * 35);
    assert_eq!(counted(stats, "/admin/jobs-count-requests", "200"), 3);
}

#[tokio::test]
async fn a_fixed_version_is_known_from_the_start() {
    let primary = Primary::new(|_| complaint(404, 1)).await;
    let mut site = primary.site();
    let (_, stats) = super::primary::client(&site);
    assert_eq!(stats.api_version().as_deref(), Some("14.0"));
    site.api_version = ApiVersionChoice::Auto;
    assert_eq!(super::primary::client(&site).1.api_version(), None);
}

#[tokio::test]
async fn what_waits_for_an_answer_is_small() {
    // Futures that hold each other by value grow with every layer, until a thread's stack is too small to build them.
    let primary = Primary::new(|_| complaint(500, 1)).await;
    let (client, _) = primary.client();
    let query = JobsQuery { filter: None, sort: None, limit: 1 };
    let mut visit = |_: JobsPage<'_>| {};
    let sizes = [
        ("count", size_of_val(&client.count_jobs(None))),
        ("walk", size_of_val(&client.walk_jobs(&query, &mut visit))),
        ("ping", size_of_val(&client.ping())),
        ("probe", size_of_val(&client.probe(Duration::from_secs(1)))),
    ];
    assert!(sizes.iter().all(|(_, size)| *size < 8192), "{sizes:?}");
}
