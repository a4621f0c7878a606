//! Requests to Odoo, written as bytes so that nothing lies between a recorded exchange and the server.

use plantlink_tests::odoo::Odoo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back, unparsed.
pub(crate) struct Answer {
    pub(crate) raw: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.raw.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.raw.split("\r\n\r\n").next()?;
        head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(crate) fn body(&self) -> &str {
        self.raw.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_default()
    }
}

/// Sends one request on a connection of its own and reads until the server closes.
pub(crate) async fn send(url: String, head: String, body: String) -> Answer {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("Odoo listens");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("Odoo reads");
    let mut raw = String::new();
    stream.read_to_string(&mut raw).await.expect("Odoo closes in good order");
    Answer { raw }
}

pub(crate) fn post() -> String {
    "POST /jsonrpc HTTP/1.1\r\nHost: odoo.example:8069\r\nContent-Type: application/json\r\n".to_owned()
}

pub(crate) async fn deliver(odoo: &Odoo, row: Value, context: Value) -> Value {
    let body = load("maintenance.request", json!(["id", "name"]), vec![row], context);
    send(odoo.url(), post(), body.to_string()).await.json()
}

pub(crate) fn load(model: &str, columns: Value, rows: Vec<Value>, context: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": "object", "method": "execute_kw",
        "args": ["lab18", 6, "REDACTED", model, "load", [columns, rows], {"context": context}]}})
}

pub(crate) fn create_once() -> Value {
    json!({"mode": "update", "noupdate": true, "tz": "UTC", "lang": "en_US", "tracking_disable": true})
}
