//! Odoo's JSON-RPC: one login, and the calls on models that records need.
//!
//! Nothing is compressed, and a request goes out in one piece with its length, since some of Odoo's versions and modes
//! understand nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plantlink_config::{OdooDestination, SecretError, SecretText};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::directory::Archived;
use super::model::Model;
use super::record::{Load, Manner};
use super::verdict::{Setback, of_call, of_load, of_login, of_reference};
use crate::http::{self, Answer, NoAnswer};

/// Time for an answer. Odoo goes on working for a client that has left, so leaving early gains nothing.
const ANSWER: Duration = Duration::from_secs(120);

/// What the sender asks of Odoo.
pub(crate) trait Server: Send + 'static {
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

/// One database of one server, as one user.
pub(crate) struct Api {
    config: OdooDestination,
    client: Option<Client>,
    session: Option<Session>,
    models: HashMap<String, Arc<Model>>,
}

struct Session {
    uid: i64,
    key: SecretText,
}

/// Why no request can be made.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error(transparent)]
    Http(#[from] http::SetupError),
    #[error("cannot read the API key")]
    Key(#[from] SecretError),
}

impl Api {
    pub(super) fn new(config: &OdooDestination) -> Self {
        Api { config: config.clone(), client: None, session: None, models: HashMap::new() }
    }

    /// Calls a method of a model as the user.
    async fn execute(&mut self, model: &str, method: &str, args: Value, kwargs: Value) -> Result<Answer, Setback> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.log_in().await?,
        };
        let Session { uid, key } = self.session.insert(session);
        let args = json!([self.config.database, uid, key.expose(), model, method, args, kwargs]);
        self.post("object", "execute_kw", args).await
    }

    /// The key is read anew at every login, so that a renewed one is taken up as soon as the old one is refused.
    async fn log_in(&mut self) -> Result<Session, Setback> {
        let key = self.config.api_key.read().map_err(|error| paused(SetupError::Key(error)))?;
        let args = json!([self.config.database, self.config.login, key.expose(), {}]);
        let answer = self.post("common", "authenticate", args).await?;
        Ok(Session { uid: of_login(&answer)?, key })
    }

    /// The same, as far as its result.
    async fn call(&mut self, model: &str, method: &str, args: Value, kwargs: Value) -> Result<Value, Setback> {
        let answer = self.execute(model, method, args, kwargs).await;
        self.heed(answer.and_then(|answer| of_call(&answer)))
    }

    async fn post(&mut self, service: &str, method: &str, args: Value) -> Result<Answer, Setback> {
        let body = json!({
            "jsonrpc": "2.0",
            "method": "call",
            "id": 1,
            "params": {"service": service, "method": method, "args": args},
        });
        let client = match self.client.take() {
            Some(client) => client,
            None => http::client(&self.config.http, ANSWER).map_err(|error| paused(error.into()))?,
        };
        let request = self
            .client
            .insert(client)
            .post(format!("{}/jsonrpc", self.config.http.url))
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        let answer = http::send(request).await.map_err(unanswered)?;
        if matches!(answer.status, 401 | 403 | 407) {
            // Not Odoo's own: a gateway before it wants another key, which is read anew for the next request.
            self.client = None;
        }
        Ok(answer)
    }

    /// Whoever was refused logs in again at the next try.
    fn heed<T>(&mut self, verdict: Result<T, Setback>) -> Result<T, Setback> {
        if matches!(verdict, Err(Setback::Denied)) {
            self.session = None;
            self.models.clear();
        }
        verdict
    }
}

impl Server for Api {
    async fn model(&mut self, model: &str) -> Result<Arc<Model>, Setback> {
        if let Some(known) = self.models.get(model) {
            return Ok(Arc::clone(known));
        }
        let fields = self.call(model, "fields_get", json!([]), json!({"attributes": ["type", "relation"]})).await?;
        let found = Arc::new(Model::new(&fields));
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
        let answer =
            self.execute(load.model, "load", json!([load.columns, load.rows]), json!({"context": context})).await;
        self.heed(answer.and_then(|answer| of_load(&answer, load.rows.len())))
    }

    async fn reference(&mut self, external_id: &str) -> Result<Option<Referent>, Setback> {
        // Odoo reads an id without a module in the same way.
        let (module, name) = external_id.split_once('.').unwrap_or(("__import__", external_id));
        let named = json!({"module": module, "xml_id": name});
        let answer = self.execute("ir.model.data", "check_object_reference", json!([]), named).await;
        self.heed(answer.and_then(|answer| of_reference(&answer)))
    }

    async fn search(&mut self, model: &str, domain: Value, archived: Archived) -> Result<Vec<i64>, Setback> {
        let context = match archived {
            Archived::Too => json!({"active_test": false}),
            Archived::Not => json!({}),
        };
        let asked = json!({"domain": domain, "fields": ["id"], "limit": 2, "context": context});
        let found = self.call(model, "search_read", json!([]), asked).await?;
        Ok(found.as_array().into_iter().flatten().filter_map(|record| record.get("id")?.as_i64()).collect())
    }

    async fn read(
        &mut self,
        model: &str,
        ids: &[i64],
        fields: &[&str],
    ) -> Result<HashMap<i64, Map<String, Value>>, Setback> {
        let domain = json!([["id", "in", ids]]);
        let asked = json!({"domain": domain, "fields": fields, "context": {"active_test": false, "tz": "UTC"}});
        let Value::Array(found) = self.call(model, "search_read", json!([]), asked).await? else {
            return Ok(HashMap::new());
        };
        let records = found.into_iter().filter_map(|record| match record {
            Value::Object(values) => Some((values.get("id")?.as_i64()?, values)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        });
        Ok(records.collect())
    }
}

fn unanswered(no_answer: NoAnswer) -> Setback {
    match no_answer {
        NoAnswer::Unreachable(cause) => Setback::Unreachable(cause),
        NoAnswer::Unanswered(cause) => Setback::Unanswered(cause),
    }
}

fn paused(error: SetupError) -> Setback {
    Setback::Paused { reason: crate::chain::chain(&error) }
}

#[cfg(test)]
mod tests;
