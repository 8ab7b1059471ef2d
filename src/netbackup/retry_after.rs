//! `Retry-After` as NetBackup and what stands before it write it: seconds, an HTTP date, or an ISO 8601 date-time.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// The wait that `value` asks for, seen from `now`. Rubbish, a moment in the past and a negative number are `None`.
pub(crate) fn parse(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = parse_date(value)?;
    let now = Timestamp::try_from(now).ok()?;
    Duration::try_from(until.duration_since(now)).ok()
}

fn parse_date(value: &str) -> Option<Timestamp> {
    if let Ok(stamp) = value.parse::<Timestamp>() {
        return Some(stamp);
    }
    // The vendor's guide promises UTC, so a date-time without an offset is read as that.
    if let Ok(civil) = value.parse::<jiff::civil::DateTime>() {
        return jiff::tz::Offset::UTC.to_timestamp(civil).ok();
    }
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> SystemTime {
        SystemTime::try_from(text.parse::<Timestamp>().unwrap()).unwrap()
    }

    #[test]
    fn three_forms_are_understood() {
        let now = at("2022-01-14T14:46:00Z");
        let cases = [
            ("120", Some(120.0)),
            (" 0 ", Some(0.0)),
            ("2022-01-14T14:46:01.311Z", Some(1.311)),
            ("2022-01-14T15:46:01+01:00", Some(1.0)),
            ("2022-01-14T14:46:05", Some(5.0)),
            ("Fri, 14 Jan 2022 14:47:00 GMT", Some(60.0)),
            ("Fri, 14 Jan 2022 14:45:00 GMT", None),
            ("2022-01-14T14:45:59Z", None),
            ("-5", None),
            ("", None),
            ("soon", None),
            ("1.5", None),
            ("99999999999999999999999", None),
        ];
        for (value, expected) in cases {
            assert_eq!(parse(value, now).map(|wait| wait.as_secs_f64()), expected, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(value in any::<String>(), seconds in any::<u32>()) {
            let _ = parse(&value, SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(seconds)));
        }
    }
}
