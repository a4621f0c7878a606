//! Room beside the database that only settling and tidying up may use, so that a full disk can still become emptier.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::lock::{self, MODE};

/// The write-ahead log of an ordinary backlog fits into the database with this, and a commit that settles goes after it.
pub(crate) const RESERVE_BYTES: u64 = 8 << 20;

/// The name of the file after the database's.
pub(crate) const SUFFIX: &str = "-reserve";

/// A file that holds the room while it is not needed.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    is_held: bool,
}

impl Reserve {
    pub(crate) fn of(database: &Path) -> Self {
        let path = lock::beside(database, SUFFIX);
        let is_held = fs::metadata(&path).is_ok_and(|found| found.len() == RESERVE_BYTES);
        Self { path, is_held }
    }

    /// Takes the room from the disk, unless it is held already.
    pub(crate) fn hold(&mut self) -> io::Result<()> {
        if self.is_held {
            return Ok(());
        }
        let held = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(MODE)
            .open(&self.path)
            .and_then(|file| allocate(&file));
        if held.is_err() {
            // A part of it would only take the room away from those it is for. The error that counts is the first.
            let _ = fs::remove_file(&self.path);
        }
        self.is_held = held.is_ok();
        held
    }

    /// Gives the room to whoever writes next, and says whether there was any to give.
    pub(crate) fn give(&mut self) -> bool {
        let was_held = std::mem::take(&mut self.is_held);
        was_held && fs::remove_file(&self.path).is_ok()
    }
}

/// Blocks of the disk without writing to them.
fn allocate(file: &File) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
        // Such a file system cannot promise room to anybody; there, settling waits for room like everything else.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        allocated => Ok(allocated?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_on_the_disk_until_it_is_given_and_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("buffer.db");
        let path = lock::beside(&database, SUFFIX);
        Reserve::of(&database).hold().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), RESERVE_BYTES);
        let mut again = Reserve::of(&database);
        assert!(again.give());
        assert!(!path.exists());
        assert!(!again.give(), "it can only be given once");
        again.hold().unwrap();
        assert!(path.exists());
    }
}
