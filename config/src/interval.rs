//! Lengths of time as the file writes them: `500ms`, `20s`, `5m`, `12h`, `7d`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::path::Path;
use crate::report::{Report, code};

/// A length of time as it was written: a whole number and `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("examples" = ["20s"]))]
pub(crate) struct Interval(#[schemars(regex(pattern = r"^[0-9]+(ms|s|m|h|d)$"))] String);

/// The longest that makes sense anywhere, and far from any overflow.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

impl Interval {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// No time at all: the default of what is off until it is given.
    pub(crate) fn zero() -> Self {
        Self::new("0s")
    }

    /// The length of time, which may be zero.
    pub(crate) fn check(&self, at: &Path, report: &mut Report) -> Option<Duration> {
        let duration = parse(&self.0);
        match duration {
            None => {
                let message = format!(
                    "`{}` is not a length of time (allowed: a whole number and ms, s, m, h or d, as in 500ms)",
                    self.0
                );
                report.error(code::BAD_VALUE, at, message);
            }
            Some(duration) if duration > LONGEST => {
                report.error(code::OUT_OF_RANGE, at, format!("`{}` is too long (allowed: up to ten years)", self.0));
                return None;
            }
            Some(_) => {}
        }
        duration
    }

    /// The length of time, which may not be zero.
    pub(crate) fn check_some(&self, at: &Path, report: &mut Report) -> Option<Duration> {
        let duration = self.check(at, report)?;
        if duration.is_zero() {
            report.error(code::OUT_OF_RANGE, at, "an interval of zero is not possible (allowed: 1ms and longer)");
            return None;
        }
        Some(duration)
    }
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_whole_number_and_a_unit() {
        for (text, expected) in [
            ("500ms", Some(Duration::from_millis(500))),
            ("20s", Some(Duration::from_secs(20))),
            ("5m", Some(Duration::from_secs(300))),
            ("12h", Some(Duration::from_secs(43_200))),
            ("7d", Some(Duration::from_secs(604_800))),
            ("0ms", Some(Duration::ZERO)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("5 s", None),
            ("5min", None),
            ("99999999999999999999s", None),
            ("18446744073709551615d", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
