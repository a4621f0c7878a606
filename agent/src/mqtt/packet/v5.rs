//! The packets of MQTT 5.

use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5::{
    self, ConnectReturnCode, Filter, Packet, PubAckReason, PubRecReason, SubscribeReasonCode, UnsubAckReason,
};
use rumqttc::v5::mqttbytes::{Error, QoS};

use super::{Connack, Incoming, PacketError, Payload, Publish, Qos, Received, Terms, Written};
use crate::mqtt::reason::Reason;
use crate::mqtt::{Connect, Session};

const CONNACK: u8 = 0x20;
const DISCONNECT: u8 = 0xE0;

/// Reads a packet, among them three that rumqttc takes for incomplete: the short forms of DISCONNECT (section 3.14.2),
/// and the CONNACK of 3.1.1 by which a broker refuses version 5 (section 4.13 leaves it that way out).
pub(super) fn read(mut packet: BytesMut) -> Result<Received, PacketError> {
    match *packet {
        [CONNACK, 2, ..] => return super::v3::read(packet),
        [DISCONNECT, 0] => return Ok(Received::Disconnect(Reason::new(Reason::SUCCESS))),
        [DISCONNECT, 1, code] => return Ok(Received::Disconnect(Reason::new(code))),
        _ => {}
    }
    match Packet::read(&mut packet, None).map_err(malformed)? {
        Packet::ConnAck(ack) => Ok(Received::Connack(connack(ack))),
        Packet::Publish(publish) => incoming(publish).map(Received::Publish),
        Packet::PubAck(ack) => Ok(Received::Puback {
            packet_id: ack.pkid,
            reason: Reason {
                code: puback_code(ack.reason),
                said: ack.properties.and_then(|found| found.reason_string),
            },
        }),
        Packet::PubRec(ack) => Ok(Received::Pubrec {
            packet_id: ack.pkid,
            reason: Reason {
                code: pubrec_code(ack.reason),
                said: ack.properties.and_then(|found| found.reason_string),
            },
        }),
        Packet::PubRel(ack) => Ok(Received::Pubrel { packet_id: ack.pkid }),
        Packet::PubComp(ack) => Ok(Received::Pubcomp { packet_id: ack.pkid }),
        Packet::SubAck(ack) => {
            let said = ack.properties.and_then(|found| found.reason_string);
            let answers = ack.return_codes.into_iter().map(|code| subscribed(code, said.as_deref())).collect();
            Ok(Received::Suback { packet_id: ack.pkid, answers })
        }
        Packet::UnsubAck(ack) => Ok(Received::Unsuback {
            packet_id: ack.pkid,
            refusals: ack.reasons.into_iter().filter_map(unsubscribe_refusal).collect(),
        }),
        Packet::PingResp(_) => Ok(Received::Pingresp),
        Packet::Disconnect(goodbye) => Ok(Received::Disconnect(Reason {
            code: goodbye.reason_code as u8,
            said: goodbye.properties.and_then(|found| found.reason_string),
        })),
        Packet::Auth(_) => Err(PacketError::Unexpected("AUTH")),
        Packet::Connect(..) => Err(PacketError::Unexpected("CONNECT")),
        Packet::Subscribe(_) => Err(PacketError::Unexpected("SUBSCRIBE")),
        Packet::Unsubscribe(_) => Err(PacketError::Unexpected("UNSUBSCRIBE")),
        Packet::PingReq(_) => Err(PacketError::Unexpected("PINGREQ")),
    }
}

fn connack(ack: v5::ConnAck) -> Connack {
    let mut reason = Reason::new(connect_code(ack.code));
    let mut terms = Terms::default();
    if let Some(found) = ack.properties {
        reason.said = found.reason_string;
        terms = Terms {
            receive_maximum: found.receive_max.unwrap_or(terms.receive_maximum).max(1),
            maximum_qos: found.max_qos.unwrap_or(terms.maximum_qos),
            retain_available: found.retain_available != Some(0),
            packet_bytes_max: found.max_packet_size.unwrap_or(terms.packet_bytes_max),
            keep_alive_s: found.server_keep_alive,
        };
    }
    Connack { session_present: ack.session_present, reason, terms }
}

fn incoming(publish: v5::Publish) -> Result<Incoming, PacketError> {
    let (correlation, user_properties) = match publish.properties {
        Some(found) => (found.correlation_data, found.user_properties),
        None => (None, Vec::new()),
    };
    Ok(Incoming {
        topic: super::topic(publish.topic.to_vec())?,
        payload: Payload::Whole(Bytes::copy_from_slice(&publish.payload)),
        retain: publish.retain,
        dup: publish.dup,
        qos: match publish.qos {
            QoS::AtMostOnce => Qos::AtMostOnce,
            QoS::AtLeastOnce => Qos::AtLeastOnce,
            QoS::ExactlyOnce => Qos::ExactlyOnce,
        },
        packet_id: publish.pkid,
        correlation: correlation.map(|data| Bytes::copy_from_slice(&data)),
        user_properties,
    })
}

