//! The exporter's own families: what the recorder of the `metrics` crate renders, put in order.
//!
//! The recorder writes text 0.0.4 with families and samples in random order. Here they are sorted, so that the same
//! values give the same bytes, and the headers are written as the wanted format has them. Counters of that recorder are
//! integers, so a fractional one is a gauge there: by its name (`_total`) it becomes a counter again.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::exposition::family::{Family, Kind, base_name, write_header};
use crate::exposition::negotiate::Format;
use crate::exposition::number::Number;
use crate::exposition::series::CREATED;

/// The only own family that the exposition itself knows the value of.
pub(super) static SERIES: Family = Family {
    name: "netbackup_exporter_series",
    kind: Kind::Gauge,
    help: "Number of samples in the whole exposition that holds this one.",
    labels: &[],
};

/// A family as the recorder wrote it.
#[derive(Default)]
struct Own<'a> {
    help: Option<&'a str>,
    kind: Option<&'a str>,
    /// Sample lines of each series: one, or those of a histogram or summary in their order.
    series: Vec<Vec<&'a str>>,
}

/// Appends the families of `text` and the number of samples, `before` being those that stand before them. `created` is
/// since when the recorder counts, where the answer says so.
pub(super) fn write(out: &mut Vec<u8>, format: Format, text: &str, before: usize, created: Option<SystemTime>) {
    let mut families = parse(text);
    families.remove(SERIES.name);
    let own: usize = families.values().flat_map(|family| &family.series).map(Vec::len).sum();
    let with_created = families.iter().flat_map(|(name, family)| {
        let kind = kind(name, family.kind, format);
        family.series.iter().filter(move |lines| created.is_some() && created_sample(name, kind, lines).is_some())
    });
    let count = format!("{} {}", SERIES.name, before + own + with_created.count() + 1);
    let series = Own { help: Some(SERIES.help), kind: Some(SERIES.kind.as_str()), series: vec![vec![&count]] };
    families.insert(SERIES.name, series);
    for (name, mut family) in families {
        if family.series.is_empty() {
            continue;
        }
        let kind = kind(name, family.kind, format);
        write_header(out, format, name, kind, family.help);
        family.series.sort_unstable();
        for lines in &family.series {
            for line in lines {
                out.extend_from_slice(line.as_bytes());
                out.push(b'\n');
            }
            if let Some((created, (name, labels))) = created.zip(created_sample(name, kind, lines)) {
                out.extend_from_slice(format!("{name}{CREATED}{labels} ").as_bytes());
                Number::timestamp(created).write(out);
                out.push(b'\n');
            }
        }
    }
}

/// Of the sample that says since when the series with these lines counts: its name without the suffix, and its labels.
fn created_sample<'a>(name: &'a str, kind: &str, lines: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let suffix = match kind {
        "counter" => "",
        "histogram" => "_count",
        _ => return None,
    };
    let (series, _) = lines.last()?.rsplit_once(' ')?;
    let labels = series.strip_prefix(name)?.strip_prefix(suffix)?;
    (labels.is_empty() || labels.starts_with('{')).then_some((base_name(name, kind), labels))
}

fn parse(text: &str) -> BTreeMap<&str, Own<'_>> {
    let mut families: BTreeMap<&str, Own<'_>> = BTreeMap::new();
    let mut current = "";
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            families.entry(name).or_default().help = Some(help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            families.entry(name).or_default().kind = Some(kind);
            current = name;
        } else if !line.starts_with('#') {
            let name = sample_name(line);
            // A sample without a TYPE line before it is a family of its own.
            let family = if name.starts_with(current) && !current.is_empty() { current } else { name };
            let family = families.entry(family).or_default();
            match family.series.last_mut() {
                Some(lines) if family.kind.is_some_and(has_many_lines) && !is_complete(lines) => lines.push(line),
                _ => family.series.push(vec![line]),
            }
        }
    }
    families
}

fn sample_name(line: &str) -> &str {
    line.split(['{', ' ']).next().unwrap_or_default()
}

fn has_many_lines(kind: &str) -> bool {
    matches!(kind, "histogram" | "summary")
}

/// Whether these are all lines of a histogram or summary: the recorder ends one with its count.
fn is_complete(lines: &[&str]) -> bool {
    lines.last().is_some_and(|line| sample_name(line).ends_with("_count"))
}

