//! What the configuration calls by the names in a recording: lines into what the sources would have brought.

use std::collections::BTreeMap;

use plantlink_buffer::Stamp;
use plantlink_config::{Config, Device, Source};
use serde_json::{Map, Value};

use super::line::{Answered, Line, MessageLine, ScanLine};
use super::value::{self, NoValue};
use crate::mqtt::{Arrival, Payload};
use crate::reading::{Fault, Quality, Reading};
use crate::source::{Content, Identity, Message, Scan};
use crate::unknown::unknown;

/// The devices and the MQTT sources by name, with the places of their sources.
pub(crate) struct Plan<'a> {
    devices: BTreeMap<&'a str, Placed<'a>>,
    sources: BTreeMap<&'a str, usize>,
}

struct Placed<'a> {
    /// The line's place among the sources.
    source: usize,
    /// The device's place on its line.
    place: usize,
    device: &'a Device,
}

/// What a line brings.
#[derive(Debug)]
pub(crate) enum Brought {
    /// To the source at this place.
    Content {
        source: usize,
        content: Content,
    },
    Restart,
}

/// The line names something that the configuration does not have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("no device is called `{name}` ({known})")]
    Device { name: String, known: String },
    #[error("no MQTT source is called `{name}` ({known})")]
    Source { name: String, known: String },
    #[error("{device} has no tag `{tag}` ({known})")]
    Tag { device: String, tag: String, known: String },
    #[error("`{tag}` has a fault and a value: a bad reading is null")]
    FaultyValue { tag: String },
    #[error("{device} has an `identity` in the recording, and none in the configuration")]
    Identity { device: String },
    #[error(transparent)]
    Value(#[from] NoValue),
}

impl<'a> Plan<'a> {
    pub(crate) fn new(config: &'a Config) -> Self {
        let mut plan = Plan { devices: BTreeMap::new(), sources: BTreeMap::new() };
        for (source, configured) in config.sources.iter().enumerate() {
            match configured {
                Source::Modbus(line) => plan.devices.extend(
                    line.devices
                        .iter()
                        .enumerate()
                        .map(|(place, device)| (&*device.name, Placed { source, place, device })),
                ),
                Source::Mqtt(mqtt) => {
                    plan.sources.insert(&mqtt.name, source);
                }
            }
        }
        plan
    }

    /// What the line brings, and to which source.
    ///
    /// # Errors
    /// The configuration has nothing of this name, or what stands there is no value of the tag.
    pub(crate) fn brought(&self, line: Line) -> Result<Brought, PlanError> {
        match line {
            Line::Restart => Ok(Brought::Restart),
            Line::Scan(line) => self.scan(line),
            Line::Message(line) => self.message(line),
        }
    }

    fn scan(&self, line: ScanLine) -> Result<Brought, PlanError> {
        let Some(Placed { source, place, device }) = self.devices.get(line.device.as_str()) else {
            let known = unknown(&line.device, self.devices.keys().copied());
            return Err(PlanError::Device { name: line.device, known });
        };
        let readings = match &line.content {
            Answered::Tags { tags, faults } => readings(device, tags, faults)?,
            Answered::Nothing(offline) => {
                let bad = |tag| Reading { tag, value: Quality::Bad(offline.fault()) };
                (0..device.tags.len()).map(bad).collect()
            }
        };
        let identity = match (&line.identity, &device.identity) {
            (None, _) => None,
            (Some(_), None) => return Err(PlanError::Identity { device: line.device }),
            (Some(shown), Some(identity)) => {
                let found = (!shown.is_null()).then(|| value::value(&identity.tag, shown)).transpose()?;
                Some(Identity::new(found, identity))
            }
        };
        let scan = Scan {
            device: *place,
            stamp: stamp(line.at_us),
            readings,
            identity,
            nameplate: line.nameplate,
            gone: None,
        };
        Ok(Brought::Content { source: *source, content: Content::Scan(scan) })
    }

    fn message(&self, line: MessageLine) -> Result<Brought, PlanError> {
        let Some(source) = self.sources.get(line.source.as_str()) else {
            let known = unknown(&line.source, self.sources.keys().copied());
            return Err(PlanError::Source { name: line.source, known });
        };
        let message = Message {
            topic: line.topic,
            payload: Payload::Whole(line.payload.into()),
            retained: line.retained,
            // Nothing is delivered again here, unless the sender's own id says so.
            receipt: None,
            stamp: stamp(line.at_us),
            correlation: line.correlation.map(Into::into),
            user_properties: line.properties.into_iter().collect(),
        };
        Ok(Brought::Content { source: *source, content: Content::Arrived(vec![Arrival::Message(message)]) })
    }
}

/// In the order of the device's tags, as a source gives them.
fn readings(
    device: &Device,
    tags: &Map<String, Value>,
    faults: &BTreeMap<String, Fault>,
) -> Result<Vec<Reading>, PlanError> {
    let mut readings = Vec::with_capacity(tags.len());
    for (name, shown) in tags {
        let place = place(device, name)?;
        let Some(tag) = device.tags.get(place) else { continue };
        let value = match (shown, faults.get(name)) {
            (Value::Null, fault) => Quality::Bad(fault.cloned().unwrap_or(Fault::Missing)),
            (_, Some(_)) => return Err(PlanError::FaultyValue { tag: name.clone() }),
            (shown, None) => Quality::Good(value::value(tag, shown)?),
        };
        readings.push(Reading { tag: place, value });
    }
    for (name, fault) in faults.iter().filter(|(name, _)| !tags.contains_key(*name)) {
        readings.push(Reading { tag: place(device, name)?, value: Quality::Bad(fault.clone()) });
    }
    readings.sort_by_key(|reading| reading.tag);
    Ok(readings)
}

fn place(device: &Device, name: &str) -> Result<usize, PlanError> {
    device.tags.iter().position(|tag| *tag.name == *name).ok_or_else(|| PlanError::Tag {
        device: device.name.to_string(),
        tag: name.to_owned(),
        known: unknown(name, device.tags.iter().map(|tag| &*tag.name)),
    })
}

/// The recording's time is the only one: it stands for the clock that runs from boot as well.
fn stamp(at_us: i64) -> Stamp {
    Stamp { wall_us: at_us, boottime_us: at_us, synced: true }
}
