//! An event in one line, for people: when, what, whose, its data, and which flows take it.

use serde_json::Value;

/// The envelope, and what is said of its flows behind it.
pub(super) fn event_line(envelope: &Value, flows: &str) -> String {
    let text = |key: &str| envelope.get(key).and_then(Value::as_str).unwrap_or_default();
    let data = envelope.get("data").unwrap_or(&Value::Null);
    let quality =
        envelope.pointer("/metadata/quality").map_or_else(String::new, |quality| format!(" quality {quality}"));
    format!("{:<27} {:<22} {}  {data}{quality}  [{flows}]\n", text("timestamp"), text("event_type"), text("source"))
}
