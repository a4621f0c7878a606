//! Which events are meant, by what they say: each named value is one of those that are listed.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::check::Check;
use crate::lookup::Lookup;
use crate::path::Path;
use crate::record_field::technical;
use crate::report::code;
use crate::template::{Part, Reference, Template};

/// What an event has to say. All of it has to hold; where nothing is asked, every event is meant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Condition {
    /// What is looked at, and which strings, numbers and booleans are right there; at least one each.
    pub asked: Vec<(Reference, Vec<Json>)>,
}

/// By name or JSON pointer, as in a template and without its braces: the value, or a list of values of which it is one.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct ConditionTable(Map<String, Json>);

impl JsonSchema for ConditionTable {
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let plain = [("string"), ("number"), ("boolean")].map(|kind| serde_json::json!({ "type": kind }));
        let [text, number, truth] = plain.clone();
        json_schema!({
            "type": "object",
            "additionalProperties": {
                "anyOf": [text, number, truth, { "type": "array", "minItems": 1, "items": { "anyOf": plain } }]
            }
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl ConditionTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Condition {
        self.filled(at, check);
        let mut asked = Vec::new();
        for (name, values) in &self.0 {
            let at = at.key(name);
            let Some(template) = Lookup::Event.template(&format!("{{{name}}}"), &at, check) else { continue };
            let Some(values) = choices(values) else { continue };
            let Template { parts } = template;
            match parts.into_iter().next() {
                Some(Part::Look { up, format: None }) => asked.push((up, values)),
                Some(Part::Look { format: Some(_), .. } | Part::Text(_)) | None => {
                    let message = format!("`{name}` is neither a name nor a JSON pointer starting with `/`");
                    check.report.error(code::BAD_VALUE, &at, message);
                }
            }
        }
        Condition { asked }
    }

    /// Each field with what it may hold, where the names are those of Odoo's fields.
    pub(crate) fn fields(&self, at: &Path, check: &mut Check<'_>) -> Vec<(String, Vec<Json>)> {
        self.filled(at, check);
        let mut fields = Vec::new();
        for (name, values) in &self.0 {
            if let (Some(field), Some(values)) = (technical(name, "field", &at.key(name), check), choices(values)) {
                fields.push((field, values));
            }
        }
        fields
    }

    fn filled(&self, at: &Path, check: &mut Check<'_>) {
        if self.0.is_empty() {
            check.report.error(code::MISSING_KEY, at, "a condition needs one value or more");
        }
    }
}

/// One value, or those of a list; `None` where something wrong was reported and left out.
fn choices(values: &Json) -> Option<Vec<Json>> {
    match values {
        Json::Array(values) => Some(values.iter().filter(|value| !value.is_null()).cloned().collect()),
        Json::Null => None,
        Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => Some(vec![values.clone()]),
    }
}
