//! A small MQTT client of the tests' own. It shares only the packet codec with the agent.

mod publisher;
mod subscriber;
mod wire;

use bytes::Bytes;
pub use publisher::Publisher;
pub use subscriber::{Received, Subscriber};

/// Which MQTT is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.
    V5,
}

/// Where a client goes, and as whom. It goes to 127.0.0.1, without TLS and without a password.
#[derive(Debug, Clone)]
pub struct Options {
    port: u16,
    client_id: String,
    version: Version,
}

impl Options {
    /// A client of the broker, or of the proxy, at `port`.
    pub fn new(port: u16, client_id: &str, version: Version) -> Options {
        Options { port, client_id: client_id.to_owned(), version }
    }
}

/// A message to publish with QoS 1.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// Whether the broker is to keep it.
    pub retain: bool,
}

impl Message {
    /// A message that the broker does not keep.
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Message {
        Message { topic: topic.into(), payload: payload.into(), retain: false }
    }
}
