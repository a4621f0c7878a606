//! Report by exception: when a new reading of a tag is worth an event.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::interval::Interval;
use crate::path::Path;
use crate::report::code;
use crate::tag_type::TagType;

/// When a reading is reported. The default: whenever it differs from what was reported last.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reporting {
    /// How far a number may move without being reported.
    pub deadband: Deadband,
    /// The least time between two reports, never zero. A device that goes silent is told all the same.
    pub min_interval: Option<Duration>,
    /// The longest time without a report while the device answers, never zero and not below `min_interval`.
    pub max_silence: Option<Duration>,
}

/// How far a number may move from the last reported one without being reported. A step of exactly this is not reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Deadband {
    /// In the tag's unit, after scaling; 0 or more.
    Absolute(f64),
    /// In percent of the last reported value, 0 to 100.
    Percent(f64),
}

impl Default for Deadband {
    fn default() -> Self {
        Self::Absolute(0.0)
    }
}

/// A deadband as it is written: 0.5, or "2%".
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum DeadbandValue {
    Number(#[schemars(range(min = 0))] f64),
    Text(#[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?%$"))] String),
}

/// The keys of a tag that say when it is reported.
pub(crate) struct ReportingKeys<'a> {
    pub(crate) deadband: Option<&'a DeadbandValue>,
    pub(crate) min_interval: Option<&'a Interval>,
    pub(crate) max_silence: Option<&'a Interval>,
}

impl ReportingKeys<'_> {
    /// `tag` is the path of the tag's table; `kind` is its type, where that is right.
    pub(crate) fn check(&self, kind: Option<&TagType>, tag: &Path, check: &mut Check<'_>) -> Option<Reporting> {
        let deadband = self.deadband.map(|deadband| deadband.check(&tag.key("deadband"), check));
        if let (Some(_), Some(kind)) = (self.deadband, kind.filter(|kind| !kind.is_number())) {
            let message = format!("`{}` has no `deadband`: it is reported when it changes", kind.name());
            check.report.error(code::CONFLICT, &tag.key("deadband"), message);
        }
        let mut interval =
            |key, interval: Option<&Interval>| interval.map(|it| it.check_some(&tag.key(key), &mut check.report));
        let min_interval = interval("min_interval", self.min_interval);
        let max_silence = interval("max_silence", self.max_silence);
        if let (Some(Some(least)), Some(Some(most))) = (min_interval, max_silence)
            && most < least
        {
            let message = format!("reports are at least {least:?} apart by `min_interval`");
            check.report.error(code::CONFLICT, &tag.key("max_silence"), message);
        }
        Some(Reporting {
            deadband: given(deadband)?.unwrap_or_default(),
            min_interval: given(min_interval)?,
            max_silence: given(max_silence)?,
        })
    }
}

/// What was given, if that is right.
fn given<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(right) => right.map(Some),
    }
}

impl DeadbandValue {
    fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Deadband> {
        match self {
            Self::Number(number) if *number >= 0.0 => Some(Deadband::Absolute(*number)),
            Self::Number(number) => {
                let message = format!("{number} is no distance (allowed: 0 and more, or a percentage as in \"2%\")");
                check.report.error(code::OUT_OF_RANGE, at, message);
                None
            }
            Self::Text(text) => {
                let percent = percent(text);
                if percent.is_none() {
                    let message = format!("`{text}` is no deadband (allowed: 0 and more, or \"0%\" to \"100%\")");
                    check.report.error(code::BAD_VALUE, at, message);
                }
                percent.map(Deadband::Percent)
            }
        }
    }
}

/// The number before the `%`, with a point or the comma that spreadsheets write.
fn percent(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?.trim_end();
    let plain = number.starts_with(|first: char| first.is_ascii_digit())
        && number.chars().all(|character| character.is_ascii_digit() || matches!(character, '.' | ','));
    let number = number.replacen(',', ".", 1).parse().ok().filter(|_| plain)?;
    (0.0..=100.0).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_a_number_up_to_a_hundred() {
        for (text, expected) in [
            ("2%", Some(2.0)),
            ("0.5%", Some(0.5)),
            ("0,5 %", Some(0.5)),
            ("100%", Some(100.0)),
            ("101%", None),
            ("-1%", None),
            ("inf%", None),
            ("1.000,5%", None),
            ("%", None),
            ("2", None),
        ] {
            assert_eq!(percent(text), expected, "{text}");
        }
    }
}
