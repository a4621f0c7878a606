//! What was confirmed, in an order in which it can be compared with what Odoo holds and be looked up.

use std::sync::Arc;

use plantlink_buffer::{Confirmed, ReadError};

use super::register::Shelf;

/// One record that an event became, as it was confirmed last.
#[derive(Debug)]
pub(super) struct Holding {
    /// The place of the record's mapping.
    pub(super) record: usize,
    pub(super) event: u128,
    /// `None`: it was refused for good.
    pub(super) id: Option<i64>,
    /// Unix microseconds, UTC.
    pub(super) at_us: i64,
    pub(super) is_gone: bool,
}

/// All of them, by record and event, each once.
#[derive(Debug)]
pub(super) struct Holdings {
    all: Vec<Holding>,
    /// For each record, since when all that was confirmed of it is remembered; `None` while nothing is.
    known_since: Vec<Option<i64>>,
}

impl Holdings {
    /// Reads what was confirmed of records with these names; others are not configured any more, and nobody knows their
    /// model. Blocks.
    pub(super) fn read(shelf: &dyn Shelf, names: &[Arc<str>]) -> Result<Self, ReadError> {
        let mut all = Vec::new();
        let mut known_since = vec![None; names.len()];
        shelf.read(&mut |Confirmed { event_id, record, id, at_us }| {
            if let Some(record) = names.iter().position(|name| *name == record) {
                if let Some(since_us) = known_since.get_mut(record) {
                    *since_us = Some(since_us.map_or(at_us, |since_us: i64| since_us.min(at_us)));
                }
                all.push(Holding { record, event: u128::from_be_bytes(event_id), id, at_us, is_gone: false });
            }
        })?;
        // The sort is stable: of several with one event, the last to be confirmed stays.
        all.reverse();
        all.sort_by_key(Holding::key);
        all.dedup_by_key(|holding| holding.key());
        Ok(Holdings { all, known_since })
    }

    /// What has become of an event at a record, if that was ever said.
    pub(super) fn find(&self, record: usize, event: u128) -> Option<&Holding> {
        let place = self.all.binary_search_by_key(&(record, event), Holding::key).ok()?;
        self.all.get(place)
    }

    /// Those of one record with a record id, confirmed at this time or later.
    pub(super) fn confirmed(&mut self, record: usize, since_us: i64) -> Vec<&mut Holding> {
        let is_meant =
            |holding: &&mut Holding| holding.record == record && holding.id.is_some() && holding.at_us >= since_us;
        self.all.iter_mut().filter(is_meant).collect()
    }

    /// Since when all that was confirmed of a record is remembered; `None` while nothing is.
    pub(super) fn known_since(&self, record: usize) -> Option<i64> {
        self.known_since.get(record).copied().flatten()
    }

    pub(super) fn gone(&self) -> impl Iterator<Item = &Holding> {
        self.all.iter().filter(|holding| holding.is_gone)
    }
}

impl Holding {
    fn key(&self) -> (usize, u128) {
        (self.record, self.event)
    }
}