fn connect_code(code: ConnectReturnCode) -> u8 {
    match code {
        ConnectReturnCode::Success => Reason::SUCCESS,
        ConnectReturnCode::UnspecifiedError => 0x80,
        ConnectReturnCode::MalformedPacket => 0x81,
        ConnectReturnCode::ProtocolError => 0x82,
        ConnectReturnCode::ImplementationSpecificError => 0x83,
        ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion => {
            Reason::UNSUPPORTED_VERSION
        }
        ConnectReturnCode::BadClientId | ConnectReturnCode::ClientIdentifierNotValid => 0x85,
        ConnectReturnCode::BadUserNamePassword => 0x86,
        ConnectReturnCode::NotAuthorized => 0x87,
        ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::ServerUnavailable => 0x88,
        ConnectReturnCode::ServerBusy => 0x89,
        ConnectReturnCode::Banned => 0x8A,
        ConnectReturnCode::BadAuthenticationMethod => 0x8C,
        ConnectReturnCode::TopicNameInvalid => Reason::TOPIC_NAME_INVALID,
        ConnectReturnCode::PacketTooLarge => Reason::PACKET_TOO_LARGE,
        ConnectReturnCode::QuotaExceeded => 0x97,
        ConnectReturnCode::PayloadFormatInvalid => 0x99,
        ConnectReturnCode::RetainNotSupported => 0x9A,
        ConnectReturnCode::QoSNotSupported => Reason::QOS_NOT_SUPPORTED,
        ConnectReturnCode::UseAnotherServer => 0x9C,
        ConnectReturnCode::ServerMoved => 0x9D,
        ConnectReturnCode::ConnectionRateExceeded => 0x9F,
    }
}

fn puback_code(reason: PubAckReason) -> u8 {
    match reason {
        PubAckReason::Success => Reason::SUCCESS,
        PubAckReason::NoMatchingSubscribers => Reason::NO_MATCHING_SUBSCRIBERS,
        PubAckReason::UnspecifiedError => 0x80,
        PubAckReason::ImplementationSpecificError => 0x83,
        PubAckReason::NotAuthorized => 0x87,
        PubAckReason::TopicNameInvalid => Reason::TOPIC_NAME_INVALID,
        PubAckReason::PacketIdentifierInUse => Reason::PACKET_ID_IN_USE,
        PubAckReason::QuotaExceeded => Reason::QUOTA_EXCEEDED,
        PubAckReason::PayloadFormatInvalid => 0x99,
    }
}

fn pubrec_code(reason: PubRecReason) -> u8 {
    match reason {
        PubRecReason::Success => Reason::SUCCESS,
        PubRecReason::NoMatchingSubscribers => Reason::NO_MATCHING_SUBSCRIBERS,
        PubRecReason::UnspecifiedError => Reason::UNSPECIFIED_ERROR,
        PubRecReason::ImplementationSpecificError => 0x83,
        PubRecReason::NotAuthorized => Reason::NOT_AUTHORIZED,
        PubRecReason::TopicNameInvalid => Reason::TOPIC_NAME_INVALID,
        PubRecReason::PacketIdentifierInUse => Reason::PACKET_ID_IN_USE,
        PubRecReason::QuotaExceeded => Reason::QUOTA_EXCEEDED,
        PubRecReason::PayloadFormatInvalid => 0x99,
    }
}

fn subscribed(code: SubscribeReasonCode, said: Option<&str>) -> Result<Qos, Reason> {
    let code = match code {
        SubscribeReasonCode::Success(QoS::AtMostOnce) => return Ok(Qos::AtMostOnce),
        SubscribeReasonCode::Success(QoS::AtLeastOnce) => return Ok(Qos::AtLeastOnce),
        SubscribeReasonCode::Success(QoS::ExactlyOnce) => return Ok(Qos::ExactlyOnce),
        SubscribeReasonCode::Failure | SubscribeReasonCode::Unspecified => 0x80,
        SubscribeReasonCode::ImplementationSpecific => 0x83,
        SubscribeReasonCode::NotAuthorized => 0x87,
        SubscribeReasonCode::TopicFilterInvalid => 0x8F,
        SubscribeReasonCode::PkidInUse => 0x91,
        SubscribeReasonCode::QuotaExceeded => 0x97,
        SubscribeReasonCode::SharedSubscriptionsNotSupported => 0x9E,
        SubscribeReasonCode::SubscriptionIdNotSupported => 0xA1,
        SubscribeReasonCode::WildcardSubscriptionsNotSupported => 0xA2,
    };
    Err(Reason { code, said: said.map(str::to_owned) })
}

