//! One set of packets over rumqttc's two codecs: what a client sends, and what a broker may send to it.

mod v3;
mod v5;

use bytes::{Bytes, BytesMut};
use plantlink_config::MqttVersion;

use super::Connect;
use super::frame::{Frame, OversizedPublish};
use super::reason::Reason;

/// The most bytes of a text field: its length has two bytes (MQTT 5, section 1.5.4).
const TEXT_BYTES_MAX: usize = 65_535;
/// The largest packet that the protocol can express: five bytes of header and a length of four times seven bits.
const PACKET_BYTES_MAX: u32 = 5 + 268_435_455;

/// How often a message may arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::enum_variant_names, reason = "these are the protocol's own words")]
pub(crate) enum Qos {
    AtMostOnce,
    AtLeastOnce,
    ExactlyOnce,
}

/// A message to a broker.
#[derive(Debug, Clone)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) retain: bool,
    pub(crate) qos: Qos,
    /// Of the payload. Left out with 3.1.1, as what follows.
    pub(crate) content_type: Option<&'static str>,
    pub(crate) user_properties: Vec<(String, String)>,
}

/// A message from a broker. Nothing of it holds on to the read buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) topic: String,
    pub(crate) payload: Payload,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    pub(crate) qos: Qos,
    /// What an acknowledgement names; 0 with QoS 0, which has none.
    pub(crate) packet_id: u16,
    /// MQTT 5 correlation data.
    pub(crate) correlation: Option<Bytes>,
    /// MQTT 5 user properties.
    pub(crate) user_properties: Vec<(String, String)>,
}

/// What a message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    Whole(Bytes),
    /// The packet was larger than the limit and its payload was not kept. It wants its acknowledgement all the same, or
    /// the broker sends it again for ever.
    TooLarge {
        /// Of the whole packet.
        packet_bytes: usize,
    },
}

impl Incoming {
    /// What it takes in memory, near enough for a limit.
    pub(crate) fn weight(&self) -> usize {
        let payload = match &self.payload {
            Payload::Whole(bytes) => bytes.len(),
            Payload::TooLarge { .. } => 0,
        };
        let properties: usize = self.user_properties.iter().map(|(key, value)| key.len() + value.len()).sum();
        size_of::<Self>() + self.topic.len() + payload + properties + self.correlation.as_ref().map_or(0, Bytes::len)
    }
}

/// What a broker may send.
#[derive(Debug)]
pub(crate) enum Received {
    Connack(Connack),
    Publish(Incoming),
    Puback {
        packet_id: u16,
        reason: Reason,
    },
    /// The broker has our message, or refuses it.
    Pubrec {
        packet_id: u16,
        reason: Reason,
    },
    /// The broker has forgotten the id of its message: the message never comes again.
    Pubrel {
        packet_id: u16,
    },
    /// The broker has forgotten the id of our message. Whether it still knew the id changes nothing.
    Pubcomp {
        packet_id: u16,
    },
    Suback {
        packet_id: u16,
        answers: Vec<Result<Qos, Reason>>,
    },
    Unsuback {
        packet_id: u16,
        refusals: Vec<Reason>,
    },
    Pingresp,
    Disconnect(Reason),
}

/// The broker's answer to CONNECT.
#[derive(Debug)]
pub(crate) struct Connack {
    pub(crate) session_present: bool,
    pub(crate) reason: Reason,
    pub(crate) terms: Terms,
}

/// What a broker allows on a connection. With 3.1.1 it cannot say.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// The most messages that may wait for their PUBACK.
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_qos: u8,
    pub(crate) retain_available: bool,
    /// The largest packet it takes.
    pub(crate) packet_bytes_max: u32,
    /// Overrules the client's keep-alive, in seconds.
    pub(crate) keep_alive_s: Option<u16>,
}

impl Default for Terms {
    fn default() -> Self {
        Terms {
            receive_maximum: u16::MAX,
            maximum_qos: 2,
            retain_available: true,
            packet_bytes_max: PACKET_BYTES_MAX,
            keep_alive_s: None,
        }
    }
}

