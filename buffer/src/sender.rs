//! The senders' ids that each source has seen last, so that a message that comes again is known.
//!
//! Many ids share a row. The last row of a source is rewritten until it is full: a new id costs one page, and no random
//! key is ever written.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

/// How many senders' ids a source remembers at least. Whole rows are forgotten, so that it may be some more.
pub const SENDERS_KEPT: usize = 65_536;

const ROW_ENTRIES: usize = 64;
const ENTRY_BYTES: usize = 24;
const ROW_BYTES: usize = ROW_ENTRIES * ENTRY_BYTES;

/// A message as its sender named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderEntry {
    /// Stands for the sender's id.
    pub id_hash: [u8; 16],
    /// Stands for the message's bytes.
    pub payload_hash: [u8; 8],
}

/// Where each source's rows begin and end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Senders(BTreeMap<Arc<str>, Tail>);

/// Numbers count a source's entries from 0, so that a row's first one is its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tail {
    /// Of the oldest row.
    oldest: u64,
    /// Of the last row.
    first: u64,
    /// The last row's entries, and after them the new ones.
    entries: Vec<u8>,
}

impl Senders {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        connection
            .prepare(
                "SELECT source, oldest, first, entries FROM sender
                 JOIN (SELECT source, min(first) AS oldest, max(first) AS first FROM sender GROUP BY source)
                 USING (source, first)",
            )?
            .query_map([], |row| {
                let tail = Tail { oldest: row.get(1)?, first: row.get(2)?, entries: row.get(3)? };
                Ok((row.get::<_, String>(0)?.into(), tail))
            })?
            .collect::<rusqlite::Result<_>>()
            .map(Self)
    }

    pub(crate) fn remember(&mut self, source: &Arc<str>, entries: &[SenderEntry]) {
        if entries.is_empty() {
            return;
        }
        let tail = self.0.entry(source.clone()).or_default();
        for SenderEntry { id_hash, payload_hash } in entries {
            tail.entries.extend_from_slice(id_hash);
            tail.entries.extend_from_slice(payload_hash);
        }
    }

    /// Writes the rows that have changed since `before`, forgets the oldest, and keeps only the last row in hand.
    pub(crate) fn save(&mut self, transaction: &Connection, before: &Self) -> rusqlite::Result<()> {
        for (source, tail) in &mut self.0 {
            if before.0.get(source) != Some(tail) {
                tail.save(transaction, source)?;
            }
        }
        Ok(())
    }
}

impl Tail {
    fn save(&mut self, transaction: &Connection, source: &str) -> rusqlite::Result<()> {
        let mut write = transaction.prepare_cached(
            "INSERT INTO sender (source, first, entries) VALUES (?1, ?2, ?3)
             ON CONFLICT (source, first) DO UPDATE SET entries = excluded.entries",
        )?;
        for (first, row) in (self.first..).step_by(ROW_ENTRIES).zip(self.entries.chunks(ROW_BYTES)) {
            write.execute(params![source, first, row])?;
        }
        let full_rows = self.entries.len() / ROW_BYTES;
        self.first += (full_rows * ROW_ENTRIES) as u64;
        self.entries.drain(..full_rows * ROW_BYTES);
        self.forget(transaction, source)
    }

    fn forget(&mut self, transaction: &Connection, source: &str) -> rusqlite::Result<()> {
        let end = self.first + (self.entries.len() / ENTRY_BYTES) as u64;
        let surplus = (end - self.oldest).saturating_sub(SENDERS_KEPT as u64);
        let rows = surplus / ROW_ENTRIES as u64;
        if rows > 0 {
            self.oldest += rows * ROW_ENTRIES as u64;
            transaction
                .prepare_cached("DELETE FROM sender WHERE source = ?1 AND first < ?2")?
                .execute(params![source, self.oldest])?;
        }
        Ok(())
    }
}

/// What a source remembers, the oldest first.
pub(crate) fn load(connection: &Connection, source: &str) -> rusqlite::Result<Vec<SenderEntry>> {
    let mut entries = Vec::new();
    let mut statement = connection.prepare("SELECT entries FROM sender WHERE source = ?1 ORDER BY first")?;
    let mut rows = statement.query([source])?;
    while let Some(row) = rows.next()? {
        let (whole, _) = row.get_ref(0)?.as_blob()?.as_chunks::<ENTRY_BYTES>();
        entries.extend(whole.iter().filter_map(|entry| {
            let (id_hash, rest) = entry.split_first_chunk()?;
            Some(SenderEntry { id_hash: *id_hash, payload_hash: *rest.first_chunk()? })
        }));
    }
    Ok(entries)
}
