//! A moment on the command line: RFC 3339, or how long ago (`2h`, `7d`).

use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A moment as its Unix microseconds, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub(super) i64);

/// What was given is neither.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("neither a time (2026-11-20T08:00:00Z) nor how long ago (45min, 2h, 7d)")]
pub(super) struct NoMoment;

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        Self::before(text, Timestamp::now())
    }
}

impl Moment {
    fn before(text: &str, now: Timestamp) -> Result<Self, NoMoment> {
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(Self(moment.as_microsecond()));
        }
        let ago: Span = text.parse().map_err(|_| NoMoment)?;
        // A day of UTC always has 24 hours.
        let then = now.to_zoned(TimeZone::UTC).checked_sub(ago.abs()).map_err(|_| NoMoment)?;
        Ok(Self(then.timestamp().as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z"),
            ("2026-11-20T08:00:00+02:00", "2026-11-20T06:00:00Z"),
            ("2h", "2026-11-20T10:00:00Z"),
            ("45min", "2026-11-20T11:15:00Z"),
            ("7d", "2026-11-13T12:00:00Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(Moment::before(text, now).unwrap(), Moment(expected.as_microsecond()), "{text}");
        }
        for text in ["", "yesterday", "12", "2026-11-20"] {
            assert!(Moment::before(text, now).is_err(), "{text}");
        }
    }
}
