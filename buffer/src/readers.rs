//! Whoever hands out readers, beside the writer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::ReadError;
use crate::hold::Holds;
use crate::reader::Reader;

/// Opens readers beside the writer of a buffer, from any thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Readers {
    path: PathBuf,
    boot: i64,
    holds: Arc<Holds>,
}

impl Readers {
    pub(crate) fn new(path: &Path, boot: i64, holds: Arc<Holds>) -> Self {
        Self { path: path.to_owned(), boot, holds }
    }

    /// A connection of its own to read from.
    ///
    /// # Errors
    /// The file cannot be opened again.
    pub fn open(&self) -> Result<Reader, ReadError> {
        Reader::beside(&self.path, Some(self.boot), self.holds.clone())
    }
}
