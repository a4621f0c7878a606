//! Words and the values they become.

use proptest::prelude::*;

use super::super::fake;
use plantlink_config::Labels;

use super::*;

mod published;

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

#[test]
fn a_bit_and_a_byte_are_counted_after_the_word_order() {
    let read = |kind, order, register| words(&tag(kind, order), &[register]);
    for (bit, order, register, value) in [
        (4, WordOrder::Abcd, 0x0010, true),
        (3, WordOrder::Abcd, 0x0010, false),
        (12, WordOrder::Badc, 0x0010, true),
        (200, WordOrder::Abcd, 0xFFFF, false),
    ] {
        assert_eq!(read(TagType::Bit(bit), order, register), good(Value::Bool(value)), "bit {bit}");
    }
    for (kind, order, value) in [
        (TagType::U8(Byte::Low), WordOrder::Abcd, Value::Unsigned(0x34)),
        (TagType::U8(Byte::High), WordOrder::Abcd, Value::Unsigned(0x81)),
        (TagType::I8(Byte::High), WordOrder::Abcd, Value::Signed(-127)),
        (TagType::I8(Byte::Low), WordOrder::Dcba, Value::Signed(-127)),
    ] {
        assert_eq!(read(kind.clone(), order, 0x8134), good(value), "{kind:?} {order:?}");
    }
}

#[test]
fn what_is_no_finite_number_is_bad() {
    for registers in [[0x7FC0, 0], [0x7F80, 0], [0xFF80, 0]] {
        assert_eq!(words(&tag(TagType::F32, WordOrder::Abcd), &registers), Quality::Bad(Fault::NotANumber));
    }
    let infinite = words(&tag(TagType::F64, WordOrder::Abcd), &[0x7FF0, 0, 0, 0]);
    assert_eq!(infinite, Quality::Bad(Fault::NotANumber));
}

#[test]
fn decimal_digits_are_read_four_bits_each_and_others_are_bad() {
    assert_eq!(words(&tag(TagType::Bcd16, WordOrder::Abcd), &[0x1234]), good(Value::Unsigned(1234)));
    assert_eq!(words(&tag(TagType::Bcd16, WordOrder::Badc), &[0x3412]), good(Value::Unsigned(1234)));
    assert_eq!(words(&tag(TagType::Bcd32, WordOrder::Cdab), &[0x5678, 0x1234]), good(Value::Unsigned(12_345_678)));
    assert_eq!(words(&tag(TagType::Bcd32, WordOrder::Abcd), &[0x9999, 0x9999]), good(Value::Unsigned(99_999_999)));
    assert_eq!(words(&tag(TagType::Bcd16, WordOrder::Abcd), &[0x123A]), Quality::Bad(Fault::NotADecimal));
}

#[test]
fn a_string_ends_at_its_length_or_first_nul_without_blanks_and_its_words_keep_their_order() {
    let text = |bytes, order, registers: &[u16]| words(&tag(TagType::Text { bytes }, order), registers);
    for (bytes, order, registers, value) in [
        (4, WordOrder::Abcd, [0x4D4F, 0x2F37], "MO/7"),
        (4, WordOrder::Cdab, [0x4D4F, 0x2F37], "MO/7"),
        (4, WordOrder::Badc, [0x4F4D, 0x372F], "MO/7"),
        (4, WordOrder::Dcba, [0x4F4D, 0x372F], "MO/7"),
        (3, WordOrder::Abcd, [0x4D4F, 0x2F37], "MO/"),
        (3, WordOrder::Badc, [0x4F4D, 0x372F], "MO/"),
        (4, WordOrder::Abcd, [0x4D00, 0x2F37], "M"),
        (4, WordOrder::Abcd, [0x4D20, 0x2020], "M"),
        (4, WordOrder::Abcd, [0, 0], ""),
        (4, WordOrder::Abcd, [0xC3A4, 0xC3BC], "\u{e4}\u{fc}"),
        (4, WordOrder::Abcd, [0xE4FC, 0x2041], "\u{e4}\u{fc} A"),
    ] {
        assert_eq!(text(bytes, order, &registers), good(Value::Text(value.into())), "{registers:04X?} {order:?}");
    }
}

#[test]
fn labels_stand_for_the_values_of_an_enum_and_the_bits_of_a_word() {
    let labels = || Labels::from_iter([(0, "stopped"), (3, "run")]);
    let state = tag(TagType::Enum(labels()), WordOrder::Abcd);
    assert_eq!(words(&state, &[3]), good(Value::Text("run".into())));
    assert_eq!(words(&state, &[7]), good(Value::Text("7".into())));
    let alarms = tag(TagType::Bits(labels()), WordOrder::Badc);
    let set = |labels: &[&str]| good(Value::Labels(labels.iter().map(|label| (*label).into()).collect()));
    assert_eq!(words(&alarms, &[0x0980]), set(&["stopped", "run", "bit15"]));
    assert_eq!(words(&alarms, &[0]), set(&[]));
}

