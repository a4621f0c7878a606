//! The loop of the right half where a broker takes each event once (`qos = 2`): flights are written down before they
//! begin, released when the broker has all of it, and settled when it has forgotten their ids.
//!
//! Events are settled at their PUBCOMP and not at their PUBREC: until then a broker that loses the session has lost what
//! it received, and what is not settled is offered again. After a crash or a cut the session tells which of the two
//! it is: with the session the recorded flights are finished under their ids, where the broker knows what it has had;
//! without it they are forgotten, and their events make new flights.
//!
//! One step is one commit and one exchange: the flight before is settled, the one that the broker has is released, the
//! next one begins. Two are on their way at the most. Where the broker refuses some of a flight for want of rights, the
//! rest goes on without it, and is settled when what stands before it in the log is.

mod ids;
mod session;
mod trip;

pub(crate) use session::UNUSABLE;

use std::collections::VecDeque;

use plantlink_buffer::{Flight, Fly, Hold, Kept};
use plantlink_config::{MqttDestination, MqttVersion};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::trip::{Answered, Phase, Trip, Verdict};
use crate::clock::Time;
use crate::deliver::{Ended, GOODBYE, overdue, tell, tell_welcome, unreadable};
use crate::destination::mqtt::{interrupted, unanswered, verdict};
use crate::destination::{DeliverError, Delivery, Outcome};
use crate::health::Health;
use crate::mqtt::{Exchange, Exchanged, Link, LinkError};
use crate::schedule::{Part, Schedule, Turn, UnreadableFlow};
use crate::store::{Stopped, Store, replayed, resumed, settlement};

/// The most messages of a flight, whatever the window: several flights share the packet ids.
const FLIGHT_MAX: u16 = 4_096;
/// A broker with MQTT 3.1.1 can neither name its limit nor refuse what is over it: mosquitto answers such a message as if it
/// had it, and has not. Its limit is 20, unless `max_inflight_messages` says otherwise.
const WINDOW_V311: u16 = 20;

/// What the buffer knew of a destination when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) flights: Vec<Flight>,
    /// The session that they belong to.
    pub(crate) session: Option<String>,
    /// What it remembers of its records.
    pub(crate) kept: Vec<Kept>,
}

/// One destination's broker, and what is on its way there.
struct Airline {
    config: MqttDestination,
    link: Option<Link>,
    /// The one that the trips belong to.
    session: Option<String>,
    /// Oldest first.
    trips: VecDeque<Trip>,
    /// The first packet ids of flights that nothing is left of, until that is written down.
    gone: Vec<u16>,
    last_packet_id: u16,
    schedule: Schedule,
    store: Store,
    health: Health,
}

/// Serves the flows of one destination until stop. Ends early only when the disk's writer has ended.
pub(crate) async fn fly(
    config: MqttDestination,
    recorded: Recorded,
    schedule: Schedule,
    store: Store,
    health: Health,
    stop: CancellationToken,
) -> Result<(), Ended> {
    let mut airline = Airline::new(config, &recorded, schedule, store, health);
    airline.recover(recorded.flights).await?;
    // After a stop what is open is brought to its end, as long as the connection lasts.
    while !stop.is_cancelled() || (airline.link.is_some() && airline.has_work()) {
        let Some(next) =
            stop.run_until_cancelled(airline.next()).await.or_else(|| airline.link.is_some().then_some(Ok(None)))
        else {
            break;
        };
        let turn = match next {
            Ok(turn) => turn,
            Err(error) if error.is_damage() => return Err(Ended::Damaged(error)),
            Err(error) => {
                unreadable(&error, &airline.health);
                None
            }
        };
        tokio::select! {
            stepped = airline.step(turn) => stepped?,
            () = overdue(&stop) => break,
        }
    }
    if let Some(link) = airline.link {
        // A broker that does not take the goodbye keeps the session all the same.
        let _ = timeout(GOODBYE, link.close()).await;
    }
    Ok(())
}

impl Airline {
    /// Nothing is on its way yet.
    fn new(config: MqttDestination, recorded: &Recorded, schedule: Schedule, store: Store, health: Health) -> Self {
        Airline {
            config,
            link: None,
            session: recorded.session.clone(),
            trips: VecDeque::new(),
            gone: Vec::new(),
            last_packet_id: recorded.flights.last().and_then(|flight| flight.packet_ids().last()).unwrap_or(0),
            schedule,
            store,
            health,
        }
    }

    /// The next events to offer. Waits for them unless something else is to be done; `None` when there is room for none.
    async fn next(&mut self) -> Result<Option<Turn>, UnreadableFlow> {
        let window = self.window().into();
        if self.has_work() {
            self.schedule.rest().await;
            let is_full = self.trips.iter().any(|trip| trip.phase == Phase::Recorded);
            if is_full { Ok(None) } else { self.schedule.at_once(window).await }
        } else {
            self.schedule.next(window).await.map(Some)
        }
    }

