//! Any words of a Modbus answer under any tag: a value that can be sent, or a fault.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use plantlink_config::{Address, Byte, Table, Tag, TagName, TagType, WordOrder};

/// The most registers of one answer (MODBUS Application Protocol Specification V1.1b3, section 6.3).
const REGISTERS_MAX: usize = 125;

fuzz_target!(|bytes: &[u8]| {
    // Too few bytes for a tag are no case.
    let _ = read(&mut Unstructured::new(bytes));
});

fn read(input: &mut Unstructured<'_>) -> Result<()> {
    let power = tag(input)?;
    let mut tag = tag(input)?;
    tag.scale = *input.choose(&[1.0, 0.1, -0.5, 10.0, f64::MIN_POSITIVE, f64::MAX])?;
    tag.offset = *input.choose(&[0.0, -40.0, f64::MAX])?;
    let is_powered: bool = input.arbitrary()?;
    tag.scale_from = is_powered.then(|| power.name.clone());
    let power_words = words(input, &power)?;
    let own = words(input, &tag)?;
    let value = plantlink::fuzzing::value(&tag, &own, is_powered.then_some((&power, power_words.as_slice())));
    // JSON has no other numbers than finite ones: one that is not would have become null.
    assert_ne!(value, Some(Default::default()), "{tag:?} reads {own:X?}");
    Ok(())
}

/// Mostly as many as the tag asks for.
fn words(input: &mut Unstructured<'_>, tag: &Tag) -> Result<Vec<u16>> {
    let count = if input.ratio(1, 16)? { input.int_in_range(0..=REGISTERS_MAX)? } else { tag.kind.registers().into() };
    (0..count).map(|_| input.arbitrary()).collect()
}

fn tag(input: &mut Unstructured<'_>) -> Result<Tag> {
    let name = TagName::new("tag").expect("letters are a name");
    let at = Address { table: *input.choose(&[Table::Input, Table::Holding])?, wire: 0 };
    let order = *input.choose(&[WordOrder::Abcd, WordOrder::Cdab, WordOrder::Badc, WordOrder::Dcba])?;
    let tag = Tag::plain(name, at, kind(input)?, order, Duration::from_secs(1));
    Ok(Tag { missing: input.arbitrary()?, ..tag })
}

fn kind(input: &mut Unstructured<'_>) -> Result<TagType> {
    let labels = |numbers: Vec<u16>| numbers.into_iter().map(|number| (number, "label")).collect();
    let byte = *input.choose(&[Byte::Low, Byte::High])?;
    Ok(match input.int_in_range(0..=16)? {
        0 => TagType::Bool,
        1 => TagType::Bit(input.int_in_range(0..=15)?),
        2 => TagType::U8(byte),
        3 => TagType::U16,
        4 => TagType::U32,
        5 => TagType::U64,
        6 => TagType::I8(byte),
        7 => TagType::I16,
        8 => TagType::I32,
        9 => TagType::I64,
        10 => TagType::F32,
        11 => TagType::F64,
        12 => TagType::Bcd16,
        13 => TagType::Bcd32,
        14 => TagType::Text { bytes: input.int_in_range(1..=250)? },
        15 => TagType::Bits(labels(input.arbitrary()?)),
        _ => TagType::Enum(labels(input.arbitrary()?)),
    })
}