#[test]
fn raw_bits_that_mean_nothing_are_compared_after_the_word_order() {
    let missing = |kind, order, raw: u64| Tag { missing: vec![1, raw], ..tag(kind, order) };
    let bad = Quality::Bad(Fault::Missing);
    assert_eq!(words(&missing(TagType::I16, WordOrder::Abcd, 0x8000), &[0x8000]), bad);
    assert_eq!(words(&missing(TagType::I16, WordOrder::Badc, 0x8000), &[0x0080]), bad);
    assert_eq!(words(&missing(TagType::I16, WordOrder::Badc, 0x8000), &[0x8000]), good(Value::Signed(0x80)));
    assert_eq!(words(&missing(TagType::U32, WordOrder::Cdab, 0x8000_0000), &[0, 0x8000]), bad);
    assert_eq!(words(&missing(TagType::U64, WordOrder::Abcd, u64::MAX), &[0xFFFF; 4]), bad);
    assert_eq!(words(&missing(TagType::U8(Byte::High), WordOrder::Abcd, 0xFF), &[0xFF01]), bad);
    assert_eq!(words(&missing(TagType::Enum(Labels::default()), WordOrder::Abcd, 0xFFFF), &[0xFFFF]), bad);
}

/// One of each type.
fn every_type() -> Vec<TagType> {
    let labels = || Labels::from_iter([(0, "zero"), (9, "nine")]);
    vec![
        TagType::Bool,
        TagType::Bit(15),
        TagType::U8(Byte::High),
        TagType::U16,
        TagType::U32,
        TagType::U64,
        TagType::I8(Byte::Low),
        TagType::I16,
        TagType::I32,
        TagType::I64,
        TagType::F32,
        TagType::F64,
        TagType::Bcd16,
        TagType::Bcd32,
        TagType::Text { bytes: 7 },
        TagType::Bits(labels()),
        TagType::Enum(labels()),
    ]
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
            prop_assert_eq!(read(TagType::I16, &(number as i16).to_be_bytes()), good(Value::Signed((number as i16).into())));
            prop_assert_eq!(read(TagType::U16, &(number as u16).to_be_bytes()), good(Value::Unsigned((number as u16).into())));
        }
    }

    #[test]
    fn every_decimal_comes_back_in_every_order(number in 0_u64..100_000_000) {
        let coded = u32::from_str_radix(&number.to_string(), 16).unwrap();
        for order in ORDERS {
            let read = words(&tag(TagType::Bcd32, order), &registers(&coded.to_be_bytes(), order));
            prop_assert_eq!(read, good(Value::Unsigned(number)));
        }
    }

    #[test]
    fn every_string_comes_back_in_every_order(text in "[!-~]([ -~]{0,10}[!-~])?") {
        let mut bytes = text.clone().into_bytes();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        for order in ORDERS {
            // The order of the words does not concern a string.
            let order_of_bytes = match order {
                WordOrder::Abcd | WordOrder::Cdab => WordOrder::Abcd,
                WordOrder::Badc | WordOrder::Dcba => WordOrder::Badc,
            };
            let kind = TagType::Text { bytes: text.len() as u16 };
            let read = words(&tag(kind, order), &registers(&bytes, order_of_bytes));
            prop_assert_eq!(read, good(Value::Text(text.as_str().into())));
        }
    }

    #[test]
    fn any_words_are_a_value_or_a_fault_and_no_panic(registers: Vec<u16>) {
        for order in ORDERS {
            for kind in every_type() {
                let tag = tag(kind, order);
                let whole = registers.iter().copied().chain([0; 4]).take(usize::from(width(&tag)));
                for read in [words(&tag, &registers), words(&tag, &whole.collect::<Vec<_>>())] {
                    if let Quality::Good(Value::Float(value)) = read {
                        prop_assert!(value.is_finite());
                    }
                }
            }
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
            let Quality::Good(Value::Float(widened)) = read(TagType::F32, &single.to_be_bytes()) else {
                return Err(TestCaseError::fail(format!("{single} is not read")));
            };
            prop_assert_eq!(widened as f32, single);
            prop_assert!(widened.to_string().len() <= f64::from(single).to_string().len());
        }
    }
}
