//! Where an event is: in which flows, how far it has come there, and what its destination said.

use plantlink_buffer::{Confirmed, DeadContent, DeadLetter, FlowState, ReadError, Reader, Recorded, Stored};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::gone::{Gone, Searched};
use super::stage::Stage;
use crate::template::rfc3339;

/// The event that somebody asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trail {
    pub(crate) event_id: Uuid,
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Whereabouts {
    pub(crate) found: Vec<Found>,
    /// Flows that do not have it and may have had it.
    pub(crate) gone: Vec<Gone>,
    pub(crate) confirmed: Vec<Confirmation>,
    /// When it was made, where its id says so: by the gateway's clock, which may have been wrong then.
    pub(crate) made_at: Option<String>,
}

/// What a destination has confirmed of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confirmation {
    pub(crate) destination: String,
    /// The record's name in the configuration.
    pub(crate) record: String,
    /// The destination's own number for it; `None`: it was refused for good.
    pub(crate) id: Option<i64>,
    pub(crate) at: String,
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
    /// So many of those that wait beside their flow are read together.
    const ASIDE_AT_ONCE: usize = 256;

    /// At most once in each flow.
    pub(crate) fn find(&self, reader: &mut Reader) -> Result<Whereabouts, ReadError> {
        let letters = reader.dead_letters_of(self.id())?;
        let (mut found, mut gone) = (Vec::new(), Vec::new());
        for flow in reader.flows()? {
            match letters.iter().find_map(|letter| letter_of(letter, &flow)) {
                Some((stored, reason, letter)) => {
                    let recorded = reader.recorded(stored)?;
                    found.push(Found::new(&flow, stored, recorded, Stage::Refused { reason }, Some(letter)));
                }
                None => match self.look(&flow, reader)? {
                    Sight::Found(sighted) => found.push(*sighted),
                    Sight::Gone(traces) => gone.push(traces),
                    Sight::Never => {}
                },
            }
        }
        let confirmed = reader.confirmations_of(self.id())?.into_iter().map(Confirmation::of).collect();
        Ok(Whereabouts { found, gone, confirmed, made_at: made_at(&self.event_id) })
    }

    fn id(&self) -> [u8; 16] {
        *self.event_id.as_bytes()
    }

    /// Looks for it in one flow that does not have it as a dead letter.
    fn look(&self, flow: &FlowState, reader: &mut Reader) -> Result<Sight, ReadError> {
        let searched = Searched::log(flow, self.id(), Self::EVENTS_MAX, reader)?;
        let aside = if searched.found.is_none() { self.aside(flow, reader)? } else { None };
        // Read after the event, so that the flow knows of it.
        let levels = reader.flows()?;
        let Some(level) = levels.iter().find(|level| level.id == flow.id) else { return Ok(Sight::Never) };
        let (stored, stage) = match (&searched.found, aside) {
            (Some(stored), _) => (stored.clone(), Stage::of(stored, level, reader)?),
            (None, Some(stored)) => (stored, Stage::Aside),
            (None, None) => {
                return Ok(Gone::of(level, searched, Self::EVENTS_MAX, reader)?.map_or(Sight::Never, Sight::Gone));
            }
        };
        let recorded = reader.recorded(&stored)?;
        Ok(Sight::Found(Box::new(Found::new(level, &stored, recorded, stage, None))))
    }

    /// What waits beside its flow may have left the flow's log.
    fn aside(&self, flow: &FlowState, reader: &mut Reader) -> Result<Option<Stored>, ReadError> {
        let mut from = 0;
        loop {
            let waiting = reader.waiting(flow.id, from, Self::ASIDE_AT_ONCE)?;
            let Some(last) = waiting.last() else { return Ok(None) };
            from = last.sequence + 1;
            if let Some(stored) = waiting.into_iter().find(|stored| stored.event.id == self.id()) {
                return Ok(Some(stored));
            }
        }
    }
}

/// What came of looking in one flow.
enum Sight {
    Found(Box<Found>),
    Gone(Gone),
    /// The flow cannot have had it.
    Never,
}

/// The event of a dead letter, if the flow is missing it.
fn letter_of<'a>(letter: &'a DeadLetter, flow: &FlowState) -> Option<(&'a Stored, String, Letter)> {
    match &letter.content {
        DeadContent::Event { flow: owner, attempts, stored } if *owner == flow.id => {
            let told =
                Letter { id: letter.id, at: rfc3339(letter.at_us), attempts: *attempts, code: letter.code.clone() };
            Some((stored, letter.reason.clone(), told))
        }
        DeadContent::Event { .. } | DeadContent::Payload { .. } => None,
    }
}

/// Ids that the gateway gives itself begin with the time; those made of a sender's id do not.
fn made_at(event_id: &Uuid) -> Option<String> {
    let (seconds, nanos) = event_id.get_timestamp().filter(|_| event_id.get_version_num() == 7)?.to_unix();
    let micros = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?.checked_add(i64::from(nanos / 1_000))?;
    Some(rfc3339(micros))
}

impl Confirmation {
    fn of((destination, confirmed): (String, Confirmed)) -> Self {
        let Confirmed { event_id: _, record, id, at_us } = confirmed;
        Confirmation { destination, record: record.to_string(), id, at: rfc3339(at_us) }
    }
}

impl Found {
    fn new(flow: &FlowState, stored: &Stored, recorded: Recorded, stage: Stage, letter: Option<Letter>) -> Self {
        let before = flow.spans.iter().filter(|span| span.is_owed() && span.next < stored.sequence);
        let ahead = match stage {
            Stage::Waiting => before.map(|span| span.end(flow.next).min(stored.sequence) - span.next).sum(),
            Stage::Aside | Stage::Delivered | Stage::Refused { .. } | Stage::Settled { .. } => 0,
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
