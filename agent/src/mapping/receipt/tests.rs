//! Messages delivered again, before and after kills, and what is known of them.

use std::sync::Arc;

use bytes::Bytes;
use plantlink_buffer::Stamp;
use plantlink_config::{MqttLink, MqttVersion};

use super::*;
use crate::source::mqtt::fake;

const WINDOW: u16 = 10;

fn source(host: &str, client_id: &str, window: u16) -> MqttSource {
    let link = MqttLink { host: host.into(), client_id: client_id.into(), window, ..fake::link() };
    MqttSource { link, ..fake::source() }
}

/// What is on disk, and the agent that may be killed beside it.
struct Bench {
    source: MqttSource,
    epoch: Uuid,
    memory: Memory,
    recorded: Vec<(Arc<str>, ReceiptEntry)>,
    receipts: Receipts,
}

impl Bench {
    fn new() -> Self {
        Bench::with(source("broker", "gw", WINDOW))
    }

    fn with(source: MqttSource) -> Self {
        let receipts = Receipts::new(&source, Uuid::nil(), &Memory::new());
        let mut bench = Bench { source, epoch: Uuid::nil(), memory: Memory::new(), recorded: Vec::new(), receipts };
        bench.connect(false);
        bench
    }

    fn connect(&mut self, session_present: bool) {
        let memory = self.receipts.connected(session_present);
        self.write(memory);
    }

    fn kill(&mut self) {
        self.receipts = Receipts::new(&self.source, self.epoch, &self.memory);
        let ours = self.recorded.iter().filter(|(session, _)| **session == *self.receipts.session());
        let ours = ours.map(|(_, entry)| *entry).collect();
        self.receipts.restore(ours);
    }

    /// Whether each message is recognized, and the packet id that was used again.
    fn take(&mut self, messages: &[Message]) -> (Vec<bool>, Option<u16>) {
        let arrivals: Vec<_> = messages.iter().cloned().map(Arrival::Message).collect();
        self.arrive(&arrivals)
    }

    fn arrive(&mut self, arrivals: &[Arrival<Message>]) -> (Vec<bool>, Option<u16>) {
        let Recognized { repeated, receipts, memory, doubt } = self.receipts.recognize(arrivals);
        self.write(memory);
        if let Some(plantlink_buffer::Receipts { session, entries, .. }) = receipts {
            self.recorded.extend(entries.into_iter().map(|entry| (session.clone(), entry)));
        }
        (repeated, doubt.map(|doubt| doubt.packet_id))
    }

