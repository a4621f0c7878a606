//! One topic mapping: what a message of its topics says, as events.

use std::borrow::Cow;
use std::sync::Arc;

use plantlink_buffer::{Event, EventTime};
use plantlink_config::{DataTemplate, Levels, Part, Plant, Reference, Stage, Template, TopicMapping};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::sight;
use super::{FreshIds, json, sender_event_id};
use crate::catalog::{self, Standard};
use crate::metadata::shared_members;
use crate::source::Message;
use crate::template::{self, Scope};

/// Larger data is rejected: an event has to pass through every destination whole.
pub(super) const DATA_BYTES_MAX: usize = 1 << 20;
/// A larger array is rejected: one message is one commit.
pub(super) const ELEMENTS_MAX: usize = 4_096;

/// Whose messages they are.
pub(super) struct Origin {
    pub(super) plant: Plant,
    /// The source's name.
    pub(super) source: Arc<str>,
    pub(super) stage: Stage,
    /// For messages whose senders give none.
    pub(super) ids: FreshIds,
}

/// A topic mapping and what it asks of a payload.
pub(super) struct Topic {
    mapping: TopicMapping,
    event_type: Arc<str>,
    /// Whether something of it looks into the payload, which then has to be JSON.
    points: bool,
    /// Whether an object is passed on as it came, and only the catalogue needs to know something of what is in it.
    passes_on: bool,
    standard: Option<&'static Standard>,
}

impl Topic {
    pub(super) fn new(mapping: TopicMapping) -> Self {
        let points = points(&mapping);
        let passes_on = !points && mapping.data.is_none();
        let standard = catalog::find(&mapping.event_type);
        Topic { points, passes_on, standard, event_type: (&*mapping.event_type).into(), mapping }
    }

    /// Its levels in a topic that is one of its own.
    pub(super) fn levels(&self, topic: &str) -> Option<Levels> {
        self.mapping.filter.matches(topic)
    }

    /// Whether its senders give ids.
    pub(super) fn has_id(&self) -> bool {
        self.mapping.id.is_some()
    }

    /// The events of one message: one, or one for each element of an array. An error says why it makes none.
    pub(super) fn events(
        &self,
        origin: &Origin,
        levels: &Levels,
        message: &Message,
        payload: &[u8],
    ) -> Result<Vec<Event>, String> {
        let text = str::from_utf8(payload).map_err(|error| format!("the payload is not UTF-8: {error}"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if self.passes_on
            && let Some(members) = sight::members(text, |name| self.standard.is_some_and(|of| of.speaks_of(name)))
        {
            checked(&self.event_type, &members)?;
            let message = Element { origin, topic: self, levels, message, payload: &Value::Null, index: 0 };
            return message.event_of(text.trim().as_bytes().to_vec()).map(|event| vec![event]);
        }
        let (payload, is_json) = match serde_json::from_str::<Value>(text) {
            Ok(payload) => (payload, true),
            Err(error) if self.points => return Err(format!("the payload is not JSON: {error}")),
            Err(_) => (Value::String(text.to_owned()), false),
        };
        let one = |payload: &Value, text: Option<&str>, index: usize| {
            Element { origin, topic: self, levels, message, payload, index }.event(text)
        };
        match self.elements(&payload)? {
            Some(elements) if elements.len() > ELEMENTS_MAX => {
                Err(format!("the payload has {} elements (at most {ELEMENTS_MAX})", elements.len()))
            }
            Some(elements) => elements.iter().enumerate().map(|(index, element)| one(element, None, index)).collect(),
            None => one(&payload, is_json.then(|| text.trim()), 0).map(|event| vec![event]),
        }
    }

    /// What makes an event each; `None`: the payload as a whole makes one.
    fn elements<'a>(&self, payload: &'a Value) -> Result<Option<&'a Vec<Value>>, String> {
        let Some(pointer) = &self.mapping.each else { return Ok(payload.as_array()) };
        match payload.pointer(pointer) {
            Some(Value::Array(elements)) => Ok(Some(elements)),
            Some(other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_))) => {
                Err(format!("`{pointer}` is {}, and no array", kind(other)))
            }
            None => Err(format!("the payload has no `{pointer}`, which holds what makes an event each")),
        }
    }
}

/// As people call it.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// What makes one event: a message, or one element of its array.
struct Element<'a> {
    origin: &'a Origin,
    topic: &'a Topic,
    levels: &'a Levels,
    message: &'a Message,
    payload: &'a Value,
    /// Among the elements; 0 for a message as a whole.
    index: usize,
}

