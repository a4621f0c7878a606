//! Packing the small blocks of a long backlog into full ones, a few hundred events with a commit.
//!
//! A commit of one event makes a block of one event. Of a backlog of millions that would be several times the bytes on
//! disk and the rows to read, and a flow that is soon delivered would gain nothing: so only what is far behind is packed.

use rusqlite::Connection;

use crate::block::{self, BLOCK_EVENTS_MAX};
use crate::error::WriteError;
use crate::event::Stored;
use crate::flow::{Flow, Flows};
use crate::log::{self, Extent};
use crate::rewrite::rewrite;

/// So many events at the end of a log are left as they were recorded, and a flow that is no further behind altogether.
const BEHIND: u64 = 4_096;

/// What is packed at once, by the number of events and by their bytes as they are stored: some milliseconds' work.
const STEP_EVENTS: u64 = BLOCK_EVENTS_MAX as u64;
const STEP_BYTES: u64 = 128 << 10;

/// A block with half of a step in it is left as it is.
const FULL_EVENTS: u64 = STEP_EVENTS / 2;
const FULL_BYTES: u64 = STEP_BYTES / 2;

/// What a step writes at the most: the pages that it empties and fills, and what leads to them.
pub(crate) const STEP_PAGES: u64 = 4 * STEP_BYTES / 4_096;

/// Where packing goes on after a start. Nothing says how far it was: it was never further behind than this, as far as
/// the flow was not delivered.
pub(crate) fn resume(first_open: u64, next: u64) -> u64 {
    first_open.max(next.saturating_sub(2 * BEHIND))
}

/// Whether a step would find something to do.
pub(crate) fn is_due(flows: &Flows) -> bool {
    flows.iter().any(|flow| flow.packs_from().is_some())
}

/// Packs some blocks of one flow, if one is far behind.
pub(crate) fn step(transaction: &Connection, flows: &mut Flows) -> Result<(), WriteError> {
    let due = flows.iter_mut().find_map(|flow| flow.packs_from().map(|from| (flow, from)));
    let Some((flow, from)) = due else { return Ok(()) };
    let mut run = None;
    log::extents(transaction, flow.id, from, |extent| gather(&mut run, extent))?;
    flow.packed = match small_blocks(run) {
        Run::Skip { next } => next.unwrap_or(flow.next),
        Run::Pack { first, last } => {
            if let Some(events) = events(transaction, flow, first, last)? {
                rewrite(transaction, flow.id, first, last, &events)?;
            }
            last + 1
        }
    };
    Ok(())
}

impl Flow {
    /// Where the next step begins, once there is a whole one to do.
    fn packs_from(&self) -> Option<u64> {
        let from = self.packed.max(self.first_open());
        (self.next.saturating_sub(from) >= BEHIND + STEP_EVENTS).then_some(from)
    }
}

/// What the next blocks of a log are worth.
#[derive(Debug, PartialEq, Eq)]
enum Run {
    /// Nothing is to be done before this number; `None`: before the log's end.
    Skip { next: Option<u64> },
    /// Small blocks that cover these numbers make one.
    Pack { first: u64, last: u64 },
}

/// Takes the next block into a run of small ones, and says whether the one after it may belong to it too.
fn gather(run: &mut Option<Extent>, extent: Extent) -> bool {
    let is_full = extent.count >= FULL_EVENTS || extent.bytes >= FULL_BYTES;
    match run {
        None => {
            *run = Some(extent);
            !is_full
        }
        Some(run) if is_full || run.count + extent.count > STEP_EVENTS || run.bytes + extent.bytes > STEP_BYTES => {
            false
        }
        Some(run) => {
            run.last = extent.last;
            run.count += extent.count;
            run.bytes += extent.bytes;
            run.blocks += extent.blocks;
            true
        }
    }
}

fn small_blocks(run: Option<Extent>) -> Run {
    match run {
        Some(Extent { blocks: 1, last, .. }) => Run::Skip { next: Some(last + 1) },
        Some(Extent { first, last, .. }) => Run::Pack { first, last },
        None => Run::Skip { next: None },
    }
}

/// The events within these numbers; `None` when one of their blocks is damaged, which whoever reads it will say.
fn events(transaction: &Connection, flow: &Flow, first: u64, last: u64) -> Result<Option<Vec<Stored>>, WriteError> {
    let mut decompressor = block::decompressor()?;
    let mut events = Some(Vec::new());
    log::blocks(transaction, flow.id, first, |block| {
        if block.place.first > last {
            return Ok(false);
        }
        let found = block.events(first, &mut decompressor, |_, _| true);
        events = events.take().zip(found.ok()).map(|(mut events, found)| {
            events.extend(found);
            events
        });
        Ok::<_, WriteError>(events.is_some())
    })?;
    Ok(events.filter(|events| events.last().is_some_and(|stored| stored.sequence == last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(blocks: &[(u64, u64)]) -> Vec<Extent> {
        let mut next = 1;
        let extent = |(count, bytes): &(u64, u64)| {
            let first = next;
            next += count;
            Extent { first, last: next - 1, count: *count, bytes: *bytes, blocks: 1 }
        };
        blocks.iter().map(extent).collect()
    }

    #[test]
    fn small_blocks_are_packed_up_to_a_full_one() {
        for (blocks, expected) in [
            (vec![(1, 300); 300], Run::Pack { first: 1, last: 256 }),
            (vec![(5, 700); 60], Run::Pack { first: 1, last: 255 }),
            (vec![(5, 700), (5, 700), (200, 20_000), (5, 700)], Run::Pack { first: 1, last: 10 }),
            (vec![(5, 20_000); 60], Run::Pack { first: 1, last: 30 }),
            (vec![(5, 700), (200, 20_000)], Run::Skip { next: Some(6) }),
            (vec![(200, 20_000), (5, 700)], Run::Skip { next: Some(201) }),
            (vec![(2, 70_000), (2, 700)], Run::Skip { next: Some(3) }),
            (vec![], Run::Skip { next: None }),
        ] {
            let mut run = None;
            let _ = extents(&blocks).into_iter().all(|extent| gather(&mut run, extent));
            assert_eq!(small_blocks(run), expected, "{:?}", blocks.first());
        }
    }
}
