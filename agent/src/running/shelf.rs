//! The buffer as an Odoo destination's shelf: where it is written down what was confirmed.

use std::time::Duration;

use plantlink_buffer::{Confirm, Confirmed, ReadError, Readers};
use plantlink_config::Name;

use crate::destination::odoo::Shelf;
use crate::store::Store;

/// What one destination has confirmed.
pub(super) struct BufferShelf {
    pub(super) destination: Name,
    /// How long it is kept.
    pub(super) keep: Duration,
    pub(super) store: Store,
    pub(super) readers: Readers,
}

impl Shelf for BufferShelf {
    fn put(&self, entries: Vec<Confirmed>) {
        let now = self.store.clock().now();
        let keep_us = i64::try_from(self.keep.as_micros()).unwrap_or(i64::MAX);
        // A clock that was never set tells no age.
        let forget_before_us = now.synced.then(|| now.wall_us.saturating_sub(keep_us));
        let confirm = Confirm { destination: self.destination.to_string(), entries, forget_before_us };
        // A writer that has stopped ends the process with the next settlement.
        drop(self.store.confirm(confirm));
    }

    fn read(&self, each: &mut dyn FnMut(Confirmed)) -> Result<(), ReadError> {
        self.readers.open()?.confirmed(&self.destination, each)
    }
}
