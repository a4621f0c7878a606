//! The senders' ids that each source has seen last, so that a message that comes again is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::tail::Tail;

/// How many senders' ids a source remembers at least. Whole rows are forgotten, so that it may be some more.
pub const SENDERS_KEPT: usize = 65_536;

const ROW_ENTRIES: usize = 64;
const ENTRY_BYTES: usize = 24;

/// A message as its sender named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderEntry {
    /// Stands for the sender's id.
    pub id_hash: [u8; 16],
    /// Stands for the message's bytes.
    pub payload_hash: [u8; 8],
}

/// The end of each source's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Senders(BTreeMap<Arc<str>, Tail<ENTRY_BYTES, ROW_ENTRIES>>);

impl Senders {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        connection
            .prepare(
                "SELECT source, oldest, first, entries FROM sender
                 JOIN (SELECT source, min(first) AS oldest, max(first) AS first FROM sender GROUP BY source)
                 USING (source, first)",
            )?
            .query_map([], |row| {
                Ok((row.get::<_, String>(0)?.into(), Tail::new(row.get(1)?, row.get(2)?, row.get(3)?)))
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
            let mut entry = [0; ENTRY_BYTES];
            let (id, payload) = entry.split_at_mut(id_hash.len());
            id.copy_from_slice(id_hash);
            payload.copy_from_slice(payload_hash);
            tail.push(entry);
        }
    }

    /// Writes the rows that have changed since `before`, and forgets the oldest.
    pub(crate) fn save(&mut self, transaction: &Connection, before: &Self) -> rusqlite::Result<()> {
        for (source, tail) in &mut self.0 {
            if before.0.get(source) == Some(tail) {
                continue;
            }
            let mut write = transaction.prepare_cached(
                "INSERT INTO sender (source, first, entries) VALUES (?1, ?2, ?3)
                 ON CONFLICT (source, first) DO UPDATE SET entries = excluded.entries",
            )?;
            for (first, entries) in tail.rows() {
                write.execute(params![source, first, entries])?;
            }
            if let Some(oldest) = tail.written(SENDERS_KEPT as u64) {
                transaction
                    .prepare_cached("DELETE FROM sender WHERE source = ?1 AND first < ?2")?
                    .execute(params![source, oldest])?;
            }
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
