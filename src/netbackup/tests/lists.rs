//! Whole lists: every page, and the guards against lists that never end.

use super::primary::{NO_JOBS, Primary, complaint, json};
use crate::netbackup::{JobsQuery, Walk};
use crate::reason::Reason;

fn query() -> JobsQuery {
    JobsQuery {
        filter: Some("lastUpdateTime ge 2025-11-26T22:00:00.000Z and policyName ne 'a+b %20'".to_owned()),
        sort: Some("-lastUpdateTime"),
        limit: 100,
    }
}

fn job_page(ids: std::ops::Range<u64>, next: Option<&str>) -> String {
    let rows: Vec<String> = ids.map(|id| format!(r#"{{"attributes":{{"jobId":{id},"state":"DONE"}}}}"#)).collect();
    let next = next.map_or(String::new(), |next| format!(r#","next":"{next}""#));
    format!(
        r#"{{"data":[{}],"links":{{"next":{{"href":"http://evil.example/steal"}}}},"meta":{{"pagination":{{"limit":100{next}}}}}}}"#,
        rows.join(",")
    )
}

#[tokio::test]
async fn every_page_is_read_with_the_same_question() {
    let primary = Primary::new(|seen| match seen.parameter("page[after]").as_deref() {
        None => json(job_page(1..4, Some("c/1=+"))),
        Some("c/1=+") => json(job_page(4..6, Some("c2"))),
        Some("c2") => json(job_page(6..7, None)),
        _ => complaint(400, 1),
    })
    .await;
    let (client, _) = primary.client();
    let mut ids = Vec::new();
    let walk = client.walk_jobs(&query(), &mut |page| ids.extend(page.rows.iter().map(|row| row.id))).await.unwrap();
    assert_eq!(walk, Walk { pages: 3, rows: 6, rejected: 0, more: false });
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    for seen in primary.seen() {
        assert_eq!(seen.path, "/netbackup/admin/jobs");
        assert_eq!(seen.parameter("filter"), query().filter);
        assert_eq!(seen.parameter("sort").as_deref(), query().sort);
        assert_eq!(seen.parameter("page[limit]").as_deref(), Some("100"));
        assert!(seen.raw_query.starts_with("page%5Blimit%5D=100") && !seen.raw_query.contains('+'));
        assert!(seen.raw_query.contains("lastUpdateTime%20ge%202025-11-26T22"));
    }
}

#[tokio::test]
async fn a_single_page_says_whether_there_is_more() {
    let primary = Primary::new(|seen| {
        assert_eq!(seen.parameter("page[limit]").as_deref(), Some("1"));
        json(job_page(9..10, Some("c1")))
    })
    .await;
    let (client, _) = primary.client();
    let mut ids = Vec::new();
    let one = JobsQuery { filter: None, sort: Some("-lastUpdateTime"), limit: 0 };
    let walk = client.jobs_page(&one, &mut |page| ids.extend(page.rows.iter().map(|row| row.id))).await.unwrap();
    assert_eq!((ids, walk.pages, walk.more), (vec![9], 1, true));
    assert_eq!(primary.seen().len(), 1);
    assert_eq!(primary.seen()[0].parameter("filter"), None);
}

#[tokio::test]
async fn a_cursor_that_comes_again_ends_the_walk() {
    // Each page in turn has none, the same, and an earlier cursor.
    let primary = Primary::new(|seen| match seen.parameter("page[after]").as_deref() {
        None => json(job_page(1..1, Some("a"))),
        Some("a") => json(job_page(1..1, Some("b"))),
        _ => json(job_page(1..1, Some("a"))),
    })
    .await;
    let (client, _) = primary.client();
    let error = client.walk_jobs(&query(), &mut |_| ()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Decode);
    assert_eq!(primary.seen().len(), 3);
    assert!(error.to_string().contains("page 3 leads back"), "{error}");
}

#[tokio::test]
async fn a_page_that_does_not_page_is_a_bad_answer_and_is_not_visited() {
    let primary = Primary::new(|_| json(r#"{"data":[{"attributes":{"jobId":1,"state":"DONE"}}]}"#)).await;
    let (client, _) = primary.client();
    let mut visited = false;
    let error = client.walk_jobs(&query(), &mut |_| visited = true).await.unwrap_err();
    assert_eq!((error.reason(), visited), (Reason::Decode, false));
}

#[tokio::test]
async fn storage_units_are_read_by_offset_whatever_the_count_says() {
    let primary = Primary::new(|seen| {
        let offset: u64 = seen.parameter("page[offset]").map_or(0, |offset| offset.parse().unwrap());
        let next = if offset < 30 { format!(r#","next":{}"#, offset + 15) } else { String::new() };
        json(format!(
            r#"{{"data":[{{"attributes":{{"name":"u{offset}"}}}},{{"attributes":{{}}}}],"meta":{{"pagination":{{"count":1,"offset":{offset}{next}}}}}}}"#
        ))
    })
    .await;
    let (client, _) = primary.client();
    let mut names = Vec::new();
    let walk = client
        .walk_storage_units(&mut |page| names.extend(page.rows.iter().map(|row| row.name.clone().into_owned())))
        .await
        .unwrap();
    assert_eq!(names, ["u0", "u15", "u30"]);
    assert_eq!((walk.pages, walk.rows, walk.rejected), (3, 3, 3));
    assert_eq!(primary.seen()[0].raw_query, "page%5Blimit%5D=500");
    assert_eq!(primary.seen()[1].raw_query, "page%5Blimit%5D=500&page%5Boffset%5D=15");
}

#[tokio::test]
async fn a_list_without_end_is_too_large() {
    let primary = Primary::new(|seen| {
        let offset: u64 = seen.parameter("page[offset]").map_or(0, |offset| offset.parse().unwrap());
        let rows = [r#"{"attributes":{"name":"u"}}"#; 25].join(",");
        json(format!(r#"{{"data":[{rows}],"meta":{{"pagination":{{"next":{}}}}}}}"#, offset + 25))
    })
    .await;
    let (client, _) = primary.client();
    let error = client.walk_storage_units(&mut |_| ()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TooLarge);
    assert_eq!(primary.seen().len(), 1000);
}

#[tokio::test]
async fn an_empty_list_is_no_error() {
    let primary = Primary::new(|_| json(NO_JOBS)).await;
    let (client, _) = primary.client();
    // On another thread, because the poll loop does so: the futures must be Send.
    let walk = tokio::spawn(async move { client.walk_jobs(&query(), &mut |_| ()).await }).await.unwrap().unwrap();
    assert_eq!(walk, Walk { pages: 1, rows: 0, rejected: 0, more: false });
}

#[tokio::test]
async fn a_list_of_nearly_empty_pages_without_end_is_given_up_early() {
    let primary = Primary::new(|seen| {
        let page: u64 = seen.parameter("page[after]").and_then(|after| after.parse().ok()).unwrap_or(0);
        json(job_page(3 * page + 1..3 * page + 4, Some(&(page + 1).to_string())))
    })
    .await;
    let (client, _) = primary.client();
    let error = client.walk_jobs(&query(), &mut |_| {}).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TooLarge);
    assert!(primary.seen().len() <= 301, "{}", primary.seen().len());
}
