//! Coming in: which of its APIs a server has, and who we are in its database.

use plantlink_config::{OdooApi, OdooDestination, SecretText};
use reqwest::Client;
use serde_json::{Value, json};

use super::call::{Call, rpc};
use super::denial::Denial;
use super::key_expiry;
use super::verdict::{Setback, of_call, of_login};
use crate::destination::Expiry;
use crate::http::{self, Answer, NoAnswer};

/// Where newer servers tell their version to everybody.
const VERSION: &str = "/json/version";
/// The first version with JSON-2.
const JSON2_SINCE: i64 = 19;

/// What was agreed upon with a server.
pub(super) struct Session {
    pub(super) api: OdooApi,
    pub(super) uid: i64,
    pub(super) key: SecretText,
    /// When the key ends, as far as Odoo says.
    pub(super) expiry: Option<Expiry>,
}

/// A server before anyone is logged in.
pub(super) struct Doorway<'a> {
    pub(super) client: &'a Client,
    pub(super) config: &'a OdooDestination,
    /// Among several keys of the user, the one that is named after the gateway is taken for ours.
    pub(super) gateway: &'a str,
}

impl Doorway<'_> {
    /// Finds out how the server is spoken to, and logs in.
    pub(super) async fn enter(&self, key: SecretText) -> Result<Session, Setback> {
        let api = match self.config.api {
            Some(pinned) => pinned,
            None => self.find_api().await?,
        };
        let uid = match api {
            OdooApi::JsonRpc => self.authenticate(&key).await?,
            // The key tells who we are.
            OdooApi::Json2 => 0,
        };
        let mut session = Session { api, uid, key, expiry: None };
        if api == OdooApi::Json2 {
            let context = self.call(&session, Call::new("res.users", "context_get")).await?;
            session.uid = context["uid"].as_i64().unwrap_or_default();
            self.check_login(&session).await?;
        }
        session.expiry = self.expiry(&session).await;
        Ok(session)
    }

    /// The newest API that the server has.
    async fn find_api(&self) -> Result<OdooApi, Setback> {
        let answer = self.get(VERSION).await?;
        // Older servers redirect to their login page, or know no such page. Whoever cannot answer now says nothing of the kind.
        if matches!(answer.status, 429 | 500..) {
            of_call(OdooApi::Json2, &answer)?;
        }
        let is_version = |body| serde_json::from_slice::<Value>(body).ok()?.pointer("/version_info/0")?.as_i64();
        match is_version(&answer.body).filter(|_| answer.status == 200) {
            Some(JSON2_SINCE..) => Ok(OdooApi::Json2),
            Some(_) | None => Ok(OdooApi::JsonRpc),
        }
    }

    /// How the server names its version, `18.0`.
    pub(super) async fn version(&self) -> Result<String, Setback> {
        let answer = self.get(VERSION).await?;
        let told = serde_json::from_slice::<Value>(&answer.body).ok().filter(|_| answer.status == 200);
        let told = match told {
            Some(told) => told["version"].clone(),
            None => {
                let answer = send(rpc(self.client, &self.config.http.url, "common", "version", json!([]))).await?;
                of_call(OdooApi::JsonRpc, &answer)?["server_serie"].clone()
            }
        };
        Ok(told.as_str().unwrap_or("of an unknown version").to_owned())
    }

    /// The user's id, which JSON-RPC wants with every call.
    async fn authenticate(&self, key: &SecretText) -> Result<i64, Setback> {
        let args = json!([self.config.database, self.config.login, key.expose(), {}]);
        of_login(&send(rpc(self.client, &self.config.http.url, "common", "authenticate", args)).await?)
    }

    /// JSON-2 asks for no login: the key may be somebody else's.
    async fn check_login(&self, session: &Session) -> Result<(), Setback> {
        let read = Call::on("res.users", "read", vec![session.uid]).argument("fields", json!(["login"]));
        let user = self.call(session, read).await?;
        match user.pointer("/0/login").and_then(Value::as_str) {
            Some(login) if login == self.config.login => Ok(()),
            Some(login) => Err(Setback::Denied(Denial::Login { key_of: login.to_owned() })),
            None => Ok(()),
        }
    }

    /// A server that does not tell is not asked why: what counts is that it takes the key now.
    async fn expiry(&self, session: &Session) -> Option<Expiry> {
        let own = json!([["user_id", "=", session.uid]]);
        let search = Call::new("res.users.apikeys", "search_read")
            .argument("domain", own)
            .argument("fields", json!(["name", "expiration_date"]));
        key_expiry::of(&self.call(session, search).await.ok()?, self.gateway)
    }

    /// Calls a method as the user of a session, and gives its result.
    pub(super) async fn call(&self, session: &Session, call: Call<'_>) -> Result<Value, Setback> {
        let OdooDestination { http, database, .. } = self.config;
        let answer = send(call.request(self.client, &http.url, database, session)).await?;
        match of_call(session.api, &answer) {
            // JSON-2 shows the same page when the database is not there and when PostgreSQL is down.
            Err(Setback::Denied(Denial::Database)) if session.api == OdooApi::Json2 => Err(self.no_database().await),
            verdict => verdict,
        }
    }

    async fn no_database(&self) -> Setback {
        match self.get("/web/health?db_server_status=1").await {
            Ok(Answer { status: 500, .. }) => Setback::Unreachable("PostgreSQL does not answer Odoo".into()),
            Ok(_) => Setback::Denied(Denial::Database),
            Err(setback) => setback,
        }
    }

    async fn get(&self, path: &str) -> Result<Answer, Setback> {
        send(self.client.get(format!("{}{path}", self.config.http.url))).await
    }
}

async fn send(request: reqwest::RequestBuilder) -> Result<Answer, Setback> {
    http::send(request).await.map_err(|no_answer| match no_answer {
        NoAnswer::Unreachable(cause) => Setback::Unreachable(cause),
        NoAnswer::Unanswered(cause) => Setback::Unanswered(cause),
    })
}
