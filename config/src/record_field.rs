//! The fields of a record: what stands in each column, and how the record that a column points to is found.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::check::Check;
use crate::lookup::Lookup;
use crate::path::Path;
use crate::related::{Related, RelatedTable};
use crate::report::code;
use crate::template::{Part, Template};

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// As Odoo's import names it: `name`, `equipment_id/id`, `workcenter_id/.id`.
    pub column: String,
    /// What stands there.
    pub value: FieldValue,
}

/// What stands in a column.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    /// The event's own words.
    Template(Template),
    /// Another record, which has to be found first.
    Related(Related),
}

impl Field {
    /// The field's technical name, without what follows a slash.
    pub fn name(&self) -> &str {
        self.column.split('/').next().unwrap_or(&self.column)
    }
}

/// Fields by name: templates, constants of other kinds, and records to be found.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fields(Map<String, Json>);

impl JsonSchema for Fields {
    fn schema_name() -> Cow<'static, str> {
        "Fields".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let related = generator.subschema_for::<RelatedTable>();
        json_schema!({
            "type": "object",
            "additionalProperties": { "anyOf": [{ "type": "string" }, { "type": "number" }, { "type": "boolean" }, related] }
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl Fields {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Vec<Field> {
        if self.0.is_empty() {
            check.report.error(code::MISSING_KEY, at, "a record needs one field or more");
        }
        let mut fields = Vec::new();
        for (column, value) in &self.0 {
            let at = at.key(column);
            if matches!(column.as_str(), "id" | ".id") {
                check.report.error(
                    code::CONFLICT,
                    &at,
                    format!("`{column}` is the record's external id, which is made of the event's"),
                );
                continue;
            }
            if technical(column, "field", &at, check).is_some() {
                fields.extend(field(column, value, &at, check));
            }
        }
        fields
    }
}

fn field(column: &str, value: &Json, at: &Path, check: &mut Check<'_>) -> Option<Field> {
    let field = |column: &str, value| Field { column: column.to_owned(), value };
    match value {
        Json::String(text) => Some(field(column, FieldValue::Template(Lookup::Event.template(text, at, check)?))),
        // Odoo's import reads every cell as text.
        Json::Bool(_) | Json::Number(_) => {
            Some(field(column, FieldValue::Template(Template { parts: vec![Part::Text(value.to_string())] })))
        }
        Json::Object(_) => {
            let table = RelatedTable::deserialize(value).ok()?;
            let related = table.check(column, at, check)?;
            // What a search finds is known by its database id.
            let column = related.column(column);
            Some(field(&column, FieldValue::Related(related)))
        }
        Json::Null | Json::Array(_) => None,
    }
}

/// A technical name as Odoo has them.
pub(crate) fn technical(text: &str, what: &str, at: &Path, check: &mut Check<'_>) -> Option<String> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '/');
    if text.is_empty() || !text.chars().all(allowed) {
        let message =
            format!("`{text}` is not the technical name of a {what} (allowed: letters, digits, `_`, `.`, `/`)");
        check.report.error(code::BAD_VALUE, at, message);
        return None;
    }
    Some(text.to_owned())
}
