//! The first exchange on a connection: CONNECT, then CONNACK within its limit.

use std::io;

use bytes::BytesMut;
use plantlink_config::MqttVersion;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Connect;
use super::error::{LinkError, Waiting};
use super::frame::Frames;
use super::packet::{Codec, Connack, PacketError, Received};
use super::reason::Reason;

/// What the handshake leaves behind for the rest of the connection.
pub(crate) struct Greeted {
    pub(crate) connack: Connack,
    /// A broker may send messages right behind its CONNACK.
    pub(crate) input: BytesMut,
    pub(crate) frames: Frames,
    pub(crate) codec: Codec,
}

/// Introduces us to the broker.
pub(crate) async fn greet(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    connect: &Connect,
) -> Result<Greeted, LinkError> {
    let limit = connect.limits.connect;
    match tokio::time::timeout(limit, exchange(stream, connect)).await {
        Ok(done) => done,
        Err(_) => Err(LinkError::Timeout { what: Waiting::Connack, limit }),
    }
}

async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), connect: &Connect) -> Result<Greeted, LinkError> {
    let codec = Codec::new(connect.version);
    let mut output = BytesMut::new();
    codec.connect(connect, &mut output)?;
    stream.write_all(&output).await.map_err(|error| lost(error, connect.version))?;
    stream.flush().await.map_err(|error| lost(error, connect.version))?;

    let mut input = BytesMut::with_capacity(super::wire::READ_BYTES);
    let mut frames = Frames::new(connect.packet_bytes_max);
    let first = loop {
        if let Some(frame) = frames.next(&mut input)? {
            break codec.read(frame)?;
        }
        if stream.read_buf(&mut input).await.map_err(|error| lost(error, connect.version))? == 0 {
            return Err(LinkError::HungUp { version: connect.version });
        }
    };
    let connack = match first {
        Received::Connack(connack) => connack,
        Received::Disconnect(reason) => return Err(LinkError::Closed { reason: Some(reason) }),
        Received::Publish(_)
        | Received::Puback { .. }
        | Received::Pubrec { .. }
        | Received::Pubrel { .. }
        | Received::Pubcomp { .. }
        | Received::Suback { .. }
        | Received::Unsuback { .. }
        | Received::Pingresp => return Err(PacketError::Unexpected("packet before CONNACK").into()),
    };
    if connack.reason.code != Reason::SUCCESS {
        return Err(LinkError::Refused { reason: connack.reason, version: connect.version });
    }
    let codec = codec.within(connack.terms.packet_bytes_max);
    Ok(Greeted { connack, input, frames, codec })
}

/// To hang up is the other way in which an old broker says that it does not know the version.
fn lost(error: io::Error, version: MqttVersion) -> LinkError {
    let hung_up = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionAborted];
    if hung_up.contains(&error.kind()) { LinkError::HungUp { version } } else { LinkError::from(error) }
}
