//! Durations, sizes and counts as a person reads them.

use std::time::Duration;

/// Two units at most: nobody reads the seconds of a day.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (size, unit, rest, smaller) = match seconds {
        0..60 => return format!("{seconds}s"),
        60..3_600 => (60, "m", 1, "s"),
        3_600..172_800 => (3_600, "h", 60, "m"),
        _ => (86_400, "d", 3_600, "h"),
    };
    match seconds % size / rest {
        0 => format!("{}{unit}", seconds / size),
        more => format!("{}{unit} {more}{smaller}", seconds / size),
    }
}

/// How long a poll took: what is below a second matters here.
pub(super) fn milliseconds(ms: u32) -> String {
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{:.1}s", f64::from(ms) / 1000.0),
        _ => span(Duration::from_millis(ms.into())),
    }
}

/// Binary units, three digits.
pub(super) fn bytes(bytes: f64) -> String {
    let (mut value, mut unit) = (bytes, "B");
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    let decimals = if unit == "B" || value >= 100.0 { 0 } else { 1 };
    format!("{value:.decimals$} {unit}")
}

/// A whole number with a comma between thousands.
pub(super) fn number(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `part` of `whole` in percent. 100 is said only where nothing is missing, 0 only where there is nothing.
pub(super) fn percent(part: f64, whole: f64) -> String {
    let percent = part / whole * 100.0;
    let shown = if part < whole { percent.min(99.9) } else { percent };
    let shown = if part > 0.0 { shown.max(0.1) } else { shown };
    if shown.fract().abs() < 0.05 { format!("{shown:.0} %") } else { format!("{shown:.1} %") }
}

/// `1 site`, `2 sites`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let spans = [0, 59, 60, 65, 3_599, 3_661, 129_600, 172_799, 180_061].map(|s| span(Duration::from_secs(s)));
        assert_eq!(spans, ["0s", "59s", "1m", "1m 5s", "59m 59s", "1h 1m", "36h", "47h 59m", "2d 2h"]);
        assert_eq!([7, 1_250, 61_000].map(milliseconds), ["7ms", "1.2s", "1m 1s"]);
        assert_eq!(
            [0.0, 999.0, 1000.0, 4.2e13, 1e30].map(bytes),
            ["0 B", "999 B", "1.0 KiB", "38.2 TiB", "867361737988 EiB"]
        );
        assert_eq!(
            [0.0, 999.0, 1000.0, 1_234_567.0, -1234.0].map(number),
            ["0", "999", "1,000", "1,234,567", "-1,234"]
        );
        let percents = [(0.0, 9.0), (1.0, 9999.0), (1.0, 2.0), (2.0, 3.0), (99_999.0, 100_000.0), (5.0, 5.0)];
        assert_eq!(percents.map(|(a, b)| percent(a, b)), ["0 %", "0.1 %", "50 %", "66.7 %", "99.9 %", "100 %"]);
        assert_eq!((count(1, "site"), count(0, "site")), ("1 site".to_owned(), "0 sites".to_owned()));
    }
}
