//! Where an event is: in which flows, how far it has come there, and what its destination said.

use plantlink_buffer::{DeadContent, FlowState, ReadError, Reader, Recorded, Stored};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::carried::{Stage, stage};
use crate::template::rfc3339;

/// The event that somebody asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trail {
    pub(crate) event_id: Uuid,
}

/// What was found of it, and where it was looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Whereabouts {
    pub(crate) found: Vec<Found>,
    /// In every other flow the last so many events were looked at; what is older is not known.
    pub(crate) events_max: u64,
}

/// The event in one flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) flow: String,
    pub(crate) sequence: u64,
    pub(crate) event_type: String,
    pub(crate) source: String,
    pub(crate) recorded_at: String,
    #[serde(flatten)]
    pub(crate) stage: Stage,
    /// What the flow still has to deliver before it.
    pub(crate) ahead: u64,
    /// Its dead letter.
    pub(crate) letter: Option<Letter>,
}

/// What a dead letter adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) id: i64,
    pub(crate) at: String,
    pub(crate) attempts: u32,
    pub(crate) code: Option<String>,
}

impl Trail {
    /// So many of a flow's last events are looked at, which takes a fraction of a second.
    const EVENTS_MAX: u64 = 100_000;

    /// At most once in each flow.
    pub(crate) fn find(&self, reader: &mut Reader) -> Result<Whereabouts, ReadError> {
        let id = *self.event_id.as_bytes();
        let letters = reader.dead_letters_of(id)?;
        let mut found = Vec::new();
        for flow in reader.flows()? {
            let letter = letters.iter().find_map(|letter| match &letter.content {
                DeadContent::Event { flow: owner, attempts, stored } if *owner == flow.id => {
                    let at = rfc3339(letter.at_us);
                    let code = letter.code.clone();
                    let reason = letter.reason.clone();
                    Some((stored, reason, Letter { id: letter.id, at, attempts: *attempts, code }))
                }
                DeadContent::Event { .. } | DeadContent::Payload { .. } => None,
            });
            if let Some((stored, reason, letter)) = letter {
                let recorded = reader.recorded(stored)?;
                found.push(Found::new(&flow, stored, recorded, Stage::Refused { reason }, Some(letter)));
            } else if let Some(stored) = reader.latest(flow.id, Self::EVENTS_MAX, |event| event.id == id)? {
                // Read after the event, so that the flow knows of it.
                let levels = reader.flows()?;
                let Some(level) = levels.iter().find(|level| level.id == flow.id) else { continue };
                let recorded = reader.recorded(&stored)?;
                found.push(Found::new(level, &stored, recorded, stage(level, &stored, reader)?, None));
            }
        }
        Ok(Whereabouts { found, events_max: Self::EVENTS_MAX })
    }
}

impl Found {
    fn new(flow: &FlowState, stored: &Stored, recorded: Recorded, stage: Stage, letter: Option<Letter>) -> Self {
        let before = flow.spans.iter().filter(|span| span.is_owed() && span.next < stored.sequence);
        let ahead = match stage {
            Stage::Waiting => before.map(|span| span.end(flow.next).min(stored.sequence) - span.next).sum(),
            Stage::Delivered | Stage::Refused { .. } | Stage::Dropped => 0,
        };
        Found {
            flow: flow.name.to_string(),
            sequence: stored.sequence,
            event_type: stored.event.event_type.to_string(),
            source: stored.event.source.to_string(),
            recorded_at: rfc3339(recorded.wall_us),
            stage,
            ahead,
            letter,
        }
    }
}
