//! Reading a list page by page, with guards against one that never ends.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use super::client::{Ask, Client};
use super::endpoint::Endpoint;
use super::error::Error;
use super::paging::Shape;
use super::query::Target;
use super::wire::{self, Page, Row};
use crate::reason::Reason;

/// A list of the API: endpoint, paging shape and row belong together.
pub(crate) trait List: 'static {
    type Shape: Shape;
    type Row<'a>: Row<'a>;
    const ENDPOINT: Endpoint;
    /// The documented maximum of `page[limit]`.
    const LARGEST_PAGE: u16;
    /// More pages than this make no sense.
    const MOST_PAGES: u64;
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
pub(crate) type Visit<'v, L> = dyn FnMut(Page<<L as List>::Row<'_>>) + Send + 'v;

type Position<L> = <<L as List>::Shape as Shape>::Position;

/// Where the next page starts; `None`: that was the last.
type Next<L> = Option<Position<L>>;

pub(crate) async fn walk<L: List>(
    client: &Client,
    listing: &Listing<'_>,
    visit: &mut Visit<'_, L>,
) -> Result<Walk, Error> {
    let limit = listing.limit.clamp(1, L::LARGEST_PAGE);
    let hasher = RandomState::new();
    let mut seen = HashSet::new();
    let mut walk = Walk::default();
    let mut position: Next<L> = None;
    loop {
        let mut target = Target::new(L::ENDPOINT.template(), &[]);
        target.page = Some(walk.pages.saturating_add(1));
        if L::Shape::PAGED {
            target.push("page[limit]", &limit.to_string());
        }
        if let Some(position) = &position {
            L::Shape::push(position, &mut target);
        }
        for (name, value) in [("filter", listing.filter), ("sort", listing.sort)] {
            if let Some(value) = value {
                target.push(name, value);
            }
        }
        let answer = client.json(&Ask::get(L::ENDPOINT, &target)).await?;
        let fail = |reason, what: String| client.error(L::ENDPOINT, reason, what).with_status(200);
        let next = read_page::<L>(&answer, position.as_ref(), limit, &mut walk, visit)
            .map_err(|what| fail(Reason::Decode, what))?;
        // Freed before the wait for the next page: a page may be large.
        drop(answer);
        let Some(next) = next else { return Ok(walk) };
        if listing.stop_after.is_some_and(|most| walk.pages >= most) {
            walk.more = true;
            return Ok(walk);
        }
        if !seen.insert(hasher.hash_one(&next)) {
            return Err(fail(Reason::Decode, format!("page {} leads back to one that was read already", walk.pages)));
        }
        // Some pages may be short; all of them make a list that has no end, or costs a request for a few rows.
        let read = walk.rows.saturating_add(walk.rejected);
        let is_thin = walk.pages >= MANY_PAGES && read < walk.pages.saturating_mul(u64::from(limit)) / 20;
        if walk.pages >= L::MOST_PAGES || is_thin {
            let what = format!("the list goes on after {} pages, which makes no sense", walk.pages);
            return Err(fail(Reason::TooLarge, what));
        }
        position = Some(next);
    }
}

fn read_page<L: List>(
    body: &str,
    position: Option<&Position<L>>,
    limit: u16,
    walk: &mut Walk,
    visit: &mut Visit<'_, L>,
) -> Result<Next<L>, String> {
    let (page, pagination) = wire::list::<L::Row<'_>>(body)?;
    let rows = u64::try_from(page.rows.len()).unwrap_or(u64::MAX);
    let total = usize::try_from(rows.saturating_add(page.rejected)).unwrap_or(usize::MAX);
    // Before the visitor sees anything: a page whose way on is broken is a bad answer as a whole.
    let next = L::Shape::next(pagination.as_ref(), position, total, limit)?;
    walk.pages = walk.pages.saturating_add(1);
    walk.rows = walk.rows.saturating_add(rows);
    walk.rejected = walk.rejected.saturating_add(page.rejected);
    visit(page);
    Ok(next)
}

impl Client {
    /// Reads the list `L` and hands each row to `take` as it comes.
    ///
    /// # Errors
    /// When a page cannot be had or read; the rows before it have been taken.
    pub(crate) async fn list<L: List>(
        &self,
        listing: &Listing<'_>,
        take: &mut (dyn FnMut(L::Row<'_>) + Send),
    ) -> Result<(Walk, Option<String>), Error> {
        let mut first_rejection = None;
        let walk = walk::<L>(self, listing, &mut |page| {
            first_rejection = first_rejection.take().or(page.first_rejection);
            page.rows.into_iter().for_each(&mut *take);
        })
        .await?;
        Ok((walk, first_rejection))
    }
}
