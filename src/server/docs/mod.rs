//! `/docs/`: the documentation of this very release, runbooks included, so that the link of an alert works where there is no
//! way to the internet. Paths are those of the repository (`/docs/runbooks/NetBackupApiDown.md`).

use askama::Template;
use axum::http::header;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

mod markdown;

use super::{html, plain};

/// Every page by its path below `docs`, in Markdown; collected by the build.
static PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/docs.rs"));

/// Where the pages are served.
pub(super) const ROOT: &str = "/docs/";
/// Nothing but the style that is on the page.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What is shown where no page is named.
const START: &str = "README.md";

#[derive(Template)]
#[template(path = "docs.html")]
struct Page<'a> {
    title: &'a str,
    /// HTML made of our own Markdown.
    body: &'a str,
}

pub(super) fn answer(uri: &Uri) -> Response {
    let Some(path) = uri.path().strip_prefix(ROOT) else {
        return (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, ROOT)]).into_response();
    };
    let path = if path.is_empty() { START } else { path };
    let page = page(path).map(|text| markdown::to_html(path, text, |path| page(path).is_some()));
    let rendered = page.map(|page| Page { title: &page.title, body: &page.body }.render());
    match rendered {
        None => plain(StatusCode::NOT_FOUND, "not found\n"),
        Some(page) => html::answer(page, POLICY, "no-cache", "a page of the documentation"),
    }
}

fn page(path: &str) -> Option<&'static str> {
    PAGES.iter().find(|(name, _)| *name == path).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::testing::{fixture, web};

    #[tokio::test]
    async fn pages_are_served_by_their_path_and_nothing_else_is() {
        let fixture = fixture(&web(), &[("paris", true)]);
        let bare = fixture.get("/docs").await;
        assert_eq!((bare.status, bare.header("location")), (StatusCode::PERMANENT_REDIRECT, Some(ROOT)));
        for path in ["/docs/", "/docs/runbooks/NetBackupApiDown.md", "/docs/metrics.md?a=b"] {
            let page = fixture.get(path).await;
            assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, Some("text/html; charset=utf-8")));
            assert!(
                page.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'"))
            );
            assert!(page.text().contains("<h1 id="), "{path}");
        }
        for path in ["/docs/runbooks/", "/docs/../Cargo.toml", "/docs/%2e%2e/README.md", "/docs//metrics.md", "/docsx"]
        {
            assert_eq!(fixture.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(fixture.ask("POST", "/docs/", &[]).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn every_page_is_made_and_its_links_lead_somewhere() {
        assert!(page(START).is_some() && page("runbooks/status-codes.md").is_some());
        let made: Vec<_> = PAGES
            .iter()
            .map(|(path, text)| (*path, markdown::to_html(path, text, |path| page(path).is_some())))
            .collect();
        for (path, html) in &made {
            assert!(!html.title.is_empty() && html.body.contains("<h1"), "{path} has a title");
            for (target, anchor) in html.links.iter().filter_map(|link| link.split_once('#')) {
                let (_, other) = made.iter().find(|(path, _)| *path == target).expect("only pages are linked");
                assert!(other.body.contains(&format!("id=\"{anchor}\"")), "{path} links to {target}#{anchor}");
            }
        }
    }
}
