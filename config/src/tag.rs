//! A tag: one named signal of a device and how its registers become a value.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    address::{Address, AddressError, Numbering},
    check::Check,
    name::TagName,
    path::Path,
    report::code,
};

/// A named signal of a device. Value = raw x `scale` + `offset`.
#[derive(Debug, Clone)]
pub struct Tag {
    /// Unique in its device.
    pub name: TagName,
    /// Where its first register or its bit is. Its last register is 65535 at most.
    pub at: Address,
    /// How the raw bits are read; fits the table.
    pub kind: TagType,
    /// In which order the device sends the bytes; the device's order where the tag names none.
    pub word_order: WordOrder,
    /// One bit of a 16-bit register, 0 the least significant. Only with [`TagType::Bool`].
    pub bit: Option<u8>,
    /// Factor from raw to value, never zero.
    pub scale: f64,
    /// Added after the factor.
    pub offset: f64,
    /// A UCUM code or a word such as `pcs`.
    pub unit_of_measure: Option<String>,
}

/// How raw bits are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TagType {
    /// A coil, a discrete input, one bit of a register, or a whole register (0 is false).
    Bool,
    /// Unsigned, one register.
    U16,
    /// Unsigned, two registers.
    U32,
    /// Unsigned, four registers.
    U64,
    /// Signed, one register.
    I16,
    /// Signed, two registers.
    I32,
    /// Signed, four registers.
    I64,
    /// IEEE 754, two registers.
    F32,
    /// IEEE 754, four registers.
    F64,
}

/// In which order a device sends the bytes of a value, `ABCD` being big-endian. Eight-byte values follow the same rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WordOrder {
    /// As they are.
    #[default]
    Abcd,
    /// The words reversed.
    Cdab,
    /// The bytes of each word swapped.
    Badc,
    /// All bytes reversed.
    Dcba,
}

/// The spellings of a word order, for values of four bytes and of eight.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum WordOrderName {
    Abcd,
    Cdab,
    Badc,
    Dcba,
    Abcdefgh,
    Ghefcdab,
    Badcfehg,
    Hgfedcba,
}

/// A named signal. Value = raw x scale + offset.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagTable {
    /// Letters and digits of any script, `_`, `-` and `.`; unique in its device.
    #[schemars(required)]
    name: Option<String>,
    /// `coil:`, `discrete:`, `input:` or `holding:` with the wire address, or a bare number as `numbering` says.
    #[schemars(required)]
    at: Option<String>,
    /// How the raw bits are read. May be left out for a coil, a discrete input and a `bit`, which are bool.
    #[serde(rename = "type")]
    kind: Option<TagType>,
    /// One bit of a 16-bit register, 0 the least significant.
    #[schemars(range(max = 15))]
    bit: Option<u8>,
    /// In which order the device sends the bytes, when it differs from the device's `word_order`.
    word_order: Option<WordOrderName>,
    /// Factor from raw to value.
    #[serde(default = "one")]
    scale: f64,
    /// Added after the factor.
    #[serde(default)]
    offset: f64,
    /// A UCUM code or a word such as pcs.
    unit_of_measure: Option<String>,
}

fn one() -> f64 {
    1.0
}

/// What a tag takes from its device.
pub(crate) struct DeviceTraits {
    pub(crate) numbering: Numbering,
    pub(crate) word_order: WordOrder,
    pub(crate) max_registers: u16,
}

