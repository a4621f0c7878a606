//! What an answer means: pure, from bytes to what the sender does next.
//!
//! Odoo tells a lost race, a missing right and a bad row in the same shape: HTTP 200, `ids: false` and messages about rows. The
//! shapes and sentences here were recorded from servers of version 18 and 19. JSON-RPC tells what went wrong inside HTTP 200,
//! JSON-2 by a status with the same exception as its body.

use std::time::Duration;

use plantlink_config::OdooApi;
use serde::Deserialize;
use serde_json::Value;

use super::api::{Pressed, Referent};
use super::denial::Denial;
use super::race;
use super::rule::Writer;
use crate::destination::Cause;
use crate::http::Answer;

/// How Odoo begins the refusal of a user who lacks a right; the create-once context asks for English.
const NO_RIGHT: &str = "You are not allowed to ";
/// How Odoo says that an external id leads nowhere; it is not translated.
const NO_REFERENCE: &str = "External ID not found in the system";
/// How `load` says that a cell names no record, in the English that the context asks for; the cell follows in quotes.
const NO_MATCH: &str = "No matching record found for ";
/// The most of a foreign text that goes into a reason, in characters.
const QUOTED_MAX: usize = 500;

/// What kept a call from being done.
#[derive(Debug)]
pub(crate) enum Setback {
    /// Another transaction was in the way, and the rows have nothing to do with it. `certain` when the words say so, not the
    /// shape alone.
    Race { certain: bool, reason: String },
    /// The rows are suspected; which of them, and whether any, shows only when it is refused alone.
    Refused { reason: String },
    /// A record rule stands before every row that was looked at, for what is in them or for who writes them.
    Barred { reason: String },
    /// Something before Odoo does not let a request of this size through.
    TooLarge,
    /// The connection ended or the time ran out, for us or for a proxy: done or not done. It may be that the call was too much
    /// for Odoo.
    Unanswered(Cause),
    /// No answer of Odoo's own; nothing is known.
    Unreachable(Cause),
    /// The server asks for patience.
    Busy { retry_after: Option<Duration> },
    /// We are not let into the database, whatever we ask.
    Denied(Denial),
    /// Nothing about the rows is wrong, and only a person can mend it.
    Paused { reason: String },
}

/// Why an answer is none of Odoo's.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("the server redirects to {location}: `url` is not the address of an Odoo, or it has not this API")]
    Redirect { location: String },
    #[error("the server answers {status} with a page: a proxy, a maintenance page or a wrong `url`")]
    Page { status: u16 },
    #[error("a proxy before Odoo answers {status}: Odoo is down, or it took too long over the call")]
    Gateway { status: u16 },
    #[error("the server answers {status}: {text}")]
    Status { status: u16, text: String },
    #[error("the answer is not Odoo's: {text}")]
    NotOdoo { text: String },
    #[error("Odoo cannot use its database: {text}")]
    Database { text: String },
    #[error("Odoo answers {answered} ids for {rows} rows")]
    Ids { answered: usize, rows: usize },
    #[error("Odoo answers something else than was asked for: {text}")]
    Shape { text: String },
    #[error("Odoo failed with {name}: {text}")]
    Exception { name: String, text: String },
}

#[derive(Deserialize)]
struct Rpc {
    #[serde(rename = "jsonrpc")]
    _version: String,
    /// A method that returns nothing leaves it away.
    #[serde(default)]
    result: Value,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    #[serde(default)]
    message: String,
    data: Option<Exception>,
}

