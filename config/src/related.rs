//! A record that another one points to: how it is found, and what happens while there is none.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::lookup::Lookup;
use crate::path::Path;
use crate::record_field::technical;
use crate::report::code;
use crate::template::Template;

/// A record that has to be found before another can point to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Related {
    /// How it is found.
    pub find: Find,
    /// What it is found by. An event that says nothing there points to no record.
    pub value: Template,
    /// What happens while there is none.
    pub missing: Missing,
}

/// How a record is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Find {
    /// By its external id, `module.name`.
    ExternalId,
    /// By its database id.
    DatabaseId,
    /// By the one record of a model that has the value in a field.
    Search {
        /// The model.
        model: String,
        /// The field.
        by: String,
    },
}

/// What happens to an event that points to a record which is not there, or not there once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// It waits for the record, and what else the flow has goes on.
    #[default]
    Wait,
    /// It becomes a dead letter.
    DeadLetter,
    /// The field stays empty.
    Empty,
}

/// A record to point to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelatedTable {
    /// The model to search, as in mrp.workcenter. Without it, `value` is an external id (`x/id`) or a database id (`x/.id`).
    find: Option<String>,
    /// The field of that model that has the value, as in code.
    by: Option<String>,
    /// What the record is found by. A template.
    #[schemars(required)]
    value: Option<String>,
    /// While there is no such record, or more than one: `wait` holds the event back until there is, `dead-letter` gives it
    /// up, `empty` leaves the field empty.
    #[serde(default)]
    missing: Missing,
}

impl RelatedTable {
    pub(crate) fn check(&self, column: &str, at: &Path, check: &mut Check<'_>) -> Option<Related> {
        let value = self.value.as_ref().and_then(|value| Lookup::Event.template(value, &at.key("value"), check));
        let find = self.find(column, at, check);
        Some(Related { find: find?, value: value?, missing: self.missing })
    }

    fn find(&self, column: &str, at: &Path, check: &mut Check<'_>) -> Option<Find> {
        let model = self.find.as_ref().map(|model| technical(model, "model", &at.key("find"), check));
        let by = self.by.as_ref().map(|by| technical(by, "field", &at.key("by"), check));
        let searches = check.has_any(at, &["find", "by"]);
        match (searches, column.split_once('/')) {
            (true, None) => {
                for (key, why) in [("find", "the model to search"), ("by", "the field that has the value")] {
                    if !check.has_any(at, &[key]) {
                        check.missing(key, why, at);
                    }
                }
                Some(Find::Search { model: model??, by: by?? })
            }
            (true, Some((field, _))) => {
                let message = format!("a search needs no `/` in the field's name (write `{field}`)");
                check.report.error(code::CONFLICT, at, message);
                None
            }
            (false, Some((_, "id"))) => Some(Find::ExternalId),
            (false, Some((_, ".id"))) => Some(Find::DatabaseId),
            (false, None | Some(_)) => {
                let message = format!(
                    "how is the record found? (allowed: `{column}/id` by external id, `{column}/.id` by database id, \
                     `find` and `by` for a search)"
                );
                check.report.error(code::MISSING_KEY, at, message);
                None
            }
        }
    }
}

impl Related {
    /// The column that what was found is written to.
    pub(crate) fn column(&self, written: &str) -> String {
        match self.find {
            Find::ExternalId | Find::DatabaseId => written.to_owned(),
            Find::Search { .. } => format!("{written}/.id"),
        }
    }
}
