//! What a flow's log holds after a salvage, and what it does not.

use rusqlite::Connection;
use zstd::bulk::Decompressor;

use crate::boot::Boots;
use crate::error::WriteError;
use crate::event::Stored;
use crate::flow::Flow;
use crate::log;

/// Numbers that no block covers, before one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) first: u64,
    pub(super) last: u64,
    /// When the events before and after it were recorded: Unix microseconds, UTC.
    pub(super) from_us: Option<i64>,
    pub(super) to_us: Option<i64>,
}

/// All blocks of a flow, once.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The first number that a block covers, and the one after the last.
    pub(super) first: Option<u64>,
    pub(super) end: Option<u64>,
    pub(super) holes: Vec<Hole>,
    /// All of its events.
    pub(super) events: u64,
    /// The events in each of the flow's spans.
    pub(super) found: Vec<u64>,
    /// When the first and the last event were recorded.
    pub(super) first_us: Option<i64>,
    pub(super) last_us: Option<i64>,
}

impl Hole {
    pub(super) fn count(&self) -> u64 {
        self.last - self.first + 1
    }
}

impl Sweep {
    pub(super) fn of(
        connection: &Connection,
        flow: &Flow,
        decompressor: &mut Decompressor<'static>,
    ) -> Result<Self, WriteError> {
        let mut sweep = Self { found: vec![0; flow.spans.len()], ..Self::default() };
        let mut boots = Boots::default();
        log::blocks(connection, flow.id, 0, |block| {
            let place = block.place;
            let events = block.all(decompressor).map_err(|malformed| WriteError::Damaged(malformed.into()))?;
            let mut known_us =
                |stored: Option<&Stored>| stored.map_or(Ok(None), |stored| boots.known_us(connection, stored));
            let (first_us, last_us) = (known_us(events.first())?, known_us(events.last())?);
            if let Some(end) = sweep.end.filter(|end| *end < place.first) {
                let hole = Hole { first: end, last: place.first - 1, from_us: sweep.last_us, to_us: first_us };
                sweep.holes.push(hole);
            }
            sweep.first_us = sweep.first_us.or(first_us);
            sweep.first = sweep.first.or(Some(place.first));
            sweep.end = Some(place.last() + 1);
            sweep.last_us = last_us;
            sweep.events += events.len() as u64;
            for (span, found) in flow.spans.iter().zip(&mut sweep.found) {
                let (from, end) = (span.next, span.end(flow.next));
                *found += events.iter().filter(|stored| (from..end).contains(&stored.sequence)).count() as u64;
            }
            Ok::<_, WriteError>(true)
        })?;
        Ok(sweep)
    }
}
