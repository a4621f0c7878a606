//! One database of one Odoo as one user: comes in when it has to, stays in as long as it may, and calls.
//!
//! Nothing is compressed, and a request goes out in one piece with its length, since some of Odoo's versions and modes
//! understand nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plantlink_config::{Button, OdooApi, OdooDestination};
use reqwest::Client;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::denial::Denial;
use super::directory::Archived;
use super::model::Model;
use super::record::{Load, Manner};
use super::rule::Writer;
use super::session::{Doorway, Session};
use super::verdict::{Setback, of_button, of_load, of_reference};
use crate::destination::Expiry;
use crate::http;

/// Time for an answer. Odoo goes on working for a client that has left, so leaving early gains nothing.
pub(super) const ANSWER: Duration = Duration::from_secs(120);

/// What the sender asks of Odoo.
pub(crate) trait Server: Send + 'static {
    /// Comes in, if that has not happened yet.
    fn enter(&mut self) -> impl Future<Output = Result<(), Setback>> + Send;

    /// When what we come in by ends, as far as it is known.
    fn expiry(&self) -> Option<Expiry>;

    /// What the fields of a model are.
    fn model(&mut self, model: &str) -> impl Future<Output = Result<Arc<Model>, Setback>> + Send;

    /// Writes all rows or none, and answers the ids of their records in order.
    fn load(&mut self, load: &Load<'_>) -> impl Future<Output = Result<Vec<i64>, Setback>> + Send;

    /// Where an external id leads, if anywhere.
    fn reference(&mut self, external_id: &str) -> impl Future<Output = Result<Option<Referent>, Setback>> + Send;

    /// The ids of the records that a domain finds, two at the most.
    fn search(
        &mut self,
        model: &str,
        domain: Value,
        archived: Archived,
    ) -> impl Future<Output = Result<Vec<i64>, Setback>> + Send;

    /// Whether the user's rights and the record rules allow this to be done with records that are there; with none, whether the rights
    /// allow it at all.
    fn may(
        &mut self,
        model: &str,
        operation: &'static str,
        records: &[i64],
    ) -> impl Future<Output = Result<bool, Setback>> + Send;

    /// Presses the button of one record.
    fn press(&mut self, model: &str, id: i64, button: Button) -> impl Future<Output = Result<Pressed, Setback>> + Send;

    /// What some fields of records hold, by id; archived records too. A record that is not there is left out.
    fn read(
        &mut self,
        model: &str,
        ids: &[i64],
        fields: &[&str],
    ) -> impl Future<Output = Result<HashMap<i64, Map<String, Value>>, Setback>> + Send;
}

/// What an external id leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Referent {
    pub(super) model: String,
    pub(super) id: i64,
}

/// What Odoo answers to a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pressed {
    /// It is done.
    Done,
    /// A person would now get this action, by its name: a dialog before anything is done, or a print after it.
    Answers(String),
}

/// One database of one server, as one user.
pub(crate) struct Api {
    config: OdooDestination,
    gateway: String,
    client: Option<Client>,
    session: Option<Session>,
    models: HashMap<String, Arc<Model>>,
}

impl Api {
    pub(super) fn new(config: &OdooDestination, gateway: &str) -> Self {
        Api { config: config.clone(), gateway: gateway.to_owned(), client: None, session: None, models: HashMap::new() }
    }

    /// Calls a method of a model as the user, and gives its result.
    pub(super) async fn call(&mut self, call: Call<'_>) -> Result<Value, Setback> {
        let verdict = self.called(call).await;
        self.heed(verdict)
    }

    /// How the server names its version.
    pub(super) async fn version(&mut self) -> Result<String, Setback> {
        let (doorway, _) = self.come_in().await?;
        doorway.version().await
    }

    /// The API that is spoken, once we are in.
    pub(super) fn spoken(&self) -> Option<OdooApi> {
        self.session.as_ref().map(|session| session.api)
    }

    async fn called(&mut self, call: Call<'_>) -> Result<Value, Setback> {
        let (doorway, session) = self.come_in().await?;
        doorway.call(session, call).await
    }

    /// The way in, and who we are behind it.
    async fn come_in(&mut self) -> Result<(Doorway<'_>, &Session), Setback> {
        let client = match self.client.take() {
            Some(client) => client,
            None => http::client(&self.config.http, ANSWER).map_err(|error| Setback::Denied(Denial::Client(error)))?,
        };
        let doorway = Doorway { client: self.client.insert(client), config: &self.config, gateway: &self.gateway };
        let session = match (self.session.take(), self.config.api_key.read()) {
            // A key that was replaced is taken up before the old one is refused.
            (Some(session), Ok(key)) if key.expose() == session.key.expose() => session,
            // While it is being replaced it may not be there.
            (Some(session), Err(_)) => session,
            (Some(_) | None, Ok(key)) => doorway.enter(key).await?,
            (None, Err(error)) => return Err(Setback::Denied(Denial::KeyUnread(error))),
        };
        Ok((doorway, self.session.insert(session)))
    }

