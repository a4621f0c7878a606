//! A flow's log: its blocks as rows, found by flow and sequence through the row id alone, so that no second index is
//! written.

use rusqlite::{Connection, OptionalExtension, Row, params};
use zstd::bulk::{Compressor, Decompressor};

use crate::block::{self, Builder, EventRef, Events, Place, Sealed};
use crate::error::{Malformed, WriteError};
use crate::event::{Event, Stored};
use crate::flow::{Flow, FlowId};

/// The bits of a row id that hold the first sequence number: 17 million million events a flow.
const SEQUENCE_BITS: u32 = 44;
/// No flow gets this number or a later one.
pub(crate) const SEQUENCE_END: u64 = 1 << SEQUENCE_BITS;
/// What is left for the flow in a positive row id.
pub(crate) const FLOW_END: u32 = 1 << (63 - SEQUENCE_BITS);

/// The row id of the block of `flow` that begins with `first`. Beyond the last number it is the log's end.
fn key(flow: FlowId, first: u64) -> i64 {
    (i64::from(flow.0) << SEQUENCE_BITS) + first.min(SEQUENCE_END) as i64
}

/// The first sequence number that a row id holds.
fn first_of(id: i64) -> u64 {
    id as u64 % SEQUENCE_END
}

/// The flow that a row id holds.
fn flow_of(id: i64) -> FlowId {
    FlowId((id >> SEQUENCE_BITS) as u32)
}

/// Where the block with this row id belongs.
pub(crate) fn place_of(id: i64, count: u64, boot: i64) -> Place {
    Place { flow: flow_of(id), first: first_of(id), count, boot }
}

/// Fills blocks, one a flow, and writes those that are full.
pub(crate) struct Pen {
    boot: i64,
    compressor: Compressor<'static>,
    /// Emptied by each transaction, and kept for their memory.
    drafts: Vec<Draft>,
}

/// The block that a flow's next events go into.
pub(crate) struct Draft {
    pub(crate) flow: FlowId,
    /// The first sequence number that it covers.
    pub(crate) first: u64,
    pub(crate) boot: i64,
    pub(crate) block: Builder,
}

impl Pen {
    pub(crate) fn new(boot: i64) -> std::io::Result<Self> {
        Ok(Self { boot, compressor: block::compressor()?, drafts: Vec::new() })
    }

    /// Gives the event the flow's next number.
    pub(crate) fn write(&mut self, transaction: &Connection, flow: &mut Flow, event: &Event) -> Result<(), WriteError> {
        self.put(transaction, flow, event, self.boot)?;
        flow.matched += 1;
        Ok(())
    }

    /// Gives an event that the flow has matched before, maybe in another boot, a new number.
    pub(crate) fn write_again(
        &mut self,
        transaction: &Connection,
        flow: &mut Flow,
        stored: &Stored,
    ) -> Result<(), WriteError> {
        self.put(transaction, flow, &stored.event, stored.boot)
    }

    fn put(&mut self, transaction: &Connection, flow: &mut Flow, event: &Event, boot: i64) -> Result<(), WriteError> {
        if flow.next >= SEQUENCE_END || flow.id.0 >= FLOW_END {
            return Err(WriteError::Inconsistent(format!("flow {} has no number left", flow.name)));
        }
        let index = self.drafts.iter().position(|draft| draft.flow == flow.id).unwrap_or_else(|| {
            self.drafts.push(Draft { flow: flow.id, first: flow.next, boot, block: Builder::default() });
            self.drafts.len() - 1
        });
        let draft = &mut self.drafts[index];
        if draft.block.is_full() || draft.boot != boot && !draft.block.is_empty() {
            draft.insert(transaction, &mut self.compressor)?;
        }
        if draft.block.is_empty() {
            draft.first = flow.covered;
            draft.boot = boot;
        }
        draft.block.push(event, flow.next.saturating_sub(flow.covered))?;
        flow.next += 1;
        flow.covered = flow.next;
        Ok(())
    }

    /// Writes the blocks that are begun.
    pub(crate) fn finish(&mut self, transaction: &Connection) -> Result<(), WriteError> {
        for draft in self.drafts.iter_mut().filter(|draft| !draft.block.is_empty()) {
            draft.insert(transaction, &mut self.compressor)?;
        }
        Ok(())
    }

    /// Forgets the events of a transaction that failed.
    pub(crate) fn clear(&mut self) {
        self.drafts.iter_mut().for_each(|draft| draft.block.clear());
    }
}

