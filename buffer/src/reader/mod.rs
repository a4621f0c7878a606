//! Reading a flow's log beside the writer, through a connection of its own.

mod rows;
mod trail;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use zstd::bulk::Decompressor;

use crate::block;
use crate::boot::Boots;
use crate::error::ReadError;
use crate::event::{Recorded, Stored};
use crate::flow::FlowId;
use crate::hold::{Hold, Holds};
use crate::log;
use crate::salvage;
use crate::span::{self, Span};
use crate::waiting;

/// Reads what is committed. Between calls it holds no transaction, so that it never keeps the write-ahead log growing.
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    decompressor: Decompressor<'static>,
    boots: Boots,
    holds: Arc<Holds>,
}

impl Reader {
    /// Reads the buffer at `path` beside whoever writes it, or while nobody does.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::beside(path, None, Arc::default())
    }

    /// Reads beside the writer that knows these holds.
    pub(crate) fn beside(path: &Path, boot: Option<i64>, holds: Arc<Holds>) -> Result<Self, ReadError> {
        let connection = noticed(path, connect(path))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            decompressor: block::decompressor()?,
            boots: Boots::new(boot),
            holds,
        })
    }

    /// The flow's events from `from` on, in order: at most `events_max`, and no further one once their data and metadata
    /// have reached `bytes_max` bytes, but at least one if there is one. Settled events may be gone: where that is so at
    /// `from`, there are none.
    ///
    /// # Errors
    /// The first of them cannot be had. Events before an unreadable one are returned without an error. After damage the
    /// next opening of the buffer salvages what can be read.
    pub fn read(
        &mut self,
        flow: FlowId,
        from: u64,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Stored>, ReadError> {
        let read = self.read_log(flow, from, events_max, bytes_max);
        self.noticed(read)
    }

    fn noticed<T, E: Into<ReadError>>(&self, read: Result<T, E>) -> Result<T, ReadError> {
        noticed(&self.path, read)
    }

    fn read_log(
        &mut self,
        flow: FlowId,
        from: u64,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Stored>, ReadError> {
        // The end is read before the blocks: whatever lies before it must be found among them.
        let end = self.end(flow)?;
        let mut stored = Vec::new();
        if from >= end {
            return Ok(stored);
        }
        let Self { connection, decompressor, path: _, boots: _, holds: _ } = self;
        let mut expected = from;
        let mut bytes = 0;
        let mut is_full = false;
        let outcome = log::blocks(connection, flow, from, |block| {
            let place = block.place;
            if place.last() < expected {
                return Ok(true);
            }
            if place.first > expected {
                return Err(missing(connection, flow, expected, place.first - 1));
            }
            let room = events_max.max(1) - stored.len();
            let taken = block.events(expected, decompressor, |taken, event| {
                is_full = taken == room || (bytes >= bytes_max && bytes > 0);
                bytes += event.bytes();
                !is_full
            });
            stored.extend(taken.map_err(|cause| ReadError::Damaged {
                flow: name(connection, flow),
                first: place.first,
                last: place.last().min(end - 1),
                cause,
            })?);
            expected = place.last() + 1;
            is_full |= stored.len() >= events_max;
            Ok(!is_full)
        });
        if stored.is_empty() {
            let error = match outcome {
                Ok(()) if end - from <= last_gap(connection, flow)? => return Ok(stored),
                Ok(()) => missing(connection, flow, from, end - 1),
                Err(error) => error,
            };
            if matches!(error, ReadError::Missing { .. }) && is_deleted(connection, flow, from)? {
                return Ok(stored);
            }
            return Err(error);
        }
        Ok(stored)
    }

    /// When an event that was read here was recorded, as far as that is known by now.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn recorded(&mut self, stored: &Stored) -> Result<Recorded, ReadError> {
        let recorded = self.boots.recorded(&self.connection, stored);
        self.noticed(recorded)
    }

    /// Where the events begin that were recorded at `wall_us` (Unix microseconds, UTC) or later: the number after the last
    /// earlier one, or the log's end. The time of an event is that of the clock that runs from boot; in a boot whose wall
    /// clock was never set it is what that showed, and the log is searched as if it had never been set back.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn recorded_since(&mut self, flow: FlowId, wall_us: i64) -> Result<u64, ReadError> {
        // Nothing is deleted from what is seen here before the search has ended.
        self.connection.execute_batch("BEGIN")?;
        let found = self.search(flow, wall_us);
        self.connection.execute_batch("COMMIT")?;
        self.noticed(found)
    }

    fn search(&mut self, flow: FlowId, wall_us: i64) -> Result<u64, ReadError> {
        let end = self.end(flow)?;
        let mut earlier = log::oldest(&self.connection, flow)?.unwrap_or(end);
        let mut later = log::end(&self.connection, flow)?.unwrap_or(end);
        while earlier < later {
            let middle = earlier + (later - earlier) / 2;
            match self.read(flow, middle, 1, 0)?.first() {
                Some(stored) if self.time_us(stored)? < wall_us => earlier = stored.sequence + 1,
                Some(_) | None => later = middle,
            }
        }
        Ok(later)
    }

    fn time_us(&mut self, stored: &Stored) -> rusqlite::Result<i64> {
        let stamp = stored.event.stamp;
        Ok(self.boots.time_us(&self.connection, stored.boot, stamp)?.unwrap_or(stamp.wall_us))
    }

    /// Reads as [`Reader::read`] does, for somebody who will settle the events: none of them is given up before the hold is
    /// dropped.
    ///
    /// # Errors
    /// As there.
    pub fn offer(
        &mut self,
        flow: FlowId,
        from: u64,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<(Vec<Stored>, Hold), ReadError> {
        Hold::take(&self.holds.clone(), flow, || {
            let stored = self.read(flow, from, events_max, bytes_max)?;
            let end = stored.last().map_or(from, |last| last.sequence + 1);
            Ok((stored, from..end))
        })
    }

    /// Up to `count_max` of the flow's waiting events from the number `from` on, in order.
    ///
    /// # Errors
    /// One of them is damaged, or the database does not answer.
    pub fn waiting(&mut self, flow: FlowId, from: u64, count_max: usize) -> Result<Vec<Stored>, ReadError> {
        let waiting = waiting::read(&self.connection, &mut self.decompressor, flow, from, count_max);
        self.noticed(waiting)
    }

    /// Reads as [`Reader::waiting`] does, for somebody who will settle the events.
    ///
    /// # Errors
    /// As there.
    pub fn offer_waiting(
        &mut self,
        flow: FlowId,
        from: u64,
        count_max: usize,
    ) -> Result<(Vec<Stored>, Hold), ReadError> {
        // Nothing gives up a waiting event to make room: there are no numbers to hold.
        Hold::take(&self.holds.clone(), flow, || Ok((self.waiting(flow, from, count_max)?, 0..0)))
    }

    /// The sequence number after the flow's last event.
    fn end(&self, flow: FlowId) -> rusqlite::Result<u64> {
        self.connection.prepare_cached("SELECT next FROM flow WHERE id = ?1")?.query_row([flow], |row| row.get(0))
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "busy_timeout", 5_000)?;
    // Each block is read once: a reader has no use for the default of 2 MB.
    connection.pragma_update(None, "cache_size", -256)?;
    Ok(connection)
}

