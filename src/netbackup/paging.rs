//! The six ways in which lists are paged, kept apart by type: an offset is not a cursor, and a list without paging
//! members is not one that forgot them. An endpoint names its shape, so a walk cannot use another.
//!
//! The next page is always rebuilt from `meta.pagination.next`; links of an answer are never followed, because the key
//! would go to a host that a body names.

use super::query::Target;
use super::wire::Pagination;

/// Longer than any cursor that fits into a URL.
const LONGEST_CURSOR: usize = 4 * 1024;

/// Why there is no way on from a page: words without content.
pub(crate) type Lost = &'static str;

/// One way of paging.
pub(crate) trait Shape {
    /// Whether the list is read in pages at all.
    const PAGED: bool = true;

    /// Where a page starts; the first page has none.
    type Position: std::hash::Hash + Send + Sync;

    /// Adds the parameter that asks for the page at `position`.
    fn push(position: &Self::Position, target: &mut Target);

    /// Where the page after this one starts; `None`: this was the last. `rows` counts every row of this page, `limit`
    /// is what was asked for.
    fn next(
        pagination: Option<&Pagination<'_>>,
        current: Option<&Self::Position>,
        rows: usize,
        limit: u16,
    ) -> Result<Option<Self::Position>, Lost>;
}

/// A: offset; `meta.pagination` with every number, and links.
pub enum FullOffset {}
/// B: offset; as A without `pages` and `page`.
pub enum ShortOffset {}
/// C: offset; as A or B without links.
pub enum MetaOffset {}
/// D: offset; nothing is said, a page shorter than asked for is the last.
pub enum BareOffset {}
/// D where no largest page is published: a primary may cap pages below what is asked for, so only an empty page is the end.
pub enum UncappedOffset {}
/// E: opaque cursor in `meta.pagination`, links beside it.
pub enum Cursor {}
/// F: as E, with the links nested in `links.pagination`.
pub enum NestedCursor {}
/// The whole list in one answer, whatever its length.
pub enum Whole {}

fn push_offset(offset: u64, target: &mut Target) {
    target.push("page[offset]", &offset.to_string());
}

fn next_offset(pagination: Option<&Pagination<'_>>, current: Option<&u64>) -> Result<Option<u64>, Lost> {
    let pagination = pagination.ok_or("the body has no meta.pagination")?;
    let Some(next) = pagination.way_on() else { return Ok(None) };
    let next = next.count().ok_or("meta.pagination.next is no offset")?;
    if next <= current.copied().unwrap_or(0) {
        return Err("meta.pagination.next leads back");
    }
    Ok(Some(next))
}

fn next_cursor(pagination: Option<&Pagination<'_>>) -> Result<Option<String>, Lost> {
    let pagination = pagination.ok_or("the body has no meta.pagination")?;
    let Some(next) = pagination.way_on() else { return Ok(None) };
    let next = next.text().ok_or("meta.pagination.next is no cursor")?;
    if next.len() > LONGEST_CURSOR {
        return Err("meta.pagination.next is longer than a URL may be");
    }
    Ok(Some(next.into_owned()))
}

macro_rules! offset_shape {
    ($shape:ty) => {
        impl Shape for $shape {
            type Position = u64;

            fn push(position: &u64, target: &mut Target) {
                push_offset(*position, target);
            }

            fn next(
                pagination: Option<&Pagination<'_>>,
                current: Option<&u64>,
                _: usize,
                _: u16,
            ) -> Result<Option<u64>, Lost> {
                next_offset(pagination, current)
            }
        }
    };
}
offset_shape!(FullOffset);
offset_shape!(ShortOffset);
offset_shape!(MetaOffset);

impl Shape for BareOffset {
    type Position = u64;

    fn push(position: &u64, target: &mut Target) {
        push_offset(*position, target);
    }

    fn next(_: Option<&Pagination<'_>>, current: Option<&u64>, rows: usize, limit: u16) -> Result<Option<u64>, Lost> {
        if rows < usize::from(limit.max(1)) {
            return Ok(None);
        }
        // A primary that sends more rows than asked for is followed by what it sent.
        let rows = u64::try_from(rows).map_err(|_| "the page has more rows than can be counted")?;
        current.copied().unwrap_or(0).checked_add(rows).map(Some).ok_or("the offset is out of range")
    }
}

impl Shape for UncappedOffset {
    type Position = u64;

    fn push(position: &u64, target: &mut Target) {
        push_offset(*position, target);
    }

    fn next(
        pagination: Option<&Pagination<'_>>,
        current: Option<&u64>,
        rows: usize,
        _: u16,
    ) -> Result<Option<u64>, Lost> {
        // As long as there are rows, the page was as full as it can be.
        BareOffset::next(pagination, current, rows, 1)
    }
}

macro_rules! cursor_shape {
    ($shape:ty) => {
        impl Shape for $shape {
            type Position = String;

            fn push(position: &String, target: &mut Target) {
                target.push("page[after]", position);
            }

            fn next(
                pagination: Option<&Pagination<'_>>,
                _: Option<&String>,
                _: usize,
                _: u16,
            ) -> Result<Option<String>, Lost> {
                next_cursor(pagination)
            }
        }
    };
}
cursor_shape!(Cursor);
cursor_shape!(NestedCursor);

impl Shape for Whole {
    const PAGED: bool = false;
    type Position = ();

    fn push((): &(), _: &mut Target) {}

    fn next(_: Option<&Pagination<'_>>, _: Option<&()>, _: usize, _: u16) -> Result<Option<()>, Lost> {
        Ok(None)
    }
}
