//! The lists beside jobs and storage units: one file per collector says what each endpoint is published to be (paging
//! shape, largest page, since which release, what it filters and sorts by) and what a row is at a moment. Rows are
//! functions of the seed, their number and the time, so that a list of any length costs nothing until it is read.

mod alerts;
mod anomalies;
mod disk_pools;
mod events;
mod hosts;
mod images;
mod licensing;
mod malware;
mod media_servers;
pub(crate) mod paging;
mod security;
mod slos;
mod slp;
mod storage_servers;
mod tape;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::filter::{Attribute, Field, Filter, Kind};
use super::query::Params;
use super::release::Release;
use super::reply::Problem;
use super::world::time::{parse_iso, parse_iso_duration};

/// What rows are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    /// The release that is simulated.
    pub(crate) release: Release,
    /// The primary's time, Unix milliseconds.
    pub(crate) now: i64,
    /// When the simulation began, Unix milliseconds: lists that grow have grown since.
    pub(crate) start: i64,
    /// The same seed gives the same rows.
    pub(crate) seed: u64,
    /// How long the lists are.
    pub(crate) sizes: Sizes,
    /// Whether some values are outside the published enumerations, as those of a newer release would be.
    pub(crate) odd_rows: bool,
}

/// How long the lists are that have a size of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Tape media.
    pub tape_media: usize,
    /// Hosts.
    pub hosts: usize,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes { tape_media: 240, hosts: 60 }
    }
}

impl Scene {
    /// Random numbers that belong to row `index` of the list `salt`: the same at every look.
    pub(crate) fn dice(&self, salt: u64, index: usize) -> fastrand::Rng {
        let index = u64::try_from(index).unwrap_or(u64::MAX);
        let mixed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xd134_2543_de82_ef95);
        fastrand::Rng::with_seed(mixed ^ index.wrapping_mul(0xff51_afd7_ed55_8ccd))
    }

    /// How often something that happens every `interval` milliseconds has happened since the start, with `before` times
    /// before it.
    pub(crate) fn happened(&self, before: usize, interval: i64) -> usize {
        let since = self.now.saturating_sub(self.start).max(0) / interval.max(1);
        before.saturating_add(usize::try_from(since).unwrap_or(usize::MAX))
    }

    /// One of some words.
    pub(crate) fn pick<T: Copy + Default>(dice: &mut fastrand::Rng, from: &[T]) -> T {
        dice.choice(from).copied().unwrap_or_default()
    }

    /// Gives a row another attribute, or an attribute another value.
    pub(crate) fn set(row: &mut Value, name: &str, value: impl Into<Value>) {
        if let Some(attributes) = row.get_mut("attributes").and_then(Value::as_object_mut) {
            attributes.insert(name.to_owned(), value.into());
        }
    }

    /// When it happened for the time `number`, counted from 0, Unix milliseconds.
    pub(crate) fn when(&self, number: usize, before: usize, interval: i64) -> i64 {
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.start.saturating_add((signed(number) - signed(before) + 1).saturating_mul(interval))
    }
}

/// How a list is paged; the letters are those of the published shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A: offset, every number, links.
    Offset,
    /// B: offset, without `pages` and `page`.
    OffsetShort,
    /// C: as B without links.
    MetaOnly,
    /// D: offset, nothing is said.
    Bare,
    /// D with links.
    BareWithLinks,
    /// E: cursor.
    Cursor,
    /// F: cursor, links nested.
    NestedCursor,
    /// Everything at once, without parameters.
    Whole,
}

