//! How long a server asks to be left alone: pure, from header fields to a time.
//!
//! Moments are compared with the server's own `Date`, since a gateway's clock may be wrong.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// Where a server tells how many requests it still takes, and when that begins anew: the usual fields, and those of
/// draft-ietf-httpapi-ratelimit-headers up to 07.
const LIMITS: [(&str, &str); 2] =
    [("x-ratelimit-remaining", "x-ratelimit-reset"), ("ratelimit-remaining", "ratelimit-reset")];
/// A limit that is said to hold longer is tried after this all the same: nobody stands still for a typing error.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Seconds from here on are a moment since 1970, not a length of time: thirty years of patience are not asked for.
const MOMENT_S: i64 = 1_000_000_000;

/// What `Retry-After` says: seconds or a date (RFC 9110, section 10.2.3).
pub(super) fn asked_for(headers: &HeaderMap, now_s: i64) -> Option<Duration> {
    let asked = text(headers, RETRY_AFTER.as_str())?;
    match asked.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(until(date_s(asked)?, headers, now_s)),
    }
}

/// How long no request is left, at most an hour; `None` while one is, or where the server does not say.
pub(super) fn used_up(headers: &HeaderMap, now_s: i64) -> Option<Duration> {
    LIMITS.iter().find_map(|(remaining, reset)| {
        let is_used_up = text(headers, remaining)?.parse::<u64>().ok()? == 0;
        let reset: i64 = text(headers, reset)?.parse().ok()?;
        let respite = if reset >= MOMENT_S {
            until(reset, headers, now_s)
        } else {
            Duration::from_secs(reset.try_into().unwrap_or(0))
        };
        is_used_up.then_some(respite.min(LONGEST))
    })
}

/// Zero when the moment is over.
fn until(moment_s: i64, headers: &HeaderMap, now_s: i64) -> Duration {
    let now_s = text(headers, DATE.as_str()).and_then(date_s).unwrap_or(now_s);
    Duration::from_secs(moment_s.saturating_sub(now_s).try_into().unwrap_or(0))
}

/// A date as HTTP writes it, in seconds since 1970.
fn date_s(text: &str) -> Option<i64> {
    Some(DateTimeParser::new().parse_timestamp(text).ok()?.as_second())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    /// Fri, 20 Nov 2026 08:15:30 GMT.
    const NOW_S: i64 = 1_795_162_530;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn patience_is_asked_for_in_seconds_or_until_a_date_of_the_servers_clock() {
        for (fields, seconds) in [
            (&[("retry-after", "7")] as &[_], Some(7)),
            (&[("retry-after", " 0 ")], Some(0)),
            (&[("retry-after", "Fri, 20 Nov 2026 08:16:30 GMT")], Some(60)),
            (&[("retry-after", "Fri, 20 Nov 2026 08:15:00 GMT")], Some(0)),
            (&[("retry-after", "Thu, 01 Jan 1970 00:00:42 GMT"), ("date", "Thu, 01 Jan 1970 00:00:02 GMT")], Some(40)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-1")], None),
            (&[], None),
        ] {
            assert_eq!(asked_for(&headers(fields), NOW_S), seconds.map(Duration::from_secs), "{fields:?}");
        }
    }

    #[test]
    fn a_limit_is_used_up_when_nothing_remains_of_it() {
        for (fields, seconds) in [
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")] as &[_], Some(30)),
            (&[("ratelimit-remaining", "0"), ("ratelimit-reset", "5")], Some(5)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795162590")], Some(60)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795162500")], Some(0)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795162590000")], Some(3_600)),
            (&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "30")], None),
            (&[("x-ratelimit-remaining", "0")], None),
            (&[("x-ratelimit-reset", "30")], None),
            (&[("x-ratelimit-remaining", "none"), ("x-ratelimit-reset", "30")], None),
        ] {
            assert_eq!(used_up(&headers(fields), NOW_S), seconds.map(Duration::from_secs), "{fields:?}");
        }
    }
}