    /// Whoever is not let in, and who reaches nobody, begins anew: the key is read again, the server asked for its version,
    /// and what was known of models is forgotten.
    fn heed<T>(&mut self, verdict: Result<T, Setback>) -> Result<T, Setback> {
        match &verdict {
            Err(Setback::Denied(_) | Setback::Unreachable(_)) => {
                self.client = None;
                self.session = None;
                self.models.clear();
            }
            Ok(_)
            | Err(
                Setback::Race { .. }
                | Setback::Refused { .. }
                | Setback::Barred { .. }
                | Setback::TooLarge
                | Setback::Unanswered(_)
                | Setback::Busy { .. }
                | Setback::Paused { .. },
            ) => {}
        }
        verdict
    }
}

impl Server for Api {
    async fn enter(&mut self) -> Result<(), Setback> {
        let entered = self.come_in().await.map(drop);
        self.heed(entered)
    }

    fn expiry(&self) -> Option<Expiry> {
        self.session.as_ref().and_then(|session| session.expiry.clone())
    }

    async fn model(&mut self, model: &str) -> Result<Arc<Model>, Setback> {
        if let Some(known) = self.models.get(model) {
            return Ok(Arc::clone(known));
        }
        let asked = Call::new(model, "fields_get").option("attributes", json!(["type", "relation"]));
        let found = Arc::new(Model::new(&self.call(asked).await?));
        self.models.insert(model.to_owned(), Arc::clone(&found));
        Ok(found)
    }

    async fn load(&mut self, load: &Load<'_>) -> Result<Vec<i64>, Setback> {
        let context = match load.manner {
            Manner::CreateOnce => {
                json!({"mode": "update", "noupdate": true, "tz": "UTC", "lang": "en_US", "tracking_disable": true})
            }
            Manner::KeepInStep => json!({"tz": "UTC", "lang": "en_US", "tracking_disable": true}),
        };
        let call = Call::new(load.model, "load")
            .argument("fields", json!(load.columns))
            .argument("data", json!(load.rows))
            .option("context", context);
        let result = self.call(call).await?;
        let uid = self.session.as_ref().map_or(0, |session| session.uid);
        of_load(result, load.rows.len(), Writer { uid, model: load.model })
    }

    async fn reference(&mut self, external_id: &str) -> Result<Option<Referent>, Setback> {
        // Odoo reads an id without a module in the same way.
        let (module, name) = external_id.split_once('.').unwrap_or(("__import__", external_id));
        let call = Call::new("ir.model.data", "check_object_reference")
            .argument("module", module)
            .argument("xml_id", name)
            // A row may point to what is archived.
            .option("context", json!({"active_test": false}));
        of_reference(self.call(call).await)
    }

    async fn search(&mut self, model: &str, domain: Value, archived: Archived) -> Result<Vec<i64>, Setback> {
        let context = match archived {
            Archived::Too => json!({"active_test": false}),
            Archived::Not => json!({}),
        };
        let call = Call::new(model, "search_read")
            .argument("domain", domain)
            .argument("fields", json!(["id"]))
            .option("limit", 2)
            .option("context", context);
        let found = self.call(call).await?;
        Ok(found.as_array().into_iter().flatten().filter_map(|record| record.get("id")?.as_i64()).collect())
    }

    async fn may(&mut self, model: &str, operation: &'static str, records: &[i64]) -> Result<bool, Setback> {
        let asked = Call::on(model, "has_access", records.to_vec()).argument("operation", operation);
        Ok(self.call(asked).await? == Value::Bool(true))
    }

    async fn press(&mut self, model: &str, id: i64, button: Button) -> Result<Pressed, Setback> {
        let context = match button {
            Button::ButtonMarkDone => {
                json!({"skip_backorder": true, "tz": "UTC", "lang": "en_US", "tracking_disable": true})
            }
        };
        let call = Call::on(model, button.method(), vec![id]).option("context", context);
        Ok(of_button(&self.call(call).await?))
    }

    async fn read(
        &mut self,
        model: &str,
        ids: &[i64],
        fields: &[&str],
    ) -> Result<HashMap<i64, Map<String, Value>>, Setback> {
        let call = Call::new(model, "search_read")
            .argument("domain", json!([["id", "in", ids]]))
            .argument("fields", json!(fields))
            .option("context", json!({"active_test": false, "tz": "UTC"}));
        let Value::Array(found) = self.call(call).await? else {
            return Ok(HashMap::new());
        };
        let records = found.into_iter().filter_map(|record| match record {
            Value::Object(values) => Some((values.get("id")?.as_i64()?, values)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        });
        Ok(records.collect())
    }
}

#[cfg(test)]
mod tests;
