//! Sample lines, the same bytes in both formats; those of `_created` samples are for OpenMetrics alone.

use std::time::SystemTime;

use crate::exposition::escape;
use crate::exposition::family::{Family, Kind, base_name};
use crate::exposition::number::{self, Number};

/// What the name of a sample that says since when a series counts ends in.
pub(super) const CREATED: &str = "_created";

/// One series of a family that belongs to a primary: writes its sample lines.
#[derive(Clone, Copy)]
pub(super) struct Series<'a> {
    family: &'static Family,
    site: &'a str,
    /// Label values after `site`.
    values: &'a [&'a str],
}

impl<'a> Series<'a> {
    /// `None` where the family has other labels or another type: a defect of the caller that its tests find; in
    /// production a sample that would say something wrong is left out.
    pub(super) fn new(family: &'static Family, kind: Kind, site: &'a str, values: &'a [&'a str]) -> Option<Self> {
        let fits = family.labels.len() == values.len() + 1 && family.kind == kind;
        debug_assert!(fits, "{} is a {:?} with labels {:?}", family.name, family.kind, family.labels);
        debug_assert_eq!(family.labels.first(), Some(&"site"), "first label of {}", family.name);
        fits.then_some(Series { family, site, values })
    }

    /// Appends the one line of a counter or gauge.
    pub(super) fn write(&self, out: &mut Vec<u8>, value: Number) {
        self.line(out, self.family.name, "", None, value);
    }

    /// Appends the lines of a histogram. `counts` are per bucket, not cumulative, the last one above every bound.
    pub(super) fn write_histogram(&self, out: &mut Vec<u8>, bounds: &[f64], counts: &[u64], sum: f64) {
        debug_assert_eq!(counts.len(), bounds.len() + 1, "{}: counts per bucket", self.family.name);
        let mut cumulative: u64 = 0;
        for (bound, count) in bounds.iter().chain(&[f64::INFINITY]).zip(counts) {
            cumulative = cumulative.saturating_add(*count);
            self.line(out, self.family.name, "_bucket", Some(*bound), Number::Integer(cumulative));
        }
        self.line(out, self.family.name, "_sum", None, Number::Float(sum));
        self.line(out, self.family.name, "_count", None, Number::Integer(cumulative));
    }

    /// Appends the line that says since when a counter or histogram counts: the last one of its series.
    pub(super) fn write_created(&self, out: &mut Vec<u8>, created: SystemTime) {
        let name = base_name(self.family.name, self.family.kind.as_str());
        self.line(out, name, CREATED, None, Number::timestamp(created));
    }

    fn line(&self, out: &mut Vec<u8>, name: &str, suffix: &str, bound: Option<f64>, value: Number) {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
        out.push(b'{');
        let values = std::iter::once(&self.site).chain(self.values);
        for (index, (label, value)) in self.family.labels.iter().zip(values).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(label.as_bytes());
            out.extend_from_slice(b"=\"");
            escape::label_value(out, value);
            out.push(b'"');
        }
        if let Some(bound) = bound {
            out.extend_from_slice(b",le=\"");
            number::write_float(out, bound);
            out.push(b'"');
        }
        out.extend_from_slice(b"} ");
        value.write(out);
        out.push(b'\n');
    }
}

/// Number of sample lines in `text`. No label value holds a line feed, escaped as they are.
pub(super) fn count(text: &[u8]) -> usize {
    text.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    static DURATION: Family =
        Family { name: "d_seconds", kind: Kind::Histogram, help: "d", labels: &["site", "endpoint"] };
    static DONE: Family = Family { name: "done_total", kind: Kind::Counter, help: "d", labels: &["site", "of"] };
    static UP: Family = Family { name: "up", kind: Kind::Gauge, help: "u", labels: &["site"] };

    #[test]
    fn a_gauge_is_one_line() {
        let mut out = Vec::new();
        Series::new(&UP, Kind::Gauge, "pa\"ris", &[]).unwrap().write(&mut out, 1.5.into());
        assert_eq!(String::from_utf8(out).unwrap(), "up{site=\"pa\\\"ris\"} 1.5\n");
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_infinity() {
        let mut out = Vec::new();
        let series = Series::new(&DURATION, Kind::Histogram, "p", &["/ping"]).unwrap();
        series.write_histogram(&mut out, &[0.5, 60.0], &[2, 0, 3], 200.25);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "d_seconds_bucket{site=\"p\",endpoint=\"/ping\",le=\"0.5\"} 2\n\
             d_seconds_bucket{site=\"p\",endpoint=\"/ping\",le=\"60.0\"} 2\n\
             d_seconds_bucket{site=\"p\",endpoint=\"/ping\",le=\"+Inf\"} 5\n\
             d_seconds_sum{site=\"p\",endpoint=\"/ping\"} 200.25\n\
             d_seconds_count{site=\"p\",endpoint=\"/ping\"} 5\n"
        );
    }

    #[test]
    fn created_samples_are_named_without_total_and_without_a_bound() {
        let created = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_123);
        let mut out = Vec::new();
        Series::new(&DONE, Kind::Counter, "p", &["x y"]).unwrap().write_created(&mut out, created);
        Series::new(&DURATION, Kind::Histogram, "p", &["/ping"]).unwrap().write_created(&mut out, created);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "done_created{site=\"p\",of=\"x y\"} 1700000000.123\n\
             d_seconds_created{site=\"p\",endpoint=\"/ping\"} 1700000000.123\n"
        );
    }

    #[test]
    #[should_panic(expected = "up is a Gauge")]
    fn a_wrong_number_of_labels_is_found_by_tests() {
        Series::new(&UP, Kind::Gauge, "p", &["more"]);
    }
}
