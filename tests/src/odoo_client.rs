//! Somebody else at an Odoo: requests written as bytes, so that nothing lies between them and the server, and calls over JSON-RPC.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Whoever calls, and where.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `http://address:port`.
    pub url: String,
    /// The database.
    pub database: String,
    /// The user.
    pub login: String,
    /// The user's API key.
    pub key: String,
}

impl Caller {
    /// The user's id, as every other call needs it.
    ///
    /// # Panics
    /// When Odoo does not answer.
    pub async fn authenticate(&self) -> Value {
        self.ask("common", "authenticate", json!([self.database, self.login, self.key, {}])).await
    }

    /// Calls a method of a model as the user with this id, and gives its result.
    ///
    /// # Panics
    /// When Odoo refuses it, or does not answer.
    pub async fn call(&self, uid: &Value, model: &str, method: &str, args: Value, kwargs: Value) -> Value {
        self.ask("object", "execute_kw", json!([self.database, uid, self.key, model, method, args, kwargs])).await
    }

    async fn ask(&self, service: &str, method: &str, args: Value) -> Value {
        let params = json!({"service": service, "method": method, "args": args});
        let body = json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": params});
        let answer = send(self.url.clone(), post(), body.to_string()).await;
        let json = answer.json();
        assert!(json.get("result").is_some(), "{} refuses {service}.{method}: {}", self.url, answer.raw);
        json["result"].clone()
    }
}

/// What came back, unparsed.
pub struct Answer {
    /// Head and body, as they came.
    pub raw: String,
}

impl Answer {
    /// The status code; 0 when nothing came.
    pub fn status(&self) -> u16 {
        self.raw.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// A field of the head, its name written as it came.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.raw.split("\r\n\r\n").next()?;
        head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// What follows the head.
    pub fn body(&self) -> &str {
        self.raw.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// The body as JSON; nothing when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_default()
    }
}

/// Sends one request on a connection of its own and reads until the server closes.
///
/// # Panics
/// When the server cannot be reached or does not close in good order.
pub async fn send(url: String, head: String, body: String) -> Answer {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("Odoo listens");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("Odoo reads");
    let mut raw = String::new();
    stream.read_to_string(&mut raw).await.expect("Odoo closes in good order");
    Answer { raw }
}

/// The head of a call over JSON-RPC, as far as it is the same for all.
pub fn post() -> String {
    "POST /jsonrpc HTTP/1.1\r\nHost: odoo.example:8069\r\nContent-Type: application/json\r\n".to_owned()
}
