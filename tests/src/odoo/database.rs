//! What the fake Odoo holds: users, records, external ids, and which commit touched them last.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use serde_json::Value;

use super::fault::Language;
use super::{models, order};

/// A record's values by field; a many2one is the other record's database id.
pub type Values = BTreeMap<String, Value>;

/// One database with its users. Tests set it up, and look into it afterwards. A clone of it is a backup.
#[derive(Debug, Clone)]
pub struct Database {
    pub(super) name: String,
    pub(super) users: Vec<User>,
    /// Whether PostgreSQL answers.
    pub(super) up: bool,
    records: BTreeMap<String, BTreeMap<i64, Record>>,
    external_ids: BTreeMap<String, ExternalId>,
    /// External ids of rows that were refused, with their model: Odoo writes them before it takes them back, and its cache
    /// goes on knowing them.
    ghosts: BTreeMap<String, String>,
    /// The id that the next record of a model gets, where it is not 1 more than the last.
    next_ids: BTreeMap<String, i64>,
    models_missing: BTreeSet<String>,
    commits: u64,
}

/// A user with one API key.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) login: String,
    pub(super) key: String,
    /// `YYYY-MM-DD HH:MM:SS` in UTC; `None`: never.
    pub(super) key_expires: Option<String>,
    pub(super) active: bool,
    pub(super) time_zone: String,
    pub(super) may_create: BTreeSet<String>,
    /// What the rules let the user have of a model: the records that hold this value in this field.
    pub(super) rules: BTreeMap<String, (String, Value)>,
    /// The language of the user's preferences.
    pub(super) language: Language,
}

impl User {
    /// Whether the rules let the user have a record with these values.
    pub(super) fn may_have(&self, model: &str, values: &Values) -> bool {
        self.rules.get(model).is_none_or(|(field, value)| values.get(field) == Some(value))
    }
}

#[derive(Debug, Clone)]
struct Record {
    values: Values,
    /// `YYYY-MM-DD HH:MM:SS`, at another second for each record, also in a copy of the database.
    made_at: String,
    /// The commit that wrote it last, its counters included.
    changed: u64,
}

/// Where an external id leads.
#[derive(Debug, Clone)]
pub(super) struct ExternalId {
    pub(super) model: String,
    pub(super) id: i64,
    /// Set when the record was created with `noupdate`; never changed afterwards.
    pub(super) noupdate: bool,
    made: u64,
}

/// What a transaction saw when it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Snapshot(u64);

impl Database {
    pub(super) fn new(name: &str, users: Vec<User>) -> Self {
        Database {
            name: name.to_owned(),
            users,
            up: true,
            records: BTreeMap::new(),
            external_ids: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            next_ids: BTreeMap::new(),
            models_missing: BTreeSet::new(),
            commits: 0,
        }
    }

    /// How many records a model has.
    pub fn count(&self, model: &str) -> usize {
        self.records.get(model).map_or(0, BTreeMap::len)
    }

    /// The values of a model's records, oldest first.
    pub fn values(&self, model: &str) -> Vec<&Values> {
        self.records.get(model).into_iter().flatten().map(|(_, record)| &record.values).collect()
    }

    /// The external ids of a model's records, in their order.
    pub fn external_ids(&self, model: &str) -> Vec<&str> {
        self.external_ids.iter().filter(|(_, to)| to.model == model).map(|(name, _)| name.as_str()).collect()
    }

    /// The values of the record with this external id.
    pub fn find(&self, external_id: &str) -> Option<&Values> {
        let to = self.external_ids.get(external_id)?;
        self.record(&to.model, to.id)
    }

    /// A person makes a record; an external id given here may be overwritten by `load`, as after a person's import.
    pub fn insert<const N: usize>(
        &mut self,
        model: &str,
        external_id: Option<&str>,
        values: [(&str, Value); N],
    ) -> i64 {
        self.commits += 1;
        let values = values.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        self.create(model, external_id, false, values)
    }

