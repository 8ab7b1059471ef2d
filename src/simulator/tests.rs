//! The primary as a client sees it, over real HTTP.

use std::io::ErrorKind;

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use super::*;

const JSON: &str = "application/vnd.netbackup+json;version=10.0";

struct Primary {
    simulator: Simulator,
    client: Client,
}

impl Primary {
    async fn start(options: Options) -> Primary {
        Primary {
            simulator: Simulator::start(options).await.unwrap(),
            client: Client::builder().no_proxy().gzip(false).build().unwrap(),
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.simulator.base_url()))
    }

    async fn get(&self, path: &str) -> Response {
        let key = Options::default().api_key;
        self.request(Method::GET, path).header("accept", JSON).header("authorization", key).send().await.unwrap()
    }

    async fn count(&self, attributes: Value) -> (u16, Value) {
        let body = json!({"data": {"type": "jobCount", "attributes": attributes}}).to_string();
        let request = self.request(Method::POST, "/admin/jobs-count-requests").header("accept", JSON);
        let request = request.header("content-type", JSON).header("authorization", Options::default().api_key);
        read(request.body(body).send().await.unwrap()).await
    }

    /// Every row of a walk with cursors, and the number of pages.
    async fn walk(&self, parameters: &[(&str, &str)]) -> (Vec<Value>, usize) {
        let (mut rows, mut pages, mut cursor) = (Vec::new(), 0, None::<String>);
        loop {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(parameters);
            if let Some(cursor) = &cursor {
                query.append_pair("page[after]", cursor);
            }
            let (status, body) = read(self.get(&format!("/admin/jobs?{}", query.finish())).await).await;
            assert_eq!(status, 200, "{body}");
            rows.extend(body["data"].as_array().unwrap().clone());
            pages += 1;
            match &body["meta"]["pagination"]["next"] {
                Value::String(next) => cursor = Some(next.clone()),
                _ => return (rows, pages),
            }
        }
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("not JSON: {body:?}")))
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn id(row: &Value) -> i64 {
    row["attributes"]["jobId"].as_i64().unwrap()
}

#[tokio::test]
async fn ping_says_time_and_version_to_everyone_but_json_clients() {
    let primary =
        Primary::start(Options { release: Release::R10_5, clock_offset: 3_600_000, ..Options::default() }).await;
    let before = primary.simulator.control().now();
    for accept in [None, Some("*/*"), Some("text/plain"), Some("text/vnd.netbackup+plain;version=9.0")] {
        let mut request = primary.request(Method::GET, "/ping");
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{accept:?}");
        assert_eq!(response.headers()["x-netbackup-api-version"], "12.0");
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/vnd.netbackup+plain;version="));
        let time: i64 = response.text().await.unwrap().parse().unwrap();
        assert!((before..before + 60_000).contains(&time));
    }
    for accept in ["application/json", JSON, "text/vnd.netbackup+plain;version=13.0"] {
        let response = primary.request(Method::GET, "/ping").header("accept", accept).send().await.unwrap();
        assert_eq!(response.status(), 406, "{accept}");
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/"));
    }
    primary.simulator.control().set_ping_header(false);
    let response = primary.request(Method::GET, "/ping").send().await.unwrap();
    assert!(!response.headers().contains_key("x-netbackup-api-version"));
}

