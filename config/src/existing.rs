//! A record that is changed and never made: how it is found, and until when it may be changed.

use std::borrow::Cow;
use std::collections::HashMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::check::Check;
use crate::lookup::Lookup;
use crate::name::Name;
use crate::path::Path;
use crate::record::{Record, Sharing};
use crate::record_field::technical;
use crate::report::code;
use crate::spelling::nearest;
use crate::template::Template;

/// A record that is there already, made by a person or by another mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Existing {
    /// Which one it is.
    pub which: Which,
    /// It is changed only while each of these fields has one of the values; without any, always.
    pub only_while: Vec<(String, Vec<Json>)>,
    /// What happens to an event whose record is not there, or not there once.
    pub missing: Absent,
}

/// How the record is found.
#[derive(Debug, Clone, PartialEq)]
pub enum Which {
    /// The one record that has these values, by field; a field of a related one as in `production_id.name`.
    Having(Vec<(String, Template)>),
    /// The one that another mapping of the destination makes for this key.
    Of {
        /// The other mapping's name.
        record: Name,
        /// Its key.
        key: Template,
    },
}

/// What happens to an event whose record is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Absent {
    /// It waits for the record, and what else the flow has goes on.
    #[default]
    Wait,
    /// It becomes a dead letter.
    DeadLetter,
}

/// Templates by the name of a field.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct ByTable(Map<String, Json>);

impl JsonSchema for ByTable {
    fn schema_name() -> Cow<'static, str> {
        "By".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "string" } })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl ByTable {
    /// At least one template that differs from event to event, or every event would change the same record.
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Which> {
        let mut having = Vec::new();
        for (field, value) in &self.0 {
            let at = at.key(field);
            let Json::String(text) = value else { continue };
            let template = Lookup::Event.template(text, &at, check)?;
            having.push((technical(field, "field", &at, check)?, template));
        }
        if having.iter().all(|(_, template)| template.constant().is_some()) {
            let message = "`by` looks nothing up, so that every event would change the same record";
            check.report.error(code::BAD_VALUE, at, message).help("as in { name = \"{order}\" }");
            return None;
        }
        Some(Which::Having(having))
    }
}

/// The mappings that others name with `of` have to be there, and to have keys.
pub(crate) fn check_of(records: &[(Path, Record)], check: &mut Check<'_>) {
    let models: HashMap<&str, (&str, bool)> = records
        .iter()
        .map(|(_, record)| {
            let has_keys = match record.sharing {
                Sharing::Update { .. } | Sharing::Interval { .. } => true,
                Sharing::Create { .. } | Sharing::Existing { .. } | Sharing::Press { .. } => false,
            };
            (&*record.name, (record.model.as_str(), has_keys))
        })
        .collect();
    for (at, record) in records {
        let Some(Existing { which: Which::Of { record: of, .. }, .. }) = record.sharing.existing() else { continue };
        let at = at.key("of");
        match models.get(&**of) {
            Some((model, true)) if *model == record.model => {}
            Some((model, true)) => {
                let message =
                    format!("the records of `{of}` are of the model `{model}`, and this is for `{}`", record.model);
                check.report.error(code::CONFLICT, &at, message);
            }
            Some((_, false)) => {
                let message = format!("`{of}` makes no records that events share (allowed: one with a `key`)");
                check.report.error(code::CONFLICT, &at, message);
            }
            None => {
                let names = || records.iter().map(|(_, record)| &*record.name);
                let allowed = names().collect::<Vec<_>>().join(", ");
                let message = format!("there is no record `{of}` in this destination (allowed: {allowed})");
                check.report.error(code::UNKNOWN_NAME, &at, message).did_you_mean(nearest(of, names()));
            }
        }
    }
}
