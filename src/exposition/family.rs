//! What a metric family is, and its HELP and TYPE lines.

use crate::exposition::escape;
use crate::exposition::negotiate::Format;

/// The type of a metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises; its name ends in `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
}

/// A metric family: what a person reads about it, and what every sample of it must bear.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Full name; a counter's ends in `_total`.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The HELP text: one line.
    pub help: &'static str,
    /// Names of the labels, `site` first where the family belongs to a primary.
    pub labels: &'static [&'static str],
}

impl Kind {
    /// The word of the TYPE line, the same in both formats.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

impl Family {
    /// A family that rises and falls.
    #[must_use]
    pub const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
        Family { name, kind: Kind::Gauge, help, labels }
    }

    /// A family that only rises.
    #[must_use]
    pub const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
        Family { name, kind: Kind::Counter, help, labels }
    }

    /// A family of buckets, sum and count.
    #[must_use]
    pub const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
        Family { name, kind: Kind::Histogram, help, labels }
    }

    /// Appends the HELP and TYPE lines.
    pub(super) fn write_header(&self, out: &mut Vec<u8>, format: Format) {
        write_header(out, format, self.name, self.kind.as_str(), Some(&escape::help(self.help)));
    }
}

/// The name of a family in OpenMetrics, which names a counter without the suffix that its samples bear.
pub(super) fn base_name<'a>(name: &'a str, kind: &str) -> &'a str {
    match kind {
        "counter" => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    }
}

/// Appends the HELP and TYPE lines of a family named `name` as its samples are. `help` is escaped as text 0.0.4 wants.
pub(super) fn write_header(out: &mut Vec<u8>, format: Format, name: &str, kind: &str, help: Option<&str>) {
    let name = match format {
        Format::Text => name,
        Format::OpenMetrics => base_name(name, kind),
    };
    if let Some(help) = help {
        let help = match format {
            Format::Text => help.into(),
            Format::OpenMetrics => escape::quotes(help),
        };
        out.extend_from_slice(format!("# HELP {name} {help}\n").as_bytes());
    }
    out.extend_from_slice(format!("# TYPE {name} {kind}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(family: &Family, format: Format) -> String {
        let mut out = Vec::new();
        family.write_header(&mut out, format);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_the_name_of_a_counter_and_quotes_differ_between_the_formats() {
        let family = Family { name: "a_total", kind: Kind::Counter, help: "the \"a\"\nof \\b", labels: &[] };
        assert_eq!(header(&family, Format::Text), "# HELP a_total the \"a\"\\nof \\\\b\n# TYPE a_total counter\n");
        assert_eq!(header(&family, Format::OpenMetrics), "# HELP a the \\\"a\\\"\\nof \\\\b\n# TYPE a counter\n");
        let family = Family { name: "b_total", kind: Kind::Gauge, help: "b", labels: &[] };
        assert_eq!(header(&family, Format::OpenMetrics), "# HELP b_total b\n# TYPE b_total gauge\n");
    }
}
