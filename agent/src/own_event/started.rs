//! `agent.started`: which release runs now, and why it had to start.

use plantlink_buffer::{ReadError, Reader};
use plantlink_config::Stage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::own_event;
use crate::clock::boot_id;
use crate::mapping::Entry;
use crate::opened::{Opened, Stop};
use crate::premises::Premises;
use crate::run::RunError;

const STARTED: &str = "agent.started";
/// Where the last start is remembered.
const OWNER: &str = "started";

/// A start of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Start {
    version: String,
    /// The kernel's id of the boot.
    boot: String,
}

/// Records this start.
pub(crate) async fn tell(premises: &Premises, opened: &Opened) -> Result<(), RunError> {
    let last = premises.read(|reader| last(&reader)).await?;
    let start = Start { version: env!("CARGO_PKG_VERSION").to_owned(), boot: boot_id() };
    let data = data(&start, last.as_ref(), opened, premises.site.epoch);
    let entry = Entry {
        events: vec![own_event(STARTED, &data, premises.store.clock().now())],
        stage: Stage::Production,
        memory: vec![(OWNER.to_owned(), Some(json!(start).to_string().into_bytes()))],
        ..Entry::of_agent()
    };
    Ok(premises.store.append(entry).await?)
}

fn last(reader: &Reader) -> Result<Option<Start>, ReadError> {
    let row = reader.memory()?.into_iter().find(|(owner, _)| owner == OWNER);
    Ok(row.and_then(|(_, start)| serde_json::from_slice(&start).ok()))
}

fn data(start: &Start, last: Option<&Start>, opened: &Opened, epoch: Uuid) -> Value {
    let clean = match opened.last_stop {
        Stop::Never | Stop::Clean => true,
        Stop::Crash | Stop::LogLost => false,
    };
    let cause = match last {
        Some(last) if last.version != start.version => "update",
        Some(last) if last.boot == start.boot && clean => "restart",
        Some(last) if last.boot == start.boot => "crash",
        Some(_) | None => "boot",
    };
    let mut data = json!({"version": start.version, "cause": cause, "clean": clean, "epoch": epoch});
    if let Some(last) = last {
        data["previous_version"] = json!(last.version);
    }
    if opened.salvaged.is_some() {
        data["salvaged"] = json!(true);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn the_cause_is_the_release_else_the_boot_else_how_the_last_run_ended() {
        let start = |version: &str, boot: &str| Start { version: version.to_owned(), boot: boot.to_owned() };
        let now = start("1.1.0", "second");
        for (last, last_stop, cause, clean) in [
            (None, Stop::Never, "boot", true),
            (Some(start("1.0.0", "second")), Stop::Clean, "update", true),
            (Some(start("1.0.0", "first")), Stop::Crash, "update", false),
            (Some(start("1.1.0", "first")), Stop::Crash, "boot", false),
            (Some(start("1.1.0", "first")), Stop::Clean, "boot", true),
            (Some(start("1.1.0", "second")), Stop::Clean, "restart", true),
            (Some(start("1.1.0", "second")), Stop::Crash, "crash", false),
            (Some(start("1.1.0", "second")), Stop::LogLost, "crash", false),
        ] {
            let data = data(&now, last.as_ref(), &Opened { last_stop, salvaged: None }, Uuid::nil());
            assert_eq!((data["cause"].as_str(), data["clean"].as_bool()), (Some(cause), Some(clean)), "{last:?}");
            assert_eq!(data["previous_version"].as_str(), last.as_ref().map(|last| &*last.version));
            let Value::Object(data) = data else { panic!("it is an object") };
            assert!(catalog::check(STARTED, &data).is_ok(), "{data:?}");
        }
    }
}
