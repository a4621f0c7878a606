//! What an event becomes in Odoo.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::{
    check::Check,
    items::OneOrMany,
    lookup::Lookup,
    name::Name,
    path::Path,
    pattern::EventPattern,
    report::code,
    template::{Part, Template},
};

/// One Odoo record for each event it is for.
#[derive(Debug, Clone)]
pub struct Record {
    /// Part of the record's external id.
    pub name: Name,
    /// The events it is for, at least one pattern.
    pub on: Vec<EventPattern>,
    /// The model, as in `maintenance.request`.
    pub model: String,
    /// Its fields as `load` names them, in the order of the file; at least one.
    pub fields: Vec<(String, Template)>,
}

/// One Odoo record for each event it is for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordTable {
    /// Part of the record's external id; unique in its destination.
    #[schemars(required)]
    pub(crate) name: Option<String>,
    /// The events it is for: a type, a pattern with `*`, or a list of these.
    #[schemars(required)]
    on: Option<OneOrMany>,
    /// The model, as in maintenance.request.
    #[schemars(required)]
    model: Option<String>,
    /// Its fields by their technical names, as Odoo's import names them. A string is a template.
    #[schemars(required)]
    fields: Option<Fields>,
}

/// Fields by name: templates, and constants of other kinds.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Fields(Map<String, Json>);

impl JsonSchema for Fields {
    fn schema_name() -> Cow<'static, str> {
        "Fields".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": { "anyOf": [{ "type": "string" }, { "type": "number" }, { "type": "boolean" }] }
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl RecordTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Record> {
        let name = check.name(self.name.as_ref(), &at.key("name"));
        let on = self.on.as_ref().map(|on| event_patterns(on.texts(&at.key("on")), check));
        let model = self.model.as_ref().and_then(|model| technical(model, "model", &at.key("model"), check));
        let fields = self.fields.as_ref().map(|fields| fields.check(&at.key("fields"), check));
        Some(Record { name: name?, on: on?, model: model?, fields: fields? })
    }
}

impl Fields {
    fn check(&self, at: &Path, check: &mut Check<'_>) -> Vec<(String, Template)> {
        if self.0.is_empty() {
            check.report.error(code::MISSING_KEY, at, "a record needs one field or more");
        }
        let mut fields = Vec::new();
        for (field, value) in &self.0 {
            let at = at.key(field);
            if matches!(field.as_str(), "id" | ".id") {
                check.report.error(
                    code::CONFLICT,
                    &at,
                    format!("`{field}` is the record's external id, which is made of the event's"),
                );
                continue;
            }
            if technical(field, "field", &at, check).is_none() {
                continue;
            }
            let template = match value {
                Json::String(text) => Lookup::Event.template(text, &at, check),
                // Odoo's import reads every cell as text.
                Json::Bool(_) | Json::Number(_) => Some(Template { parts: vec![Part::Text(value.to_string())] }),
                Json::Null | Json::Array(_) | Json::Object(_) => None,
            };
            fields.extend(template.map(|template| (field.clone(), template)));
        }
        fields
    }
}

/// Patterns of event types, as records and flows have them.
pub(crate) fn event_patterns(texts: Vec<(Path, &str)>, check: &mut Check<'_>) -> Vec<EventPattern> {
    let mut patterns = Vec::new();
    for (at, text) in texts {
        match EventPattern::new(text) {
            Some(pattern) => patterns.push(pattern),
            None => {
                let message =
                    format!("`{text}` fits no event type (allowed: a to z, 0 to 9, `_`, `.`, and `*` for any text)");
                check.report.error(code::BAD_VALUE, &at, message);
            }
        }
    }
    patterns
}

/// A technical name as Odoo has them.
fn technical(text: &str, what: &str, at: &Path, check: &mut Check<'_>) -> Option<String> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '/');
    if text.is_empty() || !text.chars().all(allowed) {
        let message =
            format!("`{text}` is not the technical name of a {what} (allowed: letters, digits, `_`, `.`, `/`)");
        check.report.error(code::BAD_VALUE, at, message);
        return None;
    }
    Some(text.to_owned())
}
