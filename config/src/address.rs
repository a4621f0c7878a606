//! Where a tag lives in a device: its table and its address on the wire, in every spelling that people use.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spelling::nearest;

/// The four tables of a Modbus device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// Coils: single bits (function 1).
    Coil,
    /// Discrete inputs: single bits (function 2).
    Discrete,
    /// Input registers of 16 bits (function 4).
    Input,
    /// Holding registers of 16 bits (function 3).
    Holding,
}

/// A place in a device as the protocol names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The table.
    pub table: Table,
    /// The address in the request, counted from 0.
    pub wire: u16,
}

/// How bare numbers are meant in a device's manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Numbering {
    /// Five or six digits, the first one the table: 40001 is the first holding register.
    #[default]
    Modicon,
    /// Holding registers counted from 1.
    OneBased,
    /// Holding registers counted from 0.
    ZeroBased,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// With a point or a comma.
    #[error(
        "`{0}` has a `.` or `,`, and an address has none: a bit has the key `bit`, and spreadsheets turn 40010.10 into 40010.1 \
         and 40,010 into a fraction"
    )]
    Fraction(String),
    /// As a spreadsheet shows a long number.
    #[error(
        "`{0}` is how spreadsheets write a number that is too long for its cell: format the column as text and type the \
         address again"
    )]
    Exponent(String),
    /// In no known spelling.
    #[error(
        "`{0}` is not an address (allowed: coil:, discrete:, input: or holding: with a wire address as in holding:12 or holding:0x0C, or a bare number as `numbering` says)"
    )]
    NotAnAddress(String),
    /// Its table is none.
    #[error("`{table}` is no table (allowed: coil, discrete, input, holding)")]
    Table {
        /// What stands before the colon.
        table: String,
        /// The table that is spelled most like it.
        nearest: Option<&'static str>,
    },
    /// Its wire address is none.
    #[error("{0} is not a wire address (allowed: 0 to 65535)")]
    Wire(String),
    /// A bare number that is no modicon number.
    #[error(
        "{0} is no modicon number (allowed: 5 or 6 digits, the first one 0, 1, 3 or 4, the others 1 to 65536): \
         write the wire address as in `holding:12`, or say how bare numbers are meant with the device's `numbering`"
    )]
    Modicon(String),
    /// A bare number that has lost its leading zeros, or never had a table.
    #[error(
        "{0} is no modicon number (allowed: 5 or 6 digits): spreadsheets drop leading zeros and make 17 of the coil 00017; \
         write the wire address as in `holding:12` or `coil:16`, or say how bare numbers are meant with the device's \
         `numbering`"
    )]
    FewDigits(String),
    /// A bare number below 1 or too large.
    #[error(
        "{0} is no one-based number (allowed: 1 to 65536): write the wire address as in `holding:0`, or set \
         the device's `numbering` to \"zero-based\""
    )]
    OneBased(String),
    /// A bare number that is too large.
    #[error(
        "{0} is no zero-based number (allowed: 0 to 65535); `holding:12` is always a wire address, whatever `numbering` says"
    )]
    ZeroBased(String),
}

const TABLES: [(&str, Table); 4] =
    [("coil", Table::Coil), ("discrete", Table::Discrete), ("input", Table::Input), ("holding", Table::Holding)];

impl Table {
    /// Whether it holds registers of 16 bits, not single bits.
    pub fn is_registers(self) -> bool {
        match self {
            Self::Coil | Self::Discrete => false,
            Self::Input | Self::Holding => true,
        }
    }

    /// As it stands before the colon of a wire address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Coil => "coil",
            Self::Discrete => "discrete",
            Self::Input => "input",
            Self::Holding => "holding",
        }
    }
}

impl Address {
    /// As the manual of a device with this numbering has it. A modicon number has five digits, or six where five are too
    /// few; the other numberings leave the table to the reader.
    pub fn number(&self, numbering: Numbering) -> String {
        match numbering {
            Numbering::Modicon => self.modicon(),
            Numbering::OneBased => (u32::from(self.wire) + 1).to_string(),
            Numbering::ZeroBased => self.wire.to_string(),
        }
    }

    /// The digit of the table, then the number counted from 1.
    fn modicon(&self) -> String {
        let table = match self.table {
            Table::Coil => 0,
            Table::Discrete => 1,
            Table::Input => 3,
            Table::Holding => 4,
        };
        let number = u32::from(self.wire) + 1;
        if number <= 9_999 { format!("{table}{number:04}") } else { format!("{table}{number:05}") }
    }

    /// Reads an address in any spelling.
    ///
    /// # Errors
    /// It is none, or one that can be meant in several ways; the error says how to write it.
    pub fn parse(text: &str, numbering: Numbering) -> Result<Self, AddressError> {
        let text = text.trim();
        if is_exponent(text) {
            return Err(AddressError::Exponent(text.to_owned()));
        }
        if text.contains(['.', ',']) {
            return Err(AddressError::Fraction(text.to_owned()));
        }
        if let Some((table, number)) = text.split_once(':') {
            let known = TABLES.iter().find(|(name, _)| *name == table);
            let (_, table) = known.ok_or_else(|| AddressError::Table {
                table: table.to_owned(),
                nearest: nearest(table, TABLES.map(|(name, _)| name)),
            })?;
            let number = number.trim();
            let wire = parse_number(number).ok_or_else(|| AddressError::Wire(number.to_owned()))?;
            return Ok(Self { table: *table, wire });
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressError::NotAnAddress(text.to_owned()));
        }
        match numbering {
            Numbering::Modicon if text.len() < 5 => Err(AddressError::FewDigits(text.to_owned())),
            Numbering::Modicon => modicon(text).ok_or_else(|| AddressError::Modicon(text.to_owned())),
            Numbering::OneBased => from_one(text)
                .map(|wire| Self { table: Table::Holding, wire })
                .ok_or_else(|| AddressError::OneBased(text.to_owned())),
            Numbering::ZeroBased => text
                .parse()
                .map(|wire| Self { table: Table::Holding, wire })
                .map_err(|_| AddressError::ZeroBased(text.to_owned())),
        }
    }
}

