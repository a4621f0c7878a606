//! The receipts of each source's messages: what lets one that its broker delivers again be known as the same.
//!
//! A packet id means something only in its session, so that a new session forgets the receipts of the one before.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::tail::Tail;

const ROW_ENTRIES: usize = 128;
const ENTRY_BYTES: usize = 10;

/// Receipts of messages that are recorded together with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipts {
    /// The session that they belong to. Those of another one are forgotten.
    pub session: Arc<str>,
    /// In the order of receipt.
    pub entries: Vec<ReceiptEntry>,
    /// How many are remembered at least. Whole rows are forgotten, so that it may be some more.
    pub kept: u64,
}

/// A message as its broker delivered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptEntry {
    /// Its number in the session; the broker uses it again later.
    pub packet_id: u16,
    /// Stands for the topic and the payload.
    pub hash: [u8; 8],
}

/// The end of each source's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RecentReceipts(BTreeMap<Arc<str>, Recent>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Recent {
    session: Arc<str>,
    kept: u64,
    tail: Tail<ENTRY_BYTES, ROW_ENTRIES>,
}

impl RecentReceipts {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        connection
            .prepare(
                "SELECT source, session, oldest, first, entries FROM receipt
                 JOIN (SELECT source, min(first) AS oldest, max(first) AS first FROM receipt GROUP BY source)
                 USING (source, first)",
            )?
            .query_map([], |row| {
                let tail = Tail::new(row.get(2)?, row.get(3)?, row.get(4)?);
                let recent = Recent { session: row.get::<_, String>(1)?.into(), kept: 0, tail };
                Ok((row.get::<_, String>(0)?.into(), recent))
            })?
            .collect::<rusqlite::Result<_>>()
            .map(Self)
    }

    pub(crate) fn remember(&mut self, source: &Arc<str>, receipts: &Receipts) {
        let Receipts { session, entries, kept } = receipts;
        let recent = self.0.entry(source.clone()).or_default();
        if recent.session != *session {
            *recent = Recent { session: session.clone(), ..Recent::default() };
        }
        recent.kept = *kept;
        for ReceiptEntry { packet_id, hash } in entries {
            let mut entry = [0; ENTRY_BYTES];
            let (id, rest) = entry.split_at_mut(size_of::<u16>());
            id.copy_from_slice(&packet_id.to_be_bytes());
            rest.copy_from_slice(hash);
            recent.tail.push(entry);
        }
    }

    /// Writes the rows that have changed since `before`, and forgets the oldest.
    pub(crate) fn save(&mut self, transaction: &Connection, before: &Self) -> rusqlite::Result<()> {
        for (source, recent) in &mut self.0 {
            let before = before.0.get(source);
            if before == Some(recent) {
                continue;
            }
            if before.is_some_and(|before| before.session != recent.session) {
                transaction.prepare_cached("DELETE FROM receipt WHERE source = ?1")?.execute([&**source])?;
            }
            recent.save(transaction, source)?;
        }
        Ok(())
    }
}

impl Recent {
    fn save(&mut self, transaction: &Connection, source: &str) -> rusqlite::Result<()> {
        let mut write = transaction.prepare_cached(
            "INSERT INTO receipt (source, first, session, entries) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (source, first) DO UPDATE SET entries = excluded.entries",
        )?;
        for (first, entries) in self.tail.rows() {
            write.execute(params![source, first, self.session, entries])?;
        }
        if let Some(oldest) = self.tail.written(self.kept) {
            transaction
                .prepare_cached("DELETE FROM receipt WHERE source = ?1 AND first < ?2")?
                .execute(params![source, oldest])?;
        }
        Ok(())
    }
}

/// What a source remembers of a session, the oldest first.
pub(crate) fn load(connection: &Connection, source: &str, session: &str) -> rusqlite::Result<Vec<ReceiptEntry>> {
    let mut entries = Vec::new();
    let mut statement =
        connection.prepare("SELECT entries FROM receipt WHERE source = ?1 AND session = ?2 ORDER BY first")?;
    let mut rows = statement.query([source, session])?;
    while let Some(row) = rows.next()? {
        let (whole, _) = row.get_ref(0)?.as_blob()?.as_chunks::<ENTRY_BYTES>();
        entries.extend(whole.iter().filter_map(|entry| {
            let (packet_id, hash) = entry.split_first_chunk()?;
            Some(ReceiptEntry { packet_id: u16::from_be_bytes(*packet_id), hash: *hash.first_chunk()? })
        }));
    }
    Ok(entries)
}
