//! What a destination is offered at once.

use std::ops::Range;

use plantlink_buffer::{FlowId, Hold};

use super::offers::Offers;
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
    /// What was offered before, and got no answer.
    pub(crate) offers: Offers,
    /// The destination is back, and so much waits behind this batch that new events should not: once there is an answer,
    /// the rest becomes a backlog.
    pub(crate) cuts: bool,
    pub(crate) batch: Batch,
    /// A full buffer gives up none of these events until their answers are written down.
    pub(crate) hold: Hold,
}

impl Turn {
    /// How often this event has been offered, this time included.
    pub(crate) fn attempts(&self, sequence: u64) -> u32 {
        self.offers.of(sequence).saturating_add(1)
    }

    /// From where it stands to behind its last event.
    pub(crate) fn numbers(&self) -> Range<u64> {
        self.numbers_of(self.batch.events.len())
    }

    /// From where it stands to behind the last of its first so many events.
    pub(super) fn numbers_of(&self, count: usize) -> Range<u64> {
        self.from..self.batch.events.iter().take(count).last().map_or(self.from, |last| last.sequence() + 1)
    }
}
