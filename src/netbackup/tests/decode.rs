//! Records and pages as they are read: tolerant of attributes, strict about pages.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::netbackup::jobs::{JobRow, queue_reason_name};
use crate::netbackup::storage_units::StorageUnitRow;
use crate::netbackup::wire::{Page, list, single};

fn jobs(body: &str) -> Page<JobRow<'_>> {
    list(body).unwrap().0
}

fn units(body: &str) -> Page<StorageUnitRow<'_>> {
    list(body).unwrap().0
}

const PUBLISHED_JOB: &str = r#"{"data": [{"type": "job", "id": "812697", "links": {"self": {"href": "/admin/jobs/812697"}},
 "meta": {"page": {"cursor": "MTc2NDE5NTA1MDQwNyw4MTI2OTc"}}, "attributes": {"jobId": 812697, "parentJobId": 812690,
 "jobPath": "812690.812697", "childCount": 0, "jobType": "BACKUP", "jobSubType": "SCHEDULED", "policyType": "VMWARE",
 "policyName": "vm-gold", "scheduleType": "DIFFERENTIAL_INCREMENTAL_BACKUP", "scheduleName": "daily",
 "clientName": "nbumedia01.example.com", "state": "DONE", "status": 0, "try": 1, "percentComplete": 100,
 "kilobytesTransferred": 52428800, "kilobytesDataTransferred": 3145728, "numberOfFiles": 42, "dedupRatio": 94.0,
 "jobQueueReason": 0, "startTime": "2025-11-26T22:00:04.000Z", "endTime": "2025-11-26T22:10:50.000Z",
 "lastUpdateTime": "2025-11-26T22:10:50.407Z", "elapsedTime": "PT10M46S"}}], "links": {},
 "meta": {"pagination": {"limit": 100, "next": "MTc2NDE5NTA1MDQwNyw4MTI2OTc"}}}"#;

#[test]
fn the_published_job_is_read_whole_and_borrowed() {
    let page = jobs(PUBLISHED_JOB);
    assert_eq!((page.rejected, page.first_rejection.as_deref()), (0, None));
    assert_eq!(
        page.rows,
        [JobRow {
            id: 812_697,
            state: "DONE".into(),
            job_type: "BACKUP".into(),
            policy_type: "VMWARE".into(),
            policy_name: "vm-gold".into(),
            client_name: "nbumedia01.example.com".into(),
            status: Some(0),
            start_ms: Some(1_764_194_404_000),
            end_ms: Some(1_764_195_050_000),
            last_update_ms: Some(1_764_195_050_407),
            queue_reason: Some(0),
            kilobytes_transferred: Some(52_428_800),
            kilobytes_data_transferred: Some(3_145_728),
            files: Some(42),
            dedup_ratio: Some(94_000),
            child_count: Some(0),
            parent_id: Some(812_690),
            r#try: Some(1),
        }]
    );
    assert!(matches!(page.rows[0].client_name, Cow::Borrowed(_)));
}