impl Draft {
    /// Writes the block and is empty again.
    pub(crate) fn insert(
        &mut self,
        transaction: &Connection,
        compressor: &mut Compressor<'static>,
    ) -> Result<(), WriteError> {
        let place = Place { flow: self.flow, first: self.first, count: self.block.count(), boot: self.boot };
        let Sealed { bytes, checksum } = self.block.seal(&place, compressor)?;
        transaction
            .prepare_cached("INSERT INTO block (id, count, boot, bytes, checksum) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![key(place.flow, place.first), place.count, place.boot, bytes, checksum])?;
        self.block.clear();
        Ok(())
    }
}

/// A block as it is stored, not yet checked.
pub(crate) struct Block {
    pub(crate) place: Place,
    bytes: Vec<u8>,
    checksum: u32,
}

impl Block {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let id: i64 = row.get(0)?;
        let place = place_of(id, row.get(1)?, row.get(2)?);
        Ok(Self { place, bytes: row.get(3)?, checksum: row.get(4)? })
    }

    /// One from elsewhere than a log.
    pub(crate) fn new(place: Place, bytes: Vec<u8>, checksum: u32) -> Self {
        Self { place, bytes, checksum }
    }

    /// All of its events.
    pub(crate) fn all(&self, decompressor: &mut Decompressor<'static>) -> Result<Vec<Stored>, Malformed> {
        self.events(0, decompressor, |_, _| true)
    }

    /// Its events from `from` on, while `wanted` takes them; it is told how many were taken before.
    pub(crate) fn events(
        &self,
        from: u64,
        decompressor: &mut Decompressor<'static>,
        mut wanted: impl FnMut(usize, &EventRef<'_>) -> bool,
    ) -> Result<Vec<Stored>, Malformed> {
        let raw = block::unseal(&self.place, &self.bytes, self.checksum, decompressor)?;
        let mut stored = Vec::new();
        for event in Events::new(&raw, &self.place) {
            let event = event?;
            if event.sequence < from {
                continue;
            }
            if !wanted(stored.len(), &event) {
                break;
            }
            stored.push(Stored { sequence: event.sequence, boot: self.place.boot, event: event.to_event() });
        }
        Ok(stored)
    }
}

/// What some blocks cover, without what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Sequence numbers.
    pub(crate) count: u64,
    /// As they are stored.
    pub(crate) bytes: u64,
    pub(crate) blocks: u64,
}

/// The flow's blocks that begin at `from` or behind it; `each` says whether to go on.
pub(crate) fn extents(
    connection: &Connection,
    flow: FlowId,
    from: u64,
    mut each: impl FnMut(Extent) -> bool,
) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("SELECT id, count, length(bytes) FROM block WHERE id >= ?1 AND id < ?2 ORDER BY id")?;
    let mut rows = statement.query([key(flow, from), key(flow, SEQUENCE_END)])?;
    while let Some(row) = rows.next()? {
        let (first, count) = (first_of(row.get(0)?), row.get(1)?);
        let last = Place { flow, first, count, boot: 0 }.last();
        if !each(Extent { first, last, count, bytes: row.get(2)?, blocks: 1 }) {
            break;
        }
    }
    Ok(())
}

/// The flow's blocks from the one that holds `from` on; `each` says whether to go on. Nothing stays open afterwards.
pub(crate) fn blocks<E: From<rusqlite::Error>>(
    connection: &Connection,
    flow: FlowId,
    from: u64,
    mut each: impl FnMut(Block) -> Result<bool, E>,
) -> Result<(), E> {
    // One statement sees one state: between two of them the block that holds `from` may be packed into another.
    let mut statement = connection.prepare_cached(
        "SELECT id, count, boot, bytes, checksum FROM block
         WHERE id >= coalesce((SELECT max(id) FROM block WHERE id >= ?1 AND id <= ?2), ?2) AND id < ?3 ORDER BY id",
    )?;
    let mut rows = statement.query([key(flow, 0), key(flow, from), key(flow, SEQUENCE_END)])?;
    while let Some(row) = rows.next()? {
        if !each(Block::of(row)?)? {
            break;
        }
    }
    Ok(())
}

