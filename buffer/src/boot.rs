//! The boots in which events were recorded. Their stamps are comparable within one.

use rusqlite::{Connection, OptionalExtension, params};

/// Whether this is the boot in which the buffer was opened last.
pub(crate) fn is_latest(connection: &Connection, boot_id: &str) -> rusqlite::Result<bool> {
    connection
        .query_row("SELECT boot_id FROM boot ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
        .optional()
        .map(|latest: Option<String>| latest.as_deref() == Some(boot_id))
}

/// The row of the boot with this id, made if it is new.
pub(crate) fn enter(transaction: &Connection, boot_id: &str) -> rusqlite::Result<i64> {
    transaction.execute("INSERT INTO boot (boot_id) VALUES (?1) ON CONFLICT (boot_id) DO NOTHING", params![boot_id])?;
    transaction.query_row("SELECT id FROM boot WHERE boot_id = ?1", params![boot_id], |row| row.get(0))
}
