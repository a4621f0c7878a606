//! A moment of every day as the file writes it: `daily 03:10`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::path::Path;
use crate::report::{Report, code};

/// A moment of every day, in the gateway's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daily {
    /// 0 to 23.
    pub hour: i8,
    /// 0 to 59.
    pub minute: i8,
}

/// A moment of every day as it was written: `daily`, hours and minutes, in the gateway's time zone.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("examples" = ["daily 03:10"]))]
pub(crate) struct DailyText(#[schemars(regex(pattern = r"^daily ([01][0-9]|2[0-3]):[0-5][0-9]$"))] String);

impl DailyText {
    pub(crate) fn check(&self, at: &Path, report: &mut Report) -> Option<Daily> {
        let daily = parse(&self.0);
        if daily.is_none() {
            let message = format!(
                "`{}` is no moment of every day (allowed: `daily` and a time from 00:00 to 23:59, as in `daily 03:10`)",
                self.0
            );
            report.error(code::BAD_VALUE, at, message);
        }
        daily
    }
}

fn parse(text: &str) -> Option<Daily> {
    let (hour, minute) = text.strip_prefix("daily ")?.split_once(':')?;
    let number = |digits: &str, below: i8| {
        let is_two_digits = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|number| is_two_digits && *number < below)
    };
    Some(Daily { hour: number(hour, 24)?, minute: number(minute, 60)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_every_day_has_hours_and_minutes_of_two_digits() {
        for (text, expected) in [
            ("daily 03:10", Some((3, 10))),
            ("daily 00:00", Some((0, 0))),
            ("daily 23:59", Some((23, 59))),
            ("daily 24:00", None),
            ("daily 3:10", None),
            ("daily 03:60", None),
            ("daily +3:10", None),
            ("03:10", None),
            ("weekly 03:10", None),
            ("daily 03:10 ", None),
            ("", None),
        ] {
            assert_eq!(parse(text).map(|daily| (daily.hour, daily.minute)), expected, "{text}");
        }
    }
}
