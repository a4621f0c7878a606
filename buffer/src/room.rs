//! How much of the disk the buffer may have: what its files take, and what a commit can add to them at the most.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::append::Append;
use crate::dead_letter;
use crate::dispose::{Dispose, Fate};
use crate::error::WriteError;
use crate::event::Event;
use crate::flow::FlowId;
use crate::lock;
use crate::log;
use crate::reserve::{self, RESERVE_BYTES};
use crate::salvage;
use crate::settle::{Settle, Settled};
use crate::waiting::{self, Resume};
use crate::work::Work;

/// The smallest limit that can be kept: the reserve, the log of ordinary commits, and a large message for a few flows.
pub const SIZE_MIN: u64 = 32_000_000;

/// SQLite's default, which the buffer's files are made with.
pub(crate) const PAGE_BYTES: u64 = 4_096;
/// A page in the write-ahead log has a header (SQLite file format, section 4.1).
const FRAME_BYTES: u64 = PAGE_BYTES + 24;
/// The log's index grows by this for so many frames (SQLite WAL-mode file format, section 2).
const INDEX_BYTES: u64 = 32_768;
const INDEX_FRAMES: u64 = 4_062;

/// What every commit may touch beside its payload: counters, spans, inner pages of trees, lists of free pages.
const COMMIT_PAGES: u64 = 64;
/// What an event has beside its data and metadata.
const EVENT_BYTES: u64 = 256;
/// What no forecast sees: the mark of a clean stop and the first transaction of a start.
const SLACK_BYTES: u64 = 1 << 20;

/// What room is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Something new comes in. It leaves the reserve alone.
    Append,
    /// Something old can go soon. It may use the reserve.
    Settle,
    /// Free pages go. It leaves the reserve alone, and nobody gives up anything for it.
    Tidy,
}

/// The limit, and what may certainly still be written before the files have to be measured again.
#[derive(Debug)]
pub(crate) struct Room {
    bytes_max: u64,
    credit: u64,
    /// The same for the log and the reserve that it has to fit into.
    log_credit: u64,
}

/// Everything that is on the disk is still needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the buffer has reached its max_size of {bytes_max} bytes, and nothing in it can be given up")]
pub(crate) struct LimitReached {
    bytes_max: u64,
}

impl Room {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, credit: 0, log_credit: 0 }
    }

    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Whether so many pages fit without a look at the files.
    pub(crate) fn take(&mut self, pages: u64) -> bool {
        let cost = pages * (PAGE_BYTES + FRAME_BYTES) + INDEX_BYTES;
        self.log_credit = self.log_credit.saturating_sub(pages * FRAME_BYTES);
        let left = self.credit.checked_sub(cost);
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }

    /// Takes so many pages from what was measured. A commit that fits only because it uses free pages again leaves
    /// nothing that is certain.
    pub(crate) fn measured(&mut self, files: &Files, pages: u64) {
        self.credit = self.limit(Purpose::Append).saturating_sub(files.after(0));
        if !self.take(pages) {
            self.credit = 0;
        }
    }

    /// Whether the write-ahead log stays so small that a disk without room can take it into the database by the reserve
    /// alone. So many pages were taken before. The log is looked at only when that is not certain: where its times have
    /// been read, the file system writes new ones with the next sync, which then takes a fifth longer.
    pub(crate) fn log_fits_reserve(&mut self, path: &Path, pages: u64) -> bool {
        if self.log_credit > 0 {
            return true;
        }
        let left = RESERVE_BYTES.checked_sub(bytes(path, "-wal") + pages * FRAME_BYTES);
        self.log_credit = left.unwrap_or(0);
        left.is_some()
    }

    pub(crate) fn fits(&self, files: &Files, pages: u64, purpose: Purpose) -> bool {
        files.after(pages) <= self.limit(purpose)
    }

    /// Whether a settlement of so many pages may pass the limit, where a lowered one was passed long ago: it makes the
    /// database no larger, and without it nothing would ever become smaller.
    pub(crate) fn may_pass(files: &Files, pages: u64, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Append | Purpose::Tidy => false,
            Purpose::Settle => pages <= files.pages_free.max(COMMIT_PAGES),
        }
    }

    pub(crate) fn reached(&self) -> WriteError {
        WriteError::Refused(LimitReached { bytes_max: self.bytes_max }.into())
    }

    fn limit(&self, purpose: Purpose) -> u64 {
        let kept_free = match purpose {
            Purpose::Append | Purpose::Tidy => RESERVE_BYTES + SLACK_BYTES,
            Purpose::Settle => SLACK_BYTES,
        };
        self.bytes_max.saturating_sub(kept_free)
    }
}

/// The database, what SQLite keeps beside it and what is kept of a damaged one, without the reserve.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files {
    pub(crate) pages: u64,
    /// Of these, the ones that hold nothing.
    pub(crate) pages_free: u64,
    main_bytes: u64,
    log_bytes: u64,
    /// What is kept of a damaged file.
    damaged_bytes: u64,
}

impl Files {
    pub(crate) fn measure(connection: &Connection, path: &Path) -> rusqlite::Result<Self> {
        Ok(Self {
            pages: connection.pragma_query_value(None, "page_count", |row| row.get(0))?,
            pages_free: connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?,
            main_bytes: bytes(path, ""),
            log_bytes: bytes(path, "-wal"),
            damaged_bytes: bytes(path, salvage::DAMAGED) + bytes(path, salvage::DAMAGED_LOG),
        })
    }

