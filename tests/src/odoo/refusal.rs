//! Error objects: HTTP 200 with the exception's name and its sentence, as JSON-RPC answers whatever went wrong.

use serde_json::{Value, json};

use super::database::User;
use super::fault::Language;
use super::schema::Model;

/// An exception that ended a call.
#[derive(Debug)]
pub(super) struct RpcError {
    name: &'static str,
    message: String,
}

impl RpcError {
    pub(super) fn new(name: &'static str, message: impl Into<String>) -> Self {
        RpcError { name, message: message.into() }
    }

    /// A wrong, removed or expired key, or an archived user: Odoo does not tell which.
    pub(super) fn access_denied() -> Self {
        RpcError::new("odoo.exceptions.AccessDenied", "Access Denied")
    }

    pub(super) fn value(message: String) -> Self {
        RpcError::new("builtins.ValueError", message)
    }

    /// Python's complaint about a value of the wrong type.
    pub(super) fn attribute(kind: &str, attribute: &str) -> Self {
        RpcError::new("builtins.AttributeError", format!("'{kind}' object has no attribute '{attribute}'"))
    }

    /// PostgreSQL cannot be reached, or has no such database.
    pub(super) fn database(reason: &str) -> Self {
        let message = format!("connection to server at \"127.0.0.1\", port 15432 failed: {reason}\n");
        RpcError::new("psycopg2.OperationalError", message)
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "code": 200,
            "message": "Odoo Server Error",
            "data": {
                "name": self.name,
                "debug": "Traceback (most recent call last):",
                "message": self.message,
                "arguments": [self.message],
                "context": {},
            },
        })
    }
}

/// What a user without the right to create is told; in a method's error object and in a `load` message alike.
pub(super) fn not_allowed(model: &Model) -> String {
    let refusal = &model.refusal;
    let groups: String = refusal.groups.iter().map(|group| format!("\t- {group}\n")).collect();
    format!(
        "You are not allowed to create '{}' ({}) records.\n\nThis operation is allowed for the following groups:\n{groups}\n\
         Contact your administrator to request access if necessary.",
        refusal.label, refusal.model,
    )
}

/// What a user is told for whom a record rule leaves no record to create: in the language of the user's preferences, whatever
/// the call asks for.
pub(super) fn barred(user: &User, model: &Model) -> String {
    let User { id, login, language, .. } = user;
    let name = model.name;
    match language {
        Language::English => format!(
            "Uh-oh! Looks like you have stumbled upon some top-secret records.\n\nSorry, {login} (id={id}) doesn't have 'create' \
             access to:\n- {} ({name})\n\nIf you really, really need access, perhaps you can win over your friendly \
             administrator with a batch of freshly baked cookies.",
            model.refusal.label,
        ),
        Language::German => format!(
            "Oh-oh! Es sieht so aus, als wären Sie über einige streng geheime Datensätze gestolpert.\n\nEs tut uns leid, {login} \
             (id={id}) hat keinen „erstellen“-Zugriff auf:\n- {} ({name})\n\nWenn Sie wirklich Zugriff benötigen, können Sie \
             Ihren freundlichen Administrator vielleicht mit einer Ladung frisch gebackener Kekse überzeugen.",
            label_in_german(model),
        ),
    }
}

/// As far as a recorded answer shows it.
fn label_in_german(model: &Model) -> &'static str {
    if model.name == "maintenance.request" { "Wartungsanfrage" } else { model.refusal.label }
}
