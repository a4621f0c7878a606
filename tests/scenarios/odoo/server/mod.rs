//! The Odoo that a scenario runs against: the fake, and a real one where the environment names it.
//!
//! `ODOO_URL` (`http://127.0.0.1:port`: a breakable link stands before it), `ODOO_DB`, `ODOO_LOGIN` and `ODOO_KEY` name the real
//! one and a user who may create and change requests of the maintenance app. `ODOO_ADMIN_LOGIN` and `ODOO_ADMIN_KEY` may name an
//! administrator, for what only one can change. What the scenarios make stays there; the names begin with `e2e-`.

mod rights;

use std::collections::HashMap;
use std::env;

use plantlink_tests::odoo::{DATABASE, Fault, KEY, LOGIN, Odoo, Version};
use plantlink_tests::odoo_client::Caller;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

const REQUEST: &str = "maintenance.request";
const EQUIPMENT: &str = "maintenance.equipment";
/// The custom model that the fake can be without; a real server gets one of its own for each plant.
const FAKE_MODEL: &str = "x_plant_event";

/// The real server serves one scenario after the other. It keeps rights in a cache, where a call that began before a right was
/// given can leave the old answer for good.
static TURN: Mutex<()> = Mutex::const_new(());

/// Which server it is.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Fake,
    Real,
}

/// A server with the user that the agent comes as.
pub(crate) struct Server {
    pub(crate) database: String,
    pub(crate) user: User,
    pub(crate) url: String,
    kind: Kind,
}

/// A login with its API key.
pub(crate) struct User {
    pub(crate) login: String,
    pub(crate) key: String,
}

enum Kind {
    Fake(Odoo),
    Real { administrator: Option<User>, _turn: MutexGuard<'static, ()> },
}

/// A maintenance request as Odoo holds it.
#[derive(Debug)]
pub(crate) struct Request {
    id: i64,
    pub(crate) external_id: String,
    pub(crate) name: String,
    pub(crate) priority: String,
    pub(crate) description: String,
    pub(crate) request_date: String,
}

impl Place {
    /// Every server that this run has.
    pub(crate) fn each() -> Vec<Place> {
        match env::var_os("ODOO_URL") {
            Some(url) => {
                println!("also against {}", url.display());
                vec![Place::Fake, Place::Real]
            }
            None => vec![Place::Fake],
        }
    }

    /// A fresh fake of version 19, which has both APIs.
    pub(crate) async fn nineteen() -> Server {
        let server = Place::Fake.open().await;
        if let Some(fake) = server.fake() {
            fake.set_manners(|manners| manners.version = Version::Nineteen);
        }
        server
    }

    /// A fresh fake, or the real one when it is this scenario's turn.
    pub(crate) async fn open(self) -> Server {
        match self {
            Place::Fake => {
                let odoo = Odoo::start().await.expect("the fake Odoo finds a port");
                let url = odoo.url();
                let user = User { login: LOGIN.to_owned(), key: KEY.to_owned() };
                Server { database: DATABASE.to_owned(), user, url, kind: Kind::Fake(odoo) }
            }
            Place::Real => {
                let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("ODOO_URL needs {name} too"));
                let user = User { login: variable("ODOO_LOGIN"), key: variable("ODOO_KEY") };
                let administrator = env::var("ODOO_ADMIN_LOGIN").ok().zip(env::var("ODOO_ADMIN_KEY").ok());
                let administrator = administrator.map(|(login, key)| User { login, key });
                let kind = Kind::Real { administrator, _turn: TURN.lock().await };
                let url = variable("ODOO_URL").trim_end_matches('/').to_owned();
                Server { database: variable("ODOO_DB"), user, url, kind }
            }
        }
    }
}

