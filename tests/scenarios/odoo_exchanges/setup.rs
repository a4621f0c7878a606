//! What the database held when the real server answered.

use plantlink_tests::odoo::{ADMINISTRATOR, CLERK, Database, GUEST, LOGIN, Language};
use serde_json::{Value, json};

/// The other client's rows have ids of their own, and the same equipment.
pub(super) fn rename_rows(body: &mut Value) {
    let place = if body.get("data").is_some() { "/data" } else { "/params/args/5/1" };
    for row in body.pointer_mut(place).and_then(Value::as_array_mut).into_iter().flatten() {
        row[0] = json!(format!("{}_of_another", row[0].as_str().unwrap_or_default()));
    }
}

pub(super) fn mill_01_with_id(db: &mut Database, id: i64) {
    db.delete("plant_mill01.eq_mill01");
    db.set_next_id("maintenance.equipment", id);
    db.insert("maintenance.equipment", Some("plant_mill01.eq_mill01"), [("name", json!("Mill 01"))]);
}

pub(super) fn lot_typed_in_by_a_person(db: &mut Database) {
    db.insert("stock.lot", None, [("name", json!("LOT-9c41")), ("product_id", json!(2)), ("company_id", json!(1))]);
}

pub(super) fn two_machines_of_one_name(db: &mut Database, next_request: i64) {
    db.insert("maintenance.equipment", None, [("name", json!("Dup"))]);
    db.insert("maintenance.equipment", None, [("name", json!("Dup"))]);
    db.set_next_id("maintenance.request", next_request);
}

pub(super) fn request_before_it_is_overwritten(db: &mut Database) {
    db.set_next_id("maintenance.request", 68_772);
    let external_id = "plant_mill01.evt_01993b6e-9c41-7a10-8000-000000000004";
    db.insert("maintenance.request", Some(external_id), [("name", json!("first"))]);
}

pub(super) fn first_request_renamed_by_a_person(db: &mut Database, id: i64, next: i64) {
    db.set_next_id("maintenance.request", id);
    let external_id = "plant_mill01.evt_01993b6e-9c41-7a10-8000-000000000001";
    db.insert("maintenance.request", Some(external_id), [("name", json!("as a person has it"))]);
    db.set_next_id("maintenance.request", next);
}

pub(super) fn order(db: &mut Database, consumed: f64) {
    db.set_next_id("product.product", 3);
    let product = db.insert("product.product", None, [("name", json!("Shaft"))]);
    let values = [
        ("product_id", json!(product)),
        ("product_qty", json!(5.0)),
        ("qty_producing", json!(5.0)),
        ("consumed", json!(consumed)),
    ];
    db.insert("mrp.production", None, values);
}

pub(super) fn scrap(db: &mut Database) {
    db.insert("stock.scrap", None, [("product_id", json!(1)), ("scrap_qty", json!(2.0))]);
}

pub(super) fn work_order(db: &mut Database) {
    db.insert("mrp.workorder", None, [("name", json!("Milling"))]);
}

pub(super) fn quant(db: &mut Database) {
    db.set_next_id("stock.quant", 3);
    db.insert("stock.quant", None, [("product_id", json!(1)), ("quantity", json!(1000.0))]);
}

pub(super) fn nobody_has_the_key(db: &mut Database) {
    for login in [LOGIN, CLERK, GUEST, ADMINISTRATOR] {
        db.set_key(login, "renewed");
    }
}

pub(super) fn request_that_was_refused(db: &mut Database) {
    db.add_ghost("plant_mill01.evt_refused", "maintenance.request");
}

pub(super) fn ruled_in_german(db: &mut Database) {
    db.set_user_language(LOGIN, Language::German);
    db.set_rule(LOGIN, "maintenance.request", "owner_user_id", json!(6));
}
