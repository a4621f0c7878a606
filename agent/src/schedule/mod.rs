//! Which flow of a destination is served next, and when.

mod breaker;
mod breaks;
mod bucket;
mod claims;
mod draining;
mod limits;
mod offers;
mod outlet;
mod recovery;
mod rota;
mod streak;
mod stride;
mod turn;
mod weigh;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{Flight, FlowId, FlowState, Hold, ReadError, Reader, Span, SpanKind, Stored};
use plantlink_config::{Flow, Name, Order, Pacing};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::destination::{Batch, DeliverError, Delivery, Outcome};
use crate::envelope::{Envelope, Site};
use crate::health::Health;
use crate::retry::Retry;
use crate::slot::Slot;
use claims::Claims;
pub(crate) use limits::Limit;
use limits::Limits;
use offers::Offers;
use outlet::Outlet;
use recovery::Recovery;
pub(crate) use rota::Part;
use rota::Rota;
use stride::Stride;
pub(crate) use turn::Turn;

/// A batch is not read on beyond this, whatever the number of its events.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// So many events that wait are offered at once: they share a turn with nobody, and most of them go on waiting.
const WAITING_BATCH_MAX: usize = 100;
/// So many events of a flow may wait. When one more has to, the flow waits for it.
const WAITING_MAX: u64 = 5_000;

/// The flows of one destination.
pub(crate) struct Schedule {
    destination: Name,
    site: Arc<Site>,
    outlets: Vec<Outlet>,
    rota: Rota,
    levels: watch::Receiver<Vec<FlowState>>,
    reader: Option<Reader>,
    recovery: Recovery,
    stride: Stride,
    limits: Limits,
    claims: Claims,
    health: Health,
}

