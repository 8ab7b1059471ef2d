//! Signing in with a password: what is sent, how often, and what is never done twice.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::primary::{JSON, Primary, client, complaint, counted, json, pong, respond};
use crate::config::{ApiVersionChoice, Credential, DomainType, Login, Site};
use crate::netbackup::{Client, Error};
use crate::reason::{Failure, Reason};
use crate::stats::ApiStats;

const PASSWORD: &str = "pass \"wörd\" S3CRET";
const COUNT: &str = r#"{"data":{"attributes":{"count":1}}}"#;

/// A site of `primary` that signs in, and the directory of its password.
fn login_site(primary: &Primary) -> (Site, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let password_file = directory.path().join("password");
    std::fs::write(&password_file, format!("{PASSWORD}\n")).unwrap();
    let mut site = primary.site();
    let (domain_name, domain_type) = (Some("example.com".to_owned()), Some(DomainType::Ldap));
    site.credential = Credential::Login(Login { username: "svc".into(), password_file, domain_name, domain_type });
    (site, directory)
}

fn token(status: u16, name: &str) -> axum::response::Response {
    respond(status, JSON, format!(r#"{{"token":"{name}","tokenType":"BEARER","validity":86400}}"#))
}

async fn count(client: &Client) -> Result<u64, Error> {
    client.count_jobs(None).await
}

fn logins(primary: &Primary) -> usize {
    primary.paths().iter().filter(|path| path.as_str() == "/netbackup/login").count()
}

/// Gives tokens `t1`, `t2`, … and lets in the newest only.
async fn strict_primary() -> Primary {
    let issued = AtomicUsize::new(0);
    Primary::new(move |seen| match seen.path.as_str() {
        "/netbackup/ping" => pong(Some("14.0")),
        "/netbackup/login" => token(201, &format!("t{}", issued.fetch_add(1, SeqCst) + 1)),
        "/netbackup/logout" => respond(200, "", ""),
        _ if seen.header("authorization") == format!("t{}", issued.load(SeqCst)) => json(COUNT),
        _ => complaint(401, 9001),
    })
    .await
}

#[tokio::test]
async fn a_session_is_made_once_for_all_and_ended_once() {
    let primary = strict_primary().await;
    let (site, _directory) = login_site(&primary);
    let (unused, _) = client(&site);
    unused.logout().await;
    assert!(primary.seen().is_empty(), "there is nothing to end");
    let (client, _) = client(&site);
    let counts = futures_util::future::join_all((0..8).map(|_| count(&client))).await;
    assert!(counts.iter().all(Result::is_ok), "{counts:?}");
    assert_eq!(logins(&primary), 1);
    let seen = primary.seen();
    let login = &seen[0];
    assert_eq!((login.method.as_str(), login.path.as_str()), ("POST", "/netbackup/login"));
    assert!(!login.headers.contains_key("authorization"));
    assert_eq!(login.header("content-type"), JSON);
    assert_eq!(login.header("accept"), JSON);
    let body: serde_json::Value = serde_json::from_str(&login.body).unwrap();
    let expected =
        serde_json::json!({"userName": "svc", "password": PASSWORD, "domainName": "example.com", "domainType": "ldap"});
    assert_eq!(body, expected);
    assert!(seen[1..].iter().all(|seen| seen.header("authorization") == "t1"), "raw, without a scheme");

    client.logout().await;
    let last = primary.seen().pop().unwrap();
    assert_eq!((last.path.as_str(), last.header("authorization"), last.body.as_str()), ("/netbackup/logout", "t1", ""));
    assert!(!last.headers.contains_key("content-type"));
    let error = count(&client).await.unwrap_err();
    assert_eq!((error.reason(), error.endpoint()), (Reason::Auth, "/login"));
    client.logout().await;
    assert_eq!(primary.seen().len(), 10, "nobody signs in or out after that");
}

#[tokio::test]
async fn what_is_not_given_is_not_sent_and_200_is_as_good_as_201() {
    let primary = Primary::new(|seen| if seen.path.ends_with("/login") { token(200, "t") } else { json(COUNT) }).await;
    let (mut site, _directory) = login_site(&primary);
    if let Credential::Login(login) = &mut site.credential {
        (login.domain_name, login.domain_type) = (None, None);
    }
    let (client, stats) = client(&site);
    assert_eq!(count(&client).await.unwrap(), 1);
    let body: serde_json::Value = serde_json::from_str(&primary.seen()[0].body).unwrap();
    assert_eq!(body, serde_json::json!({"userName": "svc", "password": PASSWORD}));
    assert!(stats.judged() && !stats.refused());
    assert_eq!(counted(&stats, "/login", "200"), 1);
}

#[tokio::test]
async fn an_ended_session_is_replaced_once_and_the_request_sent_again() {
    let primary = strict_primary().await;
    let (site, _directory) = login_site(&primary);
    let (client, stats) = client(&site);
    assert_eq!(count(&client).await.unwrap(), 1);
    // Somebody else's sign-in ends ours.
    let other = self::client(&site).0;
    assert_eq!(count(&other).await.unwrap(), 1);
    let counts = futures_util::future::join_all((0..8).map(|_| count(&client))).await;
    assert!(counts.iter().all(Result::is_ok), "{counts:?}");
    assert_eq!(logins(&primary), 3, "one more for all eight");
    assert!(!stats.refused());
}

#[tokio::test]
async fn tokens_that_open_nothing_are_not_collected() {
    let primary =
        Primary::new(|seen| if seen.path.ends_with("/login") { token(201, "t") } else { complaint(401, 1) }).await;
    let (site, _directory) = login_site(&primary);
    let (client, stats) = client(&site);
    for _ in 0..5 {
        assert_eq!(count(&client).await.unwrap_err().reason(), Reason::Auth);
    }
    assert_eq!(logins(&primary), 1);
    assert!(stats.refused());
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_a_new_one_at_once() {
    let primary = Primary::new(|seen| match seen.path.as_str() {
        "/netbackup/login" if seen.body.contains("better") => token(201, "t"),
        // As the contract has it: any 401 of /login, this one too.
        "/netbackup/login" => complaint(401, 8000),
        _ => json(COUNT),
    })
    .await;
    let (site, directory) = login_site(&primary);
    let (client, stats) = client(&site);
    let first = Failure::from(count(&client).await.unwrap_err());
    assert_eq!((first.reason, first.public_message().as_str()), (Reason::Auth, "auth on /login: HTTP status 401"));
    assert!(first.detail.contains("check username, password"), "{}", first.detail);
    let errors = futures_util::future::join_all((0..8).map(|_| count(&client))).await;
    for error in errors {
        let failure = Failure::from(error.unwrap_err());
        assert_eq!(
            (failure.reason, failure.public_message().as_str()),
            (Reason::Auth, "auth on /login: HTTP status 401")
        );
        assert!(failure.detail.contains("could lock the account; the next one is made in 60 s"), "{}", failure.detail);
        assert!(!failure.detail.contains("S3CRET"));
    }
    assert_eq!(logins(&primary), 1, "by all collectors of the site together");
    assert!(stats.refused() && !stats.up());
    let outcome = client.probe(Duration::from_secs(10)).await;
    assert!(outcome.reachable && !outcome.authenticated);

    std::fs::write(directory.path().join("password"), "better").unwrap();
    tokio::time::timeout(Duration::from_secs(20), client.credential_changed(0)).await.unwrap();
    assert_eq!(count(&client).await.unwrap(), 1);
    assert_eq!(logins(&primary), 2);
    assert!(!stats.refused() && stats.up());
}

#[tokio::test]
async fn after_no_verdict_the_primary_is_looked_for_first() {
    let (is_there, is_well) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (there, well) = (Arc::clone(&is_there), Arc::clone(&is_well));
    let primary = Primary::slow(move |seen| {
        let (there, well) = (there.load(SeqCst), well.load(SeqCst));
        Box::pin(async move {
            match seen.path.as_str() {
                _ if !there => std::future::pending().await,
                "/netbackup/ping" => pong(Some("14.0")),
                "/netbackup/login" if !well => complaint(500, 1),
                "/netbackup/login" => token(201, "t"),
                _ => json(COUNT),
            }
        })
    })
    .await;
    let (mut site, _directory) = login_site(&primary);
    site.poll.request_timeout = Duration::from_millis(300);
    let (client, _) = client(&site);
    assert_eq!(count(&client).await.unwrap_err().status(), Some(500));
    let error = count(&client).await.unwrap_err();
    assert_eq!((error.reason(), error.retry_after().is_some()), (Reason::Http, true), "not at once: {error}");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(16)).await;
    tokio::time::resume();
    is_there.store(false, SeqCst);
    for _ in 0..2 {
        let error = count(&client).await.unwrap_err();
        assert_eq!((error.reason(), error.endpoint()), (Reason::Timeout, "/ping"));
    }
    is_there.store(true, SeqCst);
    is_well.store(true, SeqCst);
    assert_eq!(count(&client).await.unwrap(), 1, "at once when it is back");
    let paths = primary.paths();
    let paths: Vec<_> = paths.iter().filter_map(|path| path.strip_prefix("/netbackup")).collect();
    assert_eq!(paths, ["/login", "/ping", "/ping", "/ping", "/login", "/admin/jobs-count-requests"]);
}

#[tokio::test]
async fn a_second_factor_is_explained() {
    let mfa = r#"{"token":"S3CRET-step-one","tokenType":"MFA","validity":180}"#;
    let told = r#"{"errorCode":9,"errorMessage":"Append the OTP to the password."}"#;
    for (status, body) in [(200, mfa), (201, mfa), (401, told)] {
        let primary = Primary::new(move |_| respond(status, JSON, body)).await;
        let (site, _directory) = login_site(&primary);
        let failure = Failure::from(count(&client(&site).0).await.unwrap_err());
        assert_eq!(failure.reason, Reason::Auth);
        assert!(
            failure.detail.contains("second factor (MFA)") && failure.detail.contains("use an API key"),
            "{failure:?}"
        );
        assert!(!failure.detail.contains("S3CRET"), "{failure:?}");
        assert_eq!(primary.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_limited_sign_in_waits_as_long_as_it_is_asked_to() {
    let primary = Primary::new(|_| {
        let mut response = complaint(429, 1);
        response.headers_mut().insert("Retry-After", "90".parse().unwrap());
        response
    })
    .await;
    let (site, _directory) = login_site(&primary);
    let (client, stats) = client(&site);
    for _ in 0..3 {
        let error = count(&client).await.unwrap_err();
        assert_eq!(error.reason(), Reason::Throttled);
        let wait = error.retry_after().unwrap();
        assert!(wait <= Duration::from_secs(90) && wait > Duration::from_secs(60), "{wait:?}");
    }
    assert_eq!(logins(&primary), 1);
    assert!(!stats.judged(), "nobody looked at the password");
}

#[tokio::test]
async fn an_older_version_is_found_by_signing_in() {
    let primary = Primary::new(|seen| match (seen.path.as_str(), seen.header("accept").ends_with("=12.0")) {
        ("/netbackup/ping", _) => pong(None),
        (_, false) => complaint(406, 8952),
        ("/netbackup/login", _) => token(201, "t"),
        _ => json(COUNT),
    })
    .await;
    let (mut site, _directory) = login_site(&primary);
    site.api_version = ApiVersionChoice::Auto;
    assert_eq!(count(&client(&site).0).await.unwrap(), 1);
}

#[tokio::test]
async fn answers_that_hold_no_token_are_told_without_a_word_of_them() {
    for body in [
        "",
        "{}",
        "[]",
        r#"{"token":5}"#,
        r#"{"token":"  ","tokenType":"BEARER"}"#,
        r#"{"token":"S3CRET\n"}"#,
        "S3CRET",
    ] {
        let primary = Primary::new(move |_| respond(201, JSON, body)).await;
        let (site, _directory) = login_site(&primary);
        let failure = Failure::from(count(&client(&site).0).await.unwrap_err());
        assert_eq!((failure.reason, failure.status), (Reason::Decode, Some(201)), "{body}: {failure:?}");
        assert!(!failure.detail.contains("S3CRET"), "{failure:?}");
    }
}

#[tokio::test]
async fn what_a_primary_repeats_of_a_password_or_a_token_is_hidden() {
    let text =
        |words: String| respond(400, JSON, serde_json::json!({"errorCode": 1, "errorMessage": words}).to_string());
    let echo = Arc::new(AtomicBool::new(true));
    let echoes = Arc::clone(&echo);
    let primary = Primary::new(move |seen| match seen.path.as_str() {
        "/netbackup/login" if echoes.load(SeqCst) => text(format!("{} {PASSWORD}", "x".repeat(190))),
        "/netbackup/login" => token(201, "eyJ.S3CRET"),
        _ => text(format!("bad header {}", seen.header("authorization"))),
    })
    .await;
    let (site, _directory) = login_site(&primary);
    for expected in ["\"xxx", "bad header [hidden]"] {
        let failure = Failure::from(count(&client(&site).0).await.unwrap_err());
        assert_eq!((failure.reason, failure.status), (Reason::Http, Some(400)));
        assert!(failure.detail.contains(expected) && !failure.detail.contains("pass"), "{failure:?}");
        assert!(!failure.detail.contains("S3C"), "{failure:?}");
        echo.store(false, SeqCst);
    }
}

#[tokio::test]
async fn what_was_sent_is_hidden_when_the_site_holds_another_by_then() {
    let echo = |status, words: &str| {
        respond(status, JSON, serde_json::json!({"errorCode": 1, "errorMessage": words}).to_string())
    };
    // The first of several 401s takes the token away from the others.
    let all = Arc::new(tokio::sync::Barrier::new(4));
    let primary = Primary::slow(move |seen| {
        let all = Arc::clone(&all);
        Box::pin(async move {
            if seen.path.ends_with("/login") {
                return token(201, "eyJ.S3CRET");
            }
            all.wait().await;
            echo(401, &format!("no session {}", seen.header("authorization")))
        })
    })
    .await;
    let (site, _directory) = login_site(&primary);
    let (client, _) = client(&site);
    for error in futures_util::future::join_all((0..4).map(|_| count(&client))).await {
        let failure = Failure::from(error.unwrap_err());
        assert!(!failure.detail.contains("S3CRET"), "{failure:?}");
    }

    // A key, and a password, that change while a request with the old one is under way.
    let answers = Arc::new(tokio::sync::Semaphore::new(0));
    let may_answer = Arc::clone(&answers);
    let primary = Primary::slow(move |seen| {
        let may_answer = Arc::clone(&may_answer);
        Box::pin(async move {
            may_answer.acquire().await.unwrap().forget();
            echo(400, &format!("bad request: {}{}", seen.header("authorization"), seen.body))
        })
    })
    .await;
    let (mut site, directory) = login_site(&primary);
    let file = directory.path().join("password");
    let old = "S3CRET-and-more";
    for number in 1..=2 {
        std::fs::write(&file, old).unwrap();
        let (client, _) = self::client(&site);
        let asked = tokio::spawn({
            let client = client.clone();
            async move { count(&client).await }
        });
        super::primary::until(|| primary.seen().len() == number).await;
        // A part of the old one, so that the order in which they are hidden matters.
        std::fs::write(&file, "S3CRET").unwrap();
        tokio::time::timeout(Duration::from_secs(20), client.credential_changed(0)).await.unwrap();
        answers.add_permits(1);
        let failure = Failure::from(asked.await.unwrap().unwrap_err());
        assert!(failure.detail.contains("[hidden]"), "{failure:?}");
        assert!(!failure.detail.contains("S3CRET") && !failure.detail.contains("and-more"), "{failure:?}");
        site.credential = Credential::ApiKeyFile(file.clone());
    }
}

/// A sign-in that fails with `answer`: how long nobody signs in after the first and after the seventh time.
async fn pauses(answer: fn() -> axum::response::Response) -> (f64, f64) {
    let primary = Primary::new(move |seen| match seen.path.as_str() {
        "/netbackup/login" => answer(),
        _ => pong(Some("14.0")),
    })
    .await;
    let (site, _directory) = login_site(&primary);
    let (client, _) = client(&site);
    let mut pauses = Vec::new();
    for number in 1..=7 {
        assert!(count(&client).await.is_err());
        assert_eq!(logins(&primary), number);
        let waits = count(&client).await.unwrap_err().retry_after().unwrap();
        assert_eq!(logins(&primary), number, "nobody signs in during the pause");
        pauses.push(waits.as_secs_f64());
        tokio::time::pause();
        tokio::time::advance(waits + Duration::from_millis(1)).await;
        tokio::time::resume();
    }
    (pauses[0], pauses[6])
}

#[tokio::test]
async fn what_cannot_have_judged_a_password_is_asked_again_soon() {
    let unjudged: [fn() -> axum::response::Response; 7] = [
        || respond(503, "text/html", "<html>"),
        || respond(502, "", ""),
        || respond(500, "text/html", "<html>"),
        || respond(200, "text/html", "<html>"),
        || complaint(404, 227),
        || respond(302, "", ""),
        || respond(504, "text/plain", "upstream"),
    ];
    for answer in unjudged {
        let (first, last) = pauses(answer).await;
        assert!(first <= 1.0 && last > 4.0 && last <= 5.0, "{first} s, {last} s");
    }
    let (first, last) = pauses(|| complaint(500, 1)).await;
    assert!(first > 10.0 && first <= 15.0 && last > 55.0 && last <= 60.0, "{first} s, {last} s");
}

#[tokio::test]
async fn a_sign_in_is_not_put_off_for_a_day() {
    let (first, _) = pauses(|| {
        let mut response = complaint(503, 1);
        response.headers_mut().insert("Retry-After", "86400".parse().unwrap());
        response
    })
    .await;
    assert!(first > 50.0 && first <= 60.0, "{first} s");
}

#[tokio::test]
async fn a_probe_never_signs_in_and_waits_for_what_the_polls_find() {
    let verdict = Arc::new(Mutex::new(500));
    let says = Arc::clone(&verdict);
    let primary = Primary::new(move |seen| match (seen.path.as_str(), *says.lock().unwrap()) {
        ("/netbackup/ping", _) => pong(Some("14.0")),
        ("/netbackup/login", 201) => token(201, "t"),
        ("/netbackup/login", status) => complaint(status, 1),
        _ => json(COUNT),
    })
    .await;
    let (site, directory) = login_site(&primary);
    let (client, stats) = client(&site);
    let limit = Duration::from_secs(10);
    let outcome = client.probe(limit).await;
    assert!(outcome.reachable && outcome.authenticated && outcome.failure.is_none(), "nobody has tried: {outcome:?}");
    assert_eq!(count(&client).await.unwrap_err().status(), Some(500));
    let outcome = client.probe(limit).await;
    assert!(outcome.reachable && !outcome.authenticated, "somebody has: {outcome:?}");
    assert_eq!(outcome.failure.unwrap().public_message(), "http on /login: HTTP status 500");
    *verdict.lock().unwrap() = 201;
    std::fs::write(directory.path().join("password"), "another").unwrap();
    client.reread_credentials();
    assert_eq!(count(&client).await.unwrap(), 1);
    let outcome = client.probe(limit).await;
    assert!(outcome.authenticated && outcome.failure.is_none(), "{outcome:?}");
    assert!(stats.judged());
    assert_eq!(logins(&primary), 2, "by the polls alone");
    assert!(!primary.paths().iter().any(|path| path.ends_with("authorization-context")));
}

#[tokio::test]
async fn signing_out_ends_in_its_own_time() {
    let primary = Primary::slow(|seen| {
        Box::pin(async move {
            match seen.path.as_str() {
                "/netbackup/login" => token(201, "t"),
                "/netbackup/logout" => std::future::pending().await,
                _ => json(COUNT),
            }
        })
    })
    .await;
    let (site, _directory) = login_site(&primary);
    let (client, _) = client(&site);
    count(&client).await.unwrap();
    let since = std::time::Instant::now();
    client.logout().await;
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());

    // A sign-in under way holds it up no longer either.
    let silent = Primary::slow(|_| Box::pin(std::future::pending())).await;
    let (site, _directory) = login_site(&silent);
    let (client, _) = self::client(&site);
    let signing_in = tokio::spawn({
        let client = client.clone();
        async move { count(&client).await }
    });
    super::primary::until(|| !silent.seen().is_empty()).await;
    let since = std::time::Instant::now();
    client.logout().await;
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    signing_in.abort();
}

#[tokio::test]
async fn a_key_that_a_program_prints_is_renewed_within_a_request() {
    let primary = Primary::new(|seen| match seen.header("authorization") {
        "new" => json(COUNT),
        _ => complaint(401, 9001),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, "old").unwrap();
    let mut site = primary.site();
    site.credential = Credential::ApiKeyCommand(vec!["cat".into(), key.display().to_string()]);
    let (client, stats): (Client, Arc<ApiStats>) = client(&site);
    let outcome = client.probe(Duration::from_secs(10)).await;
    assert!(outcome.authenticated && primary.paths() == ["/netbackup/ping"], "a probe runs no program: {outcome:?}");
    assert_eq!(count(&client).await.unwrap_err().reason(), Reason::Auth);
    assert!(stats.refused());
    std::fs::write(&key, "new").unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(count(&client).await.unwrap(), 1, "the 401 led to the new key, and that to an answer");
    assert!(!stats.refused());
    std::fs::remove_file(&key).unwrap();
    assert_eq!(count(&client).await.unwrap(), 1, "a key that works is kept");

    site.credential = Credential::ApiKeyCommand(vec!["false".into()]);
    let (client, stats) = self::client(&site);
    let error = count(&client).await.unwrap_err();
    assert_eq!((error.reason(), error.status()), (Reason::Auth, None));
    assert!(error.chain().contains("api_key_command ended with exit status: 1"), "{}", error.chain());
    assert!(stats.refused() && !stats.up());
}
