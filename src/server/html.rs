//! `/`: the state of everything on one page that a person reads on a phone. No script, nothing loaded from elsewhere.

use std::fmt::{self, Write};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::App;
use super::status::{CollectorStatus, SiteStatus, Status};
use crate::freshness::Freshness;
use crate::telemetry::BUILD;

/// Colours follow the reader's preference; a table that is wider than a phone scrolls by itself.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>netbackup_exporter</title>
<style>
:root { --ink: #1b1f24; --paper: #fff; --line: #d5dae0; --dim: #59636e; --good: #18702f; --warn: #8a5300; --bad: #b3202c }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --paper: #15191d; --line: #363d45; --dim: #9aa4ae; --good: #5fce7c; --warn: #eeb04a; --bad: #ff8087 }
}
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .2rem }
p { margin: .2rem 0 } a { color: inherit } nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: .8rem 0 }
.dim { color: var(--dim) } .good { color: var(--good) } .warn { color: var(--warn) } .bad { color: var(--bad) }
.good, .warn, .bad { font-weight: 600 }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-top: 1px solid var(--line) }
th { font-weight: 600; color: var(--dim); border: 0; white-space: nowrap }
</style>
</head>
<body>
"#;

/// Text in HTML, also between double quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

pub(super) fn answer(app: &App) -> Response {
    let mut page = HEAD.to_owned();
    // Writing to a string cannot fail.
    let _ = put_page(&mut page, &Status::read(app), &app.web.load().telemetry_path);
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (StatusCode::OK, headers, page).into_response()
}

fn put_page(out: &mut String, status: &Status, telemetry_path: &str) -> fmt::Result {
    writeln!(out, "<h1>netbackup_exporter</h1>")?;
    writeln!(
        out,
        "<p class=\"dim\">Version {}, revision {}, running since {}. {}</p>",
        Escaped(BUILD.version),
        Escaped(BUILD.revision),
        Escaped(&status.started_at),
        if status.ready { "Ready." } else { "Not ready: first polls are still under way." }
    )?;
    out.push_str("<nav>");
    for path in [telemetry_path, "/health", "/-/healthy", "/-/ready", "/api/v1/status"] {
        write!(out, "<a href=\"{0}\">{0}</a>", Escaped(path))?;
    }
    out.push_str("</nav>\n");
    for site in &status.sites {
        put_site(out, site)?;
    }
    out.push_str("</body>\n</html>\n");
    Ok(())
}

fn put_site(out: &mut String, site: &SiteStatus) -> fmt::Result {
    let (class, word) = if site.up { ("good", "up") } else { ("bad", "down") };
    writeln!(out, "<h2>{} <span class=\"{class}\">{word}</span></h2>", Escaped(&site.site))?;
    match &site.api_version {
        Some(version) => write!(out, "<p class=\"dim\">API version {}", Escaped(version))?,
        None => out.push_str("<p class=\"dim\">API version not known yet"),
    }
    if let Some(offset) = site.clock_offset_seconds {
        write!(
            out,
            ", the primary's clock is {:.1} s {} ours",
            offset.abs(),
            if offset < 0.0 { "behind" } else { "ahead of" }
        )?;
    }
    out.push_str("</p>\n<div class=\"wide\"><table>\n<tr><th>Collector</th><th>Data</th><th>Age</th><th>Last attempt</th><th>Next</th></tr>\n");
    for collector in &site.collectors {
        put_collector(out, collector)?;
    }
    out.push_str("</table></div>\n");
    Ok(())
}

fn put_collector(out: &mut String, collector: &CollectorStatus) -> fmt::Result {
    let class = match collector.freshness {
        Freshness::Fresh => "good",
        Freshness::Stale | Freshness::Never => "warn",
        Freshness::Expired => "bad",
    };
    write!(out, "<tr><td>{}</td><td class=\"{class}\">{}</td>", Escaped(collector.collector), collector.state)?;
    match collector.age_seconds {
        Some(age) => write!(out, "<td>{}</td>", seconds(Duration::from_secs_f64(age)))?,
        None => out.push_str("<td>none</td>"),
    }
    match (&collector.error, &collector.last_attempt) {
        (Some(error), _) => write!(out, "<td class=\"bad\">{}</td>", Escaped(&error.message))?,
        (None, Some(_)) => out.push_str("<td>succeeded</td>"),
        (None, None) => out.push_str("<td>under way</td>"),
    }
    match collector.next_in {
        Some(wait) => write!(out, "<td>in {}</td>", seconds(wait))?,
        None => out.push_str("<td>now</td>"),
    }
    out.push_str("</tr>\n");
    Ok(())
}

/// Whole seconds in words: nobody reads nanoseconds.
fn seconds(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_place_in_the_page() {
        let text = Escaped("<script>\"a\" & 'b'</script>").to_string();
        assert_eq!(text, "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;");
    }
}
