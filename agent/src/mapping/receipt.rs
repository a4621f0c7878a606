//! The packets that came in lately: what lets a message that the broker delivers again be known as the same.
//!
//! A message taken for another would be lost, one not recognized only comes twice. So one is recognized only in a session
//! that the broker says it has kept, when the broker says that it delivers it again, and when its packet id, topic and
//! payload are those of a message recorded in this session. And only while packet ids come round so late that they name
//! one message at a time: when one does not, nothing is recognized any more until the session is another.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use plantlink_buffer::ReceiptEntry;
use plantlink_config::MqttSource;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Memory, Remembered, json};
use crate::mqtt::Payload;
use crate::source::{Message, Receipt};

/// How many packet ids there are before they come round again (MQTT 5, section 2.2.1).
const PACKET_IDS: u64 = 65_535;

/// So many messages are remembered at least, whatever the window. An MQTT 3.1.1 broker is not told ours, and mosquitto
/// 2.0.11 goes far beyond any window while a backlog drains: more than 3,000 unacknowledged messages were seen.
const KEPT_MIN: u64 = 16_384;

/// The messages that one source has recorded last, and the session they came by.
#[derive(Debug)]
pub(crate) struct Receipts {
    owner: String,
    /// The session at this broker under this client id, as far as it is known.
    session: Session,
    /// The same as text, as the receipts on disk name it.
    name: Arc<str>,
    /// What this connection began with.
    session_present: bool,
    kept: u64,
    hashes: HashMap<u16, [u8; 8]>,
    /// The ids in the order of receipt.
    order: VecDeque<u16>,
}

/// What the broker keeps of us between connections.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Session {
    url: String,
    client_id: String,
    /// Rises with each new session, whichever broker it is at. Before the first one 0.
    generation: u64,
    /// A packet id named two messages at a time.
    doubtful: bool,
}

