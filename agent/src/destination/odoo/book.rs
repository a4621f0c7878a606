//! What is remembered of the records that events share: what was written there last, and whether an interval is open.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use plantlink_buffer::Kept;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::marker::Save;
use crate::envelope::Envelope;

/// So many records are remembered at once. Beyond that, those that nothing has happened to for the longest go: at worst
/// something is written once more that was written before.
pub(super) const MEMOS_MAX: usize = 10_000;
/// So many go at once, so that this is seldom.
const FORGOTTEN_AT_ONCE: usize = 1_000;

/// What is remembered of one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Memo {
    pub(super) state: State,
    /// The event that brought it about.
    pub(super) by: Origin,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// These cells were written last.
    Written { cells: Vec<String> },
    /// The interval is open, and its record was so when that began.
    Open {
        id: i64,
        #[serde(flatten)]
        opened: Contents,
    },
    /// The end of the interval came before its begin, and waits for it with these cells.
    Ended { cells: Vec<String> },
    /// The interval is over.
    Closed,
}

/// What is in the record of an interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Contents {
    /// When the record was made, as Odoo says; `None`: nobody has looked. A database that was restored may give its id to
    /// another one.
    #[serde(default)]
    pub(super) made_at: Option<Value>,
    /// What stands where the end of the interval is written. Whoever changes that has ended it.
    pub(super) values: Map<String, Value>,
}

/// Where an event stands among the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The buffer that its sequence number counts in.
    epoch: String,
    flow: String,
    sequence: u64,
    recorded_us: i64,
    /// The boot, and the clock that runs from it: they never jump.
    #[serde(default)]
    place_in_time: (i64, i64),
}

impl Origin {
    pub(super) fn of(event: &Envelope) -> Self {
        Origin {
            epoch: event.epoch().to_string(),
            flow: event.flow().to_string(),
            sequence: event.sequence(),
            recorded_us: event.recorded().wall_us,
            place_in_time: event.place_in_time(),
        }
    }

    /// Within a flow the order is that of the log; between flows there is none but time. Of another buffer only the wall
    /// clock tells.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        if (&self.epoch, &self.flow) == (&other.epoch, &other.flow) {
            self.sequence.cmp(&other.sequence)
        } else if self.epoch == other.epoch {
            self.place_in_time.cmp(&other.place_in_time)
        } else {
            self.recorded_us.cmp(&other.recorded_us)
        }
    }
}

/// A record's name in the configuration, and the key of one of its records.
type Place = (String, String);

/// All that one destination remembers.
pub(super) struct Book {
    memos: HashMap<Place, Memo>,
    changed: HashSet<Place>,
    save: Save,
}

impl Book {
    /// What was kept; `save` writes down changes before anything that is settled later. A row that cannot be read is as if
    /// it was not there.
    pub(super) fn new(kept: Vec<Kept>, save: Save) -> Self {
        let memo = |kept: Kept| {
            let memo = serde_json::from_slice(&kept.value?).ok()?;
            Some(((kept.record, kept.key), memo))
        };
        Book { memos: kept.into_iter().filter_map(memo).collect(), changed: HashSet::new(), save }
    }

    /// One in which nothing stands yet, and which is kept nowhere.
    pub(super) fn blank() -> Self {
        Book::new(Vec::new(), Arc::new(|_| ()))
    }

    pub(super) fn get(&self, record: &str, key: &str) -> Option<&Memo> {
        self.memos.get(&(record.to_owned(), key.to_owned()))
    }

    pub(super) fn set(&mut self, record: &str, key: &str, memo: Memo) {
        let place = (record.to_owned(), key.to_owned());
        if self.memos.insert(place.clone(), memo.clone()).as_ref() != Some(&memo) {
            self.changed.insert(place);
        }
        if self.memos.len() > MEMOS_MAX {
            self.forget_oldest();
        }
    }

    /// Writes down what has changed since the last time.
    pub(super) fn save(&mut self) {
        let rows = self.changed.drain().map(|(record, key)| {
            let memo = self.memos.get(&(record.clone(), key.clone()));
            // A map of texts and numbers always becomes JSON.
            let value = memo.and_then(|memo| serde_json::to_vec(memo).ok());
            Kept { record, key, value }
        });
        let rows: Vec<Kept> = rows.collect();
        if !rows.is_empty() {
            (self.save)(rows);
        }
    }

    /// What is over goes before what goes on.
    fn forget_oldest(&mut self) {
        let mut places: Vec<(bool, i64, Place)> = Vec::with_capacity(self.memos.len());
        for (place, memo) in &self.memos {
            let goes_on = match memo.state {
                State::Open { .. } | State::Written { .. } => true,
                State::Ended { .. } | State::Closed => false,
            };
            places.push((goes_on, memo.by.recorded_us, place.clone()));
        }
        places.sort();
        for (_, _, place) in places.into_iter().take(FORGOTTEN_AT_ONCE) {
            self.memos.remove(&place);
            self.changed.insert(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn origin(epoch: &str, flow: &str, sequence: u64, recorded_us: i64) -> Origin {
        let (epoch, flow) = (epoch.to_owned(), flow.to_owned());
        Origin { epoch, flow, sequence, recorded_us, place_in_time: (1, recorded_us) }
    }

    #[test]
    fn within_a_flow_the_log_is_the_order_and_between_flows_it_is_time() {
        let one = origin("e", "f", 7, 100);
        assert_eq!(one.order(&origin("e", "f", 8, 50)), Ordering::Less);
        assert_eq!(one.order(&origin("e", "g", 8, 50)), Ordering::Greater);
        assert_eq!(one.order(&origin("new", "f", 1, 200)), Ordering::Less);
        let ahead = Origin { recorded_us: 9_000, ..one.clone() };
        assert_eq!(ahead.order(&origin("e", "g", 8, 200)), Ordering::Less, "its wall clock was ahead for a while");
        let rebooted = Origin { place_in_time: (2, 5), recorded_us: 5, ..origin("e", "g", 1, 5) };
        assert_eq!(one.order(&rebooted), Ordering::Less, "a clock that begins in 1970 with each boot");
    }

    #[test]
    fn what_is_over_is_forgotten_before_what_goes_on_and_changes_are_written_down_once() {
        let saved: Arc<Mutex<Vec<Kept>>> = Arc::default();
        let log = saved.clone();
        let mut book = Book::new(Vec::new(), Arc::new(move |rows| log.lock().unwrap().extend(rows)));
        let memo = |state, at| Memo { state, by: origin("e", "f", at, at as i64) };
        book.set("r", "open", memo(State::Open { id: 1, opened: Contents::default() }, 0));
        for number in 0..MEMOS_MAX as u64 {
            book.set("r", &number.to_string(), memo(State::Closed, number + 1));
        }
        book.save();
        assert!(book.get("r", "open").is_some() && book.get("r", "0").is_none() && book.get("r", "9999").is_some());
        let rows = std::mem::take(&mut *saved.lock().unwrap());
        book.set("r", "open", memo(State::Open { id: 1, opened: Contents::default() }, 0));
        book.save();
        assert_eq!(*saved.lock().unwrap(), []);
        let again = Book::new(rows, Arc::new(|_| ()));
        assert_eq!(again.get("r", "open"), book.get("r", "open"));
        assert_eq!(again.memos.len(), book.memos.len());
    }
}