    fn write(&mut self, memory: Vec<Remembered>) {
        for (owner, value) in memory {
            match value {
                Some(value) => drop(self.memory.insert(owner, value)),
                None => drop(self.memory.remove(&owner)),
            }
        }
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
    message(Some(Receipt::AtLeastOnce { packet_id, dup: false }), "a", "x")
}

fn again(packet_id: u16) -> Message {
    message(Some(Receipt::AtLeastOnce { packet_id, dup: true }), "a", "x")
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

/// With the last commits the buffer has lost later messages by the same packet ids, and perhaps another session.
#[test]
fn what_was_recorded_before_a_buffer_lost_commits_is_not_believed_any_more() {
    let mut bench = Bench::new();
    bench.take(&[first(1), first(2)]);
    bench.arrive(&[once(3, "x"), once(4, "x")]);
    bench.epoch = Uuid::from_u128(1);
    // A kill before the first connection must not make it believed.
    bench.kill();
    bench.kill();
    bench.connect(true);
    assert_eq!(bench.take(&[again(1), again(2)]), (vec![false, false], None));
    assert_eq!(bench.arrive(&[once(3, "x"), once(4, "y")]), (vec![false, false], None));
    bench.kill();
    bench.connect(true);
    assert_eq!(bench.take(&[again(1), again(2)]), (vec![true, true], None));
    assert_eq!(bench.arrive(&[once(3, "x"), once(4, "y")]), (vec![true, true], None));
}

#[test]
fn without_every_sign_a_message_is_a_new_one() {
    let dup = |packet_id| Some(Receipt::AtLeastOnce { packet_id, dup: true });
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
    let other = message(Some(Receipt::AtLeastOnce { packet_id: 2, dup: true }), "a", "other");
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
fn half_of_all_packet_ids_are_remembered_and_they_may_come_round() {
    let mut bench = Bench::new();
    for packet_id in (1..=u16::MAX).chain(1..=5) {
        assert_eq!(bench.take(&[first(packet_id)]), (vec![false], None));
    }
    bench.kill();
    bench.connect(true);
    let oldest = u16::MAX - (u16::MAX / 2 - 5) + 1;
    assert_eq!(bench.take(&[again(oldest), again(5)]).0, [true, true]);
    assert_eq!(bench.take(&[again(oldest - 1)]).0, [false]);
}

#[test]
fn a_broker_that_is_not_told_our_window_and_has_a_larger_one_is_recognized_all_the_same() {
    let mut source = source("broker", "gw", WINDOW);
    source.link.version = MqttVersion::V311;
    let mut bench = Bench::with(source);
    let window_there = 20 * WINDOW;
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
        let receipts = Receipts::new(&source("broker", "gw", window), Uuid::nil(), &Memory::new());
        assert!(receipts.kept + u64::from(window) <= PACKET_IDS, "{window}");
    }
}

fn once(packet_id: u16, payload: &'static str) -> Arrival<Message> {
    Arrival::Message(message(Some(Receipt::ExactlyOnce { packet_id }), "a", payload))
}

fn release(packet_id: u16) -> Arrival<Message> {
    Arrival::Release { packet_id }
}

#[test]
fn with_qos_2_a_message_is_known_from_its_record_to_its_release_before_and_after_a_kill() {
    let mut bench = Bench::new();
    assert_eq!(bench.arrive(&[once(1, "x"), once(2, "x"), once(900, "x")]).0, [false, false, false]);
    bench.arrive(&[release(2)]);
    for _ in 0..3 {
        bench.kill();
        bench.connect(true);
        assert_eq!(bench.arrive(&[once(1, "x"), once(900, "x")]).0, [true, true]);
    }
    // The broker may use a released id at once, for the same content too.
    assert_eq!(bench.arrive(&[release(1), once(1, "x"), once(2, "x"), once(1, "x")]).0, [false, false, true]);
    bench.arrive(&[release(1), release(2), release(900)]);
    bench.kill();
    bench.connect(true);
    assert_eq!(bench.arrive(&[once(1, "x"), once(2, "x"), once(900, "x")]).0, [false, false, false]);
}

#[test]
fn what_is_released_leaves_nothing_behind_and_one_commit_writes_few_rows() {
    let mut bench = Bench::new();
    let before = bench.memory.clone();
    let window: Vec<_> = (100..600).map(|packet_id| once(packet_id, "x")).collect();
    bench.arrive(&window);
    assert_eq!(bench.memory.len(), before.len() + 9);
    assert!(bench.memory.values().all(|row| row.len() <= 640));
    let next = [release(100), release(101), once(600, "x"), once(601, "x")];
    assert_eq!(bench.receipts.recognize(&next).memory.len(), 2);
    let rest: Vec<_> = (100..602).map(release).collect();
    bench.arrive(&rest);
    assert_eq!(bench.memory, before);
}

/// PUBCOMP for it must wait for the commit that forgets it, and that may be the one of an earlier connection.
#[test]
fn a_release_of_something_unknown_is_committed_too() {
    let mut bench = Bench::new();
    assert_eq!(bench.receipts.recognize(&[release(7)]).memory, [("unreleased/mes/0000".to_owned(), None)]);
}

#[test]
fn with_qos_2_another_message_under_an_unreleased_id_is_not_lost() {
    let mut bench = Bench::new();
    assert_eq!(bench.arrive(&[once(1, "x"), once(1, "y"), once(1, "y")]).0, [false, false, true]);
    bench.kill();
    bench.connect(true);
    assert_eq!(bench.arrive(&[once(1, "y"), once(1, "x")]).0, [true, false]);
}

#[test]
fn in_another_session_nothing_is_unreleased_and_the_rows_are_gone() {
    for elsewhere in [None, Some(source("other", "gw", WINDOW)), Some(source("broker", "gw-2", WINDOW))] {
        let mut bench = Bench::new();
        bench.arrive(&[once(1, "x"), once(500, "x")]);
        let session_present = elsewhere.is_some();
        if let Some(elsewhere) = elsewhere {
            bench.source = elsewhere;
        }
        bench.kill();
        bench.connect(session_present);
        assert!(bench.memory.keys().all(|owner| !owner.starts_with("unreleased/")), "{:?}", bench.memory);
        assert_eq!(bench.arrive(&[once(1, "x"), once(500, "x")]).0, [false, false]);
        bench.kill();
        bench.connect(true);
        assert_eq!(bench.arrive(&[once(1, "x"), once(500, "x")]).0, [true, true]);
    }
}
