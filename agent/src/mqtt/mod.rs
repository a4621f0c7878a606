//! MQTT 3.1.1 and 5 as a client: what a connection is made of.
//!
//! The packets are rumqttc's, the connection is ours, one at a time and never reconnected behind its user's back: after
//! any error a [`Link`] is dead, and with it every acknowledgement that was still to be given on it. Who wants another
//! connection opens one, and the broker delivers again what it holds no acknowledgement for.
//!
//! `open` does it all; `dial` reaches the broker, `link` is the handle its user holds, `wire` the task that owns the socket.

mod acker;
mod arrival;
mod asked;
pub(crate) mod dial;
mod error;
mod frame;
mod gather;
mod handover;
mod handshake;
mod inbox;
mod keep_alive;
mod link;
mod open;
mod outgoing;
mod output;
mod packet;
mod packet_id_map;
mod packet_ids;
mod patience;
mod reason;
mod wire;

#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use bytes::Bytes;
use plantlink_config::{MqttLink, MqttVersion, SecretError, SecretText};

pub(crate) use acker::Acker;
pub(crate) use arrival::Arrival;
pub(crate) use dial::{Network, Tcp};
pub(crate) use error::LinkError;
#[cfg(fuzzing)]
pub(crate) use frame::Frames;
pub(crate) use handover::{Exchange, Exchanged, Numbered};
pub(crate) use link::Link;
pub(crate) use open::{MqttError, open, open_with, reach};
pub(crate) use outgoing::Answer;
#[cfg(fuzzing)]
pub(crate) use packet::{Codec, PacketError, Received};
pub(crate) use packet::{Incoming, Payload, Publish, Qos};
pub(crate) use packet_id_map::PacketIdMap;
pub(crate) use reason::Reason;

/// How long a connection may be silent before it is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The largest packet that is taken in, as a whole.
const PACKET_BYTES_MAX: u32 = 1024 * 1024;

/// Who connects, and on which terms.
#[derive(Debug, Clone)]
pub(crate) struct Connect {
    pub(crate) version: MqttVersion,
    pub(crate) client_id: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretText>,
    pub(crate) session: Session,
    /// The most messages taken in without an acknowledgement; with MQTT 5 the broker is told. At least 1.
    pub(crate) receive_maximum: u16,
    /// Whole seconds, 1 to 65,535; the broker may overrule it.
    pub(crate) keep_alive: Duration,
    pub(crate) will: Option<Will>,
    /// A larger message arrives without its payload, another larger packet ends the connection. In bytes.
    pub(crate) packet_bytes_max: u32,
    pub(crate) limits: Limits,
}

impl Connect {
    /// What the configuration says, with the terms that it does not ask about. Reads the password now, so that a changed
    /// one is used by the next connection.
    pub(crate) fn new(link: &MqttLink, session: Session) -> Result<Self, SecretError> {
        Ok(Connect {
            version: link.version,
            client_id: link.client_id.clone(),
            username: link.username.clone(),
            password: link.password.as_ref().map(plantlink_config::Secret::read).transpose()?,
            session,
            receive_maximum: link.window,
            keep_alive: KEEP_ALIVE,
            will: None,
            packet_bytes_max: PACKET_BYTES_MAX,
            limits: Limits::default(),
        })
    }

    /// As the protocol has it: 0 would switch it off.
    fn keep_alive_s(&self) -> u16 {
        u16::try_from(self.keep_alive.as_secs()).unwrap_or(u16::MAX).max(1)
    }
}

/// What the broker remembers of us after the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// Nothing, neither from before nor for later.
    Clean,
    /// Subscriptions and what has no acknowledgement yet: for `expiry_s` seconds with MQTT 5, as long as the broker likes
    /// with 3.1.1.
    Kept { expiry_s: u32 },
}

/// What the broker publishes for us when the connection ends without a goodbye.
#[derive(Debug, Clone)]
pub(crate) struct Will {
    pub(crate) topic: String,
    /// At most 65,535 bytes.
    pub(crate) payload: Bytes,
    pub(crate) retain: bool,
    pub(crate) qos: Qos,
}

/// How long the broker may take.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// From CONNECT to CONNACK.
    pub(crate) connect: Duration,
    /// For taking any byte of what there is to send.
    pub(crate) write: Duration,
    /// For any PUBACK, PUBREC or PUBCOMP while messages wait for one, for SUBACK, UNSUBACK and PINGRESP.
    pub(crate) answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connect: Duration::from_secs(10), write: Duration::from_secs(20), answer: Duration::from_secs(20) }
    }
}
