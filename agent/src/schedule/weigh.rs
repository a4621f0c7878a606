//! What an answer comes to beside those before it, before it is written down.

use plantlink_buffer::{FlowId, Refusal};

use super::{Part, Schedule, Turn};
use crate::chain::chain;
use crate::destination::{DeliverError, Delivery, Outcome};

impl Schedule {
    /// What came of a turn, with what is only seen over many: refusals of every event, which pause the flow, and an event
    /// that is refused without a word.
    pub(crate) fn weigh(&mut self, turn: &Turn, mut delivery: Delivery) -> Delivery {
        match &delivery.rest {
            Err(error) if delivery.outcomes.is_empty() => {
                if let Some(refusal) = self.broke(turn, turn.batch.events.len(), error) {
                    delivery = Delivery { outcomes: vec![Outcome::Rejected(refusal)], rest: Ok(()) };
                }
            }
            Ok(()) | Err(_) => self.held(turn.flow),
        }
        if let Some((place, paused)) = self.paused_from(turn, delivery.outcomes.iter().map(Some)) {
            delivery.outcomes.truncate(place);
            delivery.rest = Err(paused);
        }
        delivery
    }

    /// Where the answers to a turn's events show that the flow is refused and not they: from there on nothing is given up.
    pub(crate) fn paused_from<'a>(
        &mut self,
        turn: &Turn,
        answers: impl Iterator<Item = Option<&'a Outcome>>,
    ) -> Option<(usize, DeliverError)> {
        match turn.part {
            Part::Live | Part::Waiting | Part::Backlog => {}
            // Nothing is given up of what was delivered before.
            Part::Replay => return None,
        }
        let streak = &mut self.outlet(turn.flow)?.streak;
        let place = streak.see(answers)?;
        Some((place, DeliverError::Paused { reason: streak.reason() }))
    }

    /// None of a turn's events was answered, of which so many were on their way. If the connection ended with one alone, and
    /// not for the first time, the event is to blame.
    pub(crate) fn broke(&mut self, turn: &Turn, events: usize, how: &DeliverError) -> Option<Refusal> {
        let outlet = self.outlet(turn.flow)?;
        match (how, turn.batch.events.as_slice()) {
            (DeliverError::Broken(_), [event, ..]) => {
                outlet.batch_max = Some(1);
                if events == 1 { outlet.breaks.alone(event.sequence(), &chain(how)) } else { None }
            }
            (
                DeliverError::Broken(_)
                | DeliverError::Unreachable(_)
                | DeliverError::Busy { .. }
                | DeliverError::Paused { .. }
                | DeliverError::Refused { .. },
                _,
            ) => {
                outlet.breaks.end();
                None
            }
        }
    }

    /// Something else came of a turn than a connection that ended.
    pub(crate) fn held(&mut self, flow: FlowId) {
        if let Some(outlet) = self.outlet(flow) {
            outlet.breaks.end();
        }
    }

    /// The most events of the flow that are to be offered at once, while that is less than a batch.
    pub(crate) fn careful_max(&mut self, flow: FlowId) -> Option<usize> {
        self.outlet(flow)?.batch_max
    }

    /// A turn ended without an answer, beside another one that was told of.
    pub(crate) fn unanswered(&mut self, turn: &Turn) {
        if let Some(outlet) = self.outlet(turn.flow) {
            outlet.offers.unanswered(turn.numbers());
        }
    }
}
