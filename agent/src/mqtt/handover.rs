//! Messages handed over with QoS 2 (MQTT 5, section 4.3.3), under packet ids that their user has chosen and written down:
//! PUBREL for those that the broker has, PUBLISH for those that come next, and all the answers. Pure.

use std::collections::{HashMap, HashSet};
use std::time::Duration;
use std::vec;

use bytes::BytesMut;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::LinkError;
use super::outgoing::Answer;
use super::packet::{Codec, PacketError, Publish, Written};
use super::patience::Patience;
use super::reason::Reason;

/// What is handed over at once. Until the next exchange the broker holds all its messages.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// Ids of messages that the broker may pass on and forget.
    pub(crate) releases: Vec<u16>,
    /// No id is among the releases too.
    pub(crate) messages: Vec<Numbered>,
    /// The most messages between PUBLISH and PUBCOMP; the broker may allow fewer. At least as many as there are messages.
    pub(crate) window: u16,
}

/// A message and its id.
#[derive(Debug, Clone)]
pub(crate) struct Numbered {
    pub(crate) packet_id: u16,
    /// It may have been sent under this id before.
    pub(crate) dup: bool,
    pub(crate) message: Publish,
}

/// What came of an exchange.
#[derive(Debug)]
pub(crate) struct Exchanged {
    /// Every release is complete.
    pub(crate) is_released: bool,
    /// In the order of the messages. Those at the end that have not left have no place.
    pub(crate) answers: Vec<Option<Answer>>,
    /// Why others have no answer, or not every release is complete. These are due again on the next connection: the broker
    /// knows by its id what it has had before.
    pub(crate) rest: Result<(), LinkError>,
}

/// The exchanges of one connection.
pub(crate) struct Handover {
    /// The most that the broker allows between PUBLISH and PUBCOMP.
    window: u16,
    current: Option<Current>,
    patience: Patience,
}

struct Current {
    releases: vec::IntoIter<u16>,
    /// Written, and without PUBCOMP.
    incomplete: HashSet<u16>,
    messages: vec::IntoIter<Numbered>,
    /// By packet id, the places of those without PUBREC.
    unreceived: HashMap<u16, usize>,
    answers: Vec<Option<Answer>>,
    /// How many messages the broker holds or will hold: each takes its place until its PUBCOMP (MQTT 5, section 4.9).
    held: usize,
    window: usize,
    reply: oneshot::Sender<Exchanged>,
}

impl Handover {
    pub(crate) fn new(window: u16) -> Self {
        Handover { window, current: None, patience: Patience::default() }
    }

    /// Takes on an exchange. Who dropped the one before without an answer has to open another connection.
    pub(crate) fn start(&mut self, exchange: Exchange, reply: oneshot::Sender<Exchanged>) {
        self.current = Some(Current {
            held: exchange.releases.len(),
            releases: exchange.releases.into_iter(),
            incomplete: HashSet::new(),
            answers: Vec::with_capacity(exchange.messages.len()),
            messages: exchange.messages.into_iter(),
            unreceived: HashMap::new(),
            window: self.window.min(exchange.window).max(1).into(),
            reply,
        });
    }

    /// Writes the next packet into `out`; false when there is none, or no room in the window. Releases go first: they
    /// make room.
    pub(crate) fn write_one(&mut self, codec: &Codec, out: &mut BytesMut, now: Instant) -> Result<bool, PacketError> {
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        if let Some(packet_id) = current.releases.next() {
            codec.pubrel(packet_id, out)?;
            current.incomplete.insert(packet_id);
            self.patience.asked(now);
            return Ok(true);
        }
        if current.held >= current.window {
            return Ok(false);
        }
        let Some(Numbered { packet_id, dup, message }) = current.messages.next() else {
            return Ok(false);
        };
        match codec.publish(packet_id, dup, message, out)? {
            Written::Refused(reason) => current.answers.push(Some(Answer::Refused(reason))),
            Written::Whole => {
                current.unreceived.insert(packet_id, current.answers.len());
                current.answers.push(None);
                current.held += 1;
                self.patience.asked(now);
            }
        }
        Ok(true)
    }

