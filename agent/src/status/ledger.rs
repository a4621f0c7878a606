//! The ledger as `status` shows it: what became of everything that came in.

use std::collections::BTreeMap;

use plantlink_buffer::{EventCounts, Ledger, SourceCounts};
use schemars::JsonSchema;
use serde::Serialize;

/// The counters since the buffer was new.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LedgerStatus {
    /// The messages of each source.
    pub(crate) sources: BTreeMap<String, Messages>,
    pub(crate) events: Events,
}

/// What became of a source's messages: `received` is the sum of the others.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Messages {
    received: u64,
    /// Made events, or changed memory.
    mapped: u64,
    /// Fit no mapping.
    unmapped: u64,
    /// Did not fit their mapping: dead letters.
    rejected: u64,
    /// Were there before.
    repeated: u64,
}

/// Events: `made` is the sum of the others.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Events {
    made: u64,
    /// Taken by at least one flow; counted once however many took it.
    recorded: u64,
    /// Taken by none.
    unmatched: u64,
}

impl LedgerStatus {
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let EventCounts { recorded, unmatched } = ledger.events;
        let messages = |counts: &SourceCounts| {
            let SourceCounts { received, mapped, unmapped, rejected, repeated } = *counts;
            Messages { received, mapped, unmapped, rejected, repeated }
        };
        LedgerStatus {
            sources: ledger.sources.iter().map(|(name, counts)| (name.to_string(), messages(counts))).collect(),
            events: Events { made: recorded + unmatched, recorded, unmatched },
        }
    }
}
