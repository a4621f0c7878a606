//! Dead letters for a person: which are meant, how each is told, and what it would be sent as.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use plantlink_buffer::{DeadContent, DeadLetter, FlowState, ReadError, Reader, Recorded, Stored};
use plantlink_config::{Config, EnvelopeFormat, Name, wild};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::envelope::{Envelope, Site};
use crate::template::rfc3339;

/// So many are read at once: each of them may be as large as an event can be.
const LETTERS_AT_ONCE: usize = 32;

/// Which dead letters are meant: those that fit all that is given. In texts `*` stands for any text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Selection {
    /// Without any: all of them.
    pub(crate) ids: Vec<i64>,
    /// The flow that the event is missing from.
    pub(crate) flow: Option<String>,
    /// The device or the MQTT source that the event or the message came from.
    pub(crate) source: Option<String>,
    /// What was said, or its code.
    pub(crate) reason: Option<String>,
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dead letters")?;
        if !self.ids.is_empty() {
            let ids: Vec<String> = self.ids.iter().map(i64::to_string).collect();
            write!(f, " {}", ids.join(", "))?;
        }
        for (key, text) in [("flow", &self.flow), ("source", &self.source), ("reason", &self.reason)] {
            if let Some(text) = text {
                write!(f, ", {key} {text}")?;
            }
        }
        Ok(())
    }
}

/// What somebody wants to see.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dead {
    /// Some of the selected, the latest first: those of the next few before this id, or of the latest.
    List { selection: Selection, before: Option<i64> },
    /// One with its body.
    Show { id: i64 },
}

/// What the body of an event is made with.
#[derive(Debug, Clone)]
pub(crate) struct Wording {
    site: Arc<Site>,
    /// By flow, as its destination wants it.
    formats: Vec<(Name, EnvelopeFormat)>,
}

impl Wording {
    pub(crate) fn new(config: &Config, site: Arc<Site>) -> Self {
        let format = |to: &Name| config.destinations.iter().find(|destination| destination.name() == to);
        let formats = config.flows.iter().filter_map(|flow| Some((flow.name.clone(), format(&flow.to)?.format())));
        Wording { site, formats: formats.collect() }
    }

    /// The envelope as it would be sent; in a flow that is gone as nobody has configured otherwise.
    fn body(&self, flow: Name, letter: Stored, recorded: Recorded) -> Value {
        let format = self.formats.iter().find(|(name, _)| *name == flow).map(|(_, format)| *format);
        let mut body = BytesMut::new();
        Envelope::new(self.site.clone(), flow, letter, recorded)
            .write(format.unwrap_or(EnvelopeFormat::Plant), &mut body);
        serde_json::from_slice(&body).unwrap_or_else(|_| text(&body))
    }
}

impl Selection {
    fn takes(&self, letter: &DeadLetter, flows: &[FlowState]) -> bool {
        let fits = |pattern: &Option<String>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| wild(pattern, text)))
        };
        let (flow, source) = match &letter.content {
            DeadContent::Event { flow, stored, .. } => {
                (flows.iter().find(|known| known.id == *flow).map(|flow| &*flow.name), &*stored.event.source)
            }
            DeadContent::Payload { source, .. } => (None, source.as_str()),
        };
        let has_reason = fits(&self.reason, Some(&letter.reason)) || fits(&self.reason, letter.code.as_deref());
        let is_named = self.ids.is_empty() || self.ids.contains(&letter.id);
        is_named && fits(&self.flow, flow) && fits(&self.source, Some(source)) && has_reason
    }

    /// All of the selected, the latest first; `each` sees them a few at a time.
    pub(super) fn each(
        &self,
        flows: &[FlowState],
        reader: &mut Reader,
        mut each: impl FnMut(&DeadLetter),
    ) -> Result<(), ReadError> {
        let mut before = None;
        loop {
            let letters = reader.dead_letters(before, LETTERS_AT_ONCE)?;
            let Some(last) = letters.last() else { return Ok(()) };
            before = Some(last.id);
            letters.iter().filter(|letter| self.takes(letter, flows)).for_each(&mut each);
        }
    }
}

impl Dead {
    /// `{"letters", "before"}`, where `before` is what the next question begins with, or one letter, or `null`.
    pub(crate) fn answer(&self, wording: &Wording, reader: &mut Reader) -> Result<Value, ReadError> {
        let flows = reader.flows()?;
        match self {
            Dead::List { selection, before } => {
                let letters = reader.dead_letters(*before, LETTERS_AT_ONCE)?;
                let told: Vec<Value> = letters
                    .iter()
                    .filter(|letter| selection.takes(letter, &flows))
                    .map(|letter| entry(letter, &flows))
                    .collect();
                Ok(json!({ "letters": told, "before": letters.last().map(|last| last.id) }))
            }
            Dead::Show { id } => {
                let Some(letter) = reader.dead_letter(*id)? else { return Ok(Value::Null) };
                let mut told = entry(&letter, &flows);
                told["message"] = letter.reason.clone().into();
                told["body"] = match letter.content {
                    DeadContent::Event { flow, stored, .. } => {
                        match flows.iter().find(|known| known.id == flow).and_then(|flow| Name::new(&flow.name)) {
                            Some(flow) => {
                                let recorded = reader.recorded(&stored)?;
                                wording.body(flow, stored, recorded)
                            }
                            None => text(&stored.event.data),
                        }
                    }
                    DeadContent::Payload { payload, .. } => text(&payload),
                };
                Ok(told)
            }
        }
    }
}

/// A letter as scripts know it.
fn entry(letter: &DeadLetter, flows: &[FlowState]) -> Value {
    let DeadLetter { id, at_us, code, reason, content } = letter;
    let at = rfc3339(*at_us);
    match content {
        DeadContent::Event { flow, attempts, stored } => {
            let flow = flows.iter().find(|known| known.id == *flow).map(|flow| &*flow.name);
            let event_id = Uuid::from_bytes(stored.event.id).to_string();
            json!({
                "id": id, "flow": flow, "source": &*stored.event.source, "event_id": event_id,
                "event_type": &*stored.event.event_type, "at": at, "attempts": attempts, "code": code, "reason": reason,
            })
        }
        DeadContent::Payload { source, .. } => json!({
            "id": id, "flow": null, "source": source, "event_id": null, "event_type": null, "at": at, "attempts": 1,
            "code": code, "reason": reason,
        }),
    }
}

/// What is no text is told by its bytes.
fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "bytes": bytes }),
    }
}
