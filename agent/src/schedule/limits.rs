//! What keeps events back that could go: the destination's rate, and the pace and the start of a backlog. Pure.

use plantlink_config::Pacing;
use serde::Serialize;
use tokio::time::Instant;

use super::bucket::Bucket;
use crate::slot::Slot;

/// Which key of the destination keeps events back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Limit {
    /// `rate`.
    Rate,
    /// `drain.per_second`.
    Drain,
    /// `drain.start_within`: the backlog's moment has not come.
    StartWithin,
}

/// The limits of one destination.
pub(super) struct Limits {
    rate: Option<Bucket>,
    drain: Option<Bucket>,
    /// When, after a return, a backlog begins.
    start: Option<Slot>,
    start_at: Option<Instant>,
    /// What keeps something back, as far as it was asked since the last look.
    holding: Option<Limit>,
}

impl Limits {
    pub(super) fn new(pacing: &Pacing, start: Option<Slot>, now: Instant) -> Self {
        Limits {
            rate: pacing.rate.map(|rate| Bucket::new(rate.per_second, rate.burst, now)),
            drain: pacing.drain.per_second.map(|per_second| Bucket::new(per_second, per_second, now)),
            start,
            start_at: None,
            holding: None,
        }
    }

    /// The destination is back: a backlog waits for its moment.
    pub(super) fn returned(&mut self, now: Instant) {
        self.start_at = self.start.map(|start| now + start.offset());
    }

    /// New events that go in their place among a backlog, so that the backlog shrinks all the same.
    pub(super) fn joined(&mut self, events: u64) {
        if let Some(drain) = &mut self.drain {
            drain.add(events);
        }
    }

    /// How many of so many events of a backlog may go; else when.
    pub(super) fn of_backlog(&mut self, wanted: u64, now: Instant) -> Result<u64, Instant> {
        if let Some(start_at) = self.start_at.filter(|start_at| *start_at > now) {
            self.holding = Some(Limit::StartWithin);
            return Err(start_at);
        }
        let Some(drain) = &mut self.drain else { return Ok(wanted) };
        let admitted = drain.admit(wanted, now);
        if admitted != Ok(wanted) {
            self.holding = Some(Limit::Drain);
        }
        admitted
    }

    /// How many of so many events may go; else when.
    pub(super) fn of_all(&mut self, wanted: u64, now: Instant) -> Result<u64, Instant> {
        let Some(rate) = &mut self.rate else { return Ok(wanted) };
        let admitted = rate.admit(wanted, now);
        if admitted != Ok(wanted) {
            self.holding = Some(Limit::Rate);
        }
        admitted
    }

    /// So many events go.
    pub(super) fn take(&mut self, events: u64, is_backlog: bool) {
        if let Some(rate) = &mut self.rate {
            rate.take(events);
        }
        if let Some(drain) = self.drain.as_mut().filter(|_| is_backlog) {
            drain.take(events);
        }
    }

    /// What has kept something back since this was asked last.
    pub(super) fn holding(&mut self) -> Option<Limit> {
        self.holding.take()
    }
}
