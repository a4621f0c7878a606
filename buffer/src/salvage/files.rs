//! The files of a salvage: the mark that asks for one, the new file while it is made, and the exchange of the two.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::lock;

/// The damaged file and its write-ahead log, after the database's name.
pub(crate) const DAMAGED: &str = ".damaged";
pub(crate) const DAMAGED_LOG: &str = ".damaged-wal";

/// A new file that is being made, or was made and has not yet taken its place.
const NEW: &str = ".salvaged";

/// An empty file that asks the next start for a salvage.
const MARK: &str = "-damage";

pub(super) fn new(path: &Path) -> PathBuf {
    lock::beside(path, NEW)
}

/// Asks the next start for a salvage: what is stored is not what was written, and only a reader has noticed.
pub(crate) fn mark(path: &Path) {
    // Without the mark the next start reads the same again, and asks again.
    let _ = lock::create(&lock::beside(path, MARK));
}

pub(super) fn is_marked(path: &Path) -> bool {
    lock::beside(path, MARK).exists()
}

/// Gives the room of the damaged file away, and says whether there was any.
pub(crate) fn give_up_damaged(path: &Path) -> bool {
    let was_there = [DAMAGED, DAMAGED_LOG].map(|suffix| fs::remove_file(lock::beside(path, suffix)).is_ok());
    was_there.contains(&true)
}

/// Removes what an attempt has left.
pub(super) fn clear(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Puts the new file in the place of the damaged one, which is kept in the place of an earlier one.
pub(super) fn exchange(path: &Path) -> io::Result<()> {
    clear(&lock::beside(path, DAMAGED_LOG))?;
    fs::rename(path, lock::beside(path, DAMAGED))?;
    finish(path)
}

/// Ends an exchange that has begun: the damaged file is away, and the new one, which was whole before, not yet there.
pub(crate) fn finish(path: &Path) -> io::Result<()> {
    if path.exists() || !new(path).exists() {
        return Ok(());
    }
    // The log must never meet the new file.
    match fs::rename(lock::beside(path, "-wal"), lock::beside(path, DAMAGED_LOG)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    clear(&lock::beside(path, "-shm"))?;
    clear(&lock::beside(path, MARK))?;
    sync_directory(path)?;
    fs::rename(new(path), path)?;
    sync_directory(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}
