//! `Retry-After` as NetBackup and what stands before it write it: seconds, an HTTP date, or an ISO 8601 date-time.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap};

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

/// The moment of an answer by the clock of whoever wrote it, by which it means its dates: what it says itself, else ours and
/// the `offset` in seconds that is known of the primary's.
pub(crate) fn now(headers: &HeaderMap, offset: Option<f64>) -> SystemTime {
    let said = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(|date| parse_date(date.trim()));
    if let Some(said) = said.and_then(|said| SystemTime::try_from(said).ok()) {
        return said;
    }
    let (ours, offset) = (SystemTime::now(), offset.unwrap_or(0.0));
    let apart = Duration::try_from_secs_f64(offset.abs()).unwrap_or_default();
    let theirs = if offset < 0.0 { ours.checked_sub(apart) } else { ours.checked_add(apart) };
    theirs.unwrap_or(ours)
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

    #[test]
    fn dates_are_measured_by_the_clock_of_who_wrote_them() {
        let waits = |date: Option<&str>, offset, value: &str| {
            let mut headers = HeaderMap::new();
            headers.extend(date.map(|date| (DATE, date.parse().unwrap())));
            parse(value, now(&headers, offset)).map(|wait| wait.as_secs_f64())
        };
        let date = Some("Fri, 14 Jan 2022 14:46:00 GMT");
        assert_eq!(waits(date, Some(-7200.0), "2022-01-14T14:46:08Z"), Some(8.0));
        assert_eq!(waits(date, None, "Fri, 14 Jan 2022 14:46:08 GMT"), Some(8.0));
        assert_eq!(waits(date, None, "8"), Some(8.0));
        let ahead = |seconds| {
            let then = Timestamp::now() + Duration::from_secs(seconds);
            format!("{then:.3}")
        };
        for date in [None, Some("soon"), Some("")] {
            let wait = waits(date, Some(2400.0), &ahead(2408)).unwrap();
            assert!(wait > 0.0 && wait <= 8.0, "{wait}");
            let wait = waits(date, None, &ahead(60)).unwrap();
            assert!(wait > 50.0 && wait <= 60.0, "{wait}");
        }
        let wait = waits(None, Some(-2400.0), &ahead(0)).unwrap();
        assert!(wait > 2390.0 && wait <= 2400.0, "{wait}");
        assert!(waits(None, Some(f64::INFINITY), &ahead(60)).is_some());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(value in any::<String>(), seconds in any::<u32>()) {
            let _ = parse(&value, SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(seconds)));
        }
    }
}
