//! What a flow can say of an event that it does not have, or not any more.

use plantlink_buffer::{Event, FlowState, Loss, ReadError, Reader, Stored};
use serde::{Deserialize, Serialize};

use crate::own_event::overflow;
use crate::template::rfc3339;

/// A flow without the event that may have had it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gone {
    pub(crate) flow: String,
    /// Its log begins with this number.
    pub(crate) kept_from: u64,
    /// When that event was recorded; `None` where the log is empty.
    pub(crate) kept_since: Option<String>,
    /// Numbers at the beginning of the log that were not looked at.
    pub(crate) unseen: u64,
    /// Nothing of the flow was ever given up: what it does not have any more was delivered.
    pub(crate) all_delivered: bool,
    /// How many events the flow has given up so far.
    pub(crate) dropped: u64,
    /// Those of its losses that are known one by one, the latest first.
    pub(crate) losses: Vec<GivenUp>,
}

/// Events that a flow has given up, as the event that names them says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GivenUp {
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    /// Of the numbers from the first to the last.
    pub(crate) count: u64,
    pub(crate) cause: String,
    /// `None` while no event has named them.
    pub(crate) policy: Option<String>,
    /// When they were recorded, as far as that is known.
    pub(crate) from_at: Option<String>,
    pub(crate) to_at: Option<String>,
}

/// What was looked for in a flow's log.
pub(super) struct Searched {
    pub(super) found: Option<Stored>,
    /// What the log says of the flow's losses, the latest first.
    told: Vec<GivenUp>,
}

impl Searched {
    /// Looks for the event among the last so many numbers of the flow.
    pub(super) fn log(
        level: &FlowState,
        event_id: [u8; 16],
        events_max: u64,
        reader: &mut Reader,
    ) -> Result<Self, ReadError> {
        let mut told = Vec::new();
        let found = reader.latest(level.id, events_max, |event| {
            told.extend(GivenUp::told(event));
            event.id == event_id
        })?;
        told.sort_by_key(|loss| std::cmp::Reverse(loss.last_sequence));
        Ok(Self { found, told })
    }
}

impl Gone {
    /// Of a flow that the event was not found in; `None` where it cannot have had it.
    pub(super) fn of(
        level: &FlowState,
        searched: Searched,
        events_max: u64,
        reader: &mut Reader,
    ) -> Result<Option<Self>, ReadError> {
        let oldest = reader.oldest(level.id)?;
        let kept_from = oldest.as_ref().map_or(level.next, |oldest| oldest.sequence);
        let kept_since = oldest.map(|oldest| reader.recorded(&oldest)).transpose()?;
        let unseen = level.next.saturating_sub(kept_from).saturating_sub(events_max);
        if kept_from <= 1 && unseen == 0 && level.dropped == 0 {
            return Ok(None);
        }
        // An event that is retried has two numbers. More numbers than that without an event were given before a salvage
        // that had to begin the counts anew.
        let uncounted = level.next.saturating_sub(1).saturating_sub(level.matched);
        let all_delivered = level.dropped == 0 && uncounted <= reader.dead_letters_gone()?;
        let untold = reader.losses()?.into_iter().filter(|loss| loss.flow == level.id);
        Ok(Some(Gone {
            flow: level.name.to_string(),
            kept_from,
            kept_since: kept_since.map(|recorded| rfc3339(recorded.wall_us)),
            unseen,
            all_delivered,
            dropped: level.dropped,
            losses: untold.map(|loss| GivenUp::untold(&loss)).chain(searched.told).collect(),
        }))
    }
}

impl GivenUp {
    fn told(event: &Event) -> Option<Self> {
        if !overflow::is_told_in(event) {
            return None;
        }
        serde_json::from_slice(&event.data).ok()
    }

    fn untold(loss: &Loss) -> Self {
        GivenUp {
            first_sequence: loss.first,
            last_sequence: loss.last,
            count: loss.count,
            cause: overflow::cause(loss.cause).to_owned(),
            policy: None,
            from_at: loss.recorded.map(|period| rfc3339(period.from_us)),
            to_at: loss.recorded.map(|period| rfc3339(period.to_us)),
        }
    }
}
