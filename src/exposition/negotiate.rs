//! Which format and which encoding a client prefers, from what its headers say. Rubbish counts as not said; in doubt
//! the oldest format, which everybody reads.

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

/// The content coding of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// One gzip member.
    Gzip,
}

impl Format {
    /// The `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Type, subtype and version, as a range of `Accept` may name them.
    const fn media_type(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Format::Text => ("text", "plain", "0.0.4"),
            Format::OpenMetrics => ("application", "openmetrics-text", "1.0.0"),
        }
    }
}

impl Encoding {
    /// The `Content-Encoding`, where one is sent.
    #[must_use]
    pub const fn content_encoding(self) -> Option<&'static str> {
        match self {
            Encoding::Identity => None,
            Encoding::Gzip => Some("gzip"),
        }
    }
}

/// The format for this `Accept` (several header lines joined by commas): OpenMetrics where it is preferred to text.
#[must_use]
pub fn negotiate_format(accept: Option<&str>) -> Format {
    let ranges: Vec<Range<'_>> = accept.unwrap_or_default().split(',').filter_map(Range::parse).collect();
    if quality_of(Format::OpenMetrics, &ranges) > quality_of(Format::Text, &ranges) {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// The encoding for this `Accept-Encoding` (several header lines joined by commas): gzip where it is accepted and not
/// less welcome than the plain bytes.
#[must_use]
pub fn negotiate_encoding(accept_encoding: Option<&str>) -> Encoding {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for element in accept_encoding.unwrap_or_default().split(',') {
        let mut parts = element.split(';');
        let coding = parts.next().unwrap_or_default().trim();
        let Some(quality) = quality_parameter(parts) else { continue };
        let said = match coding {
            "*" => &mut any,
            _ if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => &mut gzip,
            _ if coding.eq_ignore_ascii_case("identity") => &mut identity,
            _ => continue,
        };
        *said = Some(quality);
    }
    let gzip = gzip.or(any).unwrap_or(0);
    let identity = identity.or(any).unwrap_or(0);
    if gzip > 0 && gzip >= identity { Encoding::Gzip } else { Encoding::Identity }
}

/// One element of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    version: Option<&'a str>,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(element: &'a str) -> Option<Range<'a>> {
        let mut parts = element.split(';');
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        let version = parts.clone().find_map(|part| parameter(part, "version"));
        Some(Range { kind, subtype, version, quality: quality_parameter(parts)? })
    }

    /// How closely the range describes `format`; `None`: not at all.
    fn specificity(&self, format: Format) -> Option<u8> {
        let (kind, subtype, version) = format.media_type();
        match (self.kind, self.subtype, self.version) {
            ("*", "*", None) => Some(0),
            (a, "*", None) if a.eq_ignore_ascii_case(kind) => Some(1),
            (a, b, named) if a.eq_ignore_ascii_case(kind) && b.eq_ignore_ascii_case(subtype) => match named {
                None => Some(2),
                Some(named) => (named == version).then_some(3),
            },
            _ => None,
        }
    }
}

/// The quality that the range which describes `format` most closely gives it, in thousandths.
fn quality_of(format: Format, ranges: &[Range<'_>]) -> u16 {
    let fitting = ranges.iter().filter_map(|range| Some((range.specificity(format)?, range.quality)));
    fitting.max().map_or(0, |(_, quality)| quality)
}

/// The value of `part` where it is the parameter `name`.
fn parameter<'a>(part: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = part.split_once('=')?;
    key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
}

/// The weight among these parameters in thousandths, 1000 where there is none; `None`: it is rubbish.
fn quality_parameter<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<u16> {
    parts.find_map(|part| parameter(part, "q")).map_or(Some(1000), quality)
}

/// A weight from 0 to 1 in thousandths; further digits are dropped.
fn quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let thousandths = digits.fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const PROMETHEUS_3_PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

    #[test]
    fn openmetrics_only_where_it_is_preferred() {
        for accept in [
            PROMETHEUS_2,
            PROMETHEUS_3,
            PROMETHEUS_3_PROTOBUF,
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8",
            "text/plain;q=0.5, application/openmetrics-text;version=1.0.0;q=0.51",
            "text/plain;q=0, */*",
        ] {
            assert_eq!(negotiate_format(Some(accept)), Format::OpenMetrics, "{accept}");
        }
    }

    #[test]
    fn text_in_every_other_case() {
        assert_eq!(negotiate_format(None), Format::Text);
        for accept in [
            "",
            "*/*",
            "text/plain",
            "text/plain;version=0.0.4",
            BROWSER,
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.5,text/plain;q=0.5",
            "application/openmetrics-text;q=rubbish",
            "application/openmetrics-text;q=1.5",
            "application/openmetrics-text;version=1.0.0;q=0, */*",
            "application/json",
            ";;;,,,///",
        ] {
            assert_eq!(negotiate_format(Some(accept)), Format::Text, "{accept}");
        }
    }

    #[test]
    fn gzip_where_it_is_welcome() {
        for accept in
            ["gzip", "x-gzip", "GZip;q=0.1", "deflate, gzip;q=1.0, *;q=0.5", "*", "identity;q=0.5, *", "br,gzip"]
        {
            assert_eq!(negotiate_encoding(Some(accept)), Encoding::Gzip, "{accept}");
        }
        assert_eq!(negotiate_encoding(None), Encoding::Identity);
        for accept in ["", "identity", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "gzip;q=0.5, identity", "br", "gzip;q=x"]
        {
            assert_eq!(negotiate_encoding(Some(accept)), Encoding::Identity, "{accept}");
        }
    }

    #[test]
    fn weights_have_at_most_three_digits_that_count() {
        assert_eq!(
            ["1", "1.", "1.000", "0", "0.5", "0.123", "0.1239"].map(quality),
            [Some(1000), Some(1000), Some(1000), Some(0), Some(500), Some(123), Some(123)]
        );
        assert_eq!(["", "2", "-1", "0.x", ".5", "1.001", "NaN"].map(quality), [None; 7]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(header in r#"([a-z*/;=,."0-9 q-]|\PC){0,80}"#) {
            let _ = negotiate_format(Some(&header));
            let _ = negotiate_encoding(Some(&header));
        }

        #[test]
        fn the_greater_weight_wins(text in 0_u16..=1000, open in 0_u16..=1000) {
            let weight = |q: u16| format!("{}.{:03}", q / 1000, q % 1000);
            let accept = format!("text/plain;q={},application/openmetrics-text;q={}", weight(text), weight(open));
            prop_assert_eq!(negotiate_format(Some(&accept)) == Format::OpenMetrics, open > text);
        }
    }
}
