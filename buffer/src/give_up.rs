//! Giving up the oldest events of a flow that are still to deliver, for want of room.
//!
//! A span goes on to stand where it stands: the numbers of the events become gaps in front of the next one, so that whoever
//! is about to read or to settle from there is not led astray.

use std::ops::Range;

use rusqlite::Connection;

use crate::block;
use crate::boot::Boots;
use crate::error::WriteError;
use crate::event::Stored;
use crate::flow::{Flow, FlowId};
use crate::hold::Frozen;
use crate::log;
use crate::loss::{Loss, LossCause, Period};
use crate::overflow::Author;
use crate::rewrite::rewrite;
use crate::state::State;

/// How much is given up at once, so that it never takes long: so many events, or so many bytes of their data.
const STEP_EVENTS: usize = 1_024;
const STEP_BYTES: usize = 1 << 20;

/// Whole blocks of a log, unpacked.
pub(crate) struct Stretch {
    pub(crate) events: Vec<Stored>,
    /// The numbers that the blocks cover.
    first: u64,
    last: u64,
    /// There is enough for a step; there may be more behind it.
    is_full: bool,
}

impl Stretch {
    /// The blocks that hold these numbers, from the first on; no further one when there is enough for a step.
    pub(crate) fn read(connection: &Connection, flow: FlowId, numbers: &Range<u64>) -> Result<Self, WriteError> {
        let mut stretch = Self { events: Vec::new(), first: numbers.start, last: numbers.start, is_full: false };
        let mut decompressor = block::decompressor()?;
        let mut bytes = 0;
        log::blocks(connection, flow, numbers.start, |block| {
            if stretch.events.is_empty() {
                stretch.first = block.place.first;
            }
            stretch.last = block.place.last();
            let events = block
                .events(0, &mut decompressor, |_, _| true)
                .map_err(|malformed| WriteError::Damaged(malformed.into()))?;
            bytes += events.iter().map(|stored| stored.event.data.len() + stored.event.metadata.len()).sum::<usize>();
            stretch.events.extend(events);
            // The last event of a stretch stays, so that one alone is no step forward.
            let is_step = stretch.events.iter().filter(|stored| numbers.contains(&stored.sequence)).nth(1).is_some();
            stretch.is_full = is_step && (stretch.events.len() >= STEP_EVENTS || bytes >= STEP_BYTES);
            Ok::<_, WriteError>(!stretch.is_full && stretch.last + 1 < numbers.end)
        })?;
        Ok(stretch)
    }

    /// The last number: a block ends with an event, so this one has to stay or to be replaced.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Puts these events in place of all.
    pub(crate) fn replace(&self, transaction: &Connection, flow: FlowId, by: &[Stored]) -> Result<(), WriteError> {
        rewrite(transaction, flow, self.first, self.last, by)
    }
}

/// The spans whose events are still to deliver, by their place in the log.
pub(crate) fn open_spans(flow: &Flow) -> Vec<usize> {
    let mut spans: Vec<usize> = (0..flow.spans.len()).filter(|index| flow.spans[*index].is_owed()).collect();
    spans.sort_by_key(|index| flow.spans[*index].next);
    spans
}

/// Gives up some of the oldest events that nobody holds, and says whether there were any.
pub(crate) fn oldest(
    transaction: &Connection,
    state: &mut State,
    flow: FlowId,
    holds: &Frozen<'_>,
    author: &dyn Author,
) -> Result<bool, WriteError> {
    let flow = state.flows.get_mut(flow)?;
    for index in open_spans(flow) {
        let numbers = flow.spans[index].next..flow.spans[index].end(flow.next);
        for free in holds.free(flow.id, numbers) {
            let stretch = Stretch::read(transaction, flow.id, &free)?;
            let stays = |stored: &&Stored| stored.sequence == stretch.last() || !free.contains(&stored.sequence);
            let (kept, lost): (Vec<&Stored>, Vec<&Stored>) = stretch.events.iter().partition(stays);
            let Some(loss) = loss(transaction, flow.id, LossCause::Full, &lost)? else { continue };
            let kept: Vec<Stored> = kept.into_iter().cloned().collect();
            stretch.replace(transaction, flow.id, &kept)?;
            let span = &mut flow.spans[index];
            span.gaps += loss.count;
            span.skip_last_gap(flow.next);
            flow.dropped += loss.count;
            flow.forget_finished();
            // What was to tell of losses before is lost itself: they are still to be told.
            let told = lost.iter().filter_map(|stored| author.loss_in(flow.id, &stored.event));
            state.losses.extend(told.chain([loss]));
            return Ok(true);
        }
    }
    Ok(false)
}

/// The account of events that are given up; `None` when there are none.
pub(crate) fn loss(
    transaction: &Connection,
    flow: FlowId,
    cause: LossCause,
    events: &[&Stored],
) -> rusqlite::Result<Option<Loss>> {
    let Some((first, last)) = events.first().zip(events.last()) else { return Ok(None) };
    let mut boots = Boots::default();
    let times = events.iter().map(|stored| boots.known_us(transaction, stored));
    let times: Vec<i64> = times.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?;
    let period = times.iter().min().zip(times.iter().max());
    let recorded = period.map(|(from_us, to_us)| Period { from_us: *from_us, to_us: *to_us });
    let (first, last, count) = (first.sequence, last.sequence, events.len() as u64);
    Ok(Some(Loss { flow, cause, first, last, count, recorded }))
}
