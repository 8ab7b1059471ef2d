//! The page as it is answered, without a browser.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, advance};

use super::{SCRIPT, STYLE, source};
use crate::clock::Stamp;
use crate::exposition::{Page, Rendered};
use crate::reason::{Failure, Reason};
use crate::server::testing::{Fixture, fixture, fixture_of, web};
use crate::stats::{Code, Primary};

const HOSTILE: &str = "</td><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;";

fn ok(fixture: &mut Fixture, writer: usize) {
    fixture.writers[writer].succeed(Arc::new(Rendered::default()), Stamp::now(), 0, Duration::from_millis(250));
}

fn answers(fixture: &Fixture, site: usize, code: Code) {
    fixture.app.sites().views[site].stats.request(0, "/ping", code, Duration::ZERO);
}

fn snapshot(samples: &[(&str, &[&str], f64)]) -> Arc<Rendered> {
    let mut page = Page::new("paris");
    for (name, labels, value) in samples {
        page.gauge(crate::collector::families().find(|family| family.name == *name).unwrap(), labels, *value);
    }
    Arc::new(page.finish())
}

/// What stands in the page, without its tags.
fn words(page: &str) -> String {
    let body = page.split("<main").nth(1).unwrap().split("<footer").next().unwrap();
    let text: String =
        body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect::<Vec<_>>().join(" ");
    text.replace("&#39;", "'").split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn page(fixture: &Fixture) -> String {
    let read = fixture.get("/").await;
    assert_eq!(read.status, 200);
    read.text().to_owned()
}

fn assert_says(page: &str, parts: &[&str]) {
    let words = words(page);
    for part in parts {
        assert!(words.contains(part) || page.contains(part), "{part:?} is missing in {words}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_verdict_is_in_words() {
    let mut fixture = fixture_of(&web(), &[("paris", true)], &["jobs", "storage"]);
    assert_says(
        &page(&fixture).await,
        &["The first polls are under way", "2 collectors: all first read", "no data, every 1m"],
    );

    answers(&fixture, 0, Code::Status(200));
    ok(&mut fixture, 0);
    assert_says(&page(&fixture).await, &["1 of 2 collectors reads for the first time"]);
    ok(&mut fixture, 1);
    let text = page(&fixture).await;
    assert_says(&text, &["\u{2713} Everything is fresh", "2 collectors: all fresh", "Last poll took 250ms"]);
    assert!(!text.contains("/docs/runbooks/"), "nothing is wrong");

    fixture.writers[0].fail(
        Failure { endpoint: Some("/admin/jobs"), status: Some(500), ..Failure::new(Reason::Http, "") },
        Duration::ZERO,
    );
    assert_says(
        &page(&fixture).await,
        &["The last poll of 1 of 2 collectors failed", "http on /admin/jobs: HTTP status 500"],
    );

    advance(Duration::from_secs(200)).await;
    ok(&mut fixture, 0);
    fixture.writers[1].plan(Some(Stamp { mono: Instant::now() + Duration::from_secs(90), ..Stamp::now() }));
    let runbook = "href=\"/docs/runbooks/NetBackupCollectorStale.md\"";
    assert_says(
        &page(&fixture).await,
        &["! 1 of 2 collectors is stale", "3m 20s of 1m", "next in 1m 30s", runbook, "<rect width=\"708\""],
    );
    advance(Duration::from_secs(800)).await;
    assert_says(
        &page(&fixture).await,
        &[
            "\u{2715} 1 of 2 collectors has expired",
            "1 of 2 collectors is stale",
            "Last read 16m 40s ago: too old to be shown.",
        ],
    );

    answers(&fixture, 0, Code::NoAnswer(Reason::Connect));
    fixture.writers[0]
        .fail(Failure { endpoint: Some("/ping"), ..Failure::new(Reason::Connect, "10.1.2.3") }, Duration::ZERO);
    fixture.writers[1].fail(Failure::new(Reason::Circuit, ""), Duration::ZERO);
    let runbook = "href=\"/docs/runbooks/NetBackupApiDown.md\"";
    assert_says(&page(&fixture).await, &["\u{2715} The primary does not answer: connect on /ping", runbook]);

    fixture.app.sites().views[0].stats.set_refused(true);
    answers(&fixture, 0, Code::Status(401));
    fixture.writers[0].fail(
        Failure { endpoint: Some("/admin/jobs"), status: Some(401), ..Failure::new(Reason::Auth, "") },
        Duration::ZERO,
    );
    assert_says(&page(&fixture).await, &["The primary refuses the credentials: auth on /admin/jobs: HTTP status 401"]);
}

#[tokio::test(start_paused = true)]
async fn rights_clock_and_who_it_is_are_told() {
    let mut fixture = fixture_of(&web(), &[("paris", true)], &["jobs", "storage", "slp"]);
    let stats = Arc::clone(&fixture.app.sites().views[0].stats);
    answers(&fixture, 0, Code::Status(200));
    stats.set_api_version("13.0");
    stats.set_clock_offset_ms(-200_000);
    stats.set_primary(Primary {
        server_name: "nbu.example.com".into(),
        release: "11.0".into(),
        host_id: String::new(),
    });
    let denied = Failure {
        endpoint: Some("/admin/jobs"),
        status: Some(401),
        rights: vec!["MANAGE/JOBS VIEW"],
        ..Failure::new(Reason::Forbidden, "")
    };
    fixture.writers[0].fail(denied.clone(), Duration::ZERO);
    let part = Arc::new(Rendered::default());
    fixture.writers[1].succeed_in_part(part, Stamp::now(), 0, Duration::ZERO, Some(Arc::new(denied)));
    fixture.writers[2].unsupported(Duration::ZERO);
    let text = page(&fixture).await;
    assert_says(
        &text,
        &[
            "Right missing: MANAGE/JOBS VIEW",
            "\u{2715} Right missing: MANAGE/JOBS VIEW",
            "The primary's clock is 3m 20s behind",
            "Clock 3m 20s behind (!)",
            "Server nbu.example.com",
            "NetBackup 11.0",
            "API 13.0",
            "forbidden on /admin/jobs: HTTP status 401; missing right: MANAGE/JOBS VIEW",
            "href=\"/docs/runbooks/NetBackupCollectorDenied.md\"",
            "1 denied, 1 fresh in part, 1 not in this release",
        ],
    );
    stats.set_clock_offset_ms(300);
    assert_says(&page(&fixture).await, &["Clock within 1s"]);
}

#[tokio::test(start_paused = true)]
async fn what_netbackup_says_is_on_the_page_and_stays_text() {
    let collectors = ["jobs", "storage", "clients"];
    let mut fixture = fixture_of(&web(), &[("paris", true), (HOSTILE, true)], &collectors);
    let now = crate::clock::unix_seconds(std::time::SystemTime::now());
    for (site, text) in [(0, "BACKUP"), (1, HOSTILE)] {
        answers(&fixture, site, Code::Status(200));
        let stats = &fixture.app.sites().views[site].stats;
        stats.set_api_version(text);
        stats.set_primary(Primary { server_name: text.into(), release: text.into(), host_id: text.into() });
        let first = site * collectors.len();
        let jobs = snapshot(&[
            ("netbackup_jobs", &[text, text, "ACTIVE"], 1234.0),
            ("netbackup_jobs", &[text, text, text], 3.0),
            ("netbackup_jobs", &["BACKUP", "", "QUEUED"], 2.0),
            ("netbackup_jobs_queued", &["BACKUP", text], 2.0),
            ("netbackup_jobs_oldest_start_timestamp_seconds", &["BACKUP", "QUEUED"], now - 605.0),
            ("netbackup_lookback_seconds", &[], 86_400.0),
            ("netbackup_lookback_jobs", &["BACKUP", "", "0"], 6.0),
            ("netbackup_lookback_jobs", &["BACKUP", "", "96"], 3.0),
            ("netbackup_lookback_jobs", &["BACKUP", "", text], 1.0),
        ]);
        let storage = snapshot(&[
            ("netbackup_storage_unit_used_bytes", &[text, text], 950.0 * 1024.0),
            ("netbackup_storage_unit_capacity_bytes", &[text, text], 1000.0 * 1024.0),
        ]);
        let clients = snapshot(&[
            ("netbackup_client_last_attempt_timestamp_seconds", &[text, text, "BACKUP"], now),
            ("netbackup_client_last_success_timestamp_seconds", &[text, text, "BACKUP"], now - 200_000.0),
        ]);
        for (index, rendered) in [jobs, storage, clients].into_iter().enumerate() {
            fixture.writers[first + index].succeed(rendered, Stamp::now(), 0, Duration::from_millis(7));
        }
    }
    let text = page(&fixture).await;
    assert_says(
        &text,
        &[
            "running 1,234",
            "queued 2",
            "Queued for up to 10m 5s",
            "Backups of the last 24h",
            "! 60 % of 10 succeeded",
            "href=\"/docs/runbooks/status-codes.md#status-96\"",
            "! 95 %",
            "50.0 KiB free of 1.0 MiB",
            "! 1 of 1 overdue",
            "2d 7h ago",
            "&#60;img src=x onerror=alert(1)&#62;",
        ],
    );
    for tag in ["<script", "<img", "<style"] {
        assert_eq!(text.matches(tag).count(), usize::from(tag != "<img"), "{tag} in {text}");
    }
    assert!(!text.contains("src=x onerror=alert(1)>"), "{text}");
    // Nothing hostile has left the attribute that it stands in.
    for part in text.split("onerror").skip(1) {
        assert!(part.starts_with("=alert(1)&#62;&#38;amp;"), "{part}");
    }
}

#[tokio::test]
async fn nothing_but_the_style_and_script_of_the_page_may_run() {
    let fixture = fixture(&web(), &[("paris", true)]);
    let read = fixture.get("/").await;
    assert_eq!(read.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = read.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    let page = read.text();
    let between = |open: &str, close: &str| {
        assert_eq!(page.matches(open).count(), 1, "{open}");
        page.split(open).nth(1).unwrap().split(close).next().unwrap().to_owned()
    };
    let (style, script) = (between("<style>", "</style>"), between("<script>", "</script>"));
    assert_eq!((style.as_str(), script.as_str()), (STYLE, SCRIPT));
    for (directive, text) in [("style-src", style), ("script-src", script)] {
        assert!(policy.contains(&format!("{directive} '{}'", source(&text))), "{policy}");
    }
    // SHA-256 of the empty text, so that the hash is what browsers compute.
    assert_eq!(source(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    for forbidden in [" style=", " onclick=", "src=", "href=\"http", "url("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test(start_paused = true)]
async fn durations_are_drawn_and_failures_marked() {
    let mut fixture = fixture(&web(), &[("paris", true)]);
    for ms in [100, 400, 200] {
        fixture.writers[0].succeed(Arc::new(Rendered::default()), Stamp::now(), 0, Duration::from_millis(ms));
    }
    fixture.writers[0].fail(Failure::new(Reason::Timeout, ""), Duration::from_secs(2));
    let words = "Last 4 polls: 100ms at least, 400ms median, 2.0s at most; 1 failed";
    let text = page(&fixture).await;
    assert_says(&text, &[&format!("<title>{words}</title>"), &format!("role=\"img\" aria-label=\"{words}\"")]);
    assert_says(&text, &["<path class=\"ok\" d=\"M2 24V21M6 24V18M10 24V20\"/><path class=\"no\" d=\"M14 24V2\"/>"]);
    fixture.writers[0].slot().set_progress(0.437);
    assert!(!page(&fixture).await.contains("<progress"), "there are data");
    let fixture = super::super::testing::fixture(&web(), &[("paris", true)]);
    fixture.writers[0].slot().set_progress(0.437);
    assert_says(&page(&fixture).await, &["<progress max=\"100\" value=\"43\"", "43 % read"]);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_sites_stay_usable() {
    let names: Vec<String> = (0..100).map(|index| format!("site-{index:02}")).collect();
    let sites: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), true)).collect();
    let collectors = crate::config::COLLECTORS.map(|spec| spec.name);
    let mut fixture = fixture_of(&web(), &sites, &collectors);
    for site in 0..100 {
        answers(&fixture, site, Code::Status(200));
    }
    for writer in 0..fixture.writers.len() {
        for _ in 0..30 {
            ok(&mut fixture, writer);
        }
    }
    answers(&fixture, 42, Code::NoAnswer(Reason::Timeout));
    fixture.writers[42 * 17]
        .fail(Failure { endpoint: Some("/ping"), ..Failure::new(Reason::Timeout, "") }, Duration::ZERO);
    let text = page(&fixture).await;
    assert_says(&text, &["100 sites: 1 in trouble", "href=\"#site-site-00\"", "17 collectors: all fresh"]);
    let first = text.split("<section class=\"card site\" id=\"").nth(1).unwrap();
    assert!(first.starts_with("site-site-42\""), "what is not well comes first");
    assert_eq!(text.matches("<details").count(), 100);
    assert_eq!(text.matches("\" open>").count(), 1, "collectors of healthy sites are folded");
    assert!(text.len() < 2_500_000, "{} bytes", text.len());
}

#[tokio::test(start_paused = true)]
async fn a_large_site_costs_a_look_and_shows_a_few() {
    let mut fixture = fixture_of(&web(), &[("paris", true)], &["storage", "clients"]);
    let family = |name: &str| crate::collector::families().find(|family| family.name == name).unwrap();
    let mut page = Page::new("paris");
    for index in 0..10_000_u32 {
        let labels = [&*format!("stu-{index:05}"), "BASIC_DISK"];
        page.gauge(family("netbackup_storage_unit_used_bytes"), &labels, f64::from(index));
        page.gauge(family("netbackup_storage_unit_capacity_bytes"), &labels, 10_000.0);
    }
    fixture.writers[0].succeed(Arc::new(page.finish()), Stamp::now(), 0, Duration::ZERO);
    let mut page = Page::new("paris");
    for index in 0..40_000 {
        let labels = [&*format!("client-{index:05}.example.com"), "daily", "BACKUP"];
        page.gauge(family("netbackup_client_last_attempt_timestamp_seconds"), &labels, 2.0);
        page.gauge(family("netbackup_client_last_success_timestamp_seconds"), &labels, 1.0);
    }
    fixture.writers[1].succeed(Arc::new(page.finish()), Stamp::now(), 0, Duration::ZERO);
    let text = self::page(&fixture).await;
    assert_says(&text, &["stu-09999", "stu-09995", "40,000 of 40,000 overdue"]);
    assert!(!text.contains("stu-09994") && text.len() < 60_000, "{} bytes", text.len());
}
