//! `audit.recorded`: who has changed what the agent does or holds, for whoever has to prove it later.

use plantlink_buffer::{Event, ReadError, Reader, Stamp};
use serde_json::{Value, json};

use super::own_event;
use crate::mapping::Remembered;

const RECORDED: &str = "audit.recorded";
/// Where the hash of the last configuration is remembered.
const CONFIGURATION: &str = "configuration";

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Another configuration was taken up; the hashes are those of the files.
    Config { old: String, new: String, changed: Vec<String> },
    /// The backlog of a flow was given up, or dead letters were.
    Drop { what: String },
    /// Dead letters are offered again.
    Retry { letters: String },
    /// Delivered events of a flow are offered again.
    Replay { flow: String },
    /// What a destination confirmed was compared with what it holds.
    Reconcile { destination: String, resend_gone: bool, accept_database: bool },
}

impl Act {
    /// The event that tells of it.
    pub(crate) fn event(&self, by: &str, stamp: Stamp) -> Event {
        own_event(RECORDED, &self.data(by), stamp)
    }

    fn data(&self, by: &str) -> Value {
        let act = |action: &str, what: &str| json!({"action": action, "by": by, "changed": [what]});
        match self {
            Act::Config { old, new, changed } => {
                json!({"action": "config", "by": by, "old": old, "new": new, "changed": changed})
            }
            Act::Drop { what } => act("drop", what),
            Act::Retry { letters } => act("retry", letters),
            Act::Replay { flow } => act("replay", &format!("flow {flow}")),
            Act::Reconcile { destination, resend_gone, accept_database } => {
                let asked = [(*accept_database, "database accepted"), (*resend_gone, "what is gone is made again")];
                let asked = asked.iter().filter(|(is_asked, _)| *is_asked).map(|(_, words)| (*words).to_owned());
                let changed: Vec<String> = std::iter::once(format!("destination {destination}")).chain(asked).collect();
                json!({"action": "reconcile", "by": by, "changed": changed})
            }
        }
    }
}

/// What is remembered of a configuration from now on.
pub(crate) fn remembered(hash: &str) -> Remembered {
    (CONFIGURATION.to_owned(), Some(hash.as_bytes().to_vec()))
}

/// The hash of the configuration that was in force last; `None` before the first one.
pub(crate) fn last_configuration(reader: &Reader) -> Result<Option<String>, ReadError> {
    let row = reader.memory()?.into_iter().find(|(owner, _)| owner == CONFIGURATION);
    Ok(row.and_then(|(_, hash)| String::from_utf8(hash).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn each_act_has_what_the_catalogue_requires() {
        let flow = || "orders".to_owned();
        let config = Act::Config { old: "a".to_owned(), new: "b".to_owned(), changed: vec![flow()] };
        let reconcile = Act::Reconcile { destination: flow(), resend_gone: true, accept_database: false };
        let (drop, retry) = (Act::Drop { what: flow() }, Act::Retry { letters: flow() });
        for act in [config, drop, retry, Act::Replay { flow: flow() }, reconcile] {
            let event = act.event("root", Stamp { wall_us: 0, boottime_us: 0, synced: true });
            let data = serde_json::from_slice(&event.data).unwrap();
            assert!(catalog::check(RECORDED, &data).is_ok(), "{data:?}");
        }
    }
}
