//! What words can mean: every type, word order and factor, the reading that is nearest to a known value first.

use plantlink_config::{Address, Byte, Tag, TagName, TagType, WordOrder};
use tokio::time::Duration;

use super::decode;
use super::scaling::scaled;
use crate::reading::{Quality, Value};

/// Types of numbers, those that devices use most first.
pub(crate) const TYPES: [TagType; 14] = [
    TagType::U16,
    TagType::I16,
    TagType::F32,
    TagType::U32,
    TagType::I32,
    TagType::F64,
    TagType::U64,
    TagType::I64,
    TagType::Bcd16,
    TagType::Bcd32,
    TagType::U8(Byte::Low),
    TagType::I8(Byte::Low),
    TagType::U8(Byte::High),
    TagType::I8(Byte::High),
];

/// The likeliest first.
const ORDERS: [WordOrder; 4] = [WordOrder::Abcd, WordOrder::Cdab, WordOrder::Badc, WordOrder::Dcba];

/// Factors that panels hide in their decimal point.
const SCALES: [f64; 5] = [1.0, 0.1, 0.01, 0.001, 10.0];

/// The value that a person reads on the machine's panel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Expected {
    value: f64,
    /// The panel rounds to so many decimals.
    decimals: i32,
}

/// One way to read the words.
#[derive(Debug, Clone)]
pub(crate) struct Guess {
    /// As it would stand in a tag sheet.
    pub(crate) tag: Tag,
    /// The words that it takes.
    pub(crate) words: Vec<u16>,
    pub(crate) value: f64,
    /// Whether the panel would show what is expected.
    pub(crate) fits: bool,
}

/// What a panel shows is no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number as a panel shows it (allowed: as in 72.4, -3 or 72,4)")]
pub(crate) struct NoNumber(String);

impl std::str::FromStr for Expected {
    type Err = NoNumber;

    fn from_str(text: &str) -> Result<Self, NoNumber> {
        let point = text.replacen(',', ".", 1);
        let value: Option<f64> = point.parse().ok().filter(|value: &f64| value.is_finite());
        let value = value.ok_or_else(|| NoNumber(text.to_owned()))?;
        let decimals = point.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        Ok(Expected { value, decimals: i32::try_from(decimals).unwrap_or(0) })
    }
}

impl Expected {
    /// Half a unit of the last decimal, and what floats lose on their way.
    fn is_shown_for(self, value: f64) -> bool {
        (value - self.value).abs() <= 0.5 * 10_f64.powi(-self.decimals) * (1.0 + 1e-9)
    }

    /// In orders of magnitude rather than in units: 1,000 is as far from 100 as 10 is. Zero and another sign are far from
    /// everything.
    fn distance(self, value: f64) -> f64 {
        if self.value == 0.0 || value == 0.0 || self.value.signum() != value.signum() {
            return 1e3 + (value - self.value).abs().ln_1p();
        }
        (value / self.value).ln().abs()
    }
}

/// Every way to read the words that begin at `at`, as far as their number allows, the best first: what the panel would
/// show, then what is near to it; among equals the simpler one.
pub(crate) fn guesses(at: Address, words: &[u16], expected: Expected) -> Vec<Guess> {
    let Some(name) = TagName::new("NAME") else { return Vec::new() };
    let mut all: Vec<Guess> = Vec::new();
    for kind in TYPES {
        let Some(own) = words.get(..usize::from(kind.registers())) else { continue };
        for order in ORDERS {
            let tag = Tag::plain(name.clone(), at, kind.clone(), order, Duration::ZERO);
            let Some(number) = number(decode::words(&tag, own)) else { continue };
            // Floats come with their decimals, and no factor moves a zero.
            let is_final = number == 0.0 || matches!(kind, TagType::F32 | TagType::F64);
            // The swapped halves of a single register are the other byte, and nothing is in order when all words are alike.
            let is_known = |known: &Guess| known.tag.kind == kind && known.tag.scale == 1.0 && known.value == number;
            if all.iter().any(is_known) {
                continue;
            }
            for scale in SCALES.into_iter().filter(|scale| *scale == 1.0 || !is_final) {
                let tag = Tag { scale, ..tag.clone() };
                if let Some(value) = self::number(scaled(&tag, decode::words(&tag, own), None)) {
                    all.push(Guess { tag, words: own.to_vec(), value, fits: expected.is_shown_for(value) });
                }
            }
        }
    }
    // Stable: the order in which they were tried is that of simplicity.
    all.sort_by(|one, other| {
        other.fits.cmp(&one.fits).then_with(|| match one.fits && other.fits {
            true => std::cmp::Ordering::Equal,
            false => expected.distance(one.value).total_cmp(&expected.distance(other.value)),
        })
    });
    all
}

