//! Points in time, as people type them.

use super::span::parse_duration;
use crate::wire::Timestamp;
use std::time::Duration;

/// A point in time as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    Ago(Duration),
    At(Timestamp),
}

impl Point {
    /// The time that it is, seen from `now`.
    pub(super) fn seen_at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
            Self::At(at) => at,
        }
    }
}

/// Reads one.
pub(super) fn point(text: &str) -> Result<Point, String> {
    let fail = |_| format!("{text:?} is no time: write how long ago (30d, 2h30m), or a time such as 2026-11-01T00:00:00Z");
    parse_duration(text).map(Point::Ago).or_else(|_| text.parse().map(Point::At).map_err(fail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_how_long_ago_or_when() {
        let now: Timestamp = "2026-11-20T09:22:41Z".parse().unwrap();
        let read = |text| point(text).map(|point| point.seen_at(now).to_string());
        assert_eq!(read("30d"), Ok("2026-10-21T09:22:41Z".to_owned()));
        assert_eq!(read("2026-11-01T00:00:00+01:00"), Ok("2026-10-31T23:00:00Z".to_owned()));
        assert!(read("yesterday").unwrap_err().contains("write how long ago"));
    }
}
