//! One process at a time: a lock beside the file, which a killed process leaves free.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// The owner may read and write, its group may read.
pub(crate) const MODE: u32 = 0o640;

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let lock_path = beside(path, ".lock");
        let file = create(&lock_path).map_err(|cause| {
            if cause.kind() == io::ErrorKind::NotFound {
                OpenError::NoDirectory { path: path.to_owned() }
            } else {
                OpenError::File { path: lock_path.clone(), cause: cause.into() }
            }
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(OpenError::File { path: lock_path, cause: cause.into() }),
        }
    }
}

/// Opens a file, made with our mode if it is not there. SQLite gives its own files the mode of the main one.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(path)
}

/// The path with `suffix` at its end, as SQLite names its files.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
