//! One logfmt line per event: `ts=… level=… target=… msg=… key=value`, then the fields of the spans around it.
//! Whatever a value holds, it stays on its line and cannot steer a terminal: text of a primary ends up here.

use std::fmt::{self, Write};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::rfc3339;

/// Formats events, and the fields of spans.
pub(super) struct Logfmt;

/// Writes ` key=value` for each field.
struct Fields<'a> {
    out: &'a mut dyn Write,
    result: fmt::Result,
}

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(out, "ts={} level={level} target={}", rfc3339(SystemTime::now()), metadata.target())?;
        Logfmt.format_fields(out.by_ref(), event)?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                out.write_str(&fields.fields)?;
            }
        }
        writeln!(out)
    }
}

impl<'writer> FormatFields<'writer> for Logfmt {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Fields { out: &mut out, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: &str) {
        let key = if field.name() == "message" { "msg" } else { field.name() };
        self.result = self.result.and_then(|()| {
            write!(self.out, " {key}=")?;
            put_value(self.out, value)
        });
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    // Numbers and booleans come here too; none of theirs needs quotes.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }
}

/// A value as it is when nothing in it can be taken for more than itself, else quoted with escapes.
fn put_value(out: &mut dyn Write, value: &str) -> fmt::Result {
    let plain = |c: char| c.is_alphanumeric() || (c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\'));
    if !value.is_empty() && value.chars().all(plain) {
        return out.write_str(value);
    }
    out.write_char('"')?;
    for c in value.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            // Also the invisible characters that turn the direction of text around.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                write!(out, "\\u{:04x}", u32::from(c))?;
            }
            c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracing::level_filters::LevelFilter;
    use tracing::{error, info, info_span};

    use super::super::logging::LogFormat;
    use super::super::logging::tests::logged;
    use super::*;

    fn lines(body: impl FnOnce()) -> Vec<String> {
        logged(LevelFilter::INFO, LogFormat::Logfmt, body)
    }

    fn value(text: &str) -> String {
        let mut out = String::new();
        put_value(&mut out, text).unwrap();
        out
    }

    #[test]
    fn a_line_holds_time_level_message_fields_and_spans() {
        let lines = lines(|| {
            let _site = info_span!("site", site = "paris").entered();
            let _poll = info_span!("poll", collector = "jobs").entered();
            error!(reason = "tls", attempt = 3_u64, ratio = 0.5, again = true, detail = ?Some(1), "poll failed");
        });
        assert_eq!(lines.len(), 1);
        let (time, rest) = lines[0].strip_prefix("ts=").unwrap().split_once(' ').unwrap();
        assert_eq!(time.len(), "2026-11-23T10:00:00.000Z".len());
        assert_eq!(
            rest,
            format!(
                "level=error target={} msg=\"poll failed\" reason=tls attempt=3 ratio=0.5 again=true detail=Some(1) \
                 collector=jobs site=paris",
                module_path!()
            )
        );
    }

    #[test]
    fn an_event_without_fields_is_a_line_too() {
        assert!(lines(|| info!("up"))[0].ends_with("msg=up"));
    }

    #[test]
    fn values_are_quoted_when_they_need_it() {
        for (text, expected) in [
            ("plain-1.2/3:4", "plain-1.2/3:4"),
            ("äöü", "äöü"),
            ("", r#""""#),
            ("two words", r#""two words""#),
            ("a=b", r#""a=b""#),
            (r#"say "x""#, r#""say \"x\"""#),
            (r"\\unc\share", r#""\\\\unc\\share""#),
            ("one\ntwo\r\t", r#""one\ntwo\r\t""#),
            ("\u{1b}[31m", r#""\u001b[31m""#),
            ("\u{9b}31m", r#""\u009b31m""#),
            ("a\u{202e}b", r#""a\u202eb""#),
        ] {
            assert_eq!(value(text), expected);
        }
    }

    proptest! {
        #[test]
        fn a_value_never_leaves_its_line_nor_its_quotes(text in any::<String>()) {
            let shown = value(&text);
            prop_assert!(!shown.chars().any(char::is_control));
            match shown.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(inner) => prop_assert!(!inner.replace(r"\\", "").replace(r#"\""#, "").contains('"')),
                None => prop_assert!(!shown.contains([' ', '=', '"'])),
            }
        }
    }
}
