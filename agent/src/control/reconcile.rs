//! Asking a destination to compare what it confirmed with what it holds.

use plantlink_buffer::{Append, Work};
use plantlink_config::{Name, Stage};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::chain::chain;
use crate::destination::odoo::{Desk, Wish};
use crate::own_event::audit::Act;
use crate::store::{Stopped, Store};

/// What is to be compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reconcile {
    pub(crate) destination: String,
    #[serde(flatten)]
    pub(crate) wish: Wish,
}

/// The destinations that can compare. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reconcilers(Vec<(Name, Desk)>);

impl Reconcilers {
    pub(crate) fn new(desks: Vec<(Name, Desk)>) -> Self {
        Reconcilers(desks)
    }

    /// Has it done, however long that takes; it is on record before.
    pub(super) async fn answer(&self, reconcile: &Reconcile, by: &str, store: &Store) -> Value {
        let Some((name, desk)) = self.0.iter().find(|(name, _)| **name == *reconcile.destination) else {
            let known: Vec<&str> = self.0.iter().map(|(name, _)| &**name).collect();
            let there_are = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
            let error = format!("{} is no Odoo destination of the agent ({there_are})", reconcile.destination);
            return json!({ "error": error });
        };
        if let Err(error) = record(reconcile, by, store).await {
            return json!({ "error": chain(&error) });
        }
        match desk.ask(reconcile.wish).await {
            Some(Ok(reconciled)) => match serde_json::to_value(reconciled) {
                Ok(Value::Object(told)) => {
                    let named = [("destination".to_owned(), json!(name))];
                    Value::Object(named.into_iter().chain(told).collect())
                }
                Ok(other) => other,
                Err(error) => json!({ "error": error.to_string() }),
            },
            Some(Err(error)) => json!({ "error": chain(&error) }),
            None => json!({ "error": format!("{name} is stopping") }),
        }
    }
}

async fn record(reconcile: &Reconcile, by: &str, store: &Store) -> Result<(), Stopped> {
    let Reconcile { destination, wish: Wish { resend_gone, accept_database, .. } } = reconcile;
    let act = Act::Reconcile {
        destination: destination.clone(),
        resend_gone: *resend_gone,
        accept_database: *accept_database,
    };
    let events = store.routed(vec![act.event(by, store.clock().now())], Stage::Production);
    store.commit(Work::Append(Append { events, ..Append::default() })).await.map(drop)
}
