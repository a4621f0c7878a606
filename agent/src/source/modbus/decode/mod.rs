//! What the words of an answer mean: word order, type, labels. Any words in, a value or a fault out; `scaling` does the
//! rest.

use plantlink_config::{Byte, Table, Tag, TagType, WordOrder};

use crate::reading::{Fault, Quality, Value, widened};

/// How many registers or bits of its table a tag's value takes.
pub(crate) fn width(tag: &Tag) -> u16 {
    match tag.at.table {
        Table::Coil | Table::Discrete => 1,
        Table::Input | Table::Holding => tag.kind.registers(),
    }
}

/// The value of a coil or a discrete input.
pub(crate) fn bit(bit: bool) -> Quality<Value> {
    Quality::Good(Value::Bool(bit))
}

/// The value of a tag's own registers, the first one first, not scaled. What is no finite number is a fault, and so is
/// what the tag's `missing` lists.
pub(crate) fn words(tag: &Tag, words: &[u16]) -> Quality<Value> {
    if words.len() != usize::from(width(tag)) {
        return Quality::Bad(Fault::WrongAnswer);
    }
    let all = in_order(words, tag.word_order);
    let raw = if let TagType::U8(byte) | TagType::I8(byte) = &tag.kind { half(all, *byte) } else { all };
    if tag.missing.contains(&raw) {
        return Quality::Bad(Fault::Missing);
    }
    // The narrowing casts keep the low bits, and those are all that the type's registers can set.
    match &tag.kind {
        TagType::Bool => Quality::Good(Value::Bool(raw != 0)),
        TagType::Bit(bit) => Quality::Good(Value::Bool(is_set(raw, (*bit).into()))),
        TagType::U8(_) | TagType::U16 | TagType::U32 | TagType::U64 => Quality::Good(Value::Unsigned(raw)),
        TagType::I8(_) => Quality::Good(Value::Signed((raw as i8).into())),
        TagType::I16 => Quality::Good(Value::Signed((raw as i16).into())),
        TagType::I32 => Quality::Good(Value::Signed((raw as i32).into())),
        TagType::I64 => Quality::Good(Value::Signed(raw as i64)),
        TagType::F32 => finite(widened(f32::from_bits(raw as u32))),
        TagType::F64 => finite(f64::from_bits(raw)),
        TagType::Bcd16 | TagType::Bcd32 => decimal(raw),
        TagType::Text { bytes } => Quality::Good(Value::Text(text(words, tag.word_order, (*bytes).into()).into())),
        TagType::Bits(labels) => Quality::Good(Value::of_bits(raw, labels)),
        TagType::Enum(labels) => Quality::Good(Value::of_enum(raw as u16, labels)),
    }
}

/// The bytes A B C D ... of the last four words, or of as many as there are, as one big-endian number.
fn in_order(words: &[u16], order: WordOrder) -> u64 {
    let append = |number: u64, word: u16| number << 16 | u64::from(word);
    match order {
        WordOrder::Abcd => words.iter().copied().fold(0, append),
        WordOrder::Cdab => words.iter().rev().copied().fold(0, append),
        WordOrder::Badc => words.iter().map(|word| word.swap_bytes()).fold(0, append),
        WordOrder::Dcba => words.iter().rev().map(|word| word.swap_bytes()).fold(0, append),
    }
}

/// One byte of a register.
fn half(raw: u64, byte: Byte) -> u64 {
    match byte {
        Byte::Low => raw & 0xFF,
        Byte::High => raw >> 8 & 0xFF,
    }
}

fn is_set(raw: u64, bit: u32) -> bool {
    raw.checked_shr(bit).is_some_and(|shifted| shifted & 1 == 1)
}

fn finite(value: f64) -> Quality<Value> {
    if value.is_finite() { Quality::Good(Value::Float(value)) } else { Quality::Bad(Fault::NotANumber) }
}

/// Every four bits are a decimal digit.
fn decimal(raw: u64) -> Quality<Value> {
    let mut digits = (0..16).rev().map(|digit| raw >> (4 * digit) & 0xF);
    let number = digits.try_fold(0, |number, digit| (digit <= 9).then_some(number * 10 + digit));
    number.map_or(Quality::Bad(Fault::NotADecimal), |number| Quality::Good(Value::Unsigned(number)))
}

/// The characters before the first NUL, without blanks at the end. The order of the words is that of the registers
/// always. What is not UTF-8 is Latin-1, in which every byte is a character.
fn text(words: &[u16], order: WordOrder, bytes: usize) -> String {
    let pairs = words.iter().map(|word| match order {
        WordOrder::Abcd | WordOrder::Cdab => word.to_be_bytes(),
        WordOrder::Badc | WordOrder::Dcba => word.to_le_bytes(),
    });
    characters(pairs.flatten().take(bytes))
}

/// As [`text`] reads them.
pub(crate) fn characters(bytes: impl IntoIterator<Item = u8>) -> String {
    let bytes: Vec<u8> = bytes.into_iter().take_while(|byte| *byte != 0).collect();
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| error.as_bytes().iter().map(|byte| char::from(*byte)).collect());
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests;