/// What can be read next.
struct Ready {
    outlet: usize,
    lane: usize,
    seat: usize,
    /// From where it stands to where it ends.
    numbers: Range<u64>,
    /// A limit of its own keeps it back, so that so many of them may go.
    admitted: u64,
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
        pacing: &Pacing,
        health: Health,
    ) -> Self {
        let mut rota = Rota::default();
        let lost = |id| levels.borrow().iter().find(|level| level.id == id).map_or(0, |level| level.replay_lost);
        let outlets = flows.iter().map(|(id, flow)| Outlet::new(*id, flow, lost(*id), &mut rota)).collect();
        let slot = pacing.drain.start_within.map(|within| Slot::new(&site.plant, &site.gateway, &destination, within));
        Schedule {
            destination,
            site,
            outlets,
            rota,
            levels,
            reader: Some(reader),
            recovery: Recovery::new(Retry::new(slot)),
            stride: Stride::default(),
            limits: Limits::new(pacing, slot, Instant::now()),
            claims: Claims::default(),
            health,
        }
    }

    /// Waits until a flow has something to deliver and may; then reads its oldest events.
    pub(crate) async fn next(&mut self, events_max: usize) -> Result<Turn, UnreadableFlow> {
        loop {
            self.rest().await;
            let (ready, earliest) = self.ready(events_max, Instant::now());
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
        if let Some(not_before) = self.recovery.not_before() {
            sleep_until(not_before).await;
            self.recovery.rested();
        }
    }

    /// The same turn as [`Self::next`] would bring, if there is one now.
    pub(crate) async fn at_once(&mut self, events_max: usize) -> Result<Option<Turn>, UnreadableFlow> {
        match self.ready(events_max, Instant::now()) {
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
        let read = self.stored(flow, part, from, flight.messages.len(), usize::MAX).await;
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
        let batch = Batch { flow: name, is_replay: part == Part::Replay, events };
        Ok(Some(Turn { flow, part, from, offers: Offers::default(), cuts, batch, hold }))
    }

    fn outlet(&mut self, flow: FlowId) -> Option<&mut Outlet> {
        self.outlets.iter_mut().find(|outlet| outlet.flow == flow)
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
        self.recovery.is_refused()
    }

    /// Until when the destination is left alone, and whether its breaker is open.
    pub(crate) fn standing(&self) -> (Option<Instant>, bool) {
        (self.recovery.not_before(), self.recovery.breaker_is_open())
    }

    /// So many events were answered together, and it took so long.
    pub(crate) fn measured(&mut self, events: usize, took: Duration) {
        self.stride.measured(events, took);
    }

    /// Takes in whether the destination lets us in, when it was asked without a turn.
    pub(crate) fn greeted(&mut self, welcome: Result<(), DeliverError>) {
        let now = Instant::now();
        if self.recovery.learn(&Delivery { outcomes: Vec::new(), rest: welcome }, now) {
            self.limits.returned(now);
        }
    }

    /// Where too many events of the flow wait already, it stops before the next one that would.
    pub(crate) fn let_wait(&self, turn: &Turn, delivery: &mut Delivery) {
        if turn.part != Part::Live && turn.part != Part::Backlog {
            return;
        }
        let levels = self.levels.borrow();
        let waiting = levels.iter().find(|level| level.id == turn.flow).map_or(0, |level| level.waiting);
        let room = usize::try_from(WAITING_MAX.saturating_sub(waiting)).unwrap_or(usize::MAX);
        let mut waits = delivery.outcomes.iter().enumerate().filter(|(_, outcome)| outcome.waits());
        if let Some((first, Outcome::Waits { reason })) = waits.nth(room) {
            let reason = format!("{WAITING_MAX} events wait already; the next one: {reason}");
            delivery.outcomes.truncate(first);
            delivery.rest = Err(DeliverError::Paused { reason });
        }
    }

    /// Takes in what came of a turn: how long to wait, and for whom.
    pub(crate) fn learn(&mut self, turn: &Turn, delivery: &Delivery) {
        let now = Instant::now();
        if self.recovery.learn(delivery, now) {
            self.limits.returned(now);
        }
        if let Some(outlet) = self.outlet(turn.flow) {
            outlet.learn(turn, delivery, now);
        }
        match &delivery.rest {
            Ok(()) | Err(DeliverError::Paused { .. }) => {}
            Err(
                DeliverError::Unreachable(_)
                | DeliverError::Broken(_)
                | DeliverError::Busy { .. }
                | DeliverError::Refused { .. },
            ) => {
                self.outlets.iter_mut().for_each(|outlet| outlet.was_away = true);
            }
        }
    }

    /// What goes next of at most so many events; else when something that waits may again.
    fn ready(&mut self, events_max: usize, now: Instant) -> (Option<Ready>, Option<Instant>) {
        let events_max = self.events_max(events_max);
        let levels = self.levels.borrow_and_update();
        let mut waits = Vec::new();
        let mut ready = Vec::new();
        for (index, outlet) in self.outlets.iter_mut().enumerate() {
            let Some(level) = levels.iter().find(|level| level.id == outlet.flow) else { continue };
            self.limits.joined(outlet.draining.joined(level.next));
            // Where its events were to go before, they are on their way.
            if level.flying_to.as_ref().is_some_and(|holder| **holder != *self.destination) {
                continue;
            }
            for (lane_index, lane) in outlet.lanes.iter().enumerate() {
                let Some(numbers) = lane.numbers(outlet.order, level, &self.claims) else { continue };
                if let Some(not_before) = outlet.not_before.max(lane.not_before).filter(|not_before| *not_before > now)
                {
                    waits.push(not_before);
                    continue;
                }
                let wanted = (numbers.end - numbers.start).min(events_max as u64);
                let admitted = if outlet.draining.is_backlog(lane.part) {
                    self.limits.of_backlog(wanted, now)
                } else {
                    Ok(wanted)
                };
                match admitted {
                    Ok(admitted) => {
                        ready.push(Ready { outlet: index, lane: lane_index, seat: lane.seat, numbers, admitted });
                    }
                    Err(until) => waits.push(until),
                }
            }
        }
        let seats: Vec<usize> = ready.iter().map(|ready| ready.seat).collect();
        let chosen = self.rota.choose(&seats);
        let mut chosen = ready.into_iter().find(|ready| Some(ready.seat) == chosen);
        // The rate is everybody's: it is asked for whoever is most urgent, so that nobody takes the tokens away from it.
        if let Some(ready) = &mut chosen {
            match self.limits.of_all(ready.admitted, now) {
                Ok(admitted) => ready.admitted = admitted,
                Err(until) => {
                    waits.push(until);
                    chosen = None;
                }
            }
        }
        self.health.held_back(&self.destination, self.limits.holding());
        (chosen, waits.into_iter().min())
    }

    /// As many as the destination takes and are answered within a second; one where it is asked whether it is back.
    fn events_max(&self, events_max: usize) -> usize {
        if self.recovery.breaker_is_open() { 1 } else { events_max.min(self.stride.events_max()).max(1) }
    }

    async fn read(&mut self, ready: Ready, events_max: usize) -> Result<Option<Turn>, UnreadableFlow> {
        let Ready { outlet, lane, seat, numbers, admitted } = ready;
        let Some((flow, batch_max)) = self.outlets.get(outlet).map(|outlet| (outlet.flow, outlet.batch_max)) else {
            return Ok(None);
        };
        let from = numbers.start;
        let ordinary = events_max.min(self.stride.events_max());
        let events_max = batch_max.unwrap_or(usize::MAX).min(usize::try_from(admitted).unwrap_or(usize::MAX));
        let Some(part) = self.part(outlet, lane) else { return Ok(None) };
        let read = self.stored(flow, part, from, events_max, BATCH_BYTES_MAX).await;
        let Some(served) = self.outlets.get_mut(outlet) else { return Ok(None) };
        let name = served.name.clone();
        let Some(lane) = served.lanes.get_mut(lane) else { return Ok(None) };
        let read = read.map_err(|cause| {
            lane.wait();
            UnreadableFlow { flow: name.clone(), part, cause }
        })?;
        let Some((mut stored, hold)) = read else { return Ok(None) };
        stored.retain(|stored| stored.sequence < numbers.end);
        let Some(last) = stored.last() else {
            // The log says there is more, and there is nothing to see: look again later rather than at once. A pass through
            // what waits has come to its end.
            lane.offered = 0;
            lane.wait();
            return Ok(None);
        };
        let left = match part {
            Part::Live | Part::Backlog | Part::Replay => numbers.end - last.sequence - 1,
            // The rest of a pass is in no hurry.
            Part::Waiting => 0,
        };
        self.rota.served(seat, left == 0);
        lane.passes(last.sequence);
        let offers = served.offers.clone();
        self.limits.take(stored.len() as u64, served.draining.is_backlog(part));
        served.draining.goes(part, served.was_away, left, ordinary, numbers.end);
        let cuts = self.outlets.get(outlet).is_some_and(|outlet| self.cuts(outlet, part, left, ordinary));
        let events = self.envelopes(&name, stored);
        let batch = Batch { flow: name, is_replay: part == Part::Replay, events };
        Ok(Some(Turn { flow, part, from, offers, cuts, batch, hold }))
    }

    /// Whether so much is left behind a batch that it becomes a backlog. Behind another one on its way that is decided.
    fn cuts(&self, outlet: &Outlet, part: Part, left: u64, batch: usize) -> bool {
        match (outlet.order, part) {
            (Order::LiveFirst, Part::Live) => outlet.was_away && left > batch as u64 && !self.claims.has(outlet.flow),
            (Order::LiveFirst, Part::Waiting | Part::Backlog | Part::Replay) | (Order::Strict, _) => false,
        }
    }

    fn part(&self, outlet: usize, lane: usize) -> Option<Part> {
        Some(self.outlets.get(outlet)?.lanes.get(lane)?.part)
    }

    fn envelopes(&self, flow: &Name, stored: Vec<Stored>) -> Vec<Envelope> {
        stored.into_iter().map(|stored| Envelope::new(self.site.clone(), flow.clone(), stored)).collect()
    }

    /// `None` when an earlier call was given up in the middle, at a stop.
    async fn stored(
        &mut self,
        flow: FlowId,
        part: Part,
        from: u64,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<Option<(Vec<Stored>, Hold)>, Box<ReadError>> {
        let Some(mut reader) = self.reader.take() else { return Ok(None) };
        let joined = tokio::task::spawn_blocking(move || {
            let read = match part {
                Part::Live | Part::Backlog | Part::Replay => reader.offer(flow, from, events_max, bytes_max),
                Part::Waiting => reader.offer_waiting(flow, from, events_max.min(WAITING_BATCH_MAX)),
            };
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
