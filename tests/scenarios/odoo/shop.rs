//! What a plant's people have in Odoo before any event: a work center, a product, and an order with one operation.

use serde_json::{Value, json};

use super::server::Server;

/// The name of the one operation.
pub(crate) const OPERATION: &str = "Pressing";

/// One plant's part of the database. What it is called by is the plant's own.
pub(crate) struct Shop {
    /// The code of the work center.
    pub(crate) workcenter: String,
    /// The internal reference of the product.
    pub(crate) product: String,
    pub(crate) product_id: i64,
    /// The name that Odoo gave the order.
    pub(crate) order: String,
}

impl Shop {
    /// A person enters all of it, and confirms the order.
    pub(crate) async fn enter(server: &Server, plant: &str) -> Shop {
        let (workcenter, product) = (format!("WC-{plant}"), format!("P-{plant}"));
        let center = server.enter("mrp.workcenter", json!({"name": plant, "code": workcenter})).await;
        let (product_id, order) = match server.fake() {
            Some(_) => {
                let values = json!({"name": plant, "default_code": product});
                let product_id = server.enter("product.product", values).await;
                let order = format!("WH/MO/{plant}");
                let values = json!({"name": order, "product_id": product_id, "product_qty": 40, "qty_produced": 0.0});
                let made = server.enter("mrp.production", values).await;
                let values =
                    json!({"name": OPERATION, "production_id": made, "workcenter_id": center, "state": "ready"});
                server.enter("mrp.workorder", values).await;
                (product_id, order)
            }
            None => {
                let values = json!({"name": plant, "default_code": product, "is_storable": true});
                let product_id = server.enter("product.product", values).await;
                let read = json!([[product_id], ["product_tmpl_id"]]);
                let template = server.administer("product.product", "read", read).await;
                let template_id = template[0]["product_tmpl_id"][0].clone();
                let operation = json!([0, 0, {"name": OPERATION, "workcenter_id": center}]);
                let steel = json!({"name": format!("{plant} steel"), "is_storable": true});
                let steel =
                    json!([0, 0, {"product_id": server.enter("product.product", steel).await, "product_qty": 2}]);
                let bom = json!({
                    "product_tmpl_id": template_id, "consumption": "warning", "operation_ids": [operation],
                    "bom_line_ids": [steel],
                });
                server.enter("mrp.bom", bom).await;
                let made = server.enter("mrp.production", json!({"product_id": product_id, "product_qty": 40})).await;
                server.administer("mrp.production", "action_confirm", json!([[made]])).await;
                let named = server.administer("mrp.production", "read", json!([[made], ["name"]])).await;
                (product_id, named[0]["name"].as_str().unwrap_or_default().to_owned())
            }
        };
        Shop { workcenter, product, product_id, order }
    }

    /// Its one work order.
    pub(crate) async fn work_order(&self, server: &Server) -> Value {
        let mine = json!([["production_id.name", "=", self.order]]);
        let fields = ["state", "qty_producing", "date_start", "date_finished"];
        let found = server.look("mrp.workorder", mine, &fields).await;
        found.first().cloned().expect("the order has its work order")
    }

    /// The order, as far as it is made.
    pub(crate) async fn order(&self, server: &Server) -> Value {
        let found = server.look("mrp.production", self.me(), &["state", "qty_produced"]).await;
        let order = found.first().expect("the order is there");
        json!({"state": order["state"], "qty_produced": order["qty_produced"]})
    }

    /// A person finishes the work order, and enters that less was consumed than the quantity needs.
    pub(crate) async fn finish_with_less(&self, server: &Server, quantity: u32) {
        let done = json!({"qty_producing": quantity, "state": "done"});
        let mine = json!([["production_id.name", "=", self.order]]);
        let work_order = server.look("mrp.workorder", mine, &["id"]).await[0]["id"].clone();
        match server.fake() {
            Some(odoo) => {
                let (id, work_order) = (self.id(server).await, work_order.as_i64().expect("an id"));
                odoo.database(|db| {
                    for (field, value) in done.as_object().into_iter().flatten() {
                        db.change("mrp.workorder", work_order, field, value.clone());
                    }
                    db.change("mrp.production", id, "consumed", json!(1.0));
                });
            }
            None => {
                server.administer("mrp.workorder", "write", json!([[work_order], done])).await;
                let domain = json!([[["raw_material_production_id.name", "=", self.order]]]);
                let moves = server.administer("stock.move", "search", domain).await;
                server.administer("stock.move", "write", json!([moves, {"quantity": 1}])).await;
            }
        }
    }

    /// A person closes the order, whatever Odoo asks.
    pub(crate) async fn close(&self, server: &Server) {
        let id = self.id(server).await;
        match server.fake() {
            Some(odoo) => odoo.database(|db| {
                db.change("mrp.production", id, "qty_produced", json!(12.0));
                db.change("mrp.production", id, "state", json!("done"));
            }),
            None => {
                let context = json!({"context": {"skip_consumption": true, "skip_backorder": true}});
                server.administer_with("mrp.production", "button_mark_done", json!([[id]]), context).await;
            }
        }
    }

    async fn id(&self, server: &Server) -> i64 {
        server.look("mrp.production", self.me(), &["id"]).await[0]["id"].as_i64().expect("a record has an id")
    }

    fn me(&self) -> Value {
        json!([["name", "=", self.order]])
    }
}
