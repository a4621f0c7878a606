//! An event to try lookups with: one that somebody gave, or what every event of a device says.

use std::sync::Arc;

use plantlink_buffer::{Event, EventTime, Recorded, Stamp, Stored};
use plantlink_config::{Device, Name};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::record::Mapping;
use crate::clock::Time;
use crate::envelope::{Envelope, Site};
use crate::metadata::shared_members;

/// An event that nobody delivers.
pub(crate) struct Example {
    pub(super) envelope: Envelope,
    of: Of,
    /// Whose it is, for people.
    pub(super) whose: String,
}

enum Of {
    /// Records that are for another type have no use for it.
    Event,
    /// It has no type: it stands for all events of the device.
    Device,
}

/// An event as `tail` and `simulate` print it, as far as lookups need it.
#[derive(Deserialize)]
struct Given {
    event_type: String,
    source: String,
    data: Map<String, Value>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

impl Example {
    /// What every event of a device says: which device, and where it belongs.
    pub(crate) fn of_device(site: &Arc<Site>, flow: &Name, device: &Device) -> Self {
        let metadata = shared_members(device.stage, device.asset.as_ref());
        let envelope = envelope(site, flow, "", &device.name, b"{}".to_vec(), metadata);
        Example { envelope, of: Of::Device, whose: device.name.to_string() }
    }

    /// One line of a file of events.
    pub(crate) fn read(site: &Arc<Site>, flow: &Name, line: &str) -> Result<Self, serde_json::Error> {
        let Given { event_type, source, data, metadata } = serde_json::from_str(line)?;
        let source = source.split_once('/').map_or(source.as_str(), |(_, source)| source);
        let metadata = serde_json::to_string(&metadata)?;
        // As they are kept: the members without their braces.
        let members = metadata.trim_start_matches('{').strip_suffix('}').unwrap_or_default().to_owned();
        let data = serde_json::to_vec(&data)?;
        let whose = format!("{event_type} of {source}");
        let envelope = envelope(site, flow, &event_type, source, data, members.into_bytes());
        Ok(Example { envelope, of: Of::Event, whose })
    }

    /// Whether the records of a mapping could be made of it.
    pub(super) fn is_for(&self, mapping: &Mapping) -> bool {
        match self.of {
            Of::Device => true,
            Of::Event => mapping.role(&self.envelope).is_some(),
        }
    }
}

fn envelope(
    site: &Arc<Site>,
    flow: &Name,
    event_type: &str,
    source: &str,
    data: Vec<u8>,
    metadata: Vec<u8>,
) -> Envelope {
    let Time { wall_us, boottime_us } = Time::now();
    let stamp = Stamp { wall_us, boottime_us, synced: false };
    let event = Event {
        id: Uuid::nil().into_bytes(),
        event_type: event_type.into(),
        source: source.into(),
        at: EventTime::Own,
        stamp,
        data,
        metadata,
    };
    let stored = Stored { sequence: 0, boot: 0, event };
    Envelope::new(Arc::clone(site), flow.clone(), stored, Recorded::stamped(stamp))
}
