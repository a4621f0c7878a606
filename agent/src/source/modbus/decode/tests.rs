//! Words and the values they become.

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
fn a_register_is_false_only_when_it_is_zero() {
    for (register, value) in [(0, false), (1, true), (0x0100, true), (0xFFFF, true)] {
        assert_eq!(words(&tag(TagType::Bool, WordOrder::Abcd), &[register]), good(Value::Bool(value)));
    }
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
