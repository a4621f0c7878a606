//! What a metric's value says under a tag: any value in, a reading or a fault out.

use plantlink_config::{Byte, TagType};

use super::payload::{DataType, Metric, Raw};
use crate::reading::{Fault, Quality, Value, widened};
use crate::template::rfc3339;

/// A value as its node means it, before it is a tag's.
enum Plain {
    Whole(i128),
    Float(f64),
    Boolean(bool),
    Text(String),
}

impl Metric {
    /// The value for a tag of this type. `datatype` is that of the birth certificate.
    pub(crate) fn value(&self, kind: &TagType, datatype: DataType) -> Quality<Value> {
        if self.is_null == Some(true) {
            return Quality::Bad(Fault::Missing);
        }
        match self.value.as_ref().and_then(|raw| plain(raw, datatype)) {
            Some(plain) => reading(plain, kind).map_or(Quality::Bad(Fault::WrongType), finite),
            None => Quality::Bad(Fault::WrongType),
        }
    }
}

fn finite(value: Value) -> Quality<Value> {
    let is_number = if let Value::Float(number) = value { number.is_finite() } else { true };
    if is_number { Quality::Good(value) } else { Quality::Bad(Fault::NotANumber) }
}

/// `None`: the wire holds something else than the birth certificate announced.
fn plain(raw: &Raw, datatype: DataType) -> Option<Plain> {
    let bits = match raw {
        Raw::Int(bits) => Some(u64::from(*bits)),
        Raw::Long(bits) => Some(*bits),
        Raw::Float(_) | Raw::Double(_) | Raw::Boolean(_) | Raw::Text(_) => None,
    };
    Some(match datatype {
        DataType::Int8 => Plain::Whole(signed(bits?, 8)?),
        DataType::Int16 => Plain::Whole(signed(bits?, 16)?),
        DataType::Int32 => Plain::Whole(signed(bits?, 32)?),
        DataType::Int64 => Plain::Whole(signed(bits?, 64)?),
        DataType::UInt8 => Plain::Whole(u8::try_from(bits?).ok()?.into()),
        DataType::UInt16 => Plain::Whole(u16::try_from(bits?).ok()?.into()),
        DataType::UInt32 => Plain::Whole(u32::try_from(bits?).ok()?.into()),
        DataType::UInt64 => Plain::Whole(bits?.into()),
        DataType::Float | DataType::Double => match raw {
            Raw::Float(number) => Plain::Float(widened(*number)),
            Raw::Double(number) => Plain::Float(*number),
            Raw::Int(_) | Raw::Long(_) | Raw::Boolean(_) | Raw::Text(_) => return None,
        },
        DataType::Boolean => match raw {
            Raw::Boolean(truth) => Plain::Boolean(*truth),
            Raw::Int(_) | Raw::Long(_) | Raw::Float(_) | Raw::Double(_) | Raw::Text(_) => return None,
        },
        DataType::Text => match raw {
            Raw::Text(text) => Plain::Text(text.clone()),
            Raw::Int(_) | Raw::Long(_) | Raw::Float(_) | Raw::Double(_) | Raw::Boolean(_) => return None,
        },
        DataType::DateTime => Plain::Text(date(bits?)?),
    })
}

/// Milliseconds since 1970. `None`: no calendar shows them.
fn date(at_ms: u64) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?;
    Some(rfc3339(at.as_microsecond()))
}

/// Two's complement in `width` bits. Some nodes fill the bits above it with the sign, some with zeros.
fn signed(bits: u64, width: u32) -> Option<i128> {
    let bits = i128::from(bits);
    let (half, full) = (1_i128 << (width - 1), 1_i128 << width);
    let in_width = |number: i128| (-half..half).contains(&number).then_some(number);
    // As they are, as the width means them, and as the field's own 32 or 64 bits do.
    in_width(bits)
        .or_else(|| (bits < full).then(|| bits - full))
        .or_else(|| in_width(bits - (1 << 32)))
        .or_else(|| in_width(bits - (1 << 64)))
}