#[test]
fn the_published_single_job_is_read() {
    let body = r#"{"data": {"type": "job", "id": "812703", "attributes": {"jobId": 812703, "parentJobId": 0,
        "jobType": "BACKUP", "state": "QUEUED", "jobQueueReason": 5, "try": 0, "startTime": "2025-11-26T22:15:00.000Z"}}}"#;
    let job: JobRow<'_> = single(body).unwrap();
    assert_eq!((job.id, job.queue_reason, job.parent_id, job.status), (812_703, Some(5), None, None));
    assert_eq!(job.policy_type, "");
    for bad in [r#"{"data":[]}"#, "{}", r#"{"data":{}}"#, r#"{"data":{"attributes":{"jobId":1}}}"#] {
        assert!(single::<JobRow<'_>>(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_odd_attribute_is_absent_and_an_odd_row_is_left_out() {
    let body = r#"{"data": [
        {"attributes": {"jobId": 1, "state": "ACTIVE", "status": "0", "numberOfFiles": -5, "try": 1e99, "policyName": 7,
            "kilobytesTransferred": 1e400, "clientName": "\ud800", "startTime": "1970-01-01T00:00:00.000Z", "childCount": 2.0}},
        {"attributes": {"jobId": "2", "state": "ACTIVE"}},
        {"attributes": {"jobId": 0, "state": "ACTIVE"}},
        {"attributes": {"jobId": 3}},
        {"attributes": {"jobId": 4, "state": ""}},
        {"attributes": []}, {}, null, 5, "x", [1, {"a": 2}],
        {"attributes": {"jobId": 9.0, "state": "NEW_STATE", "policyName": "a\"b\u00e9\\c", "jobId": 10}}
        ], "meta": {}, "data2": 1e400}"#;
    let page = jobs(body);
    assert_eq!(page.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 10], "the last of two keys counts");
    assert_eq!(page.rejected, 10);
    assert_eq!(page.first_rejection.as_deref(), Some("row 2 of the page: its jobId is no whole number above 0"));
    let odd = &page.rows[0];
    assert_eq!(
        (odd.status, odd.files, odd.r#try, odd.kilobytes_transferred, odd.start_ms),
        (None, None, None, None, None)
    );
    assert_eq!((odd.policy_name.as_ref(), odd.client_name.as_ref(), odd.child_count), ("", "", Some(2)));
    assert_eq!((page.rows[1].state.as_ref(), page.rows[1].policy_name.as_ref()), ("NEW_STATE", "a\"bé\\c"));
}

#[test]
fn the_published_storage_unit_is_read_whole() {
    let body = r#"{"data": [{"type": "storageUnit", "id": "stu-msdp-01", "attributes": {"name": "stu-msdp-01",
        "storageType": "DISK", "storageSubType": "DiskPool", "storageServerType": "PureDisk", "storageCategory": "MSDP",
        "replicationCapable": true, "instantAccessEnabled": true, "isCloudSTU": false, "totalCapacityBytes": 47688433522688,
        "usedCapacityBytes": 3068779085824, "freeCapacityBytes": 44619654436864, "maxFragmentSizeMegabytes": 51200,
        "maxConcurrentJobs": 8, "wormCapable": false, "useWorm": false},
        "relationships": {"diskPool": {"links": {}, "data": {"type": "diskPool", "id": "PureDisk:dp-msdp-01"}}}}],
        "meta": {"pagination": {"count": 1}}}"#;
    assert_eq!(
        units(body).rows,
        [StorageUnitRow {
            name: "stu-msdp-01".into(),
            category: "MSDP".into(),
            storage_type: Some("DISK".into()),
            subtype: Some("DiskPool".into()),
            server_type: Some("PureDisk".into()),
            disk_pool: Some("PureDisk:dp-msdp-01".into()),
            total_bytes: Some(47_688_433_522_688),
            used_bytes: Some(3_068_779_085_824),
            free_bytes: Some(44_619_654_436_864),
            max_concurrent_jobs: Some(8),
            max_concurrent_drives: None,
            max_fragment_size_megabytes: Some(51_200),
            is_cloud: Some(false),
            worm_capable: Some(false),
            use_worm: Some(false),
            replication_capable: Some(true),
            instant_access: Some(true),
        }]
    );
}

#[test]
fn capacity_that_is_not_reported_is_absent() {
    let body = r#"{"data": [
        {"attributes": {"name": "cloud", "totalCapacityBytes": 9223372036854775807, "usedCapacityBytes": 9.223372036854775807e18,
            "freeCapacityBytes": -1}, "relationships": {"diskPool": {"data": null}}},
        {"attributes": {"name": "almost", "totalCapacityBytes": 9223372036854775806, "usedCapacityBytes": 0},
            "relationships": {"diskPool": {"data": {"id": 7}}}},
        {"attributes": {"name": "bare"}, "relationships": []},
        {"attributes": {"name": ""}}, {"attributes": {"name": null}}]}"#;
    let page = units(body);
    assert_eq!(page.rejected, 2);
    let capacities: Vec<_> =
        page.rows.iter().map(|unit| (unit.total_bytes, unit.used_bytes, unit.free_bytes)).collect();
    assert_eq!(capacities, [(None, None, None), (Some(9_223_372_036_854_775_806), Some(0), None), (None, None, None)]);
    assert!(page.rows.iter().all(|unit| unit.disk_pool.is_none()));
}