/// A list with `data`.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Path below the base.
    pub(crate) template: &'static str,
    pub(crate) shape: Shape,
    /// Rows of a page when none are asked for, and at most; 0: no bound is published.
    pub(crate) page: (usize, usize),
    /// The first release that has it.
    pub(crate) since: Release,
    /// What `filter` knows.
    pub(crate) filters: &'static [Attribute],
    /// What `sort` knows.
    pub(crate) sorts: &'static [&'static str],
    /// Names of filter and sort that stand elsewhere in a row: name and JSON pointer below `attributes`.
    pub(crate) aliases: &'static [(&'static str, &'static str)],
    /// Parameters that are accepted besides, and change nothing.
    pub(crate) extra: &'static [&'static str],
    /// How many rows there are.
    pub(crate) len: fn(&Scene) -> usize,
    /// The row of a number below that.
    pub(crate) row: fn(&Scene, usize) -> Value,
    /// What `<template>/{id}` shows of a row; `None`: there is no such endpoint.
    pub(crate) detail: Option<fn(&Scene, usize) -> Value>,
    /// Changes rows and filter before the list is cut into pages, where an endpoint has rules of its own (a window that
    /// holds without being asked for).
    pub(crate) rule: Option<fn(&Scene, &Filter, &Value) -> bool>,
}

impl Listing {
    /// A list of every release without rules of its own, to be completed with `..`.
    pub(crate) const fn new(
        template: &'static str,
        shape: Shape,
        page: (usize, usize),
        len: fn(&Scene) -> usize,
        row: fn(&Scene, usize) -> Value,
    ) -> Listing {
        Listing {
            template,
            shape,
            page,
            since: Release::R10_3,
            filters: &[],
            sorts: &[],
            aliases: &[],
            extra: &[],
            len,
            row,
            detail: None,
            rule: None,
        }
    }
}

/// An endpoint that answers one object.
#[derive(Debug)]
pub(crate) struct Object {
    /// Path below the base.
    pub(crate) template: &'static str,
    /// The first release that has it.
    pub(crate) since: Release,
    /// Whether it needs no credentials.
    pub(crate) open: bool,
    /// Parameters that are accepted, and change nothing.
    pub(crate) extra: &'static [&'static str],
    pub(crate) body: fn(&Scene) -> Value,
}

/// What one path serves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Served<'a> {
    List(&'static Listing),
    Detail(&'static Listing, &'a str),
    Object(&'static Object),
}

// Two of them are the same where they serve the same path.
impl PartialEq for Served<'_> {
    fn eq(&self, other: &Served<'_>) -> bool {
        self.template() == other.template()
    }
}
impl Eq for Served<'_> {}

const LISTINGS: [&[Listing]; 14] = [
    alerts::LISTINGS,
    anomalies::LISTINGS,
    disk_pools::LISTINGS,
    events::LISTINGS,
    hosts::LISTINGS,
    images::LISTINGS,
    licensing::LISTINGS,
    malware::LISTINGS,
    media_servers::LISTINGS,
    security::LISTINGS,
    slos::LISTINGS,
    slp::LISTINGS,
    storage_servers::LISTINGS,
    tape::LISTINGS,
];

const OBJECTS: [&[Object]; 3] = [hosts::OBJECTS, security::OBJECTS, tape::OBJECTS];

/// Rows or whole answers that a test has put in the place of what an endpoint would say, by template.
pub(crate) type Replaced = BTreeMap<String, Value>;

