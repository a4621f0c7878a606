//! One flight from its record to its settlement.

use plantlink_buffer::{Aloft, Flight, Refusal};
use plantlink_config::MqttDestination;

use crate::destination::mqtt::{packet, payloads, topic};
use crate::destination::{Batch, DeliverError, Delivery, Outcome};
use crate::mqtt::{Numbered, Qos};
use crate::schedule::Turn;

/// How far a flight is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its ids are written down: PUBLISH is next.
    Recorded,
    /// Every PUBREC is in: that is to be written down.
    Received,
    /// That is written down: PUBREL is next.
    Released,
    /// Every PUBCOMP is in: to be settled.
    Completed,
}

/// A flight with what is needed to send it.
#[derive(Debug)]
pub(super) struct Trip {
    pub(super) flight: Flight,
    pub(super) turn: Turn,
    pub(super) phase: Phase,
    /// One for each message, when there is one.
    outcomes: Vec<Option<Outcome>>,
    /// The broker may have had the messages under these ids before.
    pub(super) dup: bool,
    /// Why the flow was paused behind it, if it was.
    pause: Option<String>,
}

/// What an answer comes to; `None` when there was none.
pub(super) type Verdict = Option<Result<Outcome, DeliverError>>;

/// What has become of a trip whose messages were sent.
pub(super) struct Answered {
    /// What the broker has or will never take, and what it has not answered, in the order of the log.
    pub(super) trips: Vec<Trip>,
    /// What is to be offered again, in order.
    pub(super) open: Vec<Turn>,
    /// Why.
    pub(super) failure: Option<DeliverError>,
}

/// How a message stands after it was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The broker has it, or will never take it.
    Received,
    /// Its handshake has ended without that: its id is free.
    Open,
    /// The broker may have it under its id.
    Unanswered,
}

impl Trip {
    /// A new flight. Messages that have no topic are refused before they begin.
    pub(super) fn new(config: &MqttDestination, turn: Turn, first_packet_id: u16) -> Self {
        let messages = turn
            .batch
            .events
            .iter()
            .map(|event| Aloft { sequence: event.sequence(), refused: topic(config, event).err().map(Refusal::from) });
        let flight =
            Flight { first_packet_id, flow: turn.flow, from: turn.from, messages: messages.collect(), released: false };
        Trip::recorded(flight, turn, false)
    }

    /// A flight as it was written down.
    pub(super) fn recorded(flight: Flight, turn: Turn, dup: bool) -> Self {
        let phase = if flight.released { Phase::Released } else { Phase::Recorded };
        let outcome = |message: &Aloft| match &message.refused {
            Some(refusal) => Some(Outcome::Rejected(refusal.clone())),
            None if flight.released => Some(Outcome::Delivered),
            None => None,
        };
        let outcomes = flight.messages.iter().map(outcome).collect();
        Trip { flight, turn, phase, outcomes, dup, pause: None }
    }

    /// Whether every message that the broker may know can still be made.
    pub(super) fn can_go_on(&self, config: &MqttDestination) -> bool {
        let mut unanswered = self.turn.batch.events.iter().zip(&self.outcomes).filter(|(_, outcome)| outcome.is_none());
        unanswered.all(|(event, _)| topic(config, event).is_ok())
    }

    /// Everything that has no answer yet.
    pub(super) fn messages(&self, config: &MqttDestination) -> Vec<Numbered> {
        let mut payloads = payloads(&self.turn.batch);
        self.turn
            .batch
            .events
            .iter()
            .zip(self.flight.packet_ids())
            .zip(&self.outcomes)
            .filter(|(_, outcome)| outcome.is_none())
            .filter_map(|((event, packet_id), _)| {
                let message = packet(config, event, Qos::ExactlyOnce, &mut payloads).ok()?;
                Some(Numbered { packet_id, dup: self.dup, message })
            })
            .collect()
    }

    /// The ids that the broker holds messages under. A refused message has none.
    pub(super) fn releases(&self) -> Vec<u16> {
        let messages = self.flight.messages.iter().zip(self.flight.packet_ids());
        messages.filter(|(message, _)| message.refused.is_none()).map(|(_, packet_id)| packet_id).collect()
    }