/// `None`: the tag is of another type.
fn reading(plain: Plain, kind: &TagType) -> Option<Value> {
    let unsigned =
        |number: i128, most: u64| u64::try_from(number).ok().filter(|number| *number <= most).map(Value::Unsigned);
    let signed = |number: i128, range: std::ops::RangeInclusive<i64>| {
        i64::try_from(number).ok().filter(|number| range.contains(number)).map(Value::Signed)
    };
    match (kind, plain) {
        (TagType::Bool | TagType::Bit(_), Plain::Boolean(truth)) => Some(Value::Bool(truth)),
        (TagType::U8(_), Plain::Whole(number)) => unsigned(number, u8::MAX.into()),
        (TagType::U16, Plain::Whole(number)) => unsigned(number, u16::MAX.into()),
        (TagType::U32, Plain::Whole(number)) => unsigned(number, u32::MAX.into()),
        (TagType::U64, Plain::Whole(number)) => unsigned(number, u64::MAX),
        (TagType::Bcd16, Plain::Whole(number)) => unsigned(number, 9_999),
        (TagType::Bcd32, Plain::Whole(number)) => unsigned(number, 99_999_999),
        (TagType::I8(_), Plain::Whole(number)) => signed(number, i8::MIN.into()..=i8::MAX.into()),
        (TagType::I16, Plain::Whole(number)) => signed(number, i16::MIN.into()..=i16::MAX.into()),
        (TagType::I32, Plain::Whole(number)) => signed(number, i32::MIN.into()..=i32::MAX.into()),
        (TagType::I64, Plain::Whole(number)) => signed(number, i64::MIN..=i64::MAX),
        (TagType::F32 | TagType::F64, Plain::Float(number)) => Some(Value::Float(number)),
        (TagType::F32 | TagType::F64, Plain::Whole(number)) => Some(Value::Float(number as f64)),
        (TagType::Text { .. } | TagType::Enum(_), Plain::Text(text)) => Some(Value::Text(text.into())),
        (TagType::Enum(labels), Plain::Whole(number)) => {
            u16::try_from(number).ok().map(|number| Value::of_enum(number, labels))
        }
        (TagType::Bits(labels), Plain::Whole(number)) => {
            u16::try_from(number).ok().map(|number| Value::of_bits(number.into(), labels))
        }
        (
            TagType::Bool
            | TagType::Bit(_)
            | TagType::U8(_)
            | TagType::U16
            | TagType::U32
            | TagType::U64
            | TagType::I8(_)
            | TagType::I16
            | TagType::I32
            | TagType::I64
            | TagType::F32
            | TagType::F64
            | TagType::Bcd16
            | TagType::Bcd32
            | TagType::Text { .. }
            | TagType::Bits(_)
            | TagType::Enum(_),
            Plain::Whole(_) | Plain::Float(_) | Plain::Boolean(_) | Plain::Text(_),
        ) => None,
    }
}

impl DataType {
    /// The type of a tag that nobody has configured.
    pub(crate) fn tag_type(self) -> TagType {
        match self {
            Self::Int8 => TagType::I8(Byte::Low),
            Self::Int16 => TagType::I16,
            Self::Int32 => TagType::I32,
            Self::Int64 => TagType::I64,
            Self::UInt8 => TagType::U8(Byte::Low),
            Self::UInt16 => TagType::U16,
            Self::UInt32 => TagType::U32,
            Self::UInt64 => TagType::U64,
            Self::Float => TagType::F32,
            Self::Double => TagType::F64,
            Self::Boolean => TagType::Bool,
            Self::Text | Self::DateTime => TagType::Text { bytes: 250 },
        }
    }
}

#[cfg(test)]
mod tests {
    use plantlink_config::Labels;
    use proptest::prelude::*;

    use super::*;

    fn metric(value: Raw) -> Metric {
        Metric { value: Some(value), ..Metric::default() }
    }

