//! Quantities that add up: whole numbers of millionths, so that the steps of a counter sum up to exactly what it shows.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::reading::Value;

/// A quantity that is not negative. A millionth of its unit is its smallest part: a milliwatt-hour of a kilowatt-hour is
/// a thousand of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Quantity {
    millionths: u128,
}

const MILLION: u128 = 1_000_000;

impl Quantity {
    pub(super) const ZERO: Quantity = Quantity { millionths: 0 };

    pub(super) fn whole(number: u64) -> Self {
        Quantity { millionths: u128::from(number) * MILLION }
    }

    /// The nearest quantity; `None` for what is negative, or beyond 2^64.
    pub(super) fn nearest(number: f64) -> Option<Self> {
        let fits = (0.0..=u64::MAX as f64).contains(&number);
        // The two parts of a number are exact, where its product with a million would be rounded.
        let (whole, part) = (number.trunc() as u128, number.fract() * MILLION as f64);
        fits.then_some(Quantity { millionths: whole * MILLION + part.round() as u128 })
    }

    /// What a counter shows; `None` for what is no quantity.
    pub(super) fn shown(value: &Value) -> Option<Self> {
        match value {
            Value::Unsigned(number) => Some(Quantity::whole(*number)),
            Value::Signed(number) => u64::try_from(*number).ok().map(Quantity::whole),
            Value::Float(number) => Quantity::nearest(*number),
            Value::Bool(_) | Value::Text(_) | Value::Labels(_) => None,
        }
    }

    pub(super) fn is_whole(self) -> bool {
        self.millionths.is_multiple_of(MILLION)
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Quantity { millionths: self.millionths.saturating_add(other.millionths) }
    }

    /// `None` when `other` is more.
    pub(super) fn minus(self, other: Self) -> Option<Self> {
        self.millionths.checked_sub(other.millionths).map(|millionths| Quantity { millionths })
    }

    pub(super) fn divided(self, by: u32) -> Self {
        Quantity { millionths: self.millionths / u128::from(by) }
    }

    /// As events show it: a whole number, or one with up to six decimals.
    pub(super) fn to_json(self) -> serde_json::Value {
        let whole = u64::try_from(self.millionths / MILLION).ok().filter(|_| self.is_whole()).map(Number::from);
        let number = whole.or_else(|| Number::from_f64(self.millionths as f64 / MILLION as f64));
        number.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reading_becomes_the_nearest_millionth_and_is_shown_as_it_was_written() {
        for (read, shown) in [
            (Value::Unsigned(41_233), json!(41_233)),
            (Value::Unsigned(u64::MAX), json!(u64::MAX)),
            (Value::Signed(7), json!(7)),
            (Value::Float(0.1 + 0.2), json!(0.3)),
            (Value::Float(12_345.678), json!(12_345.678)),
            (Value::Float(12_345.678_f32.into()), json!(12_345.677_734)),
            (Value::Float(9_000_000_000.1), json!(9_000_000_000.1)),
            (Value::Float(20.0), json!(20)),
            (Value::Float(0.000_000_4), json!(0)),
        ] {
            assert_eq!(Quantity::shown(&read).unwrap().to_json(), shown, "{read:?}");
        }
        for read in [Value::Signed(-1), Value::Float(-0.5), Value::Float(1e30), Value::Bool(true)] {
            assert_eq!(Quantity::shown(&read), None, "{read:?}");
        }
    }
}
