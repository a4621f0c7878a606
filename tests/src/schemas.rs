//! Every event and heartbeat against the schema that the program itself prints for it.

use std::collections::HashMap;
use std::process::Command;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::agent::program;
use crate::client::Message;

/// Under which the program has what the types of a plant's own have in common.
const OWN: &str = "*";

static HEARTBEAT: LazyLock<Validator> = LazyLock::new(|| compiled(&printed(&["--heartbeat"])));
static PLANT: LazyLock<Schemas> = LazyLock::new(|| Schemas::printed("plant"));
static CLOUDEVENTS: LazyLock<Schemas> = LazyLock::new(|| Schemas::printed("cloudevents"));

/// A validator for each type.
struct Schemas(HashMap<String, Validator>);

impl Schemas {
    fn printed(format: &str) -> Schemas {
        let all = printed(&["--events", "--json", "--format", format]);
        let all = all.as_object().expect("one schema for each type");
        Schemas(all.iter().map(|(event_type, schema)| (event_type.clone(), compiled(schema))).collect())
    }

    fn of(&self, event_type: &str) -> &Validator {
        self.0.get(event_type).or_else(|| self.0.get(OWN)).expect("a schema for every type")
    }
}

fn printed(options: &[&str]) -> Value {
    let output = Command::new(program()).arg("schema").args(options).output().expect("the program starts");
    serde_json::from_slice(&output.stdout).expect("the program prints JSON")
}

fn compiled(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).expect("a printed schema is one")
}

/// Fails when the message is an event or a heartbeat that its schema does not allow. What is neither is let pass.
///
/// # Panics
/// With the message and everything that is wrong with it.
pub fn assert_valid(message: &Message) {
    let Ok(said) = serde_json::from_slice::<Value>(&message.payload) else { return };
    let validator = match (said["event_type"].as_str(), said["type"].as_str()) {
        (Some(event_type), _) => PLANT.of(event_type),
        (None, Some(event_type)) if said.get("specversion").is_some() => CLOUDEVENTS.of(event_type),
        (None, _) if message.topic.ends_with("/heartbeat") => &HEARTBEAT,
        (None, _) => return,
    };
    let faults: Vec<String> =
        validator.iter_errors(&said).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{} is not as its schema says: {faults:#?}\n{said:#}", message.topic);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(event: &Value) -> Message {
        Message::new("central", event.to_string())
    }

    fn event() -> Value {
        let id = "0199c0de-7c1a-7f3e-9d1b-2f64b0a55c10";
        json!({
            "event_id": id, "event_type": "workorder.finished", "timestamp": "2026-11-20T08:15:30.125Z", "version": "1.0",
            "source": "mill-07/mes", "data": {"order": "MO/1", "good": 3},
            "metadata": {
                "correlation_id": id, "trace_id": "0199c0de7c1a7f3e9d1b2f64b0a55c10", "gateway": "gw", "flow": "all",
                "sequence": 1, "epoch": id, "recorded_at": "2026-11-20T08:15:30Z", "time_quality": "synced",
                "stage": "production",
            },
        })
    }

    #[test]
    fn an_event_as_it_should_be_passes_and_so_does_what_is_none() {
        assert_valid(&message(&event()));
        assert_valid(&message(&json!({"state": "online"})));
        assert_valid(&Message::new("central", "no JSON"));
    }

    #[test]
    fn each_wrong_part_of_an_event_is_found() {
        for (pointer, wrong) in [
            ("/event_id", json!("one")),
            ("/timestamp", json!("today")),
            ("/data/good", json!("3")),
            ("/data/order", Value::Null),
            ("/metadata/sequence", json!(0)),
            ("/metadata/stage", json!("testing")),
        ] {
            let mut event = event();
            *event.pointer_mut(pointer).unwrap() = wrong;
            let found = std::panic::catch_unwind(|| assert_valid(&message(&event)));
            assert!(found.is_err(), "{pointer} is wrong and passes");
        }
    }
}