fn kind<'a>(name: &str, recorded: Option<&'a str>, format: Format) -> &'a str {
    match (recorded, format) {
        (Some("gauge"), _) if name.ends_with("_total") => "counter",
        // OpenMetrics asks that a counter's samples end in `_total`.
        (Some("counter"), Format::OpenMetrics) if !name.ends_with("_total") => "unknown",
        (Some("untyped") | None, Format::OpenMetrics) => "unknown",
        (None, Format::Text) => "untyped",
        (Some(kind), _) => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = "\
# HELP process_cpu_seconds_total CPU time.
# TYPE process_cpu_seconds_total gauge
process_cpu_seconds_total 1.5

# HELP b_seconds Took \"long\".
# TYPE b_seconds histogram
b_seconds_bucket{h=\"y\",le=\"2.5\"} 0
b_seconds_bucket{h=\"y\",le=\"10\"} 1
b_seconds_bucket{h=\"y\",le=\"+Inf\"} 1
b_seconds_sum{h=\"y\"} 3
b_seconds_count{h=\"y\"} 1
b_seconds_bucket{h=\"x\",le=\"2.5\"} 0
b_seconds_bucket{h=\"x\",le=\"10\"} 0
b_seconds_bucket{h=\"x\",le=\"+Inf\"} 0
b_seconds_sum{h=\"x\"} 0
b_seconds_count{h=\"x\"} 0

# HELP empty_total Never set.
# TYPE empty_total counter

# TYPE a_total counter
a_total{code=\"404\"} 1
a_total{code=\"200\"} 2

# TYPE odd counter
odd 3
";

    fn written(format: Format, text: &str) -> String {
        let mut out = Vec::new();
        write(&mut out, format, text, 100, None);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn families_and_series_are_sorted_and_buckets_stay_in_order() {
        assert_eq!(
            written(Format::Text, RECORDED),
            "\
# TYPE a_total counter
a_total{code=\"200\"} 2
a_total{code=\"404\"} 1
# HELP b_seconds Took \"long\".
# TYPE b_seconds histogram
b_seconds_bucket{h=\"x\",le=\"2.5\"} 0
b_seconds_bucket{h=\"x\",le=\"10\"} 0
b_seconds_bucket{h=\"x\",le=\"+Inf\"} 0
b_seconds_sum{h=\"x\"} 0
b_seconds_count{h=\"x\"} 0
b_seconds_bucket{h=\"y\",le=\"2.5\"} 0
b_seconds_bucket{h=\"y\",le=\"10\"} 1
b_seconds_bucket{h=\"y\",le=\"+Inf\"} 1
b_seconds_sum{h=\"y\"} 3
b_seconds_count{h=\"y\"} 1
# HELP netbackup_exporter_series Number of samples in the whole exposition that holds this one.
# TYPE netbackup_exporter_series gauge
netbackup_exporter_series 115
# TYPE odd counter
odd 3
# HELP process_cpu_seconds_total CPU time.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1.5
"
        );
    }

    #[test]
    fn openmetrics_differs_in_the_headers_only() {
        let (text, open) = (written(Format::Text, RECORDED), written(Format::OpenMetrics, RECORDED));
        let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        let (a, b): (Vec<_>, Vec<_>) = (samples(&text), samples(&open));
        assert_eq!(a, b);
        for header in [
            "# TYPE a counter",
            "# HELP b_seconds Took \\\"long\\\".",
            "# TYPE odd unknown",
            "# HELP process_cpu_seconds CPU time.",
            "# TYPE process_cpu_seconds counter",
        ] {
            assert!(open.lines().any(|line| line == header), "{header} in\n{open}");
        }
    }

    #[test]
    fn counters_and_histograms_say_since_when_they_count() {
        let created = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_500);
        let mut open = Vec::new();
        write(&mut open, Format::OpenMetrics, RECORDED, 100, Some(created));
        let open = String::from_utf8(open).unwrap();
        let after = |line: &str| open.lines().skip_while(|candidate| *candidate != line).nth(1);
        for (line, next) in [
            ("a_total{code=\"200\"} 2", "a_created{code=\"200\"} 1700000000.5"),
            ("a_total{code=\"404\"} 1", "a_created{code=\"404\"} 1700000000.5"),
            ("b_seconds_count{h=\"x\"} 0", "b_seconds_created{h=\"x\"} 1700000000.5"),
            ("process_cpu_seconds_total 1.5", "process_cpu_seconds_created 1700000000.5"),
        ] {
            assert_eq!(after(line), Some(next), "{open}");
        }
        let (created, rest): (Vec<&str>, Vec<&str>) =
            open.split_inclusive('\n').partition(|line| sample_name(line).ends_with(CREATED));
        assert_eq!(created.len(), 5, "{created:?}");
        assert!(open.contains("netbackup_exporter_series 120\n"));
        assert_eq!(rest.concat().replace("series 120\n", "series 115\n"), written(Format::OpenMetrics, RECORDED));
    }

    #[test]
    fn samples_without_a_type_line_are_families_of_their_own() {
        let odd = "# TYPE a gauge\na 1\nb{x=\"1\"} 2\nb{x=\"0\"} 2\n# a comment\n";
        let text = written(Format::Text, odd);
        assert!(text.starts_with("# TYPE a gauge\na 1\n# TYPE b untyped\nb{x=\"0\"} 2\nb{x=\"1\"} 2\n"), "{text}");
    }
}
