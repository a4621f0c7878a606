//! What was refused for good, kept for a person: events by a destination, messages by a source.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use zstd::bulk::Decompressor;

use crate::append::Rejected;
use crate::block::{self, Builder, Events, Place, Sealed};
use crate::error::{Malformed, ReadError, WriteError};
use crate::event::Stored;
use crate::flow::FlowId;

/// Something that was refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names it; never given twice.
    pub id: i64,
    /// When it was refused: Unix microseconds, UTC.
    pub at_us: i64,
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
    reason: &str,
    at_us: i64,
) -> Result<(), WriteError> {
    let place = Place { flow, first: stored.sequence, count: 1, boot: stored.boot };
    let mut block = Builder::default();
    block.push(&stored.event, 0)?;
    let Sealed { bytes, checksum } = block.seal(&place, &mut block::compressor()?)?;
    transaction
        .prepare_cached(
            "INSERT INTO dead (flow, sequence, boot, source, event_id, at, attempts, reason, bytes, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            flow,
            place.first,
            place.boot,
            &*stored.event.source,
            stored.event.id,
            at_us,
            attempts,
            reason,
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

/// Up to `count_max` dead letters, the latest first.
pub(crate) fn latest(
    connection: &Connection,
    decompressor: &mut Decompressor<'static>,
    count_max: usize,
) -> Result<Vec<DeadLetter>, ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, at, reason, bytes, flow, sequence, boot, attempts, checksum, source
         FROM dead ORDER BY id DESC LIMIT ?1",
    )?;
    let mut rows = statement.query([count_max])?;
    let mut letters = Vec::new();
    while let Some(row) = rows.next()? {
        let content = match row.get(4)? {
            None => DeadContent::Payload { source: row.get(9)?, payload: row.get(3)? },
            Some(flow) => event(row, flow, decompressor)?,
        };
        letters.push(DeadLetter { id: row.get(0)?, at_us: row.get(1)?, reason: row.get(2)?, content });
    }
    Ok(letters)
}

/// Why this event was refused, if it was.
pub(crate) fn reason(connection: &Connection, flow: FlowId, sequence: u64) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT reason FROM dead WHERE flow = ?1 AND sequence = ?2 ORDER BY id DESC LIMIT 1")?
        .query_row(params![flow, sequence], |row| row.get(0))
        .optional()
}

fn event(row: &Row<'_>, flow: FlowId, decompressor: &mut Decompressor<'static>) -> Result<DeadContent, ReadError> {
    let place = Place { flow, first: row.get(5)?, count: 1, boot: row.get(6)? };
    let bytes: Vec<u8> = row.get(3)?;
    let event = block::unseal(&place, &bytes, row.get(8)?, decompressor).and_then(|raw| {
        let first = Events::new(&raw, &place).next();
        first.ok_or(Malformed("there is no event"))?.map(|event| event.to_event())
    });
    match event {
        Ok(event) => {
            let stored = Stored { sequence: place.first, boot: place.boot, event };
            Ok(DeadContent::Event { flow, attempts: row.get(7)?, stored })
        }
        Err(cause) => Err(ReadError::Row { row: format!("dead letter {}", row.get::<_, i64>(0)?), cause }),
    }
}
