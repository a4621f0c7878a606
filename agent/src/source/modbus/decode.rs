//! What the words of an answer mean: word order, type, scale and offset. Any words in, a value or a fault out.

use plantlink_config::{Table, Tag, TagType, WordOrder};

use crate::reading::{Fault, Quality, Value};

/// How many registers or bits of its table a tag's value takes.
pub(crate) fn width(tag: &Tag) -> u16 {
    match tag.at.table {
        Table::Coil | Table::Discrete => 1,
        Table::Input | Table::Holding => match tag.kind {
            TagType::Bool | TagType::U16 | TagType::I16 => 1,
            TagType::U32 | TagType::I32 | TagType::F32 => 2,
            TagType::U64 | TagType::I64 | TagType::F64 => 4,
        },
    }
}

/// The value of a coil or a discrete input.
pub(crate) fn bit(bit: bool) -> Quality<Value> {
    Quality::Good(Value::Bool(bit))
}

/// The value of a tag's own registers, the first one first. An integer stays one unless it is scaled; what is no finite
/// number is a fault.
pub(crate) fn words(tag: &Tag, words: &[u16]) -> Quality<Value> {
    if words.len() != usize::from(width(tag)) {
        return Quality::Bad(Fault::WrongAnswer);
    }
    let raw = in_order(words, tag.word_order);
    // The narrowing casts keep the low bits, and those are all that the type's registers can set.
    match tag.kind {
        TagType::Bool => Quality::Good(Value::Bool(is_set(raw, tag.bit))),
        TagType::U16 | TagType::U32 | TagType::U64 => unsigned(raw, tag),
        TagType::I16 => signed((raw as i16).into(), tag),
        TagType::I32 => signed((raw as i32).into(), tag),
        TagType::I64 => signed(raw as i64, tag),
        TagType::F32 => float(f32::from_bits(raw as u32).into(), tag),
        TagType::F64 => float(f64::from_bits(raw), tag),
    }
}

/// The bytes A B C D ... of up to four words as one big-endian number.
fn in_order(words: &[u16], order: WordOrder) -> u64 {
    let append = |number: u64, word: u16| number << 16 | u64::from(word);
    match order {
        WordOrder::Abcd => words.iter().copied().fold(0, append),
        WordOrder::Cdab => words.iter().rev().copied().fold(0, append),
        WordOrder::Badc => words.iter().map(|word| word.swap_bytes()).fold(0, append),
        WordOrder::Dcba => words.iter().rev().map(|word| word.swap_bytes()).fold(0, append),
    }
}

/// One bit, or without one the whole register, of which only zero is false.
fn is_set(raw: u64, bit: Option<u8>) -> bool {
    match bit {
        Some(bit) => raw.checked_shr(bit.into()).is_some_and(|shifted| shifted & 1 == 1),
        None => raw != 0,
    }
}

fn unsigned(raw: u64, tag: &Tag) -> Quality<Value> {
    if is_scaled(tag) { float(raw as f64, tag) } else { Quality::Good(Value::Unsigned(raw)) }
}

fn signed(raw: i64, tag: &Tag) -> Quality<Value> {
    if is_scaled(tag) { float(raw as f64, tag) } else { Quality::Good(Value::Signed(raw)) }
}

fn is_scaled(tag: &Tag) -> bool {
    tag.scale != 1.0 || tag.offset != 0.0
}

fn float(raw: f64, tag: &Tag) -> Quality<Value> {
    let value = times(raw, tag.scale) + tag.offset;
    if value.is_finite() { Quality::Good(Value::Float(value)) } else { Quality::Bad(Fault::NotANumber) }
}

