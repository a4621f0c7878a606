//! What a tag's registers hold: its type, and the keys that belong to some types only.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::address::Table;
use crate::check::Check;
use crate::labels::{LabelTable, Labels};
use crate::path::Path;
use crate::report::code;

/// How raw bits are read. The registers of a value lie side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagType {
    /// A coil, a discrete input, or a whole register (0 is false).
    Bool,
    /// One bit of a register, 0 the least significant, 15 at most.
    Bit(u8),
    /// Unsigned, half a register.
    U8(Byte),
    /// Unsigned, one register.
    U16,
    /// Unsigned, two registers.
    U32,
    /// Unsigned, four registers.
    U64,
    /// Signed, half a register.
    I8(Byte),
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
    /// Four decimal digits in one register.
    Bcd16,
    /// Eight decimal digits in two registers.
    Bcd32,
    /// Characters, two in a register, the first one in its high byte.
    Text {
        /// 1 to 250.
        bytes: u16,
    },
    /// One register whose bits have names, 0 the least significant.
    Bits(Labels),
    /// One register whose values have names.
    Enum(Labels),
}

/// Which half of a register, after the word order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Byte {
    /// The least significant eight bits.
    #[default]
    Low,
    /// The most significant eight bits.
    High,
}

/// How raw bits are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TypeName {
    /// A coil, a discrete input, one bit of a register, or a whole register (0 is false).
    Bool,
    /// Unsigned, the low byte of a register or the one that `byte` names.
    U8,
    /// Unsigned, one register.
    U16,
    /// Unsigned, two registers.
    U32,
    /// Unsigned, four registers.
    U64,
    /// Signed, the low byte of a register or the one that `byte` names.
    I8,
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
    /// Four decimal digits in one register.
    Bcd16,
    /// Eight decimal digits in two registers.
    Bcd32,
    /// Characters, `length` bytes of them.
    String,
    /// One register whose bits have `labels`.
    Bits,
    /// One register whose values have `labels`.
    Enum,
}

/// The keys of a tag that make its type.
pub(crate) struct TypeKeys<'a> {
    pub(crate) name: Option<TypeName>,
    pub(crate) bit: Option<u8>,
    pub(crate) byte: Option<Byte>,
    pub(crate) length: Option<u16>,
    pub(crate) labels: Option<&'a LabelTable>,
}

impl TagType {
    /// How many registers a value has; a bool on a register takes one.
    pub fn registers(&self) -> u16 {
        match self {
            Self::Bool
            | Self::Bit(_)
            | Self::U8(_)
            | Self::U16
            | Self::I8(_)
            | Self::I16
            | Self::Bcd16
            | Self::Bits(_)
            | Self::Enum(_) => 1,
            Self::U32 | Self::I32 | Self::F32 | Self::Bcd32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
            Self::Text { bytes } => bytes.div_ceil(2),
        }
    }

    /// How many raw bits one value is, where those can be compared with `missing`.
    pub(crate) fn raw_bits(&self) -> Option<u32> {
        match self {
            Self::Bit(_) | Self::Text { .. } => None,
            Self::U8(_) | Self::I8(_) => Some(8),
            Self::Bool
            | Self::U16
            | Self::U32
            | Self::U64
            | Self::I16
            | Self::I32
            | Self::I64
            | Self::F32
            | Self::F64
            | Self::Bcd16
            | Self::Bcd32
            | Self::Bits(_)
            | Self::Enum(_) => Some(16 * u32::from(self.registers())),
        }
    }

    /// Whether a value is a number, which can be scaled and counted.
    pub(crate) fn is_number(&self) -> bool {
        match self {
            Self::Bool | Self::Bit(_) | Self::Text { .. } | Self::Bits(_) | Self::Enum(_) => false,
            Self::F32 | Self::F64 => true,
            Self::U8(_)
            | Self::U16
            | Self::U32
            | Self::U64
            | Self::I8(_)
            | Self::I16
            | Self::I32
            | Self::I64
            | Self::Bcd16
            | Self::Bcd32 => true,
        }
    }

    /// Whether a value is a whole number.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_number() && !matches!(self, Self::F32 | Self::F64)
    }

    /// As the file spells it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bool | Self::Bit(_) => "bool",
            Self::U8(_) => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I8(_) => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bcd16 => "bcd16",
            Self::Bcd32 => "bcd32",
            Self::Text { .. } => "string",
            Self::Bits(_) => "bits",
            Self::Enum(_) => "enum",
        }
    }
}

