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

/// What has become of a trip whose messages all have an answer.
pub(super) struct Answered {
    /// What the broker has or will never take, in the order of the log.
    pub(super) received: Vec<Trip>,
    /// What is to be offered again, in order.
    pub(super) open: Vec<Turn>,
    /// Why.
    pub(super) failure: Option<DeliverError>,
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

    /// Takes in the answers to all that [`Self::messages`] gave. What concerns the broker rather than an event ends this
    /// event's handshake: its id is free, and it is to be offered again. What the broker has goes on without it. `weigh`
    /// sees all outcomes, and says from which on it is the flow that is refused.
    pub(super) fn answered(
        mut self,
        verdicts: Vec<Result<Outcome, DeliverError>>,
        weigh: impl FnOnce(&Turn, &[Option<Outcome>]) -> Option<(usize, DeliverError)>,
    ) -> Answered {
        let mut failure = None;
        let open = self.outcomes.iter_mut().zip(&mut self.flight.messages).filter(|(outcome, _)| outcome.is_none());
        for ((outcome, message), verdict) in open.zip(verdicts) {
            match verdict {
                Ok(found) => {
                    if let Outcome::Rejected(refusal) = &found {
                        message.refused = Some(refusal.clone());
                    }
                    *outcome = Some(found);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if let Some((place, paused)) = weigh(&self.turn, &self.outcomes) {
            self.outcomes.iter_mut().skip(place).for_each(|outcome| *outcome = None);
            self.flight.messages.iter_mut().skip(place).for_each(|message| message.refused = None);
            failure = Some(paused);
        }
        let mut answered = Answered { received: Vec::new(), open: Vec::new(), failure };
        let mut rest = Some(self);
        while let Some(mut trip) = rest {
            let is_received = trip.outcomes.first().is_some_and(Option::is_some);
            let count = trip.outcomes.iter().take_while(|outcome| outcome.is_some() == is_received).count();
            rest = trip.split_off(count);
            if is_received {
                trip.phase = Phase::Received;
                trip.pause = match &answered.failure {
                    Some(DeliverError::Paused { reason }) if answered.open.is_empty() => Some(reason.clone()),
                    Some(_) | None => None,
                };
                answered.received.push(trip);
            } else {
                answered.open.push(trip.turn);
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
        self.turn.offers.unanswered(self.turn.numbers());
        self.dup = true;
    }

    /// Marks it as released, and says what is to be written down.
    pub(super) fn release(&mut self) -> Flight {
        self.phase = Phase::Released;
        self.flight.released = true;
        self.flight.clone()
    }
}
