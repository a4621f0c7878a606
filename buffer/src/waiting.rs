//! Events that wait for something their destination does not have yet: still to deliver, but out of the way of the others
//! of their flow.
//!
//! They are rows of `kept` without a destination, so that they stay with their flow wherever it goes. In the flow's row they
//! count as delivered, since a release that knows nothing of them has to find its books in order; what is in hand tells
//! them apart.

use rusqlite::{Connection, OptionalExtension as _, params};
use zstd::bulk::Decompressor;

use crate::block::{self, Builder, Events, Place, Sealed};
use crate::dead_letter;
use crate::error::{Malformed, ReadError, WriteError};
use crate::event::{Event, Stored};
use crate::flow::{Flow, FlowId};
use crate::settle::Settled;
use crate::varint::{self, Cursor};

/// Answers to events of a flow that were waiting and have been offered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// Whose events.
    pub flow: FlowId,
    /// Sequence numbers with their answers. Those that wait no longer are passed over.
    pub outcomes: Vec<(u64, Settled)>,
}

/// Puts an event aside that its flow goes on without.
pub(crate) fn insert(transaction: &Connection, flow: &mut Flow, stored: &Stored) -> Result<(), WriteError> {
    let place = Place { flow: flow.id, first: stored.sequence, count: 1, boot: stored.boot };
    let mut block = Builder::default();
    block.push(&stored.event, 0)?;
    let Sealed { bytes, checksum } = block.seal(&place, &mut block::compressor()?)?;
    let mut value = Vec::with_capacity(bytes.len() + 16);
    varint::put_signed(&mut value, stored.boot);
    varint::put(&mut value, u64::from(checksum));
    value.extend_from_slice(&bytes);
    transaction
        .prepare_cached("INSERT INTO kept (destination, record, key, value) VALUES ('', ?1, ?2, ?3)")?
        .execute(params![record(flow.id), key(stored.sequence), value])?;
    flow.waiting += 1;
    Ok(())
}

/// Writes down what became of events that were waiting.
pub(crate) fn resume(transaction: &Connection, flow: &mut Flow, outcomes: &[(u64, Settled)]) -> Result<(), WriteError> {
    for (sequence, settled) in outcomes {
        let Some(stored) = find(transaction, flow.id, *sequence)? else { continue };
        match settled {
            Settled::Waiting => continue,
            Settled::Delivered => flow.delivered += 1,
            Settled::Dead { attempts, refusal, at_us } => {
                dead_letter::insert_event(transaction, flow.id, &stored, *attempts, refusal, *at_us)?;
                flow.dead += 1;
            }
        }
        flow.waiting -= 1;
        transaction
            .prepare_cached("DELETE FROM kept WHERE destination = '' AND record = ?1 AND key = ?2")?
            .execute(params![record(flow.id), key(*sequence)])?;
    }
    Ok(())
}

/// Deletes all that wait for a flow that is given up.
pub(crate) fn delete(transaction: &Connection, flow: FlowId) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM kept WHERE destination = '' AND record = ?1", [record(flow)]).map(drop)
}

pub(crate) fn count(connection: &Connection, flow: FlowId) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM kept WHERE destination = '' AND record = ?1")?
        .query_row([record(flow)], |row| row.get(0))
}

/// Up to `count_max` of a flow's waiting events from the number `from` on, in order.
pub(crate) fn read(
    connection: &Connection,
    decompressor: &mut Decompressor<'static>,
    flow: FlowId,
    from: u64,
    count_max: usize,
) -> Result<Vec<Stored>, ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT key, value FROM kept WHERE destination = '' AND record = ?1 AND key >= ?2 ORDER BY key LIMIT ?3",
    )?;
    let mut rows = statement.query(params![record(flow), key(from), count_max])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, value): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let stored = stored(flow, &key, &value, decompressor)
            .map_err(|cause| ReadError::Row { row: format!("waiting event {key}"), cause })?;
        found.push(stored);
    }
    Ok(found)
}

/// What the row of a waiting event takes, in bytes; 0 when there is none.
pub(crate) fn bytes(connection: &Connection, flow: FlowId, sequence: u64) -> rusqlite::Result<u64> {
    let length = connection
        .prepare_cached("SELECT length(value) FROM kept WHERE destination = '' AND record = ?1 AND key = ?2")?
        .query_row(params![record(flow), key(sequence)], |row| row.get(0))
        .optional()?;
    Ok(length.unwrap_or(0))
}

fn find(transaction: &Connection, flow: FlowId, sequence: u64) -> Result<Option<Stored>, WriteError> {
    let found: Option<(String, Vec<u8>)> = transaction
        .prepare_cached("SELECT key, value FROM kept WHERE destination = '' AND record = ?1 AND key = ?2")?
        .query_row(params![record(flow), key(sequence)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((key, value)) = found else { return Ok(None) };
    let stored = stored(flow, &key, &value, &mut block::decompressor()?);
    stored.map(Some).map_err(|malformed| WriteError::Damaged(malformed.into()))
}

fn stored(
    flow: FlowId,
    key: &str,
    value: &[u8],
    decompressor: &mut Decompressor<'static>,
) -> Result<Stored, Malformed> {
    let first = key.parse().map_err(|_| Malformed("a waiting event has no number"))?;
    let mut cursor = Cursor::new(value);
    let boot = cursor.signed()?;
    let checksum = u32::try_from(cursor.number()?).map_err(|_| Malformed("a waiting event has no checksum"))?;
    let place = Place { flow, first, count: 1, boot };
    let raw = block::unseal(&place, cursor.rest(), checksum, decompressor)?;
    let event: Event = Events::new(&raw, &place).next().ok_or(Malformed("there is no event"))??.to_event();
    Ok(Stored { sequence: first, boot, event })
}

/// The column that names a flow.
fn record(flow: FlowId) -> String {
    flow.to_string()
}

/// As a text that sorts as the number does.
fn key(sequence: u64) -> String {
    format!("{sequence:020}")
}
