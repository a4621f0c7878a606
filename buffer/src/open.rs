//! From a path to a connection that may write: what the file is, and the first transaction.

use std::io;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use uuid::Uuid;

use crate::boot;
use crate::buffer::{LastStop, Options};
use crate::error::OpenError;
use crate::flight;
use crate::flow;
use crate::lock;
use crate::salvage::{self, Salvage};
use crate::schema::{self, FORMAT, Identity};
use crate::state::State;
use crate::wal::{CHECKPOINT_PAGES, Wal};

/// Opens the file and finds out whether it is new. Nothing is written to a file that is not ours.
fn connect(path: &Path) -> Result<(Connection, bool), OpenError> {
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
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // Only a clean stop takes the log away: else one that is missing means that something was lost.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(journal_mode)
}

/// A file that is ready to be worked with.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) wal: Wal,
    pub(crate) boot: i64,
    pub(crate) last_stop: LastStop,
    pub(crate) epoch: Uuid,
    pub(crate) state: State,
    /// The file was damaged, and this is its successor.
    pub(crate) salvage: Option<Salvage>,
}

/// Opens the file, or makes it; a damaged one is salvaged first. Only what can be seen at a glance is looked for here:
/// damage that a reader meets later leaves a mark.
pub(crate) fn open(path: &Path, options: &Options) -> Result<Opened, OpenError> {
    let failed = |cause: io::Error| OpenError::File { path: path.to_owned(), cause: cause.into() };
    salvage::finish(path).map_err(failed)?;
    lock::create(path).map_err(failed)?;
    let salvage = if salvage::is_needed(path) { salvage::salvage(path)? } else { None };
    // A salvage has seen the log, and moved it away.
    let damage = match begin(path, options, salvage.is_none()) {
        Ok(opened) => return Ok(Opened { salvage, ..opened }),
        Err(error @ (OpenError::Damaged { .. } | OpenError::NotABuffer { .. })) => error,
        Err(error) => return Err(error),
    };
    match salvage::salvage(path)? {
        Some(salvage) => Ok(Opened { salvage: Some(salvage), ..begin(path, options, false)? }),
        None => Err(damage),
    }
}

/// The first transaction: the tables if there are none, the flows, this boot, and the mark of a stop that is not clean.
/// A file that contradicts itself is left as it is.
fn begin(path: &Path, options: &Options, is_log_expected: bool) -> Result<Opened, OpenError> {
    let wal = Wal::of(path);
    let left = is_log_expected.then(|| wal.left(path));
    let (mut connection, is_new) = connect(path)?;
    let sorted = |error| OpenError::of(path.to_owned(), error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sorted)?;
    let is_same_boot = !is_new && boot::is_latest(&transaction, &options.boot_id).map_err(sorted)?;
    let has_lost = left.is_some_and(|left| wal.has_lost(&left, is_same_boot));
    let (boot, last_stop) = enter(&transaction, is_new, has_lost, options).map_err(sorted)?;
    let epoch = schema::meta(&transaction, "epoch").map(Uuid::from_bytes).map_err(sorted)?;
    let state = State::load(&transaction).map_err(sorted)?;
    state.flows.check().map_err(|cause| OpenError::Damaged { path: path.to_owned(), cause: cause.into() })?;
    transaction.commit().map_err(sorted)?;
    // The mark of a stop that is not clean must be seen without the log too. Where the disk refuses, it is not.
    let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    let wal = wal.or_made_since(path);
    Ok(Opened { connection, wal, boot, last_stop, epoch, state, salvage: None })
}

fn enter(
    transaction: &Connection,
    is_new: bool,
    has_lost: bool,
    options: &Options,
) -> rusqlite::Result<(i64, LastStop)> {
    let last_stop = if is_new {
        schema::create(transaction)?;
        LastStop::Never
    } else if schema::meta(transaction, schema::CLEAN)? {
        LastStop::Clean
    } else if has_lost {
        schema::set_meta(transaction, "epoch", Uuid::now_v7().as_bytes())?;
        flight::forget_all(transaction)?;
        LastStop::LogLost
    } else {
        LastStop::Crash
    };
    flow::configure(transaction, &options.flows)?;
    let boot = boot::enter(transaction, &options.boot_id)?;
    schema::set_meta(transaction, schema::CLEAN, false)?;
    Ok((boot, last_stop))
}
