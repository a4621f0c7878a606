//! Whether what a record writes can be written: fields that are there, values that they can have, and none missing.

use std::collections::BTreeMap;

use plantlink_config::{Field, FieldValue, Find, KeyPath, Record, Severity, Sharing, nearest};
use serde_json::{Value, json};

use super::super::api::Server as _;
use super::super::call::Call;
use super::super::verdict::Setback;
use super::{Fields, Preflight};

impl Preflight {
    pub(super) async fn field(
        &mut self,
        field: &Field,
        record: &Record,
        fields: &Fields,
        at: &KeyPath,
        known: &mut BTreeMap<String, Fields>,
    ) -> Result<(), Setback> {
        self.writable(field, record, fields, at);
        match &field.value {
            FieldValue::Template(template) => {
                self.column(&field.column, template.constant(), fields, &at.key(&field.column)).await
            }
            FieldValue::Related(related) => match &related.find {
                Find::ExternalId | Find::DatabaseId => {
                    self.column(&field.column, related.value.constant(), fields, &at.key(&field.column)).await
                }
                Find::Search { model, by } => {
                    // The file names the field alone.
                    let at = at.key(field.name());
                    self.column(&field.column, None, fields, &at).await?;
                    let Some(found) = self.model(model, &at.key("find"), known).await? else { return Ok(()) };
                    if !found.contains_key(by) {
                        self.unknown(by, &found, at.key("by"));
                    }
                    Ok(())
                }
            },
        }
    }

    /// What Odoo computes and stores can be written to a record that is there: it stays until Odoo has a reason to compute it.
    fn writable(&mut self, field: &Field, record: &Record, fields: &Fields, at: &KeyPath) {
        let name = field.name();
        let Some(known) = fields.get(name) else { return };
        let stays = matches!(record.sharing, Sharing::Existing { .. }) && known["store"] == true;
        if known["readonly"] == true && !stays {
            let message = format!("Odoo computes `{name}` or keeps it to itself: what is written may be ignored");
            self.add(at.key(&field.column), Severity::Warning, "read-only", message, None);
        }
    }

    async fn column(
        &mut self,
        column: &str,
        constant: Option<&str>,
        fields: &Fields,
        at: &KeyPath,
    ) -> Result<(), Setback> {
        let (name, way) = column.split_once('/').map_or((column, None), |(name, way)| (name, Some(way)));
        let Some(field) = fields.get(name) else {
            self.unknown(name, fields, at.clone());
            return Ok(());
        };
        match (way, field["relation"].as_str(), constant) {
            (Some("id" | ".id"), None, _) => {
                let kind = field["type"].as_str().unwrap_or("value");
                let message = format!("`{name}` is a {kind} and points to no record");
                self.add(at.clone(), Severity::Error, "no-relation", message, Some(format!("write `{name}`")));
            }
            (Some("id"), Some(relation), Some(external_id)) => self.reference(external_id, relation, at).await?,
            (None, _, Some(constant)) => self.selection(constant, field, at),
            (Some(_) | None, _, _) => {}
        }
        Ok(())
    }

    pub(super) fn unknown(&mut self, name: &str, fields: &Fields, at: KeyPath) {
        let help = nearest(name, fields.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        self.add(at, Severity::Error, "unknown-field", format!("the model has no field `{name}`"), help);
    }

    /// A constant external id has to lead to a record of the right model.
    async fn reference(&mut self, external_id: &str, relation: &str, at: &KeyPath) -> Result<(), Setback> {
        // Nothing points to no record.
        if external_id.is_empty() {
            return Ok(());
        }
        let message = match self.api.reference(external_id).await? {
            Some(found) if found.model == relation => return Ok(()),
            Some(found) => {
                format!("`{external_id}` is a record of `{}`, and the field points to `{relation}`", found.model)
            }
            None => format!("there is no record `{external_id}` that `{}` sees", self.config.login),
        };
        self.add(at.clone(), Severity::Error, "unknown-record", message, None);
        Ok(())
    }

    /// A constant of a selection has to be one of its keys or labels, in any case.
    pub(super) fn selection(&mut self, constant: &str, field: &Value, at: &KeyPath) {
        let Some(choices) = field["selection"].as_array() else { return };
        let words = |place: usize| choices.iter().filter_map(move |choice| choice.get(place)?.as_str());
        if words(0).chain(words(1)).any(|word| word.to_lowercase() == constant.to_lowercase()) {
            return;
        }
        let keys: Vec<&str> = words(0).collect();
        let message = format!("`{constant}` is none of the field's values (allowed: {})", keys.join(", "));
        let help = nearest(constant, keys.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        self.add(at.clone(), Severity::Error, "unknown-value", message, help);
    }

    /// What has to be there, is not given, and is filled by nobody else.
    pub(super) async fn required(&mut self, record: &Record, fields: &Fields, at: &KeyPath) -> Result<(), Setback> {
        let is_given = |name: &str| record.fields.iter().any(|field| field.name() == name);
        let is_computed = |field: &Value| field["depends"].as_array().is_some_and(|fields| !fields.is_empty());
        let open =
            |(name, field): &(&String, &Value)| field["required"] == true && !is_given(name) && !is_computed(field);
        let missing: Vec<&String> = fields.iter().filter(open).map(|(name, _)| name).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let defaults =
            self.api.call(Call::new(&record.model, "default_get").argument("fields", json!(missing))).await?;
        for name in missing.into_iter().filter(|name| defaults.get(name.as_str()).is_none()) {
            let label = fields.get(name).and_then(|field| field["string"].as_str()).unwrap_or_default();
            let message = format!("Odoo wants `{name}` ({label}), which is not given");
            self.add(at.clone(), Severity::Error, "missing-field", message, None);
        }
        Ok(())
    }
}
