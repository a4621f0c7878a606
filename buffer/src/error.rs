//! What can go wrong between the buffer and its file, told apart by who can act on it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use rusqlite::{ErrorCode, ffi};

use crate::room::LimitReached;
use crate::schema::FORMAT;

/// What an error was caused by.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a buffer was not opened. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("cannot open the buffer {}: another process uses it", path.display())]
    InUse {
        /// The buffer's file.
        path: PathBuf,
    },
    /// A newer release has written what this one cannot read.
    #[error("cannot open the buffer {}: a newer release wrote it (its format needs a reader of {oldest_reader}, this one reads {FORMAT})", path.display())]
    Newer {
        /// The buffer's file.
        path: PathBuf,
        /// The oldest format whose readers may open it.
        oldest_reader: i64,
    },
    /// The file is something else.
    #[error("cannot open the buffer {}: the file is not a plantlink buffer, and it was left as it is", path.display())]
    NotABuffer {
        /// The file.
        path: PathBuf,
    },
    /// Its directory is missing.
    #[error("cannot open the buffer {}: its directory does not exist", path.display())]
    NoDirectory {
        /// The buffer's file.
        path: PathBuf,
    },
    /// It is a buffer with content that contradicts itself, and nothing of it can be saved.
    #[error("cannot open the buffer {}: it is damaged", path.display())]
    Damaged {
        /// The buffer's file.
        path: PathBuf,
        /// What does not fit.
        #[source]
        cause: Cause,
    },
    /// The file or its lock file cannot be opened.
    #[error("cannot open the buffer {}", path.display())]
    File {
        /// The file that was tried.
        path: PathBuf,
        /// What the system answered.
        #[source]
        cause: Cause,
    },
}

/// Why work was not applied. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk is full, read-only or failing: the same work may succeed later.
    #[error("the disk refuses the buffer's commit")]
    Refused(#[source] Cause),
    /// The file contradicts itself. Trying again does not help; opening it again salvages what can be read.
    #[error("the buffer is damaged; the next start salvages what can be read")]
    Damaged(#[source] Cause),
    /// The work contradicts what the buffer holds: a defect in this program.
    #[error("the buffer's books do not agree: {0}")]
    Inconsistent(String),
}

/// Why events were not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What is stored is not what was written.
    #[error("flow {flow}: events {first} to {last} are unreadable")]
    Damaged {
        /// The flow's name.
        flow: String,
        /// The first sequence number concerned.
        first: u64,
        /// The last one.
        last: u64,
        /// What does not fit.
        #[source]
        cause: Malformed,
    },
    /// What must be there is not.
    #[error("flow {flow}: events {first} to {last} are missing")]
    Missing {
        /// The flow's name.
        flow: String,
        /// The first sequence number concerned.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A row beside the logs is not what was written.
    #[error("the buffer's {row} is unreadable")]
    Row {
        /// Which one.
        row: String,
        /// What does not fit.
        #[source]
        cause: Malformed,
    },
    /// The database is not one any more.
    #[error("the buffer's file is damaged")]
    File(#[source] Cause),
    /// The disk or the memory fails: a later attempt may succeed.
    #[error("cannot read the buffer")]
    Refused(#[source] Cause),
}

/// Stored bytes that do not mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) &'static str);

impl OpenError {
    /// Sorts what a query answered while the buffer at `path` was opened.
    pub(crate) fn of(path: PathBuf, error: rusqlite::Error) -> Self {
        if is_of_the_medium(&error) {
            return Self::Damaged { path, cause: error.into() };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotABuffer { path },
            // Our own tables, rows or values are not as they must be.
            None
            | Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::Unknown
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch,
            ) => Self::Damaged { path, cause: error.into() },
            Some(_) => Self::File { path, cause: error.into() },
        }
    }
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        if is_of_the_medium(&error) {
            return Self::Damaged(error.into());
        }
        if error.sqlite_error_code().is_some_and(is_the_disks) {
            return Self::Refused(error.into());
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.into()),
            _ => Self::Inconsistent(error.to_string()),
        }
    }
}

impl WriteError {
    /// Whether the disk has not taken what it had got before.
    pub(crate) fn is_failed_sync(&self) -> bool {
        self.disks_answer().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_FSYNC)
    }

    /// Whether more room would help: the disk is full, or the buffer has reached its limit.
    pub(crate) fn is_want_of_room(&self) -> bool {
        let is_full = |error: &ffi::Error| {
            // The log's index is made longer by writing zeros, and whatever that answers is named after it.
            error.code == ErrorCode::DiskFull || error.extended_code == ffi::SQLITE_IOERR_SHMSIZE
        };
        match self {
            Self::Refused(cause) => {
                self.disks_answer().is_some_and(is_full)
                    || cause.is::<LimitReached>()
                    || cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
            }
            Self::Damaged(_) | Self::Inconsistent(_) => false,
        }
    }

    fn disks_answer(&self) -> Option<&ffi::Error> {
        match self {
            Self::Refused(cause) => cause.downcast_ref::<rusqlite::Error>()?.sqlite_error(),
            Self::Damaged(_) | Self::Inconsistent(_) => None,
        }
    }
}

impl ReadError {
    /// Whether a log is damaged. The next opening of the buffer salvages what can be read.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Missing { .. } | Self::File(_) => true,
            Self::Row { .. } | Self::Refused(_) => false,
        }
    }
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        if is_of_the_medium(&error) {
            return Self::File(error.into());
        }
        match error.sqlite_error_code() {
            None | Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::File(error.into()),
            Some(_) => Self::Refused(error.into()),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.into())
    }
}

/// Whether the disk does not give back what it holds. While a statement runs SQLite calls that damage itself.
fn is_of_the_medium(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_CORRUPTFS)
}

/// Whether the disk, or somebody else who holds the file, may think better of it.
fn is_the_disks(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory
    )
}
