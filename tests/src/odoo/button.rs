//! Methods with an effect in the plant's business, and what a second press does.

use serde_json::{Value, json};

use super::database::{Database, Values};
use super::order;
use super::rpc::Execute;

/// Presses a button on one record. The outer `None` means that there is no such button, the inner one that it returns nothing.
pub(super) fn press(database: &mut Database, execute: &Execute) -> Option<Option<Value>> {
    let id = execute.argument(0, "ids").get(0).and_then(Value::as_i64).unwrap_or_default();
    database.commit();
    match (execute.model.as_str(), execute.method.as_str()) {
        ("mrp.workorder", "button_start") => {
            database.write("mrp.workorder", id, set("state", json!("progress")));
            Some(None)
        }
        ("mrp.workorder", "button_pending") => Some(None),
        ("stock.quant", "action_apply_inventory") => {
            // What was counted is stock once; 19 takes a second press for a count of nothing.
            let counted = database.record("stock.quant", id).and_then(|quant| quant.get("inventory_quantity").cloned());
            database.write("stock.quant", id, set("quantity", counted.unwrap_or_else(|| json!(0.0))));
            database.write("stock.quant", id, set("inventory_quantity", json!(0.0)));
            Some(None)
        }
        ("mrp.production", "button_mark_done") => Some(Some(order::mark_done(database, id))),
        ("stock.scrap", "action_validate") => {
            // Odoo scraps at every call, whatever the state.
            let before = database.record("stock.scrap", id).and_then(|scrap| scrap.get("times_scrapped")?.as_i64());
            database.write("stock.scrap", id, set("times_scrapped", json!(before.unwrap_or_default() + 1)));
            database.write("stock.scrap", id, set("state", json!("done")));
            Some(Some(json!(true)))
        }
        _ => None,
    }
}

fn set(field: &str, value: Value) -> Values {
    [(field.to_owned(), value)].into()
}