#[tokio::test]
async fn a_request_passes_the_version_gate_and_the_key_check_or_is_told_why() {
    let primary = Primary::start(Options { release: Release::R11_0, ..Options::default() }).await;
    let key = Options::default().api_key;
    let ask = async |path: &str, accept: &str, key: &str| {
        let request = primary.request(Method::GET, path).header("accept", accept).header("authorization", key);
        read(request.send().await.unwrap()).await
    };
    let version = |version: &str| format!("application/vnd.netbackup+json;version={version}");
    for (path, accept, status) in [
        ("/admin/jobs", version("13.0"), 200),
        ("/admin/jobs", version("9.0"), 200),
        ("/admin/jobs", version("8.0"), 406),
        ("/admin/jobs", version("14.0"), 406),
        ("/admin/jobs", "application/json".to_owned(), 406),
        ("/storage/storage-units", version("8.0"), 200),
        ("/storage/storage-units", version("14.0"), 406),
        ("/security/serverinfo", version("13.0"), 200),
        ("/nothing", version("13.0"), 404),
        ("/admin/jobs/", version("13.0"), 404),
    ] {
        let (got, body) = ask(path, &accept, &key).await;
        assert_eq!(got, status, "{path} {accept}: {body}");
        if status == 406 {
            assert_eq!(body["errorCode"], 8952);
        }
    }
    let now = version("13.0");
    assert_eq!(ask("/admin/jobs", &now, &format!("Bearer {key}")).await.0, 200);
    let (status, body) = ask("/admin/jobs", &now, "wrong").await;
    assert_eq!(status, 401);
    assert_ne!(body["errorCode"], 8000);
    for name in ["errorCode", "errorMessage", "attributeErrors", "errorDetails", "fileUploadErrors"] {
        assert!(body.get(name).is_some(), "{name}");
    }
    primary.simulator.control().set_rbac(vec!["/storage".to_owned()]);
    let (status, body) = ask("/storage/storage-units", &now, &key).await;
    assert_eq!((status, &body["errorCode"]), (401, &json!(8000)));
    primary.simulator.control().set_release(Release::R10_3);
    assert_eq!(ask("/admin/jobs", &now, &key).await.0, 406);
    primary.simulator.control().set_api_version(Some("15.0"));
    assert_eq!(ask("/admin/jobs", &now, &key).await.0, 200);
}

#[tokio::test]
async fn what_a_get_must_not_carry_is_refused() {
    let primary = Primary::start(Options::default()).await;
    let ask = async |method: Method, header: (&str, &str)| {
        let request = primary.request(method, "/admin/jobs").header("accept", JSON).header(header.0, header.1);
        request.header("authorization", Options::default().api_key).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(Method::GET, ("x-client-id", "test")).await, 200);
    assert_eq!(ask(Method::GET, ("content-type", JSON)).await, 415);
    assert_eq!(ask(Method::GET, ("cookie", "Authorization=abc")).await, 400);
    assert_eq!(ask(Method::DELETE, ("x-client-id", "test")).await, 405);
    let response =
        primary.request(Method::GET, "/admin/jobs").header("x-request-id", "7f").header("accept", JSON).send().await;
    assert_eq!(response.unwrap().headers()["x-request-id"], "7f");
    assert!(primary.get("/admin/jobs").await.headers().contains_key("x-request-id"));
}

#[tokio::test]
async fn a_walk_meets_every_job_once_in_any_order() {
    let primary = Primary::start(Options { jobs: 734, ..Options::default() }).await;
    let truth = primary.simulator.control().truth();
    assert_eq!(truth.jobs.len(), 734);
    for sort in
        ["jobId", "-jobId", "lastUpdateTime", "-startTime", "jobType,-jobId", "clientName", "-lastUpdateTime,jobId"]
    {
        let (rows, pages) = primary.walk(&[("page[limit]", "100"), ("sort", sort)]).await;
        assert_eq!(pages, 8, "{sort}");
        let mut ids: Vec<i64> = rows.iter().map(id).collect();
        if let "jobId" | "-jobId" = sort {
            assert!(ids.is_sorted_by(|a, b| (a < b) == (sort == "jobId")), "{sort}");
        }
        if sort == "lastUpdateTime" {
            assert!(rows.is_sorted_by_key(|row| row["attributes"]["lastUpdateTime"].as_str().unwrap().to_owned()));
        }
        ids.sort_unstable();
        assert_eq!(ids, truth.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), "{sort}");
    }
    let (rows, pages) = primary.walk(&[]).await;
    assert_eq!((rows.len(), pages), (734, 74));
    assert!(rows.is_sorted_by(|a, b| {
        a["attributes"]["startTime"].as_str().unwrap() >= b["attributes"]["startTime"].as_str().unwrap()
    }));
}

