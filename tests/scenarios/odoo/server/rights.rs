//! What the server's users may do, and what an administrator changes of that.

use plantlink_tests::odoo::{ADMINISTRATOR, KEY, LOGIN, Language};
use serde_json::json;

use super::{EQUIPMENT, Kind, REQUEST, Server, User};

impl Server {
    /// The administrator's login and key; nothing, said aloud, where nobody is named.
    pub(crate) fn administrator(&self) -> Option<User> {
        match &self.kind {
            Kind::Fake(_) => Some(User { login: ADMINISTRATOR.to_owned(), key: KEY.to_owned() }),
            Kind::Real { administrator: Some(User { login, key }), .. } => {
                Some(User { login: login.clone(), key: key.clone() })
            }
            Kind::Real { administrator: None, .. } => {
                println!("skipped on {}: ODOO_ADMIN_LOGIN and ODOO_ADMIN_KEY name nobody who may", self.url);
                None
            }
        }
    }

    /// An administrator lets every employee create records of the custom model.
    pub(crate) async fn give_right(&self, model: &str) {
        match &self.kind {
            Kind::Fake(odoo) => odoo.database(|db| db.set_right(LOGIN, model, true)),
            Kind::Real { .. } => {
                let id = self.model_ids(model).await[0].clone();
                let group =
                    self.administer("ir.model.data", "check_object_reference", json!(["base", "group_user"])).await;
                let rights = json!({"name": model, "model_id": id, "group_id": group[1], "perm_read": true, "perm_create": true});
                self.administer("ir.model.access", "create", json!([rights])).await;
            }
        }
    }

    /// Whether the database has these models and somebody may enter what a scenario needs; said aloud where not.
    pub(crate) async fn has(&self, models: &[&str]) -> bool {
        match &self.kind {
            Kind::Fake(_) => true,
            Kind::Real { administrator: None, .. } => self.administrator().is_some(),
            Kind::Real { administrator: Some(administrator), .. } => {
                let known = self.administer("ir.model", "search_count", json!([[["model", "in", models]]])).await;
                let has = known == models.len();
                if !has {
                    println!("skipped on {}: the database has not all of {models:?}", self.url);
                }
                has && self.lets(administrator, "mrp.workcenter", "Manufacturing / Administrator").await
                    && self.lets(&self.user, "mrp.workcenter.productivity", "Manufacturing / User").await
            }
        }
    }

    /// Whether the agent's user may keep equipment, and may have requests without an owner; said aloud where not.
    pub(crate) async fn lets_manage_equipment(&self) -> bool {
        self.lets(&self.user, EQUIPMENT, "Maintenance / Equipment Manager").await
    }

    /// Whether a user may create records of a model, as a group lets him; said aloud where not.
    async fn lets(&self, user: &User, model: &str, group: &str) -> bool {
        let may = self.may_create(user, model).await;
        if !may {
            println!("skipped on {}: `{}` lacks the group {group}", self.url, user.login);
        }
        may
    }

    async fn may_create(&self, user: &User, model: &str) -> bool {
        self.call(user, model, "has_access", json!([[], "create"]), json!({})).await == true
    }

    /// The rules let the agent's user have no requests but those that it owns. Gives what ends that; nothing, said aloud, where nobody
    /// may change it.
    pub(crate) async fn bar_from_requests_of_others(&self, language: Language) -> Option<Barred<'_>> {
        let owner = self.user_id(&self.user.login).await;
        match &self.kind {
            Kind::Fake(odoo) => odoo.database(|db| {
                db.set_user_language(LOGIN, language);
                db.set_rule(LOGIN, REQUEST, "owner_user_id", json!(owner));
            }),
            Kind::Real { .. } => {
                self.administrator()?;
            }
        }
        let was_manager = self.may_create(&self.user, EQUIPMENT).await;
        let barred = Barred { server: self, owner, was_manager };
        barred.is_manager(false).await;
        Some(barred)
    }
}

/// While the agent's user is no Equipment Manager.
pub(crate) struct Barred<'a> {
    server: &'a Server,
    /// Whose requests it may have.
    pub(crate) owner: i64,
    was_manager: bool,
}

impl Barred<'_> {
    /// An administrator gives the user the group.
    pub(crate) async fn lift(&self) {
        self.is_manager(true).await;
    }

    /// The user is again what it was.
    pub(crate) async fn end(self) {
        self.is_manager(self.was_manager).await;
    }

    async fn is_manager(&self, yes: bool) {
        let Barred { server, owner, .. } = self;
        match &server.kind {
            Kind::Fake(odoo) if yes => odoo.database(|db| db.lift_rule(LOGIN, REQUEST)),
            // The rule was set with the owner.
            Kind::Fake(_) => {}
            Kind::Real { .. } => {
                let group = json!(["maintenance", "group_equipment_manager"]);
                let group = server.administer("ir.model.data", "check_object_reference", group).await;
                // What holds a group's users has one name in each version; what is linked is 4, what is unlinked 3.
                let known =
                    server.administer("res.groups", "fields_get", json!([["users", "user_ids"], ["type"]])).await;
                let users = if known["user_ids"].is_object() { "user_ids" } else { "users" };
                let change = json!([[group[1]], {users: [[if yes { 4 } else { 3 }, owner]]}]);
                server.administer("res.groups", "write", change).await;
            }
        }
    }
}
