//! What came in at once: events for their flows, and what has to be remembered with them or not at all.

use std::sync::Arc;

use rusqlite::Connection;

use crate::dead_letter;
use crate::error::WriteError;
use crate::event::Event;
use crate::flow::FlowId;
use crate::ledger::SourceCounts;
use crate::log::Pen;
use crate::memory;
use crate::receipt::Receipts;
use crate::sender::SenderEntry;
use crate::state::State;

/// One intake after mapping. It is recorded whole or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Append {
    /// The events, in order.
    pub events: Vec<Routed>,
    /// What a source that receives messages has to account for.
    pub received: Option<Received>,
    /// Memory rows by owner; `None` forgets one.
    pub memory: Vec<(String, Option<Vec<u8>>)>,
}

/// An event and the flows that take it. Each of them stores it in its own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// What is stored.
    pub event: Event,
    /// Without any the event is counted as unmatched, and not stored.
    pub flows: Arc<[FlowId]>,
}

/// What became of a source's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The source's name.
    pub source: Arc<str>,
    /// What this intake adds to its counters.
    pub counts: SourceCounts,
    /// The senders' ids of the messages, to know them again; in the order of receipt.
    pub senders: Vec<SenderEntry>,
    /// What its broker's packets were, to know one that is delivered again; `None` leaves what is remembered.
    pub receipts: Option<Receipts>,
    /// Messages that no mapping takes, kept for a person.
    pub rejected: Vec<Rejected>,
}

/// A dead letter of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Why it was refused.
    pub reason: String,
    /// The message as it came.
    pub payload: Vec<u8>,
    /// Unix microseconds, UTC.
    pub at_us: i64,
}

pub(crate) fn append(
    work: &Append,
    state: &mut State,
    transaction: &Connection,
    pen: &mut Pen,
) -> Result<(), WriteError> {
    for Routed { event, flows } in &work.events {
        match flows.first() {
            Some(taker) => {
                state.flows.get_mut(*taker)?.recorded += 1;
                state.ledger.events.recorded += 1;
            }
            None => state.ledger.events.unmatched += 1,
        }
        for flow in flows.iter() {
            pen.write(transaction, state.flows.get_mut(*flow)?, event)?;
        }
    }
    if let Some(Received { source, counts, senders, receipts, rejected }) = &work.received {
        state.ledger.add(source, counts)?;
        state.senders.remember(source, senders);
        if let Some(receipts) = receipts {
            state.receipts.remember(source, receipts);
        }
        for message in rejected {
            dead_letter::insert_payload(transaction, source, message)?;
        }
    }
    for (owner, value) in &work.memory {
        memory::save(transaction, owner, value.as_deref())?;
    }
    Ok(())
}
