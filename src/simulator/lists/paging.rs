//! Cutting a list into pages, in each of the published shapes.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::super::cursor::{Place, binding};
use super::super::filter::{Field, Filter, Kind};
use super::super::query::Params;
use super::super::reply::Problem;
use super::{Listing, Scene, Shape, field, look_up};

const OFFSET: [&str; 4] = ["filter", "sort", "page[limit]", "page[offset]"];
const CURSOR: [&str; 5] = ["filter", "sort", "page[limit]", "page[after]", "page[before]"];

/// Rows of a list: how many, and how each is made.
pub(crate) struct Source<'s> {
    pub(crate) len: usize,
    pub(crate) row: Box<dyn Fn(usize) -> Value + 's>,
}

/// One page of the rows of `given`, or else of those that the list makes. Above 0 `cursor_loop` is a fault: every page is the first, and its `next` is one of so many in turn.
pub(crate) fn list(
    listing: &Listing,
    scene: &Scene,
    given: Option<Source<'_>>,
    query: &str,
    cursor_loop: usize,
) -> Result<String, Problem> {
    let is_cursor = matches!(listing.shape, Shape::Cursor | Shape::NestedCursor);
    let mut known: Vec<&str> = match listing.shape {
        Shape::Whole => Vec::new(),
        _ if is_cursor => CURSOR.to_vec(),
        _ => OFFSET.to_vec(),
    };
    known.extend(listing.extra);
    let params = Params::read(query, &known)?;
    let (default, most) = listing.page;
    let limit = params.number("page[limit]", default.max(1), 1, if most == 0 { usize::MAX } else { most })?;
    let filter = match params.get("filter") {
        Some(text) => Filter::parse(text, listing.filters.iter().copied()).map_err(Problem::filter)?,
        None => Filter::default(),
    };
    let sort = params.get("sort");
    let made = || Source { len: (listing.len)(scene), row: Box::new(|index| (listing.row)(scene, index)) };
    let rows = Rows::new(listing, scene, given.unwrap_or_else(made), &filter, sort)?;
    let bound = binding(sort.unwrap_or_default(), params.get("filter").unwrap_or_default());
    let start = match params.get("page[after]") {
        Some(cursor) if cursor_loop == 0 => place(cursor, bound)?,
        Some(cursor) => cursor.strip_prefix("loop-").and_then(|step| step.parse().ok()).unwrap_or(0),
        None => params.number("page[offset]", 0, 0, usize::MAX)?,
    };
    let looping = (cursor_loop > 0).then_some(());
    let from = if looping.is_some() { 0 } else { start };
    let count = rows.len();
    let (limit, all) = if listing.shape == Shape::Whole { (count.max(1), true) } else { (limit, false) };
    let data = rows.page(from, limit);
    let end = match looping {
        Some(()) if is_cursor => start % cursor_loop + 1,
        Some(()) => (start / limit % cursor_loop + 1).saturating_mul(limit),
        None => from.saturating_add(data.len()),
    };
    let has_next = !all && (looping.is_some() || end < count);
    let pages =
        Pages { listing, params: &params, start, end, limit, count, has_next, bound, looping: looping.is_some() };
    let mut body = Map::new();
    body.insert("data".to_owned(), Value::Array(data));
    match listing.shape {
        Shape::Whole | Shape::Bare => {}
        Shape::BareWithLinks => drop(body.insert("links".to_owned(), pages.offset_links())),
        Shape::Offset | Shape::OffsetShort => {
            body.insert("links".to_owned(), pages.offset_links());
            body.insert("meta".to_owned(), json!({"pagination": pages.offset_meta()}));
        }
        Shape::MetaOnly => drop(body.insert("meta".to_owned(), json!({"pagination": pages.offset_meta()}))),
        Shape::Cursor | Shape::NestedCursor => {
            let (meta, links) = pages.cursor();
            let links = if listing.shape == Shape::Cursor { links } else { json!({"pagination": links}) };
            body.insert("links".to_owned(), links);
            body.insert("meta".to_owned(), json!({"pagination": meta}));
        }
    }
    Ok(Value::Object(body).to_string())
}

fn place(cursor: &str, bound: u64) -> Result<usize, Problem> {
    let place = Place::decode(cursor, bound, 0)?;
    usize::try_from(place.row).map_err(|_| Problem::filter("the cursor is none of this server's"))
}

/// The rows that a request is about: numbers where nothing filters or orders them, so that none is made in vain.
enum Rows<'s> {
    Numbers(Source<'s>),
    Made(Vec<Value>),
}

