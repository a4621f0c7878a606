//! Which records a destination has made of events, by its own confirmation: many a row, until they are too old or too many.
//!
//! The last row is rewritten until it is full, so that a confirmation costs one page. An event has its id of 16 bytes, and
//! beside that what differs from the entry before it: some three bytes where records are made one after the other.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::{Malformed, ReadError};
use crate::varint::{self, Cursor};

/// A row is one page, with what SQLite keeps beside it.
const ROW_BYTES_MAX: usize = 3_800;
/// Some 180 entries a row: about a million in all, and 25 MB.
const ROWS_MAX: u64 = 6_000;
/// So many rows go at once at the most, so that no commit takes long.
const ROWS_FORGOTTEN: u64 = 64;

/// What a destination has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// Its name; not empty.
    pub destination: String,
    /// In the order of the confirmations. A later entry of an event and a record name replaces an earlier one.
    pub entries: Vec<Confirmed>,
    /// What was confirmed earlier may be forgotten: Unix microseconds, UTC. `None` while nobody knows what time it is.
    pub forget_before_us: Option<i64>,
}

/// What became of an event at one of the records that are made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The event's id.
    pub event_id: [u8; 16],
    /// The record's name in the configuration.
    pub record: Arc<str>,
    /// The destination's own number for the record; `None`: it was refused for good, and there is none.
    pub id: Option<i64>,
    /// When it was confirmed: Unix microseconds, UTC.
    pub at_us: i64,
}

impl Confirm {
    /// What its entries take at the most, with the row that is filled up first.
    pub(crate) fn bytes(&self) -> u64 {
        let entry = |entry: &Confirmed| 48 + entry.record.len();
        (ROW_BYTES_MAX + self.entries.iter().map(entry).sum::<usize>()) as u64
    }
}

/// The entries of one row, and what the next one differs from.
#[derive(Debug, Default)]
struct Row {
    first: u64,
    count: u64,
    bytes: Vec<u8>,
    records: Vec<Arc<str>>,
    id: i64,
    at_us: i64,
}

impl Row {
    /// Reads a row from its start.
    fn read(first: u64, bytes: Vec<u8>, mut each: impl FnMut(Confirmed)) -> Result<Self, Malformed> {
        let mut row = Self { first, ..Self::default() };
        let mut cursor = Cursor::new(&bytes);
        while !cursor.is_empty() {
            let entry = row.entry(&mut cursor)?;
            row.count += 1;
            each(entry);
        }
        row.bytes = bytes;
        Ok(row)
    }

    fn entry(&mut self, cursor: &mut Cursor<'_>) -> Result<Confirmed, Malformed> {
        let head = cursor.number()?;
        let place = usize::try_from(head >> 1).map_err(|_| NO_RECORD)?;
        if place == self.records.len() {
            let name = std::str::from_utf8(cursor.bytes()?).map_err(|_| NO_RECORD)?;
            self.records.push(name.into());
        }
        let record = self.records.get(place).ok_or(NO_RECORD)?.clone();
        let event_id = cursor.array()?;
        self.at_us = self.at_us.wrapping_add(cursor.signed()?);
        let mut id = None;
        if head & 1 == 1 {
            self.id = self.id.wrapping_add(cursor.signed()?);
            id = Some(self.id);
        }
        Ok(Confirmed { event_id, record, id, at_us: self.at_us })
    }

    fn push(&mut self, entry: &Confirmed) {
        let known = self.records.iter().position(|record| *record == entry.record);
        let place = known.unwrap_or(self.records.len());
        varint::put(&mut self.bytes, (place as u64) << 1 | u64::from(entry.id.is_some()));
        if known.is_none() {
            varint::put_bytes(&mut self.bytes, entry.record.as_bytes());
            self.records.push(entry.record.clone());
        }
        self.bytes.extend_from_slice(&entry.event_id);
        varint::put_signed(&mut self.bytes, entry.at_us.wrapping_sub(self.at_us));
        self.at_us = entry.at_us;
        if let Some(id) = entry.id {
            varint::put_signed(&mut self.bytes, id.wrapping_sub(self.id));
            self.id = id;
        }
        self.count += 1;
    }

    fn is_full(&self) -> bool {
        // The longest ordinary entry still fits behind it.
        self.bytes.len() + 64 > ROW_BYTES_MAX
    }

    fn next(&self) -> Self {
        Self { first: self.first + self.count, ..Self::default() }
    }

    fn write(&self, destination: &str, transaction: &Connection) -> rusqlite::Result<()> {
        transaction
            .prepare_cached(
                "INSERT INTO confirmed (destination, first, at, entries) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (destination, first) DO UPDATE SET at = excluded.at, entries = excluded.entries",
            )?
            .execute(params![destination, self.first, self.at_us, self.bytes])
            .map(drop)
    }
}

