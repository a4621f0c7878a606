//! Events of the agent's own: in which it tells of itself, and the samples that a full buffer is thinned to.

pub(crate) mod audit;
mod editor;
pub(crate) mod overflow;
pub(crate) mod started;
mod thinned;

use plantlink_buffer::{Event, EventTime, Stamp};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use editor::Editor;

/// Who says so: no device and no source of messages.
pub(crate) const SOURCE: &str = "agent";

pub(crate) fn own_event(event_type: &str, data: &Value, stamp: Stamp) -> Event {
    Event {
        id: Uuid::now_v7().into_bytes(),
        event_type: event_type.into(),
        source: SOURCE.into(),
        at: EventTime::Own,
        stamp,
        data: data.to_string().into_bytes(),
        metadata: br#""stage":"production""#.to_vec(),
    }
}