impl TypeKeys<'_> {
    /// The type of a tag in this table. `at` is the tag's place.
    pub(crate) fn check(&self, table: Table, at: &Path, check: &mut Check<'_>) -> Option<TagType> {
        if !table.is_registers() {
            return self.single_bit(table, at, check);
        }
        if let Some(bit) = self.bit {
            let one_register =
                self.name.is_none_or(|name| matches!(name, TypeName::Bool | TypeName::U16 | TypeName::I16));
            if !one_register {
                let message = "a `bit` is one of a single 16-bit register (allowed types: bool, u16, i16)";
                check.report.error(code::CONFLICT, &at.key("bit"), message);
                return None;
            }
            self.refuse_others(&[], TagType::Bit(bit).name(), at, check);
            return Some(TagType::Bit(bit));
        }
        let Some(name) = self.name else {
            if !check.has_any(at, &["type", "bit"]) {
                check.missing("type", "a register does not say what it holds", at);
            }
            return None;
        };
        let kind = match name {
            TypeName::Bool => TagType::Bool,
            TypeName::U8 => TagType::U8(self.byte.unwrap_or_default()),
            TypeName::U16 => TagType::U16,
            TypeName::U32 => TagType::U32,
            TypeName::U64 => TagType::U64,
            TypeName::I8 => TagType::I8(self.byte.unwrap_or_default()),
            TypeName::I16 => TagType::I16,
            TypeName::I32 => TagType::I32,
            TypeName::I64 => TagType::I64,
            TypeName::F32 => TagType::F32,
            TypeName::F64 => TagType::F64,
            TypeName::Bcd16 => TagType::Bcd16,
            TypeName::Bcd32 => TagType::Bcd32,
            TypeName::String => TagType::Text { bytes: self.bytes(at, check)? },
            TypeName::Bits => TagType::Bits(self.labels(15, at, check)),
            TypeName::Enum => TagType::Enum(self.labels(u16::MAX, at, check)),
        };
        let own: &[&str] = match kind {
            TagType::U8(_) | TagType::I8(_) => &["byte"],
            TagType::Text { .. } => &["length"],
            TagType::Bits(_) | TagType::Enum(_) => &["labels"],
            TagType::Bool
            | TagType::Bit(_)
            | TagType::U16
            | TagType::U32
            | TagType::U64
            | TagType::I16
            | TagType::I32
            | TagType::I64
            | TagType::F32
            | TagType::F64
            | TagType::Bcd16
            | TagType::Bcd32 => &[],
        };
        self.refuse_others(own, kind.name(), at, check);
        Some(kind)
    }

    /// The type of a coil or a discrete input.
    fn single_bit(&self, table: Table, at: &Path, check: &mut Check<'_>) -> Option<TagType> {
        if self.bit.is_some() {
            let message = format!("a {} is one bit already: `bit` is for input and holding registers", table.name());
            check.report.error(code::CONFLICT, &at.key("bit"), message);
        }
        if self.name.is_some_and(|name| name != TypeName::Bool) {
            let message = format!("a {} is one bit (allowed: bool)", table.name());
            check.report.error(code::CONFLICT, &at.key("type"), message);
            return None;
        }
        self.refuse_others(&[], TagType::Bool.name(), at, check);
        Some(TagType::Bool)
    }

    /// Reports the keys that are for other types.
    fn refuse_others(&self, own: &[&str], kind: &str, at: &Path, check: &mut Check<'_>) {
        let keys = [
            ("byte", self.byte.is_some(), "u8, i8"),
            ("length", self.length.is_some(), "string"),
            ("labels", self.labels.is_some(), "bits, enum"),
        ];
        for (key, given, kinds) in keys {
            if given && !own.contains(&key) {
                let message = format!("`{kind}` has no `{key}` (allowed types: {kinds})");
                check.report.error(code::CONFLICT, &at.key(key), message);
            }
        }
    }

    fn bytes(&self, at: &Path, check: &mut Check<'_>) -> Option<u16> {
        if self.length.is_none() && !check.has_any(at, &["length"]) {
            check.missing("length", "a string does not say how many bytes it has", at);
        }
        self.length
    }

    fn labels(&self, most: u16, at: &Path, check: &mut Check<'_>) -> Labels {
        self.labels.map_or_else(Labels::default, |labels| Labels::check(labels, most, &at.key("labels"), check))
    }
}