/// An exception of Odoo's, by the name of its Python class.
#[derive(Deserialize)]
struct Exception {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Loaded {
    /// A list as long as the rows, or `false`.
    ids: Value,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    message: String,
    field: Option<Value>,
}

/// What `common.authenticate` came to: the user's id.
pub(super) fn of_login(answer: &Answer) -> Result<i64, Setback> {
    let result = of_call(OdooApi::JsonRpc, answer)?;
    if result == Value::Bool(false) {
        return Err(Setback::Denied(Denial::LoginOrKey));
    }
    result.as_i64().ok_or_else(|| unreachable(NoAnswer::Shape { text: quoted(&result.to_string()) }))
}

/// Where `check_object_reference` says that an external id leads. A model without an id is no record that we could see: Odoo
/// remembers for a while the external ids of rows that it has refused.
pub(super) fn of_reference(result: Result<Value, Setback>) -> Result<Option<Referent>, Setback> {
    let result = match result {
        Err(Setback::Refused { reason }) if reason.starts_with(NO_REFERENCE) => return Ok(None),
        answered => answered?,
    };
    let found = match result.as_array().map(Vec::as_slice) {
        Some([Value::String(_), Value::Bool(false)]) => return Ok(None),
        Some([model, id]) => model.as_str().zip(id.as_i64()),
        Some(_) | None => None,
    };
    let found = found.map(|(model, id)| Referent { model: model.to_owned(), id });
    found.map(Some).ok_or_else(|| unreachable(NoAnswer::Shape { text: quoted(&result.to_string()) }))
}

/// What the result of a button means. Some return nothing when they are done.
pub(super) fn of_button(result: &Value) -> Pressed {
    match result {
        Value::Null | Value::Bool(true) => Pressed::Done,
        Value::Object(action) => {
            Pressed::Answers(action.get("name").and_then(Value::as_str).unwrap_or("an action").to_owned())
        }
        Value::Bool(false) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Pressed::Answers(quoted(&result.to_string()))
        }
    }
}

/// The cell of a refused row that names a record which is not there, if that is what the row was refused for.
pub(super) fn names_nothing(reason: &str) -> Option<&str> {
    let (_, cell) = reason.strip_prefix(NO_MATCH)?.split_once('\'')?;
    cell.split_once("' in field '").map(|(cell, _)| cell)
}

/// What the result of a `load` of so many rows means. Done is a list of as many ids, and nothing less.
pub(super) fn of_load(result: Value, rows: usize, writer: Writer<'_>) -> Result<Vec<i64>, Setback> {
    let text = quoted(&result.to_string());
    let Ok(loaded) = serde_json::from_value::<Loaded>(result) else {
        return Err(unreachable(NoAnswer::Shape { text }));
    };
    match loaded.ids {
        Value::Array(ids) => {
            let known: Vec<i64> = ids.iter().filter_map(Value::as_i64).collect();
            if ids.len() == rows && known.len() == rows {
                return Ok(known);
            }
            Err(unreachable(NoAnswer::Ids { answered: ids.len(), rows }))
        }
        Value::Bool(false) => Err(of_messages(&loaded.messages, writer)),
        Value::Null | Value::Bool(true) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Err(unreachable(NoAnswer::Shape { text }))
        }
    }
}

/// What a call of any method came to: its result, `null` when it has none.
pub(super) fn of_call(api: OdooApi, answer: &Answer) -> Result<Value, Setback> {
    let Answer { status, retry_after, used_up: _, location, body } = answer;
    let text = || quoted(&String::from_utf8_lossy(body));
    Err(match (*status, api) {
        (200, _) if is_page(body) => unreachable(NoAnswer::Page { status: 200 }),
        (200, OdooApi::Json2) => match serde_json::from_slice(body) {
            Ok(result) => return Ok(result),
            Err(_) => unreachable(NoAnswer::NotOdoo { text: text() }),
        },
        (200, OdooApi::JsonRpc) => match serde_json::from_slice::<Rpc>(body) {
            Ok(Rpc { error: None, result, .. }) => return Ok(result),
            Ok(Rpc { error: Some(RpcError { data: Some(exception), .. }), .. }) => of_exception(exception),
            Ok(Rpc { error: Some(RpcError { data: None, message }), .. }) => {
                of_exception(Exception { name: String::new(), message })
            }
            Err(_) => unreachable(NoAnswer::NotOdoo { text: text() }),
        },
        (300..=399, _) => {
            let location = location.clone().unwrap_or_else(|| "another address".to_owned());
            unreachable(NoAnswer::Redirect { location })
        }
        (413, _) => Setback::TooLarge,
        (429 | 503, _) => Setback::Busy { retry_after: *retry_after },
        // A proxy says so when Odoo is down, and in place of a worker that died at a call or takes too long over it.
        (502 | 504, _) => Setback::Unanswered(NoAnswer::Gateway { status: *status }.into()),
        (404, OdooApi::Json2) if is_no_database_page(body) => Setback::Denied(Denial::Database),
        (status, _) if is_page(body) => unreachable(NoAnswer::Page { status }),
        (status, OdooApi::Json2) => match serde_json::from_slice::<Exception>(body) {
            Ok(exception) if !exception.name.is_empty() => of_exception(exception),
            Ok(_) | Err(_) => unreachable(NoAnswer::Status { status, text: text() }),
        },
        (status, OdooApi::JsonRpc) => unreachable(NoAnswer::Status { status, text: text() }),
    })
}