impl TagType {
    /// How many registers a value has; a bool on a register takes one.
    pub fn registers(self) -> u16 {
        match self {
            Self::Bool | Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

impl From<WordOrderName> for WordOrder {
    fn from(name: WordOrderName) -> Self {
        match name {
            WordOrderName::Abcd | WordOrderName::Abcdefgh => Self::Abcd,
            WordOrderName::Cdab | WordOrderName::Ghefcdab => Self::Cdab,
            WordOrderName::Badc | WordOrderName::Badcfehg => Self::Badc,
            WordOrderName::Dcba | WordOrderName::Hgfedcba => Self::Dcba,
        }
    }
}

impl TagTable {
    /// The name alone, for who refers to it even when something else is wrong with the tag.
    pub(crate) fn name(&self, at: &Path, check: &mut Check<'_>) -> Option<TagName> {
        let text = self.name.as_ref()?;
        let name = TagName::new(text);
        if name.is_none() {
            let message =
                format!("`{text}` is not a tag's name (allowed: letters and digits of any script, `_`, `-`, `.`)");
            check.report.error(code::BAD_VALUE, &at.key("name"), message);
        }
        name
    }

    pub(crate) fn check(&self, name: TagName, device: &DeviceTraits, at: &Path, check: &mut Check<'_>) -> Option<Tag> {
        let address = self.address(device, &at.key("at"), check);
        let kind = address.and_then(|address| self.kind(address, device, at, check));
        let scale = Some(self.scale).filter(|scale| *scale != 0.0);
        if scale.is_none() {
            check.report.error(code::OUT_OF_RANGE, &at.key("scale"), "a scale of 0 makes every value the same");
        }
        if kind == Some(TagType::Bool) && (self.scale != 1.0 || self.offset != 0.0) {
            let key = if self.scale == 1.0 { "offset" } else { "scale" };
            check.report.error(code::CONFLICT, &at.key(key), format!("a bool has no {key}"));
        }
        let unit_of_measure =
            self.unit_of_measure.as_ref().map(|unit| check.filled(Some(unit), &at.key("unit_of_measure")));
        Some(Tag {
            name,
            at: address?,
            kind: kind?,
            word_order: self.word_order.map_or(device.word_order, WordOrder::from),
            bit: self.bit,
            scale: scale?,
            offset: self.offset,
            unit_of_measure: unit_of_measure.flatten(),
        })
    }

    fn address(&self, device: &DeviceTraits, at: &Path, check: &mut Check<'_>) -> Option<Address> {
        match Address::parse(self.at.as_ref()?, device.numbering) {
            Ok(address) => Some(address),
            Err(error) => {
                let nearest = match &error {
                    AddressError::Table { nearest, .. } => *nearest,
                    AddressError::Fraction(_)
                    | AddressError::NotAnAddress(_)
                    | AddressError::Wire(_)
                    | AddressError::Modicon(_)
                    | AddressError::OneBased(_)
                    | AddressError::ZeroBased(_) => None,
                };
                check.report.error(code::BAD_VALUE, at, error.to_string()).did_you_mean(nearest);
                None
            }
        }
    }

    /// The type as the table and the bit make it.
    fn kind(&self, address: Address, device: &DeviceTraits, at: &Path, check: &mut Check<'_>) -> Option<TagType> {
        let table = address.table;
        if !table.is_registers() {
            if self.bit.is_some() {
                let message =
                    format!("a {} is one bit already: `bit` is for input and holding registers", table.name());
                check.report.error(code::CONFLICT, &at.key("bit"), message);
            }
            let kind = self.kind.unwrap_or(TagType::Bool);
            if kind != TagType::Bool {
                let message =
                    format!("`{}` does not fit a {}, which is one bit (allowed: bool)", kind.name(), table.name());
                check.report.error(code::CONFLICT, &at.key("type"), message);
                return None;
            }
            return Some(kind);
        }
        if self.bit.is_some() {
            let one_register = self.kind.is_none_or(|kind| matches!(kind, TagType::Bool | TagType::U16 | TagType::I16));
            if !one_register {
                check.report.error(
                    code::CONFLICT,
                    &at.key("bit"),
                    "a `bit` is one of a single 16-bit register (allowed types: bool, u16, i16)",
                );
            }
            return one_register.then_some(TagType::Bool);
        }
        let Some(kind) = self.kind else {
            if check.has_any(at, &["type", "bit"]) {
                return None;
            }
            check.report.error(code::MISSING_KEY, at, "missing key `type`: a register does not say what it holds");
            return None;
        };
        let last = u32::from(address.wire) + u32::from(kind.registers()) - 1;
        if last > u32::from(u16::MAX) {
            let message = format!(
                "{} of {} registers ends at {last}, behind the last register (allowed: 0 to {})",
                kind.name(),
                kind.registers(),
                u32::from(u16::MAX) + 1 - u32::from(kind.registers()),
            );
            check.report.error(code::OUT_OF_RANGE, &at.key("at"), message);
            return None;
        }
        if kind.registers() > device.max_registers {
            let message = format!(
                "{} has {} registers, and the device's `max_registers` is {}: a value is never read in two requests",
                kind.name(),
                kind.registers(),
                device.max_registers,
            );
            check.report.error(code::CONFLICT, &at.key("type"), message);
            return None;
        }
        Some(kind)
    }
}
