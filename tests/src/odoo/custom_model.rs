//! What Odoo does besides when an administrator makes a model and its fields.

use serde_json::json;

use super::database::{Database, Values};

/// What Odoo fills in by itself: a field knows its model by name too.
pub(super) fn completed(database: &Database, model: &str, mut values: Values) -> Values {
    if model == "ir.model.fields"
        && let Some(id) = values.get("model_id").and_then(serde_json::Value::as_i64)
        && let Some(name) = database.record("ir.model", id).and_then(|model| model.get("model"))
    {
        values.insert("model".to_owned(), name.clone());
    }
    values
}

/// A model is there from then on, with a name as its first field.
pub(super) fn made(database: &mut Database, model: &str, id: i64) {
    let name = database.record(model, id).and_then(|made| made.get("model")?.as_str().map(str::to_owned));
    if model == "ir.model"
        && let Some(name) = name
    {
        database.restore_model(&name);
        let field =
            [("name", json!("x_name")), ("ttype", json!("char")), ("model", json!(name)), ("model_id", json!(id))];
        database.insert("ir.model.fields", None, field);
    }
}
