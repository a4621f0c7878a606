//! Writing down what a destination answered: the flow moves on, and a refused event becomes a dead letter.

use rusqlite::Connection;

use crate::dead_letter;
use crate::error::WriteError;
use crate::flow::{FlowId, Flows};
use crate::log;
use crate::waiting;

/// A destination's answers to the next events of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// Whose events.
    pub flow: FlowId,
    /// The first event that was offered: where the flow's span stands.
    pub from: u64,
    /// Sequence numbers with their answers: all events from `from` on in order, so that numbers are left out only where
    /// the log has no event. Events after the last one stay.
    pub outcomes: Vec<(u64, Settled)>,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The destination has it.
    Delivered,
    /// The destination lacks something that the event points to: it is put aside until it is offered again.
    Waiting,
    /// The destination will never take it; it is kept as a dead letter.
    Dead {
        /// How often it was offered.
        attempts: u32,
        /// Why.
        refusal: Refusal,
        /// Unix microseconds, UTC.
        at_us: i64,
    },
}

/// Why a destination will never take an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The destination's own short name for the reason, which stays the same from event to event.
    pub code: String,
    /// What it said, in words for a person.
    pub reason: String,
}

impl Refusal {
    /// What it takes on the disk, near enough.
    pub(crate) fn bytes(&self) -> usize {
        self.code.len() + self.reason.len()
    }
}

/// Settles events of the log as it was `committed`: nobody can have been offered later ones.
pub(crate) fn settle(
    work: &Settle,
    committed: &Flows,
    flows: &mut Flows,
    transaction: &Connection,
) -> Result<(), WriteError> {
    let log_next = committed.get(work.flow)?.next;
    let flow = flows.get_mut(work.flow)?;
    let name = &flow.name;
    let Some(span) = flow.spans.iter_mut().find(|span| span.is_owed() && span.next == work.from) else {
        return Err(WriteError::Inconsistent(format!("flow {name} does not stand at {}", work.from)));
    };
    let mut waits = Vec::new();
    for (sequence, settled) in &work.outcomes {
        let gap = sequence.checked_sub(span.next).filter(|gap| *gap <= span.gaps && *sequence < span.end(log_next));
        let Some(gap) = gap else {
            return Err(WriteError::Inconsistent(format!(
                "flow {name} stands at {}, and {sequence} was settled",
                span.next
            )));
        };
        match settled {
            Settled::Delivered => flow.delivered += 1,
            Settled::Waiting => waits.push(log::event(transaction, work.flow, *sequence)?),
            Settled::Dead { attempts, refusal, at_us } => {
                let stored = log::event(transaction, work.flow, *sequence)?;
                dead_letter::insert_event(transaction, work.flow, &stored, *attempts, refusal, *at_us)?;
                flow.dead += 1;
            }
        }
        span.next += gap + 1;
        span.gaps -= gap;
    }
    span.skip_last_gap(flow.next);
    for stored in &waits {
        waiting::insert(transaction, flow, stored)?;
    }
    flow.forget_finished();
    Ok(())
}