/// A subscription that was not there is gone as well.
fn unsubscribe_refusal(reason: UnsubAckReason) -> Option<Reason> {
    match reason {
        UnsubAckReason::Success | UnsubAckReason::NoSubscriptionExisted => None,
        UnsubAckReason::UnspecifiedError => Some(Reason::new(0x80)),
        UnsubAckReason::ImplementationSpecificError => Some(Reason::new(0x83)),
        UnsubAckReason::NotAuthorized => Some(Reason::new(0x87)),
        UnsubAckReason::TopicFilterInvalid => Some(Reason::new(0x8F)),
        UnsubAckReason::PacketIdentifierInUse => Some(Reason::new(0x91)),
    }
}

/// No maximum packet size is announced: a broker would throw a larger message away and tell nobody (section 3.1.2.11.4).
/// No topic aliases are allowed either; left out means none.
pub(super) fn connect(connect: &Connect, out: &mut BytesMut) -> Result<(), PacketError> {
    let (clean_start, session_expiry_interval) = match connect.session {
        Session::Clean => (true, None),
        Session::Kept { expiry_s } => (false, Some(expiry_s)),
    };
    let properties = v5::ConnectProperties {
        session_expiry_interval,
        receive_maximum: Some(connect.receive_maximum.max(1)),
        ..v5::ConnectProperties::default()
    };
    let packet = v5::Connect {
        keep_alive: connect.keep_alive_s(),
        client_id: connect.client_id.clone(),
        clean_start,
        properties: Some(properties),
    };
    let will = connect
        .will
        .as_ref()
        .map(|will| v5::LastWill::new(&will.topic, will.payload.clone(), qos(will.qos), will.retain, None));
    let login = (connect.username.is_some() || connect.password.is_some()).then(|| {
        v5::Login::new(
            connect.username.as_deref().unwrap_or_default(),
            connect.password.as_ref().map_or("", |password| password.expose()),
        )
    });
    write(Packet::Connect(packet, will, login), u32::MAX, out)
}

pub(super) fn publish(
    packet_id: u16,
    dup: bool,
    message: Publish,
    packet_bytes_max: u32,
    out: &mut BytesMut,
) -> Result<Written, PacketError> {
    let has_properties = message.content_type.is_some() || !message.user_properties.is_empty();
    let properties = has_properties.then(|| v5::PublishProperties {
        content_type: message.content_type.map(str::to_owned),
        user_properties: message.user_properties,
        ..Default::default()
    });
    let packet = v5::Publish {
        dup,
        qos: qos(message.qos),
        retain: message.retain,
        topic: message.topic.into(),
        pkid: packet_id,
        payload: message.payload,
        properties,
    };
    match Packet::Publish(packet).write(out, Some(packet_bytes_max)) {
        Ok(_) => Ok(Written::Whole),
        Err(Error::OutgoingPacketTooLarge { .. }) => Ok(Written::Refused(Reason::new(Reason::PACKET_TOO_LARGE))),
        Err(other) => Err(unwritable(other)),
    }
}

pub(super) fn puback(packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::PubAck(v5::PubAck::new(packet_id, None)), u32::MAX, out)
}

pub(super) fn pubrec(packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::PubRec(v5::PubRec::new(packet_id, None)), u32::MAX, out)
}

pub(super) fn pubrel(packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::PubRel(v5::PubRel::new(packet_id, None)), u32::MAX, out)
}

pub(super) fn pubcomp(packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::PubComp(v5::PubComp::new(packet_id, None)), u32::MAX, out)
}

pub(super) fn subscribe(
    packet_id: u16,
    filters: &[String],
    asked: Qos,
    packet_bytes_max: u32,
    out: &mut BytesMut,
) -> Result<(), PacketError> {
    let filters = filters.iter().map(|filter| Filter::new(filter, qos(asked)));
    let mut packet = v5::Subscribe::new_many(filters, None);
    packet.pkid = packet_id;
    write(Packet::Subscribe(packet), packet_bytes_max, out)
}

pub(super) fn unsubscribe(
    packet_id: u16,
    filters: &[String],
    packet_bytes_max: u32,
    out: &mut BytesMut,
) -> Result<(), PacketError> {
    let packet = v5::Unsubscribe { pkid: packet_id, filters: filters.to_vec(), properties: None };
    write(Packet::Unsubscribe(packet), packet_bytes_max, out)
}

pub(super) fn pingreq(out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::PingReq(v5::PingReq), u32::MAX, out)
}

pub(super) fn disconnect(out: &mut BytesMut) -> Result<(), PacketError> {
    write(Packet::Disconnect(v5::Disconnect::new(v5::DisconnectReasonCode::NormalDisconnection)), u32::MAX, out)
}

fn qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn write(packet: Packet, packet_bytes_max: u32, out: &mut BytesMut) -> Result<(), PacketError> {
    packet.write(out, Some(packet_bytes_max)).map(drop).map_err(unwritable)
}

fn malformed(error: Error) -> PacketError {
    PacketError::Malformed(error.to_string())
}

fn unwritable(error: Error) -> PacketError {
    PacketError::Unwritable(error.to_string())
}
