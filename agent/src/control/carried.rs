//! The last events that carried a tag's value, and how far each of them has come.

use plantlink_buffer::{Event, ReadError, Reader};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::stage::Stage;
use crate::template::rfc3339;

/// What an event of a device must say to have carried the tag's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Carried {
    pub(crate) device: String,
    /// By the events' types, the keys of their data that hold the value.
    pub(crate) keys: Vec<(String, String)>,
}

/// The last event of one flow that carried the value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Carrier {
    pub(crate) flow: String,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) sequence: u64,
    pub(crate) recorded_at: String,
    pub(crate) value: Value,
    #[serde(flatten)]
    pub(crate) stage: Stage,
    /// What the flow still has to deliver.
    pub(crate) depth: u64,
}

impl Carried {
    /// So many of a flow's last events are looked at.
    pub(crate) const EVENTS_MAX: u64 = 10_000;

    /// At most one event of each flow. A flow without one is left out.
    pub(crate) fn find(&self, reader: &mut Reader) -> Result<Vec<Carrier>, ReadError> {
        let mut carriers = Vec::new();
        for flow in reader.flows()? {
            let found = reader.latest(flow.id, Self::EVENTS_MAX, |event| self.value(event).is_some())?;
            let Some(stored) = found else { continue };
            // Read after the event, so that the flow knows of it.
            let levels = reader.flows()?;
            let Some(level) = levels.iter().find(|level| level.id == flow.id) else { continue };
            carriers.push(Carrier {
                flow: level.name.to_string(),
                event_id: Uuid::from_bytes(stored.event.id).to_string(),
                event_type: stored.event.event_type.to_string(),
                sequence: stored.sequence,
                recorded_at: rfc3339(reader.recorded(&stored)?.wall_us),
                value: self.value(&stored.event).unwrap_or_default(),
                stage: Stage::of(&stored, level, reader)?,
                depth: level.buffered,
            });
        }
        Ok(carriers)
    }

    fn value(&self, event: &Event) -> Option<Value> {
        if *event.source != *self.device {
            return None;
        }
        let mut keys = self.keys.iter().filter(|(event_type, _)| **event_type == *event.event_type).peekable();
        keys.peek()?;
        let mut data: Map<String, Value> = serde_json::from_slice(&event.data).ok()?;
        keys.find_map(|(_, key)| data.remove(key))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use plantlink_buffer::{
        Append, Buffer, Durability, EventTime, FlowSpec, Options, Refusal, Routed, Settle, Settled, Stamp, Work,
    };

    use super::*;

    fn event(number: u8, source: &str, event_type: &str, data: &str) -> Event {
        Event {
            id: [number; 16],
            event_type: event_type.into(),
            source: source.into(),
            at: EventTime::Own,
            stamp: Stamp { wall_us: 1_790_000_000_000_000, boottime_us: 1, synced: true },
            data: data.as_bytes().to_vec(),
            metadata: Vec::new(),
        }
    }

    #[test]
    fn each_flow_tells_how_far_the_last_event_with_the_value_has_come() {
        let directory = tempfile::tempdir().unwrap();
        let specs = ["quick", "picky", "slow", "other"].map(|name| FlowSpec { name: name.to_owned(), was: None });
        let options = Options {
            flows: specs.to_vec(),
            boot_id: "boot".to_owned(),
            bytes_max: 100_000_000,
            keep_delivered: Duration::from_secs(3_600),
        };
        let mut buffer = Buffer::open(&directory.path().join("buffer.db"), &options).unwrap();
        let ids: Vec<_> = buffer.flows().iter().map(|flow| flow.id).collect();
        let (sampled, counted) = ("measurement.sampled", "production.counted");
        let mut apply = |work| buffer.apply([&work], Durability::Synced).unwrap();
        let events = [
            event(1, "press-1", sampled, r#"{"oil":1}"#),
            event(2, "press-1", sampled, r#"{"oil":null}"#),
            event(3, "press-2", sampled, r#"{"oil":3}"#),
            event(4, "press-1", counted, r#"{"oil":4}"#),
            event(5, "press-1", sampled, r#"{"water":5}"#),
        ];
        let flows: Arc<[_]> = ids[..3].into();
        let routed = |event| Routed { event, flows: flows.clone() };
        apply(Work::Append(Append { events: events.into_iter().map(routed).collect(), ..Append::default() }));
        let settle =
            |flow, second| Work::Settle(Settle { flow, from: 1, outcomes: vec![(1, Settled::Delivered), (2, second)] });
        apply(settle(ids[0], Settled::Delivered));
        apply(settle(
            ids[1],
            Settled::Dead {
                attempts: 1,
                refusal: Refusal { code: "0x99".to_owned(), reason: "no such tank".to_owned() },
                at_us: 7,
            },
        ));

        let keys = vec![(sampled.to_owned(), "oil".to_owned())];
        let found = Carried { device: "press-1".to_owned(), keys }.find(&mut buffer.reader().unwrap()).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|carrier| (&*carrier.flow, carrier.sequence, &carrier.value, &carrier.stage, carrier.depth))
            .collect();
        let refused = Stage::Refused { reason: "no such tank".to_owned() };
        let expected = [
            ("quick", 2, &Value::Null, &Stage::Delivered, 3),
            ("picky", 2, &Value::Null, &refused, 3),
            ("slow", 2, &Value::Null, &Stage::Waiting, 5),
        ];
        assert_eq!(found, expected);
    }
}
