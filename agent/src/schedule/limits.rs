//! What keeps events back that could go: the destination's rate, and the pace and the start of a backlog. Pure.

use plantlink_config::Pacing;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::recovery::Return;
use crate::slot::Slot;

/// Which key of the destination keeps events back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
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

    /// The destination is back: a backlog waits for its moment, or for what is left until then.
    pub(super) fn returned(&mut self, how: Return, now: Instant) {
        self.start_at = self.start.map(|start| match how {
            Return::AtOnce => now + start.offset(),
            Return::InSlot => now + start.offset_after_tries(),
        });
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plantlink_config::{Drain, Rate};

    use super::*;

    const WITHIN: Duration = Duration::from_secs(40);

    fn limits(rate: Option<u32>, drain: Option<u32>, now: Instant) -> Limits {
        let rate = rate.map(|per_second| Rate { per_second, burst: per_second });
        let drain = Drain { per_second: drain, start_within: Some(WITHIN) };
        Limits::new(&Pacing { rate, drain }, Some(slot(WITHIN)), now)
    }

    fn slot(within: Duration) -> Slot {
        Slot::new("mill", "gw", "central", within)
    }

    #[test]
    fn a_backlog_begins_at_its_moment_after_the_return_and_new_events_do_not_wait_for_it() {
        let now = Instant::now();
        let mut limits = limits(None, None, now);
        limits.returned(Return::AtOnce, now);
        let start = now + slot(WITHIN).offset();
        assert_eq!(limits.of_backlog(100, now), Err(start));
        assert_eq!(limits.holding(), Some(Limit::StartWithin));
        assert_eq!((limits.of_all(100, now), limits.holding()), (Ok(100), None));
        assert_eq!((limits.of_backlog(100, start), limits.holding()), (Ok(100), None));
    }

    #[test]
    fn what_was_waited_for_the_slot_of_a_try_is_not_waited_for_again() {
        let now = Instant::now();
        for (within_s, left_s) in [(40, 0), (60, 0), (300, 240)] {
            let within = Duration::from_secs(within_s);
            let mut limits = Limits::new(&Pacing::default(), Some(slot(within)), now);
            limits.returned(Return::InSlot, now);
            let start = now + slot(Duration::from_secs(left_s)).offset();
            let expected = if left_s == 0 { Ok(100) } else { Err(start) };
            assert_eq!(limits.of_backlog(100, now), expected, "{within:?}");
        }
    }

    #[test]
    fn a_backlog_in_order_shrinks_by_so_many_a_second_however_many_join_it() {
        for (joining, expected) in [(0, 1_000), (10, 2_000), (50, 6_000)] {
            let now = Instant::now();
            let (mut limits, mut gone) = (limits(None, Some(100), now), 0);
            // Ten seconds, in which so many join every 100 ms; the first second's worth was saved up.
            for step in 1..=100 {
                limits.joined(joining);
                if let Ok(events) = limits.of_backlog(10_000, now + Duration::from_millis(100) * step) {
                    limits.take(events, true);
                    gone += events;
                }
            }
            assert_eq!(gone, expected + 100 - 10, "{joining} joining");
        }
    }

    #[test]
    fn the_rate_is_that_of_all_events_and_the_drain_that_of_a_backlog_alone() {
        let now = Instant::now();
        let mut limits = limits(Some(100), Some(10), now);
        limits.take(60, false);
        assert_eq!((limits.of_backlog(50, now), limits.holding()), (Ok(10), Some(Limit::Drain)));
        limits.take(10, true);
        assert_eq!((limits.of_all(50, now), limits.holding()), (Ok(30), Some(Limit::Rate)));
        assert!(limits.of_backlog(50, now).is_err());
    }
}
