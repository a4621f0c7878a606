//! Going through the logs for events whose record Odoo has never confirmed, and for those whose record is gone. Blocks.

use std::collections::HashSet;
use std::sync::Arc;

use plantlink_buffer::{FlowId, ReadError, Reader};

use super::holdings::Holdings;
use super::record::{Mapping, Role};
use super::stand::Stand;
use crate::clock::Time;
use crate::envelope::{Envelope, Site};

/// What is looked for.
pub(super) struct Survey {
    pub(super) site: Arc<Site>,
    pub(super) mappings: Arc<[Mapping]>,
    pub(super) holdings: Holdings,
    pub(super) now: Time,
    /// Events that were recorded earlier count only where their record is gone.
    pub(super) since_us: i64,
    /// Whether those whose record is gone are looked for.
    pub(super) wants_gone: bool,
}

/// An event at a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) flow: FlowId,
    pub(super) sequence: u64,
    pub(super) record: usize,
}

/// An event that began an interval.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) place: Place,
    pub(super) key: String,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Surveyed {
    /// Never confirmed, and still to be delivered.
    pub(super) on_the_way: u64,
    /// Settled, and never confirmed.
    pub(super) never: Vec<Place>,
    /// Confirmed, and gone.
    pub(super) gone: Vec<Place>,
    /// The same of intervals.
    pub(super) gone_intervals: Vec<Begun>,
    /// All of these by record and event: several flows may take one event, and it is one record.
    seen: HashSet<(usize, u128)>,
}

impl Survey {
    /// Goes through one flow's log, as far as it is kept.
    pub(super) fn flow(&self, stand: &Stand, reader: &mut Reader, found: &mut Surveyed) -> Result<(), ReadError> {
        let since_us = if self.wants_gone { i64::MIN } else { self.since_us };
        stand.walk(since_us, &self.site, reader, |reader, event| self.event(stand, event, reader, found))
    }

    fn event(
        &self,
        stand: &Stand,
        event: &Envelope,
        reader: &mut Reader,
        found: &mut Surveyed,
    ) -> Result<(), ReadError> {
        for (record, mapping) in self.mappings.iter().enumerate() {
            let Some(role) = mapping.role(event) else { continue };
            if mapping.is_late(event, self.now) {
                continue;
            }
            let place = Place { flow: stand.flow(), sequence: event.sequence(), record };
            match role {
                Role::Create => self.single(stand, place, event, reader, found)?,
                Role::Open => self.interval(place, mapping, event, found),
                Role::Update | Role::Press | Role::Close => {}
            }
        }
        Ok(())
    }

    /// Of an event that has a record of its own.
    fn single(
        &self,
        stand: &Stand,
        place: Place,
        event: &Envelope,
        reader: &mut Reader,
        found: &mut Surveyed,
    ) -> Result<(), ReadError> {
        let Place { sequence, record, .. } = place;
        let recorded_us = event.recorded().wall_us;
        let id = event.id().as_u128();
        let holding = self.holdings.find(record, id);
        match holding.map(|holding| (holding.id, holding.is_gone)) {
            Some((Some(_), true)) if self.wants_gone && found.seen.insert((record, id)) => found.gone.push(place),
            Some((Some(_), true | false)) => {}
            Some((None, _)) | None if recorded_us < self.since_us => {}
            Some((None, _)) | None if stand.is_to_deliver(sequence) => {
                found.on_the_way += u64::from(found.seen.insert((record, id)));
            }
            // It was refused.
            Some((None, _)) => {}
            None if stand.is_given_up(sequence, reader)? => {}
            // What was delivered before anything was remembered says nothing.
            None if self.holdings.known_since(record).is_some_and(|since_us| since_us <= recorded_us)
                && found.seen.insert((record, id)) =>
            {
                found.never.push(place);
            }
            None => {}
        }
        Ok(())
    }

    /// Of an event that begins an interval. It may rightly never have been confirmed: the interval was open already.
    fn interval(&self, place: Place, mapping: &Mapping, event: &Envelope, found: &mut Surveyed) {
        let id = event.id().as_u128();
        let is_gone = self.holdings.find(place.record, id).is_some_and(|holding| holding.is_gone);
        if self.wants_gone
            && is_gone
            && let Some(key) = mapping.key(event)
            && found.seen.insert((place.record, id))
        {
            found.gone_intervals.push(Begun { place, key });
        }
    }
}
