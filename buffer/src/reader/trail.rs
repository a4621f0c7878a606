//! Finding one event again, and what a flow that does not have it any more can still say.

use super::{Reader, name};
use crate::confirm::{self, Confirmed};
use crate::dead_letter::{self, DeadLetter};
use crate::error::ReadError;
use crate::event::{Event, Stored};
use crate::flow::FlowId;
use crate::log;
use crate::loss::{Loss, Losses};
use crate::waiting;

impl Reader {
    /// The flow's last event that `is_wanted` takes; whole blocks are searched, until they have covered `events_max` numbers.
    /// Settled events are found as long as they are kept.
    ///
    /// # Errors
    /// The log cannot be read as far as that.
    pub fn latest(
        &mut self,
        flow: FlowId,
        events_max: u64,
        mut is_wanted: impl FnMut(&Event) -> bool,
    ) -> Result<Option<Stored>, ReadError> {
        let Self { connection, decompressor, path: _, boots: _, holds: _ } = self;
        let mut searched = 0;
        let mut found = None;
        let read = log::blocks_from_end(connection, flow, |block| {
            let place = block.place;
            let events = block.all(decompressor).map_err(|cause| ReadError::Damaged {
                flow: name(connection, flow),
                first: place.first,
                last: place.last(),
                cause,
            })?;
            found = events.into_iter().rfind(|stored| is_wanted(&stored.event));
            searched += place.count;
            Ok::<_, ReadError>(found.is_none() && searched < events_max)
        });
        self.noticed(read.map(|()| found))
    }

    /// The first event that the flow's log still has.
    ///
    /// # Errors
    /// The log cannot be read there.
    pub fn oldest(&mut self, flow: FlowId) -> Result<Option<Stored>, ReadError> {
        match self.noticed(log::oldest(&self.connection, flow))? {
            Some(oldest) => Ok(self.read(flow, oldest, 1, 0)?.pop()),
            None => Ok(None),
        }
    }

    /// Whether this event of the flow waits for something that its destination does not have.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn is_waiting(&self, flow: FlowId, sequence: u64) -> Result<bool, ReadError> {
        Ok(self.noticed(waiting::bytes(&self.connection, flow, sequence))? > 0)
    }

    /// Why the destination refused this event of the flow, if it is a dead letter.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn refusal(&self, flow: FlowId, sequence: u64) -> Result<Option<String>, ReadError> {
        self.noticed(dead_letter::reason(&self.connection, flow, sequence))
    }

    /// The dead letters of the event with this id, one for each flow whose destination refused it; the latest first.
    ///
    /// # Errors
    /// One of them is damaged, or the database does not answer.
    pub fn dead_letters_of(&mut self, event_id: [u8; 16]) -> Result<Vec<DeadLetter>, ReadError> {
        let letters = dead_letter::of_event(&self.connection, &mut self.decompressor, event_id);
        self.noticed(letters)
    }

    /// How many dead letters there were that are none any more: offered again, given up, or lost.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn dead_letters_gone(&self) -> Result<u64, ReadError> {
        self.noticed(dead_letter::gone(&self.connection))
    }

    /// The numbers and reasons of the flow's latest dead letters, the latest first: at most so many.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn latest_refusals(&self, flow: FlowId, count_max: u32) -> Result<Vec<(u64, String)>, ReadError> {
        self.noticed(dead_letter::latest_reasons(&self.connection, flow, count_max))
    }

    /// What destinations have confirmed of the event with this id, with their names. What is unreadable is left out.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn confirmations_of(&self, event_id: [u8; 16]) -> Result<Vec<(String, Confirmed)>, ReadError> {
        self.noticed(confirm::of_event(&self.connection, event_id))
    }

    /// What flows have lost and no event has named yet.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn losses(&self) -> Result<Vec<Loss>, ReadError> {
        self.noticed(Losses::load(&self.connection)).map(|losses| losses.to_vec())
    }
}