#[tokio::test]
async fn filters_choose_the_same_jobs_as_the_truth() {
    let primary = Primary::start(Options { jobs: 400, jobs_per_minute: 60.0, ..Options::default() }).await;
    primary.simulator.control().freeze(true);
    let jobs = primary.simulator.control().truth().jobs;
    let middle = jobs[jobs.len() / 2].clone();
    let stamp = world::time::iso(middle.last_update.unwrap());
    let start = world::time::iso(middle.start.unwrap());
    type Holds<'a> = Box<dyn Fn(&Job) -> bool + 'a>;
    let cases: Vec<(String, Holds<'_>)> = vec![
        ("state ne 'DONE'".into(), Box::new(|job| !job.is_done())),
        (format!("lastUpdateTime ge {stamp}"), Box::new(|job| job.last_update >= middle.last_update)),
        (
            format!("lastUpdateTime lt {stamp} and state eq 'DONE'"),
            Box::new(|job| job.last_update < middle.last_update && job.is_done()),
        ),
        (format!("startTime eq {start}"), Box::new(|job| job.start == middle.start)),
        (format!("jobId gt {}", middle.id), Box::new(|job| job.id > middle.id)),
        ("status gt 1".into(), Box::new(|job| job.status > Some(1))),
        ("contains(policyName,'vm-')".into(), Box::new(|job| job.policy_name.contains("vm-"))),
        ("qReasonCode ne 0".into(), Box::new(|job| job.queue_reason != Some(0))),
        ("jobType eq 'DUPLICATE'".into(), Box::new(|job| job.job_type.as_deref() == Some("DUPLICATE"))),
        ("parentJobId gt 0".into(), Box::new(|job| job.parent_id > 0)),
    ];
    for (filter, holds) in cases {
        let expected: Vec<i64> = jobs.iter().filter(|job| holds(job)).map(|job| job.id).collect();
        assert!(!expected.is_empty() && expected.len() < jobs.len(), "the case proves nothing: {filter}");
        for sort in ["jobId", "-startTime", "lastUpdateTime", "status"] {
            let (rows, _) = primary.walk(&[("filter", &filter), ("sort", sort), ("page[limit]", "41")]).await;
            let mut ids: Vec<i64> = rows.iter().map(id).collect();
            ids.sort_unstable();
            assert_eq!(ids, expected, "{filter} by {sort}");
        }
        if !filter.contains("lastUpdateTime") && !filter.contains("qReason") {
            let (status, body) = primary.count(json!({ "filter": filter })).await;
            assert_eq!((status, &body["data"]["attributes"]["count"]), (200, &json!(expected.len())), "{filter}");
        }
    }
    let (_, body) = primary.count(json!({})).await;
    assert_eq!(body["data"]["attributes"]["count"], jobs.len());
}

