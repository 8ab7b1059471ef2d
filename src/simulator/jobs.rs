//! `/admin/jobs`, `/admin/jobs/{jobId}`, `/admin/jobs-count-requests`.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::attributes;
use super::cursor::{Key, Place, binding};
use super::filter::{Field, Filter};
use super::query::Params;
use super::release::Release;
use super::reply::Problem;
use super::world::time::{parse_iso, parse_iso_duration};
use super::world::{Ordered, Row, World};

const PARAMETERS: [&str; 5] = ["filter", "sort", "page[limit]", "page[after]", "page[before]"];
/// Below so many candidates it is cheaper to sort them than to walk an index.
const FEW: usize = 5_000;

/// What an answer depends on besides the world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) release: Release,
    /// The primary's time, milliseconds since the epoch.
    pub(crate) now: i64,
    /// Whether jobs that have not ended carry the epoch as `endTime`.
    pub(crate) epoch_ends: bool,
    /// Whether the caller may see no job, and is not told.
    pub(crate) silent: bool,
    /// A fault: every page is the first, and its `next` is one of so many cursors in turn; 0: no fault.
    pub(crate) cursor_loop: usize,
}

/// The order of a list: names, each with its direction, and the text it was read from.
struct Order {
    names: Vec<(String, bool)>,
    text: String,
}

impl Order {
    fn read(text: Option<&str>, release: Release) -> Result<Order, Problem> {
        let text = text.unwrap_or("-startTime");
        let mut names = Vec::new();
        for part in text.split(',') {
            let (name, descending) = part.strip_prefix('-').map_or((part, false), |name| (name, true));
            if !attributes::sortable(release, name) {
                return Err(Problem::parameter(format!("cannot sort by: {part}")));
            }
            names.push((name.to_owned(), descending));
        }
        Ok(Order { names, text: text.to_owned() })
    }

    /// Rows that are equal in every name are ordered by their id, in the direction of the first name.
    fn compare(&self, a: &Place, b: &Place) -> Ordering {
        let directed = |order: Ordering, descending| if descending { order.reverse() } else { order };
        let names = self.names.iter().zip(a.keys.iter().zip(&b.keys));
        names
            .map(|((_, descending), (a, b))| directed(rank(a, b), *descending))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| directed(a.row.cmp(&b.row), self.descending()))
    }

    fn descending(&self) -> bool {
        self.names.first().is_some_and(|(_, descending)| *descending)
    }

    fn place(&self, key: i64, row: &Row, now: i64) -> Place {
        let keys = self.names.iter().map(|(name, _)| match look_up(row, name, now) {
            Field::Null => Key::Null,
            Field::Int(number) => Key::Int(number),
            Field::Float(number) => Key::Float(number),
            Field::Text(text) => Key::Text(text.into_owned()),
        });
        Place { keys: keys.collect(), row: key }
    }
}

