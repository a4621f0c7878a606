//! Syncing what was only written, and what a sync that failed leaves in doubt.

use std::fs::File;
use std::path::Path;

use crate::buffer::Buffer;
use crate::error::WriteError;
use crate::lock;
use crate::salvage;
use crate::wal::CHECKPOINT_PAGES;
use crate::work::Durability;

impl Buffer {
    pub(crate) fn set_durability(&mut self, durability: Durability) -> Result<(), WriteError> {
        if durability != self.durability {
            // SQLite says nothing of a checkpoint after a commit that failed: one of what was only written would sync it
            // first, and hide it if that fails. So that waits for a sync of our own.
            let (synchronous, checkpoint_pages) = match durability {
                Durability::Synced => ("FULL", CHECKPOINT_PAGES),
                Durability::Written => ("NORMAL", 0),
            };
            self.connection.pragma_update(None, "synchronous", synchronous)?;
            self.connection.pragma_update(None, "wal_autocheckpoint", checkpoint_pages)?;
            self.durability = durability;
        }
        Ok(())
    }

    /// Makes durable what was only written.
    ///
    /// # Errors
    /// The disk refuses; what was written still is, and another sync may succeed.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        // SQLite's locks are on other files than the log, so that opening and closing it here releases none of them.
        let database = self.connection.path().map_or(self.path.as_path(), Path::new);
        let synced = File::open(lock::beside(database, "-wal")).and_then(|log| log.sync_data());
        self.doubts_log |= synced.is_err();
        synced?;
        // What is synced may go into the database. If that is refused, the next commit that is synced tries it again.
        if self.wal.pages_to_copy() >= CHECKPOINT_PAGES {
            let _ = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
        Ok(())
    }

    /// What an error means for later work.
    pub(crate) fn learn(&mut self, error: &WriteError) {
        self.doubts_log |= error.is_failed_sync();
        match error {
            WriteError::Damaged(_) => salvage::mark(&self.path),
            WriteError::Refused(_) | WriteError::Inconsistent(_) => {}
        }
    }

    /// After a sync that failed the system takes for written what it could not write, and a later sync says nothing of it.
    /// Work on top of it would be as doubtful: so all of the log goes into the database first, and it begins anew.
    pub(crate) fn renew_log(&mut self) -> Result<(), WriteError> {
        if self.doubts_log {
            let is_busy =
                self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))?;
            if is_busy {
                return Err(WriteError::Refused("somebody reads what has to be written again".into()));
            }
            self.doubts_log = false;
        }
        Ok(())
    }
}
