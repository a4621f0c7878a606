//! How far an event has come in a flow that still has it.

use std::fmt;

use plantlink_buffer::{FlowState, ReadError, Reader, SpanKind, Stored};
use serde::{Deserialize, Serialize};

/// How far an event has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "lowercase")]
pub(crate) enum Stage {
    /// It is still to deliver.
    Waiting,
    /// Its destination lacks something that it points to: the others of its flow go past it.
    Aside,
    Delivered,
    /// It is a dead letter.
    Refused {
        reason: String,
    },
    /// It was delivered or given up, and which of the two is no longer known.
    Settled {
        doubt: Doubt,
    },
}

/// Why it is not known what became of an event that is not to be delivered any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Doubt {
    /// Its flow was dropped, with what was still to deliver and with what was only kept.
    FlowDropped,
    /// Dead letters have been given up, and what they were is not kept.
    LettersGone,
}

impl Stage {
    /// Of an event that is in the log of the flow, as the flow stood after the event was read.
    pub(super) fn of(stored: &Stored, level: &FlowState, reader: &Reader) -> Result<Self, ReadError> {
        let sequence = stored.sequence;
        let span = level.spans.iter().find(|span| span.next <= sequence && sequence < span.end(level.next));
        Ok(match span.map(|span| span.kind) {
            Some(SpanKind::Tail | SpanKind::Backlog) => Stage::Waiting,
            Some(SpanKind::Dropped) => Stage::Settled { doubt: Doubt::FlowDropped },
            Some(SpanKind::Replay) | None => Self::settled(stored, level, reader)?,
        })
    }

    fn settled(stored: &Stored, level: &FlowState, reader: &Reader) -> Result<Self, ReadError> {
        if let Some(reason) = reader.refusal(level.id, stored.sequence)? {
            return Ok(Stage::Refused { reason });
        }
        if reader.is_waiting(level.id, stored.sequence)? {
            return Ok(Stage::Aside);
        }
        // What is given up for want of room leaves the log at once: only a dead letter leaves its event there.
        let may_be_given_up = level.dropped > 0 && reader.dead_letters_gone()? > 0;
        Ok(if may_be_given_up { Stage::Settled { doubt: Doubt::LettersGone } } else { Stage::Delivered })
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FlowDropped => {
                "delivered, or given up when the flow was dropped: which of the two is no longer known"
            }
            Self::LettersGone => {
                "delivered, or refused and given up as a dead letter: which of the two is no longer known"
            }
        })
    }
}
