//! Every path, without a port.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;
use tokio::time::{Instant, advance};

use super::Sites;
use super::testing::{TIMEOUT, fixture, web};
use crate::clock::Stamp;
use crate::config::Web;
use crate::exposition::Rendered;
use crate::reason::{Failure, Reason};
use crate::telemetry::{BUILD, Recorder};

const SITES: &[(&str, bool)] = &[("paris", true), ("oslo", true)];
const PATHS: [&str; 6] = ["/metrics", "/health", "/-/healthy", "/-/ready", "/", "/api/v1/status"];

fn failure(reason: Reason) -> Failure {
    Failure { endpoint: Some("/admin/jobs"), status: Some(401), ..Failure::new(reason, "https://10.1.2.3/?key=hush") }
}

#[tokio::test]
async fn a_scrape_is_answered_from_the_first_moment() {
    let fixture = fixture(&web(), SITES);
    let read = fixture.get("/metrics").await;
    assert_eq!(read.status, StatusCode::OK);
    assert_eq!(read.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(read.header("vary"), Some("Accept, Accept-Encoding"));
    assert_eq!(read.header("content-length"), Some(read.body.len().to_string().as_str()));
    assert_eq!(read.header("content-encoding"), None);
    assert!(read.text().contains("site=\"oslo\"") && read.text().contains("netbackup_exporter_build_info"));
}

#[tokio::test]
async fn a_scrape_comes_in_the_form_that_is_asked_for() {
    let fixture = fixture(&web(), SITES);
    // As Prometheus asks; the list may be spread over several headers.
    let accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let headers = [("accept", "text/html;q=0.1"), ("accept", accept), ("accept-encoding", "gzip")];
    let read = fixture.ask("GET", "/metrics", &headers).await;
    assert_eq!(read.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert_eq!(read.header("content-encoding"), Some("gzip"));
    assert_eq!(read.header("content-length"), Some(read.body.len().to_string().as_str()));
    assert_eq!(read.body[..2], [0x1f, 0x8b]);
}

#[tokio::test]
async fn a_scrape_of_named_sites_has_theirs_only() {
    let fixture = fixture(&web(), &[("paris", true), ("oslo", true), ("rome", true)]);
    let read = fixture.get("/metrics?site=rome&site=paris&site=rome&other=x").await;
    let text = read.text();
    assert!(text.contains("paris") && text.contains("rome"));
    assert!(!text.contains("oslo") && !text.contains("netbackup_exporter_"), "{text}");
    assert_eq!(text.matches("netbackup_up{").count(), 2, "each once: {text}");
    assert!(fixture.get("/metrics?site=p%61ris").await.text().contains("paris"));

    for path in ["/metrics?site=bergen", "/metrics?site=paris&site=", "/health?site=bergen"] {
        let read = fixture.get(path).await;
        assert_eq!(read.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!read.text().contains("bergen"));
    }
}

#[tokio::test]
async fn only_scrapes_take_the_slots_and_give_them_back() {
    let fixture = fixture(&web(), SITES);
    let scrape = || Request::get("/metrics").body(Body::empty()).unwrap();
    let running = [fixture.send(scrape()).await, fixture.send(scrape()).await];
    assert!(running.iter().all(|response| response.status() == StatusCode::OK));

    let over = fixture.get("/metrics").await;
    assert_eq!(over.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(over.header("retry-after"), Some("1"));
    assert!(over.header("content-type").unwrap().starts_with("text/plain"));
    for path in PATHS.into_iter().filter(|path| *path != "/metrics" && *path != "/-/ready") {
        assert_eq!(fixture.get(path).await.status, StatusCode::OK, "{path} takes no slot");
    }
    drop(running);
    assert_eq!(fixture.get("/metrics").await.status, StatusCode::OK);
}

#[tokio::test]
async fn zero_is_no_limit() {
    let fixture = fixture(&Web { max_requests: 0, ..web() }, SITES);
    let mut running = Vec::new();
    for _ in 0..200 {
        running.push(fixture.send(Request::get("/metrics").body(Body::empty()).unwrap()).await);
    }
    assert!(running.iter().all(|response| response.status() == StatusCode::OK));
}

#[tokio::test]
async fn the_telemetry_path_is_the_configured_one_whatever_it_looks_like() {
    for path in ["/prom", "/health", "/", "/{x}", "/*a", "/%7Bx%7D"] {
        let fixture = fixture(&Web { telemetry_path: path.to_owned(), ..web() }, SITES);
        let request = Request::get(path).body(Body::empty());
        // `{` may not stand in a request line; what matters is that serving did not end over it.
        if let Ok(request) = request {
            let response = fixture.send(request).await;
            assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8", "{path}");
        }
        assert_eq!(fixture.get("/metrics").await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_not_done_is_405() {
    let fixture = fixture(&web(), SITES);
    for path in ["/nothing", "/metrics/", "/METRICS", "/-/", "/favicon.ico"] {
        let read = fixture.get(path).await;
        assert_eq!(read.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(read.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    for path in PATHS {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            let read = fixture.ask(method, path, &[]).await;
            assert_eq!(read.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(read.header("allow"), Some("GET, HEAD"));
        }
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let fixture = fixture(&web(), SITES);
    for path in PATHS {
        let (get, head) = (fixture.get(path).await, fixture.ask("HEAD", path, &[]).await);
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty() && !get.body.is_empty(), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()), "{path}");
        assert_eq!(get.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    for _ in 0..10 {
        assert_eq!(fixture.ask("HEAD", "/metrics", &[]).await.status, StatusCode::OK, "HEAD gives its slot back");
    }
}

#[tokio::test(start_paused = true)]
async fn health_says_what_the_contract_says() {
    let mut fixture = fixture(&web(), &[("paris", true), ("oslo", false)]);
    fixture.writers[0].succeed(Arc::new(Rendered::default()), Stamp::now(), 0, Duration::ZERO);
    fixture.writers[1].fail(failure(Reason::Auth), Duration::ZERO);
    advance(Duration::from_secs(30)).await;

    let read = fixture.get("/health").await;
    assert_eq!(read.status, StatusCode::OK, "some sites fail: a warning");
    assert_eq!(read.header("content-type"), Some("application/health+json"));
    assert_eq!(read.header("cache-control"), Some("no-store"));
    let mut answer = read.json();
    for site in [0, 1] {
        let at = answer["sites"][site]["checked_at"].take();
        assert!(at.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{at}");
    }
    assert_eq!(
        answer,
        json!({"status": "warn", "version": BUILD.version, "sites": [
            {"site": "paris", "status": "pass", "reachable": true, "authenticated": true, "api_version": "14.0",
             "latency_seconds": 0.012, "checked_at": null, "error": null,
             "collectors": [{"collector": "jobs", "state": "fresh", "age_seconds": 30.0, "last_error": null}]},
            {"site": "oslo", "status": "fail", "reachable": true, "authenticated": false, "api_version": null,
             "latency_seconds": null, "checked_at": null, "error": "http on /ping: HTTP status 500",
             "collectors": [{"collector": "jobs", "state": "never", "age_seconds": null,
                             "last_error": "auth on /admin/jobs: HTTP status 401"}]},
        ]})
    );

    let paris = fixture.get("/health?site=paris").await;
    assert_eq!((paris.status, &paris.json()["status"]), (StatusCode::OK, &json!("pass")));
    let oslo = fixture.get("/health?site=oslo").await;
    assert_eq!((oslo.status, &oslo.json()["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("fail")));
    assert_eq!(oslo.json()["sites"].as_array().unwrap().len(), 1);
    assert_eq!(fixture.ask("HEAD", "/health?site=oslo", &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn healthy_while_no_task_hangs() {
    let fixture = fixture(&web(), SITES);
    fixture.writers[0].slot().promise(Instant::now() + Duration::from_secs(100));
    advance(Duration::from_secs(160)).await;
    assert_eq!(fixture.get("/-/healthy").await.status, StatusCode::OK);
    assert!(fixture.app.healthy());

    advance(Duration::from_secs(1)).await;
    let read = fixture.get("/-/healthy").await;
    assert_eq!(read.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(read.text().contains("paris/jobs") && !read.text().contains("oslo"), "{}", read.text());
    assert!(!fixture.app.healthy());

    fixture.writers[0].slot().promise(Instant::now());
    fixture.writers[1].slot().set_alive(false);
    assert!(fixture.get("/-/healthy").await.text().ends_with("oslo/jobs\n"));
}

#[tokio::test(start_paused = true)]
async fn ready_once_each_collector_has_had_its_chance_and_never_back() {
    let mut fixture = fixture(&web(), SITES);
    let read = fixture.get("/-/ready").await;
    assert_eq!(read.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(read.text().ends_with("paris/jobs\noslo/jobs\n"), "{}", read.text());

    fixture.writers[0].fail(failure(Reason::Connect), Duration::ZERO);
    let read = fixture.get("/-/ready").await;
    assert_eq!(read.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(read.text().ends_with(":\noslo/jobs\n") || read.text().ends_with("attempt\noslo/jobs\n"));

    advance(TIMEOUT - Duration::from_millis(1)).await;
    assert_eq!(fixture.get("/-/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    advance(Duration::from_millis(1)).await;
    assert_eq!(fixture.get("/-/ready").await.status, StatusCode::OK, "it has tried for poll.timeout");

    // A reload brings sites that have not polled yet.
    let other = super::testing::fixture(&web(), &[("rome", true)]);
    let entries = Arc::try_unwrap(other.app).ok().unwrap().sites.into_inner();
    let Sites { sites, .. } = Arc::try_unwrap(entries).ok().unwrap();
    fixture.app.replace_sites(Sites::new(sites));
    assert_eq!(fixture.get("/-/ready").await.status, StatusCode::OK);
    assert!(fixture.get("/metrics").await.text().contains("rome"));
    assert_eq!(fixture.get("/metrics?site=paris").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn ready_when_all_have_data_or_a_first_end() {
    let mut fixture = fixture(&web(), SITES);
    fixture.writers[0].succeed(Arc::new(Rendered::default()), Stamp::now(), 0, Duration::ZERO);
    fixture.writers[1].fail(failure(Reason::Connect), Duration::ZERO);
    assert_eq!(fixture.get("/-/ready").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn status_says_what_the_contract_says() {
    let mut fixture = fixture(&web(), SITES);
    let stats = Arc::clone(&fixture.app.sites().views[0].stats);
    stats.set_api_version("13.0");
    stats.set_clock_offset_ms(-1_500);
    stats.request(0, "/ping", crate::stats::Code::Status(200), Duration::ZERO);
    fixture.writers[0].succeed(Arc::new(Rendered::default()), Stamp::now(), 0, Duration::ZERO);
    fixture.writers[0].fail(failure(Reason::Forbidden), Duration::ZERO);
    fixture.writers[0].plan(Some(Stamp::now()));
    advance(Duration::from_secs(200)).await;

    let read = fixture.get("/api/v1/status").await;
    assert_eq!(read.header("content-type"), Some("application/json"));
    let mut answer = read.json();
    for pointer in [
        "/started_at",
        "/sites/0/collectors/0/last_attempt",
        "/sites/0/collectors/0/last_success",
        "/sites/0/collectors/0/next_attempt",
    ] {
        let time = answer.pointer_mut(pointer).unwrap().take();
        assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{pointer}: {time}");
    }
    assert_eq!(
        answer,
        json!({"version": BUILD.version, "started_at": null, "ready": true, "sites": [
            {"site": "paris", "up": true, "api_version": "13.0", "clock_offset_seconds": -1.5, "collectors": [
                {"collector": "jobs", "state": "stale", "success": false, "age_seconds": 200.0, "ttl_seconds": 60.0,
                 "last_attempt": null, "last_success": null, "next_attempt": null, "permission_denied": true, "supported": true,
                 "error": {"reason": "forbidden", "message": "forbidden on /admin/jobs: HTTP status 401"}}]},
            {"site": "oslo", "up": false, "api_version": null, "clock_offset_seconds": null, "collectors": [
                {"collector": "jobs", "state": "never", "success": false, "age_seconds": null, "ttl_seconds": 60.0,
                 "last_attempt": null, "last_success": null, "next_attempt": null, "permission_denied": false, "supported": true,
                 "error": null}]},
        ]})
    );
}

#[tokio::test]
async fn no_page_shows_what_only_the_log_may_say() {
    let mut fixture = fixture(&web(), &[("paris", false)]);
    fixture.writers[0].fail(failure(Reason::Http), Duration::ZERO);
    for path in PATHS {
        let read = fixture.get(path).await;
        let text = read.text();
        assert!(!text.contains("10.1.2.3") && !text.contains("hush") && !text.contains("secret"), "{path}: {text}");
    }
}

#[test]
fn every_request_is_counted_by_path_and_status() {
    let (recorder, reader) = Recorder::local();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let fixture = fixture(&Web { telemetry_path: "/prom".to_owned(), ..web() }, SITES);
            for path in ["/prom", "/prom", "/metrics", "/x", "/-/ready", "/prom?site=x"] {
                fixture.get(path).await;
            }
            fixture.ask("POST", "/health", &[]).await;
        });
    });
    let text = reader.own_metrics()();
    let mut counts: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("netbackup_exporter_http_requests_total")).collect();
    counts.sort_unstable();
    assert_eq!(
        counts,
        [
            "{handler=\"/-/ready\",code=\"503\"} 1",
            "{handler=\"/health\",code=\"405\"} 1",
            "{handler=\"/metrics\",code=\"200\"} 2",
            "{handler=\"/metrics\",code=\"404\"} 1",
            "{handler=\"other\",code=\"404\"} 2",
        ]
    );
}
