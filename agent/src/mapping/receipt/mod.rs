//! The packets that came in lately: what lets a message that the broker delivers again be known as the same.
//!
//! A message taken for another would be lost, one not recognized only comes twice. So one is recognized only in a session
//! that the broker says it has kept, when the broker says that it delivers it again, and when its packet id, topic and
//! payload are those of a message recorded in this session. And only while packet ids come round so late that they name
//! one message at a time: when one does not, nothing is recognized any more until the session is another.

use std::collections::VecDeque;
use std::fmt;

use plantlink_buffer::ReceiptEntry;
use plantlink_config::MqttSource;
use ring::digest::{Context, SHA256};
use uuid::Uuid;

use super::session::Session;
use super::unreleased::Unreleased;
use super::{Memory, Remembered};
use crate::mqtt::{Arrival, PacketIdMap, Payload};
use crate::source::{Message, Receipt};

/// How many packet ids there are before they come round again (MQTT 5, section 2.2.1).
const PACKET_IDS: u64 = 65_535;
/// How many messages are remembered. What a broker may deliver again is more than a window: MQTT 3.1.1 tells it none, and
/// mosquitto 2.0 sends up to a window more for each acknowledgement while it catches up. All of these may be recorded
/// before it hears of the first.
const KEPT: u64 = PACKET_IDS / 2;

/// The messages that one source has recorded last, and the session they came by.
#[derive(Debug)]
pub(crate) struct Receipts {
    /// The session at this broker under this client id, as far as it is known.
    session: Session,
    unreleased: Unreleased,
    /// What this connection began with.
    session_present: bool,
    kept: u64,
    hashes: PacketIdMap<[u8; 8]>,
    /// The ids in the order of receipt.
    order: VecDeque<u16>,
}

/// What a batch is beside its events.
#[derive(Debug)]
pub(super) struct Recognized {
    /// For each message, whether it was recorded before.
    pub(super) repeated: Vec<bool>,
    pub(super) receipts: Option<plantlink_buffer::Receipts>,
    pub(super) memory: Vec<Remembered>,
    pub(super) doubt: Option<Doubt>,
}

/// The broker has used a packet id for another message while the one before could still be delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubt {
    packet_id: u16,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the broker does not count its packet ids up: it used {} again", self.packet_id)
    }
}

/// What the receipts say of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    New,
    Repeated,
    /// Its packet id still stands for another message, or for one that is not delivered again.
    Reused,
}

impl Receipts {
    /// Knows its session, and no message of it before [`Self::restore`]. `epoch` is the buffer's that `memory` is from.
    pub(crate) fn new(source: &MqttSource, epoch: Uuid, memory: &Memory) -> Self {
        let window = u64::from(source.link.window);
        // The next window's ids must not come round to those remembered.
        let kept = KEPT.min(PACKET_IDS - window);
        Receipts {
            session: Session::new(source, epoch, memory),
            unreleased: Unreleased::new(&source.name, memory),
            session_present: false,
            kept,
            hashes: PacketIdMap::default(),
            order: VecDeque::new(),
        }
    }

    /// The name of the session that the agent was in when it ended.
    pub(crate) fn session(&self) -> &str {
        self.session.name()
    }

    /// Takes in what was recorded in [`Self::session`], oldest first.
    pub(crate) fn restore(&mut self, recorded: Vec<ReceiptEntry>) {
        for entry in recorded {
            self.remember(entry);
        }
    }

    /// What the broker said of the session. Gives what has to be on disk before the first message of one that is another.
    pub(super) fn connected(&mut self, session_present: bool) -> Vec<Remembered> {
        self.session_present = session_present;
        let Some(another) = self.session.connected(session_present) else { return Vec::new() };
        self.forget();
        self.unreleased.forget();
        let mut memory = self.unreleased.changes();
        memory.push(another);
        memory
    }

    /// Each message is judged by what was known when it came.
    pub(super) fn recognize(&mut self, arrivals: &[Arrival<Message>]) -> Recognized {
        let mut repeated = Vec::with_capacity(arrivals.len());
        let mut entries = Vec::with_capacity(arrivals.len());
        let mut memory = Vec::new();
        let mut doubt = None;
        for arrival in arrivals {
            let message = match arrival {
                Arrival::Message(message) => message,
                Arrival::Release { packet_id } => {
                    self.unreleased.release(*packet_id);
                    continue;
                }
            };
            let (packet_id, dup) = match message.receipt {
                Some(Receipt::AtLeastOnce { packet_id, dup }) if !self.session.is_doubtful() => (packet_id, dup),
                Some(Receipt::ExactlyOnce { packet_id }) => {
                    repeated.push(self.unreleased.receive(packet_id, hash(message)));
                    continue;
                }
                Some(Receipt::AtLeastOnce { .. }) | None => {
                    repeated.push(false);
                    continue;
                }
            };
            let entry = ReceiptEntry { packet_id, hash: hash(message) };
            let verdict = self.verdict(entry, dup);
            repeated.push(verdict == Verdict::Repeated);
            match verdict {
                Verdict::Repeated => {}
                Verdict::New => {
                    self.remember(entry);
                    entries.push(entry);
                }
                Verdict::Reused => {
                    memory.push(self.session.doubt());
                    self.forget();
                    entries.clear();
                    doubt = Some(Doubt { packet_id });
                }
            }
        }
        let receipts = (!entries.is_empty()).then(|| plantlink_buffer::Receipts {
            session: self.session.name().clone(),
            entries,
            kept: self.kept,
        });
        memory.extend(self.unreleased.changes());
        Recognized { repeated, receipts, memory, doubt }
    }

    fn verdict(&self, entry: ReceiptEntry, dup: bool) -> Verdict {
        match self.hashes.get(&entry.packet_id) {
            None => Verdict::New,
            Some(known) if dup && *known == entry.hash => {
                // Within one connection a correct broker delivers nothing twice.
                if self.session_present { Verdict::Repeated } else { Verdict::New }
            }
            Some(_) => Verdict::Reused,
        }
    }

    fn remember(&mut self, entry: ReceiptEntry) {
        if self.hashes.insert(entry.packet_id, entry.hash).is_none() {
            self.order.push_back(entry.packet_id);
        }
        if self.order.len() as u64 > self.kept
            && let Some(oldest) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
    }

    fn forget(&mut self) {
        self.hashes.clear();
        self.order.clear();
    }
}

/// Eight bytes that tell one message from another.
fn hash(message: &Message) -> [u8; 8] {
    let mut context = Context::new(&SHA256);
    // With its length in front no topic runs on into the payload.
    context.update(&(message.topic.len() as u64).to_be_bytes());
    context.update(message.topic.as_bytes());
    match &message.payload {
        Payload::Whole(payload) => context.update(payload),
        Payload::TooLarge { packet_bytes } => context.update(&(*packet_bytes as u64).to_be_bytes()),
    }
    let digest = context.finish();
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
