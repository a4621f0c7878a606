//! The model for counts, measurements and alarms in quantity, made without an addon: by an administrator, once for a database.
//!
//! Each part is looked for before it is made, so that a second run finds all of it and an interrupted one goes on.

use plantlink_config::{OdooDestination, SecretText};
use serde_json::{Value, json};

use super::call::Call;
use super::preflight::told;
use super::session::{Doorway, Session};
use super::verdict::Setback;
use crate::http;

/// Its name in Odoo. One of a person's own begins with `x_`.
const MODEL: &str = "x_plant_event";
const LABEL: &str = "Plant Events";

/// Its fields: name, type, what people see.
const FIELDS: &[(&str, &str, &str)] = &[
    ("x_name", "char", "Name"),
    ("x_kind", "char", "Kind"),
    ("x_at", "datetime", "At"),
    ("x_until", "datetime", "Until"),
    ("x_device", "char", "Machine"),
    ("x_code", "char", "Code"),
    ("x_severity", "char", "Severity"),
    ("x_quantity", "float", "Quantity"),
    ("x_scrap", "float", "Scrap"),
    ("x_rework", "float", "Rework"),
    ("x_unit", "char", "Unit"),
    ("x_lower", "float", "Lower Limit"),
    ("x_upper", "float", "Upper Limit"),
    ("x_evaluation", "char", "Evaluation"),
    ("x_order", "char", "Order"),
    ("x_operation", "char", "Operation"),
    ("x_product", "char", "Product"),
    ("x_lot", "char", "Lot/Serial Number"),
];

/// Fields that lead to other apps' records, where these apps are installed.
const LINKS: &[(&str, &str, &str)] = &[
    ("x_equipment_id", "maintenance.equipment", "Equipment"),
    ("x_production_id", "mrp.production", "Manufacturing Order"),
];

/// What people see of it at first.
const LIST: &str = "<list><field name=\"x_at\"/><field name=\"x_kind\"/><field name=\"x_device\"/><field name=\"x_name\"/>\
                    <field name=\"x_quantity\"/><field name=\"x_unit\"/><field name=\"x_order\"/></list>";

/// One part of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// It was made now.
    Made(String),
    /// It was there.
    There(String),
    /// It was left out, for a reason.
    LeftOut(String),
}

/// Why it stops.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    #[error(transparent)]
    Client(#[from] http::SetupError),
    #[error("{0}")]
    Refused(String),
    #[error(
        "the field `{field}` of `{MODEL}` is there as {found}, and has to be {wanted}: rename or remove it in Odoo"
    )]
    Field { field: &'static str, found: String, wanted: &'static str },
}

/// Makes what is not there yet, in the destination's database, as an administrator with this login and key. What was done is
/// told part by part, also of a run that ends with an error.
pub(crate) async fn make_model(
    config: &OdooDestination,
    login: &str,
    key: SecretText,
    tell: impl FnMut(Part),
) -> Result<(), MakeError> {
    let config = OdooDestination { login: login.to_owned(), ..config.clone() };
    let client = http::client(&config.http, super::api::ANSWER)?;
    let doorway = Doorway { client: &client, config: &config, gateway: "" };
    let refused = |setback| MakeError::Refused(told(setback, &config).1);
    let session = doorway.enter(key).await.map_err(refused)?;
    Maker { doorway: &doorway, session: &session, tell }.make().await
}

struct Maker<'a, T> {
    doorway: &'a Doorway<'a>,
    session: &'a Session,
    tell: T,
}

