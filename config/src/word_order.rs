//! In which order a device sends the bytes of a value.

use schemars::JsonSchema;
use serde::Deserialize;

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

impl WordOrder {
    /// As the file spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Abcd => "ABCD",
            Self::Cdab => "CDAB",
            Self::Badc => "BADC",
            Self::Dcba => "DCBA",
        }
    }
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
