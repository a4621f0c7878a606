//! The mapper of an MQTT source: messages into the events that their topics name.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{Event, EventTime, Received, Rejected, SenderEntry, SourceCounts};
use plantlink_config::{Levels, MqttSource, Plant, TopicMapping};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::receipt::{Receipts, Recognized};
use super::sender::{Known, Senders};
use super::sight::Sight;
use super::topic::Topic;
use super::{Entry, Memory, Remembered, asset_member, json, sender_event_id};
use crate::catalog;
use crate::clip::clip;
use crate::mqtt::{Arrival, Payload};
use crate::source::{Ack, Connected, Message, Subscribed};
use crate::template::{self, Scope};

/// Larger data is rejected: an event has to pass through every destination whole.
const DATA_BYTES_MAX: usize = 1 << 20;
/// A larger array is rejected: one message is one commit.
const ELEMENTS_MAX: usize = 4_096;
/// How much of a rejected payload is kept for a person to see.
const REJECTED_BYTES_MAX: usize = 64 << 10;

/// Knows the topics of one MQTT source and the ids its senders gave.
pub(crate) struct MessageMapper {
    plant: Plant,
    name: Arc<str>,
    topics: Vec<Topic>,
    /// What the broker's session holds of ours, as it is remembered.
    filters: Vec<String>,
    senders: Senders,
    receipts: Receipts,
    wait: Duration,
}

impl MessageMapper {
    /// `linger` is how long a message may wait for company; `senders` are the senders' ids that are remembered, oldest
    /// first.
    pub(crate) fn new(
        plant: &Plant,
        source: &MqttSource,
        linger: Duration,
        memory: &Memory,
        senders: Vec<SenderEntry>,
        receipts: Receipts,
    ) -> Self {
        MessageMapper {
            plant: plant.clone(),
            name: (&*source.name).into(),
            topics: source.topics.iter().map(Topic::new).collect(),
            filters: remembered_filters(&source.name, memory),
            senders: Senders::new(senders),
            receipts,
            wait: linger,
        }
    }

    pub(crate) fn map(&mut self, arrivals: &[Arrival<Message>], ack: Ack) -> Entry {
        let mut events = Vec::with_capacity(arrivals.len());
        let mut unmapped = None;
        let Recognized { repeated, receipts, memory, doubt } = self.receipts.recognize(arrivals);
        let mut received = Received {
            source: self.name.clone(),
            counts: SourceCounts::default(),
            senders: Vec::new(),
            receipts,
            rejected: Vec::new(),
        };
        for (message, repeated) in arrivals.iter().filter_map(Arrival::message).zip(repeated) {
            received.counts.received += 1;
            let fate =
                if repeated { Fate::Repeated } else { self.message(message, &mut events, &mut received.senders) };
            match fate {
                Fate::Mapped => received.counts.mapped += 1,
                Fate::Repeated => received.counts.repeated += 1,
                Fate::Unmapped => {
                    received.counts.unmapped += 1;
                    unmapped = Some(message.topic.clone());
                }
                Fate::Rejected(reason) => {
                    received.counts.rejected += 1;
                    received.rejected.push(rejected(message, &reason));
                }
            }
        }
        Entry { events, received: Some(received), memory, doubt, unmapped, ack, wait: self.wait }
    }

    /// Remembers which session of the broker it is, and what it may hold of ours from now on.
    pub(crate) fn connected(&mut self, connected: Connected, ack: Ack) -> Entry {
        let Connected { session_present, filters } = connected;
        let mut memory = self.receipts.connected(session_present);
        memory.extend(self.holds(filters));
        only_memory(memory, ack)
    }

    /// Remembers what the broker's session holds of ours, so that a later configuration can give it up.
    pub(crate) fn subscribed(&mut self, subscribed: Subscribed, ack: Ack) -> Entry {
        only_memory(self.holds(subscribed.filters).into_iter().collect(), ack)
    }

    fn holds(&mut self, filters: Vec<String>) -> Option<Remembered> {
        if self.filters == filters {
            return None;
        }
        self.filters = filters;
        Some((filters_owner(&self.name), Some(json(&self.filters))))
    }