/// Passes on what was read. Damage leaves a mark: whoever meets it ends, and would meet it again and again if the next
/// opening of the buffer did not salvage what can be read.
fn noticed<T, E: Into<ReadError>>(path: &Path, read: Result<T, E>) -> Result<T, ReadError> {
    let read = read.map_err(Into::into);
    if read.as_ref().is_err_and(ReadError::is_damage) {
        salvage::mark(path);
    }
    read
}

/// At the end of the log, so many numbers may be without an event and not yet covered by a block.
fn last_gap(connection: &Connection, flow: FlowId) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT coalesce(max(gaps), 0) FROM span WHERE flow = ?1 AND until IS NULL")?
        .query_row([flow], |row| row.get(0))
}

/// Whether the log begins behind this number because it was settled, and deleted since somebody saw it there.
fn is_deleted(connection: &Connection, flow: FlowId, number: u64) -> rusqlite::Result<bool> {
    let is_open = |span: &Span| span.is_owed() && span.next <= number && span.until.is_none_or(|until| number < until);
    Ok(log::oldest(connection, flow)?.is_none_or(|oldest| number < oldest)
        && !span::load(connection, flow)?.iter().any(is_open))
}

fn missing(connection: &Connection, flow: FlowId, first: u64, last: u64) -> ReadError {
    ReadError::Missing { flow: name(connection, flow), first, last }
}

/// The flow's name, for a message that must not fail for want of it.
fn name(connection: &Connection, flow: FlowId) -> String {
    connection
        .query_row("SELECT name FROM flow WHERE id = ?1", [flow], |row| row.get(0))
        .unwrap_or_else(|_| flow.to_string())
}