/// What came cannot be what a broker may send, or what should go cannot be said. Ends the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PacketError {
    #[error("a packet of {bytes} bytes is larger than the limit of {bytes_max} bytes")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("malformed packet: {0}")]
    Malformed(String),
    #[error("unexpected {0}")]
    Unexpected(&'static str),
    #[error("cannot write a packet: {0}")]
    Unwritable(String),
}

/// Whether a message went into the buffer. One that can never go must not cost the connection.
#[derive(Debug)]
pub(crate) enum Written {
    Whole,
    Refused(Reason),
}

/// Reads and writes the packets of one protocol version.
#[derive(Debug, Clone)]
pub(crate) struct Codec {
    version: MqttVersion,
    /// The largest packet that the broker takes.
    packet_bytes_max: u32,
}

impl Codec {
    pub(crate) fn new(version: MqttVersion) -> Self {
        Codec { version, packet_bytes_max: PACKET_BYTES_MAX }
    }

    /// The same, within what the broker said it takes.
    pub(crate) fn within(self, packet_bytes_max: u32) -> Self {
        Codec { packet_bytes_max: packet_bytes_max.min(PACKET_BYTES_MAX), ..self }
    }

    pub(crate) fn read(&self, frame: Frame) -> Result<Received, PacketError> {
        match frame {
            Frame::Oversized { front, bytes } => oversized(front, bytes),
            Frame::Whole(bytes) => match self.version {
                MqttVersion::V311 => v3::read(bytes),
                MqttVersion::V5 => v5::read(bytes),
            },
        }
    }

    pub(crate) fn connect(&self, connect: &Connect, out: &mut BytesMut) -> Result<(), PacketError> {
        let will = connect.will.as_ref();
        let texts = [
            Some(connect.client_id.as_bytes()),
            connect.username.as_ref().map(String::as_bytes),
            connect.password.as_ref().map(|password| password.expose().as_bytes()),
            will.map(|will| will.topic.as_bytes()),
            will.map(|will| will.payload.as_ref()),
        ];
        if texts.into_iter().flatten().any(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(PacketError::Unwritable(
                "client id, user name, password or will is over 65535 bytes".to_owned(),
            ));
        }
        match self.version {
            MqttVersion::V311 => v3::connect(connect, out),
            MqttVersion::V5 => v5::connect(connect, out),
        }
    }

    /// Writes a message, unless no broker (topic) or not this broker (size) would take it. `dup` is for one that may have
    /// been sent before under this id.
    pub(crate) fn publish(
        &self,
        packet_id: u16,
        dup: bool,
        message: Publish,
        out: &mut BytesMut,
    ) -> Result<Written, PacketError> {
        let topic = message.topic.as_str();
        if topic.is_empty() || topic.len() > TEXT_BYTES_MAX || topic.contains(['+', '#', '\0']) {
            return Ok(Written::Refused(Reason::new(Reason::TOPIC_NAME_INVALID)));
        }
        let properties = message.user_properties.iter().flat_map(|(key, value)| [key, value]);
        if properties.into_iter().any(|text| text.len() > TEXT_BYTES_MAX) {
            return Ok(Written::Refused(Reason::new(Reason::PACKET_TOO_LARGE)));
        }
        match self.version {
            MqttVersion::V311 => v3::publish(packet_id, dup, message, self.packet_bytes_max, out),
            MqttVersion::V5 => v5::publish(packet_id, dup, message, self.packet_bytes_max, out),
        }
    }

    pub(crate) fn puback(&self, packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
        match self.version {
            MqttVersion::V311 => v3::puback(packet_id, out),
            MqttVersion::V5 => v5::puback(packet_id, out),
        }
    }

    /// Says that we have the message of this id.
    pub(crate) fn pubrec(&self, packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
        match self.version {
            MqttVersion::V311 => v3::pubrec(packet_id, out),
            MqttVersion::V5 => v5::pubrec(packet_id, out),
        }
    }

