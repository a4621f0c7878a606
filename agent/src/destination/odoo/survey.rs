//! Going through the logs for events whose record Odoo has never confirmed, and for those whose record is gone. Blocks.

use std::collections::HashSet;
use std::sync::Arc;

use plantlink_buffer::{FlowId, FlowState, ReadError, Reader, SpanKind, Stored};
use plantlink_config::Name;

use super::holdings::Holdings;
use super::record::{Mapping, Role};
use crate::clock::Time;
use crate::envelope::{Envelope, Site};

/// So much is read at once.
const EVENTS_AT_ONCE: usize = 512;
const BYTES_AT_ONCE: usize = 1 << 20;

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

/// A flow as it stood before anything else was read.
pub(super) struct Stand {
    name: Name,
    level: FlowState,
    waiting: HashSet<u64>,
}

/// An event at a mapping.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) flow: FlowId,
    pub(super) sequence: u64,
    pub(super) record: usize,
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
    /// All of these by record and event: several flows may take one event, and it is one record.
    seen: HashSet<(usize, u128)>,
}

impl Stand {
    /// Of some flows. Whatever is confirmed is read after it: an event that is settled here is then among that.
    pub(super) fn of(flows: &[(FlowId, Name)], reader: &mut Reader) -> Result<Vec<Self>, ReadError> {
        let mut stands = Vec::new();
        for level in reader.flows()? {
            let Some((_, name)) = flows.iter().find(|(id, _)| *id == level.id) else { continue };
            let mut waiting = HashSet::new();
            let mut from = 0;
            loop {
                let some = reader.waiting(level.id, from, EVENTS_AT_ONCE)?;
                let Some(last) = some.last() else { break };
                from = last.sequence + 1;
                waiting.extend(some.iter().map(|stored| stored.sequence));
            }
            stands.push(Stand { name: name.clone(), level, waiting });
        }
        Ok(stands)
    }

    fn is_to_deliver(&self, sequence: u64) -> bool {
        self.waiting.contains(&sequence) || matches!(self.span(sequence), Some(SpanKind::Tail | SpanKind::Backlog))
    }

    fn is_dropped(&self, sequence: u64) -> bool {
        self.span(sequence) == Some(SpanKind::Dropped)
    }

    fn span(&self, sequence: u64) -> Option<SpanKind> {
        let mut spans = self.level.spans.iter();
        spans.find(|span| span.next <= sequence && sequence < span.end(self.level.next)).map(|span| span.kind)
    }
}

impl Survey {
    /// Goes through one flow's log, as far as it is kept.
    pub(super) fn flow(&self, stand: &Stand, reader: &mut Reader, found: &mut Surveyed) -> Result<(), ReadError> {
        let flow = stand.level.id;
        let since_us = if self.wants_gone { i64::MIN } else { self.since_us };
        let mut from = reader.recorded_since(flow, since_us)?;
        while from < stand.level.next {
            let events = reader.read(flow, from, EVENTS_AT_ONCE, BYTES_AT_ONCE)?;
            from = match events.last() {
                Some(last) => last.sequence + 1,
                // What is kept no longer was deleted meanwhile.
                None => reader.recorded_since(flow, since_us)?.max(from + 1),
            };
            for stored in events {
                if stored.sequence < stand.level.next {
                    self.event(stand, stored, reader, found)?;
                }
            }
        }
        Ok(())
    }

    fn event(&self, stand: &Stand, stored: Stored, reader: &mut Reader, found: &mut Surveyed) -> Result<(), ReadError> {
        let (flow, sequence) = (stand.level.id, stored.sequence);
        let recorded = reader.recorded(&stored)?;
        let event = Envelope::new(self.site.clone(), stand.name.clone(), stored, recorded);
        for (record, mapping) in self.mappings.iter().enumerate() {
            if mapping.role(&event) != Some(Role::Create) || mapping.is_late(&event, self.now) {
                continue;
            }
            let recorded_us = event.recorded().wall_us;
            let id = event.id().as_u128();
            let holding = self.holdings.find(record, id);
            match holding.map(|holding| (holding.id, holding.is_gone)) {
                Some((Some(_), true)) if self.wants_gone && found.seen.insert((record, id)) => {
                    found.gone.push(Place { flow, sequence, record });
                }
                Some((Some(_), true | false)) => {}
                Some((None, _)) | None if recorded_us < self.since_us => {}
                Some((None, _)) | None if stand.is_to_deliver(sequence) => {
                    found.on_the_way += u64::from(found.seen.insert((record, id)));
                }
                // It was refused.
                Some((None, _)) => {}
                None if stand.is_dropped(sequence) || reader.refusal(flow, sequence)?.is_some() => {}
                // What was delivered before anything was remembered says nothing.
                None if self.holdings.known_since(record).is_some_and(|since_us| since_us <= recorded_us)
                    && found.seen.insert((record, id)) =>
                {
                    found.never.push(Place { flow, sequence, record });
                }
                None => {}
            }
        }
        Ok(())
    }
}
