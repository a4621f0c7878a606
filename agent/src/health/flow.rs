//! A flow as its destination treats it: paused or not, in time or late, and what happened to its events.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::delays::Delays;
use super::progress::Progress;
use super::{Remark, Seldom, Turned, now, remark};

/// One flow. The counts are since the start.
#[derive(Debug, Clone, Default)]
pub(crate) struct FlowHealth {
    pub(crate) paused: Option<Pause>,
    /// Events that no record of the destination takes.
    pub(crate) unused: u64,
    /// Events that the broker took while nobody was subscribed.
    pub(crate) unheard: u64,
    pub(crate) last_dead: Option<Remark>,
    /// What the last event that was put aside waits for.
    pub(crate) last_waiting: Option<Remark>,
    /// The breach of its `max_delay` that goes on.
    pub(crate) late: Option<Late>,
    /// Breaches of its `max_delay`, with the one that goes on.
    pub(crate) breaches: u64,
    pub(crate) delays: Delays,
    pub(crate) progress: Progress,
    /// When events were given up last, as far as that was seen.
    pub(crate) last_dropped: Option<Dropped>,
    /// How many were given up, as it was seen last.
    dropped: Option<u64>,
    told: Seldom,
    told_waiting: Seldom,
}

/// Why a flow stands still, and since when.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Pause {
    pub(crate) reason: String,
    pub(crate) since: String,
}

/// Since when a flow is late.
#[derive(Debug, Clone)]
pub(crate) struct Late {
    pub(crate) since: String,
    began: Instant,
}

/// When events were given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) at: String,
    pub(crate) seen: Instant,
}

/// A breach begins or ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LateTurn {
    Begun,
    Ended { after: Duration },
}

impl FlowHealth {
    pub(crate) fn pause(&mut self, reason: &str) -> Turned {
        match &mut self.paused {
            Some(pause) => {
                let turned = if pause.reason == reason { Turned::No } else { Turned::Yes };
                pause.reason = reason.to_owned();
                turned
            }
            None => {
                self.paused = Some(Pause { reason: reason.to_owned(), since: now() });
                Turned::Yes
            }
        }
    }

    pub(crate) fn resume(&mut self) -> Turned {
        if self.paused.take().is_some() { Turned::Yes } else { Turned::No }
    }

    /// Says when a breach begins and when it ends.
    pub(crate) fn late(&mut self, is_late: bool) -> Option<LateTurn> {
        match (&self.late, is_late) {
            (None, true) => {
                self.late = Some(Late { since: now(), began: Instant::now() });
                self.breaches += 1;
                Some(LateTurn::Begun)
            }
            (Some(late), false) => {
                let after = Duration::from_secs(late.began.elapsed().as_secs());
                self.late = None;
                Some(LateTurn::Ended { after })
            }
            (None, false) | (Some(_), true) => None,
        }
    }

    /// So many events wait now, and so many were ever given up. What was before the first look is long ago.
    pub(crate) fn look(&mut self, waiting: u64, dropped: u64) {
        self.progress.look(waiting, Instant::now());
        if self.dropped.replace(dropped).is_some_and(|before| dropped > before) {
            self.last_dropped = Some(Dropped { at: now(), seen: Instant::now() });
        }
    }

    pub(crate) fn delivered(&mut self, delays: impl Iterator<Item = Duration>) {
        let now = Instant::now();
        delays.for_each(|delay| self.delays.record(delay, now));
    }

    /// Says yes when it is worth a line in the log.
    pub(crate) fn dead(&mut self, reason: &str) -> Turned {
        self.last_dead = Some(remark(reason));
        self.told.tell()
    }

    /// Says yes when it is worth a line in the log.
    pub(crate) fn waits(&mut self, reason: &str) -> Turned {
        self.last_waiting = Some(remark(reason));
        self.told_waiting.tell()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_were_given_up_before_the_start_have_no_time_and_later_ones_have() {
        let mut flow = FlowHealth::default();
        flow.look(5, 7);
        flow.look(4, 7);
        assert_eq!(flow.last_dropped, None);
        let before = Instant::now();
        flow.look(3, 8);
        let last = flow.last_dropped.clone().unwrap();
        assert!(last.seen >= before, "{last:?}");
        flow.look(2, 8);
        assert_eq!(flow.last_dropped, Some(last));
    }
}
