//! Which flow of a destination is served next, and when.

mod rota;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{FlowId, FlowState, Hold, ReadError, Reader, Span, SpanKind};
use plantlink_config::{Flow, Name, Order};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::destination::{Batch, DeliverError, Delivery};
use crate::envelope::{Envelope, Site};
pub(crate) use rota::Part;
use rota::Rota;

/// A paused flow is offered again after this long, to see whether the cause is gone.
const PROBE: Duration = Duration::from_secs(5);
/// Kept events that cannot be read are tried again after this long: nobody waits for them.
const REPLAY_PROBE: Duration = Duration::from_secs(60);
/// A destination that does not let us in is asked again after this long: often enough to resume soon, and too seldom to
/// lock an account.
const KNOCK: Duration = Duration::from_secs(8);
/// From here on a flow that was paused is offered in whole batches again.
const CAREFUL_MAX: usize = 64;
/// A destination that asks for more patience than this is asked again all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// A batch is not read on beyond this, whatever the number of its events.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// A batch, and where in its flow it stands.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) flow: FlowId,
    /// Which part of the flow's log it is from.
    pub(crate) part: Part,
    /// Where that part stands: its first sequence number that has no answer yet.
    pub(crate) from: u64,
    /// How often the first of these events has been offered, this time included.
    pub(crate) attempts: u32,
    /// The destination is back, and so much waits behind this batch that new events should not: once there is an answer,
    /// the rest becomes a backlog.
    pub(crate) cuts: bool,
    pub(crate) batch: Batch,
    /// A full buffer gives up none of these events until their answers are written down.
    pub(crate) hold: Hold,
}

/// The flows of one destination.
pub(crate) struct Schedule {
    site: Arc<Site>,
    outlets: Vec<Outlet>,
    rota: Rota,
    levels: watch::Receiver<Vec<FlowState>>,
    reader: Option<Reader>,
    backoff: Backoff,
    /// Nothing is offered before.
    not_before: Option<Instant>,
    /// The destination did not let us in at the last turn.
    refused: bool,
}

struct Outlet {
    flow: FlowId,
    name: Name,
    order: Order,
    not_before: Option<Instant>,
    /// The flow was paused: one event shows whether the cause is gone, then two, then four. What a refused event has
    /// behind it in its batch was taken, and goes out again; this keeps that small.
    batch_max: Option<usize>,
    /// Nothing has gone out since the start or the last outage.
    was_away: bool,
    lanes: Vec<Lane>,
    /// Of its kept events, how many were gone before they could be offered again.
    replay_lost: u64,
}

/// A part of a flow's log.
struct Lane {
    part: Part,
    /// Its number in the rota.
    seat: usize,
    not_before: Option<Instant>,
    offered: u64,
    attempts: u32,
}

/// What can be read next.
struct Ready {
    outlet: usize,
    lane: usize,
    seat: usize,
    /// From where it stands to where it ends.
    numbers: Range<u64>,
}

/// A flow's log that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the flow's log")]
pub(crate) struct UnreadableFlow {
    pub(crate) flow: Name,
    pub(crate) part: Part,
    #[source]
    cause: Box<ReadError>,
}

impl UnreadableFlow {
    /// Whether the next start has to salvage the buffer.
    pub(crate) fn is_damage(&self) -> bool {
        self.cause.is_damage()
    }
}

impl Schedule {
    pub(crate) fn new(
        site: Arc<Site>,
        flows: &[(FlowId, &Flow)],
        reader: Reader,
        levels: watch::Receiver<Vec<FlowState>>,
    ) -> Self {
        let mut rota = Rota::default();
        let lost = |id| levels.borrow().iter().find(|level| level.id == id).map_or(0, |level| level.replay_lost);
        let outlets = flows.iter().map(|(id, flow)| Outlet::new(*id, flow, lost(*id), &mut rota)).collect();
        Schedule {
            site,
            outlets,
            rota,
            levels,
            reader: Some(reader),
            backoff: Backoff::default(),
            not_before: None,
            refused: false,
        }
    }

