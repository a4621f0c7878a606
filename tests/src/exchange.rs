//! What the agent and a broker told each other in MQTT 5 with QoS 1, as a record of the agent's system calls shows it.

use std::collections::{HashMap, VecDeque};

use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5::{Codec, Packet};
use tokio_util::codec::Decoder as _;

use crate::trace::{Connection, Step};

/// The first byte of the packet that nothing follows (MQTT 5, section 3.14). The codec cannot read it without a reason.
const DISCONNECT: u8 = 0xE0;

/// A message that came to the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// The message's content.
    pub payload: Bytes,
    /// The step with which all of it was there.
    pub arrived: usize,
    /// The step with which its acknowledgement was about to leave.
    pub acknowledged: Option<usize>,
}

/// What the broker on `port` gave to the agent, in the order of arrival.
///
/// # Panics
/// When the agent acknowledged what it had not been given, or said something that is no MQTT.
pub fn handovers(steps: &[Step], port: u16) -> Vec<Handover> {
    let mut handovers = Vec::new();
    // A packet id may be used again: its acknowledgements come in the order of its messages.
    let mut waiting: HashMap<_, VecDeque<usize>> = HashMap::new();
    for (arrived, connection, packet) in packets(steps, port, received) {
        if let Packet::Publish(publish) = packet {
            waiting.entry((connection, publish.pkid)).or_default().push_back(handovers.len());
            handovers.push(Handover { payload: publish.payload, arrived, acknowledged: None });
        }
    }
    for (step, connection, packet) in packets(steps, port, sent) {
        if let Packet::PubAck(ack) = packet {
            let given = waiting.get_mut(&(connection, ack.pkid)).and_then(VecDeque::pop_front);
            let handover = &mut handovers[given.expect("only what was given is acknowledged")];
            assert!(handover.arrived < step, "{} was acknowledged before it was given", ack.pkid);
            handover.acknowledged = Some(step);
        }
    }
    handovers
}

/// The steps with which the acknowledgements of the broker on `port` had arrived, one for each message that it took.
///
/// # Panics
/// When the broker said something that is no MQTT.
pub fn answers(steps: &[Step], port: u16) -> Vec<usize> {
    let packets = packets(steps, port, received).into_iter();
    packets.filter(|(.., packet)| matches!(packet, Packet::PubAck(_))).map(|(step, ..)| step).collect()
}

fn received(step: &Step) -> Option<(Connection, &Bytes)> {
    match step {
        Step::Received(connection, bytes) => Some((*connection, bytes)),
        Step::Sent(..) | Step::File(..) | Step::DirectorySynced => None,
    }
}

fn sent(step: &Step) -> Option<(Connection, &Bytes)> {
    match step {
        Step::Sent(connection, bytes) => Some((*connection, bytes)),
        Step::Received(..) | Step::File(..) | Step::DirectorySynced => None,
    }
}

/// The packets of one direction, each with the step that completed it.
fn packets(
    steps: &[Step],
    port: u16,
    direction: impl Fn(&Step) -> Option<(Connection, &Bytes)>,
) -> Vec<(usize, Connection, Packet)> {
    let mut codec = Codec { max_incoming_size: None, max_outgoing_size: None };
    let mut streams: HashMap<Connection, BytesMut> = HashMap::new();
    let mut packets = Vec::new();
    for (step, said) in steps.iter().enumerate() {
        let Some((connection, bytes)) = direction(said).filter(|(connection, _)| connection.peer == port) else {
            continue;
        };
        let stream = streams.entry(connection).or_default();
        stream.extend_from_slice(bytes);
        while stream.first() != Some(&DISCONNECT)
            && let Some(packet) = codec.decode(stream).expect("both sides speak MQTT 5")
        {
            packets.push((step, connection, packet));
        }
    }
    packets
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::{QoS, v5};

    use super::*;

    fn bytes(packet: &Packet) -> BytesMut {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).expect("the packet is a small one");
        bytes
    }

    fn publish(id: u16, payload: &str) -> BytesMut {
        let mut publish = v5::Publish::new("mes", QoS::AtLeastOnce, payload.to_owned(), None);
        publish.pkid = id;
        bytes(&Packet::Publish(publish))
    }

    fn acknowledgement(id: u16) -> BytesMut {
        bytes(&Packet::PubAck(v5::PubAck::new(id, None)))
    }

    #[test]
    fn a_message_in_pieces_belongs_to_its_last_piece_and_to_its_own_acknowledgement() {
        let (first, second) = (Connection { local: 1, peer: 1883 }, Connection { local: 2, peer: 1883 });
        let mut begin = publish(7, "a");
        let end = begin.split_off(5);
        let both = [acknowledgement(7), acknowledgement(8)].concat();
        let steps = [
            Step::Received(first, begin.freeze()),
            Step::Received(second, publish(7, "other").freeze()),
            Step::Received(first, [end, publish(8, "b")].concat().into()),
            Step::Sent(first, both.into()),
            Step::Received(first, publish(7, "c").freeze()),
            Step::Sent(first, Bytes::from_static(&[DISCONNECT, 0])),
        ];
        let handover =
            |payload: &'static str, arrived, acknowledged| Handover { payload: payload.into(), arrived, acknowledged };
        let expected =
            [handover("other", 1, None), handover("a", 2, Some(3)), handover("b", 2, Some(3)), handover("c", 4, None)];
        assert_eq!(handovers(&steps, 1883), expected);
        assert_eq!(answers(&steps, 1883), Vec::<usize>::new());
    }
}
