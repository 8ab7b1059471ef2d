//! The simulated primary against the published API descriptions: every answer it gives, errors included, validates
//! against the response schema of its release, and every filter and sort that is published is served.
//!
//! The descriptions are vendor material and no part of this package. They are looked for in `NETBACKUP_OPENAPI_DIR`, by
//! default `../shared/openapi` beside the package; where they are missing the tests say so and pass.

#![expect(clippy::print_stderr, reason = "a skipped test has to say so")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests: a panic is a failed test")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use jsonschema::{Draft, Validator};
use netbackup_exporter::collector;
use netbackup_exporter::simulator::{Account, Fault, Options, Release, Simulator};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// Releases with a description, and the one whose storage file is used (that of 11.2 was never published).
const RELEASES: [(Release, &str); 4] =
    [(Release::R10_3, "10.3"), (Release::R10_5, "10.5"), (Release::R11_0, "11.0"), (Release::R11_2, "11.0")];

fn description(release: &str) -> Option<Value> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/openapi");
    let named = std::env::var_os("NETBACKUP_OPENAPI_DIR").map(PathBuf::from);
    let must_be_there = named.is_some();
    let file = named.unwrap_or(default).join(format!("netbackup-{release}.json"));
    let Ok(text) = std::fs::read_to_string(&file) else {
        assert!(!must_be_there, "{} is not there, though NETBACKUP_OPENAPI_DIR names its directory", file.display());
        eprintln!("skipped: {} is not there", file.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// A primary of one release, and what is published about it.
struct Published {
    description: Value,
    storage: Value,
    simulator: Simulator,
    client: Client,
    version: &'static str,
}

/// An answer.
struct Answer {
    status: u16,
    media_type: String,
    body: String,
}

impl Published {
    async fn start(release: Release, storage: &str, options: Options) -> Option<Published> {
        let (description, storage) = (description(release.name())?, description(storage)?);
        let simulator = Simulator::start(Options { release, odd_rows: false, ..options }).await.unwrap();
        let version = release.api_version();
        Some(Published {
            description,
            storage,
            simulator,
            client: Client::builder().no_proxy().build().unwrap(),
            version,
        })
    }

    fn media_type(&self) -> String {
        format!("application/vnd.netbackup+json;version={}", self.version)
    }

    async fn ask(&self, method: Method, path: &str, accept: &str, body: Option<String>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.simulator.base_url()));
        request = request.header("accept", accept).header("authorization", Options::default().api_key);
        if let Some(body) = body {
            request = request.header("content-type", self.media_type()).body(body);
        }
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            media_type: response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned(),
            body: response.text().await.unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &self.media_type(), None).await
    }

    /// The schema of an answer; an undocumented error has the common error body.
    fn schema(&self, method: &str, template: &str, status: u16) -> Validator {
        let document = if template.starts_with("/storage") { &self.storage } else { &self.description };
        let responses = &document["paths"][template][method]["responses"];
        let mut response = &responses[status.to_string()];
        if let Some(reference) = response["$ref"].as_str() {
            response = document.pointer(reference.trim_start_matches('#')).unwrap();
        }
        let content = response["content"].as_object().and_then(|content| content.values().next());
        let schema = match content {
            Some(content) => content["schema"].clone(),
            None => {
                assert!(status > 299, "{template} is not described");
                json!({"$ref": "#/components/schemas/errorResponse"})
            }
        };
        let whole = json!({"allOf": [schema], "components": document["components"]});
        jsonschema::options().with_draft(Draft::Draft4).should_validate_formats(true).build(&whole).unwrap()
    }

    /// Fails unless the answer has this status and validates; answers its body.
    fn check(&self, method: &str, template: &str, status: u16, answer: &Answer) -> Value {
        assert_eq!(answer.status, status, "{method} {template}: {}", answer.body);
        let body = if answer.media_type.starts_with("text/") {
            Value::from(answer.body.clone())
        } else {
            assert_eq!(answer.media_type, self.media_type(), "{method} {template}");
            serde_json::from_str(&answer.body).unwrap()
        };
        let schema = self.schema(method, template, status);
        let errors: Vec<String> =
            schema.iter_errors(&body).take(5).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(errors.is_empty(), "{} {method} {template} {status}: {errors:#?}", self.version);
        body
    }

    /// Every row of the jobs list, each page validated.
    async fn jobs(&self, query: &str) -> Vec<Value> {
        let (mut rows, mut after) = (Vec::new(), String::new());
        loop {
            let answer = self.get(&format!("/admin/jobs?page%5Blimit%5D=100{query}{after}")).await;
            let body = self.check("get", "/admin/jobs", 200, &answer);
            rows.extend(body["data"].as_array().unwrap().clone());
            let Some(next) = body["meta"]["pagination"]["next"].as_str() else { return rows };
            after = format!("&page%5Bafter%5D={}", encoded(next));
        }
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The list under an extra key of one parameter, such as `x-filter` of `filter`.
fn extra<'a>(parameters: &'a Value, name: &str, key: &str) -> &'a Vec<Value> {
    let parameter = parameters.as_array().unwrap().iter().find(|parameter| parameter["name"] == name).unwrap();
    parameter[key].as_array().unwrap()
}

