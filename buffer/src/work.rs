//! What changes a buffer, and what the change outlives.

use crate::append::Append;
use crate::confirm::Confirm;
use crate::dispose::{Dispose, Fate};
use crate::event::Stamp;
use crate::flight::Fly;
use crate::flow::FlowId;
use crate::keep::Keep;
use crate::replay::{Replay, Replayed};
use crate::settle::Settle;
use crate::waiting::Resume;

/// A change to the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// What came in.
    Append(Append),
    /// What a destination answered.
    Settle(Settle),
    /// What is open in the flow waits behind new events from now on.
    Cut(FlowId),
    /// Settled events are to be offered again.
    Replay(Replay),
    /// Settled events were offered again.
    Replayed(Replayed),
    /// The flow's backlog and what it keeps are given up, unless some of it is in flight.
    Drop(FlowId),
    /// What a destination answered to events that were waiting.
    Resume(Resume),
    /// What a destination remembers of its records.
    Keep(Keep),
    /// Which records a destination has made of events.
    Confirm(Confirm),
    /// What a person has decided about dead letters.
    Dispose(Dispose),
    /// What goes on its way to a destination with QoS 2, and what has arrived there.
    Fly(Fly),
    /// The wall clock is known to be set at this moment of the boot that goes on. The first one of a boot stays.
    Sync(Stamp),
}

impl Work {
    /// Whether something comes into a log with it, for which there has to be room.
    pub(crate) fn adds(&self) -> bool {
        match self {
            Self::Append(_) | Self::Dispose(Dispose { fate: Fate::Retry, .. }) => true,
            Self::Settle(_)
            | Self::Cut(_)
            | Self::Replay(_)
            | Self::Replayed(_)
            | Self::Drop(_)
            | Self::Resume(_)
            | Self::Keep(_)
            | Self::Confirm(_)
            | Self::Dispose(Dispose { fate: Fate::Discard, .. })
            | Self::Fly(_)
            | Self::Sync(_) => false,
        }
    }

    /// Whether it leaves everything as it is.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Append(work) => *work == Append::default(),
            Self::Settle(work) => work.outcomes.is_empty(),
            Self::Resume(work) => work.outcomes.is_empty(),
            Self::Keep(work) => work.rows.is_empty(),
            Self::Confirm(work) => work.entries.is_empty(),
            Self::Dispose(work) => work.letters.is_empty(),
            Self::Fly(_) | Self::Cut(_) | Self::Replay(_) | Self::Replayed(_) | Self::Drop(_) | Self::Sync(_) => false,
        }
    }
}

/// What a change outlives when `apply` returns. Both outlive the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut.
    Synced,
    /// A power cut only after the next sync.
    Written,
}
