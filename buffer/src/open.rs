//! From a path to a connection that may write: what the file is, and the first transaction.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::boot;
use crate::buffer::{LastStop, Options};
use crate::error::OpenError;
use crate::flow;
use crate::schema::{self, FORMAT, Identity};

/// Opens the file and finds out whether it is new. Nothing is written to a file that is not ours.
pub(crate) fn connect(path: &Path) -> Result<(Connection, bool), OpenError> {
    let sorted = |error| OpenError::of(path.to_owned(), error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sorted)?;
    let is_new = match schema::identify(&connection).map_err(sorted)? {
        Identity::Empty => true,
        Identity::Buffer { oldest_reader } if oldest_reader <= FORMAT => false,
        Identity::Buffer { oldest_reader } => return Err(OpenError::Newer { path: path.to_owned(), oldest_reader }),
        Identity::Foreign => return Err(OpenError::NotABuffer { path: path.to_owned() }),
    };
    let journal_mode = configure(&connection).map_err(sorted)?;
    if journal_mode != "wal" {
        let cause = format!("its file system allows the journal mode {journal_mode} only");
        return Err(OpenError::File { path: path.to_owned(), cause: cause.into() });
    }
    Ok((connection, is_new))
}

/// Answers with the journal mode that the file has now.
fn configure(connection: &Connection) -> rusqlite::Result<String> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "busy_timeout", 5_000)?;
    // Only a file without pages takes this: later releases give pages back to the file system.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let journal_mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    connection.pragma_update(None, "wal_autocheckpoint", 1_000)?;
    Ok(journal_mode)
}

/// The first transaction: the tables if there are none, the flows, this boot, and the mark of a stop that is not clean.
pub(crate) fn begin(connection: &mut Connection, is_new: bool, options: &Options) -> rusqlite::Result<(i64, LastStop)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last_stop = if is_new {
        schema::create(&transaction)?;
        LastStop::Never
    } else if schema::meta(&transaction, schema::CLEAN)? {
        LastStop::Clean
    } else {
        LastStop::Crash
    };
    flow::configure(&transaction, &options.flows)?;
    let boot = boot::enter(&transaction, &options.boot_id)?;
    schema::set_meta(&transaction, schema::CLEAN, false)?;
    transaction.commit()?;
    Ok((boot, last_stop))
}
