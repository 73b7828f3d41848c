//! Durations as people write and read them, and points in time seen from now.

use crate::wire::Timestamp;
use std::time::Duration;

/// Reads `90`, `90s`, `2h30m`, `1d` into seconds.
///
/// # Errors
/// A sentence that shows the form.
pub(crate) fn parse_seconds(text: &str) -> Result<u64, String> {
    let fail = || format!("{text:?} is no duration: write 90 (seconds), 90s, 2h30m or 1d");
    let mut total = 0_u64;
    let mut digits = String::new();
    let mut smallest = u64::MAX;
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(fail()),
        };
        // Units come once each and from large to small: `30m2h` is more likely a slip than a duration.
        if unit >= smallest {
            return Err(fail());
        }
        smallest = unit;
        let number: u64 = digits.parse().map_err(|_| fail())?;
        digits.clear();
        total = number.checked_mul(unit).and_then(|s| total.checked_add(s)).ok_or_else(fail)?;
    }
    match (digits.is_empty(), smallest == u64::MAX) {
        (true, false) => Ok(total),
        (false, true) => digits.parse().map_err(|_| fail()),
        // Nothing at all, or a number without a unit after one with a unit.
        _ => Err(fail()),
    }
}

/// Reads a duration, see [`parse_seconds`].
///
/// # Errors
/// A sentence that shows the form.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    parse_seconds(text).map(Duration::from_secs)
}

/// A duration to two units: `0.4s`, `42s`, `1m22s`, `1h02m`, `3d04h`.
#[must_use]
pub(crate) fn span(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0 => format!("0.{}s", duration.subsec_millis() / 100),
        1..60 => format!("{s}s"),
        60..3_600 => format!("{}m{:02}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h{:02}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d{:02}h", s / 86_400, s / 3_600 % 24),
    }
}

/// An age at a glance: `42s`, `8m`, `1h02m`, `3d`.
#[must_use]
pub(crate) fn age(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m", s / 60),
        3_600..86_400 if (s / 60).is_multiple_of(60) => format!("{}h", s / 3_600),
        3_600..86_400 => format!("{}h{:02}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d", s / 86_400),
    }
}

/// The time from `earlier` to `later`; zero where a clock went backwards.
#[must_use]
pub(crate) fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("0", 0), ("90", 90), ("90s", 90), ("2h30m", 9_000), ("1d", 86_400), ("1d2h3m4s", 93_784)] {
            assert_eq!(parse_seconds(text), Ok(seconds), "{text:?}");
        }
        for wrong in ["", "h", "2x", "30m2h", "2h2h", "2h30", "-1", "1.5h", "999999999999999999d", "2 h"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong:?} must be refused");
        }
    }

    #[test]
    fn durations_are_shown_at_a_glance() {
        let shown: Vec<_> = [400, 42_000, 82_000, 3_720_000, 7_200_000, 273_600_000]
            .map(Duration::from_millis)
            .map(|d| format!("{} {}", span(d), age(d)))
            .into();
        assert_eq!(shown, ["0.4s 0s", "42s 42s", "1m22s 1m", "1h02m 1h02m", "2h00m 2h", "3d04h 3d"]);
    }
}
