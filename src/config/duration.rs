//! Durations as people write them (`"90s"`, `"1h 30m"`), from 100ms to 366d.

use std::time::Duration;

/// The shortest that makes sense for anything here.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest: a leap year.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// What is said about text that is no duration.
pub(super) const EXPECTED: &str = "expected a duration such as \"90s\" or \"1h 30m\", from 100ms to 366d";
/// What is asked where a month made a duration too long.
const MONTHS: &str = ": the unit M is a month; were minutes meant? Write m for minutes";

/// Reads a duration of any length, zero included; `None` when it is none.
#[must_use]
pub fn read_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    // Part by part: humantime panics on some sums near 2^64 seconds.
    while let Some(end) = end_of_part(rest) {
        let (part, behind) = rest.split_at(end);
        sum = sum.checked_add(humantime::parse_duration(part).ok()?)?;
        rest = behind;
    }
    sum.checked_add(humantime::parse_duration(rest).ok()?)
}

/// Where the next part starts: at the first digit behind a unit.
fn end_of_part(text: &str) -> Option<usize> {
    let unit = text.find(char::is_alphabetic)?;
    let digit = text.get(unit..)?.find(|c: char| c.is_ascii_digit())?;
    Some(unit + digit)
}

/// Reads a duration of the configuration.
///
/// # Errors
/// What was expected; never the text.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let duration = read_duration(text).ok_or(EXPECTED)?;
    if duration.is_zero() {
        Err(format!("zero is no duration here; {EXPECTED}"))
    } else if duration < SHORTEST {
        Err(format!("too short; {EXPECTED}"))
    } else if duration > LONGEST {
        let months = if has_months_by_letter(text) { MONTHS } else { "" };
        Err(format!("too long{months}; {EXPECTED}"))
    } else {
        Ok(duration)
    }
}

/// Whether the unit `M`, a month, is used: minutes may have been meant.
pub(super) fn has_months_by_letter(text: &str) -> bool {
    text.split(|c: char| !c.is_alphabetic()).any(|unit| unit == "M")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, ms) in [
            ("100ms", 100),
            ("1s", 1_000),
            ("90s", 90_000),
            ("1m", 60_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("366d", 366 * 86_400_000),
            ("1.5s", 1_500),
            ("1 0 s", 10_000),
            ("31622399s 999ms", 31_622_399_999),
            ("31622400000000000ns", 31_622_400_000),
            ("365d 23h 59m 59s 999ms 999us 1000ns", 31_622_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn refuses_zero_absurd_and_unreadable_ones() {
        for text in [
            "",
            " ",
            "0",
            "0s",
            "0h 0m",
            "99ms",
            "1ns",
            "366d 1s",
            "367d",
            "100y",
            "5",
            "s",
            "1 fortnight",
            "-1s",
            "1e3s",
            "18446744073709551615s 1000ms",
            "307445734561825860m 15s 1000ms",
            "99999999999999999999999s",
            "584542046090y 19767615s 1000ms",
            "1h 2",
            "1h.5m",
            "1s s",
            "1ms 1١s",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.ends_with(EXPECTED), "{text}: {error}");
        }
    }

    #[test]
    fn parts_below_a_second_do_not_make_a_duration_unreadable() {
        let expected = Duration::from_secs(31_622_400) - Duration::from_micros(1);
        assert_eq!(parse("31622399s 999ms 999us"), Ok(expected));
    }

    #[test]
    fn a_duration_that_is_too_long_by_its_months_asks_for_minutes() {
        for (text, asks) in [("30M", true), ("1d 13M", true), ("400d", false), ("13months", false)] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("too long"), "{text}: {error}");
            assert_eq!(error.contains("were minutes meant? Write m"), asks, "{text}: {error}");
        }
    }

    #[test]
    fn the_letter_m_is_told_apart_from_minutes() {
        assert!(has_months_by_letter("5M") && has_months_by_letter("1h 5M") && has_months_by_letter("5 M"));
        assert!(!has_months_by_letter("5m") && !has_months_by_letter("1month") && !has_months_by_letter("5Mx"));
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_in_range(text in "\\PC*|([0-9]{0,22}[ .]?(ns|ms|s|m|h|d|w|M|y|years)? ?){0,4}") {
            if let Ok(duration) = parse(&text) {
                prop_assert!((SHORTEST..=LONGEST).contains(&duration));
            }
        }

        #[test]
        fn parts_mean_what_the_library_says(text in "( ?[0-9]{1,9}(\\.[0-9]{1,3})? ?(ns|us|ms|s|min|h|d|w|M|y|x)?){1,4} ?") {
            prop_assert_eq!(read_duration(&text), humantime::parse_duration(&text).ok());
        }
    }
}
