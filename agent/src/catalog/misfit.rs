//! Whether data is what the catalogue says, and if not, where.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::field::{Field, Kind, Need};
use crate::clip::clip;

/// Data is not what its type says. A path leads through objects and lists with dots, as in `previous.state`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misfit {
    /// Nothing where something has to be.
    #[error("`{path}` is missing, which {event_type} requires")]
    Missing { event_type: &'static str, path: String },
    /// Something else than what may be there.
    #[error("`{path}` is {found}, where {event_type} has {allowed}")]
    Wrong { event_type: &'static str, path: String, found: String, allowed: String },
}

/// Checks the data of one type.
pub(super) struct Checker {
    pub(super) event_type: &'static str,
}

impl Checker {
    /// Whether the fields of an object hold what they may; `above` is its path with a dot behind, or nothing at the top.
    pub(super) fn fields(&self, fields: &[Field], object: &Map<String, Value>, above: &str) -> Result<(), Misfit> {
        fields.iter().try_for_each(|field| {
            match (object.get(field.name).filter(|value| !value.is_null()), field.need) {
                (Some(value), _) => self.value(&field.kind, value, field.name, above),
                (None, Need::Optional) => Ok(()),
                (None, Need::Required) => {
                    Err(Misfit::Missing { event_type: self.event_type, path: format!("{above}{}", field.name) })
                }
            }
        })
    }

    /// Whether the value under a key is one of its kind.
    pub(super) fn value(&self, kind: &Kind, value: &Value, key: &str, above: &str) -> Result<(), Misfit> {
        let fits = match (kind, value) {
            (Kind::List(kind), Value::Array(items)) => {
                let above = format!("{above}{key}.");
                let mut items = items.iter().enumerate();
                return items.try_for_each(|(place, item)| self.value(kind, item, &place.to_string(), &above));
            }
            (Kind::Map(kind), Value::Object(members)) => {
                let above = format!("{above}{key}.");
                return members.iter().try_for_each(|(key, value)| self.value(kind, value, key, &above));
            }
            (Kind::Object(fields), Value::Object(members)) => {
                return self.fields(fields, members, &format!("{above}{key}."));
            }
            (Kind::List(_) | Kind::Map(_) | Kind::Object(_), _) => false,
            (Kind::Boolean, value) => value.is_boolean(),
            (Kind::Number, value) => value.is_number(),
            (Kind::Amount, value) => value.as_f64().is_some_and(|number| number >= 0.0),
            // JSON does not tell 7 from 7.0.
            (Kind::Count, value) => value.as_f64().is_some_and(|number| number >= 0.0 && number.fract() == 0.0),
            (Kind::Text, value) => value.is_string(),
            (Kind::Identifier, value) => value.as_str().is_some_and(|text| !text.is_empty()),
            (Kind::Moment, value) => value.as_str().is_some_and(is_rfc3339),
            (Kind::Choice(words), value) => value.as_str().is_some_and(|word| words.contains(&word)),
            (Kind::Scalar, value) => value.is_boolean() || value.is_number() || value.is_string(),
            (Kind::TagValue, Value::Array(labels)) => labels.iter().all(Value::is_string),
            (Kind::TagValue, value) => !value.is_object(),
        };
        if fits {
            return Ok(());
        }
        Err(Misfit::Wrong {
            event_type: self.event_type,
            path: format!("{above}{key}"),
            found: clip(value.to_string()),
            allowed: kind.words(),
        })
    }
}

/// A date, `T`, a time with seconds and an offset (RFC 3339, section 5.6); the parser alone takes more than that.
fn is_rfc3339(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else { return false };
    let has_seconds = time.as_bytes().get(5) == Some(&b':') && time.as_bytes().get(2) == Some(&b':');
    date.len() == 10 && has_seconds && !text.ends_with(']') && text.parse::<Timestamp>().is_ok()
}
