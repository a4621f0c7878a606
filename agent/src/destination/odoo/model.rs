//! What is known of a model's fields: which hold markup, which hold numbers, and which point to other records.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// The fields of one model, as far as it matters how they are written.
#[derive(Debug, Default)]
pub(crate) struct Model {
    markup: HashSet<String>,
    numbers: HashSet<String>,
    /// The models that fields point to.
    relations: HashMap<String, String>,
}

impl Model {
    /// Of what `fields_get` tells with the attributes `type` and `relation`.
    pub(super) fn new(fields: &Value) -> Self {
        let mut model = Model::default();
        for (field, attributes) in fields.as_object().into_iter().flatten() {
            match attributes.get("type").and_then(Value::as_str) {
                Some("html") => drop(model.markup.insert(field.clone())),
                Some("float" | "monetary") => drop(model.numbers.insert(field.clone())),
                Some(_) | None => {}
            }
            if let Some(relation) = attributes.get("relation").and_then(Value::as_str) {
                model.relations.insert(field.clone(), relation.to_owned());
            }
        }
        model
    }

    /// Whether text in this field is markup.
    pub(super) fn is_markup(&self, field: &str) -> bool {
        self.markup.contains(field)
    }

    /// Whether this field holds numbers with a fraction.
    pub(super) fn is_number(&self, field: &str) -> bool {
        self.numbers.contains(field)
    }

    /// The model that a field points to.
    pub(super) fn relation(&self, field: &str) -> Option<&str> {
        self.relations.get(field).map(String::as_str)
    }
}
