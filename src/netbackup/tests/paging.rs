//! The six paging shapes, each read by its own type.

use crate::netbackup::jobs::JobRow;
use crate::netbackup::paging::{
    BareOffset, Cursor, FullOffset, MetaOffset, NestedCursor, Shape, ShortOffset, UncappedOffset,
};
use crate::netbackup::query::Target;
use crate::netbackup::wire::list;

/// Reads `body` as a page of shape `S` at `current` that was asked for with `limit`.
fn next<S: Shape>(body: &str, current: Option<S::Position>, limit: u16) -> Result<Option<S::Position>, &'static str> {
    let (page, pagination) = list::<JobRow<'_>>(body).unwrap();
    let rows = page.rows.len() + usize::try_from(page.rejected).unwrap();
    S::next(pagination.as_ref(), current.as_ref(), rows, limit)
}

fn offset_bodies<S: Shape<Position = u64>>(more: &str, end: &str) {
    assert_eq!(next::<S>(more, None, 100), Ok(Some(100)));
    assert_eq!(next::<S>(end, Some(100), 100), Ok(None));
    for (end, what) in [("null", "null"), ("\"\"", "empty")] {
        let body = format!(r#"{{"data": [], "meta": {{"pagination": {{"next": {end}}}}}}}"#);
        assert_eq!(next::<S>(&body, None, 100), Ok(None), "{what}");
    }
    for (bad, what) in [
        (r#"{"data": []}"#, "nothing about paging"),
        (r#"{"data": [], "meta": {}}"#, "no pagination"),
        (r#"{"data": [], "meta": {"pagination": 5}}"#, "pagination is no object"),
        (r#"{"data": [], "meta": {"pagination": {"next": "MTAw"}}}"#, "a cursor"),
        (r#"{"data": [], "meta": {"pagination": {"next": -100}}}"#, "negative"),
        (r#"{"data": [], "meta": {"pagination": {"next": 0}}}"#, "the same page"),
        (r#"{"data": [], "meta": {"pagination": {"next": {}}}}"#, "an object"),
    ] {
        assert!(next::<S>(bad, None, 100).is_err(), "{what}");
    }
    assert!(next::<S>(more, Some(100), 100).is_err(), "leads to the page that was just read");
    assert!(next::<S>(more, Some(500), 100).is_err(), "leads back");
}

#[test]
fn shape_a_follows_offsets() {
    offset_bodies::<FullOffset>(
        r#"{"data": [{}], "links": {"next": {"href": "https://elsewhere.example/x"}}, "meta": {"pagination":
            {"count": 150, "pages": 2, "page": 0, "offset": 0, "limit": 100, "first": 0, "last": 100, "next": 100}}}"#,
        r#"{"data": [{}], "links": {}, "meta": {"pagination":
            {"count": 150, "pages": 2, "page": 1, "offset": 100, "limit": 100, "first": 0, "last": 100, "prev": 0}}}"#,
    );
}

#[test]
fn shape_b_follows_offsets() {
    offset_bodies::<ShortOffset>(
        r#"{"data": [{}], "links": {}, "meta": {"pagination": {"count": 150, "offset": 0, "limit": 100, "first": 0, "last": 100, "next": 100}}}"#,
        r#"{"data": [{}], "links": {}, "meta": {"pagination": {"count": 1, "offset": 0, "limit": 100, "first": 0, "last": 0}}}"#,
    );
}

#[test]
fn shape_c_follows_offsets() {
    offset_bodies::<MetaOffset>(
        r#"{"data": [{}], "meta": {"pagination": {"count": 150, "offset": 0, "limit": 100, "first": 0, "last": 100, "next": 100.0}}}"#,
        r#"{"data": [{}], "meta": {"pagination": {"count": 1, "offset": 0, "limit": 100, "first": 0, "last": 0}}}"#,
    );
}

#[test]
fn shape_d_ends_with_a_short_page() {
    let full = r#"{"data": [{"type": "pausedClient"}, {}]}"#;
    assert_eq!(next::<BareOffset>(full, None, 2), Ok(Some(2)));
    assert_eq!(next::<BareOffset>(full, Some(2), 2), Ok(Some(4)));
    assert_eq!(next::<BareOffset>(full, None, 3), Ok(None));
    assert_eq!(next::<BareOffset>(full, Some(u64::MAX), 2), Err("the offset is out of range"));
    assert_eq!(next::<BareOffset>(r#"{"data": []}"#, Some(2), 0), Ok(None), "an empty page is the last, whatever");
    assert_eq!(next::<UncappedOffset>(full, Some(2), 100), Ok(Some(4)), "it may be capped");
    assert_eq!(next::<UncappedOffset>(r#"{"data": []}"#, Some(4), 100), Ok(None));
}

fn cursor_bodies<S: Shape<Position = String>>(more: &str, end: &str, cursor: &str) {
    assert_eq!(next::<S>(more, None, 100), Ok(Some(cursor.to_owned())));
    assert_eq!(next::<S>(end, Some("x".to_owned()), 100), Ok(None));
    for end in ["null", "\"\""] {
        let body = format!(r#"{{"data": [], "meta": {{"pagination": {{"limit": 100, "next": {end}}}}}}}"#);
        assert_eq!(next::<S>(&body, None, 100), Ok(None), "{end}");
    }
    let long = format!(r#"{{"data": [], "meta": {{"pagination": {{"next": "{}"}}}}}}"#, "x".repeat(5000));
    for bad in [
        r#"{"data": []}"#,
        r#"{"data": [], "meta": {"pagination": null}}"#,
        r#"{"data": [], "meta": {"pagination": {"next": 100}}}"#,
        r#"{"data": [], "meta": {"pagination": {"next": ["a"]}}}"#,
        &long,
    ] {
        assert!(next::<S>(bad, None, 100).is_err(), "{bad}");
    }
}

#[test]
fn shape_e_follows_cursors() {
    cursor_bodies::<Cursor>(
        r#"{"data": [{}], "links": {"next": {"href": "https://elsewhere.example/admin/jobs?page%5Bafter%5D=other"}},
            "meta": {"pagination": {"limit": 100, "next": "MTc2NDE5NTA1MDQwNyw4MTI2OTc"}}}"#,
        r#"{"data": [{}], "links": {}, "meta": {"pagination": {"limit": 100, "prev": "MTc2"}}}"#,
        "MTc2NDE5NTA1MDQwNyw4MTI2OTc",
    );
}

#[test]
fn shape_f_follows_cursors() {
    cursor_bodies::<NestedCursor>(
        r#"{"data": [{}], "meta": {"pagination": {"limit": 100, "next": "QUJDMDAx"}},
            "links": {"pagination": {"next": {"href": "/storage/tape-media?page%5Bafter%5D=QUJDMDAx"}}}}"#,
        r#"{"data": [{}], "meta": {"pagination": {"limit": 100}}, "links": {"pagination": {}}}"#,
        "QUJDMDAx",
    );
}

#[test]
fn positions_are_asked_for_by_their_own_parameter() {
    let mut target = Target::new("/x", &[]);
    FullOffset::push(&200, &mut target);
    Cursor::push(&"a+b/c= ".to_owned(), &mut target);
    assert_eq!(target.below(""), "/x?page%5Boffset%5D=200&page%5Bafter%5D=a%2Bb%2Fc%3D%20");
}
