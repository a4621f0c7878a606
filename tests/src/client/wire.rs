//! One connection: the packets that the tests need, in both versions.

use std::fmt::Debug;
use std::io::{Error, ErrorKind, Result};

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use rumqttc::mqttbytes::{QoS, v4};
use rumqttc::v5::mqttbytes::{QoS as QoS5, v5};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;

use super::{Message, Options, Version};
use crate::ports;

/// The largest packet that is read or written.
const PACKET_BYTES_MAX: u32 = 16 << 20;
/// What a test's client lets a broker send before it has acknowledged anything.
const RECEIVE_MAXIMUM: u16 = 1_000;

/// How long the broker keeps what it knows of a client that is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// Nothing is kept.
    Clean,
    /// Subscriptions and what was not acknowledged are kept.
    Kept,
}

/// What came from the broker.
pub(super) enum Incoming {
    /// The broker has a message, or will never take it (MQTT 5 reason).
    Acknowledged { id: u16, refused: Option<String> },
    /// The broker has a message with QoS 2 and waits for its release.
    Recorded { id: u16 },
    /// A message; `id` is 0 with QoS 0.
    Message { message: Message, id: u16, dup: bool },
    /// Anything else.
    Other,
}

/// A connection that the broker has accepted.
pub(super) struct Wire {
    stream: Stream,
    /// Whether the broker still knew this client.
    pub(super) session_present: bool,
    /// How many messages may be on their way to the broker.
    pub(super) window: usize,
}

enum Stream {
    V311(Framed<TcpStream, v4::Codec>),
    V5(Framed<TcpStream, v5::Codec>),
}

impl Wire {
    pub(super) async fn open(options: &Options, session: Session) -> Result<Wire> {
        let tcp = TcpStream::connect(ports::local(options.port)).await?;
        tcp.set_nodelay(true)?;
        match options.version {
            Version::V311 => open_v311(tcp, &options.client_id, session).await,
            Version::V5 => open_v5(tcp, &options.client_id, session).await,
        }
    }

    /// Asks for everything that fits `filter`, with QoS 1, and waits until the broker has granted it.
    pub(super) async fn subscribe(&mut self, filter: &str) -> Result<()> {
        let granted = match &mut self.stream {
            Stream::V311(framed) => {
                let mut subscribe = v4::Subscribe::new(filter, QoS::AtLeastOnce);
                subscribe.pkid = 1;
                framed.send(v4::Packet::Subscribe(subscribe)).await.map_err(broken)?;
                let refused = v4::SubscribeReasonCode::Failure;
                let answer = arrived(framed.next().await)?;
                matches!(answer, v4::Packet::SubAck(ack) if !ack.return_codes.contains(&refused))
            }
            Stream::V5(framed) => {
                let filter = v5::Filter::new(filter, QoS5::AtLeastOnce);
                let mut subscribe = v5::Subscribe::new(filter, None);
                subscribe.pkid = 1;
                framed.send(v5::Packet::Subscribe(subscribe)).await.map_err(broken)?;
                let granted = v5::SubscribeReasonCode::Success(QoS5::AtLeastOnce);
                let answer = arrived(framed.next().await)?;
                matches!(answer, v5::Packet::SubAck(ack) if ack.return_codes == [granted])
            }
        };
        granted.then_some(()).ok_or_else(|| Error::other("the broker does not grant the subscription"))
    }

