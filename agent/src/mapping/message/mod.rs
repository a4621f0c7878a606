//! The mapper of an MQTT source: messages into the events that their topics name.

use std::time::Duration;

use plantlink_buffer::{Received, Rejected, SenderEntry, SourceCounts};
use plantlink_config::{MqttSource, Plant};
use uuid::Uuid;

use super::receipt::{Receipts, Recognized};
use super::sender::{Known, Senders};
use super::sparkplug::Sparkplug;
use super::topic::{Origin, Topic};
use super::{Entry, FreshIds, Memory, Remembered, Unmapped, json};
use crate::clip::clip;
use crate::mqtt::{Arrival, Payload};
use crate::source::{Ack, Connected, Message, Subscribed};

/// How much of a rejected payload is kept for a person to see.
const REJECTED_BYTES_MAX: usize = 64 << 10;

/// Knows the topics of one MQTT source and the ids its senders gave.
pub(crate) struct MessageMapper {
    origin: Origin,
    topics: Vec<Topic>,
    sparkplug: Sparkplug,
    /// Whether a retained message is an event too.
    takes_retained: bool,
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
        ids: &FreshIds,
    ) -> Self {
        MessageMapper {
            origin: Origin {
                plant: plant.clone(),
                source: (&*source.name).into(),
                stage: source.stage,
                ids: ids.clone(),
            },
            topics: source.topics.iter().cloned().map(Topic::new).collect(),
            sparkplug: Sparkplug::new(plant, source, memory, ids),
            takes_retained: source.retained,
            filters: remembered_filters(&source.name, memory),
            senders: Senders::new(senders),
            receipts,
            wait: linger,
        }
    }

    pub(crate) fn map(&mut self, arrivals: &[Arrival<Message>], ack: Ack) -> Entry {
        let mut entry = Entry::new(ack, self.wait);
        let Recognized { repeated, receipts, memory, doubt } = self.receipts.recognize(arrivals);
        let mut received = Received {
            source: self.origin.source.clone(),
            counts: SourceCounts::default(),
            senders: Vec::new(),
            receipts,
            rejected: Vec::new(),
        };
        for (message, repeated) in arrivals.iter().filter_map(Arrival::message).zip(repeated) {
            received.counts.received += 1;
            let fate = if repeated { Fate::Repeated } else { self.message(message, &mut entry, &mut received.senders) };
            match fate {
                Fate::Mapped => received.counts.mapped += 1,
                Fate::Repeated => received.counts.repeated += 1,
                Fate::Unmapped(unmapped) => {
                    received.counts.unmapped += 1;
                    entry.unmapped = Some(unmapped);
                }
                Fate::Rejected(reason) => {
                    received.counts.rejected += 1;
                    received.rejected.push(rejected(message, &reason));
                }
            }
        }
        entry.memory.extend(memory);
        Entry { stage: self.origin.stage, received: Some(received), doubt, ..entry }
    }

    /// Remembers which session of the broker it is, and what it may hold of ours from now on.
    pub(crate) fn connected(&mut self, connected: Connected, ack: Ack) -> Entry {
        let Connected { session_present, filters } = connected;
        let mut memory = self.receipts.connected(session_present);
        memory.extend(self.holds(filters));
        Entry { memory, heard: self.sparkplug.connected(), ..Entry::new(ack, Duration::ZERO) }
    }

    /// Remembers what the broker's session holds of ours, so that a later configuration can give it up.
    pub(crate) fn subscribed(&mut self, subscribed: Subscribed, ack: Ack) -> Entry {
        let memory = self.holds(subscribed.filters).into_iter().collect();
        Entry { memory, rebirths: self.sparkplug.subscribed(), ..Entry::new(ack, Duration::ZERO) }
    }

    fn holds(&mut self, filters: Vec<String>) -> Option<Remembered> {
        if self.filters == filters {
            return None;
        }
        self.filters = filters;
        Some((filters_owner(&self.origin.source), Some(json(&self.filters))))
    }

    /// Either the whole message becomes events, or nothing of it does.
    fn message(&mut self, message: &Message, entry: &mut Entry, senders: &mut Vec<SenderEntry>) -> Fate {
        if message.retained && !self.takes_retained {
            return Fate::Unmapped(Unmapped::Retained { topic: message.topic.clone() });
        }
        if let Some(topic) = self.sparkplug.topic(&message.topic) {
            let mapped = whole(message).and_then(|payload| self.sparkplug.map(&topic, payload, message.stamp, entry));
            return mapped.map_or_else(Fate::Rejected, |()| Fate::Mapped);
        }
        let Some((topic, levels)) = self.topics.iter().find_map(|topic| Some((topic, topic.levels(&message.topic)?)))
        else {
            return Fate::Unmapped(Unmapped::Unknown { topic: message.topic.clone() });
        };
        let made =
            whole(message).and_then(|payload| Ok((payload, topic.events(&self.origin, &levels, message, payload)?)));
        let (payload, mut made) = match made {
            Ok(made) => made,
            Err(reason) => return Fate::Rejected(reason),
        };
        if topic.has_id() {
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
        entry.events.extend(made);
        Fate::Mapped
    }
}

/// The payload of a message that came whole.
fn whole(message: &Message) -> Result<&[u8], String> {
    match &message.payload {
        Payload::Whole(payload) => Ok(payload),
        Payload::TooLarge { packet_bytes } => Err(format!("the message has {packet_bytes} bytes, which is too large")),
    }
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
    Unmapped(Unmapped),
    Repeated,
    Rejected(String),
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

#[cfg(test)]
mod tests;
