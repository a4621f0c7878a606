//! Manufacturing orders: how one follows its work orders, and what closing it does.

use serde_json::{Value, json};

use super::database::{Database, Values};

const ORDER: &str = "mrp.production";
const WORK_ORDER: &str = "mrp.workorder";
/// What of the components was consumed, in pieces of the product: no field of Odoo's, which counts each component.
const CONSUMED: &str = "consumed";

/// The order of a work order that was written to gets its quantity, and the state that all of its work orders give it.
pub(super) fn follow(database: &mut Database, work_order: i64) {
    let Some(values) = database.record(WORK_ORDER, work_order) else { return };
    let (made, quantity) = (values.get("production_id").cloned(), values.get("qty_producing").cloned());
    let Some(order) = made.as_ref().and_then(Value::as_i64) else { return };
    let states: Vec<String> = database
        .records(WORK_ORDER)
        .filter(|(_, values)| values.get("production_id") == made.as_ref())
        .map(|(_, values)| values.get("state").and_then(Value::as_str).unwrap_or_default().to_owned())
        .collect();
    let state = if states.iter().all(|state| state == "done") {
        "to_close"
    } else if states.iter().any(|state| ["progress", "done"].contains(&state.as_str()))
        || quantity.as_ref().and_then(Value::as_f64).is_some_and(|quantity| quantity > 0.0)
    {
        "progress"
    } else {
        "confirmed"
    };
    let was_done = database.record(ORDER, order).is_some_and(|values| values.get("state") == Some(&json!("done")));
    let mut written = Values::new();
    if !was_done {
        written.insert("state".to_owned(), json!(state));
    }
    if let Some(quantity) = quantity {
        written.insert("qty_producing".to_owned(), quantity.clone());
        written.insert(CONSUMED.to_owned(), quantity);
    }
    database.write(ORDER, order, written);
}

/// Done, unless a person has to confirm that less was consumed than was made. Where nothing was entered as made, it is all that
/// was ordered.
pub(super) fn mark_done(database: &mut Database, id: i64) -> Value {
    let Some(order) = database.record(ORDER, id) else { return json!(true) };
    if order.get("state") == Some(&json!("done")) {
        return json!(true);
    }
    let number = |field: &str| order.get(field).and_then(Value::as_f64);
    let made = number("qty_producing").filter(|made| *made > 0.0);
    let made = made.or_else(|| number("product_qty")).unwrap_or_default();
    if let Some(consumed) = number(CONSUMED).filter(|consumed| *consumed < made) {
        let product = order.get("product_id").cloned().unwrap_or_default();
        return consumption_warning(id, &product, consumed, made);
    }
    let done = [("state", json!("done")), ("qty_producing", json!(made)), ("qty_produced", json!(made))];
    database.write(ORDER, id, done.map(|(field, value)| (field.to_owned(), value)).into());
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
