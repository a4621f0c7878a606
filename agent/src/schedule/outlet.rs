//! A flow as its destination's schedule sees it: the parts of its log, and since when each waits.

use std::ops::Range;
use std::time::Duration;

use plantlink_buffer::{FlowId, FlowState, Span, SpanKind};
use plantlink_config::{Flow, Name, Order};
use tokio::time::Instant;

use super::PROBE;
use super::claims::Claims;
use super::draining::Draining;
use super::rota::{Part, Rota};

/// Kept events that cannot be read are tried again after this long: nobody waits for them.
const REPLAY_PROBE: Duration = Duration::from_secs(60);

pub(super) struct Outlet {
    pub(super) flow: FlowId,
    pub(super) name: Name,
    pub(super) order: Order,
    pub(super) not_before: Option<Instant>,
    /// The flow was paused: one event shows whether the cause is gone, then two, then four. What a refused event has
    /// behind it in its batch was taken, and goes out again; this keeps that small.
    pub(super) batch_max: Option<usize>,
    /// Nothing has gone out since the start or the last outage.
    pub(super) was_away: bool,
    pub(super) draining: Draining,
    pub(super) lanes: Vec<Lane>,
    /// Of its kept events, how many were gone before they could be offered again.
    pub(super) replay_lost: u64,
}

/// A part of a flow's log.
pub(super) struct Lane {
    pub(super) part: Part,
    /// Its number in the rota.
    pub(super) seat: usize,
    pub(super) not_before: Option<Instant>,
    /// The first event of the last batch; of what waits, the last one.
    pub(super) offered: u64,
    pub(super) attempts: u32,
}

impl Outlet {
    pub(super) fn new(id: FlowId, flow: &Flow, replay_lost: u64, rota: &mut Rota) -> Self {
        let lane = |part| Lane { part, seat: rota.add(flow.priority, part), not_before: None, offered: 0, attempts: 0 };
        Outlet {
            flow: id,
            name: flow.name.clone(),
            order: flow.order,
            not_before: None,
            batch_max: None,
            was_away: true,
            draining: Draining::new(flow.order),
            lanes: Part::ALL.map(lane).into(),
            replay_lost,
        }
    }
}

impl Lane {
    /// From where it stands to where it ends; `None` while there is nothing.
    pub(super) fn numbers(&self, order: Order, level: &FlowState, claims: &Claims) -> Option<Range<u64>> {
        if self.part == Part::Waiting {
            // They are in no span: each pass begins with the first and goes on behind what it has offered.
            return (level.waiting > 0).then(|| self.offered + 1..level.next);
        }
        let is_mine = |span: &&Span| match (self.part, order) {
            // A backlog from a time when new events went first has the older ones.
            (Part::Live, Order::Strict) => span.is_owed(),
            (Part::Live, Order::LiveFirst) => span.kind == SpanKind::Tail,
            (Part::Waiting, _) | (Part::Backlog, Order::Strict) => false,
            (Part::Backlog, Order::LiveFirst) => span.kind == SpanKind::Backlog,
            (Part::Replay, Order::Strict | Order::LiveFirst) => span.kind == SpanKind::Replay,
        };
        let mine = level.spans.iter().filter(is_mine);
        let free = mine.map(|span| claims.free(level.id, span.next..span.end(level.next)));
        free.filter(|numbers| !numbers.is_empty()).min_by_key(|numbers| numbers.start)
    }

    /// Its events from `from` to `last` are offered. Says how often that has been so for the first of them.
    pub(super) fn offers(&mut self, from: u64, last: u64) -> u32 {
        match self.part {
            Part::Live | Part::Backlog | Part::Replay => {
                self.attempts = if self.offered == from { self.attempts.saturating_add(1) } else { 1 };
                self.offered = from;
            }
            Part::Waiting => (self.attempts, self.offered) = (1, last),
        }
        self.attempts
    }

    /// It is not looked at again at once.
    pub(super) fn wait(&mut self) {
        let pause = match self.part {
            Part::Live | Part::Waiting | Part::Backlog => PROBE,
            Part::Replay => REPLAY_PROBE,
        };
        self.not_before = Some(Instant::now() + pause);
    }
}
