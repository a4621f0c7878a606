//! JSON-RPC: the services `common` and `object`, up to the method that is called.

use serde_json::{Map, Value, json};

use super::database::{Database, Snapshot, User};
use super::load::Load;
use super::refusal::RpcError;
use super::{button, method, models};

/// A request to `/jsonrpc`, as far as it could be read.
#[derive(Debug, Clone)]
pub(super) struct Request {
    id: Value,
    service: String,
    method: String,
    args: Vec<Value>,
}

/// One `execute_kw`: the model, its method and the arguments.
#[derive(Debug, Clone)]
pub(super) struct Execute {
    pub(super) model: String,
    pub(super) method: String,
    pub(super) args: Vec<Value>,
    pub(super) kwargs: Map<String, Value>,
}

impl Execute {
    pub(super) fn argument(&self, position: usize, name: &str) -> Value {
        self.args.get(position).or_else(|| self.kwargs.get(name)).cloned().unwrap_or_default()
    }

    pub(super) fn is_load(&self) -> bool {
        self.method == "load"
    }
}

/// What surrounds a call: when it began and how races end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    pub(super) snapshot: Snapshot,
    pub(super) conflict: &'static str,
    pub(super) every_row_lost: bool,
}

impl Request {
    /// Reads the body; `None` when it is no JSON object.
    pub(super) fn read(body: &[u8]) -> Option<Request> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Request {
            id: body.get("id")?.clone(),
            service: text("/params/service"),
            method: text("/params/method"),
            args: body.pointer("/params/args").and_then(Value::as_array).cloned().unwrap_or_default(),
        })
    }

    /// The call on a model, when this is one.
    pub(super) fn execute(&self) -> Option<Execute> {
        let [_, _, _, model, method, rest @ ..] = self.args.as_slice() else { return None };
        (self.service == "object" && self.method == "execute_kw").then(|| Execute {
            model: model.as_str().unwrap_or_default().to_owned(),
            method: method.as_str().unwrap_or_default().to_owned(),
            args: rest.first().and_then(Value::as_array).cloned().unwrap_or_default(),
            kwargs: rest.get(1).and_then(Value::as_object).cloned().unwrap_or_default(),
        })
    }

    /// The whole answer. A method that returns nothing leaves `result` away.
    pub(super) fn answer(&self, database: &mut Database, circumstances: Circumstances) -> Value {
        let mut answer = json!({"jsonrpc": "2.0", "id": self.id});
        match self.call(database, circumstances) {
            Ok(Some(result)) => answer["result"] = result,
            Ok(None) => {}
            Err(error) => answer["error"] = error.to_json(),
        }
        answer
    }

    /// An error object in place of a result, whatever was asked.
    pub(super) fn refuse(&self, error: &RpcError) -> Value {
        json!({"jsonrpc": "2.0", "id": self.id, "error": error.to_json()})
    }

    fn call(&self, database: &mut Database, circumstances: Circumstances) -> Result<Option<Value>, RpcError> {
        if self.service == "common" && self.method == "version" {
            return Ok(Some(json!({
                "server_version": "18.0-20250421",
                "server_version_info": [18, 0, 0, "final", 0, ""],
                "server_serie": "18.0",
                "protocol_version": 1,
            })));
        }
        self.open(database)?;
        if self.service == "common" && self.method == "authenticate" {
            return Ok(Some(self.authenticate(database)));
        }
        let Some(execute) = self.execute() else {
            return Err(RpcError::new("builtins.AttributeError", format!("Method not found: {}", self.method)));
        };
        let user = self.user(database)?;
        if !database.knows(&execute.model) {
            return Err(RpcError::new("odoo.exceptions.UserError", format!("Object {} doesn't exist", execute.model)));
        }
        run(database, &user, &execute, circumstances)
    }

    /// Odoo opens the database that the call names before it looks at anything else.
    fn open(&self, database: &Database) -> Result<(), RpcError> {
        if !database.up {
            return Err(RpcError::database(
                "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
            ));
        }
        let name = self.args.first().and_then(Value::as_str).unwrap_or_default();
        if name != database.name {
            return Err(RpcError::database(&format!("FATAL:  database \"{name}\" does not exist")));
        }
        Ok(())
    }

    fn authenticate(&self, database: &Database) -> Value {
        let text = |at: usize| self.args.get(at).and_then(Value::as_str).unwrap_or_default();
        let found = database.users.iter().find(|user| user.active && user.login == text(1) && user.key == text(2));
        found.map_or(Value::Bool(false), |user| Value::from(user.id))
    }

    fn user(&self, database: &Database) -> Result<User, RpcError> {
        let id = self.args.get(1).and_then(Value::as_i64);
        let key = self.args.get(2).and_then(Value::as_str);
        let found =
            database.users.iter().find(|user| user.active && Some(user.id) == id && Some(user.key.as_str()) == key);
        found.cloned().ok_or_else(RpcError::access_denied)
    }
}

/// What a method of a model comes to.
pub(super) fn run(
    database: &mut Database,
    user: &User,
    execute: &Execute,
    circumstances: Circumstances,
) -> Result<Option<Value>, RpcError> {
    let absent = || {
        let name = format!("The method '{}.{}' does not exist", execute.model, execute.method);
        RpcError::new("builtins.AttributeError", name)
    };
    let model = models::model(&execute.model).ok_or_else(absent)?;
    if execute.is_load() {
        let columns: Vec<String> = serde_json::from_value(execute.argument(0, "fields")).unwrap_or_default();
        let rows: Vec<Vec<Value>> = serde_json::from_value(execute.argument(1, "data")).unwrap_or_default();
        let context = execute.kwargs.get("context").and_then(Value::as_object).cloned().unwrap_or_default();
        let Circumstances { snapshot, conflict, every_row_lost } = circumstances;
        let load =
            Load { model, user, columns: &columns, rows: &rows, context: &context, snapshot, conflict, every_row_lost };
        return load.run(database).map(Some);
    }
    if let Some(found) = method::run(database, user, model, execute) {
        return found.map(Some);
    }
    button::press(database, execute).ok_or_else(absent)
}
