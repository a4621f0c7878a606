//! Messages on their way to a broker: packet ids, the window, and which answer belongs to which message. Pure.

use std::time::Duration;
use std::vec;

use bytes::BytesMut;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::LinkError;
use super::packet::{Codec, PacketError, Publish, Qos, Written};
use super::packet_id_map::PacketIdMap;
use super::patience::Patience;
use super::reason::Reason;

/// What came of publishing some messages.
#[derive(Debug)]
pub(crate) struct Published {
    /// One for each message from the first on, as far as all before it have one too.
    pub(crate) answers: Vec<Answer>,
    /// Why the others have none.
    pub(crate) rest: Result<(), LinkError>,
}

/// The broker's answer to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The broker has it. With QoS 0, which nobody answers: it was written.
    Accepted,
    /// The broker has it, and nobody was subscribed.
    Unheard,
    /// The broker does not want it, or could not be asked: the topic is none to publish to, the packet is over the
    /// largest that it takes.
    Refused(Reason),
}

/// The messages of one connection.
pub(crate) struct Outgoing {
    /// The most that the broker lets wait for an answer.
    window: u16,
    /// By packet id, each one's place in the batch; `None` when nobody waits for that batch any more.
    in_flight: PacketIdMap<Option<usize>>,
    last_id: u16,
    batch: Option<Batch>,
    patience: Patience,
}

struct Batch {
    waiting: vec::IntoIter<Publish>,
    window: u16,
    /// One for each message that has left `waiting`.
    answers: Vec<Option<Answer>>,
    unanswered: usize,
    reply: oneshot::Sender<Published>,
}

impl Outgoing {
    pub(crate) fn new(window: u16) -> Self {
        Outgoing { window, in_flight: PacketIdMap::default(), last_id: 0, batch: None, patience: Patience::default() }
    }

    /// Takes on a batch. If there was another one, nobody waits for it any more; what of it is in flight keeps its ids
    /// and its place in the window until the broker answers.
    pub(crate) fn start(&mut self, messages: Vec<Publish>, window: u16, reply: oneshot::Sender<Published>) {
        for place in self.in_flight.values_mut() {
            *place = None;
        }
        self.batch = Some(Batch {
            answers: Vec::with_capacity(messages.len()),
            waiting: messages.into_iter(),
            window: window.max(1),
            unanswered: 0,
            reply,
        });
    }

    /// An id for SUBSCRIBE or UNSUBSCRIBE, which share the ids with messages.
    pub(crate) fn next_id(&mut self) -> u16 {
        self.last_id = free_id(self.last_id, &self.in_flight);
        self.last_id
    }

    /// Writes the next message of the batch into `out`; false when there is none, or no room in the window.
    pub(crate) fn write_one(&mut self, codec: &Codec, out: &mut BytesMut, now: Instant) -> Result<bool, PacketError> {
        let Some(batch) = self.batch.as_mut().filter(|batch| !batch.reply.is_closed()) else {
            return Ok(false);
        };
        // One id stays free for SUBSCRIBE.
        let window = self.window.min(batch.window).min(u16::MAX - 1);
        if self.in_flight.len() >= usize::from(window) {
            return Ok(false);
        }
        let Some(message) = batch.waiting.next() else {
            return Ok(false);
        };
        let id = free_id(self.last_id, &self.in_flight);
        self.last_id = id;
        let qos = message.qos;
        match (codec.publish(id, false, message, out)?, qos) {
            (Written::Refused(reason), _) => batch.answers.push(Some(Answer::Refused(reason))),
            (Written::Whole, Qos::AtMostOnce) => {
                self.patience.put();
                batch.answers.push(Some(Answer::Accepted));
            }
            // QoS 2 goes by an exchange; here nobody would answer it.
            (Written::Whole, Qos::AtLeastOnce | Qos::ExactlyOnce) => {
                self.patience.asked(now);
                self.in_flight.insert(id, Some(batch.answers.len()));
                batch.unanswered += 1;
                batch.answers.push(None);
            }
        }
        Ok(true)
    }

    pub(crate) fn written(&mut self, now: Instant) {
        self.patience.written(now);
    }

    /// A PUBACK has come. One for an id that is not in flight is a broker's slip and harms nobody.
    pub(crate) fn answered(&mut self, packet_id: u16, reason: Reason, now: Instant) {
        let Some(place) = self.in_flight.remove(&packet_id) else {
            return;
        };
        self.patience.answered(!self.in_flight.is_empty(), now);
        if let (Some(place), Some(batch)) = (place, &mut self.batch)
            && let Some(answer) = batch.answers.get_mut(place)
        {
            batch.unanswered -= 1;
            *answer = Some(match reason.code {
                Reason::NO_MATCHING_SUBSCRIBERS => Answer::Unheard,
                0x00..0x80 => Answer::Accepted,
                0x80.. => Answer::Refused(reason),
            });
        }
    }

    pub(crate) fn overdue_at(&self, limit: Duration) -> Option<Instant> {
        self.patience.overdue_at(limit)
    }

    /// Tells who waits for the batch, if every message has its answer and has left.
    pub(crate) fn finish(&mut self) {
        let done = |batch: &mut Batch| batch.waiting.len() == 0 && batch.unanswered == 0;
        if self.patience.is_unwritten() {
            return;
        }
        if let Some(batch) = self.batch.take_if(done) {
            batch.tell(Ok(()));
        }
    }

    /// The connection is gone: what has no answer gets none.
    pub(crate) fn fail(&mut self, error: LinkError) {
        if let Some(batch) = self.batch.take() {
            batch.tell(Err(error));
        }
    }
}

/// The next id that is not in flight, round robin. Never 0, which the protocol does not allow. There is always one: the
/// window is smaller than the number of ids.
fn free_id(last_id: u16, in_flight: &PacketIdMap<Option<usize>>) -> u16 {
    let mut id = last_id;
    loop {
        id = id.checked_add(1).unwrap_or(1);
        if !in_flight.contains_key(&id) {
            return id;
        }
    }
}

impl Batch {
    fn tell(self, rest: Result<(), LinkError>) {
        let answers = self.answers.into_iter().map_while(|answer| answer).collect();
        // Nobody waits for it when the future was dropped; then nobody wants to know either.
        drop(self.reply.send(Published { answers, rest }));
    }
}