impl Element<'_> {
    /// `text` is the payload's own JSON text where it may be taken over as it is.
    fn event(&self, text: Option<&str>) -> Result<Event, String> {
        let event_type = &*self.topic.event_type;
        let data = match (&self.topic.mapping.data, self.payload) {
            (Some(fields), _) => {
                let mut data = template::table(fields, self);
                catalog::conform(event_type, &mut data);
                json(checked(event_type, &data)?)
            }
            (None, Value::Object(object)) => {
                checked(event_type, object)?;
                text.map_or_else(|| json(object), |text| text.as_bytes().to_vec())
            }
            (None, other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_))) => {
                json(checked(event_type, &Map::from_iter([("value".to_owned(), other.clone())]))?)
            }
        };
        self.event_of(data)
    }

    /// The event of this data, which has what its type requires.
    fn event_of(&self, data: Vec<u8>) -> Result<Event, String> {
        let at = match self.topic.mapping.time.as_ref().and_then(|time| template::moment(time, self)) {
            None => EventTime::Own,
            Some(Ok(wall_us)) => EventTime::Sender { wall_us },
            Some(Err(error)) => return Err(error.to_string()),
        };
        if data.len() > DATA_BYTES_MAX {
            return Err(format!("the event's data has {} bytes (at most {DATA_BYTES_MAX})", data.len()));
        }
        Ok(Event {
            id: self.id()?.into_bytes(),
            event_type: self.topic.event_type.clone(),
            source: self.origin.source.clone(),
            at,
            stamp: self.message.stamp,
            data,
            metadata: self.metadata(),
        })
    }

    fn id(&self) -> Result<Uuid, String> {
        let Some(template) = &self.topic.mapping.id else { return Ok(self.origin.ids.next(self.message.stamp)) };
        let found = template::value(template, self);
        let sender_id = match &found {
            Some(Value::String(text)) if !text.is_empty() => Cow::Borrowed(text.as_str()),
            Some(Value::Number(number)) => Cow::Owned(number.to_string()),
            Some(other @ (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_))) => {
                return Err(format!("the message's id is {other}, neither text nor number"));
            }
            Some(Value::String(_)) | None => return Err("the message has no id where its topic names one".into()),
        };
        let Origin { plant, source, stage: _, ids: _ } = self.origin;
        Ok(sender_event_id(plant, source, &self.topic.mapping.event_type, &sender_id, self.index))
    }

    /// Correlation and trace ids: the sender's own are kept.
    fn metadata(&self) -> Vec<u8> {
        let mut members = shared_members(self.origin.stage, None);
        let properties = &self.message.user_properties;
        let property = |name: &str| {
            properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        let own = || self.message.correlation.as_ref().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        let correlation = self.topic.mapping.correlation.as_ref().and_then(|template| template::text(template, self));
        let correlation = correlation.or_else(own).or_else(|| property("correlation_id"));
        let trace_id = property("traceparent").and_then(|parent| trace_id(&parent));
        for (name, value) in [("correlation_id", correlation), ("trace_id", trace_id)] {
            if let Some(value) = value {
                members.extend_from_slice(format!(r#","{name}":"#).as_bytes());
                members.extend_from_slice(&json(&value));
            }
        }
        members
    }
}

impl Scope for Element<'_> {
    fn name(&self, name: &str) -> Option<Value> {
        match (self.levels.get(name), name) {
            (Some(level), _) => Some(Value::from(level)),
            (None, "plant") => Some(Value::from(&*self.origin.plant.id)),
            (None, "gateway") => Some(Value::from(&*self.origin.plant.gateway)),
            (None, _) => None,
        }
    }

    fn pointer(&self, pointer: &str) -> Option<Value> {
        self.payload.pointer(pointer).cloned()
    }
}

/// The data, unless it is not what the catalogue says.
fn checked<'a>(event_type: &str, data: &'a Map<String, Value>) -> Result<&'a Map<String, Value>, String> {
    catalog::check(event_type, data).map(|()| data).map_err(|misfit| misfit.to_string())
}

/// The trace id of a W3C `traceparent` (version-traceid-parentid-flags), if it is one.
fn trace_id(traceparent: &str) -> Option<String> {
    let id = traceparent.split('-').nth(1)?;
    // All zeros name no trace (W3C Trace Context, 3.2.2.3).
    let valid =
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0');
    valid.then(|| id.to_ascii_lowercase())
}

/// Whether a mapping looks into the payload.
fn points(mapping: &TopicMapping) -> bool {
    fn template(template: &Template) -> bool {
        template.parts.iter().any(|part| matches!(part, Part::Look { up: Reference::Pointer(_), .. }))
    }
    fn data(field: &DataTemplate) -> bool {
        match field {
            DataTemplate::Constant(_) => false,
            DataTemplate::Template(text) => template(text),
            DataTemplate::Table(fields) => fields.iter().any(|(_, field)| data(field)),
            DataTemplate::List(items) => items.iter().any(data),
        }
    }
    mapping.each.is_some()
        || [&mapping.id, &mapping.time, &mapping.correlation].into_iter().flatten().any(template)
        || mapping.data.as_ref().is_some_and(|fields| fields.iter().any(|(_, field)| data(field)))
}