impl<'s> Rows<'s> {
    fn new(
        listing: &'s Listing,
        scene: &'s Scene,
        source: Source<'s>,
        filter: &Filter,
        sort: Option<&str>,
    ) -> Result<Rows<'s>, Problem> {
        let orders = sort.map(|sort| orders(listing, sort)).transpose()?.unwrap_or_default();
        if filter.terms.is_empty() && orders.is_empty() && listing.rule.is_none() {
            return Ok(Rows::Numbers(source));
        }
        let mut rows: Vec<Value> = (0..source.len).map(&source.row).collect();
        rows.retain(|row| {
            listing.rule.is_none_or(|rule| rule(scene, filter, row))
                && filter.matches(|name| field(kind_of(listing, name), look_up(listing, row, name)))
        });
        rows.sort_by(|a, b| {
            orders.iter().fold(Ordering::Equal, |order, (name, descending)| {
                order.then_with(|| {
                    let order = compare(listing, a, b, name);
                    if *descending { order.reverse() } else { order }
                })
            })
        });
        Ok(Rows::Made(rows))
    }

    fn len(&self) -> usize {
        match self {
            Rows::Numbers(source) => source.len,
            Rows::Made(rows) => rows.len(),
        }
    }

    fn page(&self, start: usize, limit: usize) -> Vec<Value> {
        let end = start.saturating_add(limit).min(self.len());
        match self {
            Rows::Numbers(source) => (start..end).map(&source.row).collect(),
            Rows::Made(rows) => rows.get(start..end).unwrap_or_default().to_vec(),
        }
    }
}

fn orders<'q>(listing: &Listing, sort: &'q str) -> Result<Vec<(&'q str, bool)>, Problem> {
    let order = |part: &'q str| {
        let (name, descending) = part.strip_prefix('-').map_or((part, false), |name| (name, true));
        let known = listing.sorts.contains(&name);
        known.then_some((name, descending)).ok_or_else(|| Problem::parameter(format!("cannot sort by: {part}")))
    };
    sort.split(',').map(order).collect()
}

fn kind_of(listing: &Listing, name: &str) -> Kind {
    listing.filters.iter().find(|attribute| attribute.name == name).map_or(Kind::Text, |attribute| attribute.kind)
}

fn compare(listing: &Listing, a: &Value, b: &Value, name: &str) -> Ordering {
    let kind = if name == "id" { Kind::Int } else { kind_of(listing, name) };
    let key = |row| match field(kind, look_up(listing, row, name)) {
        Field::Null => (0, 0, 0.0, String::new()),
        Field::Int(number) => (1, number, 0.0, String::new()),
        Field::Float(number) => (1, 0, number, String::new()),
        Field::Text(text) => (2, 0, 0.0, text.into_owned()),
    };
    key(a).partial_cmp(&key(b)).unwrap_or(Ordering::Equal)
}

struct Pages<'a> {
    listing: &'a Listing,
    params: &'a Params,
    start: usize,
    /// Where the next page starts.
    end: usize,
    limit: usize,
    count: usize,
    has_next: bool,
    bound: u64,
    looping: bool,
}

impl Pages<'_> {
    fn link(&self, drop: &[&str], name: &str, value: Option<&str>) -> Value {
        let limit = self.limit.to_string();
        let mut add = vec![("page[limit]", limit.as_str())];
        add.extend(value.map(|value| (name, value)));
        json!({"href": format!("/netbackup{}?{}", self.listing.template, self.params.link(drop, &add))})
    }

    fn offsets(&self) -> Vec<(&'static str, usize)> {
        let last = self.count.saturating_sub(1) / self.limit * self.limit;
        let mut offsets = vec![("first", 0), ("last", last)];
        if self.has_next {
            offsets.push(("next", self.end));
        }
        if self.start > 0 {
            offsets.push(("prev", self.start.saturating_sub(self.limit)));
        }
        offsets
    }

    fn offset_links(&self) -> Value {
        let mut links = Map::new();
        for (name, offset) in [("self", self.start)].into_iter().chain(self.offsets()) {
            let drop = ["page[limit]", "page[offset]"];
            links.insert(name.to_owned(), self.link(&drop, "page[offset]", Some(&offset.to_string())));
        }
        Value::Object(links)
    }

    fn offset_meta(&self) -> Value {
        let mut meta = Map::new();
        let mut put = |name: &str, number: usize| drop(meta.insert(name.to_owned(), number.into()));
        self.offsets().into_iter().for_each(|(name, offset)| put(name, offset));
        put("count", self.count);
        put("offset", self.start);
        put("limit", self.limit);
        if self.listing.shape == Shape::Offset {
            put("pages", self.count.div_ceil(self.limit));
            put("page", self.start / self.limit);
        }
        Value::Object(meta)
    }

    fn cursor(&self) -> (Value, Value) {
        let mut meta = Map::new();
        let mut links = Map::new();
        let drop = ["page[limit]", "page[after]", "page[before]"];
        let current = self.params.get("page[after]");
        links.insert("self".to_owned(), self.link(&drop, "page[after]", current));
        links.insert("first".to_owned(), self.link(&drop, "page[after]", None));
        meta.insert("limit".to_owned(), self.limit.into());
        if self.has_next {
            let cursor = if self.looping {
                format!("loop-{}", self.end)
            } else {
                Place { keys: Vec::new(), row: i64::try_from(self.end).unwrap_or(i64::MAX) }.encode(self.bound)
            };
            links.insert("next".to_owned(), self.link(&drop, "page[after]", Some(&cursor)));
            meta.insert("next".to_owned(), cursor.into());
        }
        (Value::Object(meta), Value::Object(links))
    }
}
