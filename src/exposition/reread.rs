//! Sample lines read back: only those are taken that this release could have written itself.
//!
//! What is read was written by some release and kept on disk. Each line is compared with what [`crate::exposition::Page`]
//! writes: name, labels in their order, escapes, the form of numbers, and the order of lines and series. So nothing has
//! to be written anew to be sure of what is served.

use crate::exposition::family::{Family, Kind, base_name};
use crate::exposition::number::{self, Number};
use crate::exposition::rendered::SeriesLines;
use crate::exposition::series::CREATED;

/// The series of `samples`; `None`: these are not the sorted samples of one snapshot of `family`.
pub(super) fn series_of<'a>(family: &'static Family, samples: &'a [u8]) -> Option<Vec<SeriesLines<'a>>> {
    // As `Page` has it; the reading below counts on a label.
    if family.labels.first() != Some(&"site") {
        return None;
    }
    let mut cursor = Cursor { family, rest: std::str::from_utf8(samples).ok()? };
    let mut series = Vec::new();
    let mut last = "";
    while !cursor.rest.is_empty() {
        let (labels, lines) = cursor.series()?;
        // Rising, so that none stands twice. Labels compare as whole lines do: none is the beginning of another.
        if labels <= last {
            return None;
        }
        last = labels;
        series.push(lines);
    }
    (!series.is_empty()).then_some(series)
}

/// The samples of `family`, a gauge or a counter without `_created` lines, one by one: labels as written, and the value. Ends
/// at what is not written so.
pub(super) fn samples<'a>(family: &'static Family, samples: &'a [u8]) -> impl Iterator<Item = (&'a str, f64)> {
    let mut cursor = Cursor { family, rest: std::str::from_utf8(samples).unwrap_or_default() };
    std::iter::from_fn(move || {
        let sample = cursor.line(family.name, "")?.unbounded()?;
        Some((sample.labels, sample.value.as_f64()))
    })
}

/// The value, still escaped, of the label `name` in the labels of a sample; `None`: it has no such label.
pub(super) fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = labels;
    loop {
        let (label, value) = rest.split_once("=\"")?;
        let after = after_label_value(value)?;
        if label == name {
            return std::str::from_utf8(before(value, after)?).ok()?.strip_suffix('"');
        }
        rest = after.strip_prefix(',')?;
    }
}

/// What has not been read yet.
struct Cursor<'a> {
    family: &'static Family,
    rest: &'a str,
}

/// One line.
struct Sample<'a> {
    /// As written, without braces and `le`.
    labels: &'a str,
    bound: Option<f64>,
    value: Number,
}

impl<'a> Cursor<'a> {
    /// Reads a series; returns its labels and its lines.
    fn series(&mut self) -> Option<(&'a str, SeriesLines<'a>)> {
        let Family { name, kind, .. } = *self.family;
        let start = self.rest;
        let labels = match kind {
            Kind::Gauge => self.line(name, "")?.unbounded()?.labels,
            Kind::Counter => self.line(name, "")?.unbounded()?.positive()?.labels,
            Kind::Histogram => self.histogram(name)?,
        };
        let lines = before(start, self.rest)?;
        let start = self.rest;
        let base = base_name(name, kind.as_str());
        if kind == Kind::Gauge || !self.is_next(base, CREATED) {
            return Some((labels, (lines, None)));
        }
        let created = self.line(base, CREATED)?.unbounded()?.positive()?;
        if created.labels != labels || created.value == Number::Float(f64::INFINITY) {
            return None;
        }
        Some((labels, (lines, Some(before(start, self.rest)?))))
    }

    /// Reads the lines of a histogram; returns its labels.
    fn histogram(&mut self, name: &str) -> Option<&'a str> {
        let (mut bound, mut count, mut labels) = (f64::NEG_INFINITY, 0, None);
        while bound != f64::INFINITY {
            let bucket = self.line(name, "_bucket")?;
            let (above, cumulative) = (bucket.bound?, bucket.integer()?);
            let rises = above > bound && cumulative >= count;
            if !rises || labels.is_some_and(|labels| labels != bucket.labels) {
                return None;
            }
            (bound, count, labels) = (above, cumulative, Some(bucket.labels));
        }
        let labels = labels?;
        let sum = self.line(name, "_sum")?.unbounded()?;
        let total = self.line(name, "_count")?.unbounded()?;
        let fits = sum.labels == labels && total.labels == labels && total.integer() == Some(count);
        fits.then_some(labels)
    }

    fn is_next(&self, name: &str, suffix: &str) -> bool {
        let rest = self.rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(suffix));
        rest.is_some_and(|rest| rest.starts_with('{'))
    }

    /// Reads a line whose sample is called `name` and `suffix`.
    fn line(&mut self, name: &str, suffix: &str) -> Option<Sample<'a>> {
        let start = self.rest.strip_prefix(name)?.strip_prefix(suffix)?.strip_prefix('{')?;
        let mut rest = start;
        for (index, label) in self.family.labels.iter().enumerate() {
            if index > 0 {
                rest = rest.strip_prefix(',')?;
            }
            rest = after_label_value(rest.strip_prefix(label)?.strip_prefix("=\"")?)?;
        }
        let labels = std::str::from_utf8(before(start, rest)?).ok()?;
        let mut bound = None;
        if let Some((text, after)) = rest.strip_prefix(",le=\"").and_then(|rest| rest.split_once('"')) {
            bound = Some(canonical_bound(text)?);
            rest = after;
        }
        let (value, rest) = rest.strip_prefix("} ")?.split_once('\n')?;
        self.rest = rest;
        Some(Sample { labels, bound, value: canonical_value(value)? })
    }
}