    /// What the files take at the most after a commit that writes so many pages and a checkpoint after it.
    fn after(&self, pages: u64) -> u64 {
        let grown = self.pages + pages.saturating_sub(self.pages_free);
        let log = self.log_bytes + pages * FRAME_BYTES;
        let index = (log / FRAME_BYTES / INDEX_FRAMES + 1) * INDEX_BYTES;
        self.main_bytes.max(grown * PAGE_BYTES) + log + index + self.damaged_bytes
    }
}

/// What a buffer's files take on the disk, all of them together.
pub fn bytes_on_disk(path: &Path) -> u64 {
    ["", "-wal", "-shm", reserve::SUFFIX, salvage::DAMAGED, salvage::DAMAGED_LOG]
        .iter()
        .map(|suffix| bytes(path, suffix))
        .sum()
}

/// A file that is not there takes nothing.
fn bytes(path: &Path, suffix: &str) -> u64 {
    fs::metadata(lock::beside(path, suffix)).map_or(0, |found| found.len())
}

/// The most pages that a commit of this work can write, as if nothing in it could be compressed.
pub(crate) fn pages<'a>(connection: &Connection, work: impl Iterator<Item = &'a Work>) -> u64 {
    let bytes: u64 = work
        .map(|work| match work {
            Work::Append(append) => append_bytes(append),
            Work::Settle(settle) => settle_bytes(connection, settle),
            Work::Dispose(dispose) => dispose_bytes(connection, dispose),
            Work::Cut(_) | Work::Replay(_) | Work::Replayed(_) | Work::Drop(_) | Work::Sync(_) => 0,
            Work::Resume(resume) => resume_bytes(connection, resume),
            Work::Confirm(confirm) => confirm.bytes(),
            Work::Keep(keep) => keep.bytes() as u64 + PAGE_BYTES * keep.rows.len() as u64,
            Work::Fly(fly) => {
                fly.bytes() as u64 + fly.settle.iter().map(|settle| settle_bytes(connection, settle)).sum::<u64>()
            }
        })
        .sum();
    // Whole pages hold a little less than their size, and the list of what each page is for grows with them.
    bytes * 5 / 4 / PAGE_BYTES + COMMIT_PAGES
}

fn append_bytes(append: &Append) -> u64 {
    let events = append.events.iter().map(|routed| {
        let event = &routed.event;
        routed.flows.len() * (event.data.len() + event.metadata.len()) + routed.flows.len() * EVENT_BYTES as usize
    });
    let received = append.received.iter().map(|received| {
        let rejected = received.rejected.iter().map(|rejected| rejected.payload.len() + rejected.reason.len());
        let receipts = received.receipts.iter().map(|receipts| {
            // The row that is filled up is written anew.
            PAGE_BYTES as usize + receipts.session.len() + size_of_val(receipts.entries.as_slice())
        });
        size_of_val(received.senders.as_slice()) + rejected.sum::<usize>() + receipts.sum::<usize>()
    });
    let memory = append.memory.iter().map(|(owner, value)| owner.len() + value.as_ref().map_or(0, Vec::len));
    let rows = PAGE_BYTES * append.memory.len() as u64;
    rows + (events.sum::<usize>() + received.sum::<usize>() + memory.sum::<usize>()) as u64
}

/// An event that is offered again takes no more in its flow's log than it took as a dead letter.
fn dispose_bytes(connection: &Connection, dispose: &Dispose) -> u64 {
    let bytes = |id: &i64| EVENT_BYTES + dead_letter::bytes(connection, *id).unwrap_or(0);
    match dispose.fate {
        Fate::Retry => dispose.letters.iter().map(bytes).sum(),
        Fate::Discard => 0,
    }
}

/// A dead letter is a copy of its event, and so is an event that waits. One that cannot be read is the settlement's to report.
fn settle_bytes(connection: &Connection, settle: &Settle) -> u64 {
    let dead = settle.outcomes.iter().map(|(sequence, settled)| match settled {
        Settled::Delivered => 0,
        Settled::Waiting => EVENT_BYTES + event_bytes(connection, settle.flow, *sequence),
        Settled::Dead { refusal, .. } => {
            EVENT_BYTES + event_bytes(connection, settle.flow, *sequence) + refusal.bytes() as u64
        }
    });
    dead.sum()
}

fn event_bytes(connection: &Connection, flow: FlowId, sequence: u64) -> u64 {
    let payload = |event: Event| (event.data.len() + event.metadata.len()) as u64;
    log::event(connection, flow, sequence).map_or(0, |stored| payload(stored.event))
}

/// An event that waited becomes a dead letter as it was written.
fn resume_bytes(connection: &Connection, resume: &Resume) -> u64 {
    let dead = resume.outcomes.iter().map(|(sequence, settled)| match settled {
        Settled::Delivered | Settled::Waiting => 0,
        Settled::Dead { refusal, .. } => {
            EVENT_BYTES + waiting::bytes(connection, resume.flow, *sequence).unwrap_or(0) + refusal.bytes() as u64
        }
    });
    dead.sum()
}