impl<T: FnMut(Part)> Maker<'_, T> {
    async fn make(&mut self) -> Result<(), MakeError> {
        let of_model = json!([["model", "=", MODEL]]);
        let model = json!({ "name": LABEL, "model": MODEL });
        let id = self.part(format!("model {MODEL}"), "ir.model", &of_model, model).await?;
        for (name, kind, label) in FIELDS {
            // What is looked for in stretches of time is found by an index.
            let field = json!({ "ttype": kind, "index": *kind == "datetime" });
            self.field(id, name, kind, label, field).await?;
        }
        for (name, target, label) in LINKS {
            if self.find("ir.model", &json!([["model", "=", target]])).await?.is_none() {
                (self.tell)(Part::LeftOut(format!("field {name}: the database has no model {target}")));
                continue;
            }
            let field = json!({ "ttype": "many2one", "relation": target, "on_delete": "set null" });
            self.field(id, name, "many2one", label, field).await?;
        }
        let group = self.call(reference("base", "group_user")).await?[1].clone();
        let of_group = json!([["model_id", "=", id], ["group_id", "=", group]]);
        let right = json!({
            "name": MODEL, "model_id": id, "group_id": group,
            "perm_read": true, "perm_create": true, "perm_write": true, "perm_unlink": false,
        });
        let what = "right of internal users to read, create and write, and not to delete".to_owned();
        self.part(what, "ir.model.access", &of_group, right).await?;
        let of_list = json!([["model", "=", MODEL], ["type", "=", "list"]]);
        let list = json!({ "name": MODEL, "model": MODEL, "type": "list", "arch": LIST });
        self.part("list".to_owned(), "ir.ui.view", &of_list, list).await?;
        let action = json!({ "name": LABEL, "res_model": MODEL, "view_mode": "list,pivot,graph,form" });
        let of_action = json!([["res_model", "=", MODEL]]);
        let action = self.part("window".to_owned(), "ir.actions.act_window", &of_action, action).await?;
        let action = format!("ir.actions.act_window,{action}");
        let menu = json!({ "name": LABEL, "action": action });
        self.part("menu".to_owned(), "ir.ui.menu", &json!([["action", "=", action]]), menu).await?;
        Ok(())
    }

    /// A field of the model. One that is there has to be of the type.
    async fn field(
        &mut self,
        model: i64,
        name: &'static str,
        kind: &'static str,
        label: &str,
        mut values: Value,
    ) -> Result<(), MakeError> {
        let of_name = json!([["model", "=", MODEL], ["name", "=", name]]);
        if let Some(found) = self.look("ir.model.fields", &of_name, &["ttype"]).await? {
            let found = found["ttype"].as_str().unwrap_or_default();
            if found != kind {
                return Err(MakeError::Field { field: name, found: found.to_owned(), wanted: kind });
            }
        }
        for (key, value) in [("name", json!(name)), ("field_description", json!(label)), ("model_id", json!(model))] {
            values[key] = value;
        }
        self.part(format!("field {name}"), "ir.model.fields", &of_name, values).await.map(drop)
    }

    /// The id of the record that a domain finds; one with these values is made where there is none.
    async fn part(&mut self, what: String, model: &str, domain: &Value, values: Value) -> Result<i64, MakeError> {
        if let Some(id) = self.find(model, domain).await? {
            (self.tell)(Part::There(what));
            return Ok(id);
        }
        let made = self.call(Call::new(model, "create").argument("vals_list", json!([values]))).await?;
        (self.tell)(Part::Made(what));
        // A list of values makes a list of ids.
        Ok(made.get(0).unwrap_or(&made).as_i64().unwrap_or_default())
    }

    async fn find(&self, model: &str, domain: &Value) -> Result<Option<i64>, MakeError> {
        Ok(self.look(model, domain, &["id"]).await?.and_then(|found| found["id"].as_i64()))
    }

    /// What fields of the first record hold that a domain finds.
    async fn look(&self, model: &str, domain: &Value, fields: &[&str]) -> Result<Option<Value>, MakeError> {
        let search = Call::new(model, "search_read")
            .argument("domain", domain.clone())
            .argument("fields", json!(fields))
            .option("limit", 1);
        Ok(self.call(search).await?.get(0).cloned())
    }

    async fn call(&self, call: Call<'_>) -> Result<Value, MakeError> {
        let answer: Result<Value, Setback> = self.doorway.call(self.session, call).await;
        answer.map_err(|setback| MakeError::Refused(told(setback, self.doorway.config).1))
    }
}

fn reference(module: &str, name: &str) -> Call<'static> {
    Call::new("ir.model.data", "check_object_reference").argument("module", module).argument("xml_id", name)
}
