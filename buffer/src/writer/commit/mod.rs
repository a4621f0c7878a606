//! The writer's thread: takes what is submitted, commits what is due, and stays with what the disk refuses.

use std::error::Error;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::queue::{Group, Queue};
use super::{DiskState, Order, Reconfiguration};
use crate::buffer::Buffer;
use crate::error::{Cause, WriteError};
use crate::work::Durability;

/// The time within which written settlements are synced.
const SYNC_WITHIN: Duration = Duration::from_secs(1);

/// The pause after the first refusal; each further one doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

pub(super) struct Committer {
    buffer: Buffer,
    orders: Receiver<Order>,
    on_state: Box<dyn Fn(&DiskState) + Send>,
    queue: Queue,
    refusal: Option<Refusal>,
    /// When what is only written has to be synced.
    sync_due: Option<Instant>,
    is_stopping: bool,
}

/// The disk does not take what it is given.
struct Refusal {
    since: Instant,
    reason: String,
    pause: Duration,
    retry_at: Instant,
    /// Not even settlements, which need little room and make some.
    of_settles: bool,
}

impl Committer {
    pub(super) fn new(
        buffer: Buffer,
        orders: Receiver<Order>,
        queue: Queue,
        on_state: Box<dyn Fn(&DiskState) + Send>,
    ) -> Self {
        Self { buffer, orders, on_state, queue, refusal: None, sync_due: None, is_stopping: false }
    }

    /// Runs until it is told to stop, or until going on would hide a defect.
    pub(super) fn run(mut self) -> Result<(), WriteError> {
        while !self.is_stopping {
            self.receive();
            match self.attempt() {
                Ok(()) => {}
                Err(WriteError::Refused(cause)) => self.refused(&cause),
                Err(error @ (WriteError::Damaged(_) | WriteError::Inconsistent(_))) => {
                    (self.on_state)(&DiskState::Broken { reason: reason(&error) });
                    return Err(error);
                }
            }
        }
        self.queue.hurry(Instant::now());
        self.write()?;
        self.buffer.close()
    }

    /// Takes orders until something is due.
    fn receive(&mut self) {
        while self.refusal.is_some() || !self.queue.is_full() {
            let order = match self.wake_at() {
                // An order that is there already is taken also when the time is over: it can ride along.
                Some(time) => self.orders.recv_timeout(time.saturating_duration_since(Instant::now())),
                None => self.orders.recv().map_err(RecvTimeoutError::from),
            };
            match order {
                Ok(Order::Submit { submission, due }) => {
                    self.queue.push(*submission, due);
                    if self.may_settle() {
                        return;
                    }
                }
                Ok(Order::Reconfigure(reconfiguration)) => self.reconfigure(*reconfiguration),
                Ok(Order::Hurry) => self.queue.hurry(Instant::now()),
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.is_stopping = true;
                    return;
                }
                Err(RecvTimeoutError::Timeout) => return,
            }
        }
    }

    /// What was refused before is tried again at once.
    fn reconfigure(&mut self, Reconfiguration { options, yielding, done }: Reconfiguration) {
        let reconfigured = self.buffer.reconfigure(&options, yielding);
        if let Some(refusal) = &mut self.refusal {
            refusal.retry_at = Instant::now();
        }
        done(reconfigured.map(|()| self.buffer.flows()));
    }

    fn wake_at(&self) -> Option<Instant> {
        match &self.refusal {
            Some(refusal) => Some(refusal.retry_at).into_iter().chain(self.sync_due).min(),
            None => self.queue.due().into_iter().chain(self.sync_due).min(),
        }
    }

    /// Whether there are settlements to commit beside appends that the disk refuses. Nothing that a destination waits for is
    /// kept back by what needs room.
    fn may_settle(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| !refusal.of_settles) && self.queue.has_settles()
    }

    /// Does all that is due. What is written already is synced in time, whether or not the disk takes more.
    fn attempt(&mut self) -> Result<(), WriteError> {
        let now = Instant::now();
        let written = match &self.refusal {
            Some(refusal) if refusal.retry_at > now && self.may_settle() => self.settle(),
            Some(refusal) if refusal.retry_at > now => Ok(()),
            Some(_) | None => self.write(),
        };
        written.and(self.sync(now))
    }

    fn write(&mut self) -> Result<(), WriteError> {
        if self.refusal.is_some() {
            self.settle()?;
        }
        while let Some(group) = self.queue.take(Instant::now(), self.refusal.is_some()) {
            self.commit(group)?;
        }
        if self.refusal.take().is_some() {
            (self.on_state)(&DiskState::Writing);
        }
        Ok(())
    }

    /// Settlements alone: they are not kept behind appends that find no room.
    fn settle(&mut self) -> Result<(), WriteError> {
        let settles = self.queue.take_settles();
        let settled = self.commit(settles);
        if let Some(refusal) = &mut self.refusal {
            refusal.of_settles = settled.is_err();
        }
        settled
    }

    fn sync(&mut self, now: Instant) -> Result<(), WriteError> {
        if self.sync_due.is_none_or(|due| due > now) {
            return Ok(());
        }
        let synced = self.buffer.sync();
        self.sync_due = synced.is_err().then(|| now + SYNC_WITHIN);
        synced
    }

    fn commit(&mut self, group: Group) -> Result<(), WriteError> {
        if group.members.is_empty() {
            return Ok(());
        }
        let work = group.members.iter().map(|member| &member.work);
        if let Err(error) = self.buffer.apply(work, group.durability) {
            self.queue.put_back(group);
            return Err(error);
        }
        // A commit that changes nothing syncs nothing either.
        if group.members.iter().any(|member| !member.work.is_empty()) {
            self.sync_due = match group.durability {
                Durability::Synced => None,
                Durability::Written => self.sync_due.or_else(|| Some(Instant::now() + SYNC_WITHIN)),
            };
        }
        let flows = self.buffer.flows();
        for member in group.members {
            (member.done)(&flows);
        }
        Ok(())
    }

    fn refused(&mut self, cause: &Cause) {
        let now = Instant::now();
        let reason = cause.to_string();
        let (since, pause, of_settles, is_news) = match &self.refusal {
            Some(refusal) => {
                let pause = (refusal.pause * 2).min(PAUSE_MAX);
                (refusal.since, pause, refusal.of_settles, refusal.reason != reason)
            }
            None => (now, PAUSE_MIN, false, true),
        };
        if is_news {
            (self.on_state)(&DiskState::Refused { since, reason: reason.clone() });
        }
        self.refusal = Some(Refusal { since, reason, pause, retry_at: now + pause, of_settles });
    }
}

/// The error with its cause, for somebody who gets no more than this.
fn reason(error: &WriteError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
