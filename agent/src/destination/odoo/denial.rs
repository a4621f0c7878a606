//! What keeps us out of a database, in a sentence for the person who can mend it.

use plantlink_config::{OdooDestination, SecretError};

use crate::chain::chain;
use crate::http;

/// What is wrong with who we are or where we want to go. No event is to blame.
#[derive(Debug)]
pub(crate) enum Denial {
    /// JSON-RPC checks both together, and does not say which is wrong.
    LoginOrKey,
    /// JSON-2 asks for no login.
    Key,
    /// The key is good, and another user's.
    Login { key_of: String },
    /// The server has no database of this name.
    Database,
    /// The database is in an earlier state than the one that was written to last, or another one.
    PutBack { external_id: String },
    /// The key cannot be read.
    KeyUnread(SecretError),
    /// No request can be made at all.
    Client(http::SetupError),
}

impl Denial {
    /// What is wrong, and what it may be.
    pub(super) fn told(&self, config: &OdooDestination) -> String {
        let OdooDestination { name, login, database, .. } = config;
        match self {
            Denial::LoginOrKey => format!(
                "Odoo refuses login `{login}` for database `{database}`: the login is wrong or archived, or the API key is \
                 wrong or has expired"
            ),
            Denial::Key => format!(
                "Odoo refuses the API key for database `{database}`: it is wrong or has expired, or its user (`{login}`) is \
                 archived"
            ),
            Denial::Login { key_of } => {
                format!("the API key is not of `{login}`, it is of `{key_of}`: correct `login`, or give the right key")
            }
            Denial::Database => format!(
                "Odoo's server has no database `{database}`: the name is wrong, or the database was removed or renamed"
            ),
            Denial::PutBack { external_id } => format!(
                "database `{database}` was restored from a backup, is a copy, or is another one: its marker `{external_id}` is \
                 not as it was written there last. Nothing is sent there. If it is the right database, \
                 `plantlink reconcile {name} --accept-database` goes on; with `--resend-gone` what it lacks is sent again"
            ),
            Denial::KeyUnread(error) => format!("cannot read the API key: {}", chain(error)),
            Denial::Client(error) => chain(error),
        }
    }
}
