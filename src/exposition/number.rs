//! Numbers as both formats read them.

use std::time::SystemTime;

use crate::clock::unix_seconds;

/// The value of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Written in full, however large.
    Integer(u64),
    /// Written as the shortest text that reads back as the same float.
    Float(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Number::Integer(value)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Number::Float(value)
    }
}

impl Number {
    /// The nearest float.
    #[expect(clippy::cast_precision_loss, reason = "what reads it shows a few digits")]
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Number::Integer(value) => value as f64,
            Number::Float(value) => value,
        }
    }

    /// Unix time, rounded to milliseconds: what polls a network knows no microseconds.
    pub(super) fn timestamp(wall: SystemTime) -> Number {
        Number::Float(milliseconds(unix_seconds(wall)))
    }
}

/// `seconds` rounded to milliseconds.
pub(super) fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Below this every whole float is exactly one integer, so its digits may be written without a fraction.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Number {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Number::Integer(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            Number::Float(value) if value.fract() == 0.0 && value.abs() < EXACT => {
                out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
            }
            Number::Float(value) => write_float(out, value),
        }
    }
}

/// Appends the shortest text of `value`, with a fraction even when it is whole: the canonical form of bucket bounds.
pub(super) fn write_float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(number: impl Into<Number>) -> String {
        let mut out = Vec::new();
        number.into().write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn bound(value: f64) -> String {
        let mut out = Vec::new();
        write_float(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(text(u64::MAX), "18446744073709551615");
        assert_eq!(text(0.0), "0");
        assert_eq!(text(-3.0), "-3");
        assert_eq!(text(0.1), "0.1");
        assert_eq!(text(1_790_000_000.125), "1790000000.125");
        assert_eq!(text(1e300), "1e+300");
        assert_eq!([text(f64::NAN), text(f64::INFINITY), text(f64::NEG_INFINITY)], ["NaN", "+Inf", "-Inf"]);
    }

    #[test]
    fn timestamps_have_milliseconds() {
        let after = |micros| SystemTime::UNIX_EPOCH + std::time::Duration::from_micros(micros);
        assert_eq!(text(Number::timestamp(after(1_700_000_000_123_456))), "1700000000.123");
        assert_eq!(text(Number::timestamp(after(1_700_000_000_999_999))), "1700000001");
        assert_eq!(text(Number::timestamp(SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(9))), "0");
    }

    #[test]
    fn bounds_keep_their_fraction() {
        assert_eq!([bound(0.01), bound(60.0), bound(172_800.0)], ["0.01", "60.0", "172800.0"]);
        assert_eq!(bound(f64::INFINITY), "+Inf");
    }

    proptest! {
        #[test]
        fn floats_read_back_as_they_were(bits: u64) {
            let value = f64::from_bits(bits);
            let read: f64 = text(value).parse().unwrap();
            prop_assert!(read == value || (read.is_nan() && value.is_nan()));
        }

        #[test]
        fn integers_read_back_as_they_were(value: u64) {
            prop_assert_eq!(text(value).parse::<u64>().unwrap(), value);
        }
    }
}
