//! The Modbus lines that the agent holds, for who wants to know what is on one of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::source::modbus::{Desk, Question, Reply};

/// Shorter than the time limit of the asking command, so that it is told why.
const REPLY_WITHIN: Duration = Duration::from_secs(8);

/// The lines by their addresses, as the configuration spells them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lines(Vec<(String, Desk)>);

impl Lines {
    pub(crate) fn new(held: Vec<(String, Desk)>) -> Self {
        Lines(held)
    }

    /// Whether a line is held, and with a question what came of that.
    pub(super) async fn answer(&self, address: &str, question: Option<Question>) -> Value {
        let held = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(address));
        match (held, question) {
            (held, None) => json!({ "held": held.is_some() }),
            (None, Some(_)) => json!({ "error": format!("the agent does not hold {address}") }),
            (Some((_, desk)), Some(question)) => match tokio::time::timeout(REPLY_WITHIN, desk.ask(question)).await {
                Ok(Some(reply)) => reply_json(&reply),
                Ok(None) => json!({ "error": "the agent is stopping" }),
                Err(_elapsed) => json!({
                    "error": format!("the agent holds {address} and cannot use it now; `plantlink status` says why")
                }),
            },
        }
    }
}

fn reply_json(reply: &Reply) -> Value {
    serde_json::to_value(reply).unwrap_or_else(|error| json!({ "error": error.to_string() }))
}