    /// Whether something is to be done without new events. What has arrived and waits for others is not.
    fn has_work(&self) -> bool {
        !self.gone.is_empty()
            || self.trips.iter().any(|trip| trip.phase != Phase::Completed || self.may_land(trip, &[]))
    }

    async fn step(&mut self, turn: Option<Turn>) -> Result<(), Stopped> {
        if turn.is_none() && !self.has_work() {
            return Ok(());
        }
        if self.link.is_none() {
            // What was read before may lie behind what is taken up now, so that it is read again.
            return match self.connect().await? {
                Ok(()) => Ok(()),
                Err(error) => {
                    self.trips.iter().for_each(|trip| self.schedule.held(trip.turn.flow));
                    self.down(turn.as_ref(), unanswered(error));
                    Ok(())
                }
            };
        }
        self.write_down(turn).await?;
        self.exchange().await;
        Ok(())
    }

    /// As many as the broker lets be on their way at once.
    fn window(&self) -> u16 {
        let broker = match self.config.link.version {
            MqttVersion::V5 => self.link.as_ref().map_or(u16::MAX, |link| link.terms().receive_maximum),
            MqttVersion::V311 => WINDOW_V311,
        };
        self.config.link.window.min(broker).min(FLIGHT_MAX)
    }

    /// One commit: what has arrived is settled, what the broker has is released, the next flight begins.
    async fn write_down(&mut self, turn: Option<Turn>) -> Result<(), Stopped> {
        let now_us = Time::now().wall_us;
        let mut change = Fly { landed: std::mem::take(&mut self.gone), ..Fly::default() };
        let arrived = self.land();
        for Trip { turn, flight, .. } in &arrived {
            change.landed.push(flight.first_packet_id);
            change.cuts.extend(turn.cuts.then_some(turn.flow));
        }
        for trip in &arrived {
            let outcomes = trip.delivery().outcomes;
            match trip.turn.part {
                Part::Live | Part::Backlog => change.settle.push(settlement(&trip.turn, &outcomes, now_us)),
                Part::Waiting => change.resumed.push(resumed(&trip.turn, &outcomes, now_us)),
                Part::Replay => change.replayed.push(replayed(&trip.turn, &outcomes)),
            }
        }
        for trip in self.trips.iter_mut().filter(|trip| trip.phase == Phase::Received) {
            change.aloft.push(trip.release());
        }
        let begins = turn.and_then(|turn| self.begin(turn));
        change.aloft.extend(begins.as_ref().map(|trip| trip.flight.clone()));
        let hold = begins.as_ref().map(|trip| trip.turn.hold.clone());
        self.trips.extend(begins);
        if !change.landed.is_empty() || !change.aloft.is_empty() {
            self.change(hold, change).await?;
        }
        for trip in arrived {
            self.schedule.let_go(&trip.turn);
            self.tell(&trip.turn, &trip.delivery());
        }
        Ok(())
    }

    /// Takes out what has arrived, in the order in which it is settled.
    fn land(&mut self) -> Vec<Trip> {
        let mut arrived = Vec::new();
        while let Some(index) =
            self.trips.iter().position(|trip| trip.phase == Phase::Completed && self.may_land(trip, &arrived))
        {
            arrived.extend(self.trips.remove(index));
        }
        arrived
    }

    /// Whether its flow is settled up to it, or will be with those that `arrived` before.
    fn may_land(&self, trip: &Trip, arrived: &[Trip]) -> bool {
        let leads_to = |other: &Trip| other.turn.flow == trip.turn.flow && other.turn.numbers().end == trip.turn.from;
        !self.schedule.is_behind(&trip.turn) || arrived.iter().any(leads_to)
    }

    /// Makes a trip of a turn; `None` when so many packet ids in a row are not free.
    fn begin(&mut self, mut turn: Turn) -> Option<Trip> {
        turn.batch.events.truncate(self.window().into());
        let taken = self.trips.iter().flat_map(|trip| trip.flight.packet_ids()).collect();
        let first_packet_id = ids::first_free(&taken, self.last_packet_id, turn.batch.events.len())?;
        let trip = Trip::new(&self.config, turn, first_packet_id);
        self.last_packet_id = trip.flight.packet_ids().last().unwrap_or(first_packet_id);
        self.schedule.claim(&trip.turn);
        Some(trip)
    }