#[test]
fn a_bad_body_fails_in_words_without_its_content() {
    for (body, words) in [
        ("", "the body is empty"),
        ("  \n", "the body is empty"),
        ("[]", "the body is JSON, but no object"),
        ("\"S3CRET\"", "the body is JSON, but no object"),
        ("{}", "the body has no data array"),
        (r#"{"data": {"attributes": {}}}"#, "the body has no data array"),
        (r#"{"data": null}"#, "the body has no data array"),
        (r#"{"errorCode": 1, "errorMessage": "S3CRET"}"#, "the body has no data array"),
        (r#"{"data": [{"attri"#, "the body ends in the middle of JSON, after 17 bytes"),
        ("<html>S3CRET</html>", "the body is not JSON at line 1 column 1"),
        (r#"{"data": []} x"#, "the body is not JSON at line 1 column 14"),
    ] {
        assert_eq!(list::<JobRow<'_>>(body).unwrap_err(), words, "{body}");
    }
}

#[test]
fn queue_reasons_have_names() {
    for (code, name) in
        [(0, "NONE"), (2, "DRIVES_IN_USE"), (16, "JOB_HISTORY_DRIVES_IN_USE"), (31, "MEDIA_SERVER_JOBS_THROTTLED")]
    {
        assert_eq!(queue_reason_name(code), name);
    }
    assert_eq!(queue_reason_name(32), "CODE_32");
    assert_eq!(queue_reason_name(-99), "CODE_-99");
    assert_eq!(queue_reason_name(i64::MIN), "CODE_-9223372036854775808");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::from("2025-11-26T22:00:00Z")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const JOB_KEYS: [&str; 17] = [
    "jobId",
    "state",
    "jobType",
    "policyType",
    "policyName",
    "clientName",
    "status",
    "startTime",
    "endTime",
    "lastUpdateTime",
    "jobQueueReason",
    "kilobytesTransferred",
    "kilobytesDataTransferred",
    "numberOfFiles",
    "childCount",
    "parentJobId",
    "try",
];
const UNIT_KEYS: [&str; 8] = [
    "name",
    "storageCategory",
    "totalCapacityBytes",
    "usedCapacityBytes",
    "freeCapacityBytes",
    "maxConcurrentJobs",
    "isCloudSTU",
    "useWorm",
];

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = list::<JobRow<'_>>(text);
            let _ = single::<StorageUnitRow<'_>>(text);
        }
    }

    #[test]
    fn a_damaged_page_never_panics(at in 0usize..2000, byte in 0x20u8..0x7f) {
        let mut body = PUBLISHED_JOB.as_bytes().to_vec();
        let at = at % body.len();
        body[at] = byte;
        let body = String::from_utf8(body).unwrap();
        let _ = list::<JobRow<'_>>(&body);
        let _ = list::<JobRow<'_>>(&PUBLISHED_JOB[..at]);
    }

    #[test]
    fn arbitrary_values_in_attributes_never_spoil_the_page(
        values in prop::collection::vec(any_json(), JOB_KEYS.len()),
        relationships in any_json(),
        row in any_json(),
    ) {
        let job: serde_json::Map<_, _> = JOB_KEYS.iter().map(|key| (*key).to_owned()).zip(values.clone()).collect();
        let unit: serde_json::Map<_, _> = UNIT_KEYS.iter().map(|key| (*key).to_owned()).zip(values).collect();
        let good = json!({"attributes": {"jobId": 5, "state": "DONE", "name": "good"}});
        let body = json!({"data": [
            {"attributes": job}, row, {"attributes": unit, "relationships": relationships}, good,
        ]}).to_string();
        let page = jobs(&body);
        prop_assert_eq!(page.rows.len() as u64 + page.rejected, 4);
        prop_assert_eq!(page.rows.last().map(|row| row.id), Some(5));
        let page = units(&body);
        prop_assert_eq!(page.rows.len() as u64 + page.rejected, 4);
        prop_assert!(page.rows.iter().any(|row| row.name == "good"));
    }
}
