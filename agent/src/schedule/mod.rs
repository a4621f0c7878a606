//! Which flow of a destination is served next, and when.

mod breaker;
mod breaks;
mod bucket;
mod claims;
mod draining;
mod limits;
mod offers;
mod outlet;
mod read;
mod recovery;
mod rota;
mod streak;
mod stride;
mod turn;
mod weigh;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{FlowId, FlowState, Reader, Span};
use plantlink_config::{Flow, Name, Pacing};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::destination::{DeliverError, Delivery, Outcome};
use crate::envelope::Site;
use crate::health::Health;
use crate::retry::Retry;
use crate::slot::Slot;
use claims::Claims;
pub(crate) use limits::Limit;
use limits::Limits;
use outlet::Outlet;
pub(crate) use read::UnreadableFlow;
use recovery::Recovery;
pub(crate) use rota::Part;
use rota::Rota;
use stride::Stride;
pub(crate) use turn::Turn;

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

    /// Whether the destination has let us in since the start, and not sent us away after that.
    pub(crate) fn is_let_in(&self) -> bool {
        self.recovery.is_let_in()
    }

    /// Until when the destination is left alone, and whether its breaker is open.
    pub(crate) fn standing(&self) -> (Option<Instant>, bool) {
        (self.recovery.not_before(), self.recovery.breaker_is_open())
    }

    /// So many events were answered together, and it took so long.
    pub(crate) fn measured(&mut self, events: usize, took: Duration) {
        self.stride.measured(events, took);
    }

    /// Something was answered before the connection ended, and is settled later.
    pub(crate) fn answered(&mut self) {
        self.recovery.answered();
    }

    /// Takes in whether the destination lets us in, when it was asked without a turn.
    pub(crate) fn greeted(&mut self, welcome: Result<(), DeliverError>) {
        self.recover(&Delivery { outcomes: Vec::new(), rest: welcome }, Instant::now());
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
        self.recover(delivery, now);
        if let Some(outlet) = self.outlet(turn.flow) {
            outlet.learn(turn, delivery, now);
        }
    }

    /// Takes in whether the destination is there, is back or is gone.
    fn recover(&mut self, delivery: &Delivery, now: Instant) {
        if let Some(how) = self.recovery.learn(delivery, now) {
            self.limits.returned(how, now);
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
}

async fn wake(earliest: Option<Instant>) {
    match earliest {
        Some(earliest) => sleep_until(earliest).await,
        None => std::future::pending().await,
    }
}
