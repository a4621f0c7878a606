//! An event as a destination sees it: its envelope in either format, and what templates find in it.

mod cloudevents;
mod plant;

use std::sync::{Arc, OnceLock};

use bytes::BytesMut;
use memchr::memmem;
use plantlink_buffer::{Event, EventTime, Recorded, Stored, TimeQuality};
use plantlink_config::{EnvelopeFormat, Name};
use serde_json::Value;
use uuid::Uuid;

use crate::catalog::VERSION;
use crate::template::{Scope, rfc3339};

/// What all events of this agent have in common.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) plant: Name,
    pub(crate) gateway: Name,
    /// The buffer's identity.
    pub(crate) epoch: Uuid,
}

/// One event of one flow.
#[derive(Debug)]
pub(crate) struct Envelope {
    site: Arc<Site>,
    flow: Name,
    sequence: u64,
    /// The row of the boot in which it was recorded.
    boot: i64,
    event: Event,
    recorded: Recorded,
    data: OnceLock<Value>,
    metadata: OnceLock<Value>,
}

impl Envelope {
    /// Of an event with what is known of its time now.
    pub(crate) fn new(site: Arc<Site>, flow: Name, stored: Stored, recorded: Recorded) -> Self {
        let Stored { sequence, boot, event } = stored;
        Envelope { site, flow, sequence, boot, event, recorded, data: OnceLock::new(), metadata: OnceLock::new() }
    }

    pub(crate) fn id(&self) -> Uuid {
        Uuid::from_bytes(self.event.id)
    }

    pub(crate) fn event_type(&self) -> &str {
        &self.event.event_type
    }

    /// When it was recorded, as far as that is known.
    pub(crate) fn recorded(&self) -> Recorded {
        self.recorded
    }

    /// Where it stands in time among the events of this buffer, whatever the wall clock showed: the boot, and the clock that
    /// runs from it.
    pub(crate) fn place_in_time(&self) -> (i64, i64) {
        (self.boot, self.event.stamp.boottime_us)
    }

    /// The flow whose log it is in.
    pub(crate) fn flow(&self) -> &Name {
        &self.flow
    }

    /// The buffer that its sequence number counts in.
    pub(crate) fn epoch(&self) -> Uuid {
        self.site.epoch
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// W3C trace context: the sender's own, else one made of the event's id.
    pub(crate) fn traceparent(&self) -> String {
        let mut digits = Uuid::encode_buffer();
        let id = &*self.id().simple().encode_lower(&mut digits);
        let own = self.metadata_text("trace_id");
        let (_, parent_id) = id.split_at(id.len() / 2);
        ["00-", own.as_deref().unwrap_or(id), "-", parent_id, "-01"].concat()
    }

    /// Writes the envelope as JSON.
    pub(crate) fn write(&self, format: EnvelopeFormat, out: &mut BytesMut) {
        match format {
            EnvelopeFormat::Plant => plant::write(self, out),
            EnvelopeFormat::CloudEvents => cloudevents::write(self, out),
        }
    }

    /// The numbers of its data, by their tags.
    pub(crate) fn numbers(&self) -> Vec<(String, Value)> {
        let tags = self.data().as_object().into_iter().flatten();
        tags.filter(|(_, value)| value.is_number()).map(|(tag, value)| (tag.clone(), value.clone())).collect()
    }

    /// The sender's own, else the event's id.
    fn correlation_id(&self) -> String {
        self.metadata_text("correlation_id").unwrap_or_else(|| self.id().to_string())
    }

    /// The sender's own, else one made of the event's id.
    fn trace_id(&self) -> String {
        self.metadata_text("trace_id").unwrap_or_else(|| self.id().simple().to_string())
    }

    fn timestamp_us(&self) -> i64 {
        match self.event.at {
            EventTime::Own => self.recorded.wall_us,
            EventTime::Sender { wall_us } => wall_us,
        }
    }

    fn time_quality(&self) -> &'static str {
        match self.recorded.quality {
            TimeQuality::Synced => "synced",
            TimeQuality::Unsynced => "unsynced",
            TimeQuality::Corrected => "corrected",
        }
    }

    /// Whether the stored metadata has a member of this quoted name. A match inside a text costs a member that can be
    /// derived, never a fact.
    fn says(&self, quoted: &[u8]) -> bool {
        memmem::find(&self.event.metadata, quoted).is_some()
    }

    fn data(&self) -> &Value {
        self.data.get_or_init(|| serde_json::from_slice(&self.event.data).unwrap_or(Value::Null))
    }

    fn metadata(&self) -> &Value {
        self.metadata.get_or_init(|| {
            let object = [b"{".as_slice(), &self.event.metadata, b"}"].concat();
            serde_json::from_slice(&object).unwrap_or(Value::Null)
        })
    }

    fn metadata_text(&self, key: &str) -> Option<String> {
        contains(&self.event.metadata, key.as_bytes())
            .then(|| self.metadata().get(key)?.as_str().map(str::to_owned))
            .flatten()
    }
}

impl Scope for Envelope {
    /// `data` first, then the envelope, then `asset`.
    fn name(&self, name: &str) -> Option<Value> {
        if contains(&self.event.data, name.split('.').next().unwrap_or(name).as_bytes())
            && let Some(found) = descend(self.data(), name)
        {
            return Some(found.clone());
        }
        match name {
            "plant" => Some(Value::from(&*self.site.plant)),
            "gateway" => Some(Value::from(&*self.site.gateway)),
            "event_id" => Some(Value::from(self.id().to_string())),
            "event_type" => Some(Value::from(&*self.event.event_type)),
            "timestamp" => Some(Value::from(rfc3339(self.timestamp_us()))),
            "version" => Some(Value::from(VERSION)),
            "source" => Some(Value::from(format!("{}/{}", self.site.plant, self.event.source))),
            "device" => Some(Value::from(&*self.event.source)),
            "flow" => Some(Value::from(&*self.flow)),
            "sequence" => Some(Value::from(self.sequence)),
            "epoch" => Some(Value::from(self.site.epoch.to_string())),
            "recorded_at" => Some(Value::from(rfc3339(self.recorded.wall_us))),
            "time_quality" => Some(Value::from(self.time_quality())),
            "correlation_id" => Some(Value::from(self.correlation_id())),
            "trace_id" => Some(Value::from(self.trace_id())),
            _ => descend(self.metadata(), name).cloned(),
        }
    }

    fn pointer(&self, pointer: &str) -> Option<Value> {
        self.data().pointer(pointer).cloned()
    }
}

/// Much faster than the formatting macros, and there are many events.
fn put(out: &mut BytesMut, texts: &[&str]) {
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

/// Whether the bytes hold the word at all: most names are not in `data`, and this is cheaper than parsing it.
fn contains(data: &[u8], word: &[u8]) -> bool {
    memmem::find(data, word).is_some()
}

/// A key of the object, else the way that the dots name.
fn descend<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| name.split('.').try_fold(object, |at, key| at.get(key)))
}

#[cfg(test)]
mod tests;
