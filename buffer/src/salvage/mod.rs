//! A damaged file becomes a new one with everything that can still be read, and an account of what cannot.
//!
//! Blocks are found by their own checksums, wherever they lie; of the other tables, what their trees still lead to. The
//! damaged file stays beside the new one, until room is needed or another one takes its place. What is neither found nor
//! settled is a loss of its flow. Where it cannot be known which sequence numbers were given, the buffer gets a new epoch,
//! so that no number is ever given twice within one.

mod account;
mod damaged;
mod files;
mod node;
mod pages;
mod restore;
mod sweep;

pub(crate) use files::{DAMAGED, DAMAGED_LOG, finish, give_up_damaged, mark};

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use crate::block;
use crate::error::{OpenError, WriteError};
use crate::flight::{self, Flights};
use crate::flow::Flows;
use crate::lock;
use crate::loss::Loss;
use crate::schema::{self, FORMAT};
use damaged::Damaged;
use pages::Pages;

/// What was saved from a damaged file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage {
    /// The damaged file, kept for a person. It goes when its room is needed.
    pub kept: PathBuf,
    /// Events that are still to deliver.
    pub events: u64,
    /// What flows have lost, dead letters included.
    pub losses: Vec<Loss>,
    /// The sequence numbers count from anew: those given before are not all known.
    pub has_new_epoch: bool,
}

/// Whether something asks for a salvage: a mark, or pages that are neither in the file nor in its log, which SQLite takes for
/// pages of zeros; where there is no page at all, it deletes the log. To be asked before SQLite opens the file: closing it
/// afterwards would release SQLite's locks.
pub(crate) fn is_needed(path: &Path) -> bool {
    files::is_marked(path) || Pages::open(path).is_ok_and(|pages| pages.is_cut())
}

/// Puts a new file in the place of the one at `path`. `None` when nothing in it is a buffer's: then it stays as it is.
pub(crate) fn salvage(path: &Path) -> Result<Option<Salvage>, OpenError> {
    let failed = |cause: WriteError| OpenError::File { path: path.to_owned(), cause: Box::new(cause) };
    let new = files::new(path);
    let outcome = match copy(path, &new).map_err(failed)? {
        Copied::Newer { oldest_reader } => Err(OpenError::Newer { path: path.to_owned(), oldest_reader }),
        Copied::Nothing => Ok(None),
        Copied::Buffer(salvage) => {
            files::exchange(path).map_err(|cause| failed(cause.into()))?;
            return Ok(Some(salvage));
        }
    };
    // It is worth nothing, and the next attempt begins with an empty one.
    let _ = fs::remove_file(new);
    outcome
}

enum Copied {
    Buffer(Salvage),
    /// The file is somebody else's, or nothing of it is left.
    Nothing,
    Newer {
        oldest_reader: i64,
    },
}

/// Fills the file at `new`, which is on the disk for certain afterwards.
fn copy(path: &Path, new: &Path) -> Result<Copied, WriteError> {
    files::clear(new)?;
    lock::create(new)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(new, flags)?;
    // Until it is whole, nobody opens it: it needs no way back.
    connection
        .execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    let transaction = connection.transaction()?;
    schema::create(&transaction)?;
    let mut decompressor = block::decompressor()?;
    let mut damaged = Damaged::open(path, roots(&transaction)?)?;
    let new_epoch: [u8; 16] = schema::meta(&transaction, "epoch")?;
    let found = restore::copy(&mut damaged, &transaction, &mut decompressor)?;

    let epoch = schema::meta::<[u8; 16]>(&transaction, "epoch").unwrap_or(new_epoch);
    let blocks: bool = transaction.query_row("SELECT EXISTS (SELECT 1 FROM block)", [], |row| row.get(0))?;
    if epoch == new_epoch && !blocks {
        return Ok(Copied::Nothing);
    }
    let oldest_reader = schema::meta(&transaction, "oldest_reader").unwrap_or(FORMAT);
    if oldest_reader > FORMAT {
        return Ok(Copied::Newer { oldest_reader });
    }
    let is_clean = schema::meta(&transaction, schema::CLEAN).unwrap_or(false);
    let (losses, forgets_numbers) = account::balance(&transaction, &found, &mut decompressor)?;
    let has_new_epoch = forgets_numbers || epoch == new_epoch || !(is_clean || damaged.has_log());
    let epoch = if has_new_epoch { Uuid::from_bytes(new_epoch) } else { Uuid::from_bytes(epoch) };
    if has_new_epoch || !found.has_all_flights || Flights::load(&transaction).is_err() {
        flight::forget_all(&transaction)?;
    }
    schema::set_identity(&transaction, epoch)?;
    let events = Flows::load(&transaction)?.buffered();
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    File::open(new)?.sync_all()?;
    Ok(Copied::Buffer(Salvage { kept: lock::beside(path, DAMAGED), events, losses, has_new_epoch }))
}

/// Where the trees of a new buffer begin.
fn roots(target: &Connection) -> rusqlite::Result<BTreeMap<String, u32>> {
    target
        .prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
