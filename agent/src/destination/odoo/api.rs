//! Odoo's JSON-RPC: one login, and calls on models with the create-once context.
//!
//! No redirect is followed, no proxy is taken from the environment, nothing is compressed, and a request goes out in one piece
//! with its length, since some of Odoo's versions and modes understand nothing else.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use plantlink_config::{OdooDestination, SecretError, SecretText};
use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Client, redirect};
use rustls::RootCertStore;
use serde_json::{Value, json};

use super::record::Load;
use super::verdict::{Answer, Setback, of_call, of_load, of_login};
use crate::destination::Cause;
use crate::tls::{TlsError, client_config};

/// Time to reach the server, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for an answer. Odoo goes on working for a client that has left, so leaving early gains nothing.
const ANSWER: Duration = Duration::from_secs(120);
/// An idle connection is closed before a proxy would: a request must not meet one that is just being closed.
const IDLE: Duration = Duration::from_secs(20);
/// An answer is not read beyond this, in bytes; that of a full call takes a few kilobytes.
const ANSWER_MAX: usize = 4 << 20;

/// What the sender asks of Odoo.
pub(crate) trait Server: Send + 'static {
    /// The fields of a model whose text is markup.
    fn html_fields(&mut self, model: &str) -> impl Future<Output = Result<Arc<HashSet<String>>, Setback>> + Send;

    /// Creates the records of the rows that are not there yet, all of them or none, and changes nothing that is there.
    fn load(&mut self, load: &Load<'_>) -> impl Future<Output = Result<(), Setback>> + Send;
}

/// One database of one server, as one user.
pub(crate) struct Api {
    config: OdooDestination,
    client: Option<Client>,
    session: Option<Session>,
    html_fields: HashMap<String, Arc<HashSet<String>>>,
}

struct Session {
    uid: i64,
    key: SecretText,
}

/// Why no request can be made.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    #[error("cannot set up HTTP")]
    Http(#[from] reqwest::Error),
    #[error("cannot read the API key")]
    Key(#[from] SecretError),
}

/// An answer that was left unread.
#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than {ANSWER_MAX} bytes")]
struct TooLong;

impl Api {
    pub(super) fn new(config: &OdooDestination) -> Self {
        Api { config: config.clone(), client: None, session: None, html_fields: HashMap::new() }
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

    async fn post(&mut self, service: &str, method: &str, args: Value) -> Result<Answer, Setback> {
        let body = json!({
            "jsonrpc": "2.0",
            "method": "call",
            "id": 1,
            "params": {"service": service, "method": method, "args": args},
        });
        let client = match self.client.take() {
            Some(client) => client,
            None => build_client(&self.config).map_err(paused)?,
        };
        let request = self
            .client
            .insert(client)
            .post(format!("{}/jsonrpc", self.config.url))
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        read(request.send().await.map_err(unanswered)?).await
    }

    /// Whoever was refused logs in again at the next try.
    fn heed<T>(&mut self, verdict: Result<T, Setback>) -> Result<T, Setback> {
        if matches!(verdict, Err(Setback::Denied)) {
            self.session = None;
            self.html_fields.clear();
        }
        verdict
    }
}

impl Server for Api {
    async fn html_fields(&mut self, model: &str) -> Result<Arc<HashSet<String>>, Setback> {
        if let Some(known) = self.html_fields.get(model) {
            return Ok(Arc::clone(known));
        }
        let answer = self.execute(model, "fields_get", json!([]), json!({"attributes": ["type"]})).await;
        let fields = self.heed(answer.and_then(|answer| of_call(&answer)))?;
        let html = fields.as_object().into_iter().flatten().filter(|(_, attributes)| attributes["type"] == "html");
        let html = Arc::new(html.map(|(field, _)| field.clone()).collect::<HashSet<_>>());
        self.html_fields.insert(model.to_owned(), Arc::clone(&html));
        Ok(html)
    }

    async fn load(&mut self, load: &Load<'_>) -> Result<(), Setback> {
        let context =
            json!({"mode": "update", "noupdate": true, "tz": "UTC", "lang": "en_US", "tracking_disable": true});
        let answer =
            self.execute(load.model, "load", json!([load.columns, load.rows]), json!({"context": context})).await;
        self.heed(answer.and_then(|answer| of_load(&answer, load.rows.len())))
    }
}

fn build_client(config: &OdooDestination) -> Result<Client, SetupError> {
    let tls = if config.url.starts_with("https://") {
        client_config(&config.tls.clone().unwrap_or_default())?
    } else {
        // Plain HTTP trusts nobody, and must not depend on the system's certificates.
        rustls::ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    };
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .pool_idle_timeout(IDLE)
        .build()?)
}

async fn read(mut response: reqwest::Response) -> Result<Answer, Setback> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let mut answer = Answer {
        status: response.status().as_u16(),
        retry_after: header(RETRY_AFTER).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
        location: header(LOCATION).map(str::to_owned),
        body: Vec::new(),
    };
    while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
        if answer.body.len() + chunk.len() > ANSWER_MAX {
            return Err(Setback::Unreachable(TooLong.into()));
        }
        answer.body.extend_from_slice(&chunk);
    }
    Ok(answer)
}

/// A connection that was never there has done nothing; any other failure leaves in doubt what was done.
fn unanswered(error: reqwest::Error) -> Setback {
    let in_doubt = !error.is_connect();
    // The address is known, and a URL may hold what a log should not.
    let cause: Cause = error.without_url().into();
    if in_doubt { Setback::Unanswered(cause) } else { Setback::Unreachable(cause) }
}

fn paused(error: SetupError) -> Setback {
    Setback::Paused { reason: crate::chain::chain(&error) }
}

#[cfg(test)]
mod tests;