#[tokio::test]
async fn pages_go_back_and_ranges_are_cut() {
    let primary = Primary::start(Options { jobs: 50, ..Options::default() }).await;
    let page = async |query: &str| read(primary.get(&format!("/admin/jobs?sort=jobId&{query}")).await).await.1;
    let ids = |page: &Value| page["data"].as_array().unwrap().iter().map(id).collect::<Vec<_>>();
    let all: Vec<i64> = primary.simulator.control().truth().jobs.iter().map(|job| job.id).collect();
    let first = page("page%5Blimit%5D=20").await;
    assert!(first["meta"]["pagination"].get("prev").is_none());
    let next = encoded(first["meta"]["pagination"]["next"].as_str().unwrap());
    let second = page(&format!("page%5Blimit%5D=20&page%5Bafter%5D={next}")).await;
    assert_eq!(ids(&second), all[20..40]);
    assert!(second["links"]["next"]["href"].as_str().unwrap().starts_with("https://nbuprimary.example.com:1556/"));
    let prev = encoded(second["meta"]["pagination"]["prev"].as_str().unwrap());
    let back = page(&format!("page%5Blimit%5D=5&page%5Bbefore%5D={prev}")).await;
    assert_eq!(ids(&back), all[15..20]);
    let cursor = |row: &Value| encoded(row["meta"]["page"]["cursor"].as_str().unwrap());
    let (from, to) = (cursor(&first["data"][3]), cursor(&second["data"][0]));
    let range = page(&format!("page%5Blimit%5D=10&page%5Bafter%5D={from}&page%5Bbefore%5D={to}")).await;
    assert_eq!(ids(&range), all[4..14]);
    assert_eq!(range["meta"]["pagination"]["rangeTruncated"], true);
    let last = page(&format!("page%5Blimit%5D=20&page%5Bafter%5D={}", cursor(&second["data"][19]))).await;
    assert_eq!(ids(&last), all[40..]);
    assert!(last["meta"]["pagination"].get("next").is_none() && last["links"].get("next").is_none());
}

#[tokio::test]
async fn bad_lists_and_counts_are_refused_with_400() {
    let primary = Primary::start(Options { jobs: 30, ..Options::default() }).await;
    let (_, body) = read(primary.get("/admin/jobs?sort=jobId").await).await;
    let next = encoded(body["meta"]["pagination"]["next"].as_str().unwrap());
    for (query, code) in [
        (format!("page%5Bafter%5D={next}"), Some(9401)),
        (format!("sort=-jobId&page%5Bafter%5D={next}"), Some(9401)),
        (format!("sort=jobId&filter={}&page%5Bafter%5D={next}", encoded("state eq 'DONE'")), Some(9401)),
        ("sort=jobId&page%5Bafter%5D=abcd".to_owned(), Some(9401)),
        (format!("filter={}", encoded("lastUpdateTime ge '2025-11-26T22:00:00.000Z'")), Some(9401)),
        (format!("filter={}", encoded("policyName eq 'x'")), Some(9401)),
        ("page%5Blimit%5D=0".to_owned(), None),
        ("page%5Blimit%5D=101".to_owned(), None),
        ("page%5Blimit%5D=ten".to_owned(), None),
        ("page[limit]=10".to_owned(), None),
        ("page%5Boffset%5D=0".to_owned(), None),
        ("sort=jobQueueReason".to_owned(), None),
        ("sort=try".to_owned(), None),
    ] {
        primary.simulator.control().set_release(if query == "sort=try" { Release::R11_0 } else { Release::R11_2 });
        let (status, body) = read(primary.get(&format!("/admin/jobs?{query}")).await).await;
        assert_eq!(status, 400, "{query}");
        if let Some(code) = code {
            assert_eq!(body["errorCode"], code, "{query}");
        }
    }
    let (status, body) = primary.count(json!({"filter": "lastUpdateTime ge 2025-11-26T22:00:00.000Z"})).await;
    assert_eq!((status, &body["errorCode"]), (400, &json!(9401)));
    let post = primary.request(Method::POST, "/admin/jobs-count-requests").header("accept", JSON);
    let post = post.header("authorization", Options::default().api_key).body("{}");
    for media_type in ["application/json", "application/vnd.netbackup+json;version=11.0"] {
        let post = post.try_clone().unwrap().header("content-type", media_type);
        assert_eq!(post.send().await.unwrap().status(), 415, "{media_type}");
    }
    assert_eq!(primary.get("/admin/jobs/1").await.status(), 404);
    let known = primary.simulator.control().truth().jobs[0].id;
    let (status, body) = read(primary.get(&format!("/admin/jobs/{known}")).await).await;
    assert_eq!((status, id(&body["data"])), (200, known));
}