/// The flow's blocks from the last one back; `each` says whether to go on. Nothing stays open afterwards.
pub(crate) fn blocks_from_end<E: From<rusqlite::Error>>(
    connection: &Connection,
    flow: FlowId,
    mut each: impl FnMut(Block) -> Result<bool, E>,
) -> Result<(), E> {
    let mut statement = connection.prepare_cached(
        "SELECT id, count, boot, bytes, checksum FROM block WHERE id >= ?1 AND id < ?2 ORDER BY id DESC",
    )?;
    let mut rows = statement.query([key(flow, 0), key(flow, SEQUENCE_END)])?;
    while let Some(row) = rows.next()? {
        if !each(Block::of(row)?)? {
            break;
        }
    }
    Ok(())
}

/// One event that must be there.
pub(crate) fn event(connection: &Connection, flow: FlowId, sequence: u64) -> Result<Stored, WriteError> {
    event_from(connection, flow, sequence)?
        .filter(|stored| stored.sequence == sequence)
        .ok_or_else(|| WriteError::Damaged(Malformed("an event that is still to settle is missing").into()))
}

/// The event of this number; where it has none any more, the next one.
pub(crate) fn event_from(connection: &Connection, flow: FlowId, sequence: u64) -> Result<Option<Stored>, WriteError> {
    let mut decompressor = block::decompressor()?;
    let mut found = Vec::new();
    blocks(connection, flow, sequence, |block| {
        found = block
            .events(sequence, &mut decompressor, |taken, _| taken == 0)
            .map_err(|malformed| WriteError::Damaged(malformed.into()))?;
        Ok::<_, WriteError>(found.is_empty())
    })?;
    Ok(found.pop())
}

/// The first event of the oldest block; `None` for an empty log.
pub(crate) fn oldest(connection: &Connection, flow: FlowId) -> rusqlite::Result<Option<u64>> {
    let id: Option<i64> = connection
        .prepare_cached("SELECT min(id) FROM block WHERE id >= ?1 AND id < ?2")?
        .query_row([key(flow, 0), key(flow, SEQUENCE_END)], |row| row.get(0))?;
    Ok(id.map(first_of))
}

/// The number after the last one that a block covers; `None` for an empty log.
pub(crate) fn end(connection: &Connection, flow: FlowId) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT id, count FROM block WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1")?
        .query_row([key(flow, 0), key(flow, SEQUENCE_END)], |row| Ok((first_of(row.get(0)?), row.get::<_, u64>(1)?)))
        .optional()
        .map(|last| last.map(|(first, count)| first.saturating_add(count)))
}

/// The flows that have blocks.
pub(crate) fn flows(connection: &Connection) -> rusqlite::Result<Vec<FlowId>> {
    let mut flows: Vec<FlowId> = Vec::new();
    let mut find = connection.prepare("SELECT min(id) FROM block WHERE id >= ?1")?;
    loop {
        let from = flows.last().map_or(0, |flow| key(*flow, SEQUENCE_END));
        let Some(id) = find.query_row([from], |row| row.get(0))? else { return Ok(flows) };
        flows.push(flow_of(id));
    }
}

/// Whether a block covers any of the numbers of `place`.
pub(crate) fn overlaps(connection: &Connection, place: &Place) -> rusqlite::Result<bool> {
    let last: Option<(u64, u64)> = connection
        .prepare_cached("SELECT id, count FROM block WHERE id >= ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1")?
        .query_row([key(place.flow, 0), key(place.flow, place.last())], |row| Ok((first_of(row.get(0)?), row.get(1)?)))
        .optional()?;
    Ok(last.is_some_and(|(first, count)| first.saturating_add(count) > place.first))
}

/// Deletes the blocks from `oldest` on that end before `keep`, and says where the log begins now.
pub(crate) fn trim(transaction: &Connection, flow: FlowId, oldest: u64, keep: u64) -> rusqlite::Result<u64> {
    let begin = match key_of_block(transaction, flow, keep)? {
        Some(id) => id,
        None => return Ok(oldest),
    };
    transaction.prepare_cached("DELETE FROM block WHERE id >= ?1 AND id < ?2")?.execute([key(flow, oldest), begin])?;
    Ok(first_of(begin))
}

/// Deletes the blocks that begin with these numbers.
pub(crate) fn delete(transaction: &Connection, flow: FlowId, first: u64, last: u64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM block WHERE id >= ?1 AND id <= ?2")?
        .execute([key(flow, first), key(flow, last)])?;
    Ok(())
}

/// The row id of the last block that begins at or before `sequence`.
fn key_of_block(connection: &Connection, flow: FlowId, sequence: u64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT max(id) FROM block WHERE id >= ?1 AND id <= ?2")?
        .query_row([key(flow, 0), key(flow, sequence)], |row| row.get(0))
}