/// Five digits are the table and 1 to 9999, six digits the table and 1 to 65536.
fn modicon(digits: &str) -> Option<Address> {
    let (first, number) = digits.split_at_checked(1)?;
    let table = match first {
        "0" => Table::Coil,
        "1" => Table::Discrete,
        "3" => Table::Input,
        "4" => Table::Holding,
        _ => return None,
    };
    let known_length = matches!(number.len(), 4 | 5);
    known_length.then(|| from_one(number)).flatten().map(|wire| Address { table, wire })
}

/// 4,00E+05, in any country.
fn is_exponent(text: &str) -> bool {
    text.split_once(['e', 'E']).is_some_and(|(digits, exponent)| {
        let number = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
        number(digits)
            && digits.chars().all(|digit| digit.is_ascii_digit() || matches!(digit, '.' | ','))
            && number(exponent.trim_start_matches(['+', '-']))
    })
}

/// A number counted from 1 as one counted from 0.
fn from_one(digits: &str) -> Option<u16> {
    digits.parse::<u32>().ok()?.checked_sub(1)?.try_into().ok()
}

fn parse_number(text: &str) -> Option<u16> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    // The standard parser takes a sign, an address has none.
    if digits.starts_with(['+', '-']) { None } else { u16::from_str_radix(digits, radix).ok() }
}

/// The wire address, as it may stand in the file.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.table.name(), self.wire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_means_one_wire_address() {
        for (text, numbering, table, wire) in [
            ("40001", Numbering::Modicon, Table::Holding, 0),
            ("400001", Numbering::Modicon, Table::Holding, 0),
            ("465536", Numbering::Modicon, Table::Holding, 65535),
            ("49999", Numbering::Modicon, Table::Holding, 9998),
            ("30001", Numbering::Modicon, Table::Input, 0),
            ("10001", Numbering::Modicon, Table::Discrete, 0),
            ("00017", Numbering::Modicon, Table::Coil, 16),
            ("1", Numbering::OneBased, Table::Holding, 0),
            ("65536", Numbering::OneBased, Table::Holding, 65535),
            ("0", Numbering::ZeroBased, Table::Holding, 0),
            ("40001", Numbering::ZeroBased, Table::Holding, 40001),
            ("holding:0x10", Numbering::Modicon, Table::Holding, 16),
            ("input:12", Numbering::OneBased, Table::Input, 12),
            ("coil:3", Numbering::Modicon, Table::Coil, 3),
            ("discrete: 65535 ", Numbering::ZeroBased, Table::Discrete, 65535),
        ] {
            assert_eq!(Address::parse(text, numbering), Ok(Address { table, wire }), "{text} {numbering:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_way_to_write_it() {
        for (text, numbering, part) in [
            ("40010.1", Numbering::Modicon, "spreadsheets"),
            ("40,010", Numbering::Modicon, "spreadsheets"),
            ("40000", Numbering::Modicon, "holding:12"),
            ("20001", Numbering::Modicon, "`numbering`"),
            ("12", Numbering::Modicon, "`numbering`"),
            ("17", Numbering::Modicon, "leading zeros"),
            ("4,00001E+05", Numbering::Modicon, "too long for its cell"),
            ("4E+05", Numbering::ZeroBased, "too long for its cell"),
            ("465537", Numbering::Modicon, "1 to 65536"),
            ("0", Numbering::OneBased, "zero-based"),
            ("65536", Numbering::ZeroBased, "0 to 65535"),
            ("holding:65536", Numbering::Modicon, "0 to 65535"),
            ("holding:-1", Numbering::Modicon, "0 to 65535"),
            ("holding:", Numbering::Modicon, "0 to 65535"),
            ("holdin:1", Numbering::Modicon, "`holdin` is no table"),
            ("", Numbering::Modicon, "not an address"),
            ("0x10", Numbering::Modicon, "not an address"),
            ("40001\u{661}", Numbering::Modicon, "not an address"),
        ] {
            let error = Address::parse(text, numbering).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn every_spelling_of_an_address_means_it_again() {
        use Numbering::{Modicon, OneBased, ZeroBased};
        for (table, wire, shown, numbering, number) in [
            (Table::Coil, 16, "coil:16", Modicon, "00017"),
            (Table::Discrete, 9_998, "discrete:9998", Modicon, "19999"),
            (Table::Input, 9_999, "input:9999", Modicon, "310000"),
            (Table::Holding, 65_535, "holding:65535", Modicon, "465536"),
            (Table::Holding, 0, "holding:0", OneBased, "1"),
            (Table::Holding, 65_535, "holding:65535", OneBased, "65536"),
            (Table::Holding, 0, "holding:0", ZeroBased, "0"),
            (Table::Holding, 65_535, "holding:65535", ZeroBased, "65535"),
        ] {
            let address = Address { table, wire };
            assert_eq!((&*address.to_string(), &*address.number(numbering)), (shown, number));
            assert_eq!(Address::parse(shown, numbering), Ok(address));
            assert_eq!(Address::parse(number, numbering), Ok(address));
        }
        assert_eq!(Address { table: Table::Input, wire: 4 }.number(OneBased), "5");
    }
}