#[tokio::test]
async fn a_key_without_rights_sees_an_empty_list_and_no_count() {
    let primary = Primary::start(Options::default()).await;
    primary.simulator.control().set_silent_empty_jobs(true);
    let (status, body) = read(primary.get("/admin/jobs").await).await;
    assert_eq!((status, body["data"].as_array().map(Vec::len)), (200, Some(0)));
    let (status, body) = primary.count(json!({})).await;
    assert_eq!((status, &body["errorCode"]), (401, &json!(8000)));
}

#[tokio::test]
async fn storage_units_are_paged_by_offset() {
    let primary = Primary::start(Options { storage_units: 1_200, ..Options::default() }).await;
    let (mut names, mut offset) = (Vec::new(), Some(0));
    while let Some(at) = offset {
        let path = format!("/storage/storage-units?page%5Blimit%5D=500&page%5Boffset%5D={at}");
        let (status, body) = read(primary.get(&path).await).await;
        assert_eq!(status, 200);
        names.extend(body["data"].as_array().unwrap().iter().map(|unit| unit["id"].as_str().unwrap().to_owned()));
        let pagination = &body["meta"]["pagination"];
        assert_eq!(
            (&pagination["count"], &pagination["pages"], &pagination["last"]),
            (&json!(1_200), &json!(3), &json!(1_000))
        );
        offset = pagination["next"].as_u64();
    }
    let truth = primary.simulator.control().truth().storage_units;
    assert_eq!(names, truth.iter().map(|unit| unit.name.to_string()).collect::<Vec<_>>());
    assert_eq!(truth[0].disk_pool, truth[1].disk_pool);
    assert_eq!((truth[0].total, truth[0].used), (truth[1].total, truth[1].used));
    assert_eq!((truth[3].total, truth[4].total), (None, Some(i64::MAX)));
    assert!(truth[5].max_drives.is_some() && truth[5].max_jobs.is_none() && truth[5].total.is_none());
    let (_, body) = read(primary.get("/storage/storage-units").await).await;
    assert_eq!(body["data"].as_array().unwrap().len(), 10);
    for bad in
        ["page%5Blimit%5D=501", "page%5Blimit%5D=0", "page%5Bafter%5D=x", "sort=nothing", "filter=path+eq+%27x%27"]
    {
        assert_eq!(primary.get(&format!("/storage/storage-units?{bad}")).await.status(), 400, "{bad}");
    }
    let (_, body) = read(primary.get("/storage/storage-units?filter=name+eq+%27stu-msdp-000%27").await).await;
    assert_eq!(body["meta"]["pagination"]["count"], 1);
}