    /// The same with values of any number.
    pub fn insert_values(&mut self, model: &str, values: Values) -> i64 {
        self.commits += 1;
        self.create(model, None, false, values)
    }

    /// A person changes one field of the record with this external id.
    pub fn edit(&mut self, external_id: &str, field: &str, value: Value) {
        if let Some(to) = self.external_ids.get(external_id).cloned() {
            self.change(&to.model, to.id, field, value);
        }
    }

    /// A person changes one field of the record with this id.
    pub fn change(&mut self, model: &str, id: i64, field: &str, value: Value) {
        self.commits += 1;
        self.write(model, id, [(field.to_owned(), value)].into());
    }

    /// A person deletes the record with this external id; the external id goes with it, and no other record gets its id.
    pub fn delete(&mut self, external_id: &str) {
        if let Some(to) = self.external_ids.remove(external_id) {
            let records = self.records.entry(to.model.clone()).or_default();
            let after_last = records.last_key_value().map_or(1, |(id, _)| id + 1);
            records.remove(&to.id);
            let next_id = self.next_ids.entry(to.model).or_insert(after_last);
            *next_id = after_last.max(*next_id);
        }
    }

    /// A row with this external id was refused.
    pub fn add_ghost(&mut self, name: &str, model: &str) {
        self.ghosts.insert(name.to_owned(), model.to_owned());
    }

    /// The next record of this model gets this id.
    pub fn set_next_id(&mut self, model: &str, id: i64) {
        self.next_ids.insert(model.to_owned(), id);
    }

    /// Uninstalls a model.
    pub fn remove_model(&mut self, model: &str) {
        self.models_missing.insert(model.to_owned());
    }

    /// Installs a model that was removed.
    pub fn restore_model(&mut self, model: &str) {
        self.models_missing.remove(model);
    }

    /// Gives or takes a user's right to create records of a model.
    pub fn set_right(&mut self, login: &str, model: &str, may_create: bool) {
        if let Some(user) = self.user_mut(login) {
            if may_create {
                user.may_create.insert(model.to_owned());
            } else {
                user.may_create.remove(model);
            }
        }
    }

    /// A record rule lets the user have only those records of a model that hold this value in this field.
    pub fn set_rule(&mut self, login: &str, model: &str, field: &str, value: Value) {
        if let Some(user) = self.user_mut(login) {
            user.rules.insert(model.to_owned(), (field.to_owned(), value));
        }
    }

    /// The user gets a group whose rule allows every record of a model.
    pub fn lift_rule(&mut self, login: &str, model: &str) {
        if let Some(user) = self.user_mut(login) {
            user.rules.remove(model);
        }
    }

    /// The language of a user's preferences.
    pub fn set_user_language(&mut self, login: &str, language: Language) {
        if let Some(user) = self.user_mut(login) {
            user.language = language;
        }
    }

    /// The only key that a user can come in with from now on.
    pub fn set_key(&mut self, login: &str, key: &str) {
        if let Some(user) = self.user_mut(login) {
            key.clone_into(&mut user.key);
        }
    }

    /// When the user's key ends: `YYYY-MM-DD HH:MM:SS` in UTC.
    pub fn set_key_expiry(&mut self, login: &str, expires: &str) {
        if let Some(user) = self.user_mut(login) {
            user.key_expires = Some(expires.to_owned());
        }
    }

    /// The id of a user.
    pub fn user_id(&self, login: &str) -> Option<i64> {
        self.users.iter().find(|user| user.login == login).map(|user| user.id)
    }

    /// The id that a user has in another database.
    pub fn set_user_id(&mut self, login: &str, id: i64) {
        if let Some(user) = self.user_mut(login) {
            user.id = id;
        }
    }

    /// Archives or restores a user.
    pub fn set_active(&mut self, login: &str, active: bool) {
        if let Some(user) = self.user_mut(login) {
            user.active = active;
        }
    }

