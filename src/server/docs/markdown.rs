//! From our Markdown to HTML: headings get the anchors that links name, and links that lead out of the documentation, into
//! the repository, become plain text, because there is nothing of it here.

use std::collections::HashMap;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// A page as HTML.
pub(super) struct Html {
    /// The text of its first heading.
    pub(super) title: String,
    /// What stands below the navigation.
    pub(super) body: String,
    /// Where its links to pages lead: `path` or `path#anchor`, from the root of the documentation.
    #[cfg(test)]
    pub(super) links: Vec<String>,
}

/// Where a link leads.
enum Target {
    /// To a page of the documentation, by its path from there, or within this one.
    Page(String),
    /// To another host.
    Elsewhere,
    /// To what only the repository has.
    Nowhere,
}

/// `path` is where the page stands below `docs`; `exists` says what other pages there are.
pub(super) fn to_html(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Html {
    let mut events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let title = with_anchors(&mut events);
    let mut links = Vec::new();
    let mut kept = Vec::with_capacity(events.len());
    let mut drops_end = false;
    for event in events {
        match event {
            Event::Start(Tag::Link { ref dest_url, .. }) => match target(path, dest_url, &exists) {
                Target::Nowhere => drops_end = true,
                Target::Page(page) => {
                    links.push(page);
                    kept.push(event);
                }
                Target::Elsewhere => kept.push(event),
            },
            Event::End(TagEnd::Link) if drops_end => drops_end = false,
            // Pictures are not carried; what they show is told by their text.
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => {}
            Event::Start(Tag::Table(_)) => {
                kept.push(Event::Html("<div class=\"wide\">".into()));
                kept.push(event);
            }
            Event::End(TagEnd::Table) => {
                kept.push(event);
                kept.push(Event::Html("</div>\n".into()));
            }
            event => kept.push(event),
        }
    }
    let mut body = String::with_capacity(text.len() * 2);
    html::push_html(&mut body, kept.into_iter());
    Html {
        title,
        body,
        #[cfg(test)]
        links,
    }
}

/// Gives each heading its anchor; the text of the first one is the title.
fn with_anchors(events: &mut [Event<'_>]) -> String {
    let mut title = String::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut text = String::new();
    // First all of them, because the text of a heading comes after its start.
    let mut anchors = Vec::new();
    for event in events.iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => text.clear(),
            Event::Text(part) | Event::Code(part) => text.push_str(part),
            Event::End(TagEnd::Heading(level)) => {
                if *level == HeadingLevel::H1 && title.is_empty() {
                    title.clone_from(&text);
                }
                let slug = slug(&text);
                let count = seen.entry(slug.clone()).or_default();
                anchors.push(if *count == 0 { slug } else { format!("{slug}-{count}") });
                *count += 1;
            }
            _ => {}
        }
    }
    let mut anchors = anchors.into_iter();
    for event in events {
        if let Event::Start(Tag::Heading { id, .. }) = event {
            *id = anchors.next().map(CowStr::from);
        }
    }
    title
}

/// As the forges make anchors of headings, so that a link works there and here.
fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(|c: char| !(c.is_alphanumeric() || " -_".contains(c)), "");
    kept.replace(' ', "-")
}

fn target(from: &str, link: &str, exists: impl Fn(&str) -> bool) -> Target {
    if link.contains("://") {
        return Target::Elsewhere;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let mut path: Vec<&str> = from.split('/').collect();
    if !file.is_empty() {
        path.pop();
        for part in file.split('/') {
            match part {
                "" | "." => {}
                ".." if path.is_empty() => return Target::Nowhere,
                ".." => drop(path.pop()),
                part => path.push(part),
            }
        }
    }
    let path = path.join("/");
    if !exists(&path) {
        return Target::Nowhere;
    }
    Target::Page(anchor.map_or(path.clone(), |anchor| format!("{path}#{anchor}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> Html {
        to_html("runbooks/a.md", text, |path| ["runbooks/a.md", "runbooks/b.md", "c.md"].contains(&path))
    }

    #[test]
    fn headings_have_the_anchors_of_the_forges() {
        let page = html("# `a_b` (Jobs)\n\n## Twice\n\n## Twice\n");
        assert_eq!(page.title, "a_b (Jobs)");
        for anchor in ["<h1 id=\"a_b-jobs\">", "<h2 id=\"twice\">", "<h2 id=\"twice-1\">"] {
            assert!(page.body.contains(anchor), "{}", page.body);
        }
    }

    #[test]
    fn links_lead_to_pages_to_hosts_or_nowhere() {
        let page =
            html("[b](b.md#x) [c](../c.md) [self](#y) [host](https://example.com/) [out](../../README.md) [no](n.md)");
        assert_eq!(page.links, ["runbooks/b.md#x", "c.md", "runbooks/a.md#y"]);
        assert_eq!(page.body.matches("<a ").count(), 4, "{}", page.body);
        assert!(page.body.contains("out no</p>"), "{}", page.body);
    }

    #[test]
    fn tables_scroll_by_themselves_and_pictures_are_told() {
        let page = html("| a |\n|---|\n| 1 |\n\n![a page](x.png)\n");
        assert!(
            page.body.contains("<div class=\"wide\"><table>") && page.body.contains("</table>\n</div>"),
            "{}",
            page.body
        );
        assert!(page.body.contains("a page") && !page.body.contains("<img"), "{}", page.body);
    }
}
