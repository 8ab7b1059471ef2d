//! Where keys come from and when they are had anew. Files and programs are real.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::*;
use crate::config::Login;
use crate::netbackup::endpoint::Endpoint;

fn site() -> Arc<str> {
    Arc::from("paris")
}

fn credentials(source: &Credential) -> Credentials {
    Credentials::new(&site(), source).unwrap()
}

fn refusal() -> Error {
    Error::new(&site(), Endpoint::Jobs, Reason::Auth, "no").with_status(401)
}

/// A directory with a file.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

fn shell(script: &str) -> Credential {
    Credential::ApiKeyCommand(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
}

async fn text(credentials: &Credentials) -> String {
    let value = credentials.header().await.unwrap();
    assert!(value.is_sensitive());
    value.to_str().unwrap().to_owned()
}

#[test]
fn a_bad_key_is_refused_without_being_shown() {
    for bad in ["", "  ", "S3CRET\nkey", "S3CRET\u{0}"] {
        let error =
            Credentials::new(&site(), &Credential::ApiKey(Secret::new(bad.to_owned()))).err().unwrap().to_string();
        assert!(error.starts_with("site paris: the API key ") && !error.contains("S3CRET"), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Credentials::new(&site(), &Credential::ApiKeyFile("/nonexistent/key".into())).err().unwrap();
    assert!(error.to_string().contains("api_key_file /nonexistent/key"), "{error}");
    let login = Login {
        username: "svc".into(),
        password_file: "/nonexistent/password".into(),
        domain_name: None,
        domain_type: None,
    };
    let error = Credentials::new(&site(), &Credential::Login(login)).err().unwrap();
    assert!(error.to_string().contains("password_file /nonexistent/password"), "{error}");
}

#[tokio::test]
async fn a_key_file_is_read_again_when_it_is_asked_for_or_was_refused() {
    let (_directory, path) = file("one\r\n");
    let credentials = credentials(&Credential::ApiKeyFile(path.clone()));
    assert_eq!(text(&credentials).await, "one");
    std::fs::write(&path, "two\n").unwrap();
    assert_eq!(text(&credentials).await, "one", "it is not looked at before each request");
    credentials.reread();
    assert_eq!((text(&credentials).await.as_str(), credentials.changes()), ("two", 1));

    std::fs::write(&path, "three").unwrap();
    credentials.judge(&credentials.header().await.unwrap(), Some(&refusal()));
    assert!(credentials.is_renewed().await);
    assert_eq!((text(&credentials).await.as_str(), credentials.changes()), ("three", 2));
    credentials.judge(&credentials.header().await.unwrap(), Some(&refusal()));
    assert!(!credentials.is_renewed().await, "the file holds the key that was refused");

    std::fs::remove_file(&path).unwrap();
    assert!(matches!(credentials.header().await, Err(BuildError::SecretFile { .. })), "the old key is of no use");
    std::fs::write(&path, "four").unwrap();
    assert_eq!(text(&credentials).await, "four", "a failed read is tried again");
}

#[tokio::test(start_paused = true)]
async fn a_changed_key_file_is_noticed_by_itself() {
    let (directory, path) = file("one");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let credentials = credentials(&Credential::ApiKeyFile(link.clone()));
    assert_eq!(text(&credentials).await, "one");
    // As Kubernetes does it: another file behind the same name.
    let other = directory.path().join("other");
    std::fs::write(&other, "two").unwrap();
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    assert_eq!(text(&credentials).await, "one");
    tokio::time::advance(LOOK_EVERY).await;
    assert_eq!(text(&credentials).await, "two");

    // A file that cannot be used, as while it is written, changes nothing while the key works.
    for bad in ["", "x\ny"] {
        std::fs::write(&other, bad).unwrap();
        tokio::time::advance(LOOK_EVERY).await;
        assert_eq!(text(&credentials).await, "two", "{bad:?}");
    }
    std::fs::remove_file(&other).unwrap();
    tokio::time::advance(LOOK_EVERY).await;
    assert_eq!(text(&credentials).await, "two");
    std::fs::write(&other, "three").unwrap();
    tokio::time::advance(LOOK_EVERY).await;
    assert_eq!((text(&credentials).await.as_str(), credentials.changes()), ("three", 2));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_change_is_woken_by_a_change_only() {
    let (_directory, path) = file("one");
    let credentials = Arc::new(credentials(&Credential::ApiKeyFile(path.clone())));
    let waiting = Arc::clone(&credentials);
    let mut woken = tokio::spawn(async move { waiting.changed(0).await });
    let still = tokio::time::timeout(Duration::from_secs(60), &mut woken).await;
    assert!(still.is_err(), "the file is the same");
    credentials.reread();
    assert!(tokio::time::timeout(Duration::from_secs(60), &mut woken).await.is_err(), "it still is");
    std::fs::write(&path, "two").unwrap();
    woken.await.unwrap();
    assert_eq!(text(&credentials).await, "two");

    let fixed = Credentials::new(&site(), &Credential::ApiKey(Secret::new("key".into()))).unwrap();
    fixed.reread();
    assert!(tokio::time::timeout(Duration::from_secs(3_600), fixed.changed(0)).await.is_err());
}

#[tokio::test]
async fn a_program_runs_once_for_all_and_its_key_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let script = format!("echo run >> {}; sleep 0.1; echo key-$(wc -l < {})", log.display(), log.display());
    let credentials = Arc::new(credentials(&shell(&script)));
    assert!(!log.exists() && !credentials.is_ready(), "not before it is needed");
    let keys = futures_util::future::join_all((0..8).map(|_| text(&credentials))).await;
    assert!(keys.iter().all(|key| key == "key-1"), "{keys:?}");
    assert!(credentials.is_ready());

    // A refusal within a minute of the run cannot be mended by running it again.
    credentials.judge(&credentials.header().await.unwrap(), Some(&refusal()));
    assert!(!credentials.is_renewed().await);
    assert_eq!(text(&credentials).await, "key-1");
    // But a reload may, and it wakes who waits.
    let waiting = Arc::clone(&credentials);
    let woken = tokio::spawn(async move { waiting.changed(0).await });
    credentials.reread();
    tokio::time::timeout(Duration::from_secs(20), woken).await.unwrap().unwrap();
    assert_eq!((text(&credentials).await.as_str(), credentials.changes()), ("key-2", 1));
}

#[tokio::test]
async fn a_refused_key_is_printed_anew_after_a_minute() {
    let (_directory, path) = file("one");
    let credentials = credentials(&shell(&format!("cat {}", path.display())));
    assert_eq!(text(&credentials).await, "one");
    std::fs::write(&path, "two").unwrap();
    credentials.judge(&credentials.header().await.unwrap(), Some(&refusal()));
    // Not while the program runs: a paused clock does not wait for it.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert!(credentials.is_renewed().await, "at once, without another failed poll");
    assert_eq!(text(&credentials).await, "two");
}

#[tokio::test]
async fn a_program_that_fails_is_told_of_without_what_it_says() {
    let long = format!("head -c {} /dev/zero | tr '\\0' x", 64 * 1024 + 1);
    for (script, word) in [
        ("echo S3CRET; echo S3CRET >&2; exit 3", "ended with exit status: 3 and 7 bytes on standard error"),
        ("kill -9 $$", "ended with signal: 9"),
        ("true", "printed a key that is empty"),
        ("printf 'S3CRET\\nS3CRET'", "printed a key that has more than one line"),
        ("printf '\\377S3CRET'", "printed a key that is not UTF-8"),
        (long.as_str(), "printed more than 65536 bytes"),
    ] {
        let credentials = credentials(&shell(script));
        let error = credentials.header().await.unwrap_err().to_string();
        assert!(error.starts_with("site paris: api_key_command ") && error.contains(word), "{script}: {error}");
        assert!(!error.contains("S3CRET") && !error.contains("echo"), "{error}");
        // Not again at once, but the same words.
        assert_eq!(credentials.header().await.unwrap_err().to_string(), error);
    }
    let missing = credentials(&Credential::ApiKeyCommand(vec!["/nonexistent/S3CRET".into()]));
    let error = missing.header().await.unwrap_err().to_string();
    assert!(error.contains("could not be started (entity not found)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_hangs_is_stopped_after_ten_seconds() {
    let (directory, path) = file("");
    // The clock of the test runs ahead while nothing else happens.
    let credentials = credentials(&shell(&format!("exec 3>&1; sleep 600; echo late > {}", path.display())));
    let begun = tokio::time::Instant::now();
    let error = credentials.header().await.unwrap_err().to_string();
    assert!(error.contains("did not end within 10s"), "{error}");
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    drop(directory);
}

#[tokio::test]
async fn many_complaints_do_not_hold_up_a_key() {
    let credentials = credentials(&shell("head -c 1000000 /dev/zero >&2; exec 2>&-; echo key"));
    assert_eq!(text(&credentials).await, "key");
}

#[tokio::test]
async fn what_a_primary_repeats_is_hidden() {
    let credentials = credentials(&Credential::ApiKey(Secret::new("S3CRET".into())));
    assert_eq!(credentials.hide("key S3CRET, again S3CRET.".into(), None), "key [hidden], again [hidden].");
    assert_eq!(credentials.hide("nothing".into(), None), "nothing");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_renewed_at_four_fifths_and_ends_with_its_validity() {
    use session::Need::{Closed, Nothing, Renewal, SignIn};
    let (_directory, session) = new_session();
    let need_after = async |seconds: u64| {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        session.need()
    };
    assert_eq!(session.need(), SignIn);
    assert!(session.signed_in(&Secret::new("t1".into()), Some(1000)));
    assert_eq!((need_after(0).await, need_after(799).await), (Nothing, Nothing));
    assert_eq!((need_after(1).await, need_after(199).await), (Renewal, Renewal));
    assert_eq!((need_after(1).await, session.has_token()), (SignIn, false));
    // Nobody signs in more often than every few seconds, whatever a primary says.
    for (validity, renew_at) in [(Some(0), 2_880), (None, 2_880), (Some(1), 4), (Some(u64::MAX), 25_297_920)] {
        assert!(session.signed_in(&Secret::new("t2".into()), validity));
        assert_eq!((need_after(renew_at - 1).await, need_after(1).await), (Nothing, Renewal), "{validity:?}");
    }
    assert!(!session.signed_in(&Secret::new("a\nb".into()), Some(60)));
    session.close();
    assert_eq!(session.need(), Nothing, "what is under way may end with the old token");
    session.forget();
    assert_eq!(session.need(), Closed);
}

#[tokio::test(start_paused = true)]
async fn each_refused_sign_in_doubles_the_pause_up_to_an_hour() {
    let (_directory, session) = new_session();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        session.begin(&Secret::new("password".to_owned()));
        session.failed(&Error::new(&site(), Endpoint::Login, Reason::Auth, "no").with_status(401));
        let (pause, trouble) = session.pause().unwrap();
        assert_eq!((trouble.reason, trouble.status), (Reason::Auth, Some(401)));
        pauses.push(pause.as_secs());
        tokio::time::advance(pause).await;
        assert_eq!(session.pause(), None);
    }
    assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    session.reset();
    session.begin(&Secret::new("password".to_owned()));
    session.failed(&Error::new(&site(), Endpoint::Login, Reason::Auth, "no").with_status(401));
    assert_eq!(session.pause().unwrap().0.as_secs(), 60, "another password begins anew");
}

#[tokio::test(start_paused = true)]
async fn what_the_primary_did_not_judge_pauses_less_or_not_at_all() {
    let (_directory, session) = new_session();
    let after = |reason, retry_after: Option<u64>| {
        session.reset();
        session.begin(&Secret::new("password".to_owned()));
        let error = Error::new(&site(), Endpoint::Login, reason, "no");
        session.failed(&error.with_answer(retry_after.map(Duration::from_secs), None));
        session.pause().map(|(pause, trouble)| (pause.as_secs(), trouble.reason == reason))
    };
    for reason in [Reason::Connect, Reason::Tls, Reason::Version, Reason::Circuit] {
        assert_eq!(after(reason, None), None, "{reason}");
    }
    for reason in [Reason::Timeout, Reason::Http, Reason::Decode, Reason::TooLarge] {
        assert_eq!(after(reason, None), Some((15, true)), "{reason}");
    }
    assert_eq!(after(Reason::Throttled, Some(90)), Some((90, true)));
    assert_eq!(after(Reason::Throttled, None), Some((60, true)));
    assert_eq!(after(Reason::Throttled, Some(1_000_000)), Some((60, true)), "more than an hour is not believed");
    session.reset();
    for expected in [15, 30, 60, 60] {
        session.begin(&Secret::new("password".to_owned()));
        // Nobody waited for the answer: the pause stands all the same.
        assert_eq!(session.pause().unwrap().0.as_secs(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_opens_nothing_is_a_refused_sign_in() {
    let (_directory, session) = new_session();
    let token = |name: &str| {
        assert!(session.signed_in(&Secret::new(name.into()), Some(86_400)));
        session.header().unwrap()
    };
    session.refused(&token("t1"));
    assert_eq!((session.need(), session.pause().unwrap().0.as_secs()), (session::Need::SignIn, 60));
    // One that was let in first has just come to its end, the first time.
    let second = token("t2");
    session.accepted(&second);
    session.refused(&second);
    assert_eq!((session.has_token(), session.pause()), (false, None));
    let third = token("t3");
    session.accepted(&third);
    session.refused(&second);
    assert!(session.has_token(), "an old token's refusal says nothing about the new one");
    session.refused(&third);
    assert!(session.pause().is_some(), "somebody ends our sessions as soon as they begin");
    // One that lived makes up for it.
    let fourth = token("t4");
    tokio::time::advance(Duration::from_secs(3_600)).await;
    session.accepted(&fourth);
    session.refused(&fourth);
    assert_eq!(session.pause(), None);
}

fn new_session() -> (tempfile::TempDir, Session) {
    let (directory, path) = file("pass word\n");
    let login = Login { username: "svc".into(), password_file: path, domain_name: None, domain_type: None };
    (directory, Session::new(&site(), &login).unwrap())
}

#[tokio::test]
async fn a_change_is_counted_once_however_many_ask() {
    // Many ask while the file changes: each gets one of the two keys, and the change is counted once.
    let (_directory, path) = file("one");
    let credentials = Arc::new(credentials(&Credential::ApiKeyFile(path.clone())));
    std::fs::write(&path, "two").unwrap();
    credentials.reread();
    let others = AtomicUsize::new(0);
    futures_util::future::join_all((0..32).map(|_| async {
        let key = text(&credentials).await;
        assert!(key == "one" || key == "two");
        others.fetch_add(usize::from(key == "two"), SeqCst);
    }))
    .await;
    assert!(others.load(SeqCst) >= 1);
    assert_eq!(credentials.changes(), 1);
}

#[tokio::test]
async fn what_a_stopped_program_has_started_ends_with_it() {
    let (_directory, path) = file("");
    let credentials = credentials(&shell(&format!("sleep 600 & echo $! > {}; wait", path.display())));
    let child = || std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u32>().ok());
    {
        let mut header = std::pin::pin!(credentials.header());
        while child().is_none() {
            let _ = tokio::time::timeout(Duration::from_millis(20), header.as_mut()).await;
        }
        // Dropped here, as a poll is at its deadline.
    }
    let stat = format!("/proc/{}/stat", child().unwrap());
    // A zombie until somebody collects it, and nobody's business then.
    let lives = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    for _ in 0..500 {
        if !lives() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it lives on");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_again_and_again_is_not_sent_for_a_while() {
    let key = Credential::ApiKey(Secret::new("a-key-of-some-length".into()));
    let credentials = Credentials::new(&"paris".into(), &key).unwrap();
    let sent = credentials.header().await.unwrap();
    let refusal = Error::new(&"paris".into(), Endpoint::Jobs, Reason::Auth, "refused").with_status(401);
    for _ in 0..2 {
        credentials.judge(&sent, Some(&refusal));
        assert!(!credentials.is_hopeless(&sent), "an endpoint may have its own reasons");
    }
    credentials.judge(&sent, Some(&refusal));
    assert!(credentials.is_hopeless(&sent));
    tokio::time::advance(Duration::from_secs(55)).await;
    assert!(!credentials.is_hopeless(&sent), "a poll tries again after a minute");
    for error in [Some(&refusal), Some(&refusal), Some(&refusal), None] {
        credentials.judge(&sent, error);
    }
    assert!(!credentials.is_hopeless(&sent), "it was accepted");
}
