//! Format 1 of the file: its tables, and how a file says what it is.

use rusqlite::{Connection, params};
use uuid::Uuid;

/// The format that this release writes.
pub(crate) const FORMAT: i64 = 1;

/// The oldest format whose readers understand what this release writes.
const OLDEST_READER: i64 = 1;

/// The row of `meta` that says whether the last user closed the file.
pub(crate) const CLEAN: &str = "clean";

/// Marks a file as ours: "plnt".
const APPLICATION_ID: i64 = 0x706c_6e74;

/// What a file is, by its own account.
pub(crate) enum Identity {
    /// Nothing has been written to it.
    Empty,
    /// A buffer, for readers of this format and later ones.
    Buffer { oldest_reader: i64 },
    /// A database of somebody else.
    Foreign,
}

pub(crate) fn identify(connection: &Connection) -> rusqlite::Result<Identity> {
    let application_id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application_id == APPLICATION_ID {
        return Ok(Identity::Buffer { oldest_reader: meta(connection, "oldest_reader")? });
    }
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if tables == 0 && application_id == 0 { Identity::Empty } else { Identity::Foreign })
}

/// Makes an empty file a buffer. Within one transaction, so that a crash leaves an empty file or a buffer.
pub(crate) fn create(transaction: &Connection) -> rusqlite::Result<()> {
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    set_identity(transaction, Uuid::now_v7())
}

/// Says what the file is, and that nobody has closed it yet.
pub(crate) fn set_identity(transaction: &Connection, epoch: Uuid) -> rusqlite::Result<()> {
    set_meta(transaction, "format", FORMAT)?;
    set_meta(transaction, "oldest_reader", OLDEST_READER)?;
    set_meta(transaction, CLEAN, false)?;
    set_meta(transaction, "epoch", epoch.as_bytes())
}

pub(crate) fn meta<T: rusqlite::types::FromSql>(connection: &Connection, key: &str) -> rusqlite::Result<T> {
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
}

pub(crate) fn set_meta(transaction: &Connection, key: &str, value: impl rusqlite::ToSql) -> rusqlite::Result<()> {
    transaction.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", params![key, value])?;
    Ok(())
}

/// Rows of more than about 1,000 bytes spill over in a table WITHOUT ROWID: only tables of small rows are.
/// `block.id` is flow << 44 | first. `confirmed` holds which records destinations have made of events.
/// `kept` holds what destinations remember of their records, and the events that wait.
const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE boot (id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE, boottime_at_sync INTEGER, wall_at_sync INTEGER) STRICT;
CREATE TABLE flow (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, next INTEGER NOT NULL, recorded INTEGER NOT NULL,
    matched INTEGER NOT NULL, delivered INTEGER NOT NULL, dead INTEGER NOT NULL, dropped INTEGER NOT NULL,
    replayed INTEGER NOT NULL, replay_lost INTEGER NOT NULL, retired INTEGER NOT NULL
) STRICT;
CREATE TABLE span (
    flow INTEGER NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL, until INTEGER, kind TEXT NOT NULL,
    gaps INTEGER NOT NULL,
    PRIMARY KEY (flow, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE block (
    id INTEGER PRIMARY KEY, count INTEGER NOT NULL, boot INTEGER NOT NULL, bytes BLOB NOT NULL, checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT, flow INTEGER, sequence INTEGER, boot INTEGER, source TEXT NOT NULL, event_id BLOB,
    at INTEGER NOT NULL, attempts INTEGER NOT NULL, code TEXT, reason TEXT NOT NULL, bytes BLOB NOT NULL, checksum INTEGER
) STRICT;
CREATE TABLE loss (
    flow INTEGER NOT NULL, cause TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    from_at INTEGER, to_at INTEGER, PRIMARY KEY (flow, cause)
) STRICT, WITHOUT ROWID;
CREATE TABLE memory (owner TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE receipt (
    source TEXT NOT NULL, first INTEGER NOT NULL, session TEXT NOT NULL, entries BLOB NOT NULL,
    PRIMARY KEY (source, first)
) STRICT;
CREATE TABLE flight (
    destination TEXT NOT NULL, first_packet_id INTEGER NOT NULL, flow INTEGER NOT NULL, positions BLOB NOT NULL,
    released INTEGER NOT NULL, PRIMARY KEY (destination, first_packet_id)
) STRICT;
CREATE TABLE session (destination TEXT PRIMARY KEY, identity TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE sender (
    source TEXT NOT NULL, first INTEGER NOT NULL, entries BLOB NOT NULL, PRIMARY KEY (source, first)
) STRICT;
CREATE TABLE confirmed (
    destination TEXT NOT NULL, first INTEGER NOT NULL, at INTEGER NOT NULL, entries BLOB NOT NULL,
    PRIMARY KEY (destination, first)
) STRICT;
CREATE TABLE kept (
    destination TEXT NOT NULL, record TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (destination, record, key)
) STRICT, WITHOUT ROWID;
";
