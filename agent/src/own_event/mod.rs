//! Events in which the agent tells of itself.

pub(crate) mod audit;
pub(crate) mod overflow;
pub(crate) mod started;

use plantlink_buffer::{Event, EventTime, Stamp};
use serde_json::Value;
use uuid::Uuid;

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