    /// The time zone in a user's preferences.
    pub fn set_time_zone(&mut self, login: &str, time_zone: &str) {
        if let Some(user) = self.user_mut(login) {
            time_zone.clone_into(&mut user.time_zone);
        }
    }

    /// Stops PostgreSQL or starts it again.
    pub fn set_up(&mut self, up: bool) {
        self.up = up;
    }

    pub(super) fn knows(&self, model: &str) -> bool {
        models::model(model).is_some() && !self.models_missing.contains(model)
    }

    pub(super) fn record(&self, model: &str, id: i64) -> Option<&Values> {
        Some(&self.records.get(model)?.get(&id)?.values)
    }

    pub(super) fn made_at(&self, model: &str, id: i64) -> Option<&str> {
        Some(&self.records.get(model)?.get(&id)?.made_at)
    }

    pub(super) fn records(&self, model: &str) -> impl Iterator<Item = (i64, &Values)> {
        self.records.get(model).into_iter().flatten().map(|(id, record)| (*id, &record.values))
    }

    pub(super) fn external_id(&self, name: &str) -> Option<&ExternalId> {
        self.external_ids.get(name)
    }

    /// The model of a row with this external id that was refused.
    pub(super) fn ghost(&self, name: &str) -> Option<&str> {
        self.ghosts.get(name).map(String::as_str)
    }

    /// The external id of each record of a model that has one.
    pub(super) fn external_ids_of(&self, model: &str) -> HashMap<i64, &str> {
        let of_model = self.external_ids.iter().filter(|(_, to)| to.model == model);
        of_model.map(|(name, to)| (to.id, name.as_str())).collect()
    }

    pub(super) fn begin(&self) -> Snapshot {
        Snapshot(self.commits)
    }

    /// Starts the commit that the following writes belong to.
    pub(super) fn commit(&mut self) {
        self.commits += 1;
    }

    /// Whether another transaction has made this external id since the snapshot.
    pub(super) fn made_since(&self, snapshot: Snapshot, external_id: &str) -> bool {
        self.external_ids.get(external_id).is_some_and(|to| to.made > snapshot.0)
    }

    /// Whether another transaction has written this record since the snapshot.
    pub(super) fn changed_since(&self, snapshot: Snapshot, model: &str, id: i64) -> bool {
        self.records.get(model).and_then(|records| records.get(&id)).is_some_and(|record| record.changed > snapshot.0)
    }

    pub(super) fn create(&mut self, model: &str, external_id: Option<&str>, noupdate: bool, values: Values) -> i64 {
        let records = self.records.entry(model.to_owned()).or_default();
        let after_last = records.last_key_value().map_or(1, |(id, _)| id + 1);
        let id = self.next_ids.remove(model).unwrap_or(after_last).max(after_last);
        records.insert(id, Record { values, made_at: a_second_later(), changed: self.commits });
        if let Some(name) = external_id {
            let to = ExternalId { model: model.to_owned(), id, noupdate, made: self.commits };
            self.external_ids.insert(name.to_owned(), to);
        }
        id
    }

    pub(super) fn write(&mut self, model: &str, id: i64, values: Values) {
        if let Some(record) = self.records.get_mut(model).and_then(|records| records.get_mut(&id)) {
            record.values.extend(values);
            record.changed = self.commits;
        }
        if model == "mrp.workorder" {
            order::follow(self, id);
        }
    }

    fn user_mut(&mut self, login: &str) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.login == login)
    }
}

/// A moment that nobody else was told.
fn a_second_later() -> String {
    static SECONDS: AtomicI64 = AtomicI64::new(1_767_225_600);
    let second = SECONDS.fetch_add(1, Ordering::Relaxed);
    let moment = Timestamp::from_second(second).expect("it lies between the years 2026 and 9999");
    moment.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
