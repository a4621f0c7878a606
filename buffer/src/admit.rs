//! Letting a commit in: room is made for it before it begins, so that the files never pass their limit.

use rusqlite::{Transaction, TransactionBehavior};

use crate::buffer::Buffer;
use crate::confirm;
use crate::error::WriteError;
use crate::overflow::Overflow;
use crate::retention;
use crate::room::{Files, Purpose, Room};
use crate::salvage;
use crate::work::Durability;

/// How many free pages go back to the file system at once.
const STEP_PAGES: u64 = 256;

/// What such a step writes at the most: a page that moves, the page that points to it, and the list of what they are for.
const STEP_WRITES: u64 = 3 * STEP_PAGES;

/// So many free pages are not worth a shorter file: they will be used again soon.
const FREE_PAGES_KEPT: u64 = 1_024;

impl Buffer {
    /// Makes room for a commit that writes at most so many pages.
    pub(crate) fn admit(&mut self, pages: u64, purpose: Purpose) -> Result<(), WriteError> {
        if !self.room.take(pages) {
            self.make_room(pages, purpose)?;
            self.spend_reserve(pages)?;
        }
        match purpose {
            Purpose::Append => {
                if !self.room.log_fits_reserve(&self.path, pages) {
                    self.checkpoint()?;
                }
                while let Err(refused) = self.reserve.hold() {
                    if !self.give_back(pages, purpose)? {
                        return Err(refused.into());
                    }
                }
            }
            Purpose::Settle | Purpose::Tidy => {}
        }
        Ok(())
    }

    /// After the disk itself has refused a commit: says whether it is worth another attempt.
    pub(crate) fn make_disk_room(&mut self, pages: u64, purpose: Purpose) -> Result<bool, WriteError> {
        let can_help = match purpose {
            Purpose::Settle | Purpose::Tidy => true,
            Purpose::Append => {
                self.files()?.pages_free > pages
                    || self.state.flows.iter_mut().any(|flow| flow.kept() > 0)
                    || confirm::is_any(&self.connection)?
                    || self.overflow.as_ref().is_some_and(Overflow::may_yield)
            }
        };
        if can_help {
            // With the log in the database there is room for another log.
            self.reserve.give();
            self.checkpoint()?;
        }
        Ok(match purpose {
            Purpose::Settle | Purpose::Tidy => true,
            Purpose::Append => salvage::give_up_damaged(&self.path) || can_help && self.give_back(pages, purpose)?,
        })
    }

    fn make_room(&mut self, pages: u64, purpose: Purpose) -> Result<(), WriteError> {
        let mut files = self.files()?;
        if !self.room.fits(&files, pages, purpose) {
            self.checkpoint()?;
            files = self.files()?;
        }
        while !self.room.fits(&files, pages, purpose) {
            if !salvage::give_up_damaged(&self.path) && !self.give_back(pages, purpose)? {
                if Room::may_pass(&files, pages, purpose) {
                    break;
                }
                return Err(self.room.reached());
            }
            files = self.files()?;
        }
        self.room.measured(&files, pages);
        Ok(())
    }

    /// Gives free pages back to the file system, beyond those that the commit can use again; without such pages, frees
    /// some by giving up what was delivered, then what flows yield. Says whether there was any of it.
    fn give_back(&mut self, pages: u64, purpose: Purpose) -> Result<bool, WriteError> {
        let surplus = self.files()?.pages_free.saturating_sub(pages);
        self.spend_reserve(STEP_WRITES)?;
        if surplus > 0 {
            self.vacuum(surplus.min(STEP_PAGES))?;
        } else if !self.give_up_delivered()? {
            match purpose {
                Purpose::Append if self.give_up_buffered()? => {}
                Purpose::Append | Purpose::Settle | Purpose::Tidy => return Ok(false),
            }
        }
        self.checkpoint()?;
        Ok(true)
    }

    /// Deletes some of the oldest delivered events, or of what is remembered of them.
    fn give_up_delivered(&mut self) -> Result<bool, WriteError> {
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        let mut flows = self.state.flows.clone();
        let has_deleted = retention::give_up(&transaction, &mut flows)?;
        flows.save(&transaction, &self.state.flows)?;
        transaction.commit()?;
        self.state.flows = flows;
        Ok(has_deleted)
    }

    /// Deletes some events that are still to deliver, of flows that yield them.
    fn give_up_buffered(&mut self) -> Result<bool, WriteError> {
        let Some(overflow) = &self.overflow else { return Ok(false) };
        let holds = self.holds.freeze(self.state.flights.held(&self.state.flows));
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        let mut state = self.state.clone();
        let given = overflow.give_up(&transaction, &mut state, &holds)?;
        state.save(&transaction, &self.state)?;
        transaction.commit()?;
        self.state = state;
        let is_less = given.is_less;
        if let Some(overflow) = &mut self.overflow {
            overflow.given_up(given);
        }
        Ok(is_less)
    }

    /// After a commit: a file that is mostly free pages becomes shorter, a step at a time.
    pub(crate) fn shrink(&mut self) -> Result<(), WriteError> {
        if !self.may_shrink {
            return Ok(());
        }
        let files = self.files()?;
        self.may_shrink = files.pages_free > FREE_PAGES_KEPT.max(files.pages / 2);
        if self.may_shrink {
            self.make_room(STEP_WRITES, Purpose::Tidy)?;
            self.set_durability(Durability::Written)?;
            self.vacuum(STEP_PAGES)?;
        }
        Ok(())
    }

    fn vacuum(&self, pages: u64) -> Result<(), WriteError> {
        let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = statement.query([])?;
        // Each step frees one page.
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Moves the write-ahead log into the database, as far as no reader is in the way.
    pub(crate) fn checkpoint(&mut self) -> Result<(), WriteError> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    /// Where the commit and the reserve would be too much together, the reserve goes.
    fn spend_reserve(&mut self, pages: u64) -> Result<(), WriteError> {
        if !self.room.fits(&self.files()?, pages, Purpose::Append) {
            self.reserve.give();
        }
        Ok(())
    }

    fn files(&self) -> Result<Files, WriteError> {
        Ok(Files::measure(&self.connection, &self.path)?)
    }
}
