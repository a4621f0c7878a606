//! Why a broker answered as it did: MQTT reason codes (MQTT 5, section 2.4) in words.
//!
//! The five return codes of a 3.1.1 CONNACK are told by the codes of MQTT 5 that mean the same.

use std::fmt;

/// A reason code, and what the broker itself said about it (MQTT 5 reason string).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) code: u8,
    pub(crate) said: Option<String>,
}

impl Reason {
    pub(crate) const SUCCESS: u8 = 0x00;
    pub(crate) const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
    pub(crate) const UNSPECIFIED_ERROR: u8 = 0x80;
    pub(crate) const UNSUPPORTED_VERSION: u8 = 0x84;
    pub(crate) const NOT_AUTHORIZED: u8 = 0x87;
    pub(crate) const TOPIC_NAME_INVALID: u8 = 0x90;
    /// The broker holds a message under this id: with QoS 2, ours from an earlier attempt.
    pub(crate) const PACKET_ID_IN_USE: u8 = 0x91;
    pub(crate) const PACKET_TOO_LARGE: u8 = 0x95;
    pub(crate) const QUOTA_EXCEEDED: u8 = 0x97;
    pub(crate) const QOS_NOT_SUPPORTED: u8 = 0x9B;

    pub(crate) fn new(code: u8) -> Self {
        Reason { code, said: None }
    }

    /// Whether the same attempt will be refused again until a person changes something, here or at the broker.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(
            self.code,
            0x81 | 0x82 | 0x84..=0x87 | 0x8A | 0x8C | 0x8F | 0x90 | 0x95 | 0x99..=0x9B | 0x9D | 0x9E | 0xA1 | 0xA2
        )
    }

    /// Whether a broker that ends the connection with it may mean the packet that it was sent last.
    pub(crate) fn is_of_a_packet(&self) -> bool {
        matches!(self.code, 0x80..=0x83 | 0x87 | 0x90 | 0x94 | 0x95 | 0x99..=0x9B)
    }

    /// What the code means.
    pub(crate) fn words(&self) -> &'static str {
        match self.code {
            0x00 => "success",
            0x04 => "disconnected with will",
            0x10 => "nobody is subscribed",
            0x80 => "unspecified error",
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x83 => "implementation specific error",
            0x84 => "unsupported protocol version",
            0x85 => "client identifier not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8A => "banned",
            0x8B => "server shutting down",
            0x8C => "bad authentication method",
            0x8D => "keep-alive timeout",
            0x8E => "session taken over by another connection with the same client id",
            0x8F => "topic filter invalid",
            0x90 => "topic name invalid",
            0x91 => "packet identifier in use",
            0x92 => "packet identifier not found",
            0x93 => "receive maximum exceeded",
            0x94 => "topic alias invalid",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x99 => "payload format invalid",
            0x9A => "retain not supported",
            0x9B => "QoS not supported",
            0x9C => "use another server",
            0x9D => "server moved",
            0x9E => "shared subscriptions not supported",
            0x9F => "connection rate exceeded",
            0xA0 => "maximum connect time",
            0xA1 => "subscription identifiers not supported",
            0xA2 => "wildcard subscriptions not supported",
            _ => "unknown reason",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.words(), self.code)?;
        match &self.said {
            Some(said) => write!(f, ", \"{}\"", said.escape_debug()),
            None => Ok(()),
        }
    }
}
