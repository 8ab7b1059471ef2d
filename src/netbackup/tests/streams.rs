//! Lists that come whole, through the client: what is cut off, given up or looked at only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::body::Body;
use tokio::io::AsyncWriteExt as _;

use super::faults::{raw, read_head, whole};
use super::primary::{Primary, client, complaint, counted, json, site, until};
use crate::netbackup::lists::hosts::Hosts;
use crate::netbackup::{Endpoint, Error, Glance};
use crate::reason::Reason;

const RECORD: &str = r#"{"hostName": "a.example.com", "uuid": "1"}"#;

/// A list of `count` hosts.
fn hosts(count: usize) -> String {
    format!(r#"{{"hosts": [{}]}}"#, [RECORD].repeat(count).join(","))
}

/// What a server says that says no more than the first `records` of a list.
fn unfinished(records: usize) -> String {
    let body = hosts(1_000);
    let cut = body.match_indices("},").nth(records - 1).unwrap().0 + 2;
    whole(&body).replace(&body, &body[..cut])
}

#[tokio::test]
async fn a_list_that_is_reset_in_the_middle_counts_nothing_twice() {
    let taken = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&taken);
    let address = raw(move |number, mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            while read_head(&mut stream).await {
                if number == 0 {
                    stream.write_all(unfinished(600).as_bytes()).await.unwrap();
                    until(|| seen.load(SeqCst) == 600).await;
                    stream.set_zero_linger().unwrap();
                    return;
                }
                stream.write_all(whole(&hosts(1_000)).as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let (client, stats) = client(&site(address));
    let count = Arc::clone(&taken);
    let folded = client
        .fold_flat::<Hosts, u64>(move |made, _| {
            *made += 1;
            count.fetch_add(1, SeqCst);
        })
        .await
        .unwrap();
    assert_eq!((folded.made, folded.rows, folded.rejected), (1_000, 1_000, 0));
    assert_eq!((taken.load(SeqCst), stats.retries()), (1_600, 1), "the first answer was read too, and is forgotten");
}

#[tokio::test]
async fn a_list_that_is_given_up_leaves_no_thread_behind() {
    let address = raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(unfinished(3).as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let (client, _) = client(&site(address));
    let taken = Arc::new(AtomicUsize::new(0));
    let (count, held) = (Arc::clone(&taken), Arc::downgrade(&taken));
    let fold = client.fold_flat::<Hosts, u64>(move |_, _| {
        count.fetch_add(1, SeqCst);
    });
    tokio::select! {
        _ = fold => panic!("the list has no end"),
        () = until(|| taken.load(SeqCst) == 3) => {}
    }
    // The thread that decodes holds it until it ends.
    drop(taken);
    until(|| held.upgrade().is_none()).await;
}

async fn glance(endpoint: Endpoint, address: SocketAddr) -> Result<Glance, Error> {
    let (client, _) = client(&site(address));
    tokio::time::timeout(Duration::from_secs(15), client.glance(endpoint)).await.expect("it is read no further")
}

#[tokio::test]
async fn a_glance_at_a_list_that_comes_whole_ends_at_its_first_record() {
    // The rest never comes: who waits for it waits until the request times out.
    let address = raw(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(unfinished(2).as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(glance(Endpoint::Hosts, address).await.unwrap(), Glance { objects: 1, more: true });
    let primary = Primary::new(|_| json(hosts(0))).await;
    assert_eq!(glance(Endpoint::Hosts, primary.address).await.unwrap(), Glance::default());
}

#[tokio::test]
async fn an_empty_word_of_a_next_page_is_none() {
    for (next, more) in [("null", false), ("\"\"", false), ("\"c1\"", true), ("100", true)] {
        let primary = Primary::new(move |seen| {
            assert_eq!(seen.parameter("page[limit]").as_deref(), Some("1"));
            json(format!(
                r#"{{"data": [{{"id": "1", "attributes": {{}}}}], "meta": {{"pagination": {{"next": {next}}}}}}}"#
            ))
        })
        .await;
        let seen = glance(Endpoint::TapeMedia, primary.address).await.unwrap();
        assert_eq!(seen, Glance { objects: 1, more }, "{next}");
    }
}

#[tokio::test]
async fn a_glance_at_jobs_asks_for_the_right_and_counts_nothing() {
    let primary = Primary::new(|_| json(r#"{"data": {"type": "jobCount", "attributes": {"count": 9}}}"#)).await;
    assert_eq!(glance(Endpoint::Jobs, primary.address).await.unwrap(), Glance::default());
    assert_eq!(primary.paths(), ["/netbackup/admin/jobs-count-requests"]);
    // The list would be empty.
    let primary = Primary::new(|_| complaint(401, 8000)).await;
    assert_eq!(glance(Endpoint::Jobs, primary.address).await.unwrap_err().right(), Some("MANAGE/JOBS VIEW"));
    let primary = Primary::new(|seen| match seen.path.ends_with("/jobs") {
        true => json(super::primary::NO_JOBS),
        false => complaint(404, 1),
    })
    .await;
    assert_eq!(glance(Endpoint::Jobs, primary.address).await.unwrap(), Glance::default());
}

#[tokio::test]
async fn a_streamed_answer_that_is_none_ends_with_its_reason() {
    let large = format!(r#"{{"hosts": [{{"hostName": "{}"}}]}}"#, "a".repeat(5 << 20));
    for (body, reason, words) in [
        (Body::from(large), Reason::TooLarge, "a record of the body is larger than makes sense"),
        (Body::from(&b"{\"x\": \"\xff\", \"hosts\": []}"[..]), Reason::Decode, "the body is not UTF-8"),
        (Body::from(&b"{\"hosts\": [], \"x\": \"\xc3\"}"[..]), Reason::Decode, "the body is not UTF-8"),
    ] {
        let body = std::sync::Mutex::new(Some(body));
        let primary = Primary::new(move |_| json(body.lock().unwrap().take().unwrap())).await;
        let (client, stats) = primary.client();
        let error = client.fold_flat::<Hosts, u64>(|_, _| {}).await.unwrap_err();
        assert_eq!((error.reason(), error.status()), (reason, Some(200)), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(counted(&stats, "/config/hosts", "200"), 1);
    }
}