    /// Either the whole message becomes events, or nothing of it does.
    fn message(&mut self, message: &Message, events: &mut Vec<Event>, senders: &mut Vec<SenderEntry>) -> Fate {
        if message.retained {
            return Fate::Unmapped;
        }
        let Some((topic, levels)) =
            self.topics.iter().find_map(|topic| Some((topic, topic.mapping.filter.matches(&message.topic)?)))
        else {
            return Fate::Unmapped;
        };
        let payload = match &message.payload {
            Payload::Whole(payload) => payload,
            Payload::TooLarge { packet_bytes } => {
                return Fate::Rejected(format!("the message has {packet_bytes} bytes, which is too large"));
            }
        };
        let mut made = match made(&self.plant, &self.name, topic, &levels, message, payload) {
            Ok(made) => made,
            Err(reason) => return Fate::Rejected(reason),
        };
        if topic.mapping.id.is_some() {
            let payload_hash = hash(payload);
            for event in &made {
                if self.senders.look_up(event.id, payload_hash) == Known::OtherBytes {
                    return Fate::Rejected("the sender gave this id to another message before".into());
                }
            }
            let before = made.len();
            made.retain(|event| self.senders.look_up(event.id, payload_hash) == Known::No);
            if made.is_empty() && before > 0 {
                return Fate::Repeated;
            }
            for event in &made {
                let sender = SenderEntry { id_hash: event.id, payload_hash };
                self.senders.remember(sender);
                senders.push(sender);
            }
        }
        events.extend(made);
        Fate::Mapped
    }
}

/// Nothing came but what has to be remembered.
fn only_memory(memory: Vec<Remembered>, ack: Ack) -> Entry {
    Entry { events: Vec::new(), received: None, memory, doubt: None, unmapped: None, ack, wait: Duration::ZERO }
}

/// What the broker's session of a source holds of ours, as far as it is remembered.
pub(crate) fn remembered_filters(source: &str, memory: &Memory) -> Vec<String> {
    memory.get(&filters_owner(source)).and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
}

fn filters_owner(source: &str) -> String {
    format!("subscription/{source}")
}

enum Fate {
    Mapped,
    Unmapped,
    Repeated,
    Rejected(String),
}

/// The events of one message: one, or one for each element of an array.
fn made(
    plant: &Plant,
    source: &Arc<str>,
    topic: &Topic,
    levels: &Levels,
    message: &Message,
    payload: &[u8],
) -> Result<Vec<Event>, String> {
    let text = str::from_utf8(payload).map_err(|error| format!("the payload is not UTF-8: {error}"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if topic.passes_on()
        && let Some(sight) = Sight::of(text, catalog::required(&topic.mapping.event_type))
    {
        if let Some(key) = sight.missing {
            return Err(lacks(&topic.mapping.event_type, key));
        }
        let scope = MessageScope { plant, levels, payload: &Value::Null };
        return event(source, topic, message, &scope, text.trim().as_bytes().to_vec(), 0).map(|event| vec![event]);
    }
    let (payload, is_json) = match serde_json::from_str::<Value>(text) {
        Ok(payload) => (payload, true),
        Err(error) if topic.points => return Err(format!("the payload is not JSON: {error}")),
        Err(_) => (Value::String(text.to_owned()), false),
    };
    match payload {
        Value::Array(elements) if elements.len() > ELEMENTS_MAX => {
            Err(format!("the payload has {} elements (at most {ELEMENTS_MAX})", elements.len()))
        }
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .map(|(index, element)| one(plant, source, topic, levels, message, element, None, index))
            .collect(),
        payload @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            let as_it_is = is_json.then(|| text.trim());
            one(plant, source, topic, levels, message, &payload, as_it_is, 0).map(|event| vec![event])
        }
    }
}

/// One event. `text` is the payload's own JSON text where it may be taken over as it is.
#[expect(clippy::too_many_arguments, reason = "the parts of one message, each of them needed once")]
fn one(
    plant: &Plant,
    source: &Arc<str>,
    topic: &Topic,
    levels: &Levels,
    message: &Message,
    payload: &Value,
    text: Option<&str>,
    index: usize,
) -> Result<Event, String> {
    let scope = MessageScope { plant, levels, payload };
    let mapping = &topic.mapping;
    let data = match &mapping.data {
        Some(fields) => checked(&mapping.event_type, &template::table(fields, &scope)).map(|data| json(&data))?,
        None => match payload {
            Value::Object(object) => {
                checked(&mapping.event_type, object)?;
                text.map_or_else(|| json(object), |text| text.as_bytes().to_vec())
            }
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                let object = Map::from_iter([("value".to_owned(), other.clone())]);
                checked(&mapping.event_type, &object).map(|data| json(&data))?
            }
        },
    };
    event(source, topic, message, &scope, data, index)
}