    /// A PUBREC has come. One for an id that none is waited for is a repetition, and harms nobody.
    pub(crate) fn received(&mut self, packet_id: u16, reason: Reason, now: Instant) {
        let Some(current) = &mut self.current else { return };
        let Some(answer) = current.unreceived.remove(&packet_id).and_then(|place| current.answers.get_mut(place))
        else {
            return;
        };
        *answer = Some(match reason.code {
            Reason::NO_MATCHING_SUBSCRIBERS => Answer::Unheard,
            // It has a message under this id, and there never was another one.
            Reason::PACKET_ID_IN_USE | 0x00..0x80 => Answer::Accepted,
            0x80.. => {
                current.held -= 1;
                Answer::Refused(reason)
            }
        });
        self.patience.answered(current.is_waiting(), now);
    }

    /// A PUBCOMP has come.
    pub(crate) fn completed(&mut self, packet_id: u16, now: Instant) {
        let Some(current) = &mut self.current else { return };
        if current.incomplete.remove(&packet_id) {
            current.held -= 1;
            self.patience.answered(current.is_waiting(), now);
        }
    }

    pub(crate) fn written(&mut self, now: Instant) {
        self.patience.written(now);
    }

    pub(crate) fn overdue_at(&self, limit: Duration) -> Option<Instant> {
        self.patience.overdue_at(limit)
    }

    /// Tells who waits for the exchange, if everything has its answer.
    pub(crate) fn finish(&mut self) {
        if let Some(current) = self.current.take_if(|current| current.is_done()) {
            current.tell(Ok(()));
        }
    }

    /// The connection is gone. A broker may have hung up behind some of its answers: they count, or what it refuses would be
    /// offered again on each connection, and nothing else.
    pub(crate) fn fail(&mut self, error: LinkError) {
        self.finish();
        if let Some(current) = self.current.take() {
            current.tell(Err(error));
        }
    }
}

impl Current {
    fn is_waiting(&self) -> bool {
        !self.incomplete.is_empty() || !self.unreceived.is_empty()
    }

    fn is_done(&self) -> bool {
        self.releases.len() == 0 && self.messages.len() == 0 && !self.is_waiting()
    }

    fn tell(self, rest: Result<(), LinkError>) {
        let is_released = self.releases.len() == 0 && self.incomplete.is_empty();
        // Nobody waits for it when the future was dropped.
        drop(self.reply.send(Exchanged { is_released, answers: self.answers, rest }));
    }
}

#[cfg(test)]
mod tests {
    use plantlink_config::MqttVersion;
    use tokio::sync::oneshot::Receiver;

    use super::*;
    use crate::mqtt::Qos;

    const VERSIONS: [MqttVersion; 2] = [MqttVersion::V5, MqttVersion::V311];

    fn numbered(packet_id: u16, dup: bool) -> Numbered {
        let message = Publish {
            topic: "a".to_owned(),
            payload: "b".into(),
            retain: false,
            qos: Qos::ExactlyOnce,
            content_type: None,
            user_properties: Vec::new(),
        };
        Numbered { packet_id, dup, message }
    }

    fn start(window: u16, releases: &[u16], messages: Vec<Numbered>) -> (Handover, Receiver<Exchanged>) {
        let mut handover = Handover::new(window);
        let (reply, answer) = oneshot::channel();
        handover.start(Exchange { releases: releases.to_vec(), messages, window: 100 }, reply);
        (handover, answer)
    }

    /// The first bytes of all packets that may leave now.
    fn written(handover: &mut Handover, version: MqttVersion) -> Vec<u8> {
        let mut firsts = Vec::new();
        loop {
            let mut out = BytesMut::new();
            if !handover.write_one(&Codec::new(version), &mut out, Instant::now()).unwrap() {
                return firsts;
            }
            firsts.push(out[0]);
        }
    }

