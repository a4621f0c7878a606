//! Which flows take an event: decided once, when it is recorded.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use plantlink_buffer::FlowId;
use plantlink_config::{Flow, Name, Stage};

/// By event type, source and the source's stage.
type Decided<Id> = HashMap<(Arc<str>, Arc<str>, Stage), Arc<[Id]>>;

/// The flows in the order of the file, and what they decided for the types and sources seen so far. Without a buffer they
/// have other ids than the buffer's.
pub(crate) struct Routes<Id = FlowId> {
    flows: Vec<(Id, Flow)>,
    /// Stays small: types and sources come from the configuration, but for the nodes and devices of Sparkplug, which are only so many.
    decided: Mutex<Decided<Id>>,
}

impl<Id: Copy> Routes<Id> {
    pub(crate) fn new(flows: Vec<(Id, Flow)>) -> Self {
        Routes { flows, decided: Mutex::default() }
    }

    /// At most one flow for each destination: the first that matches.
    pub(crate) fn of(&self, event_type: &Arc<str>, source: &Arc<str>, stage: Stage) -> Arc<[Id]> {
        self.decided
            .lock()
            .entry((event_type.clone(), source.clone(), stage))
            .or_insert_with(|| self.decide(event_type, source, stage))
            .clone()
    }

    fn decide(&self, event_type: &str, source: &str, stage: Stage) -> Arc<[Id]> {
        let mut served: Vec<&Name> = Vec::new();
        let mut taken = Vec::new();
        for (id, flow) in &self.flows {
            if flow.takes(event_type, source, stage) && !served.contains(&&flow.to) {
                served.push(&flow.to);
                taken.push(*id);
            }
        }
        taken.into()
    }
}
