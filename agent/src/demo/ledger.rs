//! The count of the demonstration: what the simulator produced against what the centre holds. Pure values.
//!
//! Three kinds of facts are counted, each against a truth that the agent cannot touch: pieces against the presses' own
//! counters, MES messages against the ids that the MES got acknowledged, measurements against the numbers that the
//! agent gave them, which must have no gap.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::press::Pieces;

/// The flow whose events are counted by their numbers.
pub(super) const MEASUREMENTS: &str = "measurements";

/// An event as the centre received it; what the count does not need is left out.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Event {
    pub(super) event_id: String,
    pub(super) event_type: String,
    pub(super) timestamp: Timestamp,
    /// Plant and device, or plant and MQTT source.
    pub(super) source: String,
    pub(super) data: Data,
    pub(super) metadata: Metadata,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Data {
    #[serde(default)]
    pub(super) good: u64,
    #[serde(default)]
    pub(super) scrap: u64,
    /// The MES' own id of the message.
    pub(super) message: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    pub(super) flow: String,
    pub(super) sequence: u64,
}

/// A kind of fact: how many there were, how many the centre holds, and what is wrong with that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    pub(super) produced: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    /// Held more often than produced. Something that nobody produced counts here too.
    pub(super) repeated: u64,
}

impl Tally {
    pub(super) fn of(produced: u64, received: u64) -> Tally {
        Tally {
            produced,
            received,
            lost: produced.saturating_sub(received),
            repeated: received.saturating_sub(produced),
        }
    }

    pub(super) fn is_clean(self) -> bool {
        self.lost == 0 && self.repeated == 0
    }

    pub(super) fn plus(self, other: Tally) -> Tally {
        Tally {
            produced: self.produced + other.produced,
            received: self.received + other.received,
            lost: self.lost + other.lost,
            repeated: self.repeated + other.repeated,
        }
    }
}

/// The state of the account at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Count {
    pub(super) pieces: Tally,
    pub(super) messages: Tally,
    pub(super) measurements: Tally,
    /// Different event ids at the centre.
    pub(super) received: u64,
    /// Deliveries of an event id that the centre already held; harmless by the id.
    pub(super) resent: u64,
    /// What came to the centre and was no event.
    pub(super) unreadable: u64,
    /// Seconds from the link's return until the centre had the last event of the outage; absent without one.
    pub(super) drain_s: Option<f64>,
}

impl Count {
    pub(super) fn total(&self) -> Tally {
        self.pieces.plus(self.messages).plus(self.measurements)
    }

    /// Nothing lost, nothing repeated, nothing that could not be read.
    pub(super) fn is_clean(&self) -> bool {
        self.total().is_clean() && self.unreadable == 0
    }
}

/// Both sides of the account.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    made: BTreeMap<String, Pieces>,
    counted: BTreeMap<String, Pieces>,
    messages: BTreeMap<String, Message>,
    numbers: BTreeSet<u64>,
    event_ids: HashSet<String>,
    measured: BTreeSet<String>,
    resent: u64,
    unreadable: u64,
    outage_end: Option<Timestamp>,
    drained: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Message {
    offered: bool,
    acknowledged: bool,
    events: u64,
}

impl Ledger {
    /// What a press has made since the beginning, by its own counters.
    pub(super) fn made(&mut self, press: &str, pieces: Pieces) {
        self.made.insert(press.to_owned(), pieces);
    }

    /// The MES is about to send this message; until it is acknowledged it may arrive or not.
    pub(super) fn offered(&mut self, message: &str) {
        self.messages.entry(message.to_owned()).or_default().offered = true;
    }

    /// The plant's broker has acknowledged this message; from here on it must arrive.
    pub(super) fn acknowledged(&mut self, message: &str) {
        self.messages.entry(message.to_owned()).or_default().acknowledged = true;
    }

    /// The link to the centre is back.
    pub(super) fn outage_ended(&mut self, at: Timestamp) {
        self.outage_end = Some(at);
    }

    /// Something came to the centre that is no event.
    pub(super) fn unreadable(&mut self) {
        self.unreadable += 1;
    }

