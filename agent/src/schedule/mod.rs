//! Which flow of a destination is served next, and when.

mod claims;
mod outlet;
mod rota;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{Flight, FlowId, FlowState, Hold, ReadError, Reader, Span, SpanKind, Stored};
use plantlink_config::{Flow, Name, Order};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::destination::{Batch, DeliverError, Delivery};
use crate::envelope::{Envelope, Site};
use claims::Claims;
use outlet::Outlet;
pub(crate) use rota::Part;
use rota::Rota;

/// A paused flow is offered again after this long, to see whether the cause is gone.
const PROBE: Duration = Duration::from_secs(5);
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

impl Turn {
    /// From where it stands to behind its last event.
    pub(crate) fn numbers(&self) -> Range<u64> {
        self.from..self.batch.events.last().map_or(self.from, |last| last.sequence() + 1)
    }
}

/// The flows of one destination.
pub(crate) struct Schedule {
    destination: Name,
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
    claims: Claims,
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
        destination: Name,
        site: Arc<Site>,
        flows: &[(FlowId, &Flow)],
        reader: Reader,
        levels: watch::Receiver<Vec<FlowState>>,
    ) -> Self {
        let mut rota = Rota::default();
        let lost = |id| levels.borrow().iter().find(|level| level.id == id).map_or(0, |level| level.replay_lost);
        let outlets = flows.iter().map(|(id, flow)| Outlet::new(*id, flow, lost(*id), &mut rota)).collect();
        Schedule {
            destination,
            site,
            outlets,
            rota,
            levels,
            reader: Some(reader),
            backoff: Backoff::default(),
            not_before: None,
            refused: false,
            claims: Claims::default(),
        }
    }

    /// Waits until a flow has something to deliver and may; then reads its oldest events.
    pub(crate) async fn next(&mut self, events_max: usize) -> Result<Turn, UnreadableFlow> {
        loop {
            self.rest().await;
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

    /// Waits as long as the destination has to be left alone.
    pub(crate) async fn rest(&mut self) {
        if let Some(not_before) = self.not_before {
            sleep_until(not_before).await;
            self.not_before = None;
        }
    }

    /// The same turn as [`Self::next`] would bring, if there is one now.
    pub(crate) async fn at_once(&mut self, events_max: usize) -> Result<Option<Turn>, UnreadableFlow> {
        match self.ready(Instant::now()) {
            (Some(ready), _) => self.read(ready, events_max).await,
            (None, _) => Ok(None),
        }
    }

    /// Until it is settled or let go, its events are in no other turn.
    pub(crate) fn claim(&mut self, turn: &Turn) {
        self.claims.add(turn.flow, turn.numbers());
    }

    /// It is settled, or to be offered again.
    pub(crate) fn let_go(&mut self, turn: &Turn) {
        self.claims.remove(turn.flow, &turn.numbers());
    }

    /// Whether its span has to be settled up to it first.
    pub(crate) fn is_behind(&self, turn: &Turn) -> bool {
        let levels = self.levels.borrow();
        let level = levels.iter().find(|level| level.id == turn.flow);
        let is_within = |level: &FlowState, span: &Span| span.next < turn.from && turn.from < span.end(level.next);
        level.is_some_and(|level| level.spans.iter().any(|span| is_within(level, span)))
    }

    /// The turn that a recorded flight was made of, whoever's flow that is now. `None` when the log does not have exactly
    /// these events any more.
    pub(crate) async fn again(&mut self, flight: &Flight) -> Result<Option<Turn>, UnreadableFlow> {
        let (flow, from) = (flight.flow, flight.from);
        let Some(level) = self.levels.borrow().iter().find(|level| level.id == flow).cloned() else { return Ok(None) };
        let mut spans = level.spans.iter();
        let part = match spans.find(|span| (span.next..span.end(level.next)).contains(&from)).map(|span| span.kind) {
            Some(SpanKind::Tail) => Part::Live,
            Some(SpanKind::Backlog) => Part::Backlog,
            Some(SpanKind::Replay) => Part::Replay,
            Some(SpanKind::Dropped) | None => return Ok(None),
        };
        let Some(name) = Name::new(&level.name) else { return Ok(None) };
        let read = self.stored(flow, from, flight.messages.len(), usize::MAX).await;
        let read = read.map_err(|cause| UnreadableFlow { flow: name.clone(), part, cause })?;
        let Some((stored, hold)) = read else { return Ok(None) };
        let numbers = flight.messages.iter().map(|message| message.sequence);
        if !stored.iter().map(|stored| stored.sequence).eq(numbers) {
            return Ok(None);
        }
        let outlet = self.outlets.iter().find(|outlet| outlet.flow == flow);
        let left = stored.last().map_or(0, |last| level.next - last.sequence - 1);
        let cuts = outlet.is_some_and(|outlet| self.cuts(outlet, part, left, stored.len()));
        let events = self.envelopes(&name, stored);
        Ok(Some(Turn { flow, part, from, attempts: 1, cuts, batch: Batch { flow: name, events }, hold }))
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
            // Where its events were to go before, they are on their way.
            if level.flying_to.as_ref().is_some_and(|holder| **holder != *self.destination) {
                continue;
            }
            for (lane_index, lane) in outlet.lanes.iter().enumerate() {
                let Some(numbers) = lane.numbers(outlet.order, level, &self.claims) else { continue };
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
        let Some((flow, batch_max)) = self.outlets.get(outlet).map(|outlet| (outlet.flow, outlet.batch_max)) else {
            return Ok(None);
        };
        let from = numbers.start;
        let events_max = batch_max.map_or(events_max, |max| max.min(events_max));
        let read = self.stored(flow, from, events_max, BATCH_BYTES_MAX).await;
        let Some(served) = self.outlets.get_mut(outlet) else { return Ok(None) };
        let name = served.name.clone();
        let Some(lane) = served.lanes.get_mut(lane) else { return Ok(None) };
        let part = lane.part;
        let read = read.map_err(|cause| {
            lane.wait();
            UnreadableFlow { flow: name.clone(), part, cause }
        })?;
        let Some((mut stored, hold)) = read else { return Ok(None) };
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
        let attempts = lane.attempts;
        let cuts = self.outlets.get(outlet).is_some_and(|outlet| self.cuts(outlet, part, left, stored.len()));
        let events = self.envelopes(&name, stored);
        Ok(Some(Turn { flow, part, from, attempts, cuts, batch: Batch { flow: name, events }, hold }))
    }

    /// Whether so much is left behind a batch that it becomes a backlog. Behind another one on its way that is decided.
    fn cuts(&self, outlet: &Outlet, part: Part, left: u64, batch: usize) -> bool {
        match (outlet.order, part) {
            (Order::LiveFirst, Part::Live) => outlet.was_away && left > batch as u64 && !self.claims.has(outlet.flow),
            (Order::LiveFirst, Part::Backlog | Part::Replay) | (Order::Strict, _) => false,
        }
    }

    fn envelopes(&self, flow: &Name, stored: Vec<Stored>) -> Vec<Envelope> {
        stored.into_iter().map(|stored| Envelope::new(self.site.clone(), flow.clone(), stored)).collect()
    }

    /// `None` when an earlier call was given up in the middle, at a stop.
    async fn stored(
        &mut self,
        flow: FlowId,
        from: u64,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<Option<(Vec<Stored>, Hold)>, Box<ReadError>> {
        let Some(mut reader) = self.reader.take() else { return Ok(None) };
        let joined = tokio::task::spawn_blocking(move || {
            let read = reader.offer(flow, from, events_max, bytes_max);
            (reader, read)
        })
        .await;
        let (reader, read) = match joined {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        self.reader = Some(reader);
        read.map(Some).map_err(Box::new)
    }
}

async fn wake(earliest: Option<Instant>) {
    match earliest {
        Some(earliest) => sleep_until(earliest).await,
        None => std::future::pending().await,
    }
}
