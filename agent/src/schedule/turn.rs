//! What a destination is offered at once.

use std::ops::Range;

use plantlink_buffer::{FlowId, Hold};

use super::rota::Part;
use crate::destination::Batch;

/// A batch, and where in its flow it stands.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) flow: FlowId,
    /// Which part of the flow's log it is from.
    pub(crate) part: Part,
    /// Where that part stands: its first sequence number that has no answer yet.
    pub(crate) from: u64,
    /// How often the first of these events has been offered, this time included.
    pub(crate) attempts: u32,
    /// The destination is back, and so much waits behind this batch that new events should not: once there is an answer,
    /// the rest becomes a backlog.
    pub(crate) cuts: bool,
    pub(crate) batch: Batch,
    /// A full buffer gives up none of these events until their answers are written down.
    pub(crate) hold: Hold,
}

impl Turn {
    /// From where it stands to behind its last event.
    pub(crate) fn numbers(&self) -> Range<u64> {
        self.from..self.batch.events.last().map_or(self.from, |last| last.sequence() + 1)
    }
}