/// `GET /admin/jobs`.
pub(crate) fn list(world: &World, view: View, query: &str) -> Result<String, Problem> {
    let params = Params::read(query, &PARAMETERS)?;
    let limit = params.number("page[limit]", 10, 1, 100)?;
    let order = Order::read(params.get("sort"), view.release)?;
    let text = params.get("filter").unwrap_or_default();
    let filter = match params.get("filter") {
        Some(text) => Filter::parse(text, attributes::list(view.release)).map_err(Problem::filter)?,
        None => Filter::default(),
    };
    let bound = binding(&order.text, text);
    let looping = (view.cursor_loop > 0).then(|| next_in_loop(params.get("page[after]"), view.cursor_loop));
    let cursor = |name| params.get(name).map(|text| Place::decode(text, bound, order.names.len())).transpose();
    let after = if looping.is_some() { None } else { cursor("page[after]")? };
    let before = cursor("page[before]")?;
    // With `before` alone the page is what lies directly before it; with both, the range from its start.
    let backward = before.is_some() && after.is_none();
    let mut places = walk(world, view.now, &filter, &order, (after.as_ref(), before.as_ref()), backward, limit + 1);
    if view.silent {
        places.clear();
    }
    let more = places.len() > limit;
    places.truncate(limit);
    if backward {
        places.reverse();
    }
    let cursor_of = |place: Option<&Place>| place.map(|place| place.encode(bound));
    let next = looping.or_else(|| cursor_of(places.last()).filter(|_| backward || more));
    let prev = cursor_of(places.first()).filter(|_| if backward { more } else { after.is_some() });
    let mut pagination = Map::from_iter([("limit".to_owned(), json!(limit))]);
    let mut links = Map::new();
    let pages = ["page[after]", "page[before]"];
    links.insert("self".to_owned(), link(&params.link(&[], &[])));
    links.insert("first".to_owned(), link(&params.link(&pages, &[])));
    for (name, parameter, cursor) in [("next", "page[after]", next), ("prev", "page[before]", prev)] {
        if let Some(cursor) = cursor {
            links.insert(name.to_owned(), link(&params.link(&pages, &[(parameter, &cursor)])));
            pagination.insert(name.to_owned(), cursor.into());
        }
    }
    if before.is_some() && !backward && more {
        pagination.insert("rangeTruncated".to_owned(), true.into());
    }
    let mut body = String::with_capacity(places.len() * 2_600 + 1_024);
    body.push_str("{\"data\":[");
    for (index, place) in places.iter().enumerate() {
        if let Some(row) = world.row(place.row) {
            body.push_str(if index == 0 { "" } else { "," });
            row.write(&mut body, view.now, view.epoch_ends, Some(&place.encode(bound)));
        }
    }
    let _ = write!(body, "],\"links\":{},\"meta\":{}}}", Value::Object(links), json!({"pagination": pagination}));
    Ok(body)
}

/// The cursor after `current` on a way that comes back to its start after `length` steps.
fn next_in_loop(current: Option<&str>, length: usize) -> String {
    let step: usize = current.and_then(|cursor| cursor.strip_prefix("loop-")?.parse().ok()).unwrap_or(0);
    format!("loop-{}", step % length + 1)
}

/// `GET /admin/jobs/{jobId}`.
pub(crate) fn one(world: &World, view: View, id: &str, query: &str) -> Result<String, Problem> {
    Params::read(query, &["meta"])?;
    let id: i64 = id.parse().ok().filter(|id| *id >= 0).ok_or_else(Problem::not_found)?;
    let row = world.row(id).ok_or_else(Problem::not_found)?;
    let mut body = "{\"data\":".to_owned();
    row.write(&mut body, view.now, view.epoch_ends, None);
    body.push('}');
    Ok(body)
}

/// `POST /admin/jobs-count-requests`.
pub(crate) fn count(world: &World, view: View, query: &str, body: &[u8]) -> Result<String, Problem> {
    Params::read(query, &[])?;
    let body: Value = serde_json::from_slice(body).map_err(|_| Problem::parameter("the body is not JSON"))?;
    if body.pointer("/data/type").and_then(Value::as_str) != Some("jobCount") {
        return Err(Problem::parameter("data.type must be jobCount"));
    }
    let attributes = body.pointer("/data/attributes").and_then(Value::as_object);
    let attributes = attributes.ok_or_else(|| Problem::parameter("data.attributes must be an object"))?;
    let mut echo = Map::new();
    let filter = match attributes.get("filter") {
        None => Filter::default(),
        Some(Value::String(text)) => {
            echo.insert("filter".to_owned(), text.as_str().into());
            Filter::parse(text, attributes::count(view.release)).map_err(Problem::filter)?
        }
        Some(_) => return Err(Problem::parameter("data.attributes.filter must be a string")),
    };
    let hits = candidates(world, &filter).filter_map(|key| world.row(key));
    let hits = hits.filter(|row| filter.matches(|name| look_up(row, name, view.now)));
    echo.insert("count".to_owned(), hits.count().into());
    Ok(json!({"data": {"type": "jobCount", "id": "1", "attributes": echo}}).to_string())
}

