//! One JSON value, first taken as the text it is and only then read as what it should be: a wrong type, a number out of
//! range or a broken escape counts as absent, and never spoils what stands around it.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::record::Readable;
use super::wire::{Object, Objects, Record};

/// Times up to here mean "never": some primaries write 1970-01-01 for what has not happened.
const FIRST_TIME_MS: i64 = 315_532_800_000; // 1980-01-01
const LAST_TIME_MS: i64 = 4_102_444_800_000; // 2100-01-01

/// Longer than any name, path or cursor: what is longer would become a label.
const LONGEST_TEXT: usize = 8 * 1024;

/// The text of one JSON value, read on demand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attr<'a>(&'a str);

impl<'de> Deserialize<'de> for Attr<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'de RawValue>::deserialize(deserializer).map(|raw| Attr(raw.get()))
    }
}

impl<'a> Attr<'a> {
    /// A string of a sensible length; copied only where it holds escapes.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.len() > LONGEST_TEXT {
            return None;
        }
        if inner.contains('\\') {
            serde_json::from_str(self.0).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// An integer, also one that is written as `3.0`.
    pub(crate) fn integer(self) -> Option<i64> {
        self.0.parse().ok().or_else(|| {
            let number = self.number()?;
            #[expect(clippy::cast_possible_truncation, reason = "whole, and checked to lie within the type")]
            (-TWO_TO_63..TWO_TO_63).contains(&number).then_some(number as i64)
        })
    }

    /// An integer of at least 0.
    pub(crate) fn count(self) -> Option<u64> {
        self.0.parse().ok().or_else(|| {
            let number = self.number()?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and checked to fit")]
            (0.0..2.0 * TWO_TO_63).contains(&number).then_some(number as u64)
        })
    }

    /// A whole number in the notation of a float.
    fn number(self) -> Option<f64> {
        // What is text, a word or a container must not be read as `inf` or `nan`.
        self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then_some(())?;
        self.0.parse().ok().filter(|number: &f64| number.fract() == 0.0)
    }

    /// `true` or `false`.
    pub(crate) fn flag(self) -> Option<bool> {
        self.0.parse().ok()
    }

    /// RFC 3339, as milliseconds since the epoch; what cannot be true is absent.
    pub(crate) fn time_ms(self) -> Option<i64> {
        let stamp: jiff::Timestamp = self.text()?.parse().ok()?;
        Some(stamp.as_millisecond()).filter(|ms| (FIRST_TIME_MS + 1..LAST_TIME_MS).contains(ms))
    }

    /// Milliseconds since the epoch, written as a number; what cannot be true is absent.
    pub(crate) fn epoch_ms(self) -> Option<i64> {
        self.integer().filter(|ms| (FIRST_TIME_MS + 1..LAST_TIME_MS).contains(ms))
    }

    /// A time in a form that is not published: RFC 3339, or seconds or milliseconds since the epoch, as text or number.
    pub(crate) fn any_time_ms(self) -> Option<i64> {
        let number = || self.text().map_or_else(|| self.integer(), |text| text.trim().parse().ok());
        self.time_ms().or_else(|| {
            let number: i64 = number()?;
            // No number makes sense as both.
            let meanings = [Some(number), number.checked_mul(1000)];
            meanings.into_iter().flatten().find(|ms| (FIRST_TIME_MS + 1..LAST_TIME_MS).contains(ms))
        })
    }

    /// Any finite number.
    pub(crate) fn float(self) -> Option<f64> {
        self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then_some(())?;
        self.0.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// Bytes, where they are reported: some units bear the largest number there is instead of none.
    pub(crate) fn bytes(self) -> Option<u64> {
        self.count().filter(|bytes| *bytes < i64::MAX.unsigned_abs())
    }

    /// The id of a resource: a text by schema, a number on some lists.
    pub(crate) fn identifier(self) -> Option<Cow<'a, str>> {
        self.text().or_else(|| self.integer().map(|_| Cow::Borrowed(self.0)))
    }

    /// The texts of an array; what is none is left out.
    pub(crate) fn texts(self) -> Vec<Cow<'a, str>> {
        let elements: Vec<Attr<'a>> = serde_json::from_str(self.0).unwrap_or_default();
        elements.into_iter().filter_map(Attr::text).collect()
    }

    /// The records of an array; what is none is left out.
    pub(crate) fn records<T: Readable<'a>>(self) -> Vec<T> {
        let elements = serde_json::from_str::<Objects<T::Raw>>(self.0).ok().and_then(|objects| objects.0);
        elements.into_iter().flatten().flatten().filter_map(|raw| T::read(raw).ok()).collect()
    }

    /// A record.
    pub(crate) fn record<T: Readable<'a>>(self) -> Option<T> {
        T::read(self.object()?).ok()
    }

    /// Whether this is `null`.
    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// An object, read as `T`.
    pub(crate) fn object<T: Record<'a>>(self) -> Option<T> {
        serde_json::from_str::<Object<T>>(self.0).ok()?.0
    }
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attr(text: &str) -> Attr<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_time_whose_form_nobody_published_is_read_in_each_that_makes_sense() {
        let moment = Some(1_764_194_404_000);
        for text in
            ["1764194404", "1764194404000", r#""1764194404""#, r#"" 1764194404000""#, r#""2025-11-26T22:00:04Z""#]
        {
            assert_eq!(attr(text).any_time_ms(), moment, "{text}");
        }
        for text in
            ["0", "17641944040000", "\"\"", "\"soon\"", "null", "-1764194404", "9223372036854775807", "[1764194404]"]
        {
            assert_eq!(attr(text).any_time_ms(), None, "{text}");
        }
    }

    #[test]
    fn values_are_read_as_what_they_should_be_or_not_at_all() {
        assert_eq!(attr("\"plain\"").text(), Some(Cow::Borrowed("plain")));
        assert!(matches!(attr("\"plain\"").text(), Some(Cow::Borrowed(_))));
        assert_eq!(attr(r#""a\"b\\c\u00e9""#).text().as_deref(), Some("a\"b\\cé"));
        assert_eq!(attr(r#""\ud800""#).text(), None, "half of a pair is no text");
        for wrong in ["1", "null", "[]", "{}", "true"] {
            assert_eq!(attr(wrong).text(), None, "{wrong}");
        }
        for (text, expected) in [
            ("3", Some(3)),
            ("-3", Some(-3)),
            ("3.0", Some(3)),
            ("3e2", Some(300)),
            ("3.5", None),
            ("1e400", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("\"3\"", None),
            ("null", None),
        ] {
            assert_eq!(attr(text).integer(), expected, "{text}");
        }
        assert_eq!(attr("18446744073709551615").count(), Some(u64::MAX));
        assert_eq!(attr("-1").count(), None);
        assert_eq!(attr("-1.0").count(), None);
        assert_eq!(attr("2.0").count(), Some(2));
        assert_eq!(attr("true").flag(), Some(true));
        assert_eq!(attr("1").flag(), None);
    }

    #[test]
    fn absurd_times_are_absent() {
        for (text, expected) in [
            ("2025-11-26T22:00:04.123Z", Some(1_764_194_404_123)),
            ("2025-11-26T23:00:04+01:00", Some(1_764_194_404_000)),
            ("1970-01-01T00:00:00.000Z", None),
            ("1980-01-01T00:00:00Z", None),
            ("2100-01-01T00:00:00Z", None),
            ("9999-12-31T23:59:59Z", None),
            ("2025-11-26", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(attr(&format!("\"{text}\"")).time_ms(), expected, "{text}");
        }
        assert_eq!(attr("1764194404123").time_ms(), None);
    }

    proptest! {
        #[test]
        fn any_text_comes_back_whole(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let read = attr(&json).text();
            prop_assert_eq!(read.as_deref(), Some(text.as_str()));
        }

        #[test]
        fn any_integer_comes_back(number: i64, count: u64) {
            prop_assert_eq!(attr(&number.to_string()).integer(), Some(number));
            prop_assert_eq!(attr(&count.to_string()).count(), Some(count));
        }
    }
}
