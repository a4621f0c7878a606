//! Offering settled events again: which ones, and how far it has come. The ledger knows nothing of it.

use std::ops::Range;

use crate::flow::FlowId;

/// Settled events of a flow that are to be offered again with the numbers they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Whose events.
    pub flow: FlowId,
    /// Their numbers. Those that are not settled, are gone or are on their way already are left out, and so is what would
    /// make the flow's list of spans too long.
    pub range: Range<u64>,
}

/// A destination's answers to events that were offered again. Whatever they were, an event stays what it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Whose events.
    pub flow: FlowId,
    /// The numbers that were gone through. What is no longer part of a replay is passed over.
    pub range: Range<u64>,
    /// How many events there were.
    pub events: u64,
}