    /// Queues a message for the next flush.
    pub(super) async fn publish(&mut self, id: u16, message: &Message, once: bool) -> Result<()> {
        match &mut self.stream {
            Stream::V311(framed) => {
                let qos = if once { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
                let mut publish = v4::Publish::from_bytes(&message.topic, qos, message.payload.clone());
                publish.pkid = id;
                publish.retain = message.retain;
                framed.feed(v4::Packet::Publish(publish)).await.map_err(broken)
            }
            Stream::V5(framed) => {
                let qos = if once { QoS5::ExactlyOnce } else { QoS5::AtLeastOnce };
                let mut publish = v5::Publish::new(&message.topic, qos, message.payload.clone(), None);
                publish.pkid = id;
                publish.retain = message.retain;
                framed.feed(v5::Packet::Publish(publish)).await.map_err(broken)
            }
        }
    }

    /// Queues an acknowledgement for the next flush.
    pub(super) async fn acknowledge(&mut self, id: u16) -> Result<()> {
        match &mut self.stream {
            Stream::V311(framed) => framed.feed(v4::Packet::PubAck(v4::PubAck::new(id))).await.map_err(broken),
            Stream::V5(framed) => framed.feed(v5::Packet::PubAck(v5::PubAck::new(id, None))).await.map_err(broken),
        }
    }

    /// Queues the release of a message with QoS 2 for the next flush.
    pub(super) async fn release(&mut self, id: u16) -> Result<()> {
        match &mut self.stream {
            Stream::V311(framed) => framed.feed(v4::Packet::PubRel(v4::PubRel::new(id))).await.map_err(broken),
            Stream::V5(framed) => framed.feed(v5::Packet::PubRel(v5::PubRel::new(id, None))).await.map_err(broken),
        }
    }

    pub(super) async fn flush(&mut self) -> Result<()> {
        match &mut self.stream {
            Stream::V311(framed) => framed.flush().await.map_err(broken),
            Stream::V5(framed) => framed.flush().await.map_err(broken),
        }
    }

    /// Waits for the next packet.
    pub(super) async fn next(&mut self) -> Result<Incoming> {
        match &mut self.stream {
            Stream::V311(framed) => Ok(incoming_v311(arrived(framed.next().await)?)),
            Stream::V5(framed) => incoming_v5(arrived(framed.next().await)?),
        }
    }

    /// The next packet, if it is already there.
    pub(super) fn next_now(&mut self) -> Option<Result<Incoming>> {
        self.next().now_or_never()
    }
}

async fn open_v311(tcp: TcpStream, client_id: &str, session: Session) -> Result<Wire> {
    let size = PACKET_BYTES_MAX as usize;
    let codec = v4::Codec { max_incoming_size: size, max_outgoing_size: size };
    let mut framed = Framed::new(tcp, codec);
    framed.set_backpressure_boundary(64 << 10);
    let mut connect = v4::Connect::new(client_id);
    connect.keep_alive = 0;
    connect.clean_session = session == Session::Clean;
    framed.send(v4::Packet::Connect(connect)).await.map_err(broken)?;
    let answer = arrived(framed.next().await)?;
    let v4::Packet::ConnAck(v4::ConnAck { session_present, code: v4::ConnectReturnCode::Success }) = answer else {
        return Err(refused(&answer));
    };
    Ok(Wire { stream: Stream::V311(framed), session_present, window: usize::from(RECEIVE_MAXIMUM) })
}

async fn open_v5(tcp: TcpStream, client_id: &str, session: Session) -> Result<Wire> {
    let codec = v5::Codec { max_incoming_size: Some(PACKET_BYTES_MAX), max_outgoing_size: Some(PACKET_BYTES_MAX) };
    let mut framed = Framed::new(tcp, codec);
    framed.set_backpressure_boundary(64 << 10);
    let mut properties = v5::ConnectProperties::new();
    properties.receive_maximum = Some(RECEIVE_MAXIMUM);
    properties.session_expiry_interval = match session {
        Session::Clean => None,
        Session::Kept => Some(3_600),
    };
    let connect = v5::Connect {
        keep_alive: 0,
        client_id: client_id.to_owned(),
        clean_start: session == Session::Clean,
        properties: Some(properties),
    };
    framed.send(v5::Packet::Connect(connect, None, None)).await.map_err(broken)?;
    let answer = arrived(framed.next().await)?;
    let v5::Packet::ConnAck(v5::ConnAck { session_present, code: v5::ConnectReturnCode::Success, properties }) = answer
    else {
        return Err(refused(&answer));
    };
    let window = properties.and_then(|named| named.receive_max).unwrap_or(RECEIVE_MAXIMUM);
    Ok(Wire { stream: Stream::V5(framed), session_present, window: usize::from(window) })
}

fn incoming_v311(packet: v4::Packet) -> Incoming {
    if let v4::Packet::PubAck(ack) = packet {
        return Incoming::Acknowledged { id: ack.pkid, refused: None };
    }
    if let v4::Packet::PubRec(ack) = packet {
        return Incoming::Recorded { id: ack.pkid };
    }
    if let v4::Packet::PubComp(ack) = packet {
        return Incoming::Acknowledged { id: ack.pkid, refused: None };
    }
    let v4::Packet::Publish(publish) = packet else {
        return Incoming::Other;
    };
    let message =
        Message { topic: publish.topic, payload: Bytes::copy_from_slice(&publish.payload), retain: publish.retain };
    Incoming::Message { message, id: publish.pkid, dup: publish.dup }
}

fn incoming_v5(packet: v5::Packet) -> Result<Incoming> {
    if let v5::Packet::Disconnect(farewell) = packet {
        return Err(Error::other(format!("the broker says goodbye: {:?}", farewell.reason_code)));
    }
    if let v5::Packet::PubAck(ack) = packet {
        let taken = matches!(ack.reason, v5::PubAckReason::Success | v5::PubAckReason::NoMatchingSubscribers);
        let refused = (!taken).then(|| format!("{:?}", ack.reason));
        return Ok(Incoming::Acknowledged { id: ack.pkid, refused });
    }
    if let v5::Packet::PubRec(ack) = packet {
        let taken = matches!(ack.reason, v5::PubRecReason::Success | v5::PubRecReason::NoMatchingSubscribers);
        let refused = format!("{:?}", ack.reason);
        let refusal = Incoming::Acknowledged { id: ack.pkid, refused: Some(refused) };
        return Ok(if taken { Incoming::Recorded { id: ack.pkid } } else { refusal });
    }
    if let v5::Packet::PubComp(ack) = packet {
        return Ok(Incoming::Acknowledged { id: ack.pkid, refused: None });
    }
    let v5::Packet::Publish(publish) = packet else {
        return Ok(Incoming::Other);
    };
    let message = Message {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: Bytes::copy_from_slice(&publish.payload),
        retain: publish.retain,
    };
    Ok(Incoming::Message { message, id: publish.pkid, dup: publish.dup })
}

/// The packet that `next` gave, unless the connection is at its end.
fn arrived<P, E: Debug>(next: Option<std::result::Result<P, E>>) -> Result<P> {
    let closed = || Error::new(ErrorKind::UnexpectedEof, "the broker closed the connection");
    next.ok_or_else(closed)?.map_err(broken)
}

fn broken(error: impl Debug) -> Error {
    Error::other(format!("{error:?}"))
}

fn refused(answer: &impl Debug) -> Error {
    Error::other(format!("the broker refuses the connection: {answer:?}"))
}
