//! Words and values that others have published, so that an order means here what it means to them.

use super::*;

/// What a source says that these registers hold.
fn holds<const N: usize>(kind: TagType, order: WordOrder, registers: [u16; N], value: Value) {
    assert_eq!(words(&tag(kind.clone(), order), &registers), good(value), "{kind:?} {order:?} {registers:04X?}");
}

/// tests/unit-test.h.in of libmodbus, `UT_REAL` and `UT_IREAL_*`.
#[test]
fn floats_are_those_of_libmodbus_in_every_order() {
    for (order, registers) in [
        (WordOrder::Abcd, [0x47F1, 0x2000]),
        (WordOrder::Cdab, [0x2000, 0x47F1]),
        (WordOrder::Badc, [0xF147, 0x0020]),
        (WordOrder::Dcba, [0x0020, 0xF147]),
    ] {
        holds(TagType::F32, order, registers, Value::Float(123_456.0));
    }
}

/// Table B-12 of Siemens A5E00753974 (SITRANS F, Modbus) and the example below it; Vaisala M212287EN (Indigo 520, "least
/// significant word first") and the communication test registers of M211060EN-H (HMP110); Basler 9440300990 (DECS-250),
/// section 28.
#[test]
fn floats_are_those_of_the_makers_of_instruments() {
    for (order, registers, value) in [
        (WordOrder::Abcd, [0x42C8, 0x0000], 100.0),
        (WordOrder::Abcd, [0x425D, 0x47AE], 55.32),
        (WordOrder::Abcd, [0xBF80, 0x0000], -1.0),
        (WordOrder::Abcd, [0x40C3, 0x5293], 6.10383),
        (WordOrder::Cdab, [0x7AE1, 0x41F4], 30.56),
        (WordOrder::Cdab, [0xE666, 0xC2F6], -123.45),
        (WordOrder::Cdab, [0x1C00, 0x47BB], 95_800.0),
    ] {
        holds(TagType::F32, order, registers, Value::Float(value));
    }
}

/// plugins/inputs/modbus/modbus_test.go of Telegraf, the holding registers of type FLOAT64-IEEE.
#[test]
fn doubles_are_those_of_telegraf_in_every_order() {
    for (order, registers) in [
        (WordOrder::Abcd, [0xBF9C, 0x6A40, 0xC347, 0x8F55]),
        (WordOrder::Cdab, [0x8F55, 0xC347, 0x6A40, 0xBF9C]),
        (WordOrder::Badc, [0x9CBF, 0x406A, 0x47C3, 0x558F]),
        (WordOrder::Dcba, [0x558F, 0x47C3, 0x406A, 0x9CBF]),
    ] {
        holds(TagType::F64, order, registers, Value::Float(-0.027_749_072_951_237_37));
    }
}

/// The same file, INT64 and UINT64. It has its unsigned values in the other orders rounded to a float's precision.
#[test]
fn integers_of_64_bits_are_those_of_telegraf_in_every_order() {
    for (order, registers) in [
        (WordOrder::Cdab, [0xF684, 0xF945, 0xFEBC, 0xFFFF]),
        (WordOrder::Badc, [0xFFFF, 0xBCFE, 0x45F9, 0x84F6]),
        (WordOrder::Dcba, [0x84F6, 0x45F9, 0xBCFE, 0xFFFF]),
    ] {
        holds(TagType::I64, order, registers, Value::Signed(-1_387_387_292_028));
    }
    let registers = [0x0000, 0x0100, 0x0000, 0xABCD];
    holds(TagType::I64, WordOrder::Abcd, registers, Value::Signed(1_099_511_671_757));
    holds(TagType::U64, WordOrder::Abcd, registers, Value::Unsigned(1_099_511_671_757));
}

/// 0x12345678 in the double register formats FP B, FP LB, FP BB and FP L of Honeywell's HC900 communications user guide
/// (table 3-1 and section 3.2); 95,800 of Basler 9440300990 (DECS-250), section 28.
#[test]
fn integers_of_32_bits_are_those_of_the_makers_of_controllers_in_every_order() {
    for (order, registers) in [
        (WordOrder::Abcd, [0x1234, 0x5678]),
        (WordOrder::Cdab, [0x5678, 0x1234]),
        (WordOrder::Badc, [0x3412, 0x7856]),
        (WordOrder::Dcba, [0x7856, 0x3412]),
    ] {
        holds(TagType::U32, order, registers, Value::Unsigned(0x1234_5678));
        holds(TagType::I32, order, registers, Value::Signed(0x1234_5678));
    }
    holds(TagType::U32, WordOrder::Cdab, [0x7638, 0x0001], Value::Unsigned(95_800));
}

/// Section 28 of Basler 9440300990 (DECS-250); "65535 = -1, 65534 = -2" of appendix B of Vaisala's DMT340 user's guide.
#[test]
fn integers_of_one_register_and_their_bytes_are_those_of_the_makers() {
    holds(TagType::U16, WordOrder::Abcd, [0x1234], Value::Unsigned(4660));
    holds(TagType::U8(Byte::Low), WordOrder::Abcd, [0x0084], Value::Unsigned(132));
    for (register, value) in [(65_535, -1), (65_534, -2)] {
        holds(TagType::I16, WordOrder::Abcd, [register], Value::Signed(value));
    }
}

/// Table 20 of Vaisala M211060EN-H (HMP110).
#[test]
fn a_text_is_that_of_the_maker_of_a_probe() {
    for order in [WordOrder::Abcd, WordOrder::Cdab] {
        let registers = [0x2D31, 0x3233, 0x2E34, 0x3500];
        holds(TagType::Text { bytes: 8 }, order, registers, Value::Text("-123.45".into()));
    }
}

/// Panasonic FPWIN Pro, the data types WORD_BCD and DWORD_BCD: "the decimal number 654 is interpreted as the hexadecimal
/// number 16#0654".
#[test]
fn decimal_digits_are_those_of_the_maker_of_a_plc() {
    holds(TagType::Bcd16, WordOrder::Abcd, [0x0654], Value::Unsigned(654));
    for (order, registers) in [
        (WordOrder::Abcd, [0x0000, 0x0654]),
        (WordOrder::Cdab, [0x0654, 0x0000]),
        (WordOrder::Badc, [0x0000, 0x5406]),
        (WordOrder::Dcba, [0x5406, 0x0000]),
    ] {
        holds(TagType::Bcd32, order, registers, Value::Unsigned(654));
    }
}

/// "A quiet NaN value is returned for unavailable values", 0x7FC00000: appendix B of Vaisala's DMT340 user's guide.
#[test]
fn a_makers_word_for_no_value_is_no_value() {
    for (order, registers) in [(WordOrder::Abcd, [0x7FC0, 0x0000]), (WordOrder::Cdab, [0x0000, 0x7FC0])] {
        assert_eq!(words(&tag(TagType::F32, order), &registers), Quality::Bad(Fault::NotANumber));
    }
}
