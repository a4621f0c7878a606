//! What was refused for good, kept for a person: events by a destination, messages by a source.

use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};
use zstd::bulk::Decompressor;

use crate::append::Rejected;
use crate::block::{self, Builder, Events, Place, Sealed};
use crate::error::{Malformed, ReadError, WriteError};
use crate::event::Stored;
use crate::flow::FlowId;
use crate::settle::Refusal;

/// Something that was refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names it; never given twice.
    pub id: i64,
    /// When it was refused: Unix microseconds, UTC.
    pub at_us: i64,
    /// The destination's own short name for the reason; `None` for a message of a source.
    pub code: Option<String>,
    /// Why.
    pub reason: String,
    /// What.
    pub content: DeadContent,
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadContent {
    /// An event, by its destination.
    Event {
        /// The flow that it is missing from.
        flow: FlowId,
        /// How often it was offered.
        attempts: u32,
        /// The event, with the number that its flow had given it.
        stored: Stored,
    },
    /// A message, by the mapping of its source.
    Payload {
        /// The source's name.
        source: String,
        /// The message as it came.
        payload: Vec<u8>,
    },
}

/// An event is kept as a block of its own, so that it is as safe as it was in its flow.
pub(crate) fn insert_event(
    transaction: &Connection,
    flow: FlowId,
    stored: &Stored,
    attempts: u32,
    refusal: &Refusal,
    at_us: i64,
) -> Result<(), WriteError> {
    let place = Place { flow, first: stored.sequence, count: 1, boot: stored.boot };
    let mut block = Builder::default();
    block.push(&stored.event, 0)?;
    let Sealed { bytes, checksum } = block.seal(&place, &mut block::compressor()?)?;
    transaction
        .prepare_cached(
            "INSERT INTO dead (flow, sequence, boot, source, event_id, at, attempts, code, reason, bytes, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            flow,
            place.first,
            place.boot,
            &*stored.event.source,
            stored.event.id,
            at_us,
            attempts,
            refusal.code,
            refusal.reason,
            bytes,
            checksum
        ])?;
    Ok(())
}

pub(crate) fn insert_payload(transaction: &Connection, source: &str, message: &Rejected) -> Result<(), WriteError> {
    transaction
        .prepare_cached("INSERT INTO dead (source, at, attempts, reason, bytes) VALUES (?1, ?2, 1, ?3, ?4)")?
        .execute(params![source, message.at_us, message.reason, message.payload])?;
    Ok(())
}

/// The columns that [`letter`] reads.
const COLUMNS: &str = "id, at, code, reason, bytes, flow, sequence, boot, attempts, checksum, source";

/// Up to `count_max` dead letters before the one with this id, the latest first.
pub(crate) fn before(
    connection: &Connection,
    decompressor: &mut Decompressor<'static>,
    id: i64,
    count_max: usize,
) -> Result<Vec<DeadLetter>, ReadError> {
    let query = format!("SELECT {COLUMNS} FROM dead WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    all(connection, decompressor, &query, params![id, count_max])
}

pub(crate) fn find(
    connection: &Connection,
    decompressor: &mut Decompressor<'static>,
    id: i64,
) -> Result<Option<DeadLetter>, ReadError> {
    let query = format!("SELECT {COLUMNS} FROM dead WHERE id = ?1");
    Ok(all(connection, decompressor, &query, params![id])?.pop())
}

/// Those of one event, in any flow. All dead letters are looked at, which are few.
pub(crate) fn of_event(
    connection: &Connection,
    decompressor: &mut Decompressor<'static>,
    event_id: [u8; 16],
) -> Result<Vec<DeadLetter>, ReadError> {
    let query = format!("SELECT {COLUMNS} FROM dead WHERE event_id = ?1 ORDER BY id DESC");
    all(connection, decompressor, &query, params![event_id])
}

fn all(
    connection: &Connection,
    decompressor: &mut Decompressor<'static>,
    query: &str,
    parameters: impl Params,
) -> Result<Vec<DeadLetter>, ReadError> {
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query(parameters)?;
    let mut letters = Vec::new();
    while let Some(row) = rows.next()? {
        letters.push(letter(row, decompressor)?);
    }
    Ok(letters)
}

fn letter(row: &Row<'_>, decompressor: &mut Decompressor<'static>) -> Result<DeadLetter, ReadError> {
    let content = match row.get(5)? {
        None => DeadContent::Payload { source: row.get(10)?, payload: row.get(4)? },
        Some(flow) => event(row, flow, decompressor)?,
    };
    Ok(DeadLetter { id: row.get(0)?, at_us: row.get(1)?, code: row.get(2)?, reason: row.get(3)?, content })
}

/// What its contents take as they are stored; `None` when there is none with this id.
pub(crate) fn bytes(connection: &Connection, id: i64) -> Option<u64> {
    // Whoever needs the letter itself meets what is wrong with it.
    connection
        .prepare_cached("SELECT length(bytes) FROM dead WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional())
        .ok()
        .flatten()
}

/// Deletes one, and says whose flow it is missing from, if from any, and how many bytes its contents had.
pub(crate) fn delete(transaction: &Connection, id: i64) -> rusqlite::Result<Option<(Option<FlowId>, u64)>> {
    transaction
        .prepare_cached("DELETE FROM dead WHERE id = ?1 RETURNING flow, length(bytes)")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Why this event was refused, if it was.
pub(crate) fn reason(connection: &Connection, flow: FlowId, sequence: u64) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT reason FROM dead WHERE flow = ?1 AND sequence = ?2 ORDER BY id DESC LIMIT 1")?
        .query_row(params![flow, sequence], |row| row.get(0))
        .optional()
}

/// The numbers and reasons of a flow's latest ones.
pub(crate) fn latest_reasons(
    connection: &Connection,
    flow: FlowId,
    count_max: u32,
) -> rusqlite::Result<Vec<(u64, String)>> {
    connection
        .prepare_cached("SELECT sequence, reason FROM dead WHERE flow = ?1 ORDER BY id DESC LIMIT ?2")?
        .query_map(params![flow, count_max], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// How many ids were given to letters that are not there any more.
pub(crate) fn gone(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'dead'), 0) - (SELECT count(*) FROM dead)",
        )?
        .query_row([], |row| row.get(0))
}

fn event(row: &Row<'_>, flow: FlowId, decompressor: &mut Decompressor<'static>) -> Result<DeadContent, ReadError> {
    let place = Place { flow, first: row.get(6)?, count: 1, boot: row.get(7)? };
    let bytes: Vec<u8> = row.get(4)?;
    let event = block::unseal(&place, &bytes, row.get(9)?, decompressor).and_then(|raw| {
        let first = Events::new(&raw, &place).next();
        first.ok_or(Malformed("there is no event"))?.map(|event| event.to_event())
    });
    match event {
        Ok(event) => {
            let stored = Stored { sequence: place.first, boot: place.boot, event };
            Ok(DeadContent::Event { flow, attempts: row.get(8)?, stored })
        }
        Err(cause) => Err(ReadError::Row { row: format!("dead letter {}", row.get::<_, i64>(0)?), cause }),
    }
}