impl Sample<'_> {
    fn unbounded(self) -> Option<Self> {
        self.bound.is_none().then_some(self)
    }

    /// What only rises from 0 is never negative, and always a number.
    fn positive(self) -> Option<Self> {
        match self.value {
            Number::Float(value) if value.is_nan() || value < 0.0 => None,
            _ => Some(self),
        }
    }

    fn integer(&self) -> Option<u64> {
        match self.value {
            Number::Integer(value) => Some(value),
            Number::Float(_) => None,
        }
    }
}

/// The bytes of `start` before `rest`, which is its end.
fn before<'a>(start: &'a str, rest: &str) -> Option<&'a [u8]> {
    start.as_bytes().get(..start.len().checked_sub(rest.len())?)
}

/// What follows the quote that ends an escaped label value; no escape but the three that are written is taken.
fn after_label_value(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let special = rest.get(rest.find(['"', '\\', '\n'])?..)?;
        if let Some(after) = special.strip_prefix('"') {
            return Some(after);
        }
        rest = ["\\\\", "\\\"", "\\n"].iter().find_map(|escape| special.strip_prefix(escape))?;
    }
}

fn canonical_value(text: &str) -> Option<Number> {
    let integer = text.parse().map(Number::Integer);
    let value = integer.or_else(|_| text.parse().map(Number::Float)).ok()?;
    let mut written = Vec::new();
    value.write(&mut written);
    (written == text.as_bytes()).then_some(value)
}