    fn reason(code: u8) -> Reason {
        Reason::new(code)
    }

    #[test]
    fn releases_go_first_and_a_message_holds_its_place_until_its_pubcomp() {
        for version in VERSIONS {
            let (mut handover, mut answer) = start(2, &[7, 8], vec![numbered(9, false), numbered(10, true)]);
            assert_eq!(written(&mut handover, version), [0x62, 0x62]);
            handover.completed(8, Instant::now());
            assert_eq!(written(&mut handover, version), [0x34]);
            handover.received(9, reason(Reason::SUCCESS), Instant::now());
            assert!(written(&mut handover, version).is_empty(), "the broker holds 7 and 9");
            handover.completed(7, Instant::now());
            assert_eq!(written(&mut handover, version), [0x3C], "with DUP");
            handover.finish();
            assert!(answer.try_recv().is_err());
            handover.received(10, reason(Reason::SUCCESS), Instant::now());
            handover.finish();
            let Exchanged { is_released, answers, rest } = answer.try_recv().unwrap();
            assert!(is_released && rest.is_ok());
            assert_eq!(answers, [Some(Answer::Accepted), Some(Answer::Accepted)]);
        }
    }

    #[test]
    fn an_id_in_use_means_that_the_broker_has_the_message_and_a_refusal_frees_the_place() {
        let (mut handover, mut answer) = start(1, &[], vec![numbered(1, true), numbered(2, false), numbered(3, false)]);
        let now = Instant::now();
        assert_eq!(written(&mut handover, MqttVersion::V5).len(), 1);
        handover.received(1, reason(Reason::NOT_AUTHORIZED), now);
        assert_eq!(written(&mut handover, MqttVersion::V5).len(), 1);
        handover.received(2, reason(Reason::PACKET_ID_IN_USE), now);
        handover.received(2, reason(Reason::NOT_AUTHORIZED), now);
        assert_eq!(written(&mut handover, MqttVersion::V5).len(), 0, "2 holds the only place");
        handover.fail(LinkError::Ended);
        let Exchanged { answers, rest, .. } = answer.try_recv().unwrap();
        assert_eq!(answers, [Some(Answer::Refused(reason(Reason::NOT_AUTHORIZED))), Some(Answer::Accepted)]);
        assert!(rest.is_err(), "3 has not left");
    }

    #[test]
    fn the_last_answer_counts_when_the_broker_hangs_up_behind_it() {
        let (mut handover, mut answer) = start(1, &[], vec![numbered(1, false)]);
        assert_eq!(written(&mut handover, MqttVersion::V5).len(), 1);
        handover.received(1, reason(Reason::NOT_AUTHORIZED), Instant::now());
        handover.fail(LinkError::Ended);
        let Exchanged { answers, rest, .. } = answer.try_recv().unwrap();
        assert_eq!(answers, [Some(Answer::Refused(reason(Reason::NOT_AUTHORIZED)))]);
        assert!(rest.is_ok());
    }

    #[test]
    fn what_was_answered_before_the_broker_hung_up_is_told_from_the_rest() {
        for (completed, is_released) in [(vec![7], false), (vec![8, 7], true)] {
            let messages = (1..=3).map(|packet_id| numbered(packet_id, false)).collect();
            let (mut handover, mut answer) = start(9, &[7, 8], messages);
            let now = Instant::now();
            written(&mut handover, MqttVersion::V5);
            completed.into_iter().for_each(|packet_id| handover.completed(packet_id, now));
            handover.received(2, reason(Reason::SUCCESS), now);
            handover.fail(LinkError::Ended);
            let exchanged = answer.try_recv().unwrap();
            assert_eq!(exchanged.answers, [None, Some(Answer::Accepted), None]);
            assert_eq!((exchanged.is_released, exchanged.rest.is_ok()), (is_released, false));
        }
    }
}