    /// Takes in the answers to what [`Self::messages`] gave, in its order. What concerns the broker rather than an event ends
    /// this event's handshake: its id is free, and it is to be offered again. What the broker has goes on without it, and
    /// what it has not answered stays as it is. `weigh` sees all outcomes, and says from which on it is the flow that is
    /// refused.
    pub(super) fn answered(
        mut self,
        verdicts: Vec<Verdict>,
        weigh: impl FnOnce(&Turn, &[Option<Outcome>]) -> Option<(usize, DeliverError)>,
    ) -> Answered {
        let mut failure = None;
        let mut verdicts = verdicts.into_iter();
        let mut take_in = |(outcome, message): (&mut Option<Outcome>, &mut Aloft)| {
            if outcome.is_some() {
                return Standing::Received;
            }
            match verdicts.next().flatten() {
                Some(Ok(found)) => {
                    if let Outcome::Rejected(refusal) = &found {
                        message.refused = Some(refusal.clone());
                    }
                    *outcome = Some(found);
                    Standing::Received
                }
                Some(Err(error)) => {
                    failure.get_or_insert(error);
                    Standing::Open
                }
                None => Standing::Unanswered,
            }
        };
        let mut standings: Vec<_> = self.outcomes.iter_mut().zip(&mut self.flight.messages).map(&mut take_in).collect();
        if let Some((place, paused)) = weigh(&self.turn, &self.outcomes) {
            let messages = self.outcomes.iter_mut().zip(&mut self.flight.messages).zip(&mut standings).skip(place);
            for ((outcome, message), standing) in messages {
                if outcome.take().is_some() {
                    message.refused = None;
                    *standing = Standing::Open;
                }
            }
            failure = Some(paused);
        }
        let mut answered = Answered { trips: Vec::new(), open: Vec::new(), failure };
        let mut rest = Some(self);
        for run in standings.chunk_by(PartialEq::eq) {
            let (Some(mut trip), Some(standing)) = (rest.take(), run.first()) else { break };
            rest = trip.split_off(run.len());
            match standing {
                Standing::Received => {
                    trip.phase = Phase::Received;
                    trip.pause = match &answered.failure {
                        Some(DeliverError::Paused { reason }) if answered.open.is_empty() => Some(reason.clone()),
                        Some(_) | None => None,
                    };
                    answered.trips.push(trip);
                }
                Standing::Open => answered.open.push(trip.turn),
                Standing::Unanswered => answered.trips.push(trip),
            }
        }
        answered
    }

    /// What became of its events, once all have an outcome.
    pub(super) fn delivery(&self) -> Delivery {
        let rest = self.pause.clone().map_or(Ok(()), |reason| Err(DeliverError::Paused { reason }));
        Delivery { outcomes: self.outcomes.iter().flatten().cloned().collect(), rest }
    }

    /// Leaves the first `count` messages here and makes a trip of the others, if there are any.
    pub(super) fn split_off(&mut self, count: usize) -> Option<Trip> {
        let first_packet_id = self.flight.packet_ids().nth(count)?;
        let messages = self.flight.messages.split_off(count);
        let from = self.flight.messages.last()?.sequence + 1;
        let events = self.turn.batch.events.split_off(count);
        let outcomes = self.outcomes.split_off(count);
        let turn = Turn {
            flow: self.turn.flow,
            part: self.turn.part,
            from,
            offers: self.turn.offers.clone(),
            cuts: false,
            batch: Batch { flow: self.turn.batch.flow.clone(), is_replay: self.turn.batch.is_replay, events },
            hold: self.turn.hold.clone(),
        };
        let flight = Flight { first_packet_id, flow: turn.flow, from, messages, released: false };
        Some(Trip { flight, turn, phase: self.phase, outcomes, dup: self.dup, pause: None })
    }

    /// The connection broke while it was on its way.
    pub(super) fn interrupted(&mut self) {
        if self.phase == Phase::Recorded {
            self.turn.offers.unanswered(self.turn.numbers());
        }
        self.dup = true;
    }

    /// Marks it as released, and says what is to be written down.
    pub(super) fn release(&mut self) -> Flight {
        self.phase = Phase::Released;
        self.flight.released = true;
        self.flight.clone()
    }
}