fn canonical_bound(text: &str) -> Option<f64> {
    let bound = text.parse().ok()?;
    let mut written = Vec::new();
    number::write_float(&mut written, bound);
    (written == text.as_bytes()).then_some(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    static GAUGE: Family = Family { name: "jobs", kind: Kind::Gauge, help: "j", labels: &["site", "type"] };
    static COUNTER: Family = Family { name: "done_total", kind: Kind::Counter, help: "d", labels: &["site"] };
    static HISTOGRAM: Family = Family { name: "took", kind: Kind::Histogram, help: "t", labels: &["site"] };
    static OWN: Family = Family { name: "own", kind: Kind::Gauge, help: "o", labels: &[] };

    const BUCKETS: &str = "took_bucket{site=\"p\",le=\"0.5\"} 1\ntook_bucket{site=\"p\",le=\"60.0\"} 1\n\
        took_bucket{site=\"p\",le=\"+Inf\"} 3\ntook_sum{site=\"p\"} 99.5\ntook_count{site=\"p\"} 3\n";

    fn good(family: &'static Family, samples: &str) -> Vec<(String, Option<String>)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let series = series_of(family, samples.as_bytes()).unwrap_or_else(|| panic!("{samples}"));
        series.into_iter().map(|(lines, created)| (text(lines), created.map(text))).collect()
    }

    fn refused(family: &'static Family, samples: &str) {
        assert!(series_of(family, samples.as_bytes()).is_none(), "{samples}");
    }

    #[test]
    fn lines_are_cut_into_series() {
        let [a, b] = ["jobs{site=\"p\",type=\"a\"} -1.5\n", "jobs{site=\"p\",type=\"b \\\\\\\"\\n,}\"} NaN\n"];
        assert_eq!(good(&GAUGE, &format!("{a}{b}")), [(a.to_owned(), None), (b.to_owned(), None)]);
        let [a, b, created] =
            ["done_total{site=\"p\"} 1\n", "done_total{site=\"q\"} 2\n", "done_created{site=\"q\"} 3.5\n"];
        assert_eq!(
            good(&COUNTER, &format!("{a}{b}{created}")),
            [(a.to_owned(), None), (b.to_owned(), Some(created.to_owned()))]
        );
        let created = "took_created{site=\"p\"} 3.5\n";
        let other = BUCKETS.replace("\"p\"", "\"q\"");
        assert_eq!(
            good(&HISTOGRAM, &format!("{BUCKETS}{created}{other}")),
            [(BUCKETS.to_owned(), Some(created.to_owned())), (other, None)]
        );
    }

    #[test]
    fn what_is_not_written_so_is_refused() {
        for samples in [
            "",
            "jobs{site=\"p\",type=\"a\"} 1",
            "jobs{site=\"p\",type=\"a\"} 1\n\n",
            "# TYPE jobs gauge\njobs{site=\"p\",type=\"a\"} 1\n",
            "job{site=\"p\",type=\"a\"} 1\n",
            "jobs_more{site=\"p\",type=\"a\"} 1\n",
            "jobs 1\n",
            "jobs{} 1\n",
            "jobs{site=\"p\"} 1\n",
            "jobs{type=\"a\",site=\"p\"} 1\n",
            "jobs{site=\"p\",type=\"a\",more=\"\"} 1\n",
            "jobs{site=\"p\",type=\"a\",le=\"1.0\"} 1\n",
            "jobs{site=\"p\",type=\"a\",} 1\n",
            "jobs{site=\"p\", type=\"a\"} 1\n",
            "jobs{site=\"p\",type=\"\\t\"} 1\n",
            "jobs{site=\"p\",type=\"a\n\"} 1\n",
            "jobs{site=\"p\",type=\"a\\",
            "jobs{site=\"p\",type=\"a\"}  1\n",
            "jobs{site=\"p\",type=\"a\"} 1 1700000000\n",
            "jobs{site=\"p\",type=\"a\"} 1 # {} 1\n",
            "jobs{site=\"p\",type=\"a\"} 01\n",
            "jobs{site=\"p\",type=\"a\"} 1.0\n",
            "jobs{site=\"p\",type=\"a\"} inf\n",
            "jobs{site=\"p\",type=\"a\"} \n",
            "jobs{site=\"p\",type=\"a\"} 1\r\n",
            "jobs{site=\"p\",type=\"a\"} 1\njobs{site=\"p\",type=\"a\"} 2\n",
            "jobs{site=\"p\",type=\"b\"} 1\njobs{site=\"p\",type=\"a\"} 2\n",
            "jobs{site=\"p\",type=\"a\"} 1\njobs_created{site=\"p\",type=\"a\"} 2\n",
        ] {
            refused(&GAUGE, samples);
        }
        for samples in [
            "done_total{site=\"p\"} -1\n",
            "done_total{site=\"p\"} NaN\n",
            "done_created{site=\"p\"} 1\n",
            "done_total{site=\"p\"} 1\ndone_created{site=\"q\"} 1\n",
            "done_total{site=\"p\"} 1\ndone_created{site=\"p\"} -1\n",
            "done_total{site=\"p\"} 1\ndone_created{site=\"p\"} +Inf\n",
            "done_total{site=\"p\"} 1\ndone_created{site=\"p\"} 1\ndone_created{site=\"p\"} 1\n",
            "done_total{site=\"p\"} 1\ndone_total_created{site=\"p\"} 1\n",
        ] {
            refused(&COUNTER, samples);
        }
        for (from, to) in [
            ("le=\"0.5\"} 1", "le=\"0.5\"} 2"),
            ("le=\"0.5\"} 1", "le=\"0.5\"} 0.5"),
            ("le=\"0.5\"", "le=\"60.0\""),
            ("le=\"0.5\"", "le=\"NaN\""),
            ("le=\"60.0\"", "le=\"60\""),
            ("le=\"+Inf\"", "le=\"70.0\""),
            ("bucket{site=\"p\",le=\"60.0\"}", "bucket{site=\"q\",le=\"60.0\"}"),
            ("sum{site=\"p\"}", "sum{site=\"q\"}"),
            ("sum{site=\"p\"}", "sum{site=\"p\",le=\"1.0\"}"),
            ("count{site=\"p\"} 3", "count{site=\"p\"} 2"),
            ("count{site=\"p\"}", "count{site=\"q\"}"),
            ("took_count{site=\"p\"} 3\n", ""),
            ("took_sum{site=\"p\"} 99.5\n", ""),
        ] {
            assert!(BUCKETS.contains(from), "{from}");
            refused(&HISTOGRAM, &BUCKETS.replacen(from, to, 1));
        }
        refused(&OWN, "own 1\n");
        refused(&OWN, "own{} 1\n");
        assert!(series_of(&GAUGE, b"jobs{site=\"p\",type=\"\xff\"} 1\n").is_none(), "not UTF-8");
    }
}