#[tokio::test]
async fn faults_spoil_the_answers_they_name() {
    let primary = Primary::start(Options::default()).await;
    let control = primary.simulator.control();
    let key = Options::default().api_key;
    let ask = async || {
        let request = primary.request(Method::GET, "/admin/jobs?page%5Blimit%5D=5");
        request.header("accept", JSON).header("authorization", &key).timeout(Duration::from_millis(300)).send().await
    };
    let set = |fault| control.set_fault(Some("/admin"), Some(fault));
    set(Fault::Status(503, vec![("retry-after".into(), "7".into())], "busy".into()));
    let response = ask().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"7".parse().unwrap()));
    assert_eq!(primary.get("/storage/storage-units").await.status(), 200);
    set(Fault::Hang);
    assert!(ask().await.unwrap_err().is_timeout());
    for (fault, kind) in [(Fault::Reset, ErrorKind::ConnectionReset), (Fault::Close, ErrorKind::UnexpectedEof)] {
        set(fault.clone());
        let error = ask().await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout());
        let mut causes = std::iter::successors(Some(&error as &dyn std::error::Error), |cause| cause.source());
        let io = causes.find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
        assert_eq!(io.unwrap_or(ErrorKind::UnexpectedEof), kind, "{fault:?}: {error:?}");
    }
    set(Fault::Html);
    assert_eq!(ask().await.unwrap().headers()["content-type"], "text/html;charset=utf-8");
    set(Fault::EmptyBody);
    assert!(ask().await.unwrap().bytes().await.unwrap().is_empty());
    set(Fault::TruncatedBody);
    assert!(ask().await.unwrap().bytes().await.is_err());
    for fault in [Fault::Drip, Fault::EndlessBody, Fault::LongLength] {
        set(fault);
        assert!(ask().await.unwrap().bytes().await.unwrap_err().is_timeout());
    }
    set(Fault::SlowHeaders);
    assert!(ask().await.unwrap_err().is_timeout());
    for fault in [Fault::HugeHeaders, Fault::NotHttp] {
        set(fault.clone());
        let error = ask().await.unwrap_err();
        assert!(!error.is_timeout() && !error.is_connect(), "{fault:?}: {error:?}");
    }
    set(Fault::Body("null".into()));
    assert_eq!(ask().await.unwrap().bytes().await.unwrap(), "null");
    set(Fault::BadUtf8);
    assert!(String::from_utf8(ask().await.unwrap().bytes().await.unwrap().to_vec()).is_err());
    set(Fault::DeepNesting);
    assert_eq!(ask().await.unwrap().bytes().await.unwrap().len(), 400_009);
    set(Fault::BadGzip);
    assert_eq!(ask().await.unwrap().headers()["content-encoding"], "gzip");
    for fault in [Fault::CutJson, Fault::NotJson, Fault::ShortLength] {
        set(fault);
        let body = ask().await.unwrap().bytes().await.unwrap();
        assert!(!body.is_empty() && serde_json::from_slice::<Value>(&body).is_err());
    }
    set(Fault::WrongMediaType);
    assert_eq!(ask().await.unwrap().headers()["content-type"], "text/plain");
    set(Fault::Redirect("http://127.0.0.1:1/".into()));
    assert!(ask().await.is_err(), "the redirect was not followed");
    set(Fault::RepeatedCursor);
    let (_, first) = read(ask().await.unwrap()).await;
    let next = encoded(first["meta"]["pagination"]["next"].as_str().unwrap());
    let (_, second) = read(primary.get(&format!("/admin/jobs?page%5Blimit%5D=5&page%5Bafter%5D={next}")).await).await;
    assert_eq!(first["meta"]["pagination"]["next"], second["meta"]["pagination"]["next"]);
    for (fault, length) in [(Fault::CursorLoop, 3), (Fault::EndlessList, 9)] {
        set(fault);
        for (path, parameter) in [("/admin/jobs", "page%5Bafter%5D"), ("/storage/storage-units", "page%5Boffset%5D")] {
            control.set_fault(Some(path), control.shared.fault("/admin/x"));
            let mut seen = Vec::new();
            let mut url = format!("{path}?page%5Blimit%5D=2");
            for _ in 0..9 {
                let (_, body) = read(primary.get(&url).await).await;
                assert_eq!(body["data"].as_array().map(Vec::len), Some(2));
                let next = &body["meta"]["pagination"]["next"];
                let next = next.as_str().map_or_else(|| next.to_string(), encoded);
                url = format!("{path}?page%5Blimit%5D=2&{parameter}={next}");
                seen.push(next);
            }
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), length, "{path}: {seen:?}");
            control.set_fault(Some(path), None);
        }
    }
    control.set_fault(Some("/admin"), None);
    control.set_fault_times(None, Fault::Status(500, vec![], String::new()), 2);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(ask().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [500, 500, 200]);
}