#[tokio::test]
async fn every_answer_validates() {
    for (release, storage) in RELEASES {
        let options = Options { jobs: 300, jobs_per_minute: 300.0, storage_units: 40, ..Options::default() };
        let Some(published) = Published::start(release, storage, options).await else { return };
        let control = published.simulator.control();
        control.freeze(true);

        let ping = published.ask(Method::GET, "/ping", "text/plain", None).await;
        published.check("get", "/ping", 200, &ping);
        published.check("get", "/ping", 406, &published.get("/ping").await);
        for path in ["/security/serverinfo", "/security/servertime"] {
            published.check("get", path, 200, &published.get(path).await);
        }

        let rows = published.jobs("&sort=jobId").await;
        assert_eq!(rows.len(), control.truth().jobs.len());
        let states: BTreeSet<&str> = rows.iter().filter_map(|row| row["attributes"]["state"].as_str()).collect();
        assert!(states.len() >= 5, "too few states to prove anything: {states:?}");
        let declared = &published.description["components"]["schemas"]["jobResource"]["properties"]["attributes"];
        let declared: BTreeSet<&String> = declared["properties"].as_object().unwrap().keys().collect();
        let shown: BTreeSet<&String> =
            rows.iter().flat_map(|row| row["attributes"].as_object().unwrap().keys()).collect();
        let missing: Vec<_> = declared.difference(&shown).collect();
        assert!(missing.is_empty(), "{release}: no row has {missing:?}");
        control.set_epoch_ends(true);
        published.jobs(&format!("&filter={}", encoded("state ne 'DONE'"))).await;

        let job = "/admin/jobs/{jobId}";
        let id = rows[0]["id"].as_str().unwrap();
        published.check("get", job, 200, &published.get(&format!("/admin/jobs/{id}")).await);
        published.check("get", job, 404, &published.get("/admin/jobs/1").await);
        published.check("get", "/admin/jobs", 400, &published.get("/admin/jobs?page%5Blimit%5D=101").await);
        let delete = published.ask(Method::DELETE, "/admin/jobs", &published.media_type(), None).await;
        published.check("get", "/admin/jobs", 405, &delete);
        // The answer to an Accept that is not spoken is in the newest version that is.
        let refused = published.ask(Method::GET, "/admin/jobs", "application/json", None).await;
        published.check("get", "/admin/jobs", 406, &refused);

        for (filter, status) in [("state eq 'DONE'", 200), ("lastUpdateTime ge 2025-01-01T00:00:00Z", 400)] {
            let body = json!({"data": {"type": "jobCount", "attributes": {"filter": filter}}}).to_string();
            let path = "/admin/jobs-count-requests";
            let answer = published.ask(Method::POST, path, &published.media_type(), Some(body)).await;
            published.check("post", path, status, &answer);
        }

        let units = published.get("/storage/storage-units?page%5Blimit%5D=15&page%5Boffset%5D=15").await;
        let units = published.check("get", "/storage/storage-units", 200, &units);
        assert_eq!(units["data"].as_array().unwrap().len(), 15);
        control.set_rbac(vec!["/".to_owned()]);
        for path in ["/admin/jobs", "/storage/storage-units"] {
            published.check("get", path, 401, &published.get(path).await);
        }
        control.set_rbac(Vec::new());
        control.set_silent_empty_jobs(true);
        assert!(published.jobs("").await.is_empty());

        let account = Account { user_name: "svc".into(), password: "right".into(), ..Account::default() };
        control.set_account(Some(account));
        for (body, status) in [
            (json!({"userName": "svc", "password": "right", "domainType": "vx", "domainName": "x"}), 201),
            (json!({"userName": "svc", "password": "wrong"}), 401),
            (json!({"userName": "svc"}), 400),
            (json!({"userName": "svc", "password": "right", "domainType": "nis"}), 400),
        ] {
            let answer = published.ask(Method::POST, "/login", &published.media_type(), Some(body.to_string())).await;
            published.check("post", "/login", status, &answer);
        }
        assert_eq!(control.open_sessions(), 1);
        let out = published.ask(Method::POST, "/logout", &published.media_type(), None).await;
        assert_eq!((out.status, out.body.as_str()), (200, ""), "published without a body");
        control.set_api_key("another".into());
        let out = published.ask(Method::POST, "/logout", &published.media_type(), None).await;
        published.check("post", "/logout", 401, &out);
    }
}

/// The descriptions that are looked into for an endpoint of a release: not every one of them has every file.
const NEIGHBOURS: [(Release, [&str; 3]); 4] = [
    (Release::R10_3, ["10.3", "10.3", "10.3"]),
    (Release::R10_5, ["10.5", "10.5", "10.5"]),
    (Release::R11_0, ["11.0", "10.5", "11.2"]),
    (Release::R11_2, ["11.2", "11.0", "10.5"]),
];

