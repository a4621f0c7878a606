//! What a device shows when it has the firmware that its tags were written for.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::items::Items;
use crate::name::TagName;
use crate::path::Path;
use crate::report::code;
use crate::tag::{DeviceTraits, Tag, TagTable};
use crate::tag_type::{TagType, TypeName};
use crate::word_order::WordOrderName;

/// Where a device says what it is, and what it may say.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// A whole number or a string, not scaled.
    pub tag: Tag,
    /// At least one.
    pub expect: Vec<Expected>,
}

/// A value that the tag of an identity may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Of a number.
    Number(i64),
    /// Of a string.
    Text(String),
}

/// Where the firmware can be told. While it is another than expected, values are uncertain and nothing is counted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityTable {
    /// As a tag's.
    at: Option<String>,
    /// A whole number or a string.
    #[serde(rename = "type")]
    kind: Option<TypeName>,
    /// How many bytes a string has.
    #[schemars(range(min = 1, max = 250))]
    length: Option<u16>,
    /// As a tag's.
    word_order: Option<WordOrderName>,
    /// What it may be.
    #[schemars(required, length(min = 1))]
    expect: Option<Items<ExpectedValue>>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
enum ExpectedValue {
    Number(i64),
    Text(String),
}

impl IdentityTable {
    pub(crate) fn check(&self, device: &DeviceTraits, at: &Path, check: &mut Check<'_>) -> Option<Identity> {
        let table = TagTable::plain(self.at.clone(), self.kind, self.length, self.word_order);
        let tag = table.check(TagName::new("identity")?, device, at, check);
        let expect = self.expect.as_ref()?;
        let tag = tag?;
        if !tag.kind.is_whole() && !matches!(tag.kind, TagType::Text { .. }) {
            let message =
                format!("an identity of type {} is not possible (a whole number or string is)", tag.kind.name());
            check.report.error(code::CONFLICT, &at.key("type"), message);
            return None;
        }
        let expect: Vec<Option<Expected>> =
            expect.iter(&at.key("expect")).map(|(at, value)| expected(value, &tag.kind, &at, check)).collect();
        Some(Identity { tag, expect: expect.into_iter().collect::<Option<_>>()? })
    }
}

fn expected(value: &ExpectedValue, kind: &TagType, at: &Path, check: &mut Check<'_>) -> Option<Expected> {
    match (value, kind.is_whole()) {
        (ExpectedValue::Number(number), true) => Some(Expected::Number(*number)),
        (ExpectedValue::Text(text), false) => Some(Expected::Text(text.clone())),
        (ExpectedValue::Number(_), false) | (ExpectedValue::Text(_), true) => {
            let message = format!("a value of type {} is never this", kind.name());
            check.report.error(code::CONFLICT, at, message);
            None
        }
    }
}
