//! With `--odoo`: which server takes part, and what it holds at the end, counted by asking it and not the agent.

use std::collections::BTreeMap;
use std::env::{self, VarError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::settings::OdooPlace;

const KEY_VARIABLE: &str = "ODOO_KEY";
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The model that the demonstration writes to, of Odoo's own maintenance app.
const MODEL: &str = "maintenance.request";

/// An Odoo server and who asks it.
pub(super) struct Odoo {
    url: String,
    database: String,
    login: String,
    key: String,
}

/// Why Odoo cannot take part, or cannot be counted.
#[derive(Debug, thiserror::Error)]
pub(super) enum OdooError {
    #[error("--odoo needs the environment variable {name}")]
    Variable {
        name: &'static str,
        #[source]
        cause: VarError,
    },
    #[error("cannot ask {url}")]
    Unreachable {
        url: String,
        #[source]
        cause: reqwest::Error,
    },
    #[error("{url} refused to answer: {message}")]
    Refused { url: String, message: String },
    #[error("{url} does not accept the login and key")]
    Login { url: String },
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Value,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    message: String,
    data: Option<FaultData>,
}

#[derive(Deserialize)]
struct FaultData {
    message: String,
}

impl Odoo {
    /// The database, login and key are taken from `ODOO_DB`, `ODOO_LOGIN` and `ODOO_KEY`.
    pub(super) fn from_environment(url: &str) -> Result<Odoo, OdooError> {
        let variable = |name| env::var(name).map_err(|cause| OdooError::Variable { name, cause });
        Ok(Odoo {
            url: url.trim_end_matches('/').to_owned(),
            database: variable("ODOO_DB")?,
            login: variable("ODOO_LOGIN")?,
            key: variable(KEY_VARIABLE)?,
        })
    }

    pub(super) fn place(&self) -> OdooPlace<'_> {
        OdooPlace { url: &self.url, database: &self.database, login: &self.login, key_variable: KEY_VARIABLE }
    }

    /// How many requests it holds for each message of this plant, by the id at the beginning of their names.
    pub(super) async fn requests(&self, plant: &str) -> Result<BTreeMap<String, u64>, OdooError> {
        let http = reqwest::Client::builder().timeout(ANSWER_LIMIT).build().map_err(|cause| self.unreachable(cause))?;
        let authenticate = json!([self.database, self.login, self.key, {}]);
        let user = self.call(&http, "common", "authenticate", authenticate).await?;
        if !user.is_number() {
            return Err(OdooError::Login { url: self.url.clone() });
        }
        let mine = json!([[["name", "=like", format!("{plant}-%")]]]);
        let search = json!([self.database, user, self.key, MODEL, "search_read", mine, { "fields": ["name"] }]);
        let found = self.call(&http, "object", "execute_kw", search).await?;
        let names = found.as_array().into_iter().flatten().filter_map(|record| record.get("name")?.as_str());
        let mut held = BTreeMap::new();
        for id in names.filter_map(|name| name.split_whitespace().next()) {
            *held.entry(id.to_owned()).or_default() += 1;
        }
        Ok(held)
    }

    async fn call(&self, http: &reqwest::Client, service: &str, method: &str, args: Value) -> Result<Value, OdooError> {
        let params = json!({ "service": service, "method": method, "args": args });
        let body = json!({ "jsonrpc": "2.0", "method": "call", "id": 1, "params": params });
        let asked = http.post(format!("{}/jsonrpc", self.url)).json(&body).send().await;
        let answer: Answer =
            asked.map_err(|cause| self.unreachable(cause))?.json().await.map_err(|cause| self.unreachable(cause))?;
        match answer.error {
            None => Ok(answer.result),
            Some(fault) => {
                let message = fault.data.map_or(fault.message, |data| data.message);
                Err(OdooError::Refused { url: self.url.clone(), message })
            }
        }
    }

    fn unreachable(&self, cause: reqwest::Error) -> OdooError {
        OdooError::Unreachable { url: self.url.clone(), cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server that gives these answers, one on each connection, whatever it is asked.
    async fn serve(answers: Vec<Value>) -> Odoo {
        crate::tls::install_provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"}") {
                    stream.read_buf(&mut asked).await.unwrap();
                }
                let body = answer.to_string();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        Odoo { url, database: "prod".to_owned(), login: "demo".to_owned(), key: "key".to_owned() }
    }

    #[tokio::test]
    async fn the_requests_are_counted_by_the_id_at_the_beginning_of_their_names() {
        let names = [
            "demo-1-maintenance-100 press-2: tool change is due",
            "demo-1-maintenance-200 a",
            "demo-1-maintenance-200 b",
        ];
        let records: Vec<Value> = names.iter().map(|name| json!({ "id": 1, "name": name })).collect();
        let odoo = serve(vec![json!({ "result": 6 }), json!({ "result": records })]).await;
        let held = odoo.requests("demo-1").await.unwrap();
        let expected = [("demo-1-maintenance-100", 1), ("demo-1-maintenance-200", 2)];
        assert_eq!(held, expected.into_iter().map(|(id, copies)| (id.to_owned(), copies)).collect());
    }

    #[tokio::test]
    async fn a_server_that_does_not_know_the_key_is_not_counted_as_empty() {
        let odoo = serve(vec![json!({ "result": false })]).await;
        assert!(matches!(odoo.requests("demo-1").await, Err(OdooError::Login { .. })));
        let odoo =
            serve(vec![json!({ "error": { "message": "Odoo Server Error", "data": { "message": "Access Denied" } } })])
                .await;
        assert!(
            matches!(odoo.requests("demo-1").await, Err(OdooError::Refused { message, .. }) if message == "Access Denied")
        );
    }
}
