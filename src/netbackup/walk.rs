//! Reading a list page by page, with guards against one that never ends.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use super::client::{Ask, Client};
use super::endpoint::Endpoint;
use super::error::Error;
use super::paging::{Lost, Shape};
use super::query::Target;
use super::record::Entry;
use super::wire::{self, Page, Pagination, Row};
use crate::reason::Reason;

/// A list of the API: endpoint, paging shape and row belong together.
pub(crate) trait List: 'static {
    type Shape: Shape;
    type Row<'a>: Entry<'a>;
    const ENDPOINT: Endpoint;
    /// The documented maximum of `page[limit]`.
    const LARGEST_PAGE: u16;
    /// More pages than this make no sense.
    const MOST_PAGES: u64;
}

/// A list whose rows have a type of their own, which is read in one go: for those that are long and read often.
pub(crate) trait TypedList: 'static {
    type Shape: Shape;
    type Row<'a>: Row<'a>;
    /// As of [`List`].
    const FACTS: Facts;
}

/// What never changes about a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) endpoint: Endpoint,
    pub(crate) largest_page: u16,
    pub(crate) most_pages: u64,
}

/// From here on pages must hold a twentieth of what they may hold, on average.
const MANY_PAGES: u64 = 300;

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walk {
    /// Pages read.
    pub pages: u64,
    /// Rows handed to the visitor.
    pub rows: u64,
    /// Rows left out.
    pub rejected: u64,
    /// Whether the primary had a further page that was not asked for.
    pub more: bool,
}

/// What is asked for on every page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing<'a> {
    pub(crate) filter: Option<&'a str>,
    pub(crate) sort: Option<&'a str>,
    pub(crate) limit: u16,
    /// Stop here even when there is more; `None`: read to the end.
    pub(crate) stop_after: Option<u64>,
}

impl Listing<'_> {
    /// The whole list in the primary's own order, in pages as large as may be.
    pub(crate) const ALL: Listing<'static> = Listing { filter: None, sort: None, limit: u16::MAX, stop_after: None };
}

/// Takes each page as it comes; what it borrows is gone afterwards.
pub(crate) type Visit<'v, L> = dyn FnMut(Page<<L as TypedList>::Row<'_>>) + Send + 'v;

/// Reads the text of a page: tells what it says of paging and how many rows it has, and hands the rows on only if that
/// is accepted, for a page whose way on is broken is a bad answer as a whole. Returns rows and rows left out.
type ReadPage<'r> = dyn FnMut(&str, &mut Accept<'_>) -> Result<(u64, u64), String> + Send + 'r;
type Accept<'g> = dyn FnMut(Option<&Pagination<'_>>, usize) -> Result<(), Lost> + 'g;

/// Reads a list of rows that have a type of their own.
pub(crate) async fn walk<L: TypedList>(
    client: &Client,
    listing: &Listing<'_>,
    visit: &mut Visit<'_, L>,
) -> Result<Walk, Error> {
    let mut read = |body: &str, accept: &mut Accept<'_>| {
        let (page, pagination) = wire::list::<L::Row<'_>>(body)?;
        accept(pagination.as_ref(), page.total())?;
        let counts = page.counts();
        visit(page);
        Ok(counts)
    };
    walk_pages::<L::Shape>(client, L::FACTS, listing, &mut read).await
}

/// The walk itself. It knows how pages follow each other, not what is in them, so that there is one of it for each shape.
async fn walk_pages<S: Shape>(
    client: &Client,
    facts: Facts,
    listing: &Listing<'_>,
    read: &mut ReadPage<'_>,
) -> Result<Walk, Error> {
    let limit = listing.limit.clamp(1, facts.largest_page);
    let hasher = RandomState::new();
    let mut seen = HashSet::new();
    let mut walk = Walk::default();
    let mut position: Option<S::Position> = None;
    loop {
        let mut target = Target::new(facts.endpoint.template(), &[]);
        target.page = Some(walk.pages.saturating_add(1));
        if S::PAGED {
            target.push("page[limit]", &limit.to_string());
        }
        if let Some(position) = &position {
            S::push(position, &mut target);
        }
        for (name, value) in [("filter", listing.filter), ("sort", listing.sort)] {
            if let Some(value) = value {
                target.push(name, value);
            }
        }
        let answer = client.json(&Ask::get(facts.endpoint, &target)).await;
        // Who has seen a page has the right, and the release the list: a refusal now is something else.
        let answer = answer.map_err(|error| if walk.pages > 0 { error.in_midst() } else { error })?;
        let fail = |reason, what: String| client.error(facts.endpoint, reason, what).with_status(200);
        let mut next = None;
        let counts = read(&answer, &mut |pagination, total| {
            next = S::next(pagination, position.as_ref(), total, limit)?;
            Ok(())
        });
        let (rows, rejected) = counts.map_err(|what| fail(Reason::Decode, what))?;
        // Freed before the wait for the next page: a page may be large.
        drop(answer);
        walk.pages = walk.pages.saturating_add(1);
        walk.rows = walk.rows.saturating_add(rows);
        walk.rejected = walk.rejected.saturating_add(rejected);
        let Some(next) = next else { return Ok(walk) };
        if listing.stop_after.is_some_and(|most| walk.pages >= most) {
            walk.more = true;
            return Ok(walk);
        }
        if !seen.insert(hasher.hash_one(&next)) {
            return Err(fail(Reason::Decode, format!("page {} leads back to one that was read already", walk.pages)));
        }
        // Some pages may be short; all of them make a list that has no end, or costs a request for a few rows. A primary
        // may cap pages below what was asked for, though.
        let read = walk.rows.saturating_add(walk.rejected);
        let is_thin = walk.pages >= MANY_PAGES && read < walk.pages.saturating_mul(u64::from(limit.min(100))) / 20;
        if walk.pages >= facts.most_pages || is_thin {
            let what = format!("the list goes on after {} pages, which makes no sense", walk.pages);
            return Err(fail(Reason::TooLarge, what));
        }
        position = Some(next);
    }
}

impl Client {
    /// Reads the list `L` and hands each row to `take` as it comes. Returns how it went, and why the first row that was left
    /// out was.
    ///
    /// # Errors
    /// When a page cannot be had or read; the rows before it have been taken.
    pub(crate) async fn list<L: List>(
        &self,
        listing: &Listing<'_>,
        take: &mut (dyn FnMut(L::Row<'_>) + Send),
    ) -> Result<(Walk, Option<String>), Error> {
        let mut first_rejection = None;
        let mut read = |body: &str, accept: &mut Accept<'_>| {
            let (page, pagination) = wire::entries::<L::Row<'_>>(body)?;
            accept(pagination.as_ref(), page.total())?;
            let counts = page.counts();
            first_rejection = first_rejection.take().or(page.first_rejection);
            page.rows.into_iter().for_each(&mut *take);
            Ok(counts)
        };
        let facts = Facts { endpoint: L::ENDPOINT, largest_page: L::LARGEST_PAGE, most_pages: L::MOST_PAGES };
        let walk = walk_pages::<L::Shape>(self, facts, listing, &mut read).await?;
        Ok((walk, first_rejection))
    }
}