    /// Sends what was written down, and takes in the answers.
    async fn exchange(&mut self) {
        let window = self.window();
        let Some(link) = &mut self.link else { return };
        let releases =
            self.trips.iter().filter(|trip| trip.phase == Phase::Released).flat_map(Trip::releases).collect();
        let next = self.trips.iter().position(|trip| trip.phase == Phase::Recorded);
        let messages = next.and_then(|next| self.trips.get(next)).map(|trip| trip.messages(&self.config));
        let exchange = Exchange { releases, messages: messages.unwrap_or_default(), window };
        let (began, events) = (Instant::now(), exchange.messages.len());
        let Exchanged { is_released, answers, rest } = link.exchange(exchange).await;
        if is_released {
            for trip in self.trips.iter_mut().filter(|trip| trip.phase == Phase::Released) {
                trip.phase = Phase::Completed;
            }
        }
        let verdicts: Vec<Verdict> =
            answers.into_iter().map(|answer| answer.map(|answer| verdict(answer, &self.config))).collect();
        let Some(next) = next else {
            if let Err(error) = rest {
                self.down(None, interrupted(error, 0));
            }
            return;
        };
        match rest {
            Ok(()) => {
                self.schedule.measured(events, began.elapsed());
                self.answered(next, verdicts);
            }
            Err(error) => self.interrupted(next, verdicts, error),
        }
    }

    /// Goes on with what the broker has of a trip, and with what it has not answered. The rest is in no flight any more, and
    /// is offered again when its flow may.
    fn answered(&mut self, index: usize, verdicts: Vec<Verdict>) {
        let Some(trip) = self.trips.remove(index) else { return };
        self.schedule.held(trip.turn.flow);
        let first_packet_id = trip.flight.first_packet_id;
        self.schedule.let_go(&trip.turn);
        let schedule = &mut self.schedule;
        let weigh =
            |turn: &Turn, outcomes: &[Option<Outcome>]| schedule.paused_from(turn, outcomes.iter().map(Option::as_ref));
        let Answered { trips, open, failure } = trip.answered(verdicts, weigh);
        if trips.first().is_none_or(|trip| trip.flight.first_packet_id != first_packet_id) {
            self.gone.push(first_packet_id);
        }
        for (place, trip) in trips.into_iter().enumerate() {
            self.schedule.claim(&trip.turn);
            self.trips.insert(index + place, trip);
        }
        open.iter().skip(1).for_each(|turn| self.schedule.unanswered(turn));
        if let (Some(turn), Some(error)) = (open.first(), failure) {
            self.tell(turn, &Delivery { outcomes: Vec::new(), rest: Err(error) });
        }
    }

    /// The connection ended while messages of a trip were on their way. What was answered before is answered. Where one
    /// alone was not, the end may be its answer.
    fn interrupted(&mut self, index: usize, mut verdicts: Vec<Verdict>, error: LinkError) {
        self.link = None;
        let unanswered = verdicts.iter().filter(|verdict| verdict.is_none()).count();
        let error = interrupted(error, unanswered);
        let sent = self.trips.get(index).filter(|_| unanswered > 0 && unanswered == verdicts.len());
        let refusal = sent.and_then(|trip| self.schedule.broke(&trip.turn, unanswered, &error));
        let (blame, error) = match (refusal, error) {
            (Some(refusal), _) => (Some(Ok(Outcome::Rejected(refusal))), None),
            (None, paused @ DeliverError::Paused { .. }) => (Some(Err(paused)), None),
            (None, error) => (None, Some(error)),
        };
        if let Some(last) = verdicts.iter_mut().find(|verdict| verdict.is_none()) {
            *last = blame;
        }
        if verdicts.iter().any(Option::is_some) {
            self.schedule.answered();
            self.answered(index, verdicts);
        }
        self.trips.iter_mut().for_each(Trip::interrupted);
        if let Some(error) = error {
            self.down(None, error);
        }
    }

    async fn change(&mut self, begins: Option<Hold>, change: Fly) -> Result<(), Stopped> {
        self.store.fly(begins, Fly { destination: self.config.name.to_string(), ..change }).await
    }

    /// Nothing can be offered for a while.
    fn down(&mut self, turn: Option<&Turn>, error: DeliverError) {
        self.link = None;
        let trip = self.trips.pop_front();
        match trip.as_ref().map(|trip| &trip.turn).or(turn) {
            Some(turn) => self.tell(turn, &Delivery { outcomes: Vec::new(), rest: Err(error) }),
            // The session alone was to be taken up.
            None => tell_welcome(&self.config.name, Err(error), &mut self.schedule, &self.health),
        }
        if let Some(trip) = trip {
            self.trips.push_front(trip);
        }
    }

    fn tell(&mut self, turn: &Turn, delivery: &Delivery) {
        tell(&self.config.name, turn, delivery, &mut self.schedule, &self.health);
    }
}

#[cfg(test)]
mod tests;
