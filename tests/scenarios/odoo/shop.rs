//! What a plant's people have in Odoo before any event: a work center, a product, and an order with one operation.

use super::server::Server;
use serde_json::{Value, json};

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
                let made = server.enter("mrp.production", json!({"name": order, "product_id": product_id})).await;
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
                let operation = json!([0, 0, {"name": OPERATION, "workcenter_id": center}]);
                let bom = json!({"product_tmpl_id": template[0]["product_tmpl_id"][0], "operation_ids": [operation]});
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
}
