//! A tag: one named signal of a device and how its registers become a value.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::address::{Address, AddressError, Numbering};
use crate::check::Check;
use crate::interval::Interval;
use crate::items::Items;
use crate::labels::LabelTable;
use crate::name::TagName;
use crate::path::Path;
use crate::report::code;
use crate::reporting::{DeadbandValue, Reporting, ReportingKeys};
use crate::tag_type::{Byte, TagType, TypeKeys, TypeName};
use crate::word_order::{WordOrder, WordOrderName};

/// A named signal of a device. Value = raw x `scale` x 10^`scale_from` + `offset`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    /// Unique in its device.
    pub name: TagName,
    /// Where its first register or its bit is. Its last register is 65535 at most.
    pub at: Address,
    /// How the raw bits are read; fits the table.
    pub kind: TagType,
    /// In which order the device sends the bytes; the device's order where the tag names none.
    pub word_order: WordOrder,
    /// Factor from raw to value, never zero. 1 for what is no number.
    pub scale: f64,
    /// The tag of the same device that holds a power of ten as a further factor: a whole number that is not scaled.
    pub scale_from: Option<TagName>,
    /// Added after the factors. 0 for what is no number.
    pub offset: f64,
    /// Raw bits, after the word order, that mean that there is no value.
    pub missing: Vec<u64>,
    /// A UCUM code or a word such as `pcs`.
    pub unit_of_measure: Option<String>,
    /// How often it is read, never zero; the device's interval where the tag names none.
    pub every: Duration,
    /// When it is reported.
    pub reporting: Reporting,
}

/// A named signal. Value = raw x scale x 10^scale_from + offset.
///
/// With the name of a tag of the device's profile, it replaces the keys that it gives.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagTable {
    /// Letters and digits of any script, `_`, `-` and `.`; unique in its device.
    #[schemars(required)]
    name: Option<String>,
    /// `coil:`, `discrete:`, `input:` or `holding:` with the wire address, or a bare number as `numbering` says.
    at: Option<String>,
    /// One bit of a 16-bit register, 0 the least significant.
    #[schemars(range(max = 15))]
    bit: Option<u8>,
    /// Which byte of its register a u8 or an i8 is; low when it is left out.
    byte: Option<Byte>,
    /// How many bytes a string has, two in a register.
    #[schemars(range(min = 1, max = 250))]
    length: Option<u16>,
    /// How the raw bits are read. May be left out for a coil, a discrete input and a `bit`, which are bool.
    #[serde(rename = "type")]
    kind: Option<TypeName>,
    /// In which order the device sends the bytes, when it differs from the device's `word_order`.
    word_order: Option<WordOrderName>,
    /// Factor from raw to value.
    #[serde(default = "one")]
    scale: f64,
    /// The tag whose value is a power of ten as a further factor, as SunSpec has it.
    pub(crate) scale_from: Option<String>,
    /// Added after the factors.
    #[serde(default)]
    offset: f64,
    /// A UCUM code or a word such as pcs.
    unit_of_measure: Option<String>,
    /// How often it is read, when that differs from the device's `every`. What an event needs is read together with it
    /// in any case.
    every: Option<Interval>,
    /// How far the value may move from the last reported one without being reported: a number in its unit, or a part of
    /// that value as in "2%". Left out: 0.
    deadband: Option<DeadbandValue>,
    /// The least time between two reports.
    min_interval: Option<Interval>,
    /// The longest time without a report.
    max_silence: Option<Interval>,
    /// Raw values, after the word order, that mean that there is none: 0x8000.
    #[serde(default)]
    #[schemars(inner(range(max = 0xFFFF_FFFF_FFFF_FFFF_u64)))]
    missing: Items<u64>,
    /// What the values of an enum or the bits of a word are called: `{ 0 = "stopped", 3 = "run" }`.
    labels: Option<LabelTable>,
}

fn one() -> f64 {
    1.0
}

/// What a tag takes from its device.
pub(crate) struct DeviceTraits {
    pub(crate) numbering: Numbering,
    pub(crate) word_order: WordOrder,
    pub(crate) max_registers: u16,
    /// Absent when it is wrong.
    pub(crate) every: Option<Duration>,
}

impl Tag {
    /// A tag of which nothing is known but its place and its type.
    pub fn plain(name: TagName, at: Address, kind: TagType, word_order: WordOrder, every: Duration) -> Self {
        Self {
            name,
            at,
            kind,
            word_order,
            scale: 1.0,
            scale_from: None,
            offset: 0.0,
            missing: Vec::new(),
            unit_of_measure: None,
            every,
            reporting: Reporting::default(),
        }
    }

    /// Whether its value differs from the raw number.
    pub fn is_scaled(&self) -> bool {
        self.scale != 1.0 || self.offset != 0.0 || self.scale_from.is_some()
    }
}

impl TagTable {
    /// A signal that is no more than read: neither named nor scaled.
    pub(crate) fn plain(
        at: Option<String>,
        kind: Option<TypeName>,
        length: Option<u16>,
        word_order: Option<WordOrderName>,
    ) -> Self {
        Self {
            name: None,
            at,
            bit: None,
            byte: None,
            length,
            kind,
            word_order,
            scale: one(),
            scale_from: None,
            offset: 0.0,
            unit_of_measure: None,
            every: None,
            deadband: None,
            min_interval: None,
            max_silence: None,
            missing: Items::default(),
            labels: None,
        }
    }

