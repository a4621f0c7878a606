//! From the raw number to the value: factor, power of ten and offset.

use plantlink_config::Tag;

use crate::reading::{Fault, Quality, Value};

/// The value of a tag whose raw value was read. `exponent` is what the tag that `scale_from` names reads in the same
/// scan. A number stays what it is unless it is scaled, then it is a float; what is no number is not scaled.
pub(crate) fn scaled(tag: &Tag, raw: Quality<Value>, exponent: Option<&Quality<Value>>) -> Quality<Value> {
    if !tag.is_scaled() {
        return raw;
    }
    let Quality::Good(value) = raw else { return raw };
    let number = match value {
        Value::Unsigned(number) => number as f64,
        Value::Signed(number) => number as f64,
        Value::Float(number) => number,
        Value::Bool(_) | Value::Text(_) | Value::Labels(_) => return Quality::Good(value),
    };
    let power = match (&tag.scale_from, exponent) {
        (None, _) => 0,
        (Some(_), Some(Quality::Good(Value::Signed(power)))) => *power,
        (Some(_), Some(Quality::Good(Value::Unsigned(power)))) => i64::try_from(*power).unwrap_or(i64::MAX),
        (Some(_), Some(Quality::Good(Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::Labels(_))))
        | (Some(_), Some(Quality::Uncertain(..) | Quality::Bad(_)) | None) => return Quality::Bad(Fault::Unscaled),
    };
    let value = shifted(times(number, tag.scale), power) + tag.offset;
    if value.is_finite() { Quality::Good(Value::Float(value)) } else { Quality::Bad(Fault::NotANumber) }
}

/// A factor such as 0.1 has no exact binary form, its inverse has: dividing by 10 makes 0.3 of 3, multiplying by 0.1
/// makes 0.30000000000000004.
fn times(number: f64, scale: f64) -> f64 {
    let divisor = scale.recip().round();
    if divisor.recip() == scale { number / divisor } else { number * scale }
}

/// `number` x 10^`power`; infinite, or zero, far beyond what a float can hold. Divides where the power is negative, for
/// the reason that `times` has.
fn shifted(number: f64, power: i64) -> f64 {
    let factor = |power: u64| 10_f64.powi(i32::try_from(power).unwrap_or(i32::MAX));
    if power < 0 { number / factor(power.unsigned_abs()) } else { number * factor(power.unsigned_abs()) }
}

#[cfg(test)]
mod tests {
    use plantlink_config::{Table, TagName, TagType};

    use super::super::fake;
    use super::*;

    fn tag() -> Tag {
        fake::tag(Table::Holding, 0, TagType::U16)
    }

    fn float(value: f64) -> Quality<Value> {
        Quality::Good(Value::Float(value))
    }

    fn raw(number: u64) -> Quality<Value> {
        Quality::Good(Value::Unsigned(number))
    }

    #[test]
    fn a_number_stays_what_it_is_unless_it_is_scaled() {
        assert_eq!(scaled(&tag(), raw(u64::MAX), None), raw(u64::MAX));
        assert_eq!(scaled(&Tag { scale: 0.5, ..tag() }, Quality::Good(Value::Signed(-1)), None), float(-0.5));
        assert_eq!(scaled(&Tag { offset: 2.0, ..tag() }, raw(1), None), float(3.0));
    }

    #[test]
    fn a_decimal_scale_gives_the_decimal_on_the_panel() {
        for (scale, number, value) in
            [(0.1, 3, 0.3), (0.1, 215, 21.5), (0.01, 1999, 19.99), (-0.1, 7, -0.7), (2.5, 3, 7.5)]
        {
            assert_eq!(scaled(&Tag { scale, ..tag() }, raw(number), None), float(value), "{number} x {scale}");
        }
        let celsius = Tag { scale: 0.5, offset: -40.0, ..tag() };
        assert_eq!(scaled(&celsius, raw(85), None), float(2.5));
    }

    #[test]
    fn a_power_of_ten_comes_from_another_tag_of_the_scan() {
        let tag = Tag { scale_from: TagName::new("power"), ..tag() };
        for (number, power, value) in
            [(2304, -1, 230.4), (4999, -2, 49.99), (3, -1, 0.3), (12, 3, 12_000.0), (7, 0, 7.0), (5, -400, 0.0)]
        {
            let power = Quality::Good(Value::Signed(power));
            assert_eq!(scaled(&tag, raw(number), Some(&power)), float(value));
        }
        let both = Tag { scale: 0.5, offset: 1.0, ..tag.clone() };
        assert_eq!(scaled(&both, raw(4), Some(&raw(2))), float(201.0));
        let unscaled = Quality::Bad(Fault::Unscaled);
        assert_eq!(scaled(&tag, raw(4), Some(&Quality::Bad(Fault::Missing))), unscaled);
        assert_eq!(scaled(&tag, raw(4), None), unscaled);
    }

    #[test]
    fn what_overflows_is_not_a_number_and_a_fault_stays_the_fault_that_it_is() {
        let not_a_number = Quality::Bad(Fault::NotANumber);
        assert_eq!(scaled(&Tag { scale: 10.0, ..tag() }, float(f64::MAX), None), not_a_number);
        let powered = Tag { scale_from: TagName::new("power"), ..tag() };
        assert_eq!(scaled(&powered, raw(1), Some(&raw(u64::MAX))), not_a_number);
        let silent = Quality::Bad(Fault::Timeout);
        assert_eq!(scaled(&powered, silent.clone(), Some(&silent)), silent);
    }
}
