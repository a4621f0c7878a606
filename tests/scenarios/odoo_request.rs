//! Calls of `load` at the fake Odoo as a scenario wants them.

use plantlink_tests::odoo::Odoo;
use plantlink_tests::odoo_client::{post, send};
use serde_json::{Value, json};

pub(crate) async fn deliver(odoo: &Odoo, row: Value, context: Value) -> Value {
    let body = load("maintenance.request", json!(["id", "name"]), vec![row], context);
    send(odoo.url(), post(), body.to_string()).await.json()
}

pub(crate) fn load(model: &str, columns: Value, rows: Vec<Value>, context: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": "object", "method": "execute_kw",
        "args": ["lab18", 6, "REDACTED", model, "load", [columns, rows], {"context": context}]}})
}

pub(crate) fn create_once() -> Value {
    json!({"mode": "update", "noupdate": true, "tz": "UTC", "lang": "en_US", "tracking_disable": true})
}