    /// An event came to the centre.
    pub(super) fn received(&mut self, event: &Event, at: Timestamp) {
        if !self.event_ids.insert(event.event_id.clone()) {
            self.resent += 1;
            return;
        }
        if self.outage_end.is_some_and(|end| event.timestamp <= end && at >= end) {
            self.drained = Some(at);
        }
        let device = event.source.rsplit('/').next().unwrap_or(&event.source);
        if event.event_type == "production.counted" {
            let counted = self.counted.entry(device.to_owned()).or_default();
            counted.good += event.data.good;
            counted.scrap += event.data.scrap;
        } else if let Some(message) = &event.data.message {
            self.messages.entry(message.clone()).or_default().events += 1;
        }
        if event.metadata.flow == MEASUREMENTS {
            self.numbers.insert(event.metadata.sequence);
            self.measured.insert(device.to_owned());
        }
    }

    /// Whether the centre has a measurement of this device.
    pub(super) fn knows(&self, device: &str) -> bool {
        self.measured.contains(device)
    }

    /// Whether the centre has an event of any message of the MES.
    pub(super) fn knows_mes(&self) -> bool {
        self.messages.values().any(|message| message.events > 0)
    }

    pub(super) fn count(&self) -> Count {
        Count {
            pieces: self.pieces(),
            messages: self
                .messages
                .values()
                .map(|message| message.tally(message.events))
                .fold(Tally::default(), Tally::plus),
            measurements: self.measurements(),
            received: self.event_ids.len() as u64,
            resent: self.resent,
            unreadable: self.unreadable,
            drain_s: self.outage_end.zip(self.drained).map(|(end, drained)| drained.duration_since(end).as_secs_f64()),
        }
    }

    /// The messages with `kind` in their id against what somebody else than the centre holds of each.
    pub(super) fn messages_held(&self, kind: &str, held: &BTreeMap<String, u64>) -> Tally {
        let asked = self.messages.iter().filter(|(id, _)| id.contains(kind));
        let known = asked.map(|(id, message)| message.tally(held.get(id).copied().unwrap_or(0)));
        let unknown =
            held.iter().filter(|(id, _)| !self.messages.contains_key(*id)).map(|(_, copies)| Tally::of(0, *copies));
        known.chain(unknown).fold(Tally::default(), Tally::plus)
    }

    /// Each counter of each press by itself: a piece missing here and one too many there are two mistakes.
    fn pieces(&self) -> Tally {
        let presses: BTreeSet<&String> = self.made.keys().chain(self.counted.keys()).collect();
        let of = |side: &BTreeMap<String, Pieces>, press: &String| side.get(press).copied().unwrap_or_default();
        presses
            .into_iter()
            .map(|press| (of(&self.made, press), of(&self.counted, press)))
            .map(|(made, counted)| Tally::of(made.good, counted.good).plus(Tally::of(made.scrap, counted.scrap)))
            .fold(Tally::default(), Tally::plus)
    }

    /// The numbers from the first to the last one seen, against those that are there.
    fn measurements(&self) -> Tally {
        let range = self.numbers.first().zip(self.numbers.last());
        Tally::of(range.map_or(0, |(first, last)| last - first + 1), self.numbers.len() as u64)
    }
}

