//! The boots in which events were recorded. Their stamps are comparable within one.

use rusqlite::{Connection, params};

/// The row of the boot with this id, made if it is new.
pub(crate) fn enter(transaction: &Connection, boot_id: &str) -> rusqlite::Result<i64> {
    transaction.execute("INSERT INTO boot (boot_id) VALUES (?1) ON CONFLICT (boot_id) DO NOTHING", params![boot_id])?;
    transaction.query_row("SELECT id FROM boot WHERE boot_id = ?1", params![boot_id], |row| row.get(0))
}