/// The event of this data, which has what its type requires.
fn event(
    source: &Arc<str>,
    topic: &Topic,
    message: &Message,
    scope: &MessageScope<'_>,
    data: Vec<u8>,
    index: usize,
) -> Result<Event, String> {
    let mapping = &topic.mapping;
    let at = match mapping.time.as_ref().and_then(|time| template::moment(time, scope)) {
        None => EventTime::Own,
        Some(Ok(wall_us)) => EventTime::Sender { wall_us },
        Some(Err(error)) => return Err(error.to_string()),
    };
    if data.len() > DATA_BYTES_MAX {
        return Err(format!("the event's data has {} bytes (at most {DATA_BYTES_MAX})", data.len()));
    }
    Ok(Event {
        id: id(scope.plant, source, mapping, scope, index)?.into_bytes(),
        event_type: topic.event_type.clone(),
        source: source.clone(),
        at,
        stamp: message.stamp,
        data,
        metadata: metadata(mapping, message, scope),
    })
}

/// The data, unless it lacks what the catalogue requires.
fn checked<'a>(event_type: &str, data: &'a Map<String, Value>) -> Result<&'a Map<String, Value>, String> {
    match catalog::missing(event_type, data) {
        None => Ok(data),
        Some(key) => Err(lacks(event_type, key)),
    }
}

fn lacks(event_type: &str, key: &str) -> String {
    format!("`{key}` is missing, which {event_type} requires")
}

fn id(
    plant: &Plant,
    source: &str,
    mapping: &TopicMapping,
    scope: &MessageScope<'_>,
    index: usize,
) -> Result<Uuid, String> {
    let Some(template) = &mapping.id else { return Ok(Uuid::now_v7()) };
    let found = template::value(template, scope);
    let sender_id = match &found {
        Some(Value::String(text)) if !text.is_empty() => Cow::Borrowed(text.as_str()),
        Some(Value::Number(number)) => Cow::Owned(number.to_string()),
        Some(other @ (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_))) => {
            return Err(format!("the message's id is {other}, neither text nor number"));
        }
        Some(Value::String(_)) | None => return Err("the message has no id where its topic names one".into()),
    };
    Ok(sender_event_id(plant, source, &mapping.event_type, &sender_id, index))
}

/// Correlation and trace ids: the sender's own are kept.
fn metadata(mapping: &TopicMapping, message: &Message, scope: &MessageScope<'_>) -> Vec<u8> {
    let mut members = asset_member(None);
    let property = |name: &str| {
        message.user_properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    let own = || message.correlation.as_ref().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let correlation = mapping
        .correlation
        .as_ref()
        .and_then(|template| template::text(template, scope))
        .or_else(own)
        .or_else(|| property("correlation_id"));
    for (name, value) in
        [("correlation_id", correlation), ("trace_id", property("traceparent").and_then(|parent| trace_id(&parent)))]
    {
        if let Some(value) = value {
            members.extend_from_slice(format!(r#","{name}":"#).as_bytes());
            members.extend_from_slice(&json(&value));
        }
    }
    members
}

/// The trace id of a W3C `traceparent` (version-traceid-parentid-flags), if it is one.
fn trace_id(traceparent: &str) -> Option<String> {
    let id = traceparent.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_ascii_lowercase())
}

fn rejected(message: &Message, reason: &str) -> Rejected {
    let payload = match &message.payload {
        Payload::Whole(payload) => payload.as_ref(),
        Payload::TooLarge { .. } => &[],
    };
    let kept = payload.get(..REJECTED_BYTES_MAX).unwrap_or(payload);
    Rejected {
        reason: clip(format!("{}: {reason}", message.topic)),
        payload: kept.to_vec(),
        at_us: message.stamp.wall_us,
    }
}

/// Eight bytes that tell one payload from another.
fn hash(payload: &[u8]) -> [u8; 8] {
    let (high, _) = Uuid::new_v5(&Uuid::NAMESPACE_OID, payload).as_u64_pair();
    high.to_be_bytes()
}

struct MessageScope<'a> {
    plant: &'a Plant,
    levels: &'a Levels,
    payload: &'a Value,
}

impl Scope for MessageScope<'_> {
    fn name(&self, name: &str) -> Option<Value> {
        match (self.levels.get(name), name) {
            (Some(level), _) => Some(Value::from(level)),
            (None, "plant") => Some(Value::from(&*self.plant.id)),
            (None, "gateway") => Some(Value::from(&*self.plant.gateway)),
            (None, _) => None,
        }
    }

    fn pointer(&self, pointer: &str) -> Option<Value> {
        self.payload.pointer(pointer).cloned()
    }
}

#[cfg(test)]
mod tests;