    /// The name alone, for who refers to it even when something else is wrong with the tag.
    pub(crate) fn name(&self, at: &Path, check: &mut Check<'_>) -> Option<TagName> {
        check.tag_name(self.name.as_ref(), &at.key("name"))
    }

    /// The tag. Whether the one that it is scaled by is there is for who knows the other tags of the device.
    pub(crate) fn check(&self, name: TagName, device: &DeviceTraits, at: &Path, check: &mut Check<'_>) -> Option<Tag> {
        let address = self.address(device, at, check);
        let kind = address.and_then(|address| self.kind(address, device, at, check));
        let scale = Some(self.scale).filter(|scale| *scale != 0.0);
        if scale.is_none() {
            check.report.error(code::OUT_OF_RANGE, &at.key("scale"), "a scale of 0 makes every value the same");
        }
        if let Some(kind) = kind.as_ref().filter(|kind| !kind.is_number()) {
            let keys = [
                ("scale", self.scale != 1.0),
                ("scale_from", self.scale_from.is_some()),
                ("offset", self.offset != 0.0),
            ];
            for (key, _) in keys.iter().filter(|(_, given)| *given) {
                check.report.error(code::CONFLICT, &at.key(key), format!("`{}` has no `{key}`", kind.name()));
            }
        }
        let missing = kind.as_ref().map(|kind| self.missing(kind, address, &at.key("missing"), check));
        let reporting = ReportingKeys {
            deadband: self.deadband.as_ref(),
            min_interval: self.min_interval.as_ref(),
            max_silence: self.max_silence.as_ref(),
        };
        let reporting = reporting.check(kind.as_ref(), at, check);
        let unit_of_measure =
            self.unit_of_measure.as_ref().map(|unit| check.filled(Some(unit), &at.key("unit_of_measure")));
        let every = match &self.every {
            Some(every) => every.check_some(&at.key("every"), &mut check.report),
            None => device.every,
        };
        Some(Tag {
            name,
            at: address?,
            kind: kind?,
            word_order: self.word_order.map_or(device.word_order, WordOrder::from),
            scale: scale?,
            scale_from: self.scale_from.as_deref().and_then(TagName::new),
            offset: self.offset,
            missing: missing?,
            unit_of_measure: unit_of_measure.flatten(),
            every: every?,
            reporting: reporting?,
        })
    }

    fn address(&self, device: &DeviceTraits, at: &Path, check: &mut Check<'_>) -> Option<Address> {
        let Some(text) = &self.at else {
            if !check.has_any(at, &["at"]) {
                check.missing("at", "as in at = \"holding:12\"", at);
            }
            return None;
        };
        match Address::parse(text, device.numbering) {
            Ok(address) => Some(address),
            Err(error) => {
                let nearest = match &error {
                    AddressError::Table { nearest, .. } => *nearest,
                    AddressError::Fraction(_)
                    | AddressError::Exponent(_)
                    | AddressError::NotAnAddress(_)
                    | AddressError::Wire(_)
                    | AddressError::Modicon(_)
                    | AddressError::FewDigits(_)
                    | AddressError::OneBased(_)
                    | AddressError::ZeroBased(_) => None,
                };
                check.report.error(code::BAD_VALUE, &at.key("at"), error.to_string()).did_you_mean(nearest);
                None
            }
        }
    }

    /// The type, if its registers are all there and fit into one request.
    fn kind(&self, address: Address, device: &DeviceTraits, at: &Path, check: &mut Check<'_>) -> Option<TagType> {
        let keys = TypeKeys {
            name: self.kind,
            bit: self.bit,
            byte: self.byte,
            length: self.length,
            labels: self.labels.as_ref(),
        };
        let kind = keys.check(address.table, at, check)?;
        if !address.table.is_registers() {
            return Some(kind);
        }
        let (name, registers) = (kind.name(), kind.registers());
        let last = u32::from(address.wire) + u32::from(registers) - 1;
        if last > u32::from(u16::MAX) {
            let message = format!(
                "{name} of {registers} registers ends at {last}, behind the last register (allowed: 0 to {})",
                u32::from(u16::MAX) + 1 - u32::from(registers),
            );
            check.report.error(code::OUT_OF_RANGE, &at.key("at"), message);
            return None;
        }
        if registers > device.max_registers {
            let message = format!(
                "{name} has {registers} registers, and the device's `max_registers` is {}: a value is never read in two \
                 requests",
                device.max_registers,
            );
            check.report.error(code::CONFLICT, &at.key("type"), message);
            return None;
        }
        Some(kind)
    }

    fn missing(&self, kind: &TagType, address: Option<Address>, at: &Path, check: &mut Check<'_>) -> Vec<u64> {
        let name = kind.name();
        let on_registers = address.is_some_and(|address| address.table.is_registers());
        let Some(bits) = kind.raw_bits().filter(|_| on_registers) else {
            if self.missing.iter(at).next().is_some() {
                let message = format!("no raw value of this `{name}` can mean that there is none");
                check.report.error(code::CONFLICT, at, message);
            }
            return Vec::new();
        };
        let mut missing = Vec::new();
        for (at, raw) in self.missing.iter(at) {
            if raw.checked_shr(bits).unwrap_or(0) != 0 {
                let message = format!("{raw:#X} does not fit `{name}`, which has {bits} bits");
                check.report.error(code::OUT_OF_RANGE, &at, message);
            }
            missing.push(*raw);
        }
        missing
    }
}
