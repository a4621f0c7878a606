//! JSON-2, Odoo's API from version 19 on: a method by its address, arguments by name, and what went wrong by its status.

use serde_json::{Map, Value, json};

use super::database::{Database, User};
use super::page;
use super::refusal::RpcError;
use super::rpc::{Circumstances, Execute, run};
use crate::http::{self, Response};

/// Where the API is.
pub(super) const PREFIX: &str = "/json/2/";

/// A request to one method, as far as it could be read.
#[derive(Debug)]
pub(super) struct Request {
    execute: Execute,
    database: Option<String>,
    key: String,
}

impl Request {
    /// Reads address, header fields and body; the answer to a request that is none.
    pub(super) fn read(request: &http::Request) -> Result<Request, Response> {
        if !request.header("content-type").starts_with("application/json") {
            return Err(page::not_json2());
        }
        // Without a length the body is not looked at.
        let body = if !request.header("transfer-encoding").is_empty() { b"{}" } else { request.body.as_slice() };
        let arguments: Map<String, Value> = serde_json::from_slice(body).map_err(|_| {
            let why = match body.first() {
                Some(b'{') => "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
                Some(_) | None => "Expecting value: line 1 column 1 (char 0)",
            };
            page::json2_error(
                400,
                "werkzeug.exceptions.BadRequest",
                &format!("could not parse the body as json: {why}"),
            )
        })?;
        let path = request.target.split('?').next().unwrap_or_default();
        let (model, method) = path.strip_prefix(PREFIX).and_then(|path| path.split_once('/')).unwrap_or_default();
        let execute =
            Execute { model: model.to_owned(), method: method.to_owned(), args: Vec::new(), kwargs: arguments };
        let (_, key) = request.header("authorization").split_once(' ').unwrap_or_default();
        let database = Some(request.header("x-odoo-database")).filter(|name| !name.is_empty());
        Ok(Request { execute, database: database.map(str::to_owned), key: key.to_owned() })
    }

    /// The call on a model.
    pub(super) fn execute(&self) -> Execute {
        self.execute.clone()
    }

    /// The whole answer.
    pub(super) fn answer(&self, database: &mut Database, circumstances: Circumstances) -> Response {
        if !database.up || self.database.as_ref().is_some_and(|name| *name != database.name) {
            return page::no_database();
        }
        let Some(user) = self.user(database) else {
            return page::json2_error(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey");
        };
        match self.call(database, &user, circumstances) {
            Ok(result) => page::json2(&result.unwrap_or_default()),
            Err(error) => Self::refuse(&error),
        }
    }

    /// An exception in place of a result.
    pub(super) fn refuse(error: &RpcError) -> Response {
        let (name, message) = (error.name(), error.message());
        let is_absent = message.starts_with("The method '") || message.starts_with("the model '");
        let (status, name) = match name {
            _ if is_absent => (404, "werkzeug.exceptions.NotFound"),
            "odoo.exceptions.MissingError" => (404, name),
            "odoo.exceptions.AccessError" => (403, name),
            "odoo.exceptions.UserError" | "odoo.exceptions.ValidationError" => (422, name),
            "werkzeug.exceptions.UnprocessableEntity" => (422, name),
            _ => (500, name),
        };
        page::json2_error(status, name, message)
    }

    fn call(
        &self,
        database: &mut Database,
        user: &User,
        circumstances: Circumstances,
    ) -> Result<Option<Value>, RpcError> {
        let Execute { model, method, kwargs, .. } = &self.execute;
        if !database.knows(model) {
            return Err(RpcError::new("werkzeug.exceptions.NotFound", format!("the model '{model}' does not exist")));
        }
        if method.starts_with('_') || method == "check_access" {
            let message = format!("Private methods (such as '{model}.{method}') cannot be called remotely.");
            return Err(RpcError::new("odoo.exceptions.AccessError", message));
        }
        let required: &[&str] = if method == "load" { &["fields", "data"] } else { &[] };
        if let Some(missing) = required.iter().find(|name| !kwargs.contains_key(**name)) {
            let message = format!("missing a required argument: '{missing}'");
            return Err(RpcError::new("werkzeug.exceptions.UnprocessableEntity", message));
        }
        run(database, user, &self.execute, circumstances)
    }

    /// The key tells who it is. An archived user's is no key.
    fn user(&self, database: &Database) -> Option<User> {
        database.users.iter().find(|user| user.key == self.key).filter(|user| user.active).cloned()
    }
}

/// An exception as the body of an answer that has no other.
pub(super) fn exception(status: u16, name: &str, message: &str) -> Value {
    // Odoo's web framework keeps the status among an exception's arguments.
    let arguments = if name.starts_with("werkzeug.") { json!([message, status]) } else { json!([message]) };
    json!({
        "name": name,
        "message": message,
        "arguments": arguments,
        "context": {},
        "debug": "Traceback (most recent call last):",
    })
}