/// A factor such as 0.1 has no exact binary form, its inverse has: dividing by 10 makes 0.3 of 3, multiplying by 0.1
/// makes 0.30000000000000004.
fn times(raw: f64, scale: f64) -> f64 {
    let divisor = scale.recip().round();
    if divisor.recip() == scale { raw / divisor } else { raw * scale }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fake;
    use super::*;

    const ORDERS: [WordOrder; 4] = [WordOrder::Abcd, WordOrder::Cdab, WordOrder::Badc, WordOrder::Dcba];

    fn tag(kind: TagType, word_order: WordOrder) -> Tag {
        Tag { word_order, ..fake::tag(Table::Holding, 0, kind) }
    }

    fn good(value: Value) -> Quality<Value> {
        Quality::Good(value)
    }

    /// The registers of a device that keeps the bytes of a value in this order: the letters of the manuals, done
    /// on bytes.
    fn registers(big_endian: &[u8], order: WordOrder) -> Vec<u16> {
        let mut bytes = big_endian.to_vec();
        match order {
            WordOrder::Abcd => {}
            WordOrder::Cdab => {
                bytes.reverse();
                bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse);
            }
            WordOrder::Badc => bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse),
            WordOrder::Dcba => bytes.reverse(),
        }
        bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn published_floats_are_read_in_their_published_orders() {
        // 123456.0 is the float of libmodbus' tests/unit-test.h (UT_REAL and UT_IREAL_*). 55.32 is from table B-12 of
        // Siemens A5E00753974 (SITRANS F), 6.10383 from the example below it. 30.56 is from Vaisala M212287EN
        // (Indigo 520), "least significant word first".
        let vectors = [
            (WordOrder::Abcd, [0x47F1, 0x2000], 123_456.0_f32),
            (WordOrder::Cdab, [0x2000, 0x47F1], 123_456.0),
            (WordOrder::Badc, [0xF147, 0x0020], 123_456.0),
            (WordOrder::Dcba, [0x0020, 0xF147], 123_456.0),
            (WordOrder::Abcd, [0x425D, 0x47AE], 55.32),
            (WordOrder::Abcd, [0x40C3, 0x5293], 6.10383),
            (WordOrder::Cdab, [0x7AE1, 0x41F4], 30.56),
        ];
        for (order, registers, value) in vectors {
            assert_eq!(words(&tag(TagType::F32, order), &registers), good(Value::Float(value.into())), "{order:?}");
        }
    }

    #[test]
    fn eight_bytes_follow_the_letters() {
        let vectors = [
            (WordOrder::Abcd, [0x0102, 0x0304, 0x0506, 0x0708]),
            (WordOrder::Cdab, [0x0708, 0x0506, 0x0304, 0x0102]),
            (WordOrder::Badc, [0x0201, 0x0403, 0x0605, 0x0807]),
            (WordOrder::Dcba, [0x0807, 0x0605, 0x0403, 0x0201]),
        ];
        for (order, registers) in vectors {
            let value = words(&tag(TagType::U64, order), &registers);
            assert_eq!(value, good(Value::Unsigned(0x0102_0304_0506_0708)), "{order:?}");
        }
    }

    #[test]
    fn orders_that_swap_bytes_swap_those_of_one_register_too() {
        for (order, value) in ORDERS.into_iter().zip([0x1234, 0x1234, 0x3412, 0x3412]) {
            assert_eq!(words(&tag(TagType::U16, order), &[0x1234]), good(Value::Unsigned(value)), "{order:?}");
        }
    }

    #[test]
    fn a_bit_is_counted_from_the_least_significant_after_the_word_order() {
        let bit = |bit, order| Tag { bit: Some(bit), ..tag(TagType::Bool, order) };
        assert_eq!(words(&bit(4, WordOrder::Abcd), &[0x0010]), good(Value::Bool(true)));
        assert_eq!(words(&bit(3, WordOrder::Abcd), &[0x0010]), good(Value::Bool(false)));
        assert_eq!(words(&bit(12, WordOrder::Badc), &[0x0010]), good(Value::Bool(true)));
        assert_eq!(words(&bit(200, WordOrder::Abcd), &[0xFFFF]), good(Value::Bool(false)));
    }

    #[test]
    fn a_register_is_false_only_when_it_is_zero() {
        for (register, value) in [(0, false), (1, true), (0x0100, true), (0xFFFF, true)] {
            assert_eq!(words(&tag(TagType::Bool, WordOrder::Abcd), &[register]), good(Value::Bool(value)));
        }
    }

    #[test]
    fn an_integer_stays_one_unless_it_is_scaled() {
        let plain = tag(TagType::I16, WordOrder::Abcd);
        assert_eq!(words(&plain, &[0xFFFF]), good(Value::Signed(-1)));
        assert_eq!(words(&Tag { scale: 0.5, ..plain.clone() }, &[0xFFFF]), good(Value::Float(-0.5)));
        assert_eq!(words(&Tag { offset: 2.0, ..plain }, &[0xFFFF]), good(Value::Float(1.0)));
        assert_eq!(words(&tag(TagType::U64, WordOrder::Abcd), &[0xFFFF; 4]), good(Value::Unsigned(u64::MAX)));
    }

    #[test]
    fn a_decimal_scale_gives_the_decimal_on_the_panel() {
        for (scale, raw, value) in
            [(0.1, 3, 0.3), (0.1, 215, 21.5), (0.01, 1999, 19.99), (-0.1, 7, -0.7), (2.5, 3, 7.5)]
        {
            let scaled = Tag { scale, ..tag(TagType::U16, WordOrder::Abcd) };
            assert_eq!(words(&scaled, &[raw]), good(Value::Float(value)), "{raw} x {scale}");
        }
        let celsius = Tag { scale: 0.5, offset: -40.0, ..tag(TagType::U16, WordOrder::Abcd) };
        assert_eq!(words(&celsius, &[85]), good(Value::Float(2.5)));
        let nothing = Tag { scale: 0.0, offset: 5.0, ..tag(TagType::U16, WordOrder::Abcd) };
        assert_eq!(words(&nothing, &[7]), good(Value::Float(5.0)));
    }

    #[test]
    fn what_is_no_finite_number_is_bad() {
        let bad = Quality::Bad(Fault::NotANumber);
        for registers in [[0x7FC0, 0], [0x7F80, 0], [0xFF80, 0]] {
            assert_eq!(words(&tag(TagType::F32, WordOrder::Abcd), &registers), bad);
        }
        let overflowing = Tag { scale: 10.0, ..tag(TagType::F64, WordOrder::Abcd) };
        assert_eq!(words(&overflowing, &[0x7FEF, 0xFFFF, 0xFFFF, 0xFFFF]), bad);
    }

    #[test]
    fn too_few_or_too_many_words_are_a_wrong_answer() {
        for registers in [&[][..], &[1], &[1, 2, 3]] {
            assert_eq!(words(&tag(TagType::U32, WordOrder::Abcd), registers), Quality::Bad(Fault::WrongAnswer));
        }
    }

    proptest! {
        #[test]
        fn every_integer_comes_back_in_every_order(number: i64) {
            for order in ORDERS {
                let read = |kind, bytes: &[u8]| words(&tag(kind, order), &registers(bytes, order));
                prop_assert_eq!(read(TagType::I64, &number.to_be_bytes()), good(Value::Signed(number)));
                prop_assert_eq!(read(TagType::U64, &number.to_be_bytes()), good(Value::Unsigned(number as u64)));
                prop_assert_eq!(read(TagType::I32, &(number as i32).to_be_bytes()), good(Value::Signed((number as i32).into())));
                prop_assert_eq!(read(TagType::U32, &(number as u32).to_be_bytes()), good(Value::Unsigned((number as u32).into())));
            }
        }

        #[test]
        fn every_finite_float_comes_back_in_every_order(
            double in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
            single in prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO,
        ) {
            for order in ORDERS {
                let read = |kind, bytes: &[u8]| words(&tag(kind, order), &registers(bytes, order));
                prop_assert_eq!(read(TagType::F64, &double.to_be_bytes()), good(Value::Float(double)));
                prop_assert_eq!(read(TagType::F32, &single.to_be_bytes()), good(Value::Float(single.into())));
            }
        }
    }
}
