//! A flow as its destination's schedule sees it: the parts of its log, and since when each waits.

use std::ops::Range;
use std::time::Duration;

use plantlink_buffer::{FlowId, FlowState, Span, SpanKind};
use plantlink_config::{Flow, Name, Order};
use tokio::time::Instant;

use super::breaks::Breaks;
use super::claims::Claims;
use super::draining::Draining;
use super::offers::Offers;
use super::rota::{Part, Rota};
use super::streak::Streak;
use super::turn::Turn;
use crate::destination::{DeliverError, Delivery, Outcome};

/// A paused flow is offered again after this long, to see whether the cause is gone.
const PROBE: Duration = Duration::from_secs(5);
/// From here on a flow that was paused is offered in whole batches again.
const CAREFUL_MAX: usize = 64;
/// Kept events that cannot be read are tried again after this long: nobody waits for them.
const REPLAY_PROBE: Duration = Duration::from_secs(60);

pub(super) struct Outlet {
    pub(super) flow: FlowId,
    pub(super) name: Name,
    pub(super) order: Order,
    pub(super) not_before: Option<Instant>,
    /// The flow was paused, or a connection broke with its events: one event shows whether the cause is gone, then two,
    /// then four. What a refused event has behind it in its batch was taken, and goes out again; this keeps that small.
    pub(super) batch_max: Option<usize>,
    /// Nothing has gone out since the start or the last outage.
    pub(super) was_away: bool,
    pub(super) draining: Draining,
    pub(super) lanes: Vec<Lane>,
    /// Of its kept events, how many were gone before they could be offered again.
    pub(super) replay_lost: u64,
    pub(super) offers: Offers,
    pub(super) streak: Streak,
    pub(super) breaks: Breaks,
}

/// A part of a flow's log.
pub(super) struct Lane {
    pub(super) part: Part,
    /// Its number in the rota.
    pub(super) seat: usize,
    pub(super) not_before: Option<Instant>,
    /// Of what waits, the last event that was offered.
    pub(super) offered: u64,
}

impl Outlet {
    pub(super) fn new(id: FlowId, flow: &Flow, replay_lost: u64, rota: &mut Rota) -> Self {
        let lane = |part| Lane { part, seat: rota.add(flow.priority, part), not_before: None, offered: 0 };
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
            offers: Offers::default(),
            streak: Streak::default(),
            breaks: Breaks::default(),
        }
    }

    /// Takes in what came of a turn, as far as it concerns this flow alone.
    pub(super) fn learn(&mut self, turn: &Turn, delivery: &Delivery, now: Instant) {
        match turn.part {
            Part::Live | Part::Backlog => {
                let answered = turn.numbers_of(delivery.outcomes.len());
                self.offers.answered(&answered);
                if delivery.rest.is_err() {
                    self.offers.unanswered(answered.end..turn.numbers().end);
                }
            }
            // What waits was answered, and what is offered again became what it is at its first time.
            Part::Waiting | Part::Replay => {}
        }
        if turn.part == Part::Waiting && delivery.outcomes.iter().all(Outcome::waits) {
            self.lanes.iter_mut().filter(|lane| lane.part == Part::Waiting).for_each(Lane::wait);
        }
        match &delivery.rest {
            Err(DeliverError::Paused { .. }) => {
                self.batch_max = Some(1);
                self.was_away = true;
                self.not_before = Some(now + PROBE);
            }
            Ok(()) => {
                self.was_away &= delivery.outcomes.is_empty();
                self.batch_max = self.batch_max.map(|max| max * 2).filter(|max| *max < CAREFUL_MAX);
            }
            Err(
                DeliverError::Unreachable(_)
                | DeliverError::Broken(_)
                | DeliverError::Busy { .. }
                | DeliverError::Refused { .. },
            ) => {}
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

    /// Its events up to this one are offered.
    pub(super) fn passes(&mut self, last: u64) {
        match self.part {
            // Their span says where they stand.
            Part::Live | Part::Backlog | Part::Replay => {}
            Part::Waiting => self.offered = last,
        }
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