#[tokio::test]
async fn every_further_list_validates_page_by_page() {
    for (release, neighbours) in NEIGHBOURS {
        let Some(published) = Published::start(release, "11.0", Options::default()).await else { return };
        let descriptions: Vec<Value> = neighbours.iter().filter_map(|name| description(name)).collect();
        let mut checked = 0;
        let endpoints =
            collector::ALL.into_iter().flat_map(|about| about.endpoints).map(|endpoint| endpoint.template());
        for template in endpoints.filter(|path| !path.contains('{') && !path.starts_with("/admin")) {
            let of = descriptions.iter().find_map(|whole| Some((whole, whole["paths"].get(template)?)));
            let first = published.get(template).await;
            let Some((whole, path)) = of else {
                // Nothing is published about the certificates of the CA.
                let expected = if template == "/security/cacert" { 200 } else { 404 };
                assert_eq!(first.status, expected, "{release} {template}");
                continue;
            };
            let schema =
                path["get"]["responses"]["200"]["content"].as_object().unwrap().values().next().unwrap()["schema"]
                    .clone();
            let schema = json!({"allOf": [schema], "components": whole["components"]});
            let schema = jsonschema::options().with_draft(Draft::Draft4).should_validate_formats(true).build(&schema);
            let schema = schema.unwrap();
            let mut position = String::new();
            for page in 0..3 {
                let answer = published.get(&format!("{template}{position}")).await;
                assert_eq!(answer.status, 200, "{release} {template}{position}: {}", answer.body);
                let body: Value = serde_json::from_str(&answer.body).unwrap();
                let wrong: Vec<String> = schema
                    .iter_errors(&body)
                    .take(3)
                    .map(|error| format!("{error} at {}", error.instance_path()))
                    .collect();
                assert!(wrong.is_empty(), "{release} {template} page {page}: {wrong:#?}");
                checked += 1;
                position = match &body["meta"]["pagination"]["next"] {
                    Value::String(cursor) => format!("?page%5Bafter%5D={}", encoded(cursor)),
                    Value::Number(offset) => format!("?page%5Boffset%5D={offset}"),
                    _ => break,
                };
            }
        }
        assert!(checked > 30, "{release}: only {checked} pages");
    }
}

#[tokio::test]
async fn the_check_itself_can_fail() {
    let Some(published) = Published::start(Release::R11_2, "11.0", Options::default()).await else { return };
    let control = published.simulator.control();
    control.upsert_raw_job(json!({"jobId": 5, "state": "NO_SUCH_STATE", "startTime": "2100-01-01T00:00:00.000Z"}));
    let schema = published.schema("get", "/admin/jobs", 200);
    let body: Value = serde_json::from_str(&published.get("/admin/jobs").await.body).unwrap();
    assert!(!schema.is_valid(&body));
    control.remove_job(5);
    let body: Value = serde_json::from_str(&published.get("/admin/jobs").await.body).unwrap();
    assert!(schema.is_valid(&body));
    control.set_fault(None, Some(Fault::NotJson));
    assert!(serde_json::from_str::<Value>(&published.get("/admin/jobs").await.body).is_err());
}

#[tokio::test]
async fn every_published_filter_and_sort_is_served() {
    for (release, storage) in RELEASES {
        let options = Options { jobs: 20, ..Options::default() };
        let Some(published) = Published::start(release, storage, options).await else { return };
        let parameters = &published.description["paths"]["/admin/jobs"]["get"]["parameters"];
        let mut asked = 0;
        for attribute in extra(parameters, "filter", "x-filter") {
            for operator in attribute["operators"].as_array().unwrap() {
                let filter = comparison(attribute, operator.as_str().unwrap());
                let answer = published.get(&format!("/admin/jobs?page%5Blimit%5D=1&filter={}", encoded(&filter))).await;
                assert_eq!(answer.status, 200, "{release} {filter}: {}", answer.body);
                asked += 1;
            }
        }
        for name in extra(parameters, "sort", "x-sort") {
            let name = name.as_str().unwrap();
            let answer = published.get(&format!("/admin/jobs?page%5Blimit%5D=1&sort=-{name}")).await;
            assert_eq!(answer.status, 200, "{release} {name}: {}", answer.body);
            asked += 1;
        }
        assert!(asked > 250, "{asked}");
    }
}

/// A filter with a literal of the right form.
fn comparison(attribute: &Value, operator: &str) -> String {
    let name = attribute["name"].as_str().unwrap();
    let first = attribute["values"].as_array().and_then(|values| values[0].as_str());
    let literal = match (attribute["type"].as_str().unwrap(), first) {
        // Numbers are published as `1(VMWARE)`.
        ("integer", Some(value)) => value.split('(').next().unwrap().to_owned(),
        (_, Some(value)) => format!("'{value}'"),
        ("integer" | "big integer", None) => "5".to_owned(),
        ("float", None) => "0.5".to_owned(),
        ("date-time", None) => "2025-11-26T22:00:00.000Z".to_owned(),
        ("duration", None) => "PT5M".to_owned(),
        _ => "'x'".to_owned(),
    };
    if matches!(operator, "contains" | "startswith" | "endswith") {
        format!("{operator}({name},{literal})")
    } else {
        format!("{name} {operator} {literal}")
    }
}
