//! What Odoo has confirmed: which record each event became. It is written down with the answers, and looked up when events
//! are offered again, so that nothing is made twice that a person has deleted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{Confirmed, ReadError};
use tokio::time::Instant;
use uuid::Uuid;

use super::verdict::Setback;
use crate::aside::aside;
use crate::clock::Time;

/// What is known of a million records takes some memory: it is let go this long after it was of use.
const KNOWN_FOR: Duration = Duration::from_secs(60);

/// Where confirmations are kept.
pub(crate) trait Shelf: Send + Sync + 'static {
    /// Writes down what was confirmed, before any answer that is settled later.
    fn put(&self, entries: Vec<Confirmed>);

    /// Shows all that is kept, the oldest first. Blocks.
    fn read(&self, each: &mut dyn FnMut(Confirmed)) -> Result<(), ReadError>;
}

/// What one sender notes and looks up.
pub(super) struct Register {
    shelf: Arc<dyn Shelf>,
    /// Not written down yet: by event and record name; `None` where a record was refused for good.
    fresh: BTreeMap<([u8; 16], Arc<str>), Option<i64>>,
    known: Known,
    /// The record of each name that Odoo has taken last: since the start, or ever, once somebody has asked.
    last: HashMap<Arc<str>, i64>,
    /// Whether what was taken before the start is in `last`.
    knows_last: bool,
}

/// What was confirmed before, as far as it is in memory.
enum Known {
    /// It is read when somebody asks.
    OnShelf,
    /// The events of each record name in order, and when somebody asked last.
    Here { events: HashMap<Arc<str>, Vec<u128>>, asked: Instant },
    /// Whoever asks knows better: what was confirmed is gone.
    Ignored,
}

impl Register {
    pub(super) fn new(shelf: Arc<dyn Shelf>) -> Self {
        Register { shelf, fresh: BTreeMap::new(), known: Known::OnShelf, last: HashMap::new(), knows_last: false }
    }

    /// For a sender that makes records again which Odoo had confirmed.
    pub(super) fn ignoring_what_was(shelf: Arc<dyn Shelf>) -> Self {
        Register { known: Known::Ignored, ..Register::new(shelf) }
    }

    /// Odoo has made this record of an event.
    pub(super) fn confirm(&mut self, record: &Arc<str>, event: Uuid, id: i64) {
        self.took(record, id);
        self.fresh.insert((event.into_bytes(), record.clone()), Some(id));
    }

    /// Odoo has taken what was written to this record, which belongs to no single event.
    pub(super) fn took(&mut self, record: &Arc<str>, id: i64) {
        self.last.insert(record.clone(), id);
    }

    /// Odoo will make no record of an event, unless it has said otherwise.
    pub(super) fn refuse(&mut self, record: &Arc<str>, event: Uuid) {
        self.fresh.entry((event.into_bytes(), record.clone())).or_insert(None);
    }

    /// Whether Odoo has ever confirmed this record of an event.
    pub(super) async fn has(&mut self, record: &Arc<str>, event: Uuid) -> Result<bool, Setback> {
        if matches!(self.known, Known::OnShelf) {
            let shelf = self.shelf.clone();
            let events = aside(move || events(&*shelf)).await.map_err(|error| Setback::Unreachable(error.into()))?;
            self.known = Known::Here { events, asked: Instant::now() };
        }
        Ok(match &mut self.known {
            Known::Here { events, asked } => {
                *asked = Instant::now();
                events.get(record).is_some_and(|events| events.binary_search(&event.as_u128()).is_ok())
            }
            Known::OnShelf | Known::Ignored => false,
        })
    }

    /// The record of this name that Odoo has taken last, as far as it is remembered.
    pub(super) async fn last(&mut self, record: &Arc<str>) -> Result<Option<i64>, Setback> {
        if !self.last.contains_key(record) && !self.knows_last {
            let shelf = self.shelf.clone();
            let last = aside(move || last(&*shelf)).await.map_err(|error| Setback::Unreachable(error.into()))?;
            for (record, id) in last {
                self.last.entry(record).or_insert(id);
            }
            self.knows_last = true;
        }
        Ok(self.last.get(record).copied())
    }

    /// Writes down what was noted since the last time.
    pub(super) fn save(&mut self) {
        let at_us = Time::now().wall_us;
        let fresh = std::mem::take(&mut self.fresh).into_iter();
        let entries: Vec<Confirmed> =
            fresh.map(|((event_id, record), id)| Confirmed { event_id, record, id, at_us }).collect();
        if !entries.is_empty() {
            self.shelf.put(entries);
        }
        if matches!(&self.known, Known::Here { asked, .. } if asked.elapsed() > KNOWN_FOR) {
            self.known = Known::OnShelf;
        }
    }
}

fn events(shelf: &dyn Shelf) -> Result<HashMap<Arc<str>, Vec<u128>>, ReadError> {
    let mut events: HashMap<Arc<str>, Vec<u128>> = HashMap::new();
    shelf.read(&mut |Confirmed { event_id, record, id, .. }| {
        if id.is_some() {
            events.entry(record).or_default().push(u128::from_be_bytes(event_id));
        }
    })?;
    for events in events.values_mut() {
        events.sort_unstable();
        events.dedup();
        events.shrink_to_fit();
    }
    Ok(events)
}

fn last(shelf: &dyn Shelf) -> Result<HashMap<Arc<str>, i64>, ReadError> {
    let mut last = HashMap::new();
    shelf.read(&mut |Confirmed { record, id, .. }| {
        if let Some(id) = id {
            last.insert(record, id);
        }
    })?;
    Ok(last)
}