/// What a batch of messages is beside its events.
#[derive(Debug)]
pub(super) struct Recognized {
    /// For each message, whether it was recorded before.
    pub(super) repeated: Vec<bool>,
    pub(super) receipts: Option<plantlink_buffer::Receipts>,
    pub(super) memory: Option<Remembered>,
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
    /// Knows its session, and no message of it before [`Self::restore`].
    pub(crate) fn new(source: &MqttSource, memory: &Memory) -> Self {
        let owner = format!("session/{}", &*source.name);
        let scheme = if source.link.tls.is_some() { "mqtts" } else { "mqtt" };
        let url = format!("{scheme}://{}:{}", source.link.host, source.link.port);
        let client_id = source.link.client_id.clone();
        let remembered: Option<Session> = memory.get(&owner).and_then(|bytes| serde_json::from_slice(bytes).ok());
        let session = match remembered {
            Some(session) if session.url == url && session.client_id == client_id => session,
            Some(elsewhere) => Session { url, client_id, generation: elsewhere.generation, doubtful: false },
            None => Session { url, client_id, generation: 0, doubtful: false },
        };
        let window = u64::from(source.link.window);
        // Twice the window, since acknowledgements may be on their way for as much as is still open. The next window's ids
        // must not come round to those remembered.
        let kept = (2 * window).max(KEPT_MIN).min(PACKET_IDS - window);
        Receipts {
            owner,
            name: session.name(),
            session,
            session_present: false,
            kept,
            hashes: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The name of the session that the agent was in when it ended.
    pub(crate) fn session(&self) -> &str {
        &self.name
    }

    /// Takes in what was recorded in [`Self::session`], oldest first.
    pub(crate) fn restore(&mut self, recorded: Vec<ReceiptEntry>) {
        for entry in recorded {
            self.remember(entry);
        }
    }

    /// What the broker said of the session. The memory that changes has to be on disk before the first message of it.
    pub(super) fn connected(&mut self, session_present: bool) -> Option<Remembered> {
        self.session_present = session_present;
        if session_present {
            return None;
        }
        self.session.generation += 1;
        self.session.doubtful = false;
        self.name = self.session.name();
        self.forget();
        Some(self.memory())
    }

    /// Each message is judged by what was known when it came.
    pub(super) fn recognize(&mut self, messages: &[Message]) -> Recognized {
        let mut repeated = Vec::with_capacity(messages.len());
        let mut entries = Vec::with_capacity(messages.len());
        let mut doubt = None;
        for message in messages {
            let Some(receipt) = message.receipt.filter(|_| !self.session.doubtful) else {
                repeated.push(false);
                continue;
            };
            let entry = ReceiptEntry { packet_id: receipt.packet_id, hash: hash(message) };
            let verdict = self.verdict(receipt, entry.hash);
            repeated.push(verdict == Verdict::Repeated);
            match verdict {
                Verdict::Repeated => {}
                Verdict::New => {
                    self.remember(entry);
                    entries.push(entry);
                }
                Verdict::Reused => {
                    self.session.doubtful = true;
                    self.forget();
                    entries.clear();
                    doubt = Some(Doubt { packet_id: receipt.packet_id });
                }
            }
        }
        let receipts = (!entries.is_empty()).then(|| plantlink_buffer::Receipts {
            session: self.name.clone(),
            entries,
            kept: self.kept,
        });
        Recognized { repeated, receipts, memory: doubt.map(|_| self.memory()), doubt }
    }

    fn verdict(&self, receipt: Receipt, hash: [u8; 8]) -> Verdict {
        match self.hashes.get(&receipt.packet_id) {
            None => Verdict::New,
            Some(known) if receipt.dup && *known == hash => {
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

    fn memory(&self) -> Remembered {
        (self.owner.clone(), Some(json(&self.session)))
    }
}

impl Session {
    fn name(&self) -> Arc<str> {
        format!("{} {} {}", self.url, self.client_id, self.generation).into()
    }
}

/// Eight bytes that tell one message from another.
fn hash(message: &Message) -> [u8; 8] {
    let topic = Uuid::new_v5(&Uuid::NAMESPACE_OID, message.topic.as_bytes());
    let whole = match &message.payload {
        Payload::Whole(payload) => Uuid::new_v5(&topic, payload),
        Payload::TooLarge { packet_bytes } => Uuid::new_v5(&topic, &packet_bytes.to_be_bytes()),
    };
    let (high, _) = whole.as_u64_pair();
    high.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use plantlink_buffer::Stamp;
    use plantlink_config::{MqttLink, MqttVersion, Name};

    use super::*;

    const WINDOW: u16 = 10;

    fn source(host: &str, client_id: &str, window: u16) -> MqttSource {
        let link = MqttLink {
            host: host.into(),
            port: 1883,
            tls: None,
            version: MqttVersion::V5,
            client_id: client_id.into(),
            username: None,
            password: None,
            window,
        };
        let name = Name::new("mes").unwrap();
        MqttSource { name, link, session_expiry: Duration::from_secs(60), topics: Vec::new() }
    }

    /// What is on disk, and the agent that may be killed beside it.
    struct Bench {
        source: MqttSource,
        memory: Memory,
        recorded: Vec<(Arc<str>, ReceiptEntry)>,
        receipts: Receipts,
    }

    impl Bench {
        fn new() -> Self {
            let source = source("broker", "gw", WINDOW);
            let receipts = Receipts::new(&source, &Memory::new());
            let mut bench = Bench { source, memory: Memory::new(), recorded: Vec::new(), receipts };
            bench.connect(false);
            bench
        }

        fn connect(&mut self, session_present: bool) {
            let memory = self.receipts.connected(session_present);
            self.write(memory);
        }

        fn kill(&mut self) {
            self.receipts = Receipts::new(&self.source, &self.memory);
            let ours = self.recorded.iter().filter(|(session, _)| **session == *self.receipts.session());
            let ours = ours.map(|(_, entry)| *entry).collect();
            self.receipts.restore(ours);
        }

        /// Whether each message is recognized, and the packet id that was used again.
        fn take(&mut self, messages: &[Message]) -> (Vec<bool>, Option<u16>) {
            let Recognized { repeated, receipts, memory, doubt } = self.receipts.recognize(messages);
            self.write(memory);
            if let Some(plantlink_buffer::Receipts { session, entries, .. }) = receipts {
                self.recorded.extend(entries.into_iter().map(|entry| (session.clone(), entry)));
            }
            (repeated, doubt.map(|doubt| doubt.packet_id))
        }

        fn write(&mut self, memory: Option<Remembered>) {
            self.memory.extend(memory.map(|(owner, value)| (owner, value.unwrap_or_default())));
        }
    }

    fn message(receipt: Option<Receipt>, topic: &str, payload: &'static str) -> Message {
        Message {
            topic: topic.into(),
            payload: Payload::Whole(Bytes::from_static(payload.as_bytes())),
            retained: false,
            receipt,
            stamp: Stamp { wall_us: 0, boottime_us: 0, synced: true },
            correlation: None,
            user_properties: Vec::new(),
        }
    }

    fn first(packet_id: u16) -> Message {
        message(Some(Receipt { packet_id, dup: false }), "a", "x")
    }

    fn again(packet_id: u16) -> Message {
        message(Some(Receipt { packet_id, dup: true }), "a", "x")
    }

    #[test]
    fn what_was_recorded_is_recognized_when_it_is_delivered_again_before_and_after_a_kill() {
        let mut bench = Bench::new();
        assert_eq!(bench.take(&[first(1), first(2)]), (vec![false, false], None));
        bench.connect(true);
        assert_eq!(bench.take(&[again(1), again(2), first(3)]), (vec![true, true, false], None));
        for _ in 0..3 {
            bench.kill();
            bench.connect(true);
            assert_eq!(bench.take(&[again(2), again(3), again(4)]), (vec![true, true, false], None));
            bench.recorded.retain(|(_, entry)| entry.packet_id != 4);
        }
    }

    #[test]
    fn without_every_sign_a_message_is_a_new_one() {
        let dup = |packet_id| Some(Receipt { packet_id, dup: true });
        for (message, why) in [
            (again(2), "another packet id"),
            (message(None, "a", "x"), "no packet id, with QoS 0"),
            (message(dup(1), "b", "x"), "another topic"),
            (message(dup(1), "a", "y"), "another payload"),
            (message(dup(1), "", "ax"), "the same bytes divided otherwise"),
            (first(1), "not said to be delivered again"),
        ] {
            let mut bench = Bench::new();
            bench.take(&[first(1)]);
            bench.kill();
            bench.connect(true);
            assert_eq!(bench.take(&[message]).0, [false], "{why}");
        }
    }

    #[test]
    fn nothing_is_recognized_in_a_session_that_the_broker_has_not_kept() {
        let mut bench = Bench::new();
        bench.take(&[first(1), first(2)]);
        bench.connect(false);
        assert_eq!(bench.take(&[again(1), again(1)]).0, [false, false]);
        // Killed and connected again, the receipts are those of the new session.
        bench.kill();
        bench.connect(true);
        assert_eq!(bench.take(&[again(1), again(2)]).0, [true, false]);
    }

    #[test]
    fn another_broker_and_another_client_id_are_another_session() {
        for elsewhere in [source("other", "gw", WINDOW), source("broker", "gw-2", WINDOW)] {
            let mut bench = Bench::new();
            bench.take(&[first(1)]);
            bench.source = elsewhere;
            bench.kill();
            bench.connect(true);
            assert_eq!(bench.take(&[again(1)]).0, [false]);
        }
    }

    #[test]
    fn a_packet_id_used_again_too_early_ends_recognition_until_the_next_session() {
        let other = message(Some(Receipt { packet_id: 2, dup: true }), "a", "other");
        for (reuse, why) in [(first(2), "a first delivery"), (other, "another message")] {
            let mut bench = Bench::new();
            bench.take(&[first(1), first(2), first(3)]);
            bench.connect(true);
            assert_eq!(bench.take(&[again(1), reuse.clone(), again(3)]), (vec![true, false, false], Some(2)), "{why}");
            // It is told once, and a restart does not forget it.
            assert_eq!(bench.take(&[reuse.clone(), again(1)]), (vec![false, false], None), "{why}");
            bench.kill();
            bench.connect(true);
            assert_eq!(bench.take(&[again(1), reuse]), (vec![false, false], None), "{why}");

            bench.connect(false);
            bench.take(&[first(1)]);
            bench.connect(true);
            assert_eq!(bench.take(&[again(1)]), (vec![true], None), "{why}");
        }
    }

    #[test]
    fn enough_is_remembered_and_packet_ids_may_come_round() {
        let mut bench = Bench::new();
        for packet_id in (1..=u16::MAX).chain(1..=5) {
            assert_eq!(bench.take(&[first(packet_id)]), (vec![false], None));
        }
        bench.kill();
        bench.connect(true);
        let oldest = u16::MAX - (KEPT_MIN as u16 - 5) + 1;
        assert_eq!(bench.take(&[again(oldest), again(5)]).0, [true, true]);
        assert_eq!(bench.take(&[again(oldest - 1)]).0, [false]);
    }

    #[test]
    fn a_broker_that_goes_far_beyond_our_window_is_recognized_all_the_same() {
        let mut bench = Bench::new();
        let window_there = 4_000;
        for packet_id in 1..=window_there {
            bench.take(&[first(packet_id)]);
        }
        // No acknowledgement has reached it.
        bench.kill();
        bench.connect(true);
        for packet_id in 1..=window_there {
            assert_eq!(bench.take(&[again(packet_id)]).0, [true], "{packet_id}");
        }
    }

    #[test]
    fn the_ids_of_the_largest_window_never_come_round_to_those_remembered() {
        for window in [1, 20_000, 40_000, u16::MAX] {
            let receipts = Receipts::new(&source("broker", "gw", window), &Memory::new());
            assert!(receipts.kept + u64::from(window) <= PACKET_IDS, "{window}");
        }
    }
}
