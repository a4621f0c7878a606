//! The database that a fake Odoo starts with: a small plant with two machines, and the users that speak for it.

use std::collections::BTreeMap;

use serde_json::json;

use super::database::{Database, User};
use super::fault::Language;

/// The name of the database.
pub const DATABASE: &str = "lab18";
/// The login of the integration user, whose rights suffice for every mapping.
pub const LOGIN: &str = "agent";
/// The key of every user.
pub const KEY: &str = "REDACTED";
/// A user who also keeps the attendances.
pub const CLERK: &str = "clerk";
/// A user with no more than the right to log in and to file a maintenance request.
pub const GUEST: &str = "guest";

/// A user who may make models, by the settings of the database.
pub const ADMINISTRATOR: &str = "admin";

/// What an administrator may create that others may not.
const ADMINISTRATOR_CREATES: &[&str] =
    &["ir.model", "ir.model.fields", "ir.model.access", "ir.ui.view", "ir.actions.act_window", "ir.ui.menu"];

/// What the integration user may create.
const AGENT_CREATES: &[&str] = &[
    "maintenance.request",
    "maintenance.equipment",
    "mrp.workorder",
    "mrp.workcenter.productivity",
    "mrp.production",
    "stock.lot",
    "stock.scrap",
    "x_plant_event",
    "ir.attachment",
];

pub(super) fn database() -> Database {
    let users = vec![
        user(6, LOGIN, AGENT_CREATES),
        user(7, CLERK, &["hr.attendance", "maintenance.request", "ir.attachment"]),
        user(8, GUEST, &["maintenance.request", "x_plant_event", "ir.attachment"]),
        user(2, ADMINISTRATOR, ADMINISTRATOR_CREATES),
    ];
    let mut lab = Database::new(DATABASE, users);
    for (external_id, name) in [("plant_mill01.eq_mill01", "Mill 01"), ("plant_mill01.eq_mill02", "Mill 02")] {
        lab.insert("maintenance.equipment", Some(external_id), [("name", json!(name))]);
    }
    for (external_id, name) in [("plant_mill01.wc_01", "WC-01"), ("plant_mill01.wc_02", "WC-02")] {
        lab.insert("mrp.workcenter", Some(external_id), [("name", json!(name))]);
    }
    for (number, name) in [(0, "Material Availability"), (1, "Equipment Failure"), (2, "Setup and Adjustments")] {
        let external_id = format!("mrp.block_reason{number}");
        lab.insert("mrp.workcenter.productivity.loss", Some(&external_id), [("name", json!(name))]);
    }
    for (external_id, code, name) in
        [("plant_mill01.prod_gear", "GEAR", "Gear"), ("plant_mill01.prod_lotgear", "LOTGEAR", "Lot gear")]
    {
        lab.insert("product.product", Some(external_id), [("name", json!(name)), ("default_code", json!(code))]);
    }
    lab.insert("mrp.bom", Some("plant_mill01.bom_gear"), [("product_id", json!(1))]);
    lab.insert("res.groups", Some("base.group_user"), [("name", json!("Internal User"))]);
    for model in ["maintenance.equipment", "mrp.production"] {
        lab.insert("ir.model", None, [("name", json!(model)), ("model", json!(model))]);
    }
    lab.insert("res.company", Some("base.main_company"), [("name", json!("Mill"))]);
    lab.insert("hr.employee", None, [("name", json!("Ada"))]);
    lab
}

fn user(id: i64, login: &str, may_create: &[&str]) -> User {
    User {
        id,
        login: login.to_owned(),
        key: KEY.to_owned(),
        key_expires: None,
        active: true,
        time_zone: "Europe/Berlin".to_owned(),
        may_create: may_create.iter().map(|&model| model.to_owned()).collect(),
        rules: BTreeMap::new(),
        language: Language::English,
    }
}
