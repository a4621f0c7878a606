//! What derived events remember: one row per counter, state, alarm or edge, changed with the events it produced.

use rusqlite::{Connection, params};

/// `None` forgets what `owner` had.
pub(crate) fn save(transaction: &Connection, owner: &str, value: Option<&[u8]>) -> rusqlite::Result<()> {
    match value {
        Some(value) => transaction
            .prepare_cached("INSERT INTO memory (owner, value) VALUES (?1, ?2) ON CONFLICT (owner) DO UPDATE SET value = excluded.value")?
            .execute(params![owner, value])?,
        None => transaction.prepare_cached("DELETE FROM memory WHERE owner = ?1")?.execute([owner])?,
    };
    Ok(())
}

pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    connection
        .prepare("SELECT owner, value FROM memory ORDER BY owner")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
