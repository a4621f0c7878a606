//! Which flows take an event: decided once, when it is recorded.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use plantlink_buffer::FlowId;
use plantlink_config::{Flow, Name, Stage};

/// By event type, source and the source's stage.
type Decided = HashMap<(Arc<str>, Arc<str>, Stage), Arc<[FlowId]>>;

/// The flows in the order of the file, and what they decided for the types and sources seen so far.
pub(crate) struct Routes {
    flows: Vec<(FlowId, Flow)>,
    /// Types and sources come from the configuration, so this stays as small as it is.
    decided: Mutex<Decided>,
}

impl Routes {
    pub(crate) fn new(flows: Vec<(FlowId, Flow)>) -> Self {
        Routes { flows, decided: Mutex::default() }
    }

    /// At most one flow for each destination: the first that matches.
    pub(crate) fn of(&self, event_type: &Arc<str>, source: &Arc<str>, stage: Stage) -> Arc<[FlowId]> {
        self.decided
            .lock()
            .entry((event_type.clone(), source.clone(), stage))
            .or_insert_with(|| self.decide(event_type, source, stage))
            .clone()
    }

    fn decide(&self, event_type: &str, source: &str, stage: Stage) -> Arc<[FlowId]> {
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
