//! Report by exception: whether a reading of a tag is worth a report, after the one before.

use std::time::Duration;

use plantlink_config::{Deadband, TagType};
use serde::{Deserialize, Serialize};

use super::mapped::MappedTag;
use crate::reading::{Quality, Value};

/// What was said of a tag last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    value: Option<Value>,
    /// What was wrong with it.
    doubt: Option<String>,
    /// By the clock that runs from boot, in microseconds.
    at_us: i64,
}

impl Report {
    pub(super) fn new(reading: &Quality<Value>, at_us: i64) -> Self {
        Report { value: reading.value().cloned(), doubt: reading.doubt(), at_us }
    }

    /// How long ago it was made, in microseconds.
    pub(super) fn age_us(&self, now_us: i64) -> i64 {
        // A clock that runs from boot goes back with a boot only, and a boot takes longer than anybody is asked to wait.
        match now_us.saturating_sub(self.at_us) {
            age_us @ 0.. => age_us,
            ..0 => i64::MAX,
        }
    }
}

/// When a tag is reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    deadband: Deadband,
    /// What rounding may add to a step, as a part of the values.
    rounding: f64,
    min_interval_us: i64,
    max_silence_us: Option<i64>,
}

impl Rule {
    pub(super) fn new(tag: &MappedTag) -> Self {
        let reporting = tag.reporting;
        let micros = |interval: Duration| i64::try_from(interval.as_micros()).unwrap_or(i64::MAX);
        Rule {
            deadband: reporting.deadband,
            rounding: if tag.kind == TagType::F32 { f32::EPSILON.into() } else { 4.0 * f64::EPSILON },
            min_interval_us: reporting.min_interval.map_or(0, micros),
            max_silence_us: reporting.max_silence.map(micros),
        }
    }

    /// Whether a reading at this moment is to be reported. The first one of a tag always is.
    pub(super) fn asks_for(&self, reading: &Quality<Value>, at_us: i64, last: Option<&Report>) -> bool {
        let Some(last) = last else { return true };
        let elapsed_us = last.age_us(at_us);
        if elapsed_us < self.min_interval_us {
            return false;
        }
        self.max_silence_us.is_some_and(|most_us| elapsed_us >= most_us) || self.is_news(reading, last)
    }

    fn is_news(&self, reading: &Quality<Value>, last: &Report) -> bool {
        if reading.doubt() != last.doubt {
            return true;
        }
        match (&last.value, reading.value()) {
            (Some(last), Some(value)) => match (last.number(), value.number()) {
                (Some(last), Some(value)) if self.has_deadband() => self.moved(last, value),
                (Some(_) | None, Some(_) | None) => last != value,
            },
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        }
    }

    fn has_deadband(&self) -> bool {
        match self.deadband {
            Deadband::Absolute(most) | Deadband::Percent(most) => most > 0.0,
        }
    }

    /// Whether the step is longer than the deadband. A step of exactly the deadband stays one, however it is rounded.
    fn moved(&self, last: f64, value: f64) -> bool {
        let most = match self.deadband {
            Deadband::Absolute(most) => most,
            Deadband::Percent(percent) => last.abs() * percent / 100.0,
        };
        let rounding = self.rounding * last.abs().max(value.abs());
        (value - last).abs() > most + rounding
    }
}

#[cfg(test)]
mod tests;
