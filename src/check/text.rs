//! The report as a person reads it: a block for each site, one line for each step, the mark first.

use std::fmt::Write as _;

use super::report::{Access, CollectorReport, Report, SiteReport, Status, Step};
use super::trail::words;

/// A mark, as wide as the widest, and its colour (SGR).
#[derive(Clone, Copy)]
struct Mark(&'static str, &'static str);

const OK: Mark = Mark("ok  ", "32");
const WARN: Mark = Mark("warn", "33");
const FAIL: Mark = Mark("FAIL", "1;31");
const SKIP: Mark = Mark("skip", "2");
const OFF: Mark = Mark("off ", "2");

struct Row<'a> {
    mark: Mark,
    name: String,
    message: &'a str,
    advice: Option<&'a str>,
}

/// The whole report; `colour`: for a terminal that wants it.
pub(super) fn render(report: &Report, colour: bool) -> String {
    let mut out = Out { text: String::new(), colour };
    let config = &report.config;
    out.line(&format!("configuration: {}", config.source));
    let mistakes: Vec<String> = config.errors.iter().map(ToString::to_string).collect();
    let row = |mark, message| Row { mark, name: String::new(), message, advice: None };
    let mut rows: Vec<Row<'_>> = mistakes.iter().map(|mistake| row(FAIL, mistake.as_str())).collect();
    rows.extend(config.warnings.iter().map(|warning| row(WARN, warning.as_str())));
    if rows.is_empty() {
        rows.push(row(OK, "no mistakes, no warnings"));
    }
    out.rows(&rows);
    for site in &report.sites {
        out.line("");
        out.line(&format!("{}: {}", site.site, site.url));
        out.rows(&rows_of(site));
    }
    out.line("");
    out.line(&summary(report));
    out.text
}

/// What was left out at the end is one line: why it was, and nothing else, is of interest.
fn rows_of(site: &SiteReport) -> Vec<Row<'_>> {
    let steps = site.steps.iter().map(step);
    let rows: Vec<(Status, Row<'_>)> = steps.chain(site.collectors.iter().map(collector)).collect();
    let told = rows.iter().rposition(|(status, _)| *status != Status::Skipped).map_or(0, |last| last.saturating_add(1));
    let left_out = rows.get(told).map(|(_, row)| Row { name: "the rest".to_owned(), mark: SKIP, ..*row });
    rows.into_iter().map(|(_, row)| row).take(told).chain(left_out).collect()
}

fn mark(status: Status) -> Mark {
    match status {
        Status::Ok => OK,
        Status::Warning => WARN,
        Status::Finding => FAIL,
        Status::Skipped => SKIP,
    }
}

fn step(step: &Step) -> (Status, Row<'_>) {
    let row =
        Row { mark: mark(step.status), name: words(step.step), message: &step.message, advice: step.advice.as_deref() };
    (step.status, row)
}

fn collector(report: &CollectorReport) -> (Status, Row<'_>) {
    let mark = if report.enabled { mark(report.weight()) } else { OFF };
    let advice = report.advice.as_deref().filter(|_| report.enabled);
    // One that is off is told of as long as it was asked.
    let status = if report.status == Access::Skipped { Status::Skipped } else { Status::Ok };
    (status, Row { mark, name: format!("collector {}", report.collector), message: &report.message, advice })
}

fn summary(report: &Report) -> String {
    let count = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    if !report.config.errors.is_empty() {
        return format!("{}: the exporter would not start", count(report.config.errors.len(), "mistake"));
    }
    let (findings, warnings) = (count(report.findings(), "finding"), count(report.warnings(), "warning"));
    match report.left_out {
        0 => format!("{}, {findings}, {warnings}", count(report.sites.len(), "site")),
        sites => format!("{} not asked, {warnings}", count(sites, "site")),
    }
}

struct Out {
    text: String,
    colour: bool,
}

impl Out {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn rows(&mut self, rows: &[Row<'_>]) {
        let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        for Row { mark: Mark(word, colour), name, message, advice } in rows {
            // Writing to a string cannot fail.
            let _ = match self.colour {
                true => write!(self.text, "  \u{1b}[{colour}m{word}\u{1b}[0m  "),
                false => write!(self.text, "  {word}  "),
            };
            if width > 0 {
                let _ = write!(self.text, "{name:width$}  ");
            }
            self.line(message);
            if let Some(advice) = advice {
                let _ = writeln!(self.text, "  {:4}  {:width$}  -> {advice}", "", "");
            }
        }
    }
}