impl<'a> Served<'a> {
    /// What a path below the base serves, in this release.
    pub(crate) fn of(path: &'a str, release: Release) -> Option<Served<'a>> {
        let mut listings = LISTINGS.into_iter().flatten();
        let listed = listings.find_map(|listing| match path.strip_prefix(listing.template)? {
            "" => Some(Served::List(listing)),
            rest => {
                let id = rest.strip_prefix('/').filter(|id| !id.is_empty() && !id.contains('/'))?;
                listing.detail.map(|_| Served::Detail(listing, id))
            }
        });
        let object = || OBJECTS.into_iter().flatten().find(|object| object.template == path).map(Served::Object);
        listed.or_else(object).filter(|served| release >= served.since())
    }

    /// The path with names in the place of ids.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Served::List(listing) => listing.template,
            // The only one.
            Served::Detail(..) => "/storage/disk-pools/{diskPoolId}",
            Served::Object(object) => object.template,
        }
    }

    fn since(self) -> Release {
        match self {
            Served::List(listing) | Served::Detail(listing, _) => listing.since,
            Served::Object(object) => object.since,
        }
    }

    /// Whether it needs no credentials.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Served::Object(object) if object.open)
    }

    /// The body of its answer.
    pub(crate) fn answer(
        self,
        scene: &Scene,
        replaced: &Replaced,
        query: &str,
        cursor_loop: usize,
    ) -> Result<String, Problem> {
        match self {
            Served::List(listing) => {
                let rows = rows_of(listing.template, replaced);
                let row = |rows: Vec<Value>| move |index: usize| rows.get(index).cloned().unwrap_or_default();
                let source = rows.map(|rows| paging::Source { len: rows.len(), row: Box::new(row(rows)) });
                paging::list(listing, scene, source, query, cursor_loop)
            }
            Served::Detail(listing, id) => {
                Params::read(query, &[])?;
                let id = percent_decode(id);
                let row = |index| match listing.detail {
                    Some(detail) => detail(scene, index),
                    None => (listing.row)(scene, index),
                };
                // A test may have put in other rows than the list has.
                let rows = rows_of(self.template(), replaced).or_else(|| rows_of(listing.template, replaced));
                let mut all = match &rows {
                    Some(rows) => Box::new(rows.iter().cloned()) as Box<dyn Iterator<Item = Value>>,
                    None => Box::new((0..(listing.len)(scene)).map(row)),
                };
                let found = all.find(|row| row.get("id").and_then(Value::as_str) == Some(&*id));
                found.map(|row| json!({"data": row}).to_string()).ok_or_else(Problem::not_found)
            }
            Served::Object(object) => {
                Params::read(query, object.extra)?;
                let body = replaced.get(object.template).cloned().unwrap_or_else(|| (object.body)(scene));
                Ok(body.to_string())
            }
        }
    }
}

/// Adds an attribute that not every row has.
fn put(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value.into());
    }
}

/// One of several in turn.
fn pick<T: Copy + Default>(from: &[T], index: usize) -> T {
    from.get(index % from.len().max(1)).copied().unwrap_or_default()
}

/// The rows that a test has put in the place of an endpoint's.
fn rows_of(template: &str, replaced: &Replaced) -> Option<Vec<Value>> {
    replaced.get(template).and_then(Value::as_array).cloned()
}

/// A percent sign that is followed by no digits stands for itself.
fn percent_decode(text: &str) -> String {
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// The value of a row under a name of `filter` or `sort`.
fn look_up<'v>(listing: &Listing, row: &'v Value, name: &str) -> Option<&'v Value> {
    if name == "id" {
        return row.get("id");
    }
    let attributes = row.get("attributes")?;
    let alias = listing.aliases.iter().find(|(known, _)| *known == name).map(|(_, pointer)| *pointer);
    match alias {
        Some(pointer) => attributes.pointer(pointer),
        None => attributes.pointer(&format!("/{}", name.replace('.', "/"))),
    }
}

/// The value as the filter compares it.
fn field<'v>(kind: Kind, value: Option<&'v Value>) -> Field<'v> {
    match (kind, value) {
        (Kind::Time, Some(Value::String(text))) => parse_iso(text).map_or(Field::Null, Field::Int),
        (Kind::Duration, Some(Value::String(text))) => parse_iso_duration(text).map_or(Field::Null, Field::Int),
        // Ids are texts that hold numbers.
        (Kind::Int, Some(Value::String(text))) => text.parse().map_or(Field::Null, Field::Int),
        (_, Some(Value::String(text))) => Field::Text(text.as_str().into()),
        (_, Some(Value::Bool(flag))) => Field::Text(if *flag { "true" } else { "false" }.into()),
        (_, Some(Value::Number(number))) => match number.as_i64() {
            Some(whole) => Field::Int(whole),
            None => Field::Float(number.as_f64().unwrap_or_default()),
        },
        _ => Field::Null,
    }
}
