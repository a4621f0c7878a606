//! What was produced against what the centre holds.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::{self, Display, Formatter};

use bytes::Bytes;
use serde_json::Value;

use crate::client::Received;

/// How many examples of each finding a report names.
const EXAMPLES: usize = 10;

/// One event as it arrived at the centre, the first time or again.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// `event_id`.
    pub event_id: String,
    /// `event_type`.
    pub event_type: String,
    /// The flow that brought it.
    pub flow: String,
    /// Its place in the flow.
    pub sequence: u64,
    /// The envelope as it came: a long campaign brings too many of them to keep them taken apart.
    payload: Bytes,
}

impl Arrival {
    /// The whole envelope.
    pub fn envelope(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_default()
    }

    /// What `data` holds under a key; null when it does not.
    pub fn data(&self, key: &str) -> Value {
        self.envelope()["data"][key].take()
    }

    fn read(message: &Received) -> Option<Arrival> {
        let envelope: Value = serde_json::from_slice(&message.payload).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Arrival {
            event_id: text(&envelope["event_id"])?,
            event_type: text(&envelope["event_type"])?,
            flow: text(&envelope["metadata"]["flow"])?,
            sequence: envelope["metadata"]["sequence"].as_u64()?,
            payload: message.payload.clone(),
        })
    }
}

/// Everything that arrived at the centre, in order.
pub struct Ledger {
    arrivals: Vec<Arrival>,
}

/// What a comparison found. Empty lists and zeros are what everybody hopes for.
#[derive(Debug, Default)]
pub struct Report {
    /// How many things were produced.
    pub produced: usize,
    /// How many event ids the centre holds for them.
    pub received: usize,
    /// What was produced and is not at the centre.
    pub lost: Vec<String>,
    /// What was produced once and is at the centre under two event ids.
    pub repeated: Vec<String>,
    /// What is at the centre and was never produced.
    pub invented: Vec<String>,
    /// What came before something that was produced earlier.
    pub out_of_order: Vec<String>,
}

impl Ledger {
    /// Reads what the centre has received.
    ///
    /// # Panics
    /// When something is no envelope.
    pub fn read(received: &[Received]) -> Ledger {
        let read = |message| Arrival::read(message).unwrap_or_else(|| panic!("this is no envelope: {message:?}"));
        Ledger { arrivals: received.iter().map(read).collect() }
    }

    /// The events of a type, each once, in the order of their first arrival.
    pub fn events<'a>(&'a self, event_type: &'a str) -> impl Iterator<Item = &'a Arrival> {
        let mut seen = HashSet::new();
        self.arrivals
            .iter()
            .filter(move |arrival| arrival.event_type == event_type)
            .filter(move |arrival| seen.insert(&arrival.event_id))
    }

    /// Compares the events of a type with what was produced, by what `data` holds under `key`. The order is that of
    /// production: use it where one sender produced everything for one flow.
    pub fn compare(&self, event_type: &str, key: &str, produced: &[String]) -> Report {
        let place: HashMap<&str, usize> =
            produced.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let mut report = Report { produced: produced.len(), ..Report::default() };
        let mut seen = HashSet::new();
        let mut furthest = 0;
        for event in self.events(event_type) {
            report.received += 1;
            let Some((&name, &place)) = event.data(key).as_str().and_then(|name| place.get_key_value(name)) else {
                report.invented.push(event.envelope().to_string());
                continue;
            };
            if !seen.insert(name) {
                report.repeated.push(name.to_owned());
            } else if place < furthest {
                report.out_of_order.push(name.to_owned());
            }
            furthest = furthest.max(place);
        }
        let lost = produced.iter().filter(|name| !seen.contains(name.as_str()));
        report.lost = lost.cloned().collect();
        report
    }

    /// How many different events there are.
    pub fn distinct(&self) -> usize {
        let ids = self.arrivals.iter().map(|arrival| arrival.event_id.as_str());
        ids.collect::<HashSet<&str>>().len()
    }

    /// How many events came again under the id they had before.
    pub fn resent(&self) -> usize {
        self.arrivals.len() - self.distinct()
    }

    /// How far back the furthest repeat reached: the number of places between it and the newest event of its flow at the
    /// time.
    pub fn furthest_repeat(&self) -> u64 {
        let mut newest: HashMap<&str, u64> = HashMap::new();
        let mut furthest = 0;
        for arrival in &self.arrivals {
            let newest = newest.entry(&arrival.flow).or_default();
            furthest = furthest.max(newest.saturating_sub(arrival.sequence));
            *newest = arrival.sequence.max(*newest);
        }
        furthest
    }

    /// What each flow is missing and no `buffer.overflowed` event names: a place before the newest one that never came and
    /// lies in no range, or more or fewer such places than the events count together.
    pub fn unnamed(&self) -> Vec<String> {
        let mut flows: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for Arrival { flow, sequence, .. } in &self.arrivals {
            flows.entry(flow).or_default().insert(*sequence);
        }
        let mut wrong = Vec::new();
        for (flow, there) in flows {
            let missing: Vec<u64> =
                (1..there.last().copied().unwrap_or_default()).filter(|place| !there.contains(place)).collect();
            let told: Vec<[u64; 3]> = self
                .events("buffer.overflowed")
                .filter(|told| told.data("flow") == flow)
                .map(|told| {
                    ["first_sequence", "last_sequence", "count"].map(|key| told.data(key).as_u64().unwrap_or(0))
                })
                .collect();
            let is_named = |place: &u64| told.iter().any(|[first, last, _]| (first..=last).contains(&place));
            wrong.extend(missing.iter().filter(|place| !is_named(place)).map(|place| format!("{flow} {place}")));
            let count: u64 = told.iter().map(|[_, _, count]| count).sum();
            if count != missing.len() as u64 {
                wrong.push(format!("{flow} is missing {} events and tells of {count}", missing.len()));
            }
        }
        wrong
    }

