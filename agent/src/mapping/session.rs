//! The session at the broker: what a packet id has its meaning in.

use std::sync::Arc;

use plantlink_config::MqttSource;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Memory, Remembered, json};

/// What the broker keeps of us between connections.
#[derive(Debug)]
pub(super) struct Session {
    owner: String,
    state: State,
    /// The same as text, as the receipts on disk name it.
    name: Arc<str>,
    /// Whether [`Self::memory`] says the same as the disk.
    recorded: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    url: String,
    client_id: String,
    /// The buffer's, from which the last commits may be gone when it has another one than this: then what stands in it of the
    /// session is older than what the broker has been told.
    #[serde(default)]
    epoch: Uuid,
    /// Rises with each new session, whichever broker it is at. Before the first one 0.
    generation: u64,
    /// A packet id named two messages at a time.
    doubtful: bool,
}

impl Session {
    /// The session that the agent was in when it ended. Another broker and another client id are another one, and so is any
    /// that was remembered in another epoch of the buffer.
    pub(super) fn new(source: &MqttSource, epoch: Uuid, memory: &Memory) -> Self {
        let owner = format!("session/{}", &*source.name);
        let scheme = if source.link.tls.is_some() { "mqtts" } else { "mqtt" };
        let url = format!("{scheme}://{}:{}", source.link.host, source.link.port);
        let client_id = source.link.client_id.clone();
        let remembered: Option<State> = memory.get(&owner).and_then(|bytes| serde_json::from_slice(bytes).ok());
        let (state, recorded) = match remembered {
            Some(state) if state.url == url && state.client_id == client_id && state.epoch == epoch => (state, true),
            Some(another) => {
                (State { url, client_id, epoch, generation: another.generation + 1, doubtful: false }, false)
            }
            None => (State { url, client_id, epoch, generation: 0, doubtful: false }, false),
        };
        Session { owner, name: state.name(), state, recorded }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.state.doubtful
    }

    /// What the broker said of the session. When it is another one than the disk knows, gives what has to be on disk before
    /// the first message of it.
    pub(super) fn connected(&mut self, session_present: bool) -> Option<Remembered> {
        if !session_present {
            self.state.generation += 1;
            self.state.doubtful = false;
            self.name = self.state.name();
        } else if self.recorded {
            return None;
        }
        self.recorded = true;
        Some(self.memory())
    }

    /// From now on no receipt of it is believed.
    pub(super) fn doubt(&mut self) -> Remembered {
        self.state.doubtful = true;
        self.memory()
    }

    fn memory(&self) -> Remembered {
        (self.owner.clone(), Some(json(&self.state)))
    }
}

impl State {
    fn name(&self) -> Arc<str> {
        format!("{} {} {}", self.url, self.client_id, self.generation).into()
    }
}