    /// Has the broker pass the message of this id on, and forget the id.
    pub(crate) fn pubrel(&self, packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
        match self.version {
            MqttVersion::V311 => v3::pubrel(packet_id, out),
            MqttVersion::V5 => v5::pubrel(packet_id, out),
        }
    }

    /// Says that we have forgotten the id.
    pub(crate) fn pubcomp(&self, packet_id: u16, out: &mut BytesMut) -> Result<(), PacketError> {
        match self.version {
            MqttVersion::V311 => v3::pubcomp(packet_id, out),
            MqttVersion::V5 => v5::pubcomp(packet_id, out),
        }
    }

    /// Asks for the same QoS on every filter.
    pub(crate) fn subscribe(
        &self,
        packet_id: u16,
        filters: &[String],
        qos: Qos,
        out: &mut BytesMut,
    ) -> Result<(), PacketError> {
        check_filters(filters)?;
        match self.version {
            MqttVersion::V311 => v3::subscribe(packet_id, filters, qos, self.packet_bytes_max, out),
            MqttVersion::V5 => v5::subscribe(packet_id, filters, qos, self.packet_bytes_max, out),
        }
    }

    pub(crate) fn unsubscribe(
        &self,
        packet_id: u16,
        filters: &[String],
        out: &mut BytesMut,
    ) -> Result<(), PacketError> {
        check_filters(filters)?;
        match self.version {
            MqttVersion::V311 => v3::unsubscribe(packet_id, filters, self.packet_bytes_max, out),
            MqttVersion::V5 => v5::unsubscribe(packet_id, filters, self.packet_bytes_max, out),
        }
    }

    pub(crate) fn pingreq(&self, out: &mut BytesMut) -> Result<(), PacketError> {
        match self.version {
            MqttVersion::V311 => v3::pingreq(out),
            MqttVersion::V5 => v5::pingreq(out),
        }
    }

    /// Says goodbye, so that the broker does not publish the will.
    pub(crate) fn disconnect(&self, out: &mut BytesMut) -> Result<(), PacketError> {
        match self.version {
            MqttVersion::V311 => v3::disconnect(out),
            MqttVersion::V5 => v5::disconnect(out),
        }
    }
}

fn check_filters(filters: &[String]) -> Result<(), PacketError> {
    if filters.iter().any(|filter| filter.is_empty() || filter.len() > TEXT_BYTES_MAX) {
        return Err(PacketError::Unwritable("a topic filter is empty or over 65535 bytes".to_owned()));
    }
    Ok(())
}

fn oversized(front: OversizedPublish, packet_bytes: usize) -> Result<Received, PacketError> {
    let qos = match (front.flags >> 1) & 0b11 {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        2 => Qos::ExactlyOnce,
        _ => return Err(PacketError::Malformed("a PUBLISH has QoS 3".to_owned())),
    };
    if qos != Qos::AtMostOnce && front.packet_id == 0 {
        return Err(PacketError::Malformed("a PUBLISH has packet id 0".to_owned()));
    }
    Ok(Received::Publish(Incoming {
        topic: topic(front.topic.to_vec())?,
        payload: Payload::TooLarge { packet_bytes },
        retain: front.flags & 0b0001 != 0,
        dup: front.flags & 0b1000 != 0,
        qos,
        packet_id: front.packet_id,
        correlation: None,
        user_properties: Vec::new(),
    }))
}

/// An empty topic would be a topic alias, which this client never allows.
fn topic(bytes: Vec<u8>) -> Result<String, PacketError> {
    match String::from_utf8(bytes) {
        Ok(topic) if topic.is_empty() => Err(PacketError::Malformed("a PUBLISH has no topic".to_owned())),
        Ok(topic) => Ok(topic),
        Err(_) => Err(PacketError::Malformed("a topic is not UTF-8".to_owned())),
    }
}