    /// Waits until a flow has something to deliver and may; then reads its oldest events.
    pub(crate) async fn next(&mut self, events_max: usize) -> Result<Turn, UnreadableFlow> {
        loop {
            if let Some(not_before) = self.not_before {
                sleep_until(not_before).await;
                self.not_before = None;
            }
            let (ready, earliest) = self.ready(Instant::now());
            let Some(ready) = ready else {
                tokio::select! {
                    // The store outlives every schedule; without it there is nothing to wait for but the end.
                    changed = self.levels.changed() => if changed.is_err() { std::future::pending::<()>().await },
                    () = wake(earliest) => {}
                }
                continue;
            };
            if let Some(turn) = self.read(ready, events_max).await? {
                return Ok(turn);
            }
        }
    }

    /// Its flows.
    pub(crate) fn flows(&self) -> impl Iterator<Item = &Name> {
        self.outlets.iter().map(|outlet| &outlet.name)
    }

    /// A flow whose kept events were given up before they could be offered again, with their number, once each time.
    pub(crate) fn lost_replay(&mut self) -> Option<(&Name, u64)> {
        let levels = self.levels.borrow();
        self.outlets.iter_mut().find_map(|outlet| {
            let lost = levels.iter().find(|level| level.id == outlet.flow)?.replay_lost;
            let before = std::mem::replace(&mut outlet.replay_lost, lost);
            (lost > before).then(|| (&outlet.name, lost - before))
        })
    }

    /// Whether the destination did not let us in at the turn before this one.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Takes in what came of a turn: how long to wait, and for whom.
    pub(crate) fn learn(&mut self, turn: &Turn, delivery: &Delivery) {
        let now = Instant::now();
        self.refused = matches!(delivery.rest, Err(DeliverError::Refused { .. }))
            || (self.refused && matches!(delivery.rest, Err(DeliverError::Unreachable(_) | DeliverError::Busy { .. })));
        if let Some(outlet) = self.outlets.iter_mut().find(|outlet| outlet.flow == turn.flow) {
            match &delivery.rest {
                Err(DeliverError::Paused { .. }) => {
                    outlet.batch_max = Some(1);
                    outlet.was_away = true;
                    outlet.not_before = Some(now + PROBE);
                }
                Ok(()) => {
                    outlet.was_away &= delivery.outcomes.is_empty();
                    outlet.batch_max = outlet.batch_max.map(|max| max * 2).filter(|max| *max < CAREFUL_MAX);
                }
                Err(DeliverError::Unreachable(_) | DeliverError::Busy { .. } | DeliverError::Refused { .. }) => {}
            }
        }
        match &delivery.rest {
            Ok(()) | Err(DeliverError::Paused { .. }) => {}
            Err(DeliverError::Unreachable(_) | DeliverError::Busy { .. } | DeliverError::Refused { .. }) => {
                self.outlets.iter_mut().for_each(|outlet| outlet.was_away = true);
            }
        }
        match &delivery.rest {
            Ok(()) => self.backoff.reset(),
            Err(DeliverError::Unreachable(_)) => {
                if !delivery.outcomes.is_empty() {
                    self.backoff.reset();
                }
                self.not_before = Some(now + self.backoff.next(fastrand::f64()));
            }
            Err(DeliverError::Busy { retry_after }) => {
                let pause = self.backoff.next(fastrand::f64());
                self.not_before = Some(now + retry_after.unwrap_or(pause).min(RETRY_AFTER_MAX));
            }
            // The flow waits, its neighbors do not.
            Err(DeliverError::Paused { .. }) => {}
            Err(DeliverError::Refused { .. }) => self.not_before = Some(now + KNOCK),
        }
    }

    /// What goes next; else when something that waits may again.
    fn ready(&mut self, now: Instant) -> (Option<Ready>, Option<Instant>) {
        let levels = self.levels.borrow_and_update();
        let mut earliest: Option<Instant> = None;
        let mut ready = Vec::new();
        for (index, outlet) in self.outlets.iter().enumerate() {
            let Some(level) = levels.iter().find(|level| level.id == outlet.flow) else { continue };
            for (lane_index, lane) in outlet.lanes.iter().enumerate() {
                let Some(numbers) = lane.numbers(outlet.order, level) else { continue };
                match outlet.not_before.max(lane.not_before) {
                    Some(not_before) if not_before > now => {
                        earliest = Some(earliest.map_or(not_before, |earliest| earliest.min(not_before)));
                    }
                    Some(_) | None => ready.push(Ready { outlet: index, lane: lane_index, seat: lane.seat, numbers }),
                }
            }
        }
        let seats: Vec<usize> = ready.iter().map(|ready| ready.seat).collect();
        let chosen = self.rota.choose(&seats);
        (ready.into_iter().find(|ready| Some(ready.seat) == chosen), earliest)
    }

