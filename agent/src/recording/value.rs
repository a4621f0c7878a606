//! A tag's value as a recording has it: what the tag reads after decoding and scaling, never its words.

use std::sync::Arc;

use plantlink_config::{Labels, Tag, TagType};
use serde_json::Value as Json;

use crate::reading::Value;
use crate::unknown::unknown;

/// What stands there is no value of the tag.
#[derive(Debug, thiserror::Error)]
#[error("{found} is no value of `{tag}` ({allowed})")]
pub(crate) struct NoValue {
    found: Json,
    tag: String,
    allowed: String,
}

/// The value that the tag reads.
///
/// # Errors
/// The tag can never read this.
pub(super) fn value(tag: &Tag, json: &Json) -> Result<Value, NoValue> {
    read(tag, json).map_err(|allowed| NoValue { found: json.clone(), tag: tag.name.to_string(), allowed })
}

fn read(tag: &Tag, json: &Json) -> Result<Value, String> {
    match &tag.kind {
        TagType::Bool | TagType::Bit(_) => {
            json.as_bool().map(Value::Bool).ok_or_else(|| "it is true or false".to_owned())
        }
        TagType::U8(_)
        | TagType::U16
        | TagType::U32
        | TagType::U64
        | TagType::I8(_)
        | TagType::I16
        | TagType::I32
        | TagType::I64
        | TagType::Bcd16
        | TagType::Bcd32
            if tag.is_scaled() =>
        {
            float(json)
        }
        TagType::F32 | TagType::F64 => float(json),
        TagType::U8(_) => unsigned(tag, json, u8::MAX.into()),
        TagType::U16 => unsigned(tag, json, u16::MAX.into()),
        TagType::U32 => unsigned(tag, json, u32::MAX.into()),
        TagType::U64 => unsigned(tag, json, u64::MAX),
        TagType::Bcd16 => unsigned(tag, json, 9_999),
        TagType::Bcd32 => unsigned(tag, json, 99_999_999),
        TagType::I8(_) => signed(tag, json, i8::MAX.into()),
        TagType::I16 => signed(tag, json, i16::MAX.into()),
        TagType::I32 => signed(tag, json, i32::MAX.into()),
        TagType::I64 => signed(tag, json, i64::MAX),
        TagType::Text { .. } => {
            text(json).map(|text| Value::Text(text.into())).ok_or_else(|| "it is a text".to_owned())
        }
        TagType::Enum(labels) => {
            let said = text(json).ok_or_else(|| "it is a label, as text".to_owned())?;
            let (_, label) = labeled(said, labels, |number| number.to_string(), u16::MAX)?;
            Ok(Value::Text(label))
        }
        TagType::Bits(labels) => {
            let set =
                json.as_array().ok_or_else(|| "it is the array of the labels of the bits that are set".to_owned())?;
            let bits = set.iter().map(|bit| {
                let said = text(bit).ok_or_else(|| format!("{bit} is no label"))?;
                labeled(said, labels, |number| format!("bit{number}"), 15)
            });
            let mut bits: Vec<(u16, Arc<str>)> = bits.collect::<Result<_, _>>()?;
            bits.sort();
            bits.dedup();
            Ok(Value::Labels(bits.into_iter().map(|(_, label)| label).collect()))
        }
    }
}

fn float(json: &Json) -> Result<Value, String> {
    json.as_f64().map(Value::Float).ok_or_else(|| "it is a number".to_owned())
}

fn unsigned(tag: &Tag, json: &Json, most: u64) -> Result<Value, String> {
    let number = json.as_u64().filter(|number| *number <= most);
    number.map(Value::Unsigned).ok_or_else(|| format!("a {} is 0 to {most}", tag.kind.name()))
}

fn signed(tag: &Tag, json: &Json, most: i64) -> Result<Value, String> {
    let number = json.as_i64().filter(|number| (!most..=most).contains(number));
    number.map(Value::Signed).ok_or_else(|| format!("an {} is {} to {most}", tag.kind.name(), !most))
}

fn text(json: &Json) -> Option<&str> {
    json.as_str()
}

/// The number that has this label; what has none is called by its number, up to `most`.
fn labeled(
    said: &str,
    labels: &Labels,
    unlabeled: impl Fn(u16) -> String,
    most: u16,
) -> Result<(u16, Arc<str>), String> {
    if let Some((number, label)) = labels.iter().find(|(_, label)| ***label == *said) {
        return Ok((number, label.clone()));
    }
    let number = (0..=most).find(|number| labels.get(*number).is_none() && unlabeled(*number) == said);
    match number {
        Some(number) => Ok((number, said.into())),
        None => Err(unknown(said, labels.iter().map(|(_, label)| &**label))),
    }
}

#[cfg(test)]
mod tests {
    use plantlink_config::{Byte, Table};
    use serde_json::json;

    use super::*;
    use crate::source::modbus::fake;

    fn tag(kind: TagType) -> Tag {
        fake::tag(Table::Holding, 0, kind)
    }

    fn labels() -> Labels {
        [(0, "stopped"), (3, "run")].into_iter().collect()
    }

    #[test]
    fn a_value_is_what_the_tag_can_read() {
        let scaled = Tag { scale: 0.1, ..tag(TagType::U16) };
        for (tag, json, expected) in [
            (tag(TagType::Bool), json!(true), Value::Bool(true)),
            (tag(TagType::U16), json!(65_535), Value::Unsigned(65_535)),
            (tag(TagType::U64), json!(u64::MAX), Value::Unsigned(u64::MAX)),
            (tag(TagType::I16), json!(-32_768), Value::Signed(-32_768)),
            (tag(TagType::I64), json!(i64::MIN), Value::Signed(i64::MIN)),
            (tag(TagType::F32), json!(3), Value::Float(3.0)),
            (scaled, json!(21.5), Value::Float(21.5)),
            (tag(TagType::Text { bytes: 4 }), json!("ab"), Value::Text("ab".into())),
            (tag(TagType::Enum(labels())), json!("run"), Value::Text("run".into())),
            (tag(TagType::Enum(labels())), json!("7"), Value::Text("7".into())),
            (
                tag(TagType::Bits(labels())),
                json!(["bit15", "run", "stopped"]),
                Value::Labels(vec!["stopped".into(), "run".into(), "bit15".into()]),
            ),
        ] {
            assert_eq!(value(&tag, &json).unwrap(), expected);
        }
    }

    #[test]
    fn what_the_tag_can_never_read_is_refused_with_what_is_allowed() {
        for (kind, json, said) in [
            (TagType::Bool, json!(1), "1 is no value of `tag` (it is true or false)"),
            (TagType::U16, json!(65_536), "65536 is no value of `tag` (a u16 is 0 to 65535)"),
            (TagType::U8(Byte::Low), json!(256), "(a u8 is 0 to 255)"),
            (TagType::Bcd16, json!(10_000), "(a bcd16 is 0 to 9999)"),
            (TagType::I8(Byte::High), json!(-129), "(an i8 is -128 to 127)"),
            (TagType::U16, json!(1.5), "1.5 is no value"),
            (TagType::F64, json!("1"), "(it is a number)"),
            (TagType::Text { bytes: 2 }, json!(7), "(it is a text)"),
            (TagType::Enum(labels()), json!("runs"), "(did you mean `run`?)"),
            (TagType::Enum(labels()), json!("3"), "(there are: stopped, run)"),
            (TagType::Bits(labels()), json!(["bit16"]), "(there are: stopped, run)"),
            (TagType::Bits(labels()), json!("run"), "(it is the array of the labels"),
        ] {
            let error = value(&tag(kind), &json).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
