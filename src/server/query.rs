//! `?site=NAME`, repeatable.

use axum::http::StatusCode;
use axum::response::Response;

use super::{SiteEntry, Sites};

/// The sites that a query asks for, in the order of the configuration and each once; `None`: it names none, which
/// means all. Other keys are ignored.
///
/// # Errors
/// The answer (404) when a site is not in the configuration.
#[expect(clippy::result_large_err, reason = "the error is the answer, made once and sent at once")]
pub(super) fn sites<'a>(sites: &'a Sites, query: Option<&str>) -> Result<Option<Vec<&'a SiteEntry>>, Response> {
    let mut wanted = vec![false; sites.sites.len()];
    for (key, name) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if key != "site" {
            continue;
        }
        let position = sites.sites.iter().position(|site| *site.view.name == *name);
        match position.and_then(|position| wanted.get_mut(position)) {
            Some(wanted) => *wanted = true,
            None => return Err(super::plain(StatusCode::NOT_FOUND, "no such site in the configuration\n")),
        }
    }
    let named = wanted.contains(&true);
    Ok(named.then(|| sites.sites.iter().zip(wanted).filter_map(|(site, wanted)| wanted.then_some(site)).collect()))
}
