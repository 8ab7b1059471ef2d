//! Times as the API writes them.

/// Milliseconds since the epoch as an ISO 8601 time in UTC with milliseconds, such as `2025-11-26T22:00:04.000Z`.
pub(crate) fn iso(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |stamp| format!("{stamp:.3}"))
}

/// The opposite of [`iso`]; `None` unless the text is a full time in UTC that ends in `Z`.
pub(crate) fn parse_iso(text: &str) -> Option<i64> {
    if !text.ends_with('Z') || text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// A duration as ISO 8601 with whole seconds, such as `PT1H0M5S`.
pub(crate) fn iso_duration(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("PT{seconds}S"),
        (0, _) => format!("PT{minutes}M{seconds}S"),
        _ => format!("PT{hours}H{minutes}M{seconds}S"),
    }
}

/// Reads `PT…H…M…S` with whole numbers.
pub(crate) fn parse_iso_duration(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix("PT")?;
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_i64;
    for (unit, factor) in [('H', 3600), ('M', 60), ('S', 1)] {
        if let Some((digits, after)) = rest.split_once(unit) {
            total = digits.parse::<i64>().ok()?.checked_mul(factor)?.checked_add(total)?;
            rest = after;
        }
    }
    if rest.is_empty() { total.checked_mul(1000) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_milliseconds_and_read_back() {
        assert_eq!(iso(1_764_194_404_407), "2025-11-26T22:00:04.407Z");
        assert_eq!(parse_iso("2025-11-26T22:00:04.407Z"), Some(1_764_194_404_407));
        assert_eq!(parse_iso("2025-11-26T22:00:04Z"), Some(1_764_194_404_000));
        for bad in ["2025-11-26", "2025-11-26T22:00:04.407", "2025-11-26T22:00:04+01:00", "2025-11-26 22:00:04Z", ""] {
            assert_eq!(parse_iso(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_read_back() {
        for (ms, text) in [(5_000, "PT5S"), (346_000, "PT5M46S"), (3_605_000, "PT1H0M5S"), (-1, "PT0S")] {
            assert_eq!(iso_duration(ms), text);
            assert_eq!(parse_iso_duration(text), Some(ms.max(0)));
        }
        assert_eq!(parse_iso_duration("PT"), None);
        assert_eq!(parse_iso_duration("5m"), None);
    }
}
