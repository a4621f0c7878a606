//! What a destination remembers of its records, by record and key: what it has written there last.

use rusqlite::{Connection, params};

/// Changes in what a destination remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Its name; not empty.
    pub destination: String,
    /// What is remembered from now on.
    pub rows: Vec<Kept>,
}

/// What is remembered under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The record's name in the configuration.
    pub record: String,
    /// Names one of its records.
    pub key: String,
    /// As the destination wrote it; `None` forgets the key.
    pub value: Option<Vec<u8>>,
}

impl Keep {
    /// What its rows hold.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.iter().map(|row| row.record.len() + row.key.len() + row.value.as_ref().map_or(0, Vec::len)).sum()
    }
}

pub(crate) fn save(transaction: &Connection, keep: &Keep) -> rusqlite::Result<()> {
    for Kept { record, key, value } in &keep.rows {
        match value {
            Some(value) => transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO kept (destination, record, key, value) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![keep.destination, record, key, value])?,
            None => transaction
                .prepare_cached("DELETE FROM kept WHERE destination = ?1 AND record = ?2 AND key = ?3")?
                .execute(params![keep.destination, record, key])?,
        };
    }
    Ok(())
}

pub(crate) fn load(connection: &Connection, destination: &str) -> rusqlite::Result<Vec<Kept>> {
    connection
        .prepare("SELECT record, key, value FROM kept WHERE destination = ?1 ORDER BY record, key")?
        .query_map([destination], |row| Ok(Kept { record: row.get(0)?, key: row.get(1)?, value: Some(row.get(2)?) }))?
        .collect()
}