impl Server {
    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        let port = self.url.strip_prefix("http://127.0.0.1:").and_then(|port| port.parse().ok());
        port.expect("ODOO_URL is http://127.0.0.1:port")
    }

    /// The fake, for what no real server does when it is told to.
    pub(crate) fn fake(&self) -> Option<&Odoo> {
        match &self.kind {
            Kind::Fake(odoo) => Some(odoo),
            Kind::Real { .. } => None,
        }
    }

    /// The requests of a plant, oldest first.
    pub(crate) async fn requests(&self, plant: &str) -> Vec<Request> {
        let mine = json!([[["name", "=like", format!("{plant} %")]]]);
        let fields = json!({"fields": ["name", "priority", "description", "request_date"], "order": "id"});
        let found = self.call(&self.user, REQUEST, "search_read", mine, fields).await;
        let found = found.as_array().expect("a list of requests");
        let ids: Vec<&Value> = found.iter().map(|request| &request["id"]).collect();
        let metadata = self.call(&self.user, REQUEST, "get_metadata", json!([ids]), json!({})).await;
        let described = metadata.as_array().expect("a list of descriptions").iter();
        let external_ids: HashMap<i64, &str> =
            described.filter_map(|record| Some((record["id"].as_i64()?, record["xmlid"].as_str()?))).collect();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let requests = found.iter().map(|request| {
            let id = request["id"].as_i64().expect("a request has an id");
            Request {
                id,
                external_id: external_ids.get(&id).copied().unwrap_or_default().to_owned(),
                name: text(&request["name"]),
                priority: text(&request["priority"]),
                description: text(&request["description"]),
                request_date: text(&request["request_date"]),
            }
        });
        requests.collect()
    }

    /// A person gives a request another name.
    pub(crate) async fn rename(&self, request: &Request, name: &str) {
        self.call(&self.user, REQUEST, "write", json!([[request.id], {"name": name}]), json!({})).await;
    }

    /// A person changes a field of a request.
    pub(crate) async fn edit(&self, request: &Request, field: &str, value: &str) {
        self.call(&self.user, REQUEST, "write", json!([[request.id], {field: value}]), json!({})).await;
    }

    /// A person deletes requests.
    pub(crate) async fn delete(&self, requests: &[Request]) {
        let ids: Vec<i64> = requests.iter().map(|request| request.id).collect();
        match &self.kind {
            Kind::Fake(odoo) => {
                odoo.database(|db| requests.iter().for_each(|request| db.delete(&request.external_id)));
            }
            Kind::Real { administrator: Some(_), .. } => {
                self.administer(REQUEST, "unlink", json!([ids])).await;
            }
            Kind::Real { administrator: None, .. } => {
                self.call(&self.user, REQUEST, "unlink", json!([ids]), json!({})).await;
            }
        }
    }

    /// Puts the agent's marker back to where it stood earlier, as a restored backup does.
    pub(crate) async fn put_marker_back(&self, plant: &str) {
        let marker = format!("plantlink_{}", plant.replace('-', "_"));
        let found = self
            .call(
                &self.user,
                "ir.model.data",
                "check_object_reference",
                json!([marker, "installation_gw_test"]),
                json!({}),
            )
            .await;
        let earlier = json!({"description": json!({"count": 0}).to_string()});
        self.call(&self.user, "ir.attachment", "write", json!([[found[1]], earlier]), json!({})).await;
    }

    /// A person imports a request under this external id.
    pub(crate) async fn import(&self, external_id: &str, name: &str) {
        let (fields, rows) = (json!(["id", "name"]), json!([[external_id, name]]));
        let loaded = self.call(&self.user, REQUEST, "load", json!([fields, rows]), json!({"context": {}})).await;
        assert!(loaded["ids"].is_array(), "{loaded}");
    }

    /// A person enters a machine and lets the agent's user follow it, who need not be an Equipment Manager to find it then; `false`,
    /// said aloud, where nobody may.
    pub(crate) async fn add_equipment(&self, name: &str) -> bool {
        match &self.kind {
            Kind::Fake(odoo) => {
                odoo.database(|db| db.insert(EQUIPMENT, None, [("name", json!(name))]));
                true
            }
            Kind::Real { administrator: Some(_), .. } => {
                let made = self.administer(EQUIPMENT, "create", json!([{"name": name}])).await;
                let mine = json!([[["login", "=", self.user.login]], ["partner_id"]]);
                let user = self.administer("res.users", "search_read", mine).await;
                let follow = json!([[made], [user[0]["partner_id"][0]]]);
                self.administer(EQUIPMENT, "message_subscribe", follow).await;
                true
            }
            Kind::Real { administrator: None, .. } => {
                println!("skipped on {}: ODOO_ADMIN_LOGIN and ODOO_ADMIN_KEY name nobody who may", self.url);
                false
            }
        }
    }

    /// A person enters a machine under this external id; `false`, said aloud, where nobody may.
    pub(crate) async fn import_equipment(&self, external_id: &str, name: &str) -> bool {
        match &self.kind {
            Kind::Fake(odoo) => {
                odoo.database(|db| db.insert(EQUIPMENT, Some(external_id), [("name", json!(name))]));
                true
            }
            Kind::Real { administrator: Some(_), .. } => {
                let rows = json!([["id", "name"], [[external_id, name]]]);
                let loaded = self.administer(EQUIPMENT, "load", rows).await;
                assert!(loaded["ids"].is_array(), "{loaded}");
                true
            }
            Kind::Real { administrator: None, .. } => {
                println!("skipped on {}: ODOO_ADMIN_LOGIN and ODOO_ADMIN_KEY name nobody who may", self.url);
                false
            }
        }
    }

    /// Nothing has this external id any more. (Of a machine with requests a real Odoo deletes no more than that.)
    pub(crate) async fn remove_external_id(&self, external_id: &str) {
        match &self.kind {
            Kind::Fake(odoo) => odoo.database(|db| db.delete(external_id)),
            Kind::Real { .. } => {
                let (module, name) = external_id.split_once('.').expect("an external id has a module");
                let domain = json!([[["module", "=", module], ["name", "=", name]]]);
                let ids = self.administer("ir.model.data", "search", domain).await;
                self.administer("ir.model.data", "unlink", json!([ids])).await;
            }
        }
    }

    /// What only the fake can do to the next calls; `false`, said aloud, on a real server.
    pub(crate) fn fail_next(&self, faults: &[Fault]) -> bool {
        match &self.kind {
            Kind::Fake(odoo) => {
                faults.iter().for_each(|fault| odoo.fail_next(*fault));
                true
            }
            Kind::Real { .. } => {
                println!("skipped on {}: no real server fails like {faults:?} when it is told to", self.url);
                false
            }
        }
    }

    /// The custom model that [`Server::add_model`] makes; nothing, said aloud, where nobody may.
    pub(crate) fn custom_model(&self, plant: &str) -> Option<String> {
        match &self.kind {
            Kind::Fake(odoo) => {
                odoo.database(|db| db.remove_model(FAKE_MODEL));
                Some(FAKE_MODEL.to_owned())
            }
            Kind::Real { administrator: Some(_), .. } => Some(format!("x_{}", plant.replace('-', "_"))),
            Kind::Real { administrator: None, .. } => {
                println!("skipped on {}: ODOO_ADMIN_LOGIN and ODOO_ADMIN_KEY name nobody who may", self.url);
                None
            }
        }
    }

    /// An administrator makes the custom model, with a name as its only field. Nobody may create its records yet.
    pub(crate) async fn add_model(&self, model: &str) {
        match &self.kind {
            Kind::Fake(odoo) => odoo.database(|db| {
                db.set_right(LOGIN, model, false);
                db.restore_model(model);
            }),
            Kind::Real { .. } => {
                let field = json!([0, 0, {"name": "x_name", "ttype": "char", "field_description": "Name"}]);
                let values = json!([{"name": model, "model": model, "field_id": [field]}]);
                self.administer("ir.model", "create", values).await;
            }
        }
    }

    /// A person enters a record, and gets its id.
    pub(crate) async fn enter(&self, model: &str, values: Value) -> i64 {
        match &self.kind {
            Kind::Fake(odoo) => {
                let values = values.as_object().cloned().unwrap_or_default();
                odoo.database(|db| db.insert_values(model, values.into_iter().collect()))
            }
            Kind::Real { .. } => {
                let made = self.administer(model, "create", json!([values])).await;
                made.as_i64().expect("the id of what was made")
            }
        }
    }

    /// The database id of a user.
    pub(crate) async fn user_id(&self, login: &str) -> i64 {
        match &self.kind {
            Kind::Fake(odoo) => odoo.database(|db| db.user_id(login)).expect("a user of the lab"),
            Kind::Real { .. } => {
                let found = self.administer("res.users", "search", json!([[["login", "=", login]]])).await;
                found[0].as_i64().expect("a user of the database")
            }
        }
    }

    /// What fields of the records hold that a domain finds, in the order in which they were made.
    pub(crate) async fn look(&self, model: &str, domain: Value, fields: &[&str]) -> Vec<Value> {
        let found = self
            .call(&self.user, model, "search_read", json!([domain]), json!({"fields": fields, "order": "id"}))
            .await;
        found.as_array().cloned().expect("a list of records")
    }

    /// How many records a model has.
    pub(crate) async fn count(&self, model: &str) -> u64 {
        let count = self.call(&self.user, model, "search_count", json!([[]]), json!({})).await;
        count.as_u64().expect("a count")
    }

    /// An administrator removes the custom model with its records.
    pub(crate) async fn remove_model(&self, model: &str) {
        match &self.kind {
            Kind::Fake(odoo) => odoo.database(|db| db.remove_model(model)),
            Kind::Real { .. } => {
                let ids = self.model_ids(model).await;
                self.administer("ir.model", "unlink", json!([ids])).await;
            }
        }
    }

    async fn model_ids(&self, model: &str) -> Value {
        self.administer("ir.model", "search", json!([[["model", "=", model]]])).await
    }

    pub(crate) async fn administer(&self, model: &str, method: &str, args: Value) -> Value {
        self.administer_with(model, method, args, json!({})).await
    }

    pub(crate) async fn administer_with(&self, model: &str, method: &str, args: Value, named: Value) -> Value {
        let Kind::Real { administrator: Some(administrator), .. } = &self.kind else { panic!("nobody may do this") };
        self.call(administrator, model, method, args, named).await
    }

    async fn call(&self, user: &User, model: &str, method: &str, args: Value, kwargs: Value) -> Value {
        let caller = Caller {
            url: self.url.clone(),
            database: self.database.clone(),
            login: user.login.clone(),
            key: user.key.clone(),
        };
        caller.call(&caller.authenticate().await, model, method, args, kwargs).await
    }
}