const NO_RECORD: Malformed = Malformed("a confirmation names no record");

/// Writes the entries behind those that are there. Whenever a row is full, the oldest may go.
pub(crate) fn save(transaction: &Connection, confirm: &Confirm) -> rusqlite::Result<()> {
    let Confirm { destination, entries, forget_before_us } = confirm;
    let mut row = last(destination, transaction)?;
    let mut has_filled = false;
    for entry in entries {
        if row.is_full() {
            row.write(destination, transaction)?;
            row = row.next();
            has_filled = true;
        }
        row.push(entry);
    }
    row.write(destination, transaction)?;
    if has_filled {
        forget(destination, *forget_before_us, transaction)?;
    }
    Ok(())
}

/// The row to go on with. One that cannot be read is left as it is.
fn last(destination: &str, transaction: &Connection) -> rusqlite::Result<Row> {
    let found: Option<(u64, Vec<u8>)> = transaction
        .prepare_cached("SELECT first, entries FROM confirmed WHERE destination = ?1 ORDER BY first DESC LIMIT 1")?
        .query_row([destination], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((first, bytes)) = found else { return Ok(Row::default()) };
    // So many entries no row has.
    Ok(Row::read(first, bytes, |_| ())
        .unwrap_or_else(|_| Row { first: first + ROW_BYTES_MAX as u64, ..Row::default() }))
}

/// Deletes rows with nothing but what is too old, and the oldest where there are too many.
fn forget(destination: &str, before_us: Option<i64>, transaction: &Connection) -> rusqlite::Result<()> {
    let rows: u64 = transaction
        .prepare_cached("SELECT count(*) FROM confirmed WHERE destination = ?1")?
        .query_row([destination], |row| row.get(0))?;
    transaction
        .prepare_cached(
            "DELETE FROM confirmed WHERE rowid IN
             (SELECT rowid FROM confirmed WHERE destination = ?1 ORDER BY first LIMIT ?2) AND at < ?3",
        )?
        .execute(params![destination, ROWS_FORGOTTEN.min(rows.saturating_sub(1)), before_us.unwrap_or(i64::MIN)])?;
    transaction
        .prepare_cached(
            "DELETE FROM confirmed WHERE rowid IN
             (SELECT rowid FROM confirmed WHERE destination = ?1 ORDER BY first LIMIT ?2)",
        )?
        .execute(params![destination, ROWS_FORGOTTEN.min(rows.saturating_sub(ROWS_MAX))])
        .map(drop)
}

/// Deletes some of the oldest of all destinations, and says whether there were any.
pub(crate) fn give_up(transaction: &Connection) -> rusqlite::Result<bool> {
    transaction
        .prepare_cached("DELETE FROM confirmed WHERE rowid IN (SELECT rowid FROM confirmed ORDER BY rowid LIMIT ?1)")?
        .execute([ROWS_FORGOTTEN])
        .map(|rows| rows > 0)
}

/// Whether anything is remembered of any destination.
pub(crate) fn is_any(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM confirmed)", [], |row| row.get(0))
}

/// Shows all that `destination` has confirmed, the oldest first.
pub(crate) fn each(
    connection: &Connection,
    destination: &str,
    mut each: impl FnMut(Confirmed),
) -> Result<(), ReadError> {
    let mut statement =
        connection.prepare("SELECT first, entries FROM confirmed WHERE destination = ?1 ORDER BY first")?;
    let mut rows = statement.query([destination])?;
    while let Some(row) = rows.next()? {
        let (first, bytes) = (row.get(0)?, row.get(1)?);
        // The rest of a row that cannot be read is as if it was not there: nothing here is worth stopping for.
        let _ = Row::read(first, bytes, &mut each);
    }
    Ok(())
}

/// What any destination has confirmed of one event, with its name, the oldest first.
pub(crate) fn of_event(connection: &Connection, event_id: [u8; 16]) -> Result<Vec<(String, Confirmed)>, ReadError> {
    let destinations: Vec<String> = connection
        .prepare("SELECT DISTINCT destination FROM confirmed ORDER BY destination")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut found = Vec::new();
    for destination in destinations {
        each(connection, &destination, |confirmed| {
            if confirmed.event_id == event_id {
                found.push((destination.clone(), confirmed));
            }
        })?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_a_batch_costs_twenty_bytes_at_most() {
        let record: Arc<str> = "alarm".into();
        let mut row = Row::default();
        for number in 0..180_u128 {
            let id = Some(27_000 + number as i64);
            let entry =
                Confirmed { event_id: number.to_be_bytes(), record: record.clone(), id, at_us: 1_790_000_000_000_000 };
            row.push(&entry);
        }
        assert!(row.bytes.len() <= 180 * 20, "{} bytes", row.bytes.len());
        assert!(!row.next().is_full());
    }
}
