//! From what came in to what happened: `(memory, intake) -> (memory, events)`, without a clock, a disk, a network or chance.

mod alarm;
mod alarm_bits;
mod counter;
mod derived;
mod description;
mod device;
mod edge;
mod fresh_ids;
mod gauge;
mod limit;
mod line;
mod mapped;
mod message;
mod presence;
mod quantity;
mod receipt;
mod report;
mod reported;
mod sample;
mod sender;
mod session;
mod sight;
mod since;
mod sparkplug;
mod state;
mod tally;
mod topic;
mod unmapped;
mod unreleased;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{Event, EventTime, Received, Stamp};
use plantlink_config::{Plant, Stage};
use uuid::Uuid;

use crate::source::sparkplug::NodeId;
use crate::source::{Ack, Content, Intake, Scan};

pub(crate) use fresh_ids::FreshIds;
pub(crate) use line::LineMapper;
pub(crate) use mapped::MappedDevice;
pub(crate) use message::{MessageMapper, remembered_filters};
pub(crate) use receipt::{Doubt, Receipts};
pub(crate) use sender::SENDERS_MAX;
pub(crate) use unmapped::Unmapped;

/// What was remembered when the agent started, by owner.
pub(crate) type Memory = HashMap<String, Vec<u8>>;

/// A change of memory: the owner, and what it remembers from now on.
pub(crate) type Remembered = (String, Option<Vec<u8>>);

/// A device that publishes, and what it has published.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) device: Arc<MappedDevice>,
    /// At the moment of receipt; `None`: nothing by this connection yet.
    pub(crate) scan: Option<Scan>,
}

/// What one intake became. It is recorded whole, and acknowledged after that.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) events: Vec<Event>,
    /// How far the source of the events is in use, which decides on the flows that take them.
    pub(crate) stage: Stage,
    /// What a source that receives messages has to account for.
    pub(crate) received: Option<Received>,
    pub(crate) memory: Vec<Remembered>,
    /// Why the source's receipts are not trusted any more, told once.
    pub(crate) doubt: Option<Doubt>,
    /// The last message that makes no event although nothing is wrong with it.
    pub(crate) unmapped: Option<Unmapped>,
    /// The nodes that are to say again what they measure.
    pub(crate) rebirths: Vec<NodeId>,
    /// What was heard of devices that publish.
    pub(crate) heard: Vec<Heard>,
    pub(crate) ack: Ack,
    /// How long this entry may wait for company before its commit.
    pub(crate) wait: Duration,
}

impl Entry {
    fn new(ack: Ack, wait: Duration) -> Self {
        Entry {
            events: Vec::new(),
            stage: Stage::default(),
            received: None,
            memory: Vec::new(),
            doubt: None,
            unmapped: None,
            rebirths: Vec::new(),
            heard: Vec::new(),
            ack,
            wait,
        }
    }

    /// Of the agent itself: nobody waits for an acknowledgement, and there is nothing in it yet.
    pub(crate) fn of_agent() -> Self {
        Entry::new(Ack::none(), Duration::ZERO)
    }

    /// Nothing to record, and nobody to tell.
    pub(crate) fn is_nothing(&self) -> bool {
        self.events.is_empty()
            && self.memory.is_empty()
            && self.received.as_ref().is_none_or(|received| received.counts.received == 0)
    }
}

/// Turns what one source brings into events. The events' ids are made here, once.
pub(crate) enum Mapper {
    Line(LineMapper),
    Messages(Box<MessageMapper>),
}

impl Mapper {
    pub(crate) fn map(&mut self, intake: Intake) -> Entry {
        let Intake { content, ack, pressing } = intake;
        let mut entry = match (self, content) {
            (Mapper::Line(mapper), Content::Scan(scan)) => mapper.map(scan, ack),
            (Mapper::Messages(mapper), Content::Arrived(arrivals)) => mapper.map(&arrivals, ack),
            (Mapper::Messages(mapper), Content::Connected(connected)) => mapper.connected(connected, ack),
            (Mapper::Messages(mapper), Content::Subscribed(subscribed)) => mapper.subscribed(subscribed, ack),
            (Mapper::Line(_), Content::Arrived(_) | Content::Connected(_) | Content::Subscribed(_))
            | (Mapper::Messages(_), Content::Scan(_)) => {
                unreachable!("a source is built together with its mapper")
            }
        };
        if pressing {
            entry.wait = Duration::ZERO;
        }
        entry
    }
}

/// An event of a device. `data` is JSON text.
fn event(ids: &FreshIds, source: &Arc<str>, event_type: &str, stamp: Stamp, data: Vec<u8>, metadata: Vec<u8>) -> Event {
    Event {
        id: ids.next(stamp).into_bytes(),
        event_type: event_type.into(),
        source: source.clone(),
        at: EventTime::Own,
        stamp,
        data,
        metadata,
    }
}

/// JSON text. Maps with text keys and finite numbers always have one.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec())
}

/// The namespace of the ids that are made from a sender's own: the UUIDv5 of `plantlink` in the DNS namespace.
fn namespace() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"plantlink")
}

/// The id of an event whose sender gave one: the same whatever session it came by.
fn sender_event_id(plant: &Plant, source: &str, event_type: &str, sender_id: &str, element: usize) -> Uuid {
    let name = [&*plant.id, source, event_type, sender_id, &element.to_string()].join("\u{1f}");
    Uuid::new_v5(&namespace(), name.as_bytes())
}
