//! Methods with an effect in the plant's business, and what a second press does.

use serde_json::{Value, json};

use super::database::{Database, Values};
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
        ("mrp.production", "button_mark_done") => Some(Some(mark_done(database, id))),
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

/// Done, unless a person has to confirm that less was consumed than the order expects.
fn mark_done(database: &mut Database, id: i64) -> Value {
    let Some(order) = database.record("mrp.production", id) else { return json!(true) };
    let number = |field: &str| order.get(field).and_then(Value::as_f64).unwrap_or_default();
    let (expected, consumed) = (number("product_qty"), number("qty_producing"));
    if order.get("state") != Some(&json!("done")) && consumed < expected {
        let product = order.get("product_id").cloned().unwrap_or_default();
        return consumption_warning(id, &product, consumed, expected);
    }
    database.write("mrp.production", id, set("state", json!("done")));
    json!(true)
}

fn consumption_warning(id: i64, product: &Value, consumed: f64, expected: f64) -> Value {
    json!({
        "id": 359,
        "name": "Consumption Warning",
        "type": "ir.actions.act_window",
        "xml_id": "mrp.action_mrp_consumption_warning",
        "path": false,
        "help": false,
        "binding_model_id": false,
        "binding_type": "action",
        "binding_view_types": "list,form",
        "display_name": "Consumption Warning",
        "view_id": false,
        "domain": false,
        "context": {
            "default_mrp_production_ids": [id],
            "default_mrp_consumption_warning_line_ids": [[0, 0, {
                "mrp_production_id": id,
                "product_id": product,
                "consumption": "warning",
                "product_uom_id": 1,
                "product_consumed_qty_uom": consumed,
                "product_expected_qty_uom": expected,
            }]],
            "form_view_ref": false,
        },
        "res_id": 0,
        "res_model": "mrp.consumption.warning",
        "target": "new",
        "view_mode": "form",
        "mobile_view_mode": "kanban",
        "views": [[false, "form"]],
        "limit": 80,
        "groups_id": [],
        "search_view_id": false,
        "embedded_action_ids": [],
        "filter": false,
    })
}

fn set(field: &str, value: Value) -> Values {
    [(field.to_owned(), value)].into()
}
