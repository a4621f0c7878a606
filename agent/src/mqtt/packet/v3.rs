//! The packets of MQTT 3.1.1.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4::{self, ConnectReturnCode, Packet, SubscribeReasonCode};
use rumqttc::mqttbytes::{Error, QoS};

use super::{Connack, Incoming, PacketError, Payload, Publish, Qos, Received, Terms, Written};
use crate::mqtt::reason::Reason;
use crate::mqtt::{Connect, Session};

pub(super) fn read(mut packet: BytesMut) -> Result<Received, PacketError> {
    match Packet::read(&mut packet, usize::MAX).map_err(malformed)? {
        Packet::ConnAck(ack) => Ok(Received::Connack(Connack {
            session_present: ack.session_present,
            reason: Reason::new(connect_code(ack.code)),
            terms: Terms::default(),
        })),
        Packet::Publish(publish) => incoming(publish).map(Received::Publish),
        Packet::PubAck(ack) => Ok(Received::Puback { packet_id: ack.pkid, reason: Reason::new(Reason::SUCCESS) }),
        Packet::PubRec(ack) => Ok(Received::Pubrec { packet_id: ack.pkid, reason: Reason::new(Reason::SUCCESS) }),
        Packet::PubRel(ack) => Ok(Received::Pubrel { packet_id: ack.pkid }),
        Packet::PubComp(ack) => Ok(Received::Pubcomp { packet_id: ack.pkid }),
        Packet::SubAck(ack) => Ok(Received::Suback {
            packet_id: ack.pkid,
            answers: ack.return_codes.into_iter().map(subscribed).collect(),
        }),
        Packet::UnsubAck(ack) => Ok(Received::Unsuback { packet_id: ack.pkid, refusals: Vec::new() }),
        Packet::PingResp => Ok(Received::Pingresp),
        Packet::Connect(_) => Err(PacketError::Unexpected("CONNECT")),
        Packet::Subscribe(_) => Err(PacketError::Unexpected("SUBSCRIBE")),
        Packet::Unsubscribe(_) => Err(PacketError::Unexpected("UNSUBSCRIBE")),
        Packet::PingReq => Err(PacketError::Unexpected("PINGREQ")),
        Packet::Disconnect => Err(PacketError::Unexpected("DISCONNECT")),
    }
}

fn incoming(publish: v4::Publish) -> Result<Incoming, PacketError> {
    Ok(Incoming {
        topic: super::topic(publish.topic.into_bytes())?,
        payload: Payload::Whole(Bytes::copy_from_slice(&publish.payload)),
        retain: publish.retain,
        dup: publish.dup,
        qos: match publish.qos {
            QoS::AtMostOnce => Qos::AtMostOnce,
            QoS::AtLeastOnce => Qos::AtLeastOnce,
            QoS::ExactlyOnce => Qos::ExactlyOnce,
        },
        packet_id: publish.pkid,
        correlation: None,
        user_properties: Vec::new(),
    })
}

fn connect_code(code: ConnectReturnCode) -> u8 {
    match code {
        ConnectReturnCode::Success => Reason::SUCCESS,
        ConnectReturnCode::RefusedProtocolVersion => Reason::UNSUPPORTED_VERSION,
        ConnectReturnCode::BadClientId => 0x85,
        ConnectReturnCode::ServiceUnavailable => 0x88,
        ConnectReturnCode::BadUserNamePassword => 0x86,
        ConnectReturnCode::NotAuthorized => 0x87,
    }
}

fn subscribed(code: SubscribeReasonCode) -> Result<Qos, Reason> {
    match code {
        SubscribeReasonCode::Success(QoS::AtMostOnce) => Ok(Qos::AtMostOnce),
        SubscribeReasonCode::Success(QoS::AtLeastOnce) => Ok(Qos::AtLeastOnce),
        SubscribeReasonCode::Success(QoS::ExactlyOnce) => Ok(Qos::ExactlyOnce),
        SubscribeReasonCode::Failure => Err(Reason::new(0x80)),
    }
}

pub(super) fn connect(connect: &Connect, out: &mut BytesMut) -> Result<(), PacketError> {
    let mut packet = v4::Connect::new(&connect.client_id);
    packet.keep_alive = connect.keep_alive_s();
    packet.clean_session = matches!(connect.session, Session::Clean);
    packet.last_will = connect
        .will
        .as_ref()
        .map(|will| v4::LastWill::new(&will.topic, will.payload.clone(), qos(will.qos), will.retain));
    if connect.username.is_some() || connect.password.is_some() {
        packet.set_login(
            connect.username.as_deref().unwrap_or_default(),
            connect.password.as_ref().map_or("", |password| password.expose()),
        );
    }
    write(Packet::Connect(packet), u32::MAX, out)
}

pub(super) fn publish(
    packet_id: u16,
    dup: bool,
    message: Publish,
    packet_bytes_max: u32,
    out: &mut BytesMut,
) -> Result<Written, PacketError> {
    let mut packet = v4::Publish::from_bytes(message.topic, qos(message.qos), message.payload);
    packet.retain = message.retain;
    packet.dup = dup;
    packet.pkid = packet_id;
    match Packet::Publish(packet).write(out, packet_bytes_max as usize) {
        Ok(_) => Ok(Written::Whole),
        Err(Error::OutgoingPacketTooLarge { .. }) => Ok(Written::Refused(Reason::new(Reason::PACKET_TOO_LARGE))),
        Err(other) => Err(unwritable(other)),
    }
}

pub(super) fn puback(packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::PubAck(v4::PubAck::new(packet_id)), u32::MAX, out)
}

pub(super) fn pubrec(packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::PubRec(v4::PubRec::new(packet_id)), u32::MAX, out)
}

pub(super) fn pubrel(packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::PubRel(v4::PubRel::new(packet_id)), u32::MAX, out)
}

pub(super) fn pubcomp(packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::PubComp(v4::PubComp::new(packet_id)), u32::MAX, out)
}

pub(super) fn subscribe(
    packet_id: u16,
    filters: &[String],
    asked: Qos,
    packet_bytes_max: u32,
    out: &mut BytesMut,
) -> Result<(), PacketError> {
    let filters = filters.iter().map(|filter| v4::SubscribeFilter::new(filter.clone(), qos(asked)));
    let mut packet = v4::Subscribe::new_many(filters);
    packet.pkid = packet_id;
    write(Packet::Subscribe(packet), packet_bytes_max, out)
}

pub(super) fn unsubscribe(
    packet_id: u16,
    filters: &[String],
    packet_bytes_max: u32,
    out: &mut BytesMut,
) -> Result<(), PacketError> {
    let packet = v4::Unsubscribe { pkid: packet_id, topics: filters.to_vec() };
    write(Packet::Unsubscribe(packet), packet_bytes_max, out)
}

pub(super) fn pingreq(out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::PingReq, u32::MAX, out)
}

pub(super) fn disconnect(out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::Disconnect, u32::MAX, out)
}

fn qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn write(packet: Packet, packet_bytes_max: u32, out: &mut BytesMut) -> Result<(), PacketError> {
    packet.write(out, packet_bytes_max as usize).map(drop).map_err(unwritable)
}

fn malformed(error: Error) -> PacketError {
    PacketError::Malformed(error.to_string())
}

fn unwritable(error: Error) -> PacketError {
    PacketError::Unwritable(error.to_string())
}