impl Message {
    /// A message that was offered and never acknowledged is in doubt: one event or none are both right.
    fn tally(&self, held: u64) -> Tally {
        let in_doubt = self.offered && !self.acknowledged;
        Tally::of(if in_doubt { held.min(1) } else { u64::from(self.acknowledged) }, held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn event(id: &str, event_type: &str, flow: &str, sequence: u64, data: Data) -> Event {
        Event {
            event_id: id.to_owned(),
            event_type: event_type.to_owned(),
            timestamp: at(0),
            source: "plant/press-1".to_owned(),
            data,
            metadata: Metadata { flow: flow.to_owned(), sequence },
        }
    }

    fn counted(id: &str, good: u64, scrap: u64) -> Event {
        event(id, "production.counted", "production", 1, Data { good, scrap, message: None })
    }

    fn told(id: &str, message: &str) -> Event {
        event(id, "workorder.finished", "production", 1, Data { message: Some(message.to_owned()), good: 5, scrap: 0 })
    }

    fn measured(id: &str, sequence: u64) -> Event {
        event(id, "measurement.sampled", MEASUREMENTS, sequence, Data::default())
    }

    /// Two messages and ten pieces, all of them at the centre.
    fn balanced() -> Ledger {
        let mut ledger = Ledger::default();
        for message in ["a", "b"] {
            ledger.offered(message);
            ledger.acknowledged(message);
            ledger.received(&told(&format!("event of {message}"), message), at(1));
        }
        ledger.made("press-1", Pieces { good: 9, scrap: 1 });
        ledger.received(&counted("first count", 4, 1), at(1));
        ledger.received(&counted("second count", 5, 0), at(1));
        for sequence in 7..10 {
            ledger.received(&measured(&format!("measurement {sequence}"), sequence), at(1));
        }
        ledger
    }

    #[test]
    fn an_account_that_balances_is_clean() {
        let count = balanced().count();
        assert_eq!(count.pieces, Tally { produced: 10, received: 10, lost: 0, repeated: 0 });
        assert_eq!(count.messages, Tally { produced: 2, received: 2, lost: 0, repeated: 0 });
        assert_eq!(count.measurements, Tally { produced: 3, received: 3, lost: 0, repeated: 0 });
        assert_eq!(count.received, 7);
        assert!(count.is_clean());
    }

    #[test]
    fn an_acknowledged_message_without_an_event_is_lost() {
        let mut ledger = balanced();
        ledger.offered("c");
        assert!(ledger.count().is_clean(), "in doubt until it is acknowledged");
        ledger.acknowledged("c");
        assert_eq!(ledger.count().messages, Tally { produced: 3, received: 2, lost: 1, repeated: 0 });
        assert!(!ledger.count().is_clean());
    }

    #[test]
    fn a_message_under_two_event_ids_is_repeated() {
        let mut ledger = balanced();
        ledger.received(&told("another event of a", "a"), at(2));
        assert_eq!(ledger.count().messages, Tally { produced: 2, received: 3, lost: 0, repeated: 1 });
        assert!(!ledger.count().is_clean());
    }

    #[test]
    fn a_message_in_doubt_may_arrive_once_and_not_twice() {
        let mut ledger = balanced();
        ledger.offered("c");
        ledger.received(&told("event of c", "c"), at(2));
        assert!(ledger.count().is_clean());
        ledger.received(&told("another event of c", "c"), at(2));
        assert_eq!(ledger.count().messages.repeated, 1);
    }

    #[test]
    fn an_event_of_a_message_that_nobody_sent_is_no_success() {
        let mut ledger = balanced();
        ledger.received(&told("event of z", "z"), at(2));
        assert_eq!(ledger.count().messages.repeated, 1);
    }

    #[test]
    fn the_same_event_id_again_is_resent_and_counts_nothing() {
        let mut ledger = balanced();
        ledger.received(&counted("second count", 5, 0), at(2));
        ledger.received(&told("event of a", "a"), at(2));
        let count = ledger.count();
        assert_eq!(count.resent, 2);
        assert!(count.is_clean());
    }

    #[test]
    fn a_piece_too_few_on_one_counter_is_not_made_good_by_one_too_many_on_another() {
        let mut ledger = balanced();
        ledger.made("press-1", Pieces { good: 10, scrap: 0 });
        assert_eq!(ledger.count().pieces, Tally { produced: 10, received: 10, lost: 1, repeated: 1 });
        assert!(!ledger.count().is_clean());
    }

    #[test]
    fn a_gap_in_the_numbers_is_a_lost_measurement() {
        let mut ledger = balanced();
        ledger.received(&measured("measurement 11", 11), at(2));
        assert_eq!(ledger.count().measurements, Tally { produced: 5, received: 4, lost: 1, repeated: 0 });
    }

    #[test]
    fn what_cannot_be_read_at_the_centre_is_not_clean() {
        let mut ledger = balanced();
        ledger.unreadable();
        assert!(!ledger.count().is_clean());
    }

    #[test]
    fn what_another_receiver_holds_is_counted_against_the_same_messages() {
        let ledger = balanced();
        let held = |ids: &[(&str, u64)]| ids.iter().map(|(id, copies)| ((*id).to_owned(), *copies)).collect();
        assert_eq!(
            ledger.messages_held("a", &held(&[("a", 1)])),
            Tally { produced: 1, received: 1, lost: 0, repeated: 0 }
        );
        assert_eq!(ledger.messages_held("a", &held(&[])).lost, 1);
        assert_eq!(ledger.messages_held("a", &held(&[("a", 2)])).repeated, 1);
        assert_eq!(ledger.messages_held("a", &held(&[("a", 1), ("z", 1)])).repeated, 1);
    }

    #[test]
    fn the_drain_ends_with_the_last_event_that_is_older_than_the_links_return() {
        let mut ledger = balanced();
        assert_eq!(ledger.count().drain_s, None);
        ledger.outage_ended(at(10));
        ledger.received(&Event { timestamp: at(9), ..counted("of the outage", 0, 0) }, at(13));
        ledger.received(&Event { timestamp: at(14), ..counted("live", 0, 0) }, at(15));
        assert_eq!(ledger.count().drain_s, Some(3.0));
    }
}