/// Up to `limit` places that satisfy the filter, strictly between two places, in order; backward: from its end.
fn walk(
    world: &World,
    now: i64,
    filter: &Filter,
    order: &Order,
    (after, before): (Option<&Place>, Option<&Place>),
    backward: bool,
    limit: usize,
) -> Vec<Place> {
    let hit = |key: i64| {
        let row = world.row(key)?;
        filter.matches(|name| look_up(row, name, now)).then(|| order.place(key, row, now))
    };
    let index = match order.names.as_slice() {
        [(name, _)] if !is_narrow(world, filter, name) => index(world, filter, name),
        _ => None,
    };
    if let Some(index) = index {
        let (low, high) = if order.descending() { (before, after) } else { (after, before) };
        let keys = index(low, high, order.descending() != backward);
        return keys.filter_map(hit).take(limit).collect();
    }
    let inside = |place: &Place| {
        after.is_none_or(|after| order.compare(place, after).is_gt())
            && before.is_none_or(|before| order.compare(place, before).is_lt())
    };
    let mut places: Vec<Place> = candidates(world, filter).filter_map(hit).filter(inside).collect();
    places.sort_by(|a, b| if backward { order.compare(b, a) } else { order.compare(a, b) });
    places.truncate(limit);
    places
}

type Keys<'a> = Box<dyn Iterator<Item = i64> + 'a>;
/// Gives the keys strictly between two places, ascending or (third argument) descending.
type Index<'a> = Box<dyn FnOnce(Option<&Place>, Option<&Place>, bool) -> Keys<'a> + 'a>;

/// The index that is kept in the order of `name`, cut to what the filter allows.
fn index<'a>(world: &'a World, filter: &Filter, name: &str) -> Option<Index<'a>> {
    let bounds = filter.bounds(name);
    if name == "jobId" {
        return Some(Box::new(move |low, high, reverse| {
            let (least, greatest) = bounds.unwrap_or((i64::MIN, i64::MAX));
            let least = low.map_or(least, |place| least.max(place.row.saturating_add(1)));
            let greatest = high.map_or(greatest, |place| greatest.min(place.row.saturating_sub(1)));
            let keys = (least <= greatest).then(|| world.rows(least..=greatest).map(|(key, _)| key));
            directed(keys, reverse)
        }));
    }
    let by_start = match name {
        "startTime" => true,
        "lastUpdateTime" => false,
        _ => return None,
    };
    Some(Box::new(move |low, high, reverse| {
        let least = bounds.map_or((None, i64::MIN), |(least, _)| (Some(least), i64::MIN));
        let greatest = bounds.map_or((Some(i64::MAX), i64::MAX), |(_, greatest)| (Some(greatest), i64::MAX));
        let least = low.map_or(least, |place| least.max(ordered(place, 1)));
        let greatest = high.map_or(greatest, |place| greatest.min(ordered(place, -1)));
        if least > greatest {
            return Box::new(std::iter::empty());
        }
        if by_start {
            directed(Some(world.by_start(least..=greatest)), reverse)
        } else {
            directed(Some(world.by_update(least..=greatest)), reverse)
        }
    }))
}

fn directed<'a>(keys: Option<impl DoubleEndedIterator<Item = i64> + 'a>, reverse: bool) -> Keys<'a> {
    let keys = keys.into_iter().flatten();
    if reverse { Box::new(keys.rev()) } else { Box::new(keys) }
}

/// The neighbour of a place in an index of times.
fn ordered(place: &Place, step: i64) -> Ordered {
    let time = match place.keys.first() {
        Some(Key::Int(time)) => Some(*time),
        _ => None,
    };
    (time, place.row.saturating_add(step))
}

/// Whether another index leaves so few rows that walking the one of the order would be a waste.
fn is_narrow(world: &World, filter: &Filter, sorted_by: &str) -> bool {
    let few = |name: &str| {
        let bounds = filter.bounds(name).filter(|_| name != sorted_by);
        bounds.is_some_and(|_| candidates(world, filter).take(FEW + 1).count() <= FEW)
    };
    filter.excludes_done() || ["jobId", "lastUpdateTime", "startTime"].into_iter().any(few)
}