fn of_messages(messages: &[Message], writer: Writer<'_>) -> Setback {
    let errors: Vec<&Message> = messages.iter().filter(|message| message.kind == "error").collect();
    let Some(first) = errors.first() else {
        return Setback::Refused { reason: "Odoo refused without a reason".to_owned() };
    };
    let reason = quoted(&first.message);
    if errors.iter().all(|error| error.message.starts_with(NO_RIGHT)) {
        return Setback::Paused { reason };
    }
    if errors.iter().all(|error| error.field.is_none() && writer.is_barred_by(&error.message)) {
        return Setback::Barred { reason };
    }
    let one_text = errors.iter().all(|error| error.message == first.message && error.field.is_none());
    let certain = race::is_told_by(&first.message);
    // In every language PostgreSQL's sentence ends in a line break, and belongs to no field.
    if one_text && (certain || first.message.ends_with('\n')) {
        return Setback::Race { certain, reason };
    }
    Setback::Refused { reason }
}

fn of_exception(exception: Exception) -> Setback {
    let Exception { name, message } = exception;
    let text = quoted(&message);
    match name.as_str() {
        "odoo.exceptions.AccessDenied" => Setback::Denied(Denial::LoginOrKey),
        "werkzeug.exceptions.Unauthorized" => Setback::Denied(Denial::Key),
        // The model does not exist, the user may not, or the call as such is not accepted.
        "odoo.exceptions.AccessError" | "odoo.exceptions.UserError" | "werkzeug.exceptions.NotFound" => {
            Setback::Paused { reason: text }
        }
        name if race::is_exception(name) => Setback::Race { certain: true, reason: text },
        "builtins.ValueError" if message.starts_with("Invalid field name") => Setback::Paused { reason: text },
        // What Odoo's own code or the data brought about; what PostgreSQL refuses to store.
        name if name.starts_with("odoo.exceptions.") || name.starts_with("builtins.") => {
            Setback::Refused { reason: text }
        }
        name if name.ends_with("Violation") || name.ends_with("IntegrityError") || name.ends_with("DataError") => {
            Setback::Refused { reason: text }
        }
        name if name.starts_with("psycopg2.") && is_no_database(&message) => Setback::Denied(Denial::Database),
        name if name.starts_with("psycopg2.") => unreachable(NoAnswer::Database { text }),
        name => unreachable(NoAnswer::Exception { name: name.to_owned(), text }),
    }
}

/// PostgreSQL's words, where its messages are English. In other languages it is a database that cannot be used, like any other.
fn is_no_database(message: &str) -> bool {
    message.contains("FATAL:  database \"") && message.trim_end().ends_with("\" does not exist")
}

/// Odoo's own page for a request to JSON-2 that it can bring to no database.
fn is_no_database_page(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("X-Odoo-Database")
}

fn unreachable(why: NoAnswer) -> Setback {
    Setback::Unreachable(why.into())
}

fn is_page(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

/// A foreign text as a reason: on its own lines as it came, but not longer than a person reads.
fn quoted(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
