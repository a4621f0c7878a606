//! How long delivered events stay in the log: until they are too old, or until something that is still to deliver needs
//! their room.

use std::time::Duration;

use rusqlite::Connection;

use crate::append::Append;
use crate::boot::Boots;
use crate::confirm;
use crate::error::WriteError;
use crate::event::{Stamp, Stored};
use crate::flow::{Flow, FlowId, Flows};
use crate::log;
use crate::work::Work;

/// How many settled events are deleted together: a deletion costs pages, not events.
const CHUNK_EVENTS: u64 = 1_024;

/// How many of these a commit deletes at the most, so that it never takes long.
const CHUNKS_MAX: usize = 16;

/// How often a log is asked for the age of its oldest events, by the stamps of those that come in.
const LOOK_EVERY_US: i64 = 60_000_000;

/// The age is that of the stamps, seen from the latest one. Time stands still while nothing comes in.
#[derive(Debug)]
pub(crate) struct Retention {
    keep_us: i64,
    boot: i64,
    latest: Option<Stamp>,
    /// On the clock of this boot.
    look_at_us: i64,
}

impl Retention {
    pub(crate) fn new(keep: Duration, boot: i64) -> Self {
        let keep_us = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        Self { keep_us, boot, latest: None, look_at_us: i64::MIN }
    }

    /// From now on so long.
    pub(crate) fn keep(&mut self, keep: Duration) {
        *self = Self { latest: self.latest, ..Self::new(keep, self.boot) };
    }

    /// Sees what time it is.
    pub(crate) fn see<'a>(&mut self, work: impl Iterator<Item = &'a Work>) {
        let last = |append: &'a Append| append.events.last().map(|routed| routed.event.stamp);
        let stamps = work.filter_map(|work| match work {
            Work::Append(append) => last(append),
            Work::Settle(_)
            | Work::Fly(_)
            | Work::Cut(_)
            | Work::Replay(_)
            | Work::Replayed(_)
            | Work::Drop(_)
            | Work::Resume(_)
            | Work::Keep(_)
            | Work::Confirm(_)
            | Work::Dispose(_)
            | Work::Sync(_) => None,
        });
        self.latest = stamps.last().or(self.latest);
    }

    /// Deletes what has been kept long enough, and says whether that was anything.
    pub(crate) fn expire(&mut self, transaction: &Connection, flows: &mut Flows) -> Result<bool, WriteError> {
        let mut has_deleted = delete_dropped(transaction, flows)?;
        if self.keep_us == 0 {
            for flow in flows.iter_mut().filter(|flow| flow.kept() >= CHUNK_EVENTS) {
                let keep = flow.first_needed();
                has_deleted |= trim(transaction, flow, keep)?;
            }
            return Ok(has_deleted);
        }
        let Some(now) = self.latest.filter(|now| now.boottime_us >= self.look_at_us) else {
            return Ok(has_deleted);
        };
        let mut chunks_left = CHUNKS_MAX;
        for flow in flows.iter_mut() {
            while chunks_left > 0 && flow.kept() >= CHUNK_EVENTS {
                let keep = chunk_end(transaction, flow)?;
                if !self.is_expired(now, transaction, flow.id, keep - 1)? || !trim(transaction, flow, keep)? {
                    break;
                }
                chunks_left -= 1;
            }
        }
        if chunks_left > 0 {
            self.look_at_us = now.boottime_us.saturating_add(LOOK_EVERY_US);
        }
        has_deleted |= chunks_left < CHUNKS_MAX;
        Ok(has_deleted)
    }

    /// Whether everything up to this number is old enough. Where it has no event any more, the next one tells.
    fn is_expired(
        &self,
        now: Stamp,
        transaction: &Connection,
        flow: FlowId,
        sequence: u64,
    ) -> Result<bool, WriteError> {
        match log::event_from(transaction, flow, sequence) {
            Ok(Some(stored)) => Ok(self.age_us(now, &stored, transaction)? > self.keep_us),
            // Delivered, and of no use to anybody any more.
            Ok(None) | Err(WriteError::Damaged(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// By the clocks that run from boot, which are right whatever happens to the wall clock. What another boot recorded is at
    /// least as old as this one, and more where both know what time it was.
    fn age_us(&self, now: Stamp, stored: &Stored, connection: &Connection) -> rusqlite::Result<i64> {
        let then = stored.event.stamp;
        if stored.boot == self.boot {
            return Ok(now.boottime_us.saturating_sub(then.boottime_us));
        }
        let mut boots = Boots::default();
        let then_us = boots.time_us(connection, stored.boot, then)?;
        let now_us = boots.time_us(connection, self.boot, now)?;
        let known_us = now_us.zip(then_us).map_or(0, |(now_us, then_us)| now_us.saturating_sub(then_us));
        Ok(known_us.max(now.boottime_us))
    }
}

/// Deletes the oldest delivered events of the flow that has kept the most; where none has any, the oldest of what
/// destinations have confirmed. Says whether there was anything.
pub(crate) fn give_up(transaction: &Connection, flows: &mut Flows) -> Result<bool, WriteError> {
    let mut candidates: Vec<&mut Flow> = flows.iter_mut().filter(|flow| flow.kept() > 0).collect();
    candidates.sort_by_key(|flow| std::cmp::Reverse(flow.kept()));
    for flow in candidates {
        let keep = chunk_end(transaction, flow)?;
        if trim(transaction, flow, keep)? {
            return Ok(true);
        }
    }
    Ok(confirm::give_up(transaction)?)
}

/// Where the next step ends, at the most where somebody needs what follows: a block may cover more numbers than a chunk has,
/// where events were given up.
fn chunk_end(transaction: &Connection, flow: &Flow) -> rusqlite::Result<u64> {
    let chunk = flow.oldest + CHUNK_EVENTS;
    let mut end = chunk;
    log::extents(transaction, flow.id, flow.oldest, |first| {
        end = chunk.max(first.last + 1);
        false
    })?;
    Ok(end.min(flow.first_needed()))
}

/// Deletes some of what was given up, so that no commit takes long, and says whether there was anything.
fn delete_dropped(transaction: &Connection, flows: &mut Flows) -> Result<bool, WriteError> {
    let mut has_deleted = false;
    for flow in flows.iter_mut() {
        let Some(until) = flow.dropped_until() else { continue };
        // The log ended before `until` when it was given up: no block lies across.
        let keep = until.min(flow.oldest + CHUNK_EVENTS * CHUNKS_MAX as u64);
        log::delete(transaction, flow.id, flow.oldest, keep - 1)?;
        flow.begins_with(log::oldest(transaction, flow.id)?.unwrap_or(flow.next));
        has_deleted = true;
    }
    Ok(has_deleted)
}

/// Deletes whole blocks only; `false` when none ends before `keep`.
fn trim(transaction: &Connection, flow: &mut Flow, keep: u64) -> Result<bool, WriteError> {
    let before = flow.oldest;
    flow.begins_with(log::trim(transaction, flow.id, flow.oldest, keep)?);
    Ok(flow.oldest != before)
}