fn number(value: Quality<Value>) -> Option<f64> {
    match value.value()? {
        Value::Unsigned(number) => Some(*number as f64),
        Value::Signed(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Bool(_) | Value::Text(_) | Value::Labels(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use plantlink_config::Table;

    use super::*;

    const AT: Address = Address { table: Table::Holding, wire: 12 };

    #[test]
    fn the_reading_that_the_panel_shows_is_the_first() {
        // 123456.789 as a float is 0x47F1_2065, 1,000,000 is 0x000F_4240.
        for (words, panel, kind, order, scale) in [
            (&[500, 0, 0, 0][..], "500", TagType::U16, WordOrder::Abcd, 1.0),
            (&[724, 0, 0, 0], "72.4", TagType::U16, WordOrder::Abcd, 0.1),
            (&[724, 0, 0, 0], "72,4", TagType::U16, WordOrder::Abcd, 0.1),
            (&[0xFFF6, 1, 2, 3], "-10", TagType::I16, WordOrder::Abcd, 1.0),
            (&[0x47F1, 0x2065, 0, 0], "123456.8", TagType::F32, WordOrder::Abcd, 1.0),
            (&[0x2065, 0x47F1, 0, 0], "123456.8", TagType::F32, WordOrder::Cdab, 1.0),
            (&[0xF147, 0x6520, 0, 0], "123456.8", TagType::F32, WordOrder::Badc, 1.0),
            (&[0x6520, 0xF147, 0, 0], "123456.8", TagType::F32, WordOrder::Dcba, 1.0),
            (&[0x4240, 0x000F, 0, 0], "1000000", TagType::U32, WordOrder::Cdab, 1.0),
            (&[0x1234, 0x5678, 0, 0], "12345678", TagType::Bcd32, WordOrder::Abcd, 1.0),
            (&[0x0722], "722", TagType::Bcd16, WordOrder::Abcd, 1.0),
            (&[0xF401], "500", TagType::U16, WordOrder::Badc, 1.0),
        ] {
            let expected: Expected = panel.parse().unwrap();
            let found = guesses(AT, words, expected);
            let best = &found[0];
            assert!(best.fits, "{words:X?} {panel}: {best:?}");
            assert_eq!(
                (&best.tag.kind, best.tag.word_order, best.tag.scale),
                (&kind, order, scale),
                "{words:X?} {panel}"
            );
        }
    }

    #[test]
    fn where_nothing_fits_the_nearest_is_the_first_and_all_are_there() {
        let found = guesses(AT, &[1000], "900".parse().unwrap());
        assert!(found.iter().all(|guess| !guess.fits));
        assert_eq!(found[0].value, 1000.0);
        let distances = found.iter().map(|guess| "900".parse::<Expected>().unwrap().distance(guess.value));
        assert!(distances.is_sorted());
    }

    #[test]
    fn a_panel_shows_a_number() {
        for text in ["", "on", "1,5,3", "inf", "NaN"] {
            assert!(text.parse::<Expected>().is_err(), "{text}");
        }
    }
}