    /// What is wrong with the numbers of each flow: a place that never came, two events in one place, one event in two
    /// places, or a first arrival behind a later place.
    pub fn misplaced(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut flows: BTreeMap<&str, BTreeMap<u64, &str>> = BTreeMap::new();
        let mut places: HashMap<(&str, &str), u64> = HashMap::new();
        for arrival in &self.arrivals {
            let Arrival { flow, sequence, event_id, .. } = arrival;
            let flow_places = flows.entry(flow).or_default();
            let newest = flow_places.last_key_value().map(|(newest, _)| *newest);
            match flow_places.insert(*sequence, event_id) {
                Some(before) if before != event_id => {
                    wrong.push(format!("{flow} {sequence} is {before} and {event_id}"));
                }
                Some(_) => {}
                None if newest.is_some_and(|newest| newest > *sequence) => {
                    wrong.push(format!("{flow} {sequence} came late"));
                }
                None => {}
            }
            let place = places.entry((flow, event_id)).or_insert(*sequence);
            if place != sequence {
                wrong.push(format!("{event_id} is {flow} {place} and {sequence}"));
            }
        }
        for (flow, places) in &flows {
            let there: BTreeSet<u64> = places.keys().copied().collect();
            let (Some(first), Some(last)) = (there.first(), there.last()) else {
                continue;
            };
            let missing = (*first..*last).filter(|place| !there.contains(place));
            wrong.extend(missing.map(|place| format!("{flow} {place} never came")));
        }
        wrong
    }
}

impl Report {
    /// Fails unless everything arrived, under one id, in order.
    ///
    /// # Panics
    /// With the whole report, when it did not.
    pub fn assert_clean(&self) {
        let found = [&self.lost, &self.repeated, &self.invented, &self.out_of_order].map(|list| list.len());
        assert_eq!(found, [0; 4], "{self}");
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "produced {}, received {}", self.produced, self.received)?;
        let findings = [
            ("lost", &self.lost),
            ("repeated", &self.repeated),
            ("invented", &self.invented),
            ("out of order", &self.out_of_order),
        ];
        for (name, list) in findings {
            let examples: Vec<&str> = list.iter().take(EXAMPLES).map(String::as_str).collect();
            writeln!(out, "{name} {}: {}", list.len(), examples.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::Message;

    fn arrived(events: &[(&str, u64, &str)]) -> Ledger {
        let messages: Vec<Message> = events
            .iter()
            .map(|(event_id, sequence, number)| {
                let envelope = json!({
                    "event_id": event_id, "event_type": "workorder.finished", "data": {"number": number},
                    "metadata": {"flow": "orders", "sequence": sequence},
                });
                Message::new("central", envelope.to_string())
            })
            .collect();
        Ledger::read(&messages)
    }

    fn compared(events: &[(&str, u64, &str)]) -> Report {
        let produced = ["1", "2", "3"].map(str::to_owned);
        arrived(events).compare("workorder.finished", "number", &produced)
    }

    #[test]
    fn everything_once_is_clean_and_the_same_id_again_is_only_resent() {
        let events = [("a", 1, "1"), ("b", 2, "2"), ("a", 1, "1"), ("c", 3, "3")];
        compared(&events).assert_clean();
        let ledger = arrived(&events);
        assert_eq!((ledger.resent(), ledger.furthest_repeat()), (1, 1));
        assert_eq!(ledger.misplaced(), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_is_lost() {
        let report = compared(&[("a", 1, "1"), ("c", 3, "3")]);
        assert_eq!(report.lost, ["2"]);
    }

    #[test]
    fn one_thing_under_two_ids_is_repeated() {
        let report = compared(&[("a", 1, "1"), ("b", 2, "2"), ("x", 3, "2"), ("c", 4, "3")]);
        assert_eq!(report.repeated, ["2"]);
    }

    #[test]
    fn what_nobody_produced_is_invented() {
        let report = compared(&[("a", 1, "1"), ("b", 2, "2"), ("c", 3, "3"), ("d", 4, "4")]);
        assert_eq!(report.invented.len(), 1);
    }

    #[test]
    fn what_overtakes_is_out_of_order() {
        let report = compared(&[("b", 1, "2"), ("a", 2, "1"), ("c", 3, "3")]);
        assert_eq!(report.out_of_order, ["1"]);
    }

    #[test]
    fn places_that_are_missing_late_or_taken_twice_are_named() {
        let events = [("a", 1, "1"), ("b", 4, "2"), ("c", 3, "3"), ("d", 4, "4"), ("a", 5, "1")];
        assert_eq!(
            arrived(&events).misplaced(),
            ["orders 3 came late", "orders 4 is b and d", "a is orders 1 and 5", "orders 2 never came",]
        );
    }
}
