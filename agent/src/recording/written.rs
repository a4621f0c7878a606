//! What a source brings, as the lines of a recording.

use std::collections::BTreeMap;

use plantlink_config::{Device, Name, Source, TagName};
use serde_json::{Map, Value};

use super::line::Keys;
use crate::mqtt::{Arrival, Payload};
use crate::reading;
use crate::source::{Content, Message, Scan};
use crate::template::rfc3339;

/// Writes down what one source brings.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    source: Name,
    /// The devices of a line with their tags, in their order.
    devices: Vec<(Name, Vec<TagName>)>,
}

impl Written {
    pub(crate) fn new(source: &Source) -> Self {
        let devices = match source {
            Source::Modbus(line) => {
                let tags = |device: &Device| device.tags.iter().map(|tag| tag.name.clone()).collect();
                line.devices.iter().map(|device| (device.name.clone(), tags(device))).collect()
            }
            Source::Mqtt(_) => Vec::new(),
        };
        Written { source: source.name().clone(), devices }
    }

    /// The lines, each with the device or the MQTT source that it is of. A message that was too large to be kept has none.
    pub(crate) fn lines(&self, content: &Content) -> Vec<(Name, String)> {
        let keys: Vec<(Name, Keys)> = match content {
            Content::Scan(scan) => {
                let device = self.devices.get(scan.device);
                device.map(|(device, tags)| (device.clone(), of_scan(device, tags, scan))).into_iter().collect()
            }
            Content::Arrived(arrivals) => {
                let messages = arrivals.iter().filter_map(Arrival::message);
                messages.filter_map(|message| Some((self.source.clone(), self.of_message(message)?))).collect()
            }
            Content::Connected(_) | Content::Subscribed(_) => Vec::new(),
        };
        let text = |keys: &Keys| serde_json::to_string(keys).ok();
        keys.iter().filter_map(|(of, keys)| Some((of.clone(), text(keys)?))).collect()
    }

    fn of_message(&self, message: &Message) -> Option<Keys> {
        let payload = match &message.payload {
            Payload::Whole(payload) => payload,
            Payload::TooLarge { .. } => return None,
        };
        let (payload, payload_hex) = match str::from_utf8(payload) {
            Ok(text) => (Some(text.into()), None),
            Err(_) => (None, Some(payload.iter().map(|byte| format!("{byte:02x}")).collect())),
        };
        let mut properties = BTreeMap::new();
        for (name, value) in &message.user_properties {
            // Of those with one name the first one counts.
            properties.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Some(Keys {
            at: Some(rfc3339(message.stamp.wall_us)),
            source: Some(self.source.to_string()),
            topic: Some(message.topic.clone()),
            payload,
            payload_hex,
            retained: message.retained,
            correlation: message.correlation.as_ref().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()),
            properties,
            ..Keys::default()
        })
    }
}

fn of_scan(device: &Name, names: &[TagName], scan: &Scan) -> Keys {
    let json = |value: Option<&reading::Value>| value.map_or(Value::Null, reading::Value::to_json);
    let (mut tags, mut faults) = (Map::new(), BTreeMap::new());
    for reading in &scan.readings {
        let Some(name) = names.get(reading.tag) else { continue };
        tags.insert(name.to_string(), json(reading.value.value()));
        if let Some(fault) = reading.value.fault() {
            faults.insert(name.to_string(), fault.clone());
        }
    }
    Keys {
        at: Some(rfc3339(scan.stamp.wall_us)),
        device: Some(device.to_string()),
        tags: Some(tags),
        faults,
        identity: scan.identity.as_ref().map(|identity| json(identity.found.as_ref())),
        nameplate: scan.nameplate.clone(),
        ..Keys::default()
    }
}
