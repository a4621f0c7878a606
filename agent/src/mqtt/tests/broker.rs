//! The broker's end of a connection, word for word as a test wants it.

use bytes::{Bytes, BytesMut};
use plantlink_config::MqttVersion;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a client says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    Connect(Hello),
    Subscribe {
        packet_id: u16,
        filters: Vec<String>,
        qos: u8,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Publish {
        packet_id: u16,
        qos: u8,
        retain: bool,
        topic: String,
        payload: Bytes,
        user_properties: Vec<(String, String)>,
    },
    Puback(u16),
    Pubrec(u16),
    Pubrel(u16),
    Pubcomp(u16),
    Ping,
    Goodbye,
    Gone,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hello {
    pub(super) client_id: String,
    pub(crate) clean: bool,
    pub(super) keep_alive_s: u16,
    pub(super) login: Option<(String, String)>,
    /// Topic, payload, QoS, retain.
    pub(super) will: Option<(String, Bytes, u8, bool)>,
    pub(crate) receive_maximum: Option<u16>,
    pub(super) session_expiry_s: Option<u32>,
    pub(super) packet_bytes_max: Option<u32>,
    pub(super) topic_alias_max: Option<u16>,
}

pub(crate) struct Broker<S> {
    pub(super) stream: S,
    pub(super) version: MqttVersion,
    input: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Broker<S> {
    pub(crate) fn new(stream: S, version: MqttVersion) -> Self {
        Broker { stream, version, input: BytesMut::new() }
    }

    /// Hears a CONNECT and accepts it.
    pub(super) async fn greet(&mut self) {
        self.greet_with(&[]).await;
    }

    pub(super) async fn greet_with(&mut self, properties: &[u8]) {
        assert!(matches!(self.hear().await, Heard::Connect(_)));
        self.say(&connack(self.version, false, 0, properties)).await;
    }

    pub(super) async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// False when the client is gone.
    pub(crate) async fn try_say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Waits for the next packet; a broken connection is [`Heard::Gone`].
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.next_packet() {
                return heard;
            }
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return Heard::Gone,
                Ok(_) => {}
            }
        }
    }

    /// What has come already.
    pub(super) fn next_packet(&mut self) -> Option<Heard> {
        match self.version {
            MqttVersion::V311 => match v4::Packet::read(&mut self.input, usize::MAX) {
                Ok(packet) => Some(heard_v3(packet)),
                Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => None,
                Err(error) => panic!("the client said nonsense: {error}"),
            },
            MqttVersion::V5 => {
                // rumqttc cannot read the shortest DISCONNECT.
                if self.input.starts_with(&[0xE0, 0]) {
                    return Some(Heard::Goodbye);
                }
                match v5::Packet::read(&mut self.input, None) {
                    Ok(packet) => Some(heard_v5(packet)),
                    Err(rumqttc::v5::mqttbytes::Error::InsufficientBytes(_)) => None,
                    Err(error) => panic!("the client said nonsense: {error}"),
                }
            }
        }
    }

    pub(super) async fn hear_subscribe(&mut self) -> (u16, Vec<String>) {
        let heard = self.hear().await;
        let Heard::Subscribe { packet_id, filters, qos: 1 } = heard else {
            panic!("expected SUBSCRIBE, heard {heard:?}");
        };
        (packet_id, filters)
    }

    /// The packet id and the payload.
    pub(super) async fn hear_publish(&mut self) -> (u16, String) {
        let heard = self.hear().await;
        let Heard::Publish { packet_id, payload, .. } = heard else {
            panic!("expected PUBLISH, heard {heard:?}");
        };
        (packet_id, text(&payload))
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others are what only a broker says")]
fn heard_v3(packet: v4::Packet) -> Heard {
    match packet {
        v4::Packet::Connect(connect) => Heard::Connect(Hello {
            client_id: connect.client_id,
            clean: connect.clean_session,
            keep_alive_s: connect.keep_alive,
            login: connect.login.map(|login| (login.username, login.password)),
            will: connect.last_will.map(|will| (will.topic, will.message, will.qos as u8, will.retain)),
            receive_maximum: None,
            session_expiry_s: None,
            packet_bytes_max: None,
            topic_alias_max: None,
        }),
        v4::Packet::Subscribe(subscribe) => Heard::Subscribe {
            packet_id: subscribe.pkid,
            qos: subscribe.filters[0].qos as u8,
            filters: subscribe.filters.into_iter().map(|filter| filter.path).collect(),
        },
        v4::Packet::Unsubscribe(unsubscribe) => {
            Heard::Unsubscribe { packet_id: unsubscribe.pkid, filters: unsubscribe.topics }
        }
        v4::Packet::Publish(publish) => Heard::Publish {
            packet_id: publish.pkid,
            qos: publish.qos as u8,
            retain: publish.retain,
            topic: publish.topic,
            payload: publish.payload,
            user_properties: Vec::new(),
        },
        v4::Packet::PubAck(ack) => Heard::Puback(ack.pkid),
        v4::Packet::PubRec(ack) => Heard::Pubrec(ack.pkid),
        v4::Packet::PubRel(ack) => Heard::Pubrel(ack.pkid),
        v4::Packet::PubComp(ack) => Heard::Pubcomp(ack.pkid),
        v4::Packet::PingReq => Heard::Ping,
        v4::Packet::Disconnect => Heard::Goodbye,
        other => panic!("no client says {other:?}"),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others are what only a broker says")]
fn heard_v5(packet: v5::Packet) -> Heard {
    match packet {
        v5::Packet::Connect(connect, will, login) => {
            let properties = connect.properties.unwrap_or_default();
            Heard::Connect(Hello {
                client_id: connect.client_id,
                clean: connect.clean_start,
                keep_alive_s: connect.keep_alive,
                login: login.map(|login| (login.username, login.password)),
                will: will.map(|will| (text(&will.topic), will.message, will.qos as u8, will.retain)),
                receive_maximum: properties.receive_maximum,
                session_expiry_s: properties.session_expiry_interval,
                packet_bytes_max: properties.max_packet_size,
                topic_alias_max: properties.topic_alias_max,
            })
        }
        v5::Packet::Subscribe(subscribe) => Heard::Subscribe {
            packet_id: subscribe.pkid,
            qos: subscribe.filters[0].qos as u8,
            filters: subscribe.filters.into_iter().map(|filter| filter.path).collect(),
        },
        v5::Packet::Unsubscribe(unsubscribe) => {
            Heard::Unsubscribe { packet_id: unsubscribe.pkid, filters: unsubscribe.filters }
        }
        v5::Packet::Publish(publish) => Heard::Publish {
            packet_id: publish.pkid,
            qos: publish.qos as u8,
            retain: publish.retain,
            topic: text(&publish.topic),
            payload: publish.payload,
            user_properties: publish.properties.map(|found| found.user_properties).unwrap_or_default(),
        },
        v5::Packet::PubAck(ack) => Heard::Puback(ack.pkid),
        v5::Packet::PubRec(ack) => Heard::Pubrec(ack.pkid),
        v5::Packet::PubRel(ack) => Heard::Pubrel(ack.pkid),
        v5::Packet::PubComp(ack) => Heard::Pubcomp(ack.pkid),
        v5::Packet::PingReq(_) => Heard::Ping,
        other => panic!("no client says {other:?}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0];

pub(crate) fn connack(version: MqttVersion, session_present: bool, code: u8, properties: &[u8]) -> Vec<u8> {
    let session_present = u8::from(session_present);
    match version {
        MqttVersion::V311 => vec![0x20, 2, session_present, code],
        MqttVersion::V5 => {
            let length = u8::try_from(properties.len()).unwrap();
            [&[0x20, 3 + length, session_present, code, length], properties].concat()
        }
    }
}

pub(crate) fn puback(packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [0x40, 2, high, low]
}

/// MQTT 5 only.
pub(crate) fn puback_because(packet_id: u16, code: u8) -> [u8; 5] {
    let [high, low] = packet_id.to_be_bytes();
    [0x40, 3, high, low, code]
}

pub(crate) fn suback(version: MqttVersion, packet_id: u16, codes: &[u8]) -> Vec<u8> {
    acknowledged(0x90, version, packet_id, codes)
}

pub(crate) fn unsuback(version: MqttVersion, packet_id: u16, codes: &[u8]) -> Vec<u8> {
    match version {
        MqttVersion::V311 => acknowledged(0xB0, version, packet_id, &[]),
        MqttVersion::V5 => acknowledged(0xB0, version, packet_id, codes),
    }
}

fn acknowledged(first: u8, version: MqttVersion, packet_id: u16, codes: &[u8]) -> Vec<u8> {
    let mut rest = packet_id.to_be_bytes().to_vec();
    if version == MqttVersion::V5 {
        rest.push(0);
    }
    rest.extend_from_slice(codes);
    [&[first, u8::try_from(rest.len()).unwrap()], rest.as_slice()].concat()
}

/// A message with QoS 1, or with QoS 0 when the packet id is 0.
pub(crate) fn publish(version: MqttVersion, packet_id: u16, topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    match version {
        MqttVersion::V311 => {
            let qos = if packet_id == 0 { rumqttc::QoS::AtMostOnce } else { rumqttc::QoS::AtLeastOnce };
            let mut packet = v4::Publish::new(topic, qos, payload);
            packet.pkid = packet_id;
            packet.write(&mut out).unwrap();
        }
        MqttVersion::V5 => {
            use rumqttc::v5::mqttbytes::QoS;
            let qos = if packet_id == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let mut packet = v5::Publish::new(topic, qos, payload.to_vec(), None);
            packet.pkid = packet_id;
            packet.write(&mut out).unwrap();
        }
    }
    out.to_vec()
}

/// The same with QoS 2, and with DUP when it is said again.
pub(super) fn publish_once(version: MqttVersion, packet_id: u16, dup: bool, topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut packet = publish(version, packet_id, topic, payload);
    packet[0] = 0x30 | 0b0100 | if dup { 0b1000 } else { 0 };
    packet
}

pub(super) fn pubrec(packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [0x50, 2, high, low]
}

pub(super) fn pubcomp(packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [0x70, 2, high, low]
}

pub(super) fn pubrel(packet_id: u16) -> [u8; 4] {
    let [high, low] = packet_id.to_be_bytes();
    [0x62, 2, high, low]
}