/// Keys of all rows that may satisfy the filter, in no order that matters.
fn candidates<'a>(world: &'a World, filter: &Filter) -> Keys<'a> {
    if filter.excludes_done() {
        return Box::new(world.unfinished());
    }
    let name = ["jobId", "lastUpdateTime", "startTime"].into_iter().find(|name| filter.bounds(name).is_some());
    match name.and_then(|name| index(world, filter, name)) {
        Some(index) => index(None, None, false),
        None => Box::new(world.rows(i64::MIN..=i64::MAX).map(|(key, _)| key)),
    }
}

/// The value of a row under a name of the filter or sort tables.
fn look_up<'a>(row: &'a Row, name: &str, now: i64) -> Field<'a> {
    let int = |value: Option<i64>| value.map_or(Field::Null, Field::Int);
    let text = |value: Option<&'a str>| value.map_or(Field::Null, |text| Field::Text(text.into()));
    let Some(job) = &row.job else { return Field::Null };
    match name {
        "jobId" | "cursorValue" => Field::Int(job.id),
        "parentJobId" => Field::Int(job.parent_id),
        "startTime" => int(job.start),
        "endTime" => int(job.end),
        "lastUpdateTime" => int(job.last_update),
        "activeTryStartTime" => int(job.try_start),
        "status" => int(job.status),
        "state" => text(job.state.as_deref()),
        "jobType" => text(job.job_type.as_deref()),
        "policyType" => text(job.policy_type.as_deref()),
        "policyName" => text(Some(&job.policy_name)),
        "clientName" => text(Some(&job.client_name)),
        "qReasonCode" => int(job.queue_reason),
        "qResource" => text(Some(&job.queue_resource)),
        "tryField" => Field::Int(job.attempt),
        "kilobytesTransferred" => int(job.kilobytes),
        "elapsedTime" => Field::Int(job.elapsed(now)),
        "activeElapsedTime" => Field::Int(job.active_elapsed(now)),
        _ => {
            let mut resource = String::new();
            row.write(&mut resource, now, false, None);
            let resource: Value = serde_json::from_str(&resource).unwrap_or_default();
            match resource.get("attributes").and_then(|attributes| attributes.get(name)) {
                Some(Value::Number(number)) => match number.as_i64() {
                    Some(whole) => Field::Int(whole),
                    None => Field::Float(number.as_f64().unwrap_or_default()),
                },
                Some(Value::String(text)) => {
                    let number = parse_iso(text).or_else(|| parse_iso_duration(text));
                    number.map_or_else(|| Field::Text(text.clone().into()), Field::Int)
                }
                _ => Field::Null,
            }
        }
    }
}

fn rank(a: &Key, b: &Key) -> Ordering {
    #[expect(clippy::cast_precision_loss, reason = "ratios and percentages only")]
    match (a, b) {
        (Key::Int(a), Key::Int(b)) => a.cmp(b),
        (Key::Float(a), Key::Float(b)) => a.total_cmp(b),
        (Key::Int(a), Key::Float(b)) => (*a as f64).total_cmp(b),
        (Key::Float(a), Key::Int(b)) => a.total_cmp(&(*b as f64)),
        (Key::Text(a), Key::Text(b)) => a.cmp(b),
        _ => kind(a).cmp(&kind(b)),
    }
}

fn kind(key: &Key) -> u8 {
    match key {
        Key::Null => 0,
        Key::Int(_) | Key::Float(_) => 1,
        Key::Text(_) => 2,
    }
}

fn link(query: &str) -> Value {
    // An address that no client can reach from here: who follows links instead of cursors is found out.
    let separator = if query.is_empty() { "" } else { "?" };
    json!({"href": format!("{}/admin/jobs{separator}{query}", super::PUBLIC_URL)})
}