    #[test]
    fn a_value_is_read_as_its_birth_certificate_and_its_tag_say() {
        let good = |value| Quality::Good(value);
        let wrong = || Quality::Bad(Fault::WrongType);
        let states = || TagType::Enum(Labels::from_iter([(3, "run")]));
        let word = || TagType::Bits(Labels::from_iter([(0, "hot")]));
        for (raw, datatype, kind, expected) in [
            (Raw::Int(7), DataType::UInt32, TagType::U32, good(Value::Unsigned(7))),
            (Raw::Int(7), DataType::UInt32, TagType::I16, good(Value::Signed(7))),
            (Raw::Int(70_000), DataType::UInt32, TagType::U16, wrong()),
            (Raw::Int(300), DataType::UInt8, TagType::U16, wrong()),
            (Raw::Int(u32::MAX), DataType::Int8, TagType::I16, good(Value::Signed(-1))),
            (Raw::Int(0xFF), DataType::Int8, TagType::I16, good(Value::Signed(-1))),
            (Raw::Long(u64::MAX), DataType::Int32, TagType::I32, good(Value::Signed(-1))),
            (Raw::Long(u64::MAX), DataType::Int64, TagType::I64, good(Value::Signed(-1))),
            (Raw::Int(0x1FF), DataType::Int8, TagType::I16, wrong()),
            (Raw::Long(u64::MAX), DataType::UInt64, TagType::U64, good(Value::Unsigned(u64::MAX))),
            (Raw::Float(0.5), DataType::Float, TagType::F32, good(Value::Float(0.5))),
            (Raw::Double(f64::NAN), DataType::Double, TagType::F64, Quality::Bad(Fault::NotANumber)),
            (Raw::Float(0.5), DataType::Float, TagType::U16, wrong()),
            (Raw::Boolean(true), DataType::Boolean, TagType::Bool, good(Value::Bool(true))),
            (Raw::Int(1), DataType::Boolean, TagType::Bool, wrong()),
            (Raw::Text("a".into()), DataType::Text, TagType::Text { bytes: 250 }, good(Value::Text("a".into()))),
            (Raw::Text("run".into()), DataType::Text, states(), good(Value::Text("run".into()))),
            (Raw::Int(3), DataType::UInt16, states(), good(Value::Text("run".into()))),
            (Raw::Int(5), DataType::UInt16, word(), good(Value::Labels(vec!["hot".into(), "bit2".into()]))),
            (Raw::Long(u64::MAX >> 1), DataType::DateTime, TagType::Text { bytes: 250 }, wrong()),
            (
                Raw::Long(1_795_162_530_125),
                DataType::DateTime,
                TagType::Text { bytes: 250 },
                good(Value::Text("2026-11-20T08:15:30.125Z".into())),
            ),
        ] {
            assert_eq!(metric(raw.clone()).value(&kind, datatype), expected, "{raw:?} {datatype:?} {kind:?}");
        }
        let null = Metric { is_null: Some(true), ..metric(Raw::Int(7)) };
        assert_eq!(null.value(&TagType::U16, DataType::UInt16), Quality::Bad(Fault::Missing));
        assert_eq!(Metric::default().value(&TagType::U16, DataType::UInt16), wrong());
    }

    /// As no node should publish them, and one may.
    fn raw() -> impl Strategy<Value = Raw> {
        prop_oneof![
            any::<u32>().prop_map(Raw::Int),
            any::<u64>().prop_map(Raw::Long),
            any::<u32>().prop_map(|bits| Raw::Float(f32::from_bits(bits))),
            any::<u64>().prop_map(|bits| Raw::Double(f64::from_bits(bits))),
            any::<bool>().prop_map(Raw::Boolean),
            ".{0,9}".prop_map(Raw::Text),
        ]
    }

    proptest! {
        #[test]
        fn any_value_of_any_type_is_one_that_can_be_sent_or_a_fault(raw in raw(), code in 0..16_u32) {
            if let Some(datatype) = DataType::of(code) {
                let read = metric(raw).value(&datatype.tag_type(), datatype);
                // JSON has no other numbers than finite ones: one that is not would have become null.
                prop_assert_ne!(read.value().map(Value::to_json), Some(serde_json::Value::Null));
            }
        }
    }
}
