//! What the buffer has written when it gives up events, whose contents it does not know itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use plantlink_buffer::{Author, Event, FlowId, FlowState, Loss, Stored};
use plantlink_config::{Flow, WhenFull};

use super::{overflow, thinned};
use crate::clock::Clock;
use crate::provenance::Provenance;

/// Knows the flows by name.
pub(crate) struct Editor {
    flows: BTreeMap<FlowId, Described>,
    provenance: Provenance,
    clock: Clock,
}

struct Described {
    name: Arc<str>,
    policy: WhenFull,
}

impl Editor {
    /// The flows of the file; `configured` lacks those that are retired, which refuse.
    pub(crate) fn new(
        states: &[FlowState],
        configured: &[(FlowId, &Flow)],
        provenance: Provenance,
        clock: Clock,
    ) -> Self {
        let policy = |id| configured.iter().find(|(flow, _)| *flow == id).map(|(_, flow)| flow.when_full);
        let described =
            |state: &FlowState| Described { name: state.name.clone(), policy: policy(state.id).unwrap_or_default() };
        Self { flows: states.iter().map(|state| (state.id, described(state))).collect(), provenance, clock }
    }
}

impl Author for Editor {
    fn overflowed(&self, loss: &Loss) -> Event {
        let flow = self.flows.get(&loss.flow);
        let when_full = flow.map(|flow| flow.policy).unwrap_or_default();
        let mut event = overflow::event(loss, flow.map(|flow| &*flow.name), when_full, self.clock.now());
        self.provenance.mark(&mut event.metadata);
        event
    }

    fn loss_in(&self, flow: FlowId, event: &Event) -> Option<Loss> {
        overflow::loss_in(flow, event)
    }

    fn merges(&self, event: &Event) -> bool {
        thinned::merges(event)
    }

    fn merged(&self, events: &[Stored]) -> Event {
        thinned::merged(events, self.clock.now())
    }
}
