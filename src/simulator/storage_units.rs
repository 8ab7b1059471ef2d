//! `/storage/storage-units`.

use serde_json::{Map, Value, json};

use super::attributes::STORAGE;
use super::filter::{Field, Filter};
use super::query::Params;
use super::reply::Problem;
use super::world::World;

const PARAMETERS: [&str; 5] = ["filter", "sort", "include", "page[limit]", "page[offset]"];

/// The list, with offsets. Above 0 `offset_loop` is a fault: every page is the first, and its `next` is one of so many
/// offsets in turn.
pub(crate) fn list(world: &World, query: &str, offset_loop: usize) -> Result<String, Problem> {
    let params = Params::read(query, &PARAMETERS)?;
    let limit = params.number("page[limit]", 10, 1, 500)?;
    let mut offset = params.number("page[offset]", 0, 0, usize::MAX)?;
    if params.get("include").is_some_and(|include| include != "diskPool") {
        return Err(Problem::parameter("include takes diskPool"));
    }
    let looping = (offset_loop > 0).then(|| (offset / limit % offset_loop + 1).saturating_mul(limit));
    if looping.is_some() {
        offset = 0;
    }
    let mut units = world.storage().resources(world.now());
    if let Some(text) = params.get("filter") {
        let filter = Filter::parse(text, STORAGE.into_iter()).map_err(Problem::filter)?;
        units.retain(|unit| filter.matches(|name| text_of(unit, name)));
    }
    match params.get("sort") {
        None => {}
        Some("name") => units.sort_by_cached_key(name_of),
        Some("-name") => units.sort_by_cached_key(|unit| std::cmp::Reverse(name_of(unit))),
        Some(other) => return Err(Problem::parameter(format!("cannot sort by: {other}"))),
    }
    let count = units.len();
    let last = count.saturating_sub(1) / limit * limit;
    let next = looping.unwrap_or(offset.saturating_add(limit));
    let mut pagination = Map::new();
    let mut links = Map::new();
    let mut page = |name: &str, offset: usize| {
        let query = params.link(
            &["page[limit]", "page[offset]"],
            &[("page[offset]", &offset.to_string()), ("page[limit]", &limit.to_string())],
        );
        links.insert(name.to_owned(), json!({"href": format!("/netbackup/storage/storage-units?{query}")}));
        if name != "self" {
            pagination.insert(name.to_owned(), offset.into());
        }
    };
    page("self", offset);
    page("first", 0);
    page("last", last);
    if next < count || looping.is_some() {
        page("next", next);
    }
    if offset > 0 {
        page("prev", offset.saturating_sub(limit));
    }
    for (name, number) in [
        ("count", count),
        ("pages", count.div_ceil(limit)),
        ("page", offset / limit),
        ("offset", offset),
        ("limit", limit),
    ] {
        pagination.insert(name.to_owned(), number.into());
    }
    let data: Vec<Value> = units.into_iter().skip(offset).take(limit).collect();
    Ok(json!({"data": data, "links": links, "meta": {"pagination": pagination}}).to_string())
}

fn text_of<'a>(unit: &'a Value, name: &str) -> Field<'a> {
    let value = unit.get("attributes").and_then(|attributes| attributes.get(name));
    value.and_then(Value::as_str).map_or(Field::Null, |text| Field::Text(text.into()))
}

fn name_of(unit: &Value) -> String {
    match text_of(unit, "name") {
        Field::Text(name) => name.into_owned(),
        _ => String::new(),
    }
}
