//! The limits of a number, and how far it must come back within them.

use crate::check::Check;
use crate::path::Path;
use crate::report::code;

/// The limits of a number. At least one of them is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The most that is no alarm, in the tag's unit.
    pub high: Option<f64>,
    /// The least that is no alarm, below `high`.
    pub low: Option<f64>,
    /// How far the number must come back for the alarm to be over; 0 or more, and less than the limits are apart.
    pub hysteresis: f64,
}

impl Limit {
    /// `at` is the place of the event.
    pub(super) fn check(
        high: Option<f64>,
        low: Option<f64>,
        hysteresis: f64,
        at: &Path,
        check: &mut Check<'_>,
    ) -> Option<Self> {
        if high.is_none() && low.is_none() && !check.has_any(at, &["high", "low"]) {
            check.missing("high", "a limit is one of `high` and `low`, or both", at);
            return None;
        }
        if hysteresis < 0.0 {
            let message = format!("{hysteresis} is no distance (allowed: 0 and more)");
            check.report.error(code::OUT_OF_RANGE, &at.key("hysteresis"), message);
            return None;
        }
        if let (Some(high), Some(low)) = (high, low) {
            if low >= high {
                let message = format!("{low} is not below `high`, which is {high}");
                check.report.error(code::CONFLICT, &at.key("low"), message);
                return None;
            }
            if hysteresis >= high - low {
                let message = format!("the limits are {} apart, and no value would end the alarm", high - low);
                check.report.error(code::CONFLICT, &at.key("hysteresis"), message);
                return None;
            }
        }
        (high.is_some() || low.is_some()).then_some(Self { high, low, hysteresis })
    }
}
