//! A call on a model, and the form that it has in each of Odoo's APIs.

use plantlink_config::OdooApi;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder};
use serde_json::{Map, Value, json};

use super::session::Session;

/// A method of a model with its arguments.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    model: &'a str,
    method: &'static str,
    /// The records that it is done on; `None`: it belongs to the model as such.
    ids: Option<Vec<i64>>,
    /// In the order of the method's signature: JSON-RPC knows them by their place, JSON-2 by their names.
    arguments: Vec<(&'static str, Value)>,
    /// By name in both.
    options: Vec<(&'static str, Value)>,
}

impl<'a> Call<'a> {
    /// A method of the model as such.
    pub(super) fn new(model: &'a str, method: &'static str) -> Self {
        Call { model, method, ids: None, arguments: Vec::new(), options: Vec::new() }
    }

    /// The method of some records.
    pub(super) fn on(model: &'a str, method: &'static str, ids: Vec<i64>) -> Self {
        Call { ids: Some(ids), ..Call::new(model, method) }
    }

    /// The next argument of the signature.
    pub(super) fn argument(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.arguments.push((name, value.into()));
        self
    }

    /// An argument that may stand anywhere.
    pub(super) fn option(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.options.push((name, value.into()));
        self
    }

    /// The request, in one piece.
    pub(super) fn request(self, client: &Client, url: &str, database: &str, session: &Session) -> RequestBuilder {
        let Session { uid, key, .. } = session;
        match session.api {
            OdooApi::JsonRpc => {
                let arguments = self.arguments.into_iter().map(|(_, value)| value);
                let args: Vec<Value> = self.ids.map(|ids| json!(ids)).into_iter().chain(arguments).collect();
                let args = json!([database, uid, key.expose(), self.model, self.method, args, named(self.options)]);
                rpc(client, url, "object", "execute_kw", args)
            }
            OdooApi::Json2 => {
                let mut body = named(self.arguments.into_iter().chain(self.options));
                if let Some(ids) = self.ids {
                    body.insert("ids".to_owned(), json!(ids));
                }
                let address = format!("{url}/json/2/{}/{}", self.model, self.method);
                post(client, address, &Value::Object(body))
                    .header(AUTHORIZATION, bearer(key.expose()))
                    .header("X-Odoo-Database", database)
            }
        }
    }
}

/// A request to one of the services of JSON-RPC.
pub(super) fn rpc(client: &Client, url: &str, service: &str, method: &str, args: Value) -> RequestBuilder {
    let params = json!({"service": service, "method": method, "args": args});
    let body = json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": params});
    post(client, format!("{url}/jsonrpc"), &body)
}

fn post(client: &Client, address: String, body: &Value) -> RequestBuilder {
    client.post(address).header(CONTENT_TYPE, "application/json").body(body.to_string())
}

/// The key as a header field. What no header field can hold is no key either, and is refused as an empty one is.
fn bearer(key: &str) -> HeaderValue {
    let mut value =
        HeaderValue::from_str(&format!("bearer {key}")).unwrap_or_else(|_| HeaderValue::from_static("bearer"));
    value.set_sensitive(true);
    value
}

fn named(arguments: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    arguments.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