#[tokio::test]
async fn tests_put_rows_in_and_take_them_out() {
    let primary = Primary::start(Options { jobs: 3, ..Options::default() }).await;
    let control = primary.simulator.control();
    let made = control.insert_job(Job { policy_name: "mine \"\\".into(), queue_reason: Some(5), ..Job::default() });
    control.upsert_raw_job(json!({"jobId": 7, "state": 5, "status": "odd", "startTime": "yesterday"}));
    control.upsert_raw_job(json!({"type": "job", "attributes": {"state": "DONE"}}));
    control.upsert_raw_job(json!("no object"));
    let (rows, _) = primary.walk(&[]).await;
    assert_eq!(rows.len(), 7);
    assert!(rows.contains(&json!("no object")));
    let name = made.to_string();
    let row = rows.iter().find(|row| row["id"].as_str() == Some(&name)).unwrap();
    assert_eq!(row["attributes"]["policyName"], "mine \"\\");
    assert!(row["attributes"].get("endTime").is_none() && row["attributes"].get("status").is_none());
    let truth = control.truth();
    assert_eq!((truth.jobs.len(), truth.nameless_jobs), (5, 2));
    let raw = truth.jobs.iter().find(|job| job.id == 7).unwrap();
    assert_eq!((&raw.state, raw.status, raw.start), (&None, None, None));
    let (rows, _) = primary.walk(&[("sort", "jobId"), ("page[limit]", "2")]).await;
    assert_eq!(rows.len(), 7);
    control.freeze(true);
    let before = control.now();
    assert!(control.update_job(made, |job| job.state = Some("ACTIVE".into())));
    assert!(!control.update_job(made + 1, |_| {}));
    let updated = control.truth().jobs.into_iter().find(|job| job.id == made).unwrap();
    assert_eq!(updated.state.as_deref(), Some("ACTIVE"));
    assert!(updated.last_update >= Some(before), "the stamp stood still with the world");
    assert!(control.remove_job(7) && !control.remove_job(7));
    control.set_raw_storage_unit(json!({"name": "stu-msdp-000", "totalCapacityBytes": "much"}));
    assert_eq!(control.truth().storage_units[0].total, None);
    control.set_epoch_ends(true);
    let (_, row) = read(primary.get(&format!("/admin/jobs/{made}")).await).await;
    assert_eq!(row["data"]["attributes"]["endTime"], "1970-01-01T00:00:00.000Z");
    assert!(control.truth().jobs.iter().all(|job| job.id != made || job.end.is_none()));
}

#[tokio::test]
async fn requests_are_counted_and_remembered() {
    let primary = Primary::start(Options::default()).await;
    let control = primary.simulator.control();
    primary.get("/admin/jobs?sort=jobId").await;
    primary.get("/admin/jobs/5").await;
    primary.get("/secret-typo").await;
    let requests = control.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!((requests[0].path.as_str(), requests[0].query.as_str()), ("/admin/jobs", "sort=jobId"));
    assert_eq!((requests[0].status, requests[1].status, requests[0].authorization), (Some(200), Some(404), true));
    assert_eq!(requests[0].connection, requests[2].connection, "the connection was not kept");
    assert!(requests[0].body_bytes > 0);
    assert_eq!(control.request_counts()["/admin/jobs/{jobId}"], 1);
    assert_eq!(control.request_counts()["other"], 1);
    control.clear_requests();
    control.set_latency(Duration::from_millis(50));
    tokio::join!(primary.get("/admin/jobs"), primary.get("/admin/jobs"), primary.get("/admin/jobs"));
    assert_eq!((control.requests().len(), control.max_in_flight()), (3, 3));
}

#[tokio::test]
async fn a_bomb_is_small_outside_and_large_inside() {
    let primary = Primary::start(Options::default()).await;
    primary.simulator.control().set_fault(Some("/admin"), Some(Fault::GzipBomb));
    let mut response = primary.get("/admin/jobs").await;
    let mut compressed = Vec::new();
    while compressed.len() < 20_000 {
        compressed.extend(response.chunk().await.unwrap().unwrap());
    }
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    std::io::Write::write_all(&mut decoder, &compressed).unwrap();
    std::io::Write::flush(&mut decoder).unwrap();
    let inside = decoder.get_ref();
    assert!(inside.starts_with(b"{\"data\":[ ") && inside.len() > 300 * compressed.len(), "{}", inside.len());
}