    async fn read(&mut self, ready: Ready, events_max: usize) -> Result<Option<Turn>, UnreadableFlow> {
        let Ready { outlet, lane, seat, numbers } = ready;
        let (Some(outlet), Some(mut reader)) = (self.outlets.get_mut(outlet), self.reader.take()) else {
            return Ok(None);
        };
        let flow = outlet.flow;
        let from = numbers.start;
        let events_max = outlet.batch_max.map_or(events_max, |max| max.min(events_max));
        let joined = tokio::task::spawn_blocking(move || {
            let read = reader.offer(flow, from, events_max, BATCH_BYTES_MAX);
            (reader, read)
        })
        .await;
        let (reader, read) = match joined {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        self.reader = Some(reader);
        let Some(lane) = outlet.lanes.get_mut(lane) else { return Ok(None) };
        let (mut stored, hold) = read.map_err(|cause| {
            lane.wait();
            UnreadableFlow { flow: outlet.name.clone(), part: lane.part, cause: Box::new(cause) }
        })?;
        stored.retain(|stored| stored.sequence < numbers.end);
        let Some(last) = stored.last() else {
            // The log says there is more, and there is nothing to see: look again later rather than at once.
            lane.wait();
            return Ok(None);
        };
        let left = numbers.end - last.sequence - 1;
        self.rota.served(seat, left == 0);
        lane.attempts = if lane.offered == from { lane.attempts.saturating_add(1) } else { 1 };
        lane.offered = from;
        let cuts = match (outlet.order, lane.part) {
            (Order::LiveFirst, Part::Live) => outlet.was_away && left > stored.len() as u64,
            (Order::LiveFirst, Part::Backlog | Part::Replay) | (Order::Strict, _) => false,
        };
        let events =
            stored.into_iter().map(|stored| Envelope::new(self.site.clone(), outlet.name.clone(), stored)).collect();
        let batch = Batch { flow: outlet.name.clone(), events };
        Ok(Some(Turn { flow, part: lane.part, from, attempts: lane.attempts, cuts, batch, hold }))
    }
}

impl Outlet {
    fn new(id: FlowId, flow: &Flow, replay_lost: u64, rota: &mut Rota) -> Self {
        let lane = |part| Lane { part, seat: rota.add(flow.priority, part), not_before: None, offered: 0, attempts: 0 };
        Outlet {
            flow: id,
            name: flow.name.clone(),
            order: flow.order,
            not_before: None,
            batch_max: None,
            was_away: true,
            lanes: Part::ALL.map(lane).into(),
            replay_lost,
        }
    }
}

impl Lane {
    /// From where it stands to where it ends; `None` while there is nothing.
    fn numbers(&self, order: Order, level: &FlowState) -> Option<Range<u64>> {
        let mut spans = level.spans.iter().filter(|span| span.next < span.end(level.next));
        let span = match (self.part, order) {
            // A backlog from a time when new events went first has the older ones.
            (Part::Live, Order::Strict) => spans.filter(|span| span.is_owed()).min_by_key(|span| span.next),
            (Part::Live, Order::LiveFirst) => spans.find(|span| span.kind == SpanKind::Tail),
            (Part::Backlog, Order::Strict) => None,
            (Part::Backlog, Order::LiveFirst) => oldest(spans, SpanKind::Backlog),
            (Part::Replay, Order::Strict | Order::LiveFirst) => oldest(spans, SpanKind::Replay),
        }?;
        Some(span.next..span.end(level.next))
    }

    /// It is not looked at again at once.
    fn wait(&mut self) {
        let pause = match self.part {
            Part::Live | Part::Backlog => PROBE,
            Part::Replay => REPLAY_PROBE,
        };
        self.not_before = Some(Instant::now() + pause);
    }
}

fn oldest<'a>(spans: impl Iterator<Item = &'a Span>, kind: SpanKind) -> Option<&'a Span> {
    spans.filter(|span| span.kind == kind).min_by_key(|span| span.next)
}

async fn wake(earliest: Option<Instant>) {
    match earliest {
        Some(earliest) => sleep_until(earliest).await,
        None => std::future::pending().await,
    }
}
