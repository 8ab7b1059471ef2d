//! `/storage/storage-units`.

use serde_json::Value;

use super::attributes::STORAGE;
use super::lists::paging::{self, Source};
use super::lists::{Listing, Scene, Shape};
use super::query::Params;
use super::reply::Problem;

/// How the list is published; its rows are those of the world.
const LISTING: Listing = Listing {
    filters: &STORAGE,
    sorts: &["name"],
    extra: &["include"],
    ..Listing::new("/storage/storage-units", Shape::Offset, (10, 500), |_| 0, |_, _| Value::Null)
};

const PARAMETERS: [&str; 5] = ["filter", "sort", "include", "page[limit]", "page[offset]"];

/// One page of `units`; `cursor_loop` as of [`paging::list`].
pub(crate) fn list(scene: &Scene, units: Source<'_>, query: &str, cursor_loop: usize) -> Result<String, Problem> {
    let params = Params::read(query, &PARAMETERS)?;
    if params.get("include").is_some_and(|include| include != "diskPool") {
        return Err(Problem::parameter("include takes diskPool"));
    }
    paging::list(&LISTING, scene, Some(units), query, cursor_loop)
}