#[tokio::test]
async fn the_door_is_shut_and_opened_again() {
    let primary = Primary::start(Options::default()).await;
    let control = primary.simulator.control();
    let ask = async || primary.request(Method::GET, "/ping").timeout(Duration::from_millis(200)).send().await;
    let until = async |what: &dyn Fn(reqwest::Result<Response>) -> bool| {
        tokio::time::timeout(Duration::from_secs(10), async { while !what(ask().await) {} }).await.unwrap();
    };
    assert_eq!(ask().await.unwrap().status(), 200);
    control.set_door(Door::Closed);
    until(&|answer| answer.is_err_and(|error| error.is_connect() && !error.is_timeout())).await;
    control.set_door(Door::Silent);
    until(&|answer| answer.is_err_and(|error| error.is_timeout())).await;
    control.set_door(Door::Open);
    until(&|answer| answer.is_ok_and(|answer| answer.status() == 200)).await;
    primary.simulator.clone().stop().await;
}

#[tokio::test]
async fn tls_is_spoken_with_those_who_show_a_certificate_where_one_is_asked_for() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&authority_key).unwrap().pem();
    let authority = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap().pem();
    let key = key.serialize_pem();
    let tls = |client_ca| Tls::from_pem(certificate.as_bytes(), key.as_bytes(), client_ca).unwrap();
    let primary = Primary::start(Options { tls: Some(tls(None)), ..Options::default() }).await;
    assert!(primary.simulator.base_url().starts_with("https://"));
    let builder = || {
        let root = reqwest::Certificate::from_pem(ca.as_bytes()).unwrap();
        Client::builder().no_proxy().pool_max_idle_per_host(0).tls_certs_only([root])
    };
    let ask = async |client: &Client| client.get(format!("{}/ping", primary.simulator.base_url())).send().await;
    let anybody = builder().build().unwrap();
    let identity = reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap();
    let known = builder().identity(identity).build().unwrap();
    assert_eq!(ask(&anybody).await.unwrap().status(), 200);
    primary.simulator.control().set_tls(Some(tls(Some(ca.as_bytes()))));
    tokio::time::timeout(Duration::from_secs(10), async { while ask(&anybody).await.is_ok() {} }).await.unwrap();
    assert_eq!(ask(&known).await.unwrap().status(), 200);
    for (certificate, key) in [("", key.as_str()), ("nothing", &key), (&certificate, ""), (&certificate, &certificate)]
    {
        assert!(Tls::from_pem(certificate.as_bytes(), key.as_bytes(), None).is_err());
    }
    let other = KeyPair::generate().unwrap().serialize_pem();
    assert!(Tls::from_pem(certificate.as_bytes(), other.as_bytes(), None).is_err(), "the key of another");
}

#[tokio::test]
async fn gzip_is_used_when_accepted() {
    let primary = Primary::start(Options::default()).await;
    let client = Client::builder().no_proxy().gzip(false).build().unwrap();
    let plain = client.get(format!("{}/admin/jobs", primary.simulator.base_url())).header("accept", JSON);
    let plain = plain.header("accept-encoding", "gzip").header("authorization", Options::default().api_key);
    let response = plain.send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let body = response.bytes().await.unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*body), &mut text).unwrap();
    assert!(serde_json::from_str::<Value>(&text).unwrap()["data"].is_array());
}

#[tokio::test]
async fn it_stops_with_a_request_hanging_and_frees_its_port() {
    let primary = Primary::start(Options::default()).await;
    primary.simulator.control().set_fault(None, Some(Fault::Hang));
    let hanging = primary.request(Method::GET, "/ping").send();
    let address = primary.simulator.address();
    let control = primary.simulator.control().clone();
    let stop = async {
        while control.in_flight() == 0 {
            tokio::task::yield_now().await;
        }
        primary.simulator.clone().stop().await;
    };
    let (answer, ()) = tokio::join!(hanging, stop);
    assert!(answer.is_err());
    TcpListener::bind(address).await.unwrap();
}
