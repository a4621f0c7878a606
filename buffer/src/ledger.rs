//! What was counted over all flows, and the messages of each source.
//!
//! Recorded events are counted in the rows of the flows, which a commit writes anyway; the other counters are rows of
//! `meta`, so that one page holds them all.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, params};

use crate::error::{Malformed, WriteError};

/// The counters since the buffer was new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Events.
    pub events: EventCounts,
    /// Messages, by source.
    pub sources: BTreeMap<Arc<str>, SourceCounts>,
}

/// Events made: recorded and unmatched ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Taken by at least one flow; counted once however many took it.
    pub recorded: u64,
    /// Taken by none.
    pub unmatched: u64,
}

/// What became of a source's messages: `received` is the sum of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// All of them.
    pub received: u64,
    /// Made events, or changed memory.
    pub mapped: u64,
    /// Fit no mapping.
    pub unmapped: u64,
    /// Did not fit their mapping: dead letters.
    pub rejected: u64,
    /// Were there before.
    pub repeated: u64,
}

const UNMATCHED: &str = "unmatched";
const SOURCE: &str = "source:";

impl Ledger {
    pub(crate) fn add(&mut self, source: &Arc<str>, counts: &SourceCounts) -> Result<(), WriteError> {
        let SourceCounts { received, mapped, unmapped, rejected, repeated } = *counts;
        if received != mapped + unmapped + rejected + repeated {
            return Err(WriteError::Inconsistent(format!(
                "source {source} does not account for what it received: {counts:?}"
            )));
        }
        let total = self.sources.entry(source.clone()).or_default();
        total.received += received;
        total.mapped += mapped;
        total.unmapped += unmapped;
        total.rejected += rejected;
        total.repeated += repeated;
        Ok(())
    }

    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut ledger = Self::default();
        ledger.events.recorded =
            connection.query_row("SELECT coalesce(sum(recorded), 0) FROM flow", [], |row| row.get(0))?;
        let mut statement = connection.prepare_cached("SELECT key, value FROM meta WHERE key = ?1 OR key GLOB ?2")?;
        let mut rows = statement.query([UNMATCHED, &format!("{SOURCE}*")])?;
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_str()?;
            match key.strip_prefix(SOURCE) {
                Some(source) => {
                    let Numbers([received, mapped, unmapped, rejected, repeated]) = row.get(1)?;
                    let counts = SourceCounts { received, mapped, unmapped, rejected, repeated };
                    ledger.sources.insert(source.into(), counts);
                }
                None => {
                    let Numbers([unmatched]) = row.get(1)?;
                    ledger.events.unmatched = unmatched;
                }
            }
        }
        Ok(ledger)
    }

    /// Writes the rows of `meta` that have changed since `before`.
    pub(crate) fn save(&self, transaction: &Connection, before: &Self) -> rusqlite::Result<()> {
        let write = |key: &str, numbers: &[u64]| {
            let value = numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
            transaction
                .prepare_cached("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")?
                .execute(params![key, value])
        };
        if self.events.unmatched != before.events.unmatched {
            write(UNMATCHED, &[self.events.unmatched])?;
        }
        for (source, counts) in &self.sources {
            if before.sources.get(source) != Some(counts) {
                let SourceCounts { received, mapped, unmapped, rejected, repeated } = *counts;
                write(&format!("{SOURCE}{source}"), &[received, mapped, unmapped, rejected, repeated])?;
            }
        }
        Ok(())
    }
}

/// Numbers in one value, in the order of their struct's fields, separated by spaces.
struct Numbers<const N: usize>([u64; N]);

impl<const N: usize> FromSql for Numbers<N> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let malformed = || FromSqlError::other(Malformed("a counter's row is not its numbers"));
        let numbers =
            value.as_str()?.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>().map_err(|_| malformed())?;
        Ok(Self(numbers.try_into().map_err(|_| malformed())?))
    }
}
